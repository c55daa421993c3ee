//! Who runs: of all the threads of a scenario exactly one, and each hands over to the next.
//!
//! The nodes run blocking code, so each has a thread. A thread that blocks lets the world go on until some
//! node is to run, and wakes that one; between two such points nobody else runs. So the order of
//! everything is the order of the world's queue, whatever the kernel's scheduler does. Must never let time
//! pass but by the queue.

use std::panic::resume_unwind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use arbitrate::time::Instant;

use crate::judge::Violation;
use crate::world::{Event, NEVER, World};

/// The world, and whose turn it is.
pub(crate) struct Stage {
    pub(crate) world: World,
    turn: Option<usize>,
    gone: Vec<bool>,
}

/// What the threads share.
pub(crate) struct Shared {
    stage: Mutex<Stage>,
    turns: Vec<Condvar>,
    done: Condvar,
}

/// One node's place on the stage.
#[derive(Clone)]
pub(crate) struct Handle {
    shared: Arc<Shared>,
    pub(crate) me: usize,
}

/// What a node's code is unwound with when the node goes down, or all is over.
pub(crate) struct Down;

/// What a node does after it went down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Risen {
    /// Its process was started again.
    Process,
    /// Its machine was booted.
    Machine,
    /// Nothing: all is over.
    Never,
}

impl Shared {
    pub(crate) fn new(world: World) -> Arc<Self> {
        let nodes = world.seats.len();
        Arc::new(Self {
            stage: Mutex::new(Stage { world, turn: None, gone: vec![false; nodes] }),
            turns: (0..nodes).map(|_| Condvar::new()).collect(),
            done: Condvar::new(),
        })
    }

    pub(crate) fn handle(self: &Arc<Self>, me: usize) -> Handle {
        Handle { shared: Arc::clone(self), me }
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        // Threads are unwound with the lock released.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts each node at a time of its own and waits until all threads are gone.
    pub(crate) fn play(&self) {
        let mut s = self.lock();
        for node in 0..self.turns.len() {
            let window = s.world.window();
            let at = s.world.chance.between(0, window * 2);
            s.world.put(at, Event::Wake { node, wait: 0 });
        }
        let first = s.world.next();
        self.pass(&mut s, first);
        while s.gone.iter().any(|g| !g) {
            s = self.done.wait(s).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Passes the turn; where all is over, to whoever is still there.
    fn pass(&self, s: &mut Stage, to: Option<usize>) {
        let to = to.or_else(|| s.gone.iter().position(|g| !g));
        s.turn = to;
        match to {
            Some(n) => self.turns[n].notify_one(),
            None => self.done.notify_one(),
        }
    }

    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut World) -> R) -> R {
        f(&mut self.lock().world)
    }
}

impl Handle {
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut World, usize) -> R) -> R {
        f(&mut self.shared.lock().world, self.me)
    }

    /// What this node's clock shows.
    pub(crate) fn now(&self) -> Instant {
        self.with(|w, me| w.seats[me].clock.shows(w.now))
    }

    /// Waits for this thread's first turn.
    pub(crate) fn enter(&self) {
        drop(self.await_turn(self.shared.lock()));
    }

    /// Begins a wait with `begin` and blocks until it ends.
    pub(crate) fn block(&self, begin: impl FnOnce(&mut World, usize)) {
        let mut s = self.shared.lock();
        begin(&mut s.world, self.me);
        s = self.yield_turn(s);
        let down = s.world.over || s.world.seats[self.me].killed;
        drop(s);
        if down {
            resume_unwind(Box::new(Down));
        }
    }

    /// Blocks for a time by this node's clock.
    pub(crate) fn sleep_until(&self, until: Instant) {
        while self.now() < until {
            self.block(|w, me| {
                let at = w.seats[me].clock.when(until);
                w.begin_wait(me, at, false);
            });
        }
    }

    /// After the node went down: waits until it is up again.
    pub(crate) fn rise(&self) -> Risen {
        let mut s = self.shared.lock();
        loop {
            if s.world.over {
                return Risen::Never;
            }
            let until = s.world.seats[self.me].down_until.unwrap_or(0);
            if until <= s.world.now {
                let machine = s.world.is_rebooting(self.me);
                s.world.rise(self.me);
                return if machine { Risen::Machine } else { Risen::Process };
            }
            if until != NEVER {
                s.world.begin_wait(self.me, until, false);
            }
            s = self.yield_turn(s);
        }
    }

    /// Leaves for good.
    pub(crate) fn leave(&self) {
        let mut s = self.shared.lock();
        s.gone[self.me] = true;
        self.shared.pass(&mut s, None);
    }

    /// A node's code failed by itself: a defect.
    pub(crate) fn failed(&self, why: String) {
        self.with(|w, me| {
            w.judge.violations.push(Violation::Harness(format!("node {me}: {why}")));
            w.over = true;
        });
    }

    fn yield_turn<'a>(&'a self, mut s: MutexGuard<'a, Stage>) -> MutexGuard<'a, Stage> {
        match s.world.next() {
            Some(n) if n != self.me => {
                self.shared.pass(&mut s, Some(n));
                self.await_turn(s)
            }
            // This one again; or all is over, and it begins to leave.
            _ => s,
        }
    }

    fn await_turn<'a>(&'a self, mut s: MutexGuard<'a, Stage>) -> MutexGuard<'a, Stage> {
        while s.turn != Some(self.me) {
            s = self.shared.turns[self.me].wait(s).unwrap_or_else(PoisonError::into_inner);
        }
        s
    }
}
