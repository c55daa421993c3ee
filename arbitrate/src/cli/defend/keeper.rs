//! The thread that owns: acquires, ticks, feeds, and stops what depends on ownership.
//!
//! From the first tick on it opens nothing, spawns nothing, allocates nothing and shares no lock with
//! the log. Must never print.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arbitrate::clock;
use arbitrate::codec::Sense;
use arbitrate::device::ScsiDevice;
use arbitrate::device::multipath::failover::Paths;
use arbitrate::key::Key;
use arbitrate::protocol::{
    ChallengeNote, DefenceEnd, DefenceNote, DefenceSetup, Defender, FedWatchdog, FirstLease, Rules,
};
use arbitrate::runtime::contest::{Audience, Contest, ContestEnd};
use arbitrate::runtime::crew::{self, Gathered, Listener, Task};
use arbitrate::runtime::drive::Machine;
use arbitrate::runtime::executor::{Executor, Observer, Sent};
use arbitrate::runtime::lives::LivesFile;
use arbitrate::runtime::pacer::{Pacer, SystemPacer, Woke};
use arbitrate::runtime::paths::{Board, LeavePacer, Watch, Watching};
use arbitrate::runtime::realtime;
use arbitrate::runtime::watchdog::Watchdog;
use arbitrate::time::Instant;

use super::KeeperEnd;
use super::on_deposed::{Prepared, Ran};
use super::ring::{Message, Writer};
use crate::cli::exit::Exit;
use crate::cli::node::Node;
use crate::cli::output::Failure;

/// How long the paths' registrars may take to end; longer than any timing profile's window.
const PATHS_END: Duration = Duration::from_secs(30);

/// How the defence begins.
pub(super) enum Start {
    /// By a challenge, that much later.
    Acquire { delay: Duration },
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
    pub(super) paths: Option<PathsPart>,
}

/// What keeps the unit's other paths registered.
pub(super) struct PathsPart {
    pub(super) board: Arc<Board>,
    pub(super) shared: Arc<Paths>,
    /// Made once the key and the earlier lives are known.
    pub(super) watch: Box<dyn FnOnce(Key, Vec<Key>) -> Watch + Send>,
}

/// Log and watchdog: what every part of the keeper needs. Never two parts at a time.
pub(super) struct Desk {
    pub(super) writer: Writer,
    pub(super) watchdog: Option<Watchdog>,
    /// From the command on that may make this node the owner: feeding is then the lease's business.
    pub(super) owning: bool,
    /// Where the registrars of the paths see the lease.
    pub(super) board: Option<Arc<Board>>,
}

impl Keeper {
    pub(super) fn run(self) -> KeeperEnd {
        let Self {
            contest,
            start,
            mut lives,
            mut device,
            signals,
            writer,
            watchdog,
            prepared,
            margin,
            paths,
        } = self;
        let board = paths.as_ref().map(|p| Arc::clone(&p.board));
        let mut desk = Desk { writer, watchdog, owning: false, board };
        let crew = match ready(device.as_ref()) {
            Ok(crew) => crew,
            Err(e) => {
                desk.disarm();
                return KeeperEnd::NoCrew(e);
            }
        };
        desk.writer.tell(Message::Realtime(realtime::acquire()));
        let (acquired, mut desk, signals) = match start {
            Start::Acquire { delay } => {
                acquire((&contest, delay), &mut lives, device.as_mut(), desk, signals)
            }
            Start::TakeOver { key, until } => {
                desk.writer.tell(Message::TakenOver(clock::now(), key));
                let watchdog = desk.before_ownership();
                (Ok(taken_over(&contest, key, until, watchdog)), desk, signals)
            }
        };
        match acquired {
            Ok(defender) => {
                let watched = match Watched::start(paths, defender.key(), &lives, signals) {
                    Ok(watched) => watched,
                    Err(e) => {
                        let deadline = clock::now() + margin;
                        return KeeperEnd::NoThreads(
                            e,
                            stop(prepared, "expired", deadline, &mut desk.watchdog),
                        );
                    }
                };
                let crew = crew.map_or_else(|| crew::gather(vec![device], prepare), Ok);
                keep(defender, crew, desk, watched, prepared, margin)
            }
            Err(end) => {
                // Nothing that depends on ownership was started: the watchdog has nothing to guard.
                desk.disarm();
                end
            }
        }
    }
}

/// The pacer of a defence, and the watch over its paths where there is one.
struct Watched {
    pacer: Box<dyn Pacer + Send>,
    watching: Option<Watching>,
}

