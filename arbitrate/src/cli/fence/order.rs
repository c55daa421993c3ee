//! `fence`: the plan, the consent, the fence, the receipt.

use std::time::{Duration, SystemTime};

use arbitrate::codec::opcode;
use arbitrate::codec::pr::{Abort, PrOut, Preempt, ReservationType, read_full_status_cdb};
use arbitrate::key::{ClusterId, Key, NodeNumber};
use arbitrate::protocol::fence::{Drain, FenceOrder, Holders, Protection, SilentPaths, Victim};
use arbitrate::runtime::fence::{FenceCrew, Member};
use serde_json::{Value, json};

use super::args::{Check, DrainArg, Fence, KeepOut, Who};
use super::receipt::{Fenced, Line, hex};
use super::said::Said;
use super::unit::{self, Me, NotReady, Ready, Scouts, Unit};
use crate::cli::consent;
use crate::cli::exit::Exit;
use crate::cli::output::{Done, Failure, Outcome};
use crate::cli::session::Options;

const BUDGET: Duration = Duration::from_secs(10);
/// A reset may take the kernel 10 s a step.
const RESET_BUDGET: Duration = Duration::from_secs(40);

pub(crate) fn run(a: &Fence, with: Options) -> Outcome {
    let asked = Asked::new(a, with)?;
    let what = format!(
        "fencing node {} of cluster {} out of {} {}",
        asked.victim,
        a.cluster,
        a.devices.len(),
        if a.devices.len() == 1 { "device" } else { "devices" }
    );
    if a.consent.dry_run {
        let units = unit::ready(&a.devices, a.paths.paths, with)?;
        asked.check(units.iter(), All::Back)?;
        return Ok(asked.dry_run(&what, &units));
    }
    let mut scouts = Scouts::send(&a.devices, a.paths.paths, with)?;
    let first = scouts.first()?;
    asked.check(first.iter().map(|(_, u)| u), if scouts.complete() { All::Back } else { All::NotYet })?;
    consent::ask(&a.consent, &what)?;
    let decided_at = SystemTime::now();
    let names: Vec<(String, String)> =
        first.iter().filter_map(|(_, u)| u.named()).map(|(d, i)| (d.to_owned(), i.to_owned())).collect();
    let mut lines = asked.wave(first, with)?;
    if !scouts.complete() {
        let rest = scouts.rest(&names);
        let places = rest.iter().map(|(i, u)| (*i, u.device.clone())).collect();
        let later = unix_ms(SystemTime::now());
        let more = or_not_begun(asked.wave(rest, with), places);
        lines.extend(more.into_iter().map(|(i, mut line)| {
            line.fields["decided_unix_ms"] = json!(later);
            (i, line)
        }));
        lines.sort_by_key(|(i, _)| *i);
    }
    let lines: Vec<Line> = lines.into_iter().map(|(_, line)| line).collect();
    Ok(asked.receipt(&lines, decided_at))
}

/// Whether every device is back, ready or not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum All {
    Back,
    NotYet,
}

/// What it is worth that the victim's registrations had gone before, and nobody here knows whether its
/// queued commands were aborted then.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queued {
    /// Not proven: they may yet be executed.
    Unknown,
    /// The operator knows better, or it is not asked.
    Accepted,
}

fn unix_ms(at: SystemTime) -> u64 {
    u64::try_from(at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis())).unwrap_or(0)
}

