//! `arbitrate defend`: own a disk and keep it, as a service.
//!
//! Two threads. The *keeper* acquires, ticks, feeds the watchdog and stops what depends on ownership;
//! it never prints. The main thread prints what the keeper tells it through a ring ([`ring`]) and
//! talks to the service manager. A blocked terminal delays no tick.

pub(super) mod keeper;
mod legacy;
pub(super) mod on_deposed;
pub(super) mod quiet;
pub(super) mod ring;

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use arbitrate::clock;
use arbitrate::codec::pr::Aptpl;
use arbitrate::key::ClusterId;

use arbitrate::protocol::{ChallengeEnd, DefenceEnd, DefenceNote, LegacyDefenceNote};
use arbitrate::runtime::executor::Executor;
use arbitrate::runtime::handover;
use arbitrate::runtime::lives::LivesError;
use arbitrate::runtime::paths::{Left, Told};
use arbitrate::runtime::realtime;
use sd_notify::NotifyState;
use serde_json::json;

use super::args;
use super::challenge::{self, Plan};
use super::ends;
use super::exit::Exit;
use super::legacy::timeline;
use super::node::Node;
use super::output::{Done, Failure, Outcome};
use super::paths::{self, Opened};
use super::session::{self, Options, Talk};
use super::timeline::{Timeline, describe_key};
use keeper::{Keeper, PathsPart, Start};
use on_deposed::Prepared;
use quiet::Quiet;
use ring::{Message, Reader};

/// How the keeper ended.
pub(super) enum KeeperEnd {
    /// A defence was begun and ended so; `stopped` tells what became of what depends on ownership.
    /// `left` are paths whose registration is open.
    Defence { end: DefenceEnd, stopped: Option<String>, left: Vec<Left> },
    /// The challenge before it was not won.
    NotWon(ChallengeEnd),
    /// Won, but the first tick did not confirm it.
    NotConfirmed(DefenceEnd),
    /// No fresh incarnation could be had.
    Lives(LivesError),
    /// The threads of the defence could not be started; what was won is not defended.
    /// And what became of what depends on ownership.
    NoThreads(std::io::Error, String),
    /// The same, before anything was sent.
    NoCrew(std::io::Error),
}

/// The threads of a defence could not be started beforehand.
fn no_crew(device: &str, e: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Refused,
        format!("preparing to defend {device}"),
        format!("its threads could not be started: {e}; nothing was sent that changes the disk"),
        "free resources on this host, then `arbitrate defend --acquire`",
    )
}

