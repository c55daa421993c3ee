//! `unfence`: registers this node on its data devices again, under a fresh life, one after the other.
//!
//! Registering re-admits whatever this node still has queued at the target. So a node that was fenced in
//! this very boot has to end that first.

use std::time::Duration;

use arbitrate::codec::pr::Aptpl;
use arbitrate::device::{Escalate, ResetScope};
use arbitrate::key::{Incarnation, Key, KeyParts, Stance};
use arbitrate::protocol::Lives;
use arbitrate::protocol::fence::{Admission, AdmitEnd, AdmitNote, AdmitRefusal, AdmitSetup};
use arbitrate::runtime::drive;
use arbitrate::runtime::executor::Executor;
use arbitrate::runtime::lives::LivesFile;
use arbitrate::runtime::pacer::{Pacer, SystemPacer};
use arbitrate::runtime::store::{Place, boot_id};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::args::{DrainArg, Unfence, UnfenceCheck};
use super::order::{exit, of};
use super::receipt::{Line, headline};
use super::said::{Said, holder};
use super::unit;
use crate::cli::challenge::{lives_failed, store};
use crate::cli::exit::Exit;
use crate::cli::node::Node;
use crate::cli::output::{Done, Failure, Outcome};
use crate::cli::session::{self, Options, Talk};
use crate::cli::timeline::describe_key;
use crate::cli::verbs::{self, Shown};
use crate::cli::words::no_answer;

const RECORD: &str = "admitted.json";
const BUDGET: Duration = Duration::from_secs(10);
/// The kernel's own limit a step of a reset is 10 s.
const RESET: Duration = Duration::from_secs(30);

/// The last admission of this node to one device; written before its REGISTER is sent.
#[derive(Serialize, Deserialize)]
struct Record {
    schema: u32,
    boot_id: String,
    key: Key,
}

pub(crate) fn run(a: &Unfence, with: Options) -> Outcome {
    let node = Node::new(&a.node)?;
    let mut lines = Vec::new();
    for device in &a.devices {
        // A failure of one is the end of that one.
        lines.push(match one(a, &node, device, with) {
            Ok(line) => line,
            Err(f) => {
                let outcome = match f.exit {
                    Exit::Unknown | Exit::Transport | Exit::Timeout => "unknown",
                    _ => "refused",
                };
                let next = "see the answer; `arbitrate inspect` shows who is registered";
                let answer = format!("{}: {}; {}", f.tried, f.answer, f.next);
                line(device, "", None, Said::new(outcome, "failed", answer, next))
            }
        });
    }
    let exit = exit(&lines);
    let proven = lines.iter().filter(|l| l.said.outcome == "confirmed").count();
    let head = match (a.dry_run, exit) {
        (true, _) => "dry run, nothing sent that changes a device".to_owned(),
        (_, Exit::Confirmed) => {
            format!("UNFENCED: node {} is registered on {}", node.number, of(proven, lines.len()))
        }
        _ => format!("NOT PROVEN: node {} is registered on {}", node.number, of(proven, lines.len())),
    };
    let text: Vec<&str> = lines.iter().map(|l| l.text.as_str()).collect();
    let fields = json!({
        "cluster": node.name, "cluster_id": node.cluster.to_string(), "node": node.number.get(),
        "dry_run": a.dry_run, "proven": proven,
        "devices": lines.iter().map(|l| &l.fields).collect::<Vec<_>>(),
    });
    Ok(Done::new(exit, format!("{head}\n  {}", text.join("\n  ")), fields))
}

fn one(a: &Unfence, node: &Node, device: &str, with: Options) -> Result<Line, Failure> {
    let (paths, doubtful) = unit::paths_of(device, a.paths.paths).map_err(|e| {
        let next = "check cable, switch, session; `lsblk -S` lists the SCSI disks";
        Failure::new(Exit::Transport, format!("finding the paths of {device}"), e.to_string(), next)
    })?;
    let mut life = Life { args: a, node, with, fresh: None, standing: None, paths: paths.len() };
    let mut done: Vec<(String, Said)> = Vec::new();
    let mut identity = String::new();
    for path in &paths {
        let said = life.path(path, &mut identity, u32::try_from(done.len()).unwrap_or(u32::MAX))?;
        let end = said.outcome != "confirmed";
        done.push((path.clone(), said));
        if end {
            break;
        }
    }
    for (path, why) in doubtful {
        let next = "repair the path and unfence again; `defend --paths` registers a path that appears later";
        done.push((path, Said::new("unknown", "path-silent", why, next)));
    }
    let key = life.fresh.as_ref().map(|f| f.key).or(life.standing);
    Ok(together(device, &identity, key, done))
}

