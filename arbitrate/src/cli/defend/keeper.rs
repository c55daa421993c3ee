//! The thread that owns: acquires, ticks, feeds, and stops what depends on ownership.
//!
//! From the first tick on it opens nothing, spawns nothing, allocates nothing and shares no lock with
//! the log. Must never print.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use arbitrate::clock;
use arbitrate::device::ScsiDevice;
use arbitrate::key::Key;
use arbitrate::protocol::{
    ChallengeNote, DefenceEnd, DefenceNote, DefenceSetup, Defender, FedWatchdog, FirstLease, Rules,
};
use arbitrate::runtime::contest::{Audience, Contest, ContestEnd};
use arbitrate::runtime::drive;
use arbitrate::runtime::executor::Executor;
use arbitrate::runtime::lives::LivesFile;
use arbitrate::runtime::pacer::{Pacer, SystemPacer, Woke};
use arbitrate::runtime::realtime;
use arbitrate::runtime::watchdog::Watchdog;
use arbitrate::time::Instant;

use super::KeeperEnd;
use super::on_deposed::{Prepared, Ran};
use super::ring::{Message, Writer};
use crate::cli::exit::Exit;
use crate::cli::node::Node;
use crate::cli::output::Failure;

/// How the defence begins.
pub(super) enum Start {
    /// By a challenge.
    Acquire,
    /// With what a challenge of this host won.
    TakeOver { key: Key, until: Instant },
}

/// Everything the keeper thread owns.
pub(super) struct Keeper {
    pub(super) contest: Contest,
    pub(super) start: Start,
    pub(super) lives: LivesFile,
    pub(super) device: Box<dyn ScsiDevice>,
    pub(super) signals: SystemPacer,
    pub(super) writer: Writer,
    pub(super) watchdog: Option<Watchdog>,
    pub(super) prepared: Option<Prepared>,
    pub(super) margin: Duration,
}

/// What the keeper's parts share; one thread, so cells and no locks.
struct Shared {
    writer: RefCell<Writer>,
    watchdog: RefCell<Option<Watchdog>>,
    /// From the command on that may make this node the owner: feeding is then the lease's business.
    owning: std::cell::Cell<bool>,
}

impl Keeper {
    pub(super) fn run(self) -> KeeperEnd {
        let Self { contest, start, mut lives, mut device, signals, writer, watchdog, prepared, margin } =
            self;
        let shared = Rc::new(Shared {
            writer: RefCell::new(writer),
            watchdog: RefCell::new(watchdog),
            owning: std::cell::Cell::new(false),
        });
        shared.tell(Message::Realtime(realtime::acquire()));
        let mut ears = Ears(Rc::clone(&shared));
        let mut taps = Ears(Rc::clone(&shared));
        let mut pacer = FedPacer { inner: signals, shared: Rc::clone(&shared) };
        let mut on = Executor::new(device.as_mut(), &mut taps);
        let won = match start {
            Start::Acquire => contest.run(&mut lives, &mut on, &mut pacer, &mut ears),
            Start::TakeOver { key, until } => {
                shared.tell(Message::TakenOver(pacer.now(), key));
                let watchdog = ears.before_ownership();
                return keep(
                    &mut taken_over(&contest, key, until, watchdog, pacer.now()),
                    &mut on,
                    &mut pacer,
                    &mut ears,
                    prepared,
                    margin,
                );
            }
        };
        match won {
            Ok(ContestEnd::Owned { mut defender, .. }) => {
                keep(&mut defender, &mut on, &mut pacer, &mut ears, prepared, margin)
            }
            // Nothing that depends on ownership was started: the watchdog has nothing to guard.
            Ok(ContestEnd::NotConfirmed { end, .. }) => {
                shared.disarm();
                KeeperEnd::NotConfirmed(end)
            }
            Ok(ContestEnd::Not(end)) => {
                shared.disarm();
                KeeperEnd::NotWon(end)
            }
            Err(e) => {
                shared.disarm();
                KeeperEnd::Lives(e)
            }
        }
    }
}

fn taken_over(
    contest: &Contest,
    key: Key,
    until: Instant,
    watchdog: Option<FedWatchdog>,
    now: Instant,
) -> Defender {
    let setup = DefenceSetup {
        key,
        cluster: contest.cluster,
        kind: contest.kind,
        timing: contest.timing,
        watchdog,
        first: FirstLease::Until(until),
        rules: Rules::default(),
    };
    Defender::new(setup, now)
}