pub(crate) fn run(a: &args::Defend, with: Options) -> Outcome {
    if a.legacy.legacy {
        return legacy::run(a, with);
    }
    if a.quorum.is_several() {
        return super::quorum::defend(a, with);
    }
    let node = Node::new(&a.node)?;
    // Before signals are blocked: what it runs must not inherit that.
    let prepared = a.on_deposed.as_deref().map(Prepared::spawn).transpose()?;
    let mut signals = challenge::signals()?;
    let watchdog = keeper::open_watchdog(a.watchdog.as_deref(), &node)?;
    let Opened { mut device, all } = paths::open(&a.device, &a.paths, node.timing)?;
    let mut talk = Talk { out: with.out, device: a.device.clone() };
    let timeout = with.timeout.unwrap_or(node.timing.spec().tick);
    let (id, contest) = {
        let mut on = Executor::new(device.as_mut(), &mut talk);
        let id = session::identity(&a.device, &mut on, timeout, &mut signals)?;
        let plan = Plan { device: &a.device, node: &node, id: &id, timeout };
        let contest = plan.contest(&mut on, &mut signals)?;
        if a.acquire {
            with.out.plan(&plan.text(&contest), plan.json(&contest));
        }
        (id, contest)
    };
    let plan = Plan { device: &a.device, node: &node, id: &id, timeout };
    let mut lives = plan.lives()?;
    if a.acquire {
        // Now, and not between a suspicion and the REGISTER.
        lives.reserve().map_err(|e| challenge::store(&e))?;
    }
    let timeline = Timeline::new(clock::now(), node.cluster, with.out).of(node.number);
    let place = node.runtime_place(&id.name);
    let start = if a.acquire {
        handover::forget(&place).map_err(|e| challenge::store(&e))?;
        Start::Acquire { delay: a.quorum.delay(&node) }
    } else {
        let (key, until) = handover::take(&place, &id.name, (node.cluster, node.number), clock::now())
            .map_err(|e| {
                Failure::new(
                    Exit::Refused,
                    format!("taking over {} without a challenge", a.device),
                    e.to_string(),
                    "use --acquire, which challenges first",
                )
            })?;
        Start::TakeOver { key, until }
    };
    if contest.aptpl == Aptpl::No {
        with.out.talk("arbitrate: the target does not keep registrations through power loss (no APTPL)");
    }
    let (writer, reader) = ring::pair(with.out.verbose).map_err(|e| {
        Failure::new(Exit::Refused, "preparing the log", e.to_string(), "nothing was sent; try again")
    })?;
    let margin = node.timing.spec().margin;
    let (tell, news) = paths::news();
    let about = (contest.aptpl, contest.timing, contest.kind);
    let part = all.map(|all| {
        all.say(&timeline, clock::now());
        let ring = reader.ringer();
        let (board, shared) = (Arc::clone(&all.board), Arc::clone(&all.shared));
        let watch = Box::new(move |key, ghosts| all.watch(key, ghosts, about, tell, ring));
        PathsPart { board, shared, watch }
    });
    let keeper =
        Keeper { contest, start, lives, device, signals, writer, watchdog, prepared, margin, paths: part };
    let thread =
        std::thread::Builder::new().name("keeper".into()).spawn(move || keeper.run()).map_err(|e| {
            Failure::new(
                Exit::Refused,
                "starting the keeper thread",
                e.to_string(),
                "nothing was sent; try again",
            )
        })?;
    let quiet = Quiet::new(a.reports, with.out);
    let mut log = Log { timeline, device: &a.device, ready: false, news, quiet };
    log.follow(&reader, &thread);
    let Ok(end) = thread.join() else {
        return Err(Failure::new(
            Exit::Unknown,
            format!("defending {}", a.device),
            "the keeper thread failed: this is a defect of this program",
            "stop what uses the disk; look with `arbitrate inspect`; report it",
        ));
    };
    verdict(&a.device, node.cluster, end)
}

fn verdict(device: &str, cluster: ClusterId, end: KeeperEnd) -> Outcome {
    match end {
        KeeperEnd::NotWon(end) => Err(ends::not_won(device, cluster, &end)),
        KeeperEnd::NotConfirmed(end) => Err(ends::not_confirmed(device, cluster, &end)),
        KeeperEnd::Lives(e) => Err(challenge::lives_failed(&e)),
        KeeperEnd::NoCrew(e) => Err(no_crew(device, &e)),
        KeeperEnd::NoThreads(e, stopped) => Err(Failure::new(
            Exit::Unknown,
            format!("defending {device}"),
            format!("its threads could not be started: {e}; the disk is held, but not defended; {stopped}"),
            "start nothing; free resources on this host, then `arbitrate defend --acquire`",
        )),
        KeeperEnd::Defence { end, stopped, left } => {
            let left = paths::left(&left);
            let exit = match (ends::defence_exit(&end), &left) {
                (Exit::Confirmed, Some(_)) => Exit::Unknown,
                (exit, _) => exit,
            };
            let more = left.map(|l| format!("; {l}")).unwrap_or_default();
            let words = ends::defence(&end, cluster) + &more;
            match exit {
                Exit::Confirmed => Ok(Done::new(
                    exit,
                    format!("{device} {words}"),
                    json!({ "device": device, "end": words }),
                )),
                Exit::Deposed => Err(Failure::new(
                    exit,
                    format!("defending {device}"),
                    format!("{words}{}", stopped.map(|s| format!("; {s}")).unwrap_or_default()),
                    "make sure that nothing here uses the disk any more; then `arbitrate defend --acquire`",
                )),
                _ => Err(Failure::new(
                    exit,
                    format!("releasing {device}"),
                    words,
                    "look with `arbitrate inspect` until it answers",
                )),
            }
        }
    }
}

