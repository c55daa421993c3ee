//! What the operator wants run when ownership ends unasked, made ready beforehand.
//!
//! The shell is started at the beginning and waits on a pipe: at the end nothing has to be spawned by a
//! machine that may be dying. It ends by itself when this process does. Its whole process group is
//! killed where it takes longer than it may.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

use arbitrate::clock;
use arbitrate::time::Instant;
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{Signal, killpg};
use nix::sys::time::TimeSpec;
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, pidfd_open};

use crate::cli::exit::Exit;
use crate::cli::output::Failure;

/// A command ready to run.
pub(in crate::cli) struct Prepared {
    child: Child,
    pipe: ChildStdin,
    pidfd: OwnedFd,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::cli) enum Ran {
    /// It ended with 0: what depends on ownership is stopped.
    Proven,
    /// It ended otherwise, or could not be told to begin.
    Failed(Option<i32>),
    /// It had not ended in time and was killed.
    TooLate,
}

impl Prepared {
    /// Starts the shell that waits.
    pub(in crate::cli) fn spawn(command: &str) -> Result<Self, Failure> {
        let failed = |e: std::io::Error| {
            Failure::new(
                Exit::Refused,
                "preparing --on-deposed",
                e.to_string(),
                "nothing was sent; /bin/sh must be there",
            )
        };
        // The reason comes as one line; no line means that this process ended without deposition.
        let script = format!("read -r PALISADE_REASON || exit 0\nexport PALISADE_REASON\n{command}");
        let mut child = Command::new("/bin/sh")
            .arg("-c")
            .arg(script)
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let pipe = child.stdin.take().ok_or_else(|| failed(std::io::Error::other("no pipe to the shell")))?;
        let pid = rustix::process::Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|e| failed(e.into()))?;
        Ok(Self { child, pipe, pidfd })
    }

    /// Runs it and waits for its end, at most until `deadline`.
    pub(in crate::cli) fn run(mut self, reason: &str, deadline: Instant) -> Ran {
        let told = self.pipe.write_all(reason.as_bytes()).and_then(|()| self.pipe.write_all(b"\n"));
        if told.is_err() {
            return Ran::Failed(None);
        }
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return if status.success() { Ran::Proven } else { Ran::Failed(status.code()) };
            }
            let left = deadline.since(clock::now());
            if left.is_zero() {
                break;
            }
            let mut fds = [PollFd::new(std::os::fd::AsFd::as_fd(&self.pidfd), PollFlags::POLLIN)];
            let _ = nix::poll::ppoll(&mut fds, Some(TimeSpec::from_duration(left)), None);
        }
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
        // Not waited for: what sleeps in the kernel over a dead disk may never end.
        let _ = self.child.try_wait();
        Ran::TooLate
    }
}
