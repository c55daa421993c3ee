//! Signals held back while a host is being changed: none ends a teardown half-way.
//!
//! While held, SIGINT, SIGTERM and SIGHUP wait; a take looks for them between its steps and rolls back, a rollback or
//! a release goes on to its end. When the hold is dropped, a signal that still waits does what it always does.

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::SystemError;

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caught(Signal);

impl std::fmt::Display for Caught {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// The signals are held back until this is dropped, in this thread and those it starts.
#[derive(Debug)]
pub struct Hold {
    fd: SignalFd,
    before: SigSet,
}

impl Hold {
    /// Holds them back.
    ///
    /// # Errors
    /// [`SystemError::Call`].
    pub fn begin() -> Result<Self, SystemError> {
        let held: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let failed = |e: nix::Error| SystemError::call("holding signals back", e.into());
        let before = held.thread_swap_mask(SigmaskHow::SIG_BLOCK).map_err(failed)?;
        match SignalFd::with_flags(&held, flags) {
            Ok(fd) => Ok(Self { fd, before }),
            Err(e) => {
                let _ = before.thread_set_mask();
                Err(failed(e))
            }
        }
    }

    /// One that came since, taken away: it will not come again when the hold ends.
    #[must_use]
    pub fn caught(&self) -> Option<Caught> {
        let info = self.fd.read_signal().ok()??;
        let number = i32::try_from(info.ssi_signo).ok()?;
        Signal::try_from(number).ok().map(Caught)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let _ = self.before.thread_set_mask();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_comes_meanwhile_is_seen_and_kills_nobody() {
        let hold = Hold::begin().unwrap();
        assert_eq!(hold.caught(), None);
        nix::sys::signal::raise(Signal::SIGTERM).unwrap();
        assert_eq!(hold.caught().unwrap().to_string(), "SIGTERM");
        assert_eq!(hold.caught(), None);
    }
}
