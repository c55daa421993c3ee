//! `arbitrate defend --legacy`: own a disk by RESERVE(6), as a service.
//!
//! The same two threads as in persistent mode: the keeper acquires, ticks, feeds and stops and never
//! prints; the main thread prints and talks to the service manager.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arbitrate::clock;
use arbitrate::codec::Sense;
use arbitrate::device::ScsiDevice;
use arbitrate::key::Key;
use arbitrate::protocol::{
    FedWatchdog, LegacyDefenceEnd, LegacyDefenceNote, LegacyDefender, LegacyEnd, LegacyNote,
};
use arbitrate::runtime::crew::{self, Gathered, Listener, Task};
use arbitrate::runtime::executor::{Executor, Sent};
use arbitrate::runtime::handover;
use arbitrate::runtime::legacy::{LegacyContest, LegacyContestEnd};
use arbitrate::runtime::pacer::SystemPacer;
use arbitrate::runtime::realtime;
use arbitrate::runtime::watchdog::Watchdog;
use arbitrate::time::Instant;
use sd_notify::NotifyState;
use serde_json::json;

use super::Log;
use super::keeper::{self, Desk};
use super::on_deposed::Prepared;
use super::quiet::Quiet;
use super::ring::{self, Message, Writer};
use crate::cli::args;
use crate::cli::challenge::{signals, store};
use crate::cli::exit::Exit;
use crate::cli::legacy::{Plan, check, ends};
use crate::cli::node::Node;
use crate::cli::output::{Done, Failure, Outcome};
use crate::cli::session::{self, Options, Talk};
use crate::cli::timeline::Timeline;

/// How the defence begins.
enum Start {
    Acquire,
    TakeOver { life: Key, until: Instant },
}

/// How the keeper ended.
enum End {
    Defence { end: LegacyDefenceEnd, stopped: Option<String> },
    NotWon(LegacyEnd),
    NoThreads(std::io::Error, String),
    NoCrew(std::io::Error),
}

/// Everything the keeper thread owns.
struct Keeper {
    contest: LegacyContest,
    start: Start,
    device: Box<dyn ScsiDevice>,
    signals: SystemPacer,
    writer: Writer,
    watchdog: Option<Watchdog>,
    prepared: Option<Prepared>,
}

pub(super) fn run(a: &args::Defend, with: Options) -> Outcome {
    check(&a.device, &a.node, &a.paths)?;
    if a.legacy.reset.is_some() && !a.acquire {
        return Err(Failure::new(
            Exit::Usage,
            "defend --reset without --acquire",
            "a victory is taken over here: nothing is reset",
            "leave --reset out, or challenge with --acquire",
        ));
    }
    let node = Node::new(&a.node)?;
    // Before signals are blocked: what it runs must not inherit that.
    let prepared = a.on_deposed.as_deref().map(Prepared::spawn).transpose()?;
    let mut signals = signals()?;
    let watchdog = keeper::open_watchdog(a.watchdog.as_deref(), &node)?;
    let mut device = session::device(&a.device)?;
    let mut talk = Talk { out: with.out, device: a.device.clone() };
    let plan = {
        let mut on = Executor::new(device.as_mut(), &mut talk);
        let plan = Plan::new(&a.device, &node, a.legacy.scope(), with, &mut on, &mut signals)?;
        if a.acquire {
            plan.refuse_registered(&mut on, &mut signals)?;
            with.out.plan(&plan.text(), plan.json());
        }
        plan
    };
    let mut locks = plan.locks()?;
    let start = if a.acquire {
        plan.life(&mut locks)?;
        handover::forget(&plan.handover()).map_err(|e| store(&e))?;
        Start::Acquire
    } else {
        take_over(&plan)?
    };
    let timeline = Timeline::new(clock::now(), node.cluster, with.out);
    let (writer, reader) = ring::pair(with.out.verbose).map_err(|e| {
        Failure::new(Exit::Refused, "preparing the log", e.to_string(), "nothing was sent; try again")
    })?;
    let keeper = Keeper { contest: plan.contest(), start, device, signals, writer, watchdog, prepared };
    let thread =
        std::thread::Builder::new().name("keeper".into()).spawn(move || keeper.run()).map_err(|e| {
            Failure::new(
                Exit::Refused,
                "starting the keeper thread",
                e.to_string(),
                "nothing was sent; try again",
            )
        })?;
    let news = super::super::paths::news().1;
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
    verdict(&a.device, end)
}

