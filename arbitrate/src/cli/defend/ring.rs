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
pub(super) enum Message {
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
pub(super) struct Writer {
    ring: rtrb::Producer<Message>,
    shared: Arc<Shared>,
    verbose: bool,
}

/// The log's end.
pub(super) struct Reader {
    ring: RefCell<rtrb::Consumer<Message>>,
    shared: Arc<Shared>,
}

struct Shared {
    bell: EventFd,
    lost: AtomicU64,
    closed: AtomicBool,
}

/// Both ends of a new ring.
pub(super) fn pair(verbose: bool) -> nix::Result<(Writer, Reader)> {
    let bell = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
    let shared = Arc::new(Shared { bell, lost: AtomicU64::new(0), closed: AtomicBool::new(false) });
    let (producer, consumer) = rtrb::RingBuffer::new(CAPACITY);
    let writer = Writer { ring: producer, shared: Arc::clone(&shared), verbose };
    Ok((writer, Reader { ring: RefCell::new(consumer), shared }))
}

impl Writer {
    pub(super) fn tell(&mut self, m: Message) {
        if self.ring.push(m).is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
        // The counter cannot overflow, and an unheard bell only delays the log by its next look.
        let _ = self.shared.bell.write(1);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        let _ = self.shared.bell.write(1);
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

impl Reader {
    /// Hands every waiting message to `print`.
    pub(super) fn drain(&self, print: &mut dyn FnMut(Message)) {
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
    pub(super) fn wait(&self, d: Duration) {
        let timeout = PollTimeout::try_from(d).unwrap_or(PollTimeout::MAX);
        let _ = nix::poll::poll(&mut [PollFd::new(self.shared.bell.as_fd(), PollFlags::POLLIN)], timeout);
    }

    /// Whether the keeper has told its last.
    pub(super) fn closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }

    /// Messages that found the ring full.
    pub(super) fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }
}
