//! The file, and the lock that makes one command of one process a whole.
//!
//! The lock is taken without blocking, over and over until a deadline: a process stopped while it holds
//! the lock delays others up to their deadlines and not longer. Must never wait without a deadline.

use std::fs::File;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::clock::now;
use crate::time::Instant;

/// The first pause between two tries, about as long as a command holds the lock; it doubles.
const FIRST_PAUSE: Duration = Duration::from_micros(20);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(1);

/// A file that is locked for every use.
#[derive(Debug)]
pub(super) struct LockedFile {
    /// None while it is in use, and after an unlock failed.
    file: Option<File>,
}

/// The file, locked; unlocked by [`LockedFile::release`] or when dropped.
pub(super) type Held = Flock<File>;

impl LockedFile {
    pub(super) const fn new(file: File) -> Self {
        Self { file: Some(file) }
    }

    /// Locks the file; gives up at `deadline` with ETIMEDOUT. A lock got after the deadline is given
    /// back: nothing is executed late.
    pub(super) fn acquire(&mut self, deadline: Instant) -> Result<Held, Errno> {
        let mut file = self.file.take().ok_or(Errno::EBADF)?;
        let mut pause = FIRST_PAUSE;
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(held) if now() < deadline => return Ok(held),
                Ok(held) => {
                    self.release(held);
                    return Err(Errno::ETIMEDOUT);
                }
                Err((back, Errno::EWOULDBLOCK | Errno::EINTR)) => file = back,
                Err((back, e)) => {
                    self.file = Some(back);
                    return Err(e);
                }
            }
            let left = deadline.since(now());
            if left.is_zero() {
                self.file = Some(file);
                return Err(Errno::ETIMEDOUT);
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Unlocks. If even that fails, the file is closed (which unlocks it) and the device is lost.
    pub(super) fn release(&mut self, held: Held) {
        self.file = held.unlock().ok();
    }
}