fn take_over(plan: &Plan<'_>) -> Result<Start, Failure> {
    let whose = (plan.node.cluster, plan.node.number);
    handover::take(&plan.handover(), &plan.name, whose, clock::now())
        .map(|(life, until)| Start::TakeOver { life, until })
        .map_err(|e| {
            Failure::new(
                Exit::Refused,
                format!("taking over {} without a challenge (SPC-2)", plan.device),
                e.to_string(),
                "use --acquire, which challenges first",
            )
        })
}

fn verdict(device: &str, end: End) -> Outcome {
    match end {
        End::NotWon(end) => Err(ends::not_won(device, &end)),
        End::NoCrew(e) => Err(super::no_crew(device, &e)),
        End::NoThreads(e, stopped) => Err(Failure::new(
            Exit::Unknown,
            format!("defending {device}"),
            format!("its threads could not be started: {e}; the disk is held, but not defended; {stopped}"),
            "start nothing; free resources on this host, then `arbitrate defend --legacy --acquire`",
        )),
        End::Defence { end, stopped } => {
            let (exit, words) = (ends::defence_exit(&end), ends::defence(&end));
            match exit {
                Exit::Confirmed => Ok(Done::new(
                    exit,
                    format!("{device} {words}"),
                    json!({ "device": device, "mode": "legacy", "end": words }),
                )),
                Exit::Deposed => Err(Failure::new(
                    exit,
                    format!("defending {device}"),
                    format!("{words}{}", stopped.map(|s| format!("; {s}")).unwrap_or_default()),
                    "make sure that nothing here uses the disk any more; then `arbitrate defend --legacy --acquire`",
                )),
                _ => Err(Failure::new(
                    exit,
                    format!("releasing {device}"),
                    words,
                    "give it up with `arbitrate legacy release` once the disk answers",
                )),
            }
        }
    }
}

impl Keeper {
    fn run(self) -> End {
        let Self { contest, start, mut device, mut signals, writer, watchdog, prepared } = self;
        let mut desk = Desk { writer, watchdog, owning: false, board: None };
        let crew = match keeper::ready(device.as_ref()) {
            Ok(crew) => crew,
            Err(e) => {
                desk.disarm();
                return End::NoCrew(e);
            }
        };
        desk.writer.tell(Message::Realtime(realtime::acquire()));
        let defender = match start {
            Start::Acquire => acquire(&contest, device.as_mut(), &mut desk, &mut signals),
            Start::TakeOver { life, until } => {
                desk.writer.tell(Message::TakenOver(clock::now(), life));
                let watchdog = desk.before_ownership();
                Ok(contest.defender(until, watchdog, clock::now()))
            }
        };
        match defender {
            Ok(defender) => {
                let crew = crew.map_or_else(|| crew::gather(vec![device], keeper::prepare), Ok);
                keep(defender, crew, desk, signals, prepared, contest.timing.spec().margin)
            }
            Err(end) => {
                // Nothing that depends on ownership was started: the watchdog has nothing to guard.
                desk.disarm();
                End::NotWon(end)
            }
        }
    }
}

