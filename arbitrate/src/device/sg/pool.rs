//! Four threads a nexus, so that a command that never ends hangs nobody.
//!
//! A thread owns its buffers: a caller that stopped waiting leaves nothing the kernel could still write
//! to. A thread whose command is outstanding past its deadline is *stuck* and not used again before
//! that command has ended; its late answer goes nowhere. With all four stuck the device is lost.
//! Allocates nothing after it was made. The threads never keep the process from ending.

use std::marker::PhantomData;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::now;
use crate::codec::Cdb;
use crate::device::{Completion, Data, Delivery, Escalate, MAX_TRANSFER, Request, ResetScope};
use crate::time::Instant;

/// Threads a nexus.
pub const THREADS: usize = 4;

/// What carries a command; may block for ever.
pub trait Transport: Send + Sync + 'static {
    /// Runs one job to its end.
    fn run(&self, job: &Job, buf: &mut [u8], sense: &mut [u8; 64]) -> Raw;
}

/// One thing for a thread to do.
#[derive(Clone, Copy, Debug)]
pub enum Job {
    /// A command.
    Command {
        /// The command.
        cdb: Cdb,
        /// Which way its data goes.
        direction: Direction,
        /// How much.
        len: usize,
        /// How long the caller waits.
        timeout: Duration,
    },
    /// A reset.
    Reset {
        /// What is reset.
        scope: ResetScope,
        /// Whether it may grow.
        escalate: Escalate,
    },
}

/// Which way the data of a command goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// There is none.
    None,
    /// From the device.
    In,
    /// To the device.
    Out,
}

/// What the kernel said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Raw {
    /// errno of the call, 0 if it succeeded; then the rest counts.
    pub errno: i32,
    /// Host byte.
    pub host: u16,
    /// Driver byte.
    pub driver: u16,
    /// SCSI status.
    pub status: u8,
    /// Bytes not transferred, as claimed.
    pub residual: i32,
    /// Bytes of sense.
    pub sense_len: u8,
}

impl Raw {
    /// A call that failed, or for 0 one that has nothing else to say.
    #[must_use]
    pub fn errno(errno: i32) -> Self {
        Self { errno, ..Self::default() }
    }
}

/// Reads a completion out of what the kernel said, the sense, the data length and the time it took.
pub type Read = fn(&Raw, &[u8; 64], usize, Duration) -> Completion;

/// The threads of one nexus.
pub struct Pool<T> {
    workers: [Arc<Worker>; THREADS],
    _transport: PhantomData<T>,
}

struct Worker {
    slot: Mutex<Slot>,
    changed: Condvar,
}

struct Slot {
    state: State,
    /// `None` while the thread uses them.
    buffers: Option<Box<Buffers>>,
}

struct Buffers {
    data: [u8; MAX_TRANSFER],
    sense: [u8; 64],
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    Asked(Job),
    Running,
    Done(Raw),
    /// The caller stopped waiting.
    Stuck,
    /// The pool is gone.
    Over,
}

impl Worker {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        // No code that can panic runs under this lock.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, transport: &impl Transport) {
        let mut slot = self.lock();
        loop {
            let job = match slot.state {
                State::Asked(job) => job,
                State::Over => return,
                _ => {
                    slot = self.changed.wait(slot).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
            };
            let Some(mut buffers) = slot.buffers.take() else { return };
            slot.state = State::Running;
            drop(slot);
            let b = &mut *buffers;
            let raw = transport.run(&job, &mut b.data, &mut b.sense);
            slot = self.lock();
            slot.buffers = Some(buffers);
            slot.state = match slot.state {
                State::Running => State::Done(raw),
                State::Over => return,
                // Nobody waits for this answer any more; the thread is free again.
                _ => State::Idle,
            };
            self.changed.notify_all();
        }
    }
}

/// How a wait for a thread ended.
enum Waited<'a> {
    Done(Raw, MutexGuard<'a, Slot>),
    /// It is outstanding.
    Late,
    /// No thread came to it in time: nothing was sent.
    NotSent,
}

