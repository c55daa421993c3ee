//! The lease as the paths' registrars see it, and how a clean end waits for them.
//!
//! The keeper's side stores and never waits: a tick is not delayed by any path.

use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::now;
use crate::device::multipath::failover::Paths;
use crate::protocol::registrar::{Life, Whereabouts};
use crate::protocol::{Lease, Timing};
use crate::runtime::pacer::{Pacer, SystemPacer, Woke};
use crate::time::Instant;

const RUNNING: u8 = 0;
const LEAVING: u8 = 1;
const OVER: u8 = 2;

// `Whereabouts`, as a number.
const OPEN: u8 = 0;
const LAST: u8 = 1;
const TAKEN: u8 = 2;

/// How the life stands, for the registrars.
#[derive(Debug)]
pub struct Board {
    timing: Timing,
    state: AtomicU8,
    /// End of the lease; its beginning follows from the timing.
    until: AtomicU64,
    /// When the end is no longer waited for.
    limit: AtomicU64,
    /// Where the reservation is while the device is given back.
    whereabouts: AtomicU8,
    /// Registrars that have not ended; one more for the supervisor until it has begun.
    at_work: AtomicUsize,
    /// Only waited on by the paths' own threads, and by a clean end.
    lock: Mutex<()>,
    changed: Condvar,
}

impl Board {
    /// A life without a lease yet.
    #[must_use]
    pub fn new(timing: Timing) -> Self {
        Self {
            timing,
            state: AtomicU8::new(RUNNING),
            until: AtomicU64::new(0),
            limit: AtomicU64::new(u64::MAX),
            whereabouts: AtomicU8::new(OPEN),
            at_work: AtomicUsize::new(0),
            lock: Mutex::new(()),
            changed: Condvar::new(),
        }
    }

    /// A tick has confirmed this lease. Neither waits nor allocates.
    pub fn confirmed(&self, lease: Lease) {
        self.until.store(lease.until.as_nanos(), Ordering::Release);
        self.changed.notify_all();
    }

    /// The device is about to be given back.
    pub fn leave(&self) {
        let _ = self.state.compare_exchange(RUNNING, LEAVING, Ordering::AcqRel, Ordering::Acquire);
        self.changed.notify_all();
    }

    /// Deposed, expired, or given back.
    pub fn over(&self) {
        self.until.store(0, Ordering::Release);
        // In one order with what the registrars say of themselves.
        self.state.store(OVER, Ordering::SeqCst);
        self.changed.notify_all();
    }

    /// How the life stands.
    #[must_use]
    pub fn life(&self, at: Instant) -> Life {
        match self.state.load(Ordering::SeqCst) {
            RUNNING => {
                let until = Instant::from_nanos(self.until.load(Ordering::Acquire));
                let spec = self.timing.spec();
                let from = until - spec.window.saturating_sub(spec.margin);
                if at < until { Life::Owning(Lease { from, until }) } else { Life::Waiting }
            }
            LEAVING => Life::Leaving,
            _ => Life::Over,
        }
    }

    /// What the path that stays to the last knows of the reservation.
    pub(super) fn whereabouts(&self) -> Whereabouts {
        match self.whereabouts.load(Ordering::Acquire) {
            LAST => Whereabouts::Last,
            TAKEN => Whereabouts::Taken,
            _ => Whereabouts::Open,
        }
    }

    /// Said by the path that stays to the last.
    pub(super) fn reservation_is(&self, reservation: Whereabouts) {
        let n = match reservation {
            Whereabouts::Open => OPEN,
            Whereabouts::Last => LAST,
            Whereabouts::Taken => TAKEN,
        };
        self.whereabouts.store(n, Ordering::Release);
        self.changed.notify_all();
    }

    pub(super) fn running(&self) -> bool {
        self.state.load(Ordering::Acquire) == RUNNING
    }

    pub(super) fn finish_by(&self, limit: Instant) {
        self.limit.store(limit.as_nanos(), Ordering::Release);
        self.changed.notify_all();
    }

    pub(super) fn limit(&self) -> Instant {
        Instant::from_nanos(self.limit.load(Ordering::Acquire))
    }

    pub(super) fn begin(&self) {
        self.at_work.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn ended(&self) {
        self.at_work.fetch_sub(1, Ordering::AcqRel);
        drop(self.held());
        self.changed.notify_all();
    }

    /// Whether no further path is registered any more, as far as that can be brought about.
    #[must_use]
    pub fn all_ended(&self) -> bool {
        // The supervisor itself goes on until the life is over.
        self.at_work.load(Ordering::Acquire) <= 1
    }

    /// Waits until `until` or until something has changed; may return for no reason.
    pub fn wait(&self, until: Instant) {
        // A change announced between the look at it and this wait is seen at `PATIENCE` at the latest:
        // whoever announces takes no lock.
        let left = until.since(now()).min(PATIENCE);
        if !left.is_zero() {
            let held = self.held();
            let _ = self.changed.wait_timeout(held, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn held(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The longest a change goes unnoticed.
const PATIENCE: Duration = Duration::from_millis(50);

/// Real time; a stop is told once the further paths are given back, or one window later.
pub struct LeavePacer {
    inner: SystemPacer,
    board: Arc<Board>,
    paths: Arc<Paths>,
    window: Duration,
    leaving: Option<Instant>,
}

impl LeavePacer {
    /// Around the pacer of a defence.
    #[must_use]
    pub fn new(inner: SystemPacer, board: Arc<Board>, paths: Arc<Paths>) -> Self {
        let window = board.timing.spec().window;
        Self { inner, board, paths, window, leaving: None }
    }
}

impl Pacer for LeavePacer {
    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn wait(&mut self, until: Instant) -> Woke {
        loop {
            let Some(limit) = self.leaving else {
                match self.inner.wait(until) {
                    Woke::Time => return Woke::Time,
                    Woke::Stop => {
                        // First, so that whoever sees the end coming knows which path stays.
                        self.paths.leave();
                        self.board.leave();
                        self.leaving = Some(self.now() + self.window);
                        continue;
                    }
                }
            };
            let now = self.now();
            if self.board.all_ended() || now >= limit {
                self.leaving = None;
                return Woke::Stop;
            }
            if now >= until {
                return Woke::Time;
            }
            self.board.wait(until.min(limit));
        }
    }

    fn pause(&mut self, d: Duration) {
        self.inner.pause(d);
    }
}
