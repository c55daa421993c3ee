//! Time and interruption, as the drivers of a protocol see them.
//!
//! [`SystemPacer`] keeps real time; a simulation brings its own. Must never touch a device.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeSpec;

use crate::clock::now;
use crate::time::Instant;

/// The longest one poll waits.
const LONGEST: Duration = Duration::from_secs(3600);

/// Why a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Woke {
    /// The time has come.
    Time,
    /// The operator, or the service manager, wants an end.
    Stop,
}

/// Tells the time and waits.
pub trait Pacer {
    /// Now.
    fn now(&self) -> Instant;
    /// Waits until `until`, or until a stop is asked for; a stop is told once.
    fn wait(&mut self, until: Instant) -> Woke;
    /// Waits `d`, whatever happens. For pauses of milliseconds between two tries of one command.
    fn pause(&mut self, d: Duration);
}

/// Real time, by CLOCK_BOOTTIME; a stop is SIGTERM or SIGINT.
#[derive(Debug)]
pub struct SystemPacer {
    signals: Option<SignalFd>,
    last: Option<Signal>,
}

impl SystemPacer {
    /// A pacer that is not interruptible.
    #[must_use]
    pub const fn deaf() -> Self {
        Self { signals: None, last: None }
    }

    /// A pacer that SIGTERM and SIGINT stop. Blocks both for the calling thread and those it starts
    /// afterwards, so it is made before any other thread.
    ///
    /// # Errors
    /// The errno of the signal calls.
    pub fn stopped_by_signals() -> nix::Result<Self> {
        let mut set = SigSet::empty();
        set.add(Signal::SIGTERM);
        set.add(Signal::SIGINT);
        set.thread_block()?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self { signals: Some(fd), last: None })
    }

    /// As [`Pacer::wait`], and ended too by `bell` becoming readable; which is told as time that has
    /// come.
    pub fn wait_or(&mut self, until: Instant, bell: BorrowedFd<'_>) -> Woke {
        if let Some(fd) = &self.signals {
            if let Ok(Some(info)) = fd.read_signal() {
                self.last = i32::try_from(info.ssi_signo).ok().and_then(|n| Signal::try_from(n).ok());
                return Woke::Stop;
            }
            let timeout = TimeSpec::from_duration(until.since(now()).min(LONGEST));
            let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN), PollFd::new(bell, PollFlags::POLLIN)];
            // Whatever ended it, the caller looks at everything again.
            let _ = nix::poll::ppoll(&mut fds, Some(timeout), None);
        }
        Woke::Time
    }

    /// The signal that stopped the last wait.
    #[must_use]
    pub const fn stopped_by(&self) -> Option<Signal> {
        self.last
    }
}

impl Pacer for SystemPacer {
    fn now(&self) -> Instant {
        now()
    }

    fn wait(&mut self, until: Instant) -> Woke {
        loop {
            if let Some(fd) = &self.signals
                && let Ok(Some(info)) = fd.read_signal()
            {
                self.last = i32::try_from(info.ssi_signo).ok().and_then(|n| Signal::try_from(n).ok());
                return Woke::Stop;
            }
            let left = until.since(now());
            if left.is_zero() {
                return Woke::Time;
            }
            let timeout = TimeSpec::from_duration(left);
            let mut polled = [];
            let mut with_signals;
            let fds: &mut [PollFd<'_>] = match &self.signals {
                Some(fd) => {
                    with_signals = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
                    &mut with_signals
                }
                None => &mut polled,
            };
            // An interrupted or failed poll is no event: the loop looks at the clock again.
            let _ = nix::poll::ppoll(fds, Some(timeout), None);
        }
    }

    fn pause(&mut self, d: Duration) {
        if !d.is_zero() {
            std::thread::sleep(d);
        }
    }
}