/// Challenges. A reset may take longer than a watchdog waits, so that this is fed meanwhile by a thread of
/// its own: there is nothing yet for it to guard.
fn acquire(
    contest: &LegacyContest,
    device: &mut dyn ScsiDevice,
    desk: &mut Desk,
    signals: &mut SystemPacer,
) -> Result<LegacyDefender, LegacyEnd> {
    let watchdog = desk.watchdog.take();
    let permit = AtomicU64::new((clock::now() + contest.reset_timeout).as_nanos());
    let end = while_fed(watchdog.as_ref(), &permit, || {
        let mut ears = Ears(&std::cell::RefCell::new(&mut desk.writer));
        let told = ears.0;
        let mut on = Executor::new(device, &mut ears);
        contest.run(&mut on, signals, &mut |at, note| {
            permit.store(fed_until(contest, at, note).as_nanos(), Ordering::Release);
            told.borrow_mut().tell(Message::Legacy(at, *note));
        })
    });
    desk.watchdog = watchdog;
    let lease = match end {
        LegacyContestEnd::Owned { lease, .. } => lease,
        LegacyContestEnd::Not(end) => return Err(end),
    };
    desk.owning = true;
    let spec = contest.timing.spec();
    // As after every confirmation: fed once, unless that would let it bite too late.
    let fed = if clock::now() < lease.from + spec.tick_budget {
        desk.feed()
    } else {
        desk.watchdog
            .as_ref()
            .map(|w| FedWatchdog { timeout: w.timeout(), fed: lease.from - w.timeout() / 2 })
    };
    Ok(contest.defender(lease.until, fed, clock::now()))
}

/// How long the watchdog may be fed without another note. Where the next RESERVE(6) may be the one that
/// makes this node the owner, it ends `tick_budget` after its issue, as after every confirmation: a later
/// feed could let the watchdog bite after another's hold.
fn fed_until(contest: &LegacyContest, at: Instant, note: &LegacyNote) -> Instant {
    let spec = contest.timing.spec();
    match *note {
        LegacyNote::Waiting { window_end } => window_end + spec.tick_budget,
        LegacyNote::Reserving => at + spec.tick + spec.tick_budget,
        LegacyNote::Holding { until, .. } => until.min(at + spec.tick) + spec.tick_budget,
        // A whole hold lies between this and ownership.
        _ => at + contest.reset_timeout + spec.tick,
    }
}

/// Runs `f` while another thread feeds the watchdog, up to `permit` (nanoseconds, raised by `f`); it has
/// stopped when this returns.
fn while_fed<T>(watchdog: Option<&Watchdog>, permit: &AtomicU64, f: impl FnOnce() -> T) -> T {
    let Some(watchdog) = watchdog else { return f() };
    let over = AtomicBool::new(false);
    std::thread::scope(|s| {
        let feeder = s.spawn(|| {
            while !over.load(Ordering::Acquire) {
                if clock::now() < Instant::from_nanos(permit.load(Ordering::Acquire)) {
                    watchdog.feed();
                }
                std::thread::park_timeout(watchdog.timeout() / 4);
            }
        });
        let result = f();
        over.store(true, Ordering::Release);
        feeder.thread().unpark();
        result
    })
}

/// Defends to the end, and stops what depends on ownership where that end was not asked for.
fn keep(
    defender: LegacyDefender,
    crew: std::io::Result<Gathered<LegacyDefender, Desk>>,
    desk: Desk,
    signals: SystemPacer,
    prepared: Option<Prepared>,
    margin: std::time::Duration,
) -> End {
    let task = Task { machine: defender, listener: desk, pacer: Box::new(signals) };
    let (end, mut task) = match crew {
        Ok(crew) => crew.run(task),
        // Whatever began on the strength of the first lease must not outlive it. The watchdog stays armed.
        Err(e) => {
            let said = keeper::stop(prepared, "expired", clock::now() + margin, &mut None);
            return End::NoThreads(e, said);
        }
    };
    let deadline = clock::now() + margin;
    let stopped = match end {
        LegacyDefenceEnd::Released | LegacyDefenceEnd::ReleaseUnproven => {
            task.listener.disarm();
            None
        }
        LegacyDefenceEnd::Deposed { .. } => {
            Some(keeper::stop(prepared, "deposed", deadline, &mut task.listener.watchdog))
        }
        LegacyDefenceEnd::Expired { .. } => {
            Some(keeper::stop(prepared, "expired", deadline, &mut task.listener.watchdog))
        }
    };
    End::Defence { end, stopped }
}