/// Fences on every device that is ready; a line for each, in the order they were named.
pub(crate) fn carry_out(
    order: &FenceOrder,
    units: Vec<Unit>,
    queued: Queued,
    own: impl Fn(&Ready) -> Result<Option<Key>, String>,
    with: Options,
) -> Result<Vec<Line>, Failure> {
    let mut members = Vec::new();
    let mut kept = Vec::new();
    for u in units {
        kept.push(match u.state {
            Err(e) => Kept::Not(u.device, not_ready(&e)),
            Ok(r) => match own(&r) {
                Err(why) => Kept::Not(u.device, who(why)),
                Ok(own) => {
                    members.push(Member { paths: r.paths, own, way: r.way });
                    Kept::Fenced {
                        device: u.device,
                        identity: r.identity,
                        own,
                        paths: r.names,
                        unopened: r.unopened,
                    }
                }
            },
        });
    }
    let mut crew = FenceCrew::prepare(members, || {}).map_err(|e| {
        Failure::new(Exit::Refused, "starting the threads of the fence", e.to_string(), "nothing was sent")
    })?;
    let mut reports = crew.fence(order).iter();
    let lines = kept
        .into_iter()
        .filter_map(|k| match k {
            Kept::Not(device, said) => Some(unfenced(&device, said)),
            Kept::Fenced { device, identity, own, paths, unopened } => {
                let fenced = Fenced {
                    device: &device,
                    identity: &identity,
                    own,
                    paths: &paths,
                    unopened: &unopened,
                    report: reports.next()?,
                };
                if with.out.verbose {
                    fenced.commands().for_each(|line| with.out.talk(&line));
                }
                Some(fenced.line(order, queued))
            }
        })
        .collect();
    // The process is about to end, and its threads wait for nothing: waking each of them to be told so
    // would cost as much as the fence, and one that is stuck could not be told.
    std::mem::forget(crew);
    Ok(lines)
}

enum Kept {
    Not(String, Said),
    Fenced {
        device: String,
        identity: String,
        own: Option<Key>,
        paths: Vec<String>,
        unopened: Vec<(String, String)>,
    },
}

fn not_ready(e: &NotReady) -> Said {
    let (result, next) = match e {
        NotReady::NoDevice(_) => (
            "no-device",
            "name the disk itself (/dev/sdX, /dev/sgN, a dm-multipath device, sim:PATH?as=NAME); if it was right once, \
             take the victim for one that writes there",
        ),
        NotReady::Silent(_) => (
            "unread",
            "check cable, switch, session; until it is proven take the victim for one that writes there",
        ),
    };
    Said::new("unknown", result, format!("{}; nothing was sent that could change it", e.why()), next)
}

fn who(why: String) -> Said {
    Said::new("refused", "who-am-i", why, "say who this host is with --as-node or --key")
}

fn unfenced(device: &str, said: Said) -> Line {
    let text = format!("{device}: {}\n    next: {}", super::receipt::headline(&said), said.next);
    let fields = json!({
        "device": device, "identity": null, "outcome": said.outcome, "result": said.result,
        "answer": said.answer, "next": said.next, "commands_sent": 0, "commands": [], "changed": false,
    });
    Line { said, text, fields }
}

/// What became of the second turn. The first has fenced by then: where this one could not even begin, its
/// devices say so, and the receipt of the first is not lost over it.
fn or_not_begun(
    turn: Result<Vec<(usize, Line)>, Failure>,
    devices: Vec<(usize, String)>,
) -> Vec<(usize, Line)> {
    turn.unwrap_or_else(|f| {
        let line = |device: &str| {
            let said = Said::new(
                "unknown",
                "not-begun",
                format!("{}: {}; nothing was sent to this device", f.tried, f.answer),
                "free resources on this host and repeat the fence for it; until it is proven take the victim for \
                 one that writes there",
            );
            unfenced(device, said)
        };
        devices.iter().map(|(i, device)| (*i, line(device))).collect()
    })
}

/// The exit code of several devices: unknown before refused before confirmed.
pub(crate) fn exit(lines: &[Line]) -> Exit {
    let any = |outcome| lines.iter().any(|l| l.said.outcome == outcome);
    if any("unknown") {
        Exit::Unknown
    } else if any("refused") || lines.is_empty() {
        Exit::Refused
    } else {
        Exit::Confirmed
    }
}

