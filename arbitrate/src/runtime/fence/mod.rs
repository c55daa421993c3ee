//! Fencing on many devices at once: a thread each, ready before anybody is suspected.
//!
//! [`FenceCrew::prepare`] opens nothing itself and spawns everything: a thread a device with its
//! buffers and its report. [`FenceCrew::fence`] wakes them, waits, and hands the reports over. From that
//! call to its return nothing is allocated, opened or spawned, and no lock is shared with a log
//! (design section 10).
//!
//! Invariant: a device that hangs delays nobody: whoever is not back in time is reported Unknown, and
//! only that one. Must never report what was not read.

mod drive;
mod report;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::now;
use crate::device::ScsiDevice;
use crate::key::Key;
use crate::protocol::fence::{FenceEnd, FenceOrder, FenceUnit, Fencer, Way};
use crate::runtime::executor::Executor;
use crate::runtime::pacer::SystemPacer;
use crate::time::Instant;

pub use report::{Action, Entry, Report, Seen};

use drive::{Shared, Tap};

/// How long after the budget a thread may come back: a device ends its commands shortly after their
/// deadline, and then the thread has to be scheduled.
const GRACE: Duration = Duration::from_millis(250);
/// Stack of a thread: it holds no buffers.
const STACK: usize = 256 * 1024;

/// One device to fence on: its paths, opened.
pub struct Member {
    /// The paths, the one to send by first.
    pub paths: Vec<Box<dyn ScsiDevice>>,
    /// The key this node is registered with, where it is.
    pub own: Option<Key>,
    /// How to look at it first.
    pub way: Way,
}

/// Threads that wait for an order.
pub struct FenceCrew {
    desks: Vec<Arc<Desk>>,
    reports: Vec<Report>,
    all: Arc<All>,
    turn: u64,
}

/// Where one thread takes its order and lays its report down.
struct Desk {
    slot: Mutex<Slot>,
    called: Condvar,
}

struct Slot {
    order: Option<(u64, Instant, FenceOrder)>,
    report: Box<Report>,
    /// The turn the report is of.
    done: u64,
    busy: bool,
    over: bool,
}

/// How many threads are still at work.
struct All {
    left: Mutex<Left>,
    changed: Condvar,
}

struct Left {
    turn: u64,
    count: usize,
}

impl FenceCrew {
    /// Starts a thread for each member, and returns when all are ready. `at_start` is called once on
    /// each.
    ///
    /// # Errors
    /// A thread that could not be started.
    pub fn prepare(members: Vec<Member>, at_start: fn()) -> std::io::Result<Self> {
        let count = members.len();
        let all = Arc::new(All { left: Mutex::new(Left { turn: 0, count }), changed: Condvar::new() });
        let mut desks = Vec::with_capacity(count);
        for mut m in members {
            let slot =
                Slot { order: None, report: Box::new(Report::with_room()), done: 0, busy: true, over: false };
            let desk = Arc::new(Desk { slot: Mutex::new(slot), called: Condvar::new() });
            desks.push(Arc::clone(&desk));
            let all = Arc::clone(&all);
            // Detached: the end of the process does not wait for a thread that is stuck.
            std::thread::Builder::new().name("fence".into()).stack_size(STACK).spawn(move || {
                at_start();
                desk.serve(&mut m, &all);
            })?;
        }
        let crew = Self { reports: (0..count).map(|_| Report::with_room()).collect(), desks, all, turn: 0 };
        let mut left = crew.all.lock();
        while left.count > 0 {
            left = crew.all.changed.wait(left).unwrap_or_else(PoisonError::into_inner);
        }
        drop(left);
        Ok(crew)
    }

    /// Fences on every device at once; returns when all have ended, or the budget has. A report for each
    /// member, in their order.
    pub fn fence(&mut self, order: &FenceOrder) -> &[Report] {
        let decided = now();
        self.turn += 1;
        *self.all.lock() = Left { turn: self.turn, count: self.desks.len() };
        for desk in &self.desks {
            if !desk.call(self.turn, decided, order) {
                // Still stuck in an earlier fence.
                self.all.lock().count -= 1;
            }
        }
        self.all.await_all(decided + order.budget + GRACE);
        for (desk, report) in self.desks.iter().zip(&mut self.reports) {
            let mut slot = desk.lock();
            if slot.done == self.turn {
                std::mem::swap(&mut *slot.report, report);
            } else {
                report.begin(decided, decided);
                report.ended = now();
            }
        }
        &self.reports
    }

    /// The reports of the last fence.
    #[must_use]
    pub fn reports(&self) -> &[Report] {
        &self.reports
    }
}

impl Drop for FenceCrew {
    fn drop(&mut self) {
        for desk in &self.desks {
            desk.lock().over = true;
            desk.called.notify_one();
        }
    }
}

impl All {
    fn lock(&self) -> MutexGuard<'_, Left> {
        // Nothing that can panic runs under this lock.
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One thread is back from `turn`.
    fn back(&self, turn: u64) {
        let mut left = self.lock();
        if left.turn == turn {
            left.count = left.count.saturating_sub(1);
            if left.count == 0 {
                self.changed.notify_all();
            }
        }
    }

    fn await_all(&self, deadline: Instant) {
        let mut left = self.lock();
        while left.count > 0 {
            let rest = deadline.since(now());
            if rest.is_zero() {
                return;
            }
            left = self.changed.wait_timeout(left, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        // Nothing that can panic runs under this lock.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lays an order on the desk; `false` if its thread is not there.
    fn call(&self, turn: u64, decided: Instant, order: &FenceOrder) -> bool {
        let mut slot = self.lock();
        if slot.busy {
            return false;
        }
        slot.busy = true;
        slot.order = Some((turn, decided, order.clone()));
        self.called.notify_one();
        true
    }

    /// A thread's life: wait, fence, lay the report down.
    fn serve(&self, m: &mut Member, all: &All) {
        let report: Shared = Rc::new(RefCell::new(Box::new(Report::with_room())));
        let tap = |path| Tap { path, report: Rc::clone(&report) };
        let mut taps: Vec<Tap> = (0..m.paths.len()).map(tap).collect();
        let unit = FenceUnit { own: m.own, paths: m.paths.len(), way: m.way };
        let devices = m.paths.iter_mut().map(Box::as_mut);
        let mut paths: Vec<Executor<'_>> =
            devices.zip(&mut taps).map(|(device, tap)| Executor::new(device, tap)).collect();
        let mut pacer = SystemPacer::deaf();
        let mut turn = 0;
        loop {
            let Some((next, decided, order)) = self.next(turn, all) else { return };
            turn = next;
            report.borrow_mut().begin(decided, now());
            match Fencer::new(&order, unit) {
                Ok(mut fencer) => drive::run(&mut fencer, &mut paths, &report, &mut pacer),
                Err(why) => report.borrow_mut().end = FenceEnd::Refused(why),
            }
            let mut slot = self.lock();
            std::mem::swap(&mut slot.report, &mut report.borrow_mut());
            slot.done = turn;
        }
    }

    /// Says that `turn` is done, and waits for the next order; `None` when there will be none.
    fn next(&self, turn: u64, all: &All) -> Option<(u64, Instant, FenceOrder)> {
        let mut slot = self.lock();
        slot.busy = false;
        // The order of these two locks is this one everywhere.
        all.back(turn);
        loop {
            if slot.over {
                return None;
            }
            if let Some(order) = slot.order.take() {
                return Some(order);
            }
            slot = self.called.wait(slot).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests;
