//! A ledger as text: JSON, so that it can be read in an emergency.

use std::net::IpAddr;

use ipnet::IpNet;
use pnet_base::MacAddr;
use serde::{Deserialize, Serialize};

use super::Record;
use crate::frame::LinkIndex;
use crate::host::{Macvlan, Name, OtherRoute, OwnRoute, Sysctl, Which};
use crate::identity::Address;
use crate::plan::{Need, Step};

/// Raised when a field changes its meaning or goes away.
const SCHEMA: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: u32,
    boot: String,
    identities: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    addresses: Vec<String>,
    /// What undoes a take that was under way when this was written.
    pending: Vec<Saved>,
    undo: Vec<Saved>,
    needs: Vec<String>,
}

/// A step that undoes something.
#[derive(Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Saved {
    RemoveAddress { net: IpText, link: u32 },
    SetSysctl { sysctl: String, from: i32, to: i32 },
    SetMac { link: u32, from: String, to: String },
    SetDown(SavedMacvlan),
    Delete(SavedMacvlan),
    RemoveRoute(SavedRoute),
    RestoreRoute { old: SavedOther, new: SavedRoute },
}

type IpText = String;

#[derive(Serialize, Deserialize)]
struct SavedRoute {
    to: IpText,
    via: Option<IpAddr>,
    src: Option<IpAddr>,
    metric: u32,
    link: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedOther {
    to: IpText,
    via: Option<IpAddr>,
    src: Option<IpAddr>,
    metric: u32,
    link: u32,
    protocol: u8,
    scope: u8,
    onlink: bool,
}

#[derive(Serialize, Deserialize)]
struct SavedMacvlan {
    name: String,
    index: u32,
    base: u32,
    mac: String,
}

/// The text of a ledger.
pub(super) fn write(records: &[Record], boot: &str) -> String {
    let identities = records
        .iter()
        .map(|r| Entry {
            addresses: r.addresses.iter().map(ToString::to_string).collect(),
            pending: r.pending.iter().filter_map(save).collect(),
            undo: r.undo.iter().filter_map(save).collect(),
            needs: r.needs.iter().map(need).collect(),
        })
        .collect();
    let file = File { schema: SCHEMA, boot: boot.to_owned(), identities };
    // Strings, numbers and lists only: nothing of it can fail to be written.
    serde_json::to_string_pretty(&file).unwrap_or_default()
}

/// Reads a ledger; nothing where it is of another boot.
pub(super) fn read(text: &str, boot: &str) -> Result<Vec<Record>, String> {
    let file: File = serde_json::from_str(text).map_err(|e| e.to_string())?;
    if file.boot != boot {
        return Ok(Vec::new());
    }
    if file.schema != SCHEMA {
        return Err(format!("it is of version {}, this program writes {SCHEMA}", file.schema));
    }
    file.identities.into_iter().map(record).collect()
}

fn record(e: Entry) -> Result<Record, String> {
    let addresses = e.addresses.iter().map(|a| a.parse::<Address>().map_err(|e| e.to_string()));
    let steps = |all: Vec<Saved>| all.into_iter().map(load).collect::<Result<Vec<_>, _>>();
    Ok(Record {
        addresses: addresses.collect::<Result<_, _>>()?,
        pending: steps(e.pending)?,
        undo: steps(e.undo)?,
        needs: e.needs.iter().map(|s| load_need(s)).collect::<Result<_, _>>()?,
    })
}

fn save(step: &Step) -> Option<Saved> {
    Some(match *step {
        Step::Remove { link, net } => Saved::RemoveAddress { net: net.to_string(), link: link.0 },
        Step::Sysctl { sysctl, from, to } => Saved::SetSysctl { sysctl: sysctl.to_string(), from, to },
        Step::Mac { link, from, to } => {
            Saved::SetMac { link: link.0, from: from.to_string(), to: to.to_string() }
        }
        Step::Down(m) => Saved::SetDown(save_macvlan(m)),
        Step::Delete(m) => Saved::Delete(save_macvlan(m)),
        Step::RemoveRoute(r) => Saved::RemoveRoute(save_route(r)),
        Step::RestoreRoute { old, new } => Saved::RestoreRoute { old: save_other(old), new: save_route(new) },
        // None of these undoes anything: see `Step::undo`.
        Step::Add { .. }
        | Step::Create(_)
        | Step::Mark(_)
        | Step::Tune { .. }
        | Step::Up(_)
        | Step::AddRoute(_)
        | Step::SwapRoute { .. } => return None,
    })
}

fn load(saved: Saved) -> Result<Step, String> {
    Ok(match saved {
        Saved::RemoveAddress { net: n, link } => Step::Remove { link: LinkIndex(link), net: net(&n)? },
        Saved::SetSysctl { sysctl: s, from, to } => Step::Sysctl { sysctl: sysctl(&s)?, from, to },
        Saved::SetMac { link, from, to } => {
            Step::Mac { link: LinkIndex(link), from: mac(&from)?, to: mac(&to)? }
        }
        Saved::SetDown(m) => Step::Down(macvlan(&m)?),
        Saved::Delete(m) => Step::Delete(macvlan(&m)?),
        Saved::RemoveRoute(r) => Step::RemoveRoute(route(&r)?),
        Saved::RestoreRoute { old, new } => Step::RestoreRoute { old: other(&old)?, new: route(&new)? },
    })
}

fn save_route(r: OwnRoute) -> SavedRoute {
    SavedRoute { to: r.destination.to_string(), via: r.via, src: r.source, metric: r.metric, link: r.link.0 }
}

fn route(r: &SavedRoute) -> Result<OwnRoute, String> {
    let (via, source, metric) = (r.via, r.src, r.metric);
    Ok(OwnRoute { destination: net(&r.to)?, via, source, metric, link: LinkIndex(r.link) })
}

fn save_other(r: OtherRoute) -> SavedOther {
    let OtherRoute { destination, via, source: src, metric, link, protocol, scope, onlink } = r;
    SavedOther { to: destination.to_string(), via, src, metric, link: link.0, protocol, scope, onlink }
}

fn other(r: &SavedOther) -> Result<OtherRoute, String> {
    let SavedOther { ref to, via, src: source, metric, link, protocol, scope, onlink } = *r;
    let (destination, link) = (net(to)?, LinkIndex(link));
    Ok(OtherRoute { destination, via, source, metric, link, protocol, scope, onlink })
}

fn net(s: &str) -> Result<IpNet, String> {
    s.parse().map_err(|_| format!("'{s}' is no network"))
}

fn need(need: &Need) -> String {
    match need {
        Need::Sysctl(s) => s.to_string(),
        Need::Mac(link) => format!("mac of link {}", link.0),
    }
}

fn load_need(s: &str) -> Result<Need, String> {
    match s.strip_prefix("mac of link ") {
        Some(n) => n.parse().map(|n| Need::Mac(LinkIndex(n))).map_err(|_| format!("'{s}' is no link")),
        None => sysctl(s).map(Need::Sysctl),
    }
}

fn save_macvlan(m: Macvlan) -> SavedMacvlan {
    SavedMacvlan { name: m.name.to_string(), index: m.index.0, base: m.base.0, mac: m.mac.to_string() }
}

fn macvlan(m: &SavedMacvlan) -> Result<Macvlan, String> {
    let name = Name::from(&m.name).map_err(|_| format!("'{}' is no link's name", m.name))?;
    Ok(Macvlan { index: LinkIndex(m.index), name, base: LinkIndex(m.base), mac: mac(&m.mac)? })
}

fn mac(s: &str) -> Result<MacAddr, String> {
    s.parse().map_err(|_| format!("'{s}' is no MAC"))
}

/// `net.ipv4.conf.eth0.arp_ignore`; a link's name may have dots of its own.
fn sysctl(s: &str) -> Result<Sysctl, String> {
    let parse = || {
        let (family, rest) = s.strip_prefix("net.")?.split_once(".conf.")?;
        let (link, name) = rest.rsplit_once('.')?;
        let which = Which::ALL.into_iter().find(|w| w.names() == (family, name))?;
        Sysctl::of(which, link)
    };
    parse().ok_or_else(|| format!("'{s}' is no sysctl that is known"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Record {
        let eth = LinkIndex(2);
        let (a, b) = (MacAddr(2, 0, 0, 0, 0, 1), MacAddr(0, 0, 0x5e, 0, 1, 10));
        let m =
            Macvlan { index: LinkIndex(0x4000), name: Name::from("nid4-10-2").unwrap(), base: eth, mac: b };
        let ignore = Sysctl::of(Which::ArpIgnore, "bond0.100").unwrap();
        let via = Some("192.0.2.1".parse().unwrap());
        let route = OwnRoute {
            destination: "0.0.0.0/0".parse().unwrap(),
            via,
            source: "192.0.2.10".parse().ok(),
            metric: 50,
            link: eth,
        };
        Record {
            addresses: vec!["192.0.2.10/24@bond0.100".parse().unwrap()],
            pending: vec![
                Step::RemoveRoute(route),
                Step::Remove { link: m.index, net: "192.0.2.10/24".parse().unwrap() },
                Step::Down(m),
                Step::Delete(m),
                Step::Sysctl { sysctl: ignore, from: 1, to: 0 },
            ],
            undo: vec![
                Step::Mac { link: eth, from: b, to: a },
                Step::RestoreRoute {
                    old: OtherRoute {
                        destination: route.destination,
                        via,
                        source: None,
                        metric: 50,
                        link: eth,
                        protocol: 3,
                        scope: 0,
                        onlink: true,
                    },
                    new: route,
                },
            ],
            needs: vec![Need::Sysctl(ignore), Need::Mac(eth)],
        }
    }

    #[test]
    fn every_step_that_undoes_something_reads_as_it_was_written() {
        let text = write(&[full()], "b");
        assert_eq!(read(&text, "b"), Ok(vec![full()]));
        assert_eq!(read(&text, "c"), Ok(vec![]), "of another boot");
    }

    #[test]
    fn what_makes_no_sense_is_an_error() {
        let text = write(&[full()], "b");
        for (what, instead) in [
            ("arp_ignore", "arp_teach"),
            ("192.0.2.10/24@bond0.100", "192.0.2.10"),
            ("\"schema\": 1", "\"schema\": 2"),
            ("set_mac", "set_on_fire"),
            ("02:00:00:00:00:01", "nothing"),
        ] {
            assert!(text.contains(what), "{text}");
            assert!(read(&text.replace(what, instead), "b").is_err(), "{what}");
        }
        assert!(read("", "b").is_err() && read(&text[..text.len() / 2], "b").is_err());
    }
}