/// Prints what the keeper tells, and tells the service manager.
struct Log<'a> {
    timeline: Timeline,
    device: &'a str,
    ready: bool,
    /// Of the paths; silent where there is no watch over them.
    news: Receiver<Told>,
    quiet: Quiet,
}

impl Log<'_> {
    fn follow<T>(&mut self, reader: &Reader, thread: &std::thread::JoinHandle<T>) {
        let mut over = false;
        while !over {
            // Asked before the ring is emptied: what came before the end is printed.
            over = thread.is_finished() || reader.closed();
            reader.drain(&mut |m| self.print(&m));
            self.news.try_iter().for_each(|t| paths::tell(&self.timeline, &t));
            if !over {
                reader.wait(Duration::from_secs(1));
            }
        }
        if let n @ 1.. = reader.lost() {
            self.timeline.out.talk(&format!("arbitrate: {n} log lines were lost: the log could not keep up"));
        }
    }

    fn print(&mut self, m: &Message) {
        let said = match m {
            Message::Defence(at, DefenceNote::Confirmed { .. })
            | Message::LegacyDefence(at, LegacyDefenceNote::Confirmed { .. }) => self.quiet.confirmed(*at),
            _ => {
                self.quiet.other();
                true
            }
        };
        match m {
            Message::Challenge(at, note) => self.timeline.challenge(*at, note),
            Message::Defence(at, note) => {
                self.notify(note);
                if said {
                    self.timeline.defence(*at, note);
                }
            }
            Message::Legacy(at, note) => timeline::challenge(&self.timeline, *at, note),
            Message::LegacyDefence(at, note) => {
                legacy::notify(&mut self.ready, note);
                if said {
                    timeline::defence(&self.timeline, *at, note);
                }
            }
            Message::TakenOver(at, key) => self.timeline.say(
                *at,
                "taken-over",
                &format!("taken over: {}", describe_key(*key, self.timeline.cluster)),
                json!({ "key": key }),
            ),
            Message::Realtime(report) => self.realtime(*report),
            Message::Sent(s) => self.timeline.out.talk(&super::words::sent(self.device, s)),
            Message::Attention(at, s) => {
                let text = format!("told by the target: {s}");
                let fields = json!({ "asc": s.asc, "ascq": s.ascq });
                self.timeline.say(*at, "unit-attention", &text, fields);
            }
        }
    }

    fn realtime(&self, report: realtime::Report) {
        for line in report.lines() {
            self.timeline.out.talk(&format!("arbitrate: {line}"));
        }
    }

    /// A service manager that cannot be told is not worth stopping for.
    fn notify(&mut self, note: &DefenceNote) {
        let states: &[NotifyState<'_>] = match note {
            DefenceNote::Confirmed { .. } if !self.ready => {
                self.ready = true;
                &[NotifyState::Ready, NotifyState::Status("owned, lease confirmed"), NotifyState::Watchdog]
            }
            DefenceNote::Confirmed { .. } => {
                &[NotifyState::Status("owned, lease confirmed"), NotifyState::Watchdog]
            }
            DefenceNote::Missed { .. } => {
                &[NotifyState::Status("owned, but the last tick confirmed nothing")]
            }
            DefenceNote::Challenged { .. } => &[NotifyState::Status("owned, defending against a challenge")],
            DefenceNote::Releasing | DefenceNote::Marked(_) | DefenceNote::NotMarked(_) => {
                &[NotifyState::Stopping, NotifyState::Status("releasing")]
            }
        };
        let _ = sd_notify::notify(states);
    }
}
