//! The end of a program that runs until it is told to stop, as something to be waited for: SIGTERM and SIGINT.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::SystemError;

/// Readable once the program is told to stop.
pub struct Stop {
    signals: SignalFd,
}

impl Stop {
    /// From now on SIGTERM and SIGINT end nothing by themselves in this thread and those it starts.
    ///
    /// # Errors
    /// [`SystemError::Call`].
    pub fn on_signals() -> Result<Self, SystemError> {
        let open = || {
            let mut set = SigSet::empty();
            set.add(Signal::SIGTERM);
            set.add(Signal::SIGINT);
            set.thread_block()?;
            SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        };
        open()
            .map(|signals| Self { signals })
            .map_err(|e: nix::errno::Errno| SystemError::call("waiting for signals", e.into()))
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.signals.as_fd()
    }
}