/// Defends to the end, and stops what depends on ownership where that end was not asked for.
fn keep(
    defender: &mut Defender,
    on: &mut Executor<'_>,
    pacer: &mut FedPacer,
    ears: &mut Ears,
    prepared: Option<Prepared>,
    margin: Duration,
) -> KeeperEnd {
    let end = drive::defence(defender, on, pacer, &mut |at, note| ears.defence(at, note));
    let stopped = match end {
        DefenceEnd::Released | DefenceEnd::ReleaseUnproven => {
            ears.0.disarm();
            None
        }
        DefenceEnd::Deposed { .. } => Some(stop(prepared, "deposed", pacer.now() + margin, &ears.0)),
        DefenceEnd::Expired { .. } => Some(stop(prepared, "expired", pacer.now() + margin, &ears.0)),
    };
    KeeperEnd::Defence { end, stopped }
}

/// Stops what depends on ownership; the watchdog stays armed unless that is proven.
fn stop(prepared: Option<Prepared>, reason: &str, deadline: Instant, shared: &Shared) -> String {
    let armed = shared.watchdog.borrow().is_some();
    let ran = prepared.map(|p| p.run(reason, deadline));
    if ran == Some(Ran::Proven) {
        shared.disarm();
        return "--on-deposed ended well".into();
    }
    let what = match ran {
        None => "no --on-deposed was given: nothing was stopped here".to_owned(),
        Some(Ran::Failed(code)) => {
            let code = code.map_or_else(|| "a signal or no answer".to_owned(), |c| c.to_string());
            format!("--on-deposed failed ({code})")
        }
        _ => "--on-deposed took too long and was killed".to_owned(),
    };
    if armed { format!("{what}; the watchdog stays armed and resets this machine") } else { what }
}

impl Shared {
    fn tell(&self, m: Message) {
        self.writer.borrow_mut().tell(m);
    }

    /// Feeds; returns when, so that the moment is known to be no later than the feed.
    fn feed(&self) -> Option<(Duration, Instant)> {
        let mut slot = self.watchdog.borrow_mut();
        let watchdog = slot.as_mut()?;
        let at = clock::now();
        watchdog.feed();
        Some((watchdog.timeout(), at))
    }

    fn disarm(&self) {
        if let Some(w) = self.watchdog.borrow_mut().take() {
            w.disarm();
        }
    }
}

/// Hears the protocols and the executor.
struct Ears(Rc<Shared>);

impl Audience for Ears {
    fn challenge(&mut self, at: Instant, note: &ChallengeNote) {
        self.0.tell(Message::Challenge(at, *note));
    }

    fn defence(&mut self, at: Instant, note: &DefenceNote) {
        if let DefenceNote::Confirmed { feed_before, .. } = note
            && clock::now() < *feed_before
        {
            let _ = self.0.feed();
        }
        self.0.tell(Message::Defence(at, *note));
    }

    fn before_ownership(&mut self) -> Option<FedWatchdog> {
        self.0.owning.set(true);
        self.0.feed().map(|(timeout, fed)| FedWatchdog { timeout, fed })
    }
}

impl arbitrate::runtime::executor::Observer for Ears {
    fn sent(&mut self, s: &arbitrate::runtime::executor::Sent) {
        self.0.writer.borrow_mut().sent(s);
    }

    fn attention(&mut self, sense: arbitrate::codec::Sense) {
        self.0.writer.borrow_mut().attention(sense);
    }
}

/// Real time; feeds the watchdog while this node owns nothing that it could guard.
struct FedPacer {
    inner: SystemPacer,
    shared: Rc<Shared>,
}

impl Pacer for FedPacer {
    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn wait(&mut self, until: Instant) -> Woke {
        while !self.shared.owning.get() {
            let Some((timeout, fed)) = self.shared.feed() else { break };
            let next = fed + timeout / 4;
            if next >= until {
                break;
            }
            if self.inner.wait(next) == Woke::Stop {
                return Woke::Stop;
            }
        }
        self.inner.wait(until)
    }

    fn pause(&mut self, d: Duration) {
        self.inner.pause(d);
    }
}

/// Opens and checks the watchdog before anything is owned.
pub(super) fn open_watchdog(path: Option<&Path>, node: &Node) -> Result<Option<Watchdog>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let failed = |answer: String, next: &str| {
        Failure::new(Exit::Refused, format!("preparing the watchdog {}", path.display()), answer, next)
    };
    let Some(wanted) = node.timing.spec().watchdog else {
        return Err(failed(
            format!("profile {} has no watchdog timeout: none is that fine", node.profile),
            "leave --watchdog out; the guarantee then rests on the target alone",
        ));
    };
    let watchdog = Watchdog::open(path, wanted).map_err(|e| {
        failed(e.to_string(), "the machine is not guarded by it; mend that or leave --watchdog out")
    })?;
    if let Err(e) = node.timing.with_watchdog(watchdog.timeout()) {
        let answer = format!("the driver gave {:?} instead of {wanted:?}: {e}", watchdog.timeout());
        watchdog.disarm();
        return Err(failed(answer, "use a profile file whose watchdog_ms the driver can keep"));
    }
    Ok(Some(watchdog))
}
