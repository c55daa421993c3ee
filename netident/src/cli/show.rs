//! `netident show`: what stands on this host, and who answers for what does not.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use netident::campaign::Voice;
use netident::host::{Held, Host};
use netident::identity::{Address, Identity};
use netident::lookup::Answer;
use netident::runtime;
use netident::system::netlink::Netlink;
use netident::vendor::vendor;
use serde_json::{Value, json};

use super::Exit;
use super::output::{Done, End, Failed};
use super::verbs::{identity, socket, system};
use super::{args, mac};

#[derive(Args, Debug)]
pub(crate) struct Show {
    /// Ask who answers for this address as well: ADDRESS/PREFIX@LINK; repeat it for more
    #[arg(long, short, value_name = "ADDRESS/PREFIX@LINK")]
    address: Vec<Address>,
    /// The same for the addresses of a TOML file with `address = ["192.0.2.10/24@eth0"]`
    #[arg(long, short, value_name = "FILE", conflicts_with = "address")]
    file: Option<PathBuf>,
}

pub(crate) fn show(a: &Show) -> End {
    const TRIED: &str = "showing the identities of this host";
    let mut netlink = Netlink::open().map_err(|e| system(TRIED, &e))?;
    let host = netlink.host().map_err(|e| system(TRIED, &e))?;
    let mut text = String::new();
    for h in &host.addresses {
        let whose = if h.ours { "taken by netident" } else { "" };
        let _ = writeln!(text, "{:<40} {:<16} {}{}", h.net.to_string(), host.name(h.link), state(h), whose);
    }
    let all: Vec<Value> = host
        .addresses
        .iter()
        .map(|h| {
            json!({ "address": h.net.to_string(), "link": host.name(h.link), "ours": h.ours,
                "tentative": h.tentative, "dadfailed": h.dadfailed })
        })
        .collect();
    let (macvlans, routes) = mac::show(&host, &mut text);
    let mut fields = json!({ "addresses": all, "macvlans": macvlans, "routes": routes });
    let mut exit = Exit::Confirmed;
    if !a.address.is_empty() || a.file.is_some() {
        // Who answers does not depend on what moves along.
        let along = mac::Along { virtual_mac: None, mac_mode: mac::Mode::Macvlan, route: Vec::new() };
        let wanted = args::Identity {
            address: a.address.clone(),
            file: a.file.clone(),
            along,
            name: super::name::Flags::none(),
        };
        let identity = identity(&wanted, TRIED)?;
        let found = who_answers(TRIED, &host, &identity)?;
        text.push('\n');
        for one in &found {
            let _ = writeln!(text, "{}", one.line());
        }
        if found.iter().any(Found::is_conflict) {
            exit = Exit::Conflict;
        }
        fields["asked"] = found.iter().map(Found::json).collect();
    }
    Ok(Done { exit, text: text.trim_end().to_owned(), fields })
}

fn state(h: &Held) -> &'static str {
    match (h.dadfailed, h.tentative) {
        (true, _) => "FAILED duplicate address detection; ",
        (_, true) => "tentative; ",
        _ => "",
    }
}

/// What is known of one address.
struct Found {
    address: Address,
    here: bool,
    /// Or why nobody could be asked.
    answers: Result<Vec<Answer>, &'static str>,
}

fn who_answers(tried: &'static str, host: &Host, identity: &Identity) -> Result<Vec<Found>, Failed> {
    let voice = |a: &Address| -> Result<Voice, &'static str> {
        let link = host.link(&a.link).ok_or("there is no such link here to ask on")?;
        if !link.up || !link.carrier {
            return Err("the link is down or without carrier: nobody can be asked");
        }
        Ok(Voice { link: link.index, mac: link.mac.ok_or("the link has no Ethernet address")?, ip: a.ip() })
    };
    let voices: Vec<_> = identity.addresses().iter().map(|a| (a, voice(a))).collect();
    let mut answers = Vec::new();
    if voices.iter().any(|(_, v)| v.is_ok()) {
        let socket = socket(tried)?;
        let asked = voices.iter().filter_map(|(_, v)| v.ok());
        answers = runtime::lookup(&socket, asked).map_err(|e| system(tried, &e))?;
    }
    let own = |m: &Answer| host.links.iter().any(|l| l.mac == Some(m.mac));
    let found = voices.into_iter().map(|(address, voice)| Found {
        address: address.clone(),
        here: host.holding(address.ip()).next().is_some(),
        answers: voice.map(|v| {
            let of = answers.iter().filter(|(w, _)| *w == v).flat_map(|(_, a)| a.iter().copied());
            of.filter(|a| !own(a)).collect()
        }),
    });
    Ok(found.collect())
}

impl Found {
    /// More hosts than one have it.
    fn is_conflict(&self) -> bool {
        self.answers.as_ref().is_ok_and(|a| a.len() + usize::from(self.here) > 1)
    }

    fn line(&self) -> String {
        let mut line = format!("{}: ", self.address);
        line.push_str(match (&self.answers, self.here) {
            (Err(why), true) => return format!("{line}stands here; {why}"),
            (Err(why), false) => return format!("{line}not here; {why}"),
            (Ok(a), true) if a.is_empty() => "stands here, nobody else answers for it",
            (Ok(a), false) if a.is_empty() => "not here, and nobody answers for it",
            (Ok(_), true) => "CONFLICT: stands here, and another answers for it",
            (Ok(a), false) if a.len() > 1 => "CONFLICT: several hosts answer for it",
            (Ok(_), false) => "not here; answered for",
        });
        for a in self.answers.iter().flatten() {
            let ms = a.after.as_secs_f64() * 1000.0;
            let _ = write!(line, "\n  by {} ({}) after {ms:.2} ms", a.mac, vendor(a.mac));
        }
        line
    }

    fn json(&self) -> Value {
        let answers: Vec<Value> = self
            .answers
            .iter()
            .flatten()
            .map(|a| {
                json!({ "mac": a.mac.to_string(), "vendor": vendor(a.mac),
                    "after_us": u64::try_from(a.after.as_micros()).unwrap_or(u64::MAX) })
            })
            .collect();
        json!({ "address": self.address.to_string(), "here": self.here, "answers": answers,
            "not_asked": self.answers.as_ref().err() })
    }
}