impl Watched {
    fn start(
        paths: Option<PathsPart>,
        key: Key,
        lives: &LivesFile,
        signals: SystemPacer,
    ) -> std::io::Result<Self> {
        let Some(p) = paths else { return Ok(Self { pacer: Box::new(signals), watching: None }) };
        let ghosts = lives.keys().into_iter().filter(|k| *k != key).collect();
        let watching = Some((p.watch)(key, ghosts).start()?);
        Ok(Self { pacer: Box::new(LeavePacer::new(signals, p.board, p.shared)), watching })
    }
}

/// Challenges; gives the desk and the signals back whatever came of it.
fn acquire(
    (contest, delay): (&Contest, Duration),
    lives: &mut LivesFile,
    device: &mut dyn ScsiDevice,
    desk: Desk,
    signals: SystemPacer,
) -> (Result<Defender, KeeperEnd>, Desk, SystemPacer) {
    let desk = RefCell::new(desk);
    let mut tap = Ears(&desk);
    let mut on = Executor::new(device, &mut tap);
    let mut pacer = FedPacer { inner: signals, desk: &desk };
    let won = contest.run_after(delay, lives, &mut on, &mut pacer, &mut Ears(&desk));
    let signals = pacer.inner;
    let end = match won {
        Ok(ContestEnd::Owned { defender, .. }) => Ok(*defender),
        Ok(ContestEnd::NotConfirmed { end, .. }) => Err(KeeperEnd::NotConfirmed(end)),
        Ok(ContestEnd::Not(end)) => Err(KeeperEnd::NotWon(end)),
        Err(e) => Err(KeeperEnd::Lives(e)),
    };
    (end, desk.into_inner(), signals)
}

fn taken_over(contest: &Contest, key: Key, until: Instant, watchdog: Option<FedWatchdog>) -> Defender {
    let setup = DefenceSetup {
        key,
        cluster: contest.cluster,
        kind: contest.kind,
        aptpl: contest.aptpl,
        timing: contest.timing,
        watchdog,
        first: FirstLease::Until(until),
        tenure: None,
        rules: Rules::default(),
    };
    Defender::new(setup, clock::now())
}

/// What is not granted was said when the keeper began.
pub(super) fn prepare() {
    let _ = realtime::acquire();
}

/// The crew of a defence, gathered before anything is owned: from the first lease on nothing is spawned.
/// `None` where the device has no handles but the one the challenge needs: it cannot get stuck.
pub(super) fn ready<M, L>(device: &dyn ScsiDevice) -> std::io::Result<Option<Gathered<M, L>>>
where
    M: Machine + Send + 'static,
    M::Note: Send,
    M::End: Send,
    L: Listener<M::Note> + 'static,
{
    let devices = device.unguarded();
    if devices.is_empty() { Ok(None) } else { crew::gather(devices, prepare).map(Some) }
}

/// Defends to the end, and stops what depends on ownership where that end was not asked for.
fn keep(
    defender: Defender,
    crew: std::io::Result<Gathered<Defender, Desk>>,
    desk: Desk,
    watched: Watched,
    prepared: Option<Prepared>,
    margin: Duration,
) -> KeeperEnd {
    let Watched { pacer, watching } = watched;
    let task = Task { machine: defender, listener: desk, pacer };
    let (end, mut task) = match crew {
        Ok(crew) => crew.run(task),
        // Whatever began on the strength of the first lease must not outlive it. The watchdog stays armed.
        Err(e) => {
            return KeeperEnd::NoThreads(e, stop(prepared, "expired", clock::now() + margin, &mut None));
        }
    };
    // Before anything else: from here on no path registers any more.
    if let Some(board) = &task.listener.board {
        board.over();
    }
    let deadline = clock::now() + margin;
    let stopped = match end {
        DefenceEnd::Released | DefenceEnd::ReleaseUnproven => {
            task.listener.disarm();
            None
        }
        DefenceEnd::Deposed { .. } => Some(stop(prepared, "deposed", deadline, &mut task.listener.watchdog)),
        DefenceEnd::Expired { .. } => Some(stop(prepared, "expired", deadline, &mut task.listener.watchdog)),
    };
    let left = watching.map(|w| w.finish(clock::now() + PATHS_END)).unwrap_or_default();
    KeeperEnd::Defence { end, stopped, left }
}

/// Whether what depends on ownership was stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::cli) enum Proof {
    /// It was.
    Stopped,
    /// It may still run.
    Open,
    /// Nothing was named: the end of this program is what others go by.
    NothingNamed,
}

