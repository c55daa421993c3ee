//! `clear-stale`: who is registered, who of them may be dead, and the removal of those that are.
//!
//! Shows by default. Removes only what is named, of nodes that are said to be down, and never what this
//! host lives under. A key tells nothing about whether its owner lives; only the operator knows.

use std::time::Duration;

use arbitrate::codec::opcode;
use arbitrate::codec::pr::{Abort, PrOut, Preempt, RegisteredPort, ReservationType};
use arbitrate::key::{ClusterId, Key, NodeNumber};
use arbitrate::protocol::fence::{Drain, FenceOrder, Holders, MAX_VICTIMS, Protection, SilentPaths, Victim};
use serde_json::{Value, json};

use super::args::{ClearStale, StaleCheck};
use super::order::{Queued, carry_out, cluster, exit, me, number, of};
use super::receipt::hex;
use super::unit::{self, Me, Ready, Unit};
use crate::cli::consent;
use crate::cli::exit::Exit;
use crate::cli::output::{Done, Failure, Outcome};
use crate::cli::session::Options;
use crate::cli::timeline::describe_key;

pub(crate) fn run(a: &ClearStale, with: Options) -> Outcome {
    let asked = Asked {
        args: a,
        cluster: cluster(&a.cluster)?,
        me: me(&a.who)?,
        down: a.down.iter().map(|n| number(*n, "--down")).collect::<Result<_, _>>()?,
    };
    let units = unit::ready(&a.devices, false, with)?;
    if a.remove.is_empty() {
        return Ok(asked.show(&units));
    }
    let removed = asked.check(&units)?;
    let what =
        format!("removing {} from {}", super::said::keys(&removed, asked.cluster), a.devices.join(", "));
    if a.consent.dry_run {
        return Ok(asked.dry_run(&what, &removed, &units));
    }
    consent::ask(&a.consent, &what)?;
    let order = FenceOrder {
        cluster: asked.cluster,
        victim: Victim::Keys(removed.iter().copied().collect()),
        protection: Protection::NotAsked,
        abort: Abort::No,
        drain: Drain::AbortOnly,
        holders: Holders::Anybody,
        silent_paths: SilentPaths::NotProven,
        command_timeout: with.command_timeout(),
        budget: Duration::from_secs(10),
    };
    // The operator says that the node is down; no promise is made of what it had queued.
    let own = |r: &unit::Ready| r.own(asked.me, asked.cluster);
    let lines = carry_out(&order, units, Queued::Accepted, own, with)?;
    let exit = exit(&lines);
    let proven = lines.iter().filter(|l| l.said.outcome == "confirmed").count();
    let head = if exit == Exit::Confirmed { "REMOVED" } else { "NOT PROVEN: removed" };
    let text: Vec<&str> = lines.iter().map(|l| l.text.as_str()).collect();
    let fields = json!({
        "action": what, "cluster": a.cluster, "removed": removed,
        "devices": lines.iter().map(|l| &l.fields).collect::<Vec<_>>(),
    });
    let head =
        format!("{head}: {} on {}", super::said::keys(&removed, asked.cluster), of(proven, lines.len()));
    Ok(Done::new(exit, format!("{head}\n  {}", text.join("\n  ")), fields))
}

struct Asked<'a> {
    args: &'a ClearStale,
    cluster: ClusterId,
    me: Me,
    down: Vec<NodeNumber>,
}

/// How a registered key stands to this host.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// What this host lives under.
    Own,
    /// Another life of this host's node number, while it lives under the own key.
    OwnEarlier,
    /// Of a node that is said to be down.
    Down(NodeNumber),
    /// Of a node that may be alive.
    Alive(NodeNumber),
    /// Of another cluster or another tool.
    Foreign,
}

