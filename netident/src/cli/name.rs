//! The name of an identity: its options, its part of the file, the verb `dns`, what is said of it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use netident::dns::{Goal, Shown, Verdict};
use netident::identity::Identity;
use netident::identity::name::{self, DnsName, Expect, NameError, Naming, OnRelease};
use netident::runtime::{Named, load_key, rename};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Exit;
use super::output::{Done, End, Failed};

/// The name that is to lead to the identity.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// A name that is made to lead to the addresses, by a dynamic update after the take
    #[arg(long = "dns", value_name = "NAME", requires_all = ["dns_server", "dns_key"], help_heading = "Name")]
    dns: Option<DnsName>,
    /// The primary server of the name's zone: an address, and a port if it is not 53
    #[arg(long, value_name = "ADDRESS[:PORT]", requires = "dns", help_heading = "Name")]
    dns_server: Option<String>,
    /// The TSIG key's file, as `tsig-keygen` prints it, or one line ALGORITHM:NAME:BASE64; not readable by others
    #[arg(long, value_name = "FILE", requires = "dns", help_heading = "Name")]
    dns_key: Option<PathBuf>,
    /// The zone [default: the name without its first part]
    #[arg(long, value_name = "ZONE", requires = "dns", help_heading = "Name")]
    dns_zone: Option<DnsName>,
    /// How long resolvers may keep the addresses, s [default: 30]
    #[arg(long, value_name = "SECONDS", requires = "dns", help_heading = "Name")]
    dns_ttl: Option<u32>,
    /// Only if the name leads there before: any, absent, or exactly these addresses [default: any]
    #[arg(long, value_name = "any|absent|ADDRESS,...", requires = "dns", help_heading = "Name")]
    dns_expect: Option<Expect>,
    /// What `release` does with the name [default: keep]
    #[arg(long, value_enum, requires = "dns", help_heading = "Name")]
    dns_on_release: Option<AtRelease>,
}

#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum AtRelease {
    /// It stays as it is
    Keep,
    /// The identity's addresses are removed from it
    Remove,
}

/// `dns = { name = "db.example.com", server = "192.0.2.53", key-file = "/etc/palisade/dns.key" }`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Field {
    name: String,
    server: String,
    key_file: PathBuf,
    zone: Option<String>,
    ttl: Option<u32>,
    expect: Option<String>,
    on_release: Option<AtRelease>,
}

/// Only the name, without the addresses.
#[derive(Args, Debug)]
pub(crate) struct Dns {
    #[command(flatten)]
    pub(crate) identity: super::args::Identity,
    /// Remove the addresses from the name instead of making it lead to them
    #[arg(long)]
    remove: bool,
}

impl Flags {
    /// No name.
    pub(super) const fn none() -> Self {
        Self {
            dns: None,
            dns_server: None,
            dns_key: None,
            dns_zone: None,
            dns_ttl: None,
            dns_expect: None,
            dns_on_release: None,
        }
    }

    /// What the options say; `None` without `--dns`.
    pub(crate) fn naming(&self) -> Result<Option<Naming>, NameError> {
        let (Some(name), Some(server), Some(key)) = (&self.dns, &self.dns_server, &self.dns_key) else {
            return Ok(None);
        };
        let basic = Naming::new(name.clone(), name::server(server)?, key.clone());
        let zone = self.dns_zone.clone();
        whole(basic, zone, self.dns_ttl, self.dns_expect.clone(), self.dns_on_release).map(Some)
    }
}

impl Field {
    /// What the file says.
    pub(crate) fn naming(self) -> Result<Naming, NameError> {
        let basic = Naming::new(self.name.parse()?, name::server(&self.server)?, self.key_file);
        let zone = self.zone.map(|z| z.parse()).transpose()?;
        let expect = self.expect.map(|e| e.parse()).transpose()?;
        whole(basic, zone, self.ttl, expect, self.on_release)
    }
}

fn whole(
    basic: Naming,
    zone: Option<DnsName>,
    ttl: Option<u32>,
    expect: Option<Expect>,
    at_release: Option<AtRelease>,
) -> Result<Naming, NameError> {
    let on_release = match at_release {
        None => basic.on_release,
        Some(AtRelease::Keep) => OnRelease::Keep,
        Some(AtRelease::Remove) => OnRelease::Remove,
    };
    Naming {
        zone: zone.unwrap_or(basic.zone),
        ttl_s: ttl.unwrap_or(basic.ttl_s),
        expect: expect.unwrap_or(basic.expect),
        on_release,
        name: basic.name,
        server: basic.server,
        key_file: basic.key_file,
    }
    .checked()
}