/// How long the fence may take. A command that gets no answer takes its whole timeout, and only a look after
/// it says what is so.
fn budget(a: &Fence, with: Options) -> Result<Duration, Failure> {
    let timeout = with.command_timeout();
    let usual = if a.drain == DrainArg::Reset { RESET_BUDGET } else { BUDGET };
    let Some(asked) = a.deadline_ms.map(Duration::from_millis) else { return Ok(usual.max(timeout * 3)) };
    if asked < timeout * 2 {
        let (asked, timeout) = (asked.as_millis(), timeout.as_millis());
        return Err(Failure::new(
            Exit::Usage,
            "--deadline-ms",
            format!(
                "{asked} ms leave no time to read back: a command without an answer takes {timeout} ms \
                 (--timeout-ms), the look after it up to {timeout} ms more, {} ms in all",
                2 * timeout
            ),
            format!("give --deadline-ms {} or more, or a --timeout-ms of {} or less", 2 * timeout, asked / 2),
        ));
    }
    Ok(asked)
}

/// Who this host says it is.
pub(crate) fn me(w: &Who) -> Result<Me, Failure> {
    match (w.key, w.as_node) {
        (Some(k), _) => Ok(Me::Key(k)),
        (None, Some(n)) => number(n, "--as-node").map(Me::Node),
        (None, None) => Ok(Me::Nexus),
    }
}

pub(crate) fn number(n: u8, option: &str) -> Result<NodeNumber, Failure> {
    NodeNumber::new(u32::from(n))
        .map_err(|e| Failure::new(Exit::Usage, option, e.to_string(), "number the nodes from 1"))
}

pub(crate) fn cluster(name: &str) -> Result<ClusterId, Failure> {
    if name.trim().is_empty() {
        let next = "give the name the nodes were registered under";
        return Err(Failure::new(Exit::Usage, "--cluster", "the name is empty", next));
    }
    Ok(ClusterId::of_name(name))
}

/// What the operator asked for, checked.
struct Asked<'a> {
    args: &'a Fence,
    cluster: ClusterId,
    victim: NodeNumber,
    me: Me,
    order: FenceOrder,
}

impl<'a> Asked<'a> {
    fn new(a: &'a Fence, with: Options) -> Result<Self, Failure> {
        let cluster = cluster(&a.cluster)?;
        let victim = number(a.node, "--node")?;
        let me = me(&a.who)?;
        let order = FenceOrder {
            cluster,
            victim: Victim::Node(cluster, victim),
            protection: Protection::Required(a.kind.map(|k| match k {
                KeepOut::Wero => ReservationType::WriteExclusiveRegistrantsOnly,
                KeepOut::Earo => ReservationType::ExclusiveAccessRegistrantsOnly,
            })),
            abort: Abort::Yes,
            drain: if a.drain == DrainArg::Reset { Drain::Reset } else { Drain::AbortOnly },
            holders: match a.holder {
                Some(k) => Holders::Only(k),
                None if a.forced(Check::Holder) => Holders::Anybody,
                None => Holders::Cluster,
            },
            silent_paths: if a.forced(Check::SilentPaths) {
                SilentPaths::Accepted
            } else {
                SilentPaths::NotProven
            },
            command_timeout: with.command_timeout(),
            budget: budget(a, with)?,
        };
        let myself = match me {
            Me::Node(n) => n == victim,
            Me::Key(k) => order.victim.owns(k),
            Me::Nexus => false,
        };
        if myself {
            return Err(itself(a, None));
        }
        Ok(Self { args: a, cluster, victim, me, order })
    }

    /// Fences on those that are back, at once.
    fn wave(&self, units: Vec<(usize, Unit)>, with: Options) -> Result<Vec<(usize, Line)>, Failure> {
        let (places, units): (Vec<usize>, Vec<Unit>) = units.into_iter().unzip();
        let queued = if self.args.forced(Check::Queued) { Queued::Accepted } else { Queued::Unknown };
        let lines = carry_out(&self.order, units, queued, |r| r.own(self.me, self.cluster), with)?;
        Ok(places.into_iter().zip(lines).collect())
    }