impl Standing {
    fn words(self) -> String {
        match self {
            Self::Own => "this host lives under it: never removed here".into(),
            Self::OwnEarlier => "an earlier life of this host: may be removed".into(),
            Self::Down(n) => format!("node {n} is said to be down: may be removed"),
            Self::Alive(n) => {
                format!("node {n} may be alive: not removed unless you prove it down and say --down {n}")
            }
            Self::Foreign => "another cluster or another tool: not removed without --force foreign".into(),
        }
    }
}

impl Asked<'_> {
    fn standing(&self, key: Key, own: Option<Key>) -> Standing {
        let own_node = own.and_then(|k| k.parts_in(self.cluster)).map(|p| p.node);
        match key.parts_in(self.cluster) {
            _ if Some(key) == own => Standing::Own,
            None => Standing::Foreign,
            Some(p) if Some(p.node) == own_node => Standing::OwnEarlier,
            Some(p) if self.down.contains(&p.node) => Standing::Down(p.node),
            Some(p) => Standing::Alive(p.node),
        }
    }

    /// Who is registered, and how each stands; nothing is changed.
    fn show(&self, units: &[Unit]) -> Done {
        let mut text = Vec::new();
        let mut fields = Vec::new();
        for u in units {
            match &u.state {
                Err(e) => {
                    text.push(format!("{}: UNKNOWN: {}", u.device, e.why()));
                    fields.push(json!({ "device": u.device, "outcome": "unknown", "answer": e.why() }));
                }
                Ok(r) => {
                    let (t, f) = self.table(&u.device, r);
                    text.push(t);
                    fields.push(f);
                }
            }
        }
        text.push(
            "nothing was changed; name what is to go with --remove KEY, and --down N for its node once that is proven down".into(),
        );
        let exit = if units.iter().any(|u| u.state.is_err()) { Exit::Unknown } else { Exit::Confirmed };
        Done::new(exit, text.join("\n"), json!({ "cluster": self.args.cluster, "devices": fields }))
    }

    fn table(&self, device: &str, r: &Ready) -> (String, Value) {
        let own = r.own(self.me, self.cluster);
        let mut text = vec![format!("{device} is {} (generation {})", r.identity, r.generation)];
        if let Err(why) = &own {
            text.push(format!("  {why}"));
        }
        let own = own.unwrap_or(r.nexus_key);
        let mut rows = Vec::new();
        for (key, holds, from) in rows_of(r) {
            let standing = self.standing(key, own);
            let holder = match (holds, r.holder) {
                (true, Some(h)) if own == Some(key) => format!("  HOLDER, {}", h.kind.name()),
                (true, Some(h)) => {
                    format!("  HOLDER, {}: whoever removes it takes the reservation", h.kind.name())
                }
                _ => String::new(),
            };
            text.push(format!(
                "  {}  {from}{holder}\n      {}",
                describe_key(key, self.cluster),
                standing.words()
            ));
            rows.push(json!({
                "key": key, "is": describe_key(key, self.cluster), "from": from, "holder": holds,
                "standing": standing.words(),
                "removable": matches!(standing, Standing::OwnEarlier | Standing::Down(_)),
            }));
        }
        if rows.is_empty() {
            text.push("  nobody is registered".into());
        }
        let fields = json!({
            "device": device, "identity": r.identity, "generation": r.generation.0, "own": own,
            "registrations": rows,
        });
        (text.join("\n"), fields)
    }

    /// The keys to remove, each of them allowed on every device it stands on.
    fn check(&self, units: &[Unit]) -> Result<Vec<Key>, Failure> {
        let mut removed = self.args.remove.clone();
        removed.sort_unstable();
        removed.dedup();
        let refused = |key: Key, answer: String, next: &str| {
            Failure::new(Exit::Refused, format!("removing {}", describe_key(key, self.cluster)), answer, next)
        };
        if removed.len() > MAX_VICTIMS {
            let answer = format!("{} keys are named, {MAX_VICTIMS} at a time can be", removed.len());
            return Err(Failure::new(Exit::Usage, "--remove", answer, "name fewer"));
        }
        for key in &removed {
            let mut found = false;
            for u in units {
                let Ok(r) = &u.state else { continue };
                if !r.keys.contains(key) {
                    continue;
                }
                found = true;
                let own = r.own(self.me, self.cluster).map_err(|why| {
                    refused(
                        *key,
                        format!("{}: {why}", u.device),
                        "say who this host is with --as-node or --key",
                    )
                })?;
                if own.is_none() {
                    return Err(refused(
                        *key,
                        format!(
                            "{}: this host is not registered there, so it cannot remove anybody",
                            u.device
                        ),
                        "register first (`arbitrate unfence` on this node), or run this on a node that is",
                    ));
                }
                let standing = self.standing(*key, own);
                let here = Some(*key) == r.nexus_key;
                match standing {
                    _ if here => {
                        return Err(refused(
                            *key,
                            format!("{}: it is registered on this host's own path", u.device),
                            "use `arbitrate unregister` to give it up",
                        ));
                    }
                    Standing::OwnEarlier | Standing::Down(_) => {}
                    Standing::Foreign if self.args.force.contains(&StaleCheck::Foreign) => {}
                    Standing::Own | Standing::Alive(_) | Standing::Foreign => {
                        return Err(refused(
                            *key,
                            format!("{}: {}", u.device, standing.words()),
                            "a live owner that loses its registration loses the disk: make sure first",
                        ));
                    }
                }
            }
            if !found && units.iter().all(|u| u.state.is_ok()) {
                return Err(refused(
                    *key,
                    "it is registered on none of the devices".into(),
                    "look with `arbitrate clear-stale` without --remove who is",
                ));
            }
        }
        Ok(removed)
    }

    fn dry_run(&self, what: &str, removed: &[Key], units: &[Unit]) -> Done {
        let mut text = vec![format!("dry run, nothing sent that changes a device: {what}")];
        let mut fields = Vec::new();
        for u in units {
            let r = match &u.state {
                Ok(r) => r,
                Err(e) => {
                    text.push(format!("{}: cannot be read: {}", u.device, e.why()));
                    continue;
                }
            };
            let Ok(Some(own)) = r.own(self.me, self.cluster) else { continue };
            for victim in removed.iter().copied().filter(|k| r.keys.contains(k)) {
                let held = r.holder.filter(|h| h.key == victim).map(|h| h.kind);
                let kind = held.unwrap_or(ReservationType::WriteExclusiveRegistrantsOnly);
                let out = PrOut::preempt(Preempt { own, victim, kind, abort: Abort::No });
                let (cdb, list) = (out.basic_cdb(), hex(&out.list.emit()));
                let name = opcode::name(&cdb);
                let takes = if held.is_some() { "  (takes its reservation)" } else { "" };
                text.push(format!("{}: {name}  {}  out {list}{takes}", u.device, hex(cdb.as_bytes())));
                fields.push(json!({
                    "device": u.device, "name": name, "cdb": hex(cdb.as_bytes()), "out": list,
                    "takes_reservation": held.is_some(),
                }));
            }
        }
        Done::new(
            unit::dry_run_exit(units),
            text.join("\n"),
            json!({ "action": what, "dry_run": true, "commands": fields }),
        )
    }
}

/// Each registration: its key, whether it holds the reservation, and where it comes from.
fn rows_of(r: &Ready) -> Vec<(Key, bool, String)> {
    match &r.status {
        Some(s) => s
            .registrations
            .iter()
            .map(|d| {
                let port = match d.port {
                    RegisteredPort::One(p) => format!("port {p}"),
                    RegisteredPort::All => "all ports".to_owned(),
                };
                (d.key, d.holds.is_some(), format!("from {} by {port}", d.transport_id))
            })
            .collect(),
        None => r
            .keys
            .iter()
            .map(|k| {
                let holds = r.holder.is_some_and(|h| h.kind.all_registrants() || h.key == *k);
                (*k, holds, "from an initiator the target does not tell".to_owned())
            })
            .collect(),
    }
}