/// What is said of one path stands for the device; of several, the worst, with what each said.
fn together(device: &str, identity: &str, key: Option<Key>, mut paths: Vec<(String, Said)>) -> Line {
    if paths.len() == 1 {
        let (_, said) = paths.remove(0);
        return line(device, identity, key, said);
    }
    let rank = |s: &Said| match s.outcome {
        "confirmed" => 0,
        "refused" => 1,
        _ => 2,
    };
    let each: Vec<String> = paths.iter().map(|(p, s)| format!("{p}: {}", s.answer)).collect();
    let worst = paths.into_iter().map(|(_, s)| s).max_by_key(rank);
    let worst =
        worst.unwrap_or_else(|| Said::new("unknown", "unread", String::new(), "look for a path to it"));
    line(device, identity, key, Said { answer: each.join("; "), ..worst })
}

/// The life a node is admitted under to one device: the same on every path.
struct Life<'a> {
    args: &'a Unfence,
    node: &'a Node,
    with: Options,
    fresh: Option<Fresh>,
    /// The life that stands already.
    standing: Option<Key>,
    /// How many paths are admitted.
    paths: usize,
}

/// A life never used before, and what it replaces.
struct Fresh {
    key: Key,
    ghosts: Vec<Key>,
    _lives: LivesFile,
}

impl Life<'_> {
    /// Admits by one path; by `before` others it was admitted already.
    fn path(&mut self, path: &str, identity: &mut String, before: u32) -> Result<Said, Failure> {
        let (a, node, with) = (self.args, self.node, self.with);
        let mut opened = session::device(path)?;
        let mut talk = Talk { out: with.out, device: path.to_owned() };
        let mut on = Executor::new(opened.as_mut(), &mut talk);
        let mut pacer = SystemPacer::deaf();
        let timeout = with.command_timeout();
        *identity = session::identity(path, &mut on, timeout, &mut pacer)?.name;
        let shown = verbs::look(path, with, &mut on, &mut pacer)?;
        let known = session::reservations(path, &mut on, timeout, &mut pacer)?;
        let place = node.state_place(identity);
        let last: Option<Record> = place.read(RECORD).map_err(|e| store(&e))?;
        if self.fresh.is_none() {
            if let Some((said, key)) = self.already(&shown, known.nexus_key, last.as_ref())? {
                self.standing = key;
                return Ok(said);
            }
            if a.dry_run {
                let answer = "REGISTER a fresh key, read back".to_owned();
                return Ok(Said::new("confirmed", "dry-run", answer, "nothing"));
            }
            self.fresh = Some(Fresh::new(node, &place, &shown, known.nexus_key)?);
            if a.drain == DrainArg::Reset {
                let end = on.device().reset(ResetScope::LogicalUnit, Escalate::No, pacer.now() + RESET);
                if let Err(e) = end {
                    let answer = format!("the LOGICAL UNIT RESET is not proven ({e}); not registered");
                    return Ok(Said::new("unknown", "drain", answer, "reboot this host instead"));
                }
            }
        }
        let Some(fresh) = &self.fresh else {
            return Ok(Said::new("refused", "no-life", "there is no fresh life".into(), "unfence again"));
        };
        let nexus_ghost = known
            .nexus_key
            .filter(|k| fresh.ghosts.contains(k))
            .or_else(|| fresh.ghosts.iter().rev().copied().find(|g| shown.keys.contains(g)));
        let mut admission = Admission::new(AdmitSetup {
            lives: Lives::new(node.cluster, node.number, &fresh.ghosts),
            key: fresh.key,
            nexus_ghost,
            before,
            aptpl: if known.persists { Aptpl::Yes } else { Aptpl::No },
            command_timeout: timeout,
            budget: BUDGET,
        });
        let mut notes = Vec::new();
        let end = drive::admission(&mut admission, &mut on, &mut pacer, &mut |_, n| notes.push(*n));
        if matches!(end, AdmitEnd::Refused(_)) && before == 0 {
            // Nothing of the fresh life was let in: the record says again what it said before.
            match &last {
                Some(was) => keep(&place, was)?,
                None => place.remove(RECORD).map_err(|e| store(&e))?,
            }
        }
        Ok(said(end, &notes, fresh.key, node))
    }
}

impl Life<'_> {
    /// What an admission of this very boot means: it stands, or the node was fenced since and has to end
    /// first what it has queued.
    fn already(
        &self,
        shown: &Shown,
        nexus_key: Option<Key>,
        last: Option<&Record>,
    ) -> Result<Option<(Said, Option<Key>)>, Failure> {
        let (a, node) = (self.args, self.node);
        let boot = boot_id().map_err(|e| store(&e))?;
        let Some(key) = last.filter(|r| r.boot_id == boot).map(|r| r.key) else { return Ok(None) };
        let registered = shown.keys.iter().filter(|k| **k == key).count();
        let there = registered > 0;
        if registered >= self.paths && nexus_key.is_none_or(|k| k == key) {
            let answer = format!("already so: {} is registered, read back", describe_key(key, node.cluster));
            return Ok(Some((Said::new("confirmed", "already-so", answer, "nothing"), Some(key))));
        }
        if there || a.drain == DrainArg::Reset || a.force.contains(&UnfenceCheck::Queued) {
            return Ok(None);
        }
        let answer = format!(
            "{} was fenced in this very boot: what it still has queued would be let in again",
            describe_key(key, node.cluster)
        );
        let next =
            "reboot this host, or --drain reset; --force queued if all its commands are known to have ended";
        Ok(Some((Said::new("refused", "queued", answer, next), None)))
    }
}

