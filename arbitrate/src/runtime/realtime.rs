//! Memory locked and real-time priority, when permitted; said when not.
//!
//! A defender that is swapped out or not scheduled loses its lease. Neither is needed for safety, both
//! for staying owner on a loaded machine.

#![allow(unsafe_code, reason = "sched_setscheduler has no safe wrapper")]

use nix::errno::Errno;
use nix::sys::mman::{MlockAllFlags, mlockall};

/// SCHED_FIFO priority: above ordinary real-time work, below the kernel's watchdog threads (99).
const PRIORITY: i32 = 50;

/// What was granted to the calling thread and its process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Report {
    /// Why memory is not locked; `None` if it is.
    pub memory: Option<Errno>,
    /// Why the thread has no real-time priority; `None` if it has.
    pub priority: Option<Errno>,
}

impl Report {
    /// A sentence for everything that was not granted.
    pub fn lines(self) -> impl Iterator<Item = String> {
        let memory = self.memory.map(|e| {
            format!("memory is NOT locked ({}): swapping may delay a tick; raise LimitMEMLOCK", e.desc())
        });
        let priority = self.priority.map(|e| {
            format!("NO real-time priority ({}): load may delay a tick; raise LimitRTPRIO", e.desc())
        });
        memory.into_iter().chain(priority)
    }
}

/// Locks the process's memory, present and future, and puts the calling thread under SCHED_FIFO.
#[must_use]
pub fn acquire() -> Report {
    Report { memory: lock_memory().err(), priority: fifo().err() }
}

fn lock_memory() -> nix::Result<()> {
    mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE)
}

fn fifo() -> nix::Result<()> {
    let p = libc::sched_param { sched_priority: PRIORITY };
    // Children must not inherit it: --on-deposed commands are ordinary programs.
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: `p` is a valid sched_param that the kernel only reads during the call; pid 0 names the
    // calling thread.
    let end = unsafe { libc::sched_setscheduler(0, policy, &raw const p) };
    Errno::result(end).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_granted_is_said() {
        let all = Report { memory: None, priority: None };
        assert_eq!(all.lines().count(), 0);
        let none = Report { memory: Some(Errno::ENOMEM), priority: Some(Errno::EPERM) };
        let lines: Vec<String> = none.lines().collect();
        assert!(lines[0].contains("NOT locked") && lines[1].contains("NO real-time"), "{lines:?}");
    }

    #[test]
    fn a_refusal_is_reported_and_harmless() {
        // On a thread of its own: what is granted must not outlive the test.
        let report = std::thread::spawn(|| Report { memory: None, priority: fifo().err() }).join().unwrap();
        let root = nix::unistd::geteuid().is_root();
        assert!(report.priority.is_some_and(|e| e == Errno::EPERM) || root || report.priority.is_none());
    }
}