    /// What forbids the fence as a whole, before anything is sent to any device.
    fn check<'u>(&self, units: impl Iterator<Item = &'u Unit> + Clone, all: All) -> Result<(), Failure> {
        let ready = || units.clone().filter_map(|u| Some((u, u.state.as_ref().ok()?)));
        if let Some((u, _)) = ready().find(|(_, r)| r.nexus_key.is_some_and(|k| self.order.victim.owns(k))) {
            return Err(itself(self.args, Some(&u.device)));
        }
        let registered = ready().any(|(_, r)| r.keys.iter().any(|k| self.order.victim.owns(*k)));
        let all_read = all == All::Back && units.clone().all(|u| u.state.is_ok());
        // Where nobody at all is registered the devices are empty, and each says so: not protected. One that could
        // not be read keeps the whole from being called fenced.
        let somebody = ready().any(|(_, r)| !r.keys.is_empty());
        if !registered && all_read && somebody && !self.args.forced(Check::Unregistered) {
            let mut there: Vec<u8> = ready()
                .flat_map(|(_, r)| r.keys.iter().filter_map(|k| k.parts_in(self.cluster)))
                .map(|p| p.node.get())
                .collect();
            there.sort_unstable();
            there.dedup();
            let there: Vec<String> = there.iter().map(u8::to_string).collect();
            // Fenced before, or never here: the devices look the same, and neither proves what it has queued.
            return Err(Failure::new(
                Exit::Unknown,
                format!("fencing node {} of cluster {}", self.victim, self.args.cluster),
                format!(
                    "no key of it is registered on any of the devices: it was fenced before, it left, or it never was \
                     here; whether what it had queued was aborted is not known, and nothing was sent; registered of this \
                     cluster: {}",
                    if there.is_empty() { "nobody".to_owned() } else { format!("node {}", there.join(", ")) }
                ),
                "check number and cluster name; if they are right, --force unregistered with --drain reset proves that it \
                 is kept out and that nothing of it is queued any more; with --force queued instead, if a receipt of an \
                 earlier fence says \"aborted\" for each device",
            ));
        }
        Ok(())
    }

    fn dry_run(&self, what: &str, units: &[Unit]) -> Done {
        let plans: Vec<(String, Value)> = units.iter().map(|u| self.plan(u)).collect();
        let text: Vec<&str> = plans.iter().map(|(t, _)| t.as_str()).collect();
        let fields = json!({
            "action": what, "dry_run": true, "cluster": self.args.cluster,
            "cluster_id": self.cluster.to_string(), "victim": self.victim.get(),
            "devices": plans.iter().map(|(_, v)| v).collect::<Vec<_>>(),
        });
        Done::new(
            unit::dry_run_exit(units),
            format!("dry run, nothing sent that changes a device: {what}\n{}", text.join("\n")),
            fields,
        )
    }

    /// The commands for one device as it is now.
    fn plan(&self, u: &Unit) -> (String, Value) {
        let nothing = |why: String| {
            (format!("{}: {why}", u.device), json!({ "device": u.device, "answer": why, "commands": [] }))
        };
        let r = match &u.state {
            Ok(r) => r,
            Err(e) => return nothing(format!("cannot be read: {}", e.why())),
        };
        let own = match r.own(self.me, self.cluster) {
            Ok(own) => own,
            Err(why) => return nothing(why),
        };
        let look = read_full_status_cdb(u16::MAX - 3);
        let mut steps = vec![(opcode::name(&look).to_owned(), hex(look.as_bytes()), String::new())];
        let victims = r.keys_of(self.victim, self.cluster);
        let mut outs = Vec::new();
        if let Some(own) = own {
            let asked = match self.order.protection {
                Protection::Required(kind) => kind,
                Protection::NotAsked => None,
            };
            let kept = r.holder.map(|h| h.kind).filter(|k| k.registrants_only() && !k.all_registrants());
            let default = ReservationType::WriteExclusiveRegistrantsOnly;
            if r.holder.is_none() {
                outs.push(PrOut::reserve(own, asked.unwrap_or(default)));
            }
            let kind = asked.or(kept).unwrap_or(default);
            outs.extend(
                victims.iter().map(|v| PrOut::preempt(Preempt { own, victim: *v, kind, abort: Abort::Yes })),
            );
        }
        for o in &outs {
            let cdb = o.basic_cdb();
            steps.push((opcode::name(&cdb).to_owned(), hex(cdb.as_bytes()), hex(&o.list.emit())));
        }
        if self.order.drain == Drain::Reset {
            steps.push(("LOGICAL UNIT RESET".into(), String::new(), String::new()));
        }
        steps.push(steps[0].clone());
        let lines: Vec<String> = steps
            .iter()
            .map(|(name, cdb, out)| {
                format!("    {name}  {cdb}{}{out}", if out.is_empty() { "" } else { "  out " })
            })
            .collect();
        let standing = match own {
            Some(k) => format!("as {}", crate::cli::timeline::describe_key(k, self.cluster)),
            None => "this host is NOT registered there: it can only read".to_owned(),
        };
        let commands: Vec<Value> =
            steps.iter().map(|(name, cdb, out)| json!({ "name": name, "cdb": cdb, "out": out })).collect();
        (
            format!("{}: {standing}\n{}", u.device, lines.join("\n")),
            json!({ "device": u.device, "identity": r.identity, "own": own, "victims": victims, "commands": commands }),
        )
    }

    fn receipt(&self, lines: &[Line], decided_at: SystemTime) -> Done {
        let exit = exit(lines);
        let proven = lines.iter().filter(|l| l.said.outcome == "confirmed").count();
        let head = match exit {
            Exit::Confirmed => format!(
                "FENCED: node {} of cluster {} is kept out, proven on {}",
                self.victim,
                self.args.cluster,
                of(proven, lines.len())
            ),
            _ => format!(
                "NOT PROVEN: node {} of cluster {} is proven to be kept out of {}",
                self.victim,
                self.args.cluster,
                of(proven, lines.len())
            ),
        };
        let text: Vec<&str> = lines.iter().map(|l| l.text.as_str()).collect();
        let fields = json!({
            "cluster": self.args.cluster, "cluster_id": self.cluster.to_string(),
            "victim": self.victim.get(), "decided_unix_ms": unix_ms(decided_at),
            "proven": proven, "devices": lines.iter().map(|l| &l.fields).collect::<Vec<_>>(),
        });
        Done::new(exit, format!("{head}\n  {}", text.join("\n  ")), fields)
    }
}

