//! From the keeper to the log: a ring that neither blocks nor allocates on the keeper's side.
//!
//! A full ring loses messages and counts them; it never delays a tick.

use std::cell::RefCell;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arbitrate::clock;
use arbitrate::codec::Sense;
use arbitrate::key::Key;
use arbitrate::protocol::{ChallengeNote, DefenceNote, LegacyDefenceNote, LegacyNote};
use arbitrate::runtime::executor::{Observer, Sent};
use arbitrate::runtime::realtime;
use arbitrate::time::Instant;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// Holds minutes of ticks, or a burst of commands.
const CAPACITY: usize = 1024;

/// What the keeper tells.
#[derive(Clone, Copy)]
pub(in crate::cli) enum Message {
    Challenge(Instant, ChallengeNote),
    Defence(Instant, DefenceNote),
    Legacy(Instant, LegacyNote),
    LegacyDefence(Instant, LegacyDefenceNote),
    TakenOver(Instant, Key),
    Realtime(realtime::Report),
    Sent(Sent),
    Attention(Instant, Sense),
}

/// The keeper's end.
pub(in crate::cli) struct Writer<M = Message> {
    ring: rtrb::Producer<M>,
    shared: Arc<Shared>,
    verbose: bool,
}

/// The log's end.
pub(in crate::cli) struct Reader<M = Message> {
    ring: RefCell<rtrb::Consumer<M>>,
    shared: Arc<Shared>,
}

struct Shared {
    bell: EventFd,
    lost: AtomicU64,
    closed: AtomicBool,
}

/// Both ends of a new ring.
pub(in crate::cli) fn pair<M>(verbose: bool) -> nix::Result<(Writer<M>, Reader<M>)> {
    let bell = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
    let shared = Arc::new(Shared { bell, lost: AtomicU64::new(0), closed: AtomicBool::new(false) });
    let (producer, consumer) = rtrb::RingBuffer::new(CAPACITY);
    let writer = Writer { ring: producer, shared: Arc::clone(&shared), verbose };
    Ok((writer, Reader { ring: RefCell::new(consumer), shared }))
}

impl<M> Writer<M> {
    /// Whether every command is to be told.
    pub(in crate::cli) const fn verbose(&self) -> bool {
        self.verbose
    }

    pub(in crate::cli) fn tell(&mut self, m: M) {
        if self.ring.push(m).is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
        // The counter cannot overflow, and an unheard bell only delays the log by its next look.
        let _ = self.shared.bell.write(1);
    }
}

impl<M> Writer<M> {
    /// Says that what was told was the last.
    pub(in crate::cli) fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
        let _ = self.shared.bell.write(1);
    }
}

impl<M> Drop for Writer<M> {
    fn drop(&mut self) {
        self.close();
    }
}

impl Observer for Writer {
    fn sent(&mut self, s: &Sent) {
        if self.verbose {
            self.tell(Message::Sent(*s));
        }
    }

    fn attention(&mut self, sense: Sense) {
        self.tell(Message::Attention(clock::now(), sense));
    }
}

impl<M> Reader<M> {
    /// Hands every waiting message to `print`.
    pub(in crate::cli) fn drain(&self, print: &mut dyn FnMut(M)) {
        let _ = self.shared.bell.read();
        while let Ok(m) = self.ring.borrow_mut().pop() {
            print(m);
        }
    }

    /// Rings the bell, from any thread: what is told elsewhere is looked at too.
    pub(super) fn ringer(&self) -> Box<dyn Fn() + Send + Sync> {
        let shared = Arc::clone(&self.shared);
        Box::new(move || {
            let _ = shared.bell.write(1);
        })
    }

    /// Waits for the bell, at most `d`.
    pub(in crate::cli) fn wait(&self, d: Duration) {
        let timeout = PollTimeout::try_from(d).unwrap_or(PollTimeout::MAX);
        let _ = nix::poll::poll(&mut [PollFd::new(self.shared.bell.as_fd(), PollFlags::POLLIN)], timeout);
    }

    /// Whether the keeper has told its last.
    pub(in crate::cli) fn closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }

    /// Messages that found the ring full.
    pub(in crate::cli) fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }
}