impl Fresh {
    /// Durable before anything of it is sent.
    fn new(node: &Node, place: &Place, shown: &Shown, nexus_key: Option<Key>) -> Result<Self, Failure> {
        let mut lives = LivesFile::open(place.clone(), node.cluster, node.number).map_err(|e| store(&e))?;
        let ours = |k: &Key| k.parts_in(node.cluster).filter(|p| p.node == node.number);
        let mut ghosts = lives.keys();
        ghosts.extend(nexus_key.filter(|k| ours(k).is_some()));
        let newest = shown.keys.iter().filter_map(ours).map(|p| p.incarnation).max();
        let fresh = lives.fresh(newest).map_err(|e| lives_failed(&e))?;
        let key = key_of(node, fresh);
        keep(place, &Record { schema: 1, boot_id: boot_id().map_err(|e| store(&e))?, key })?;
        Ok(Self { key, ghosts, _lives: lives })
    }
}

fn key_of(node: &Node, incarnation: Incarnation) -> Key {
    KeyParts { cluster: node.cluster, node: node.number, stance: Stance::Settled, incarnation }.key()
}

fn keep(place: &Place, record: &Record) -> Result<(), Failure> {
    place.write(RECORD, record).map_err(|e| store(&e))
}

fn said(end: AdmitEnd, notes: &[AdmitNote], key: Key, node: &Node) -> Said {
    let ghosts: Vec<String> = notes
        .iter()
        .filter_map(|n| match n {
            AdmitNote::RemovingGhost(k) => Some(format!("; {} went first", describe_key(*k, node.cluster))),
            AdmitNote::RekeyingGhost(k) => {
                Some(format!("; {} was re-keyed in place", describe_key(*k, node.cluster)))
            }
            AdmitNote::Registering(_) => None,
        })
        .collect();
    match end {
        AdmitEnd::Admitted { holder: h, generation } => {
            let (protected, next) = match h {
                Some(h) => (format!("{}, held by {}", h.kind.name(), holder(h, node.cluster)), "nothing"),
                None => (
                    "NOT PROTECTED: no reservation is in force".to_owned(),
                    "`arbitrate reserve DEVICE --key KEY` with the key above, or the first fence takes one",
                ),
            };
            let answer = format!(
                "registered {}, read back (generation {generation}){}; {protected}",
                describe_key(key, node.cluster),
                ghosts.concat()
            );
            Said::new("confirmed", "done", answer, next)
        }
        AdmitEnd::Refused(why) => {
            let (result, answer, next) = refused(why, node);
            Said::new("refused", result, answer, next)
        }
        AdmitEnd::Unknown(why) => Said::new(
            "unknown",
            "register-open",
            format!(
                "{} may be registered, or yet will be: {}",
                describe_key(key, node.cluster),
                no_answer(why)
            ),
            "use nothing on it; look with `arbitrate inspect` until it answers, then unfence again",
        ),
        AdmitEnd::Unreachable(why) => Said::new(
            "unknown",
            "unread",
            format!("{}; nothing was sent that could change it", no_answer(why)),
            "check cable, switch, session; then unfence again",
        ),
    }
}

fn refused(why: AdmitRefusal, node: &Node) -> (&'static str, String, &'static str) {
    match why {
        AdmitRefusal::ForeignKey(k) => (
            "foreign-key",
            format!("key {k} on this disk belongs to another cluster or another tool"),
            "make sure that nothing else uses this disk; remove it with `arbitrate clear-stale --force foreign`",
        ),
        AdmitRefusal::NodeNumberTaken(k) => (
            "node-number-taken",
            format!("{} is registered, and this host never registered it", describe_key(k, node.cluster)),
            "give each host its own number; a leftover goes with `arbitrate clear-stale` from another node",
        ),
        AdmitRefusal::NexusTaken => (
            "nexus-taken",
            "RESERVATION CONFLICT to REGISTER: this path is registered under a key of somebody else".into(),
            "look with `arbitrate full-status`; remove it with `arbitrate unregister --key`",
        ),
        AdmitRefusal::LegacyReservation => (
            "legacy-reservation",
            "another initiator's SPC-2 reservation bars even reading".into(),
            "end it where it was made (RELEASE), or reset the logical unit",
        ),
        AdmitRefusal::Target(n) => (
            "target-refused",
            format!("the target refused: {}", no_answer(n)),
            "look with `arbitrate inspect` whether it supports persistent reservations",
        ),
    }
}

fn line(device: &str, identity: &str, key: Option<Key>, said: Said) -> Line {
    let mut text = format!("{device}: {}", headline(&said));
    if said.next != "nothing" {
        text.push_str("\n    next: ");
        text.push_str(said.next);
    }
    let identity = if identity.is_empty() { Value::Null } else { json!(identity) };
    let fields = json!({
        "device": device, "identity": identity, "outcome": said.outcome, "result": said.result,
        "answer": said.answer, "next": said.next, "key": key,
    });
    Line { said, text, fields }
}