impl Listener<LegacyDefenceNote> for Desk {
    fn note(&mut self, at: Instant, note: &LegacyDefenceNote) {
        if let LegacyDefenceNote::Confirmed { feed_before, .. } = note
            && clock::now() < *feed_before
        {
            let _ = self.feed();
        }
        // The lease is gone and the end is wanted: the last feed would not last for the proof.
        if *note == LegacyDefenceNote::Releasing {
            self.disarm();
        }
        self.writer.tell(Message::LegacyDefence(at, *note));
    }

    fn sent(&mut self, s: &Sent) {
        use arbitrate::runtime::executor::Observer;
        self.writer.sent(s);
    }

    // Told by the protocol's own note.
    fn attention(&mut self, _: Sense) {}
}

/// Hears the commands of the challenge.
struct Ears<'a, 'b>(&'a std::cell::RefCell<&'b mut Writer>);

impl arbitrate::runtime::executor::Observer for Ears<'_, '_> {
    fn sent(&mut self, s: &Sent) {
        self.0.borrow_mut().sent(s);
    }
}

/// A service manager that cannot be told is not worth stopping for.
pub(super) fn notify(ready: &mut bool, note: &LegacyDefenceNote) {
    let states: &[NotifyState<'_>] = match note {
        LegacyDefenceNote::Confirmed { .. } if !*ready => {
            *ready = true;
            &[NotifyState::Ready, NotifyState::Status("owned, lease confirmed"), NotifyState::Watchdog]
        }
        LegacyDefenceNote::Confirmed { .. } => {
            &[NotifyState::Status("owned, lease confirmed"), NotifyState::Watchdog]
        }
        LegacyDefenceNote::Missed { .. } => {
            &[NotifyState::Status("owned, but the last tick confirmed nothing")]
        }
        LegacyDefenceNote::Attention(_) => &[NotifyState::Status("owned, reserving again after a reset")],
        LegacyDefenceNote::Releasing => &[NotifyState::Stopping, NotifyState::Status("releasing")],
    };
    let _ = sd_notify::notify(states);
}

#[cfg(test)]
mod tests {
    use super::*;
    use arbitrate::device::ResetScope;
    use arbitrate::protocol::{Command, Event};
    use arbitrate::protocol::{LegacyChallenger, LegacySetup, Next, Profile, Reply, Rules, Timing};
    use std::time::Duration;

    /// Through a whole challenge: fed all the time until it is won, and not past `tick_budget` then.
    #[test]
    fn a_challenge_is_fed_throughout_and_its_victory_on_time() {
        let timing = Timing::profile(Profile::Classic);
        let second = Duration::from_secs(1);
        let contest = LegacyContest {
            scope: ResetScope::LogicalUnit,
            timing,
            command_timeout: second * 3,
            reset_timeout: second * 15,
        };
        let mut now = Instant::from_nanos(1_000_000_000);
        let mut permit = now + contest.reset_timeout;
        let mut c = LegacyChallenger::new(LegacySetup {
            scope: contest.scope,
            timing,
            command_timeout: contest.command_timeout,
            reset_timeout: contest.reset_timeout,
            rules: Rules::default(),
        });
        let mut step = c.start(now);
        let (mut probed, mut issued) = (false, now);
        loop {
            for note in &step.notes {
                permit = fed_until(&contest, now, note);
            }
            assert!(now <= permit, "starved at {now:?}");
            step = match step.next {
                Next::Wait(until) => {
                    now = until;
                    c.handle(Event::Wake, now)
                }
                Next::Issue { command, deadline } => {
                    issued = now;
                    let late = Duration::from_millis(1);
                    let reply = match command {
                        Command::TestUnitReady if !std::mem::replace(&mut probed, true) => Reply::Conflict,
                        Command::ReadKeys => Reply::Conflict,
                        _ => Reply::Good,
                    };
                    now = deadline - late;
                    c.handle(Event::Reply(reply), now)
                }
                Next::End(end) => {
                    assert!(matches!(end, LegacyEnd::Won { lease, .. } if lease.from == issued), "{end:?}");
                    break;
                }
            };
        }
        assert!(permit <= issued + timing.spec().tick_budget, "fed too late: {permit:?}, issued {issued:?}");
    }
}