/// The verb: the name alone.
pub(crate) fn dns(a: &Dns) -> End {
    const TRIED: &str = "changing the name";
    let identity = super::verbs::identity(&a.identity, TRIED)?;
    let Some(naming) = identity.naming() else {
        return Err(Failed {
            exit: Exit::Usage,
            tried: TRIED,
            answer: "no name is given".into(),
            next: "say --dns NAME --dns-server ADDRESS --dns-key FILE, or write dns = { ... } in the file",
        });
    };
    let goal = if a.remove { Goal::LeadsElsewhere } else { Goal::Leads };
    let end = change(&identity, naming, goal);
    Ok(Done { exit: end.exit, text: end.text, fields: json!({ "dns": end.fields }) })
}

/// What a take would do about the name; whether its key can be read is found out now rather than then.
pub(crate) fn planned(identity: &Identity) -> Option<(String, Value)> {
    let naming = identity.naming()?;
    Some(plan(naming, format!("make {} lead to these addresses", naming.name)))
}

/// What a release would do about it.
pub(crate) fn planned_release(identity: &Identity) -> Option<(String, Value)> {
    let naming = identity.naming().filter(|n| n.on_release == OnRelease::Remove)?;
    Some(plan(naming, format!("take these addresses out of {}", naming.name)))
}

fn plan(naming: &Naming, what: String) -> (String, Value) {
    let (name, server) = (naming.name.to_string(), naming.server.to_string());
    let unfit = load_key(naming).err().map(|e| e.to_string());
    let mut text = format!("{what}, by an update of {server}");
    if let Some(why) = &unfit {
        text = format!("{text}\n  it would FAIL: {why}");
    }
    (text, json!({ "name": name, "server": server, "unfit": unfit }))
}

/// After a take: adds the name's end to what is said, if the identity has a name.
pub(crate) fn after_take(identity: &Identity, done: Done) -> Done {
    match identity.naming() {
        None => done,
        Some(naming) => joined(done, change(identity, naming, Goal::Leads)),
    }
}

/// After a release.
pub(crate) fn after_release(identity: &Identity, done: Done) -> Done {
    match identity.naming() {
        Some(naming) if naming.on_release == OnRelease::Remove => {
            joined(done, change(identity, naming, Goal::LeadsElsewhere))
        }
        _ => done,
    }
}

/// The addresses' end stays what it is: only a good one is made worse by the name.
fn joined(mut done: Done, name: Done) -> Done {
    done.text = format!("{}\n{}", done.text, name.text);
    if done.exit == Exit::Confirmed {
        done.exit = name.exit;
    }
    if let Value::Object(all) = &mut done.fields {
        all.insert("dns".into(), name.fields);
    }
    done
}

fn change(identity: &Identity, naming: &Naming, goal: Goal) -> Done {
    let addresses: Vec<_> = identity.addresses().iter().map(netident::identity::Address::ip).collect();
    let named = match load_key(naming) {
        Ok(key) => rename(naming, &key, addresses.iter().copied(), goal),
        Err(e) => {
            let nothing = Shown::Nothing("nothing was sent".into());
            Named { verdict: Verdict::Refused(e.to_string()), shown: nothing, took: Default::default() }
        }
    };
    let wanted: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let goal_words = match goal {
        Goal::Leads => "leads to",
        Goal::LeadsElsewhere => "does not lead to",
    };
    let (name, server) = (&naming.name, naming.server);
    let wanted_words = wanted.join(", ");
    let (exit, outcome, why, text) = match named.verdict {
        Verdict::Confirmed => {
            let ms = named.took.as_secs_f64() * 1000.0;
            let text =
                format!("dns: {name} {goal_words} {wanted_words}, read back from {server} in {ms:.2} ms");
            (Exit::Confirmed, "confirmed", None, text)
        }
        Verdict::Refused(why) => {
            let text = format!(
                "dns: REFUSED for {name}: {why}\n  next: mend that, then `netident dns` with the same options"
            );
            (Exit::NameRefused, "refused", Some(why), text)
        }
        Verdict::Unknown(why) => {
            let text = format!(
                "dns: UNKNOWN whether {name} {goal_words} {wanted_words}: {why}\n  next: `netident dns` with the same \
                 options; repeating it is safe"
            );
            (Exit::NameUnknown, "unknown", Some(why), text)
        }
    };
    let shown = match named.shown {
        Shown::Addresses(all) => json!(all),
        Shown::Alias(_) | Shown::Nothing(_) => Value::Null,
    };
    let took_us = u64::try_from(named.took.as_micros()).unwrap_or(u64::MAX);
    let fields = json!({ "name": name.to_string(), "server": server.to_string(), "outcome": outcome, "why": why,
        "wanted": wanted, "shown": shown, "took_us": took_us });
    Done { exit, text, fields }
}