/// Stops what depends on ownership; the watchdog stays armed unless that is proven.
pub(in crate::cli) fn stop(
    prepared: Option<Prepared>,
    reason: &str,
    deadline: Instant,
    watchdog: &mut Option<Watchdog>,
) -> String {
    stop_and_tell(prepared, reason, deadline, watchdog).1
}

/// The same, and whether it is proven.
pub(in crate::cli) fn stop_and_tell(
    prepared: Option<Prepared>,
    reason: &str,
    deadline: Instant,
    watchdog: &mut Option<Watchdog>,
) -> (Proof, String) {
    let ran = prepared.map(|p| p.run(reason, deadline));
    if ran == Some(Ran::Proven) {
        if let Some(w) = watchdog.take() {
            w.disarm();
        }
        return (Proof::Stopped, "--on-deposed ended well".into());
    }
    let proof = if ran.is_none() { Proof::NothingNamed } else { Proof::Open };
    let what = match ran {
        None => "no --on-deposed was given: nothing was stopped here".to_owned(),
        Some(Ran::Failed(code)) => {
            let code = code.map_or_else(|| "a signal or no answer".to_owned(), |c| c.to_string());
            format!("--on-deposed failed ({code})")
        }
        _ => "--on-deposed took too long and was killed".to_owned(),
    };
    if watchdog.is_some() {
        (proof, format!("{what}; the watchdog stays armed and resets this machine"))
    } else {
        (proof, what)
    }
}

impl Desk {
    /// Feeds; returns a moment no later than the feed.
    pub(super) fn feed(&self) -> Option<FedWatchdog> {
        let watchdog = self.watchdog.as_ref()?;
        let fed = clock::now();
        watchdog.feed();
        Some(FedWatchdog { timeout: watchdog.timeout(), fed })
    }

    pub(super) fn before_ownership(&mut self) -> Option<FedWatchdog> {
        self.owning = true;
        self.feed()
    }

    pub(super) fn disarm(&mut self) {
        if let Some(w) = self.watchdog.take() {
            w.disarm();
        }
    }
}

impl Listener<DefenceNote> for Desk {
    fn note(&mut self, at: Instant, note: &DefenceNote) {
        if let DefenceNote::Confirmed { feed_before, .. } = note
            && clock::now() < *feed_before
        {
            let _ = self.feed();
        }
        // The lease is gone and the end is wanted: the last feed would not last for the proof.
        if *note == DefenceNote::Releasing {
            self.disarm();
        }
        if let (DefenceNote::Confirmed { lease, .. }, Some(board)) = (note, &self.board) {
            board.confirmed(*lease);
        }
        self.writer.tell(Message::Defence(at, *note));
    }

    fn sent(&mut self, s: &Sent) {
        self.writer.sent(s);
    }

    fn attention(&mut self, sense: Sense) {
        self.writer.attention(sense);
    }
}

/// Hears the challenge and its commands.
struct Ears<'a>(&'a RefCell<Desk>);

impl Audience for Ears<'_> {
    fn challenge(&mut self, at: Instant, note: &ChallengeNote) {
        self.0.borrow_mut().writer.tell(Message::Challenge(at, *note));
    }

    fn defence(&mut self, at: Instant, note: &DefenceNote) {
        self.0.borrow_mut().note(at, note);
    }

    fn before_ownership(&mut self) -> Option<FedWatchdog> {
        self.0.borrow_mut().before_ownership()
    }

    fn not_owning(&mut self) {
        self.0.borrow_mut().owning = false;
    }
}

impl Observer for Ears<'_> {
    fn sent(&mut self, s: &Sent) {
        self.0.borrow_mut().writer.sent(s);
    }

    fn attention(&mut self, sense: Sense) {
        self.0.borrow_mut().writer.attention(sense);
    }
}

/// Real time; feeds the watchdog while this node owns nothing that it could guard.
struct FedPacer<'a> {
    inner: SystemPacer,
    desk: &'a RefCell<Desk>,
}

impl Pacer for FedPacer<'_> {
    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn wait(&mut self, until: Instant) -> Woke {
        while !self.desk.borrow().owning {
            let Some(FedWatchdog { timeout, fed }) = self.desk.borrow().feed() else { break };
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
pub(in crate::cli) fn open_watchdog(path: Option<&Path>, node: &Node) -> Result<Option<Watchdog>, Failure> {
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

#[cfg(test)]
mod tests;