pub(crate) fn of(n: usize, all: usize) -> String {
    format!("{n} of {all} {}", if all == 1 { "device" } else { "devices" })
}

fn itself(a: &Fence, device: Option<&str>) -> Failure {
    let answer = match device {
        None => "that is this host itself".to_owned(),
        Some(d) => format!("that is this host itself: its key is registered on this host's own path to {d}"),
    };
    Failure::new(
        Exit::Refused,
        format!("fencing node {} of cluster {}", a.node, a.cluster),
        answer,
        "fence it from another node; to leave a disk use `arbitrate unregister`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_turn_that_cannot_begin_is_unknown_and_loses_nobodys_line() {
        let failed =
            || Failure::new(Exit::Refused, "starting the threads", "no more threads", "nothing was sent");
        let devices = vec![(1, "b".to_owned()), (3, "d".to_owned())];
        let lines = or_not_begun(Err(failed()), devices.clone());
        assert_eq!(lines.iter().map(|(i, _)| *i).collect::<Vec<_>>(), [1, 3]);
        for ((_, line), name) in lines.iter().zip(["b", "d"]) {
            assert_eq!(line.fields["device"], name);
            assert_eq!((line.said.outcome, line.said.result), ("unknown", "not-begun"));
            assert!(line.text.contains("no more threads; nothing was sent to this device"), "{}", line.text);
        }
        let lines: Vec<Line> = lines.into_iter().map(|(_, line)| line).collect();
        assert_eq!(exit(&lines), Exit::Unknown);
        assert!(or_not_begun(Ok(Vec::new()), devices).is_empty(), "what began says for itself how it ended");
    }
}
