//! What moves besides addresses: a virtual MAC, routes; and where it is recorded what was changed.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use netident::host::{Host, Link};
use netident::identity::{Identity, MacMode, VirtualMac, WantedRoute};
use netident::plan::Step;
use netident::runtime::ledger::{FOLDER, Kept, Ledger, LedgerError};
use netident::runtime::{Keep, Undone};
use netident::system::netlink::Netlink;
use netident::system::signals::Hold;
use serde_json::{Value, json};

use super::Exit;
use super::output::Failed;

/// A MAC and routes that move along.
#[derive(Args, Debug)]
pub(crate) struct Along {
    /// A MAC that moves along: vrrp:VRID (00-00-5e-00-01-VRID for IPv4, 00-00-5e-00-02-VRID for IPv6), or a locally
    /// administered one
    #[arg(long, value_name = "MAC", conflicts_with = "file")]
    pub(crate) virtual_mac: Option<VirtualMac>,
    /// Where the virtual MAC stands: on a macvlan of its own, or on the link itself
    #[arg(long, value_enum, default_value_t = Mode::Macvlan, requires = "virtual_mac", conflicts_with = "file")]
    pub(crate) mac_mode: Mode,
    /// A route that comes and goes with the identity: 'default via 192.0.2.1 src 192.0.2.10 @eth0'; repeat it for more
    #[arg(
        long,
        value_name = "DESTINATION [via ROUTER] src ADDRESS [metric N] @LINK",
        conflicts_with = "file"
    )]
    pub(crate) route: Vec<WantedRoute>,
}

/// As `MacMode`, for the command line and files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// On a macvlan of its own
    Macvlan,
    /// On the link itself; its own MAC comes back with the release
    Link,
}

impl From<Mode> for MacMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Macvlan => Self::Macvlan,
            Mode::Link => Self::Link,
        }
    }
}

/// Where it is recorded what was changed.
#[derive(Args, Debug)]
pub(crate) struct Keeping {
    /// The folder that records what was changed, so that it can be undone after a crash
    #[arg(long, value_name = "DIR", env = "NETIDENT_RUNTIME_DIR", default_value = FOLDER)]
    pub(crate) runtime_dir: PathBuf,
}

/// The host as it is when nothing of a dead process is left half-way on it, and the means to change it.
pub(crate) struct Ready {
    pub(crate) netlink: Netlink,
    pub(crate) ledger: Ledger,
    pub(crate) hold: Hold,
    pub(crate) host: Host,
    /// What was repaired.
    pub(crate) repaired: Vec<String>,
}

/// Locks the ledger, holds signals back, undoes what was cut short, and looks.
pub(crate) fn ready(tried: &'static str, keeping: &Keeping) -> Result<Ready, Failed> {
    let failed = |answer: String| Failed {
        exit: Exit::Error,
        tried,
        answer,
        next: "mend that, then repeat the command; nothing was changed",
    };
    let mut netlink = Netlink::open().map_err(|e| failed(e.to_string()))?;
    let mut ledger = Ledger::open(&keeping.runtime_dir).map_err(|e| failed(e.to_string()))?;
    let hold = Hold::begin().map_err(|e| failed(e.to_string()))?;
    let repaired = ledger.repair(&mut netlink).map_err(|e| failed(e.to_string()))?;
    let repaired: Vec<String> = repaired
        .into_iter()
        .map(|(name, undone)| match undone {
            Undone::NotAll => format!("a take of {name} was cut short and could NOT be undone whole"),
            _ => format!("a take of {name} was cut short: what it had changed is undone"),
        })
        .collect();
    for line in &repaired {
        let _ = std::io::Write::write_fmt(&mut std::io::stderr().lock(), format_args!("netident: {line}\n"));
    }
    let host = netlink.host().map_err(|e| failed(e.to_string()))?;
    Ok(Ready { netlink, ledger, hold, host, repaired })
}

/// What is recorded of an identity.
pub(crate) fn recorded(
    tried: &'static str,
    keeping: &Keeping,
    identity: &Identity,
) -> Result<Vec<Step>, Failed> {
    let failed = |e: LedgerError| Failed {
        exit: Exit::Error,
        tried,
        answer: e.to_string(),
        next: "mend that, then repeat the command; nothing was changed",
    };
    let mut ledger = Ledger::open(&keeping.runtime_dir).map_err(failed)?;
    Ok(Kept::new(&mut ledger, identity, None).recorded())
}

/// The host with the macvlans that `steps` make, so that they have names.
pub(crate) fn named<'h>(host: &'h Host, steps: &[Step]) -> Cow<'h, Host> {
    if !steps.iter().any(|s| matches!(s, Step::Create(_))) {
        return Cow::Borrowed(host);
    }
    let mut named = host.clone();
    named.links.extend(steps.iter().filter_map(|s| match s {
        Step::Create(m) => Some(Link {
            index: m.index,
            name: m.name.to_string(),
            mac: Some(m.mac),
            up: false,
            carrier: false,
            promote_secondaries: false,
        }),
        _ => None,
    }));
    Cow::Owned(named)
}

/// What of ours is seen besides addresses.
pub(crate) fn show(host: &Host, text: &mut String) -> (Vec<Value>, Vec<Value>) {
    let ours = host.around.macvlans.iter().filter(|m| m.ours);
    let macvlans = ours
        .map(|m| {
            let state = if m.up { "up" } else { "DOWN" };
            let _ = writeln!(
                text,
                "{:<40} {:<16} virtual MAC on {}, {state}, made by netident",
                m.is.mac.to_string(),
                m.is.name.as_str(),
                host.name(m.is.base)
            );
            json!({ "mac": m.is.mac.to_string(), "link": m.is.name.as_str(), "base": host.name(m.is.base), "up": m.up })
        })
        .collect();
    let routes = host
        .around
        .routes
        .iter()
        .map(|r| {
            let via = r.via.map_or_else(String::new, |v| format!(" via {v}"));
            let src = r.source.map_or_else(|| " src LOST".into(), |s| format!(" src {s}"));
            let what = format!("{}{via}{src} metric {}", r.destination, r.metric);
            let _ = writeln!(text, "{what:<40} {:<16} route made by netident", host.name(r.link));
            json!({ "to": r.destination.to_string(), "via": r.via, "src": r.source, "metric": r.metric,
                "link": host.name(r.link) })
        })
        .collect();
    (macvlans, routes)
}
