//! Keeps every path of an owned unit registered: finds them, and gives each a thread and a registrar.
//!
//! Stands beside the defence, never in its way: the keeper only stores its lease in a [`Board`]. Whatever
//! opens, allocates or may hang happens here. Must never decide what is registered: that is
//! [`crate::protocol::registrar`]'s.

mod board;
#[cfg(test)]
mod tests;
mod worker;

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;

use arrayvec::ArrayVec;

use crate::clock::now;
use crate::codec::pr::{Aptpl, ReservationType};
use crate::device::ScsiDevice;
use crate::device::multipath::failover::Paths;
use crate::device::multipath::{MAX_PATHS, PathSpec, target_port};
use crate::key::Key;
use crate::protocol::MAX_LIVES;
use crate::protocol::Timing;
use crate::protocol::registrar::{PathEnd, PathNote, PathRegistrar, PathSetup, Role};
use crate::time::Instant;

pub use board::{Board, LeavePacer};
use worker::{Nexus, Worker, WorkerState};

/// How long a path may take to say which port it is.
const ASK: Duration = Duration::from_secs(3);
/// Ticks between two checks that cost a REGISTER.
const SELDOM: u32 = 10;

/// Where a unit's paths are to be found: names that could be paths, before they are asked.
pub type Source = Box<dyn FnMut() -> Vec<PathSpec> + Send>;

/// What the paths of an owned unit are watched by.
pub struct Watch {
    /// The unit's name (VPD 83h); a path that says another is none.
    pub unit: String,
    /// The path over which the unit was taken.
    pub holder: PathSpec,
    /// Where the others are found.
    pub source: Source,
    /// The settled key.
    pub key: Key,
    /// Keys of this node's earlier lives.
    pub ghosts: Vec<Key>,
    /// Whether to ask for persistence through power loss.
    pub aptpl: Aptpl,
    /// The timing.
    pub timing: Timing,
    /// The reservation's type.
    pub kind: ReservationType,
    /// What the defence sends its commands over.
    pub paths: Arc<Paths>,
    /// The lease.
    pub board: Arc<Board>,
    /// Hears what happens.
    pub tell: Sender<Told>,
    /// Called after each message: whoever prints waits elsewhere.
    pub ring: Box<dyn Fn() + Send + Sync>,
}

/// What happened on a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// When.
    pub at: Instant,
    /// On which.
    pub path: PathSpec,
    /// What.
    pub what: What,
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// A further path was found.
    Found,
    /// What could be a path is none, or did not say.
    NotAPath(String),
    /// What its registrar tells.
    Note(PathNote),
    /// Its registration ended.
    End(PathEnd),
}

/// The watch at work.
pub struct Watching {
    board: Arc<Board>,
    thread: JoinHandle<Vec<Left>>,
}

/// A path whose end is not proven.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Left {
    /// Which.
    pub path: PathSpec,
    /// Whether a command of this process is still outstanding there.
    pub outstanding: bool,
}

impl Watch {
    /// Starts to watch.
    ///
    /// # Errors
    /// The thread could not be started: then only the holder's path is registered.
    pub fn start(self) -> std::io::Result<Watching> {
        let board = Arc::clone(&self.board);
        board.begin();
        let thread = std::thread::Builder::new().name("paths".into()).spawn(move || Supervisor::run(self))?;
        Ok(Watching { board, thread })
    }
}

impl Watching {
    /// The life is over: waits until every registrar has ended, at most until `limit`. Returns the paths
    /// that may be registered or become so.
    #[must_use]
    pub fn finish(self, limit: Instant) -> Vec<Left> {
        self.board.over();
        self.board.finish_by(limit);
        self.thread.join().unwrap_or_default()
    }
}

struct Known {
    spec: PathSpec,
    worker: Worker,
    /// Not among the candidates of the last look.
    missing: bool,
}

struct Supervisor {
    watch: Watch,
    shared: Arc<Voice>,
    known: Vec<Option<Known>>,
    /// Names that said they are another unit, or nothing, and when they said so.
    refused: Vec<(PathSpec, String)>,
}

/// Where registrars speak.
struct Voice {
    tell: Sender<Told>,
    ring: Box<dyn Fn() + Send + Sync>,
}

impl Voice {
    fn say(&self, path: &PathSpec, what: What) {
        // Nobody listens any more: that is no reason to do less.
        let _ = self.tell.send(Told { at: now(), path: path.clone(), what });
        (self.ring)();
    }
}

impl Supervisor {
    fn run(mut watch: Watch) -> Vec<Left> {
        let (tell, _) = std::sync::mpsc::channel();
        let tell = std::mem::replace(&mut watch.tell, tell);
        let ring = std::mem::replace(&mut watch.ring, Box::new(|| {}));
        let shared = Arc::new(Voice { tell, ring });
        let mut s = Self { watch, shared, known: Vec::new(), refused: Vec::new() };
        s.known.resize_with(MAX_PATHS, || None);
        s.begin_holder();
        while s.watch.board.running() {
            s.look();
            let tick = s.watch.timing.spec().tick;
            s.watch.board.wait(now() + tick);
        }
        s.end()
    }

    /// The path that took the unit is in use already; its registration is watched as the others' are.
    fn begin_holder(&mut self) {
        let spec = self.watch.holder.clone();
        if let Ok(device) = spec.open() {
            self.begin(0, spec, device, Role::Holder);
        }
    }