impl<T: Transport> Pool<T> {
    /// Starts the threads and allocates their buffers.
    ///
    /// # Errors
    /// The error of a thread that could not be started.
    pub fn new(transport: &Arc<T>) -> std::io::Result<Self> {
        let workers: [Arc<Worker>; THREADS] = std::array::from_fn(|_| {
            let buffers = Box::new(Buffers { data: [0; MAX_TRANSFER], sense: [0; 64] });
            let slot = Slot { state: State::Idle, buffers: Some(buffers) };
            Arc::new(Worker { slot: Mutex::new(slot), changed: Condvar::new() })
        });
        for w in &workers {
            let (w, t) = (Arc::clone(w), Arc::clone(transport));
            // Detached: the end of the process does not wait for it.
            std::thread::Builder::new().name("nexus".into()).spawn(move || w.work(&*t))?;
        }
        Ok(Self { workers, _transport: PhantomData })
    }

    /// Commands still outstanding although nobody waits for them any more.
    #[must_use]
    pub fn stuck(&self) -> usize {
        self.workers.iter().filter(|w| matches!(w.lock().state, State::Stuck)).count()
    }

    /// Runs one command, at most until its deadline.
    pub fn execute(&self, request: Request<'_>, read: Read) -> Completion {
        let started = now();
        let (direction, len) = match &request.data {
            Data::None => (Direction::None, 0),
            Data::In(b) => (Direction::In, b.len()),
            Data::Out(b) => (Direction::Out, b.len()),
        };
        let ended = |delivery| Completion::unanswered(delivery, now().since(started));
        if len > MAX_TRANSFER {
            return ended(Delivery::NotSent(libc::E2BIG));
        }
        if started >= request.deadline {
            return ended(Delivery::NotSent(libc::ETIMEDOUT));
        }
        let Some((worker, mut slot)) = self.idle() else { return ended(Delivery::DeviceLost) };
        if let (Data::Out(b), Some(buffers)) = (&request.data, slot.buffers.as_mut()) {
            buffers.data[..len].copy_from_slice(b);
        }
        let timeout = request.deadline.since(started);
        slot.state = State::Asked(Job::Command { cdb: request.cdb, direction, len, timeout });
        let (raw, mut slot) = match wait(worker, slot, request.deadline) {
            Waited::Done(raw, slot) => (raw, slot),
            Waited::Late => return ended(Delivery::Outstanding),
            Waited::NotSent => return ended(Delivery::NotSent(libc::ETIMEDOUT)),
        };
        let Some(buffers) = slot.buffers.as_mut() else { return ended(Delivery::DeviceLost) };
        let completion = read(&raw, &buffers.sense, len, now().since(started));
        if let Data::In(b) = request.data {
            let residual = usize::try_from(completion.residual).unwrap_or(len);
            let came = len.saturating_sub(residual);
            b[..came].copy_from_slice(&buffers.data[..came]);
            // What this command brought must not be taken for what a later one did not bring.
            buffers.data[..came].fill(0);
        }
        slot.state = State::Idle;
        completion
    }

    /// Runs one reset; its errno, or `None` if it had not ended by the deadline.
    pub fn reset(&self, scope: ResetScope, escalate: Escalate, deadline: Instant) -> Option<i32> {
        let (worker, mut slot) = self.idle()?;
        slot.state = State::Asked(Job::Reset { scope, escalate });
        match wait(worker, slot, deadline) {
            Waited::Done(raw, mut slot) => {
                slot.state = State::Idle;
                Some(raw.errno)
            }
            Waited::Late => None,
            Waited::NotSent => Some(libc::ETIMEDOUT),
        }
    }

    fn idle(&self) -> Option<(&Worker, MutexGuard<'_, Slot>)> {
        self.workers.iter().find_map(|w| {
            let slot = w.lock();
            matches!(slot.state, State::Idle).then_some((&**w, slot))
        })
    }
}

/// Wakes the worker and waits for its answer until `deadline`; past that it is stuck.
fn wait<'a>(worker: &'a Worker, mut slot: MutexGuard<'a, Slot>, deadline: Instant) -> Waited<'a> {
    worker.changed.notify_all();
    loop {
        if let State::Done(raw) = slot.state {
            return Waited::Done(raw, slot);
        }
        let left = deadline.since(now());
        if left.is_zero() {
            if matches!(slot.state, State::Asked(_)) {
                slot.state = State::Idle;
                return Waited::NotSent;
            }
            slot.state = State::Stuck;
            return Waited::Late;
        }
        slot = worker.changed.wait_timeout(slot, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}

impl<T> Drop for Pool<T> {
    fn drop(&mut self) {
        for w in &self.workers {
            w.lock().state = State::Over;
            w.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests;
