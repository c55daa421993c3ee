//! A command running in the guest.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::agent::Agent;
use crate::wire::{Frame, JobId};

/// How a command ended and what it wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The exit status; 128 + the signal's number where a signal ended it.
    pub status: i32,
    /// Standard output, byte for byte.
    pub stdout: Vec<u8>,
    /// Standard error, byte for byte.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Standard output as text.
    #[must_use]
    pub fn out(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.stdout)
    }

    /// Standard error as text.
    #[must_use]
    pub fn err(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.stderr)
    }

    /// Itself if the status is 0.
    ///
    /// # Errors
    /// Any other status; the message holds both outputs.
    pub fn success(self) -> Result<Self> {
        if self.status != 0 {
            bail!("status {}\n--- stdout\n{}\n--- stderr\n{}", self.status, self.out(), self.err());
        }
        Ok(self)
    }
}

/// A command started in the guest. It goes on running if this handle is dropped.
pub struct Job {
    agent: Arc<Agent>,
    command: String,
    id: JobId,
    pid: u32,
    frames: Receiver<Frame>,
    ended: Option<Output>,
}

/// How long the agent may take to fork: long enough for a busy host.
const START: Duration = Duration::from_secs(30);

impl Job {
    pub(crate) fn start(agent: &Arc<Agent>, command: &str) -> Result<Self> {
        let (id, frames) = agent.send(command)?;
        let pid = match frames.recv_timeout(START) {
            Ok(Frame::Started { pid, .. }) => pid,
            Ok(other) => bail!("{command:?} began with {other:?}"),
            Err(RecvTimeoutError::Timeout) => bail!("{command:?} did not start within {START:?}"),
            Err(RecvTimeoutError::Disconnected) => bail!("the guest is gone, before {command:?}"),
        };
        Ok(Self { agent: Arc::clone(agent), command: command.to_owned(), id, pid, frames, ended: None })
    }

    /// The pid in the guest of the shell that runs the command; it leads a process group of its own.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The guest's file that standard output goes to, complete up to this moment.
    #[must_use]
    pub fn stdout_file(&self) -> String {
        format!("/run/lab/jobs/{}/out", self.id)
    }

    /// The guest's file that standard error goes to, complete up to this moment.
    #[must_use]
    pub fn stderr_file(&self) -> String {
        format!("/run/lab/jobs/{}/err", self.id)
    }

    /// Waits for the command's end. `None`: still running when the time was up.
    ///
    /// # Errors
    /// The guest is gone.
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<Output>> {
        if self.ended.is_none() {
            self.ended = match self.frames.recv_timeout(timeout) {
                Ok(Frame::Exited { status, stdout, stderr, .. }) => Some(Output { status, stdout, stderr }),
                Ok(other) => bail!("{:?} ended with {other:?}", self.command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("the guest is gone; {:?} was running", self.command)
                }
            };
        }
        Ok(self.ended.clone())
    }

    /// Waits for the command's end, and kills it when that does not come in time.
    ///
    /// # Errors
    /// Not ended in time, or the guest is gone. A status other than 0 is no error here.
    pub fn finish(mut self, timeout: Duration) -> Result<Output> {
        if let Some(output) = self.wait(timeout)? {
            return Ok(output);
        }
        self.signal("KILL")?;
        // What it wrote tells most; a process stuck in the kernel is not waited for.
        let written = self.wait(Duration::from_secs(5))?;
        let end = written.map_or("and does not die of SIGKILL".to_owned(), |output| {
            format!("\n--- stdout\n{}\n--- stderr\n{}", output.out(), output.err())
        });
        bail!("{:?} did not end within {timeout:?} {end}", self.command)
    }

    /// Waits for a line of either output that matches an extended regular expression, and returns it.
    ///
    /// # Errors
    /// No such line in time; the message holds what was written instead.
    pub fn wait_line(&self, pattern: &str, timeout: Duration) -> Result<String> {
        let files = [self.stdout_file(), self.stderr_file()];
        wait_line(&self.agent, pattern, &files, timeout).with_context(|| format!("{:?}", self.command))
    }

    /// Sends a signal to the whole process group: `KILL`, `STOP`, `CONT`, `TERM`, …
    ///
    /// # Errors
    /// The guest is gone. A group that has ended already is no error.
    pub fn signal(&self, name: &str) -> Result<()> {
        let kill = Self::start(&self.agent, &format!("kill -{name} -{}", self.pid))?;
        kill.finish(START)?;
        Ok(())
    }
}

/// Waits for a line in files of the guest.
pub(crate) fn wait_line(
    agent: &Arc<Agent>,
    pattern: &str,
    files: &[String],
    timeout: Duration,
) -> Result<String> {
    let files: Vec<_> = files.iter().map(|file| quoted(file)).collect();
    let files = files.join(" ");
    let seconds = timeout.as_secs().max(1);
    let waiter = Job::start(agent, &format!("exec /lab/wait-line {seconds} {} {files}", quoted(pattern)))?;
    // The guest's clock may run behind the host's: it gets as long again, and then something.
    let output = waiter.finish(timeout * 2 + START)?;
    if let (0, Some(line)) = (output.status, output.out().lines().next()) {
        return Ok(line.to_owned());
    }
    let written = Job::start(agent, &format!("tail -n 40 {files}"))?.finish(START)?;
    bail!("no line like {pattern:?} within {timeout:?}; there was:\n{}", written.out())
}

/// Runs a command to its end while handing on what it writes, in pieces as they come.
pub(crate) fn stream(
    agent: &Arc<Agent>,
    command: &str,
    timeout: Duration,
    mut piece: impl FnMut(&[u8]),
) -> Result<Output> {
    let deadline = Instant::now() + timeout;
    let mut job = Job::start(agent, &format!("exec 2>&1\n{command}"))?;
    let mut shown = 0;
    loop {
        // The end is an event; what was written meanwhile has to be asked for.
        let output = job.wait(Duration::from_millis(200))?;
        let written = match &output {
            Some(output) => output.stdout.get(shown..).unwrap_or_default().to_vec(),
            None => {
                let more = format!("tail -c +{} {}", shown + 1, job.stdout_file());
                Job::start(agent, &more)?.finish(START)?.stdout
            }
        };
        shown += written.len();
        piece(&written);
        match output {
            Some(output) => return Ok(output),
            None if Instant::now() > deadline => return job.finish(Duration::ZERO),
            None => {}
        }
    }
}

/// One word of the shell.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_survives_quotes() {
        assert_eq!(quoted("a 'b' $c"), r"'a '\''b'\'' $c'");
    }

    #[test]
    fn only_status_zero_is_success() {
        let output = |status| Output { status, stdout: b"out".to_vec(), stderr: b"why".to_vec() };
        assert!(output(0).success().is_ok());
        let said = output(3).success().unwrap_err().to_string();
        assert!(said.contains("status 3") && said.contains("out") && said.contains("why"), "{said}");
    }
}