    /// Looks for paths that were not there before, or came back.
    fn look(&mut self) {
        let mut found = (self.watch.source)();
        found.truncate(MAX_PATHS * 2);
        for k in self.known.iter_mut().flatten() {
            k.missing |= !found.contains(&k.spec);
        }
        for spec in found {
            let at = self.known.iter().position(|k| k.as_ref().is_some_and(|k| k.spec == spec));
            // One that vanished and is there again has a new device behind its name.
            let stale = |k: &Known| k.worker.stale() || (k.missing && !k.worker.state.open());
            match at {
                Some(slot) if self.known.get(slot).and_then(Option::as_ref).is_some_and(stale) => {
                    self.replace(slot, spec);
                }
                Some(_) => {}
                None => self.add(spec),
            }
        }
    }

    fn add(&mut self, spec: PathSpec) {
        let free = self.known.iter().position(Option::is_none);
        let vacant =
            || self.known.iter().position(|k| k.as_ref().is_some_and(|k| k.missing && k.worker.ended()));
        let Some(slot) = free.or_else(vacant) else { return };
        if slot == 0 {
            return;
        }
        if let Some(device) = self.check(&spec) {
            self.shared.say(&spec, What::Found);
            self.join(slot, &spec);
            self.begin(slot, spec, device, Role::Further);
        }
    }

    fn replace(&mut self, slot: usize, spec: PathSpec) {
        if let Some(device) = self.check(&spec) {
            if let Some(Some(old)) = self.known.get(slot) {
                old.worker.retire();
            }
            self.shared.say(&spec, What::Found);
            self.join(slot, &spec);
            // The nexus behind the name is a new one: it did not take the reservation.
            self.begin(slot, spec, device, Role::Further);
        }
    }

    /// Asks a candidate who it is; says once why it is no path.
    fn check(&mut self, spec: &PathSpec) -> Option<Box<dyn ScsiDevice>> {
        let why = match spec.identify() {
            Ok((device, name)) if name.as_str() == self.watch.unit => {
                self.refused.retain(|(s, _)| s != spec);
                return Some(device);
            }
            Ok((_, name)) => format!("it is {name}"),
            Err(e) => e.to_string(),
        };
        if !self.refused.iter().any(|(s, w)| s == spec && *w == why) {
            self.refused.retain(|(s, _)| s != spec);
            self.refused.push((spec.clone(), why.clone()));
            self.shared.say(spec, What::NotAPath(why));
        }
        None
    }

    /// Hands the defence its handles of the path. Where that fails the path is registered all the same.
    fn join(&self, slot: usize, spec: &PathSpec) {
        self.watch.paths.set_usable(slot, false);
        let Ok(device) = spec.open() else { return };
        let mut handles = device.unguarded();
        let mut whole = Some(device);
        // The first ring is the one of the handle that acquired; the threads of the defence want handles
        // that may get stuck, where there are such.
        let _ = self
            .watch
            .paths
            .join(slot, &mut || whole.take().or_else(|| handles.pop()).or_else(|| spec.open().ok()));
    }

    fn begin(&mut self, slot: usize, spec: PathSpec, device: Box<dyn ScsiDevice>, role: Role) {
        let ghosts: ArrayVec<Key, MAX_LIVES> =
            self.watch.ghosts.iter().rev().take(MAX_LIVES).copied().collect();
        let own = self.nexus(&spec, device.as_ref());
        let tick = self.watch.timing.spec().tick;
        let registrar = PathRegistrar::new(PathSetup {
            key: self.watch.key,
            ghosts,
            aptpl: self.watch.aptpl,
            timing: self.watch.timing,
            kind: self.watch.kind,
            role,
            // Without a name in READ FULL STATUS each check is a REGISTER, which counts in PRGENERATION.
            check: if own.name.is_some() { tick } else { tick * SELDOM },
        });
        // One handle of its own that may be stuck for as long as it likes: its real end is wanted.
        let device = device.unguarded().pop().unwrap_or(device);
        let state = Arc::new(WorkerState::default());
        let (board, paths) = (Arc::clone(&self.watch.board), Arc::clone(&self.watch.paths));
        let shared = Arc::clone(&self.shared);
        let worker = Worker::start(worker::Job {
            registrar,
            device,
            slot,
            spec: spec.clone(),
            board,
            paths,
            state: Arc::clone(&state),
            shared,
            own,
        });
        if let Some(place) = self.known.get_mut(slot) {
            *place = Some(Known { spec, worker, missing: false });
        }
    }

    /// What the path's nexus is called at the target, as far as it is known.
    fn nexus(&self, spec: &PathSpec, device: &dyn ScsiDevice) -> Nexus {
        let initiator = device.own_transport_id();
        let port = spec.open().ok().and_then(|mut d| target_port(d.as_mut(), now() + ASK));
        Nexus { key: self.watch.key, aptpl: self.watch.aptpl, name: initiator.zip(port) }
    }

    /// Waits for the registrars that have something to undo, and says which paths are left open. One that
    /// hangs in a read keeps nobody.
    fn end(mut self) -> Vec<Left> {
        let all: Vec<Known> = self.known.drain(..).flatten().collect();
        let at_work = |k: &Known| !k.worker.ended() && k.worker.state.open();
        while all.iter().any(at_work) && now() < self.watch.board.limit() {
            self.watch.board.wait(self.watch.board.limit());
        }
        all.iter()
            .filter(|k| k.worker.state.unproven() || at_work(k))
            .map(|k| Left { path: k.spec.clone(), outstanding: !k.worker.ended() })
            .collect()
    }
}
