//! [`SimDevice`]: the embedded unit in a file, as one nexus uses it.
//!
//! Each command locks the file, brings the state up to date, executes on a copy, stores the copy if it
//! differs, carries out what is to be done with the blocks, and unlocks. Invariant: what was answered was
//! stored before. Must never wait for the lock past the deadline of its request. (The file itself is
//! taken to be on a local file system: reads and writes of it are not waited for by anybody else.)
//!
//! A fault ([`super::faults`]) may hold a command back, lose it or lose its answer. Its sender then waits
//! without the lock, until its deadline and not longer.
//!
//! A command that changes nothing, and before which nobody changed anything, costs one small read and
//! allocates nothing. A state that somebody else changed is parsed, which allocates.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;

use super::cache::{Cache, Outcome, not_sent};
use super::error::{SimError, at};
use super::file;
use super::lock::{Held, LockedFile};
use super::nexus::NexusId;
use super::spec::{InitiatorName, SimSpec};
use super::trouble::{Sent, Step};
use crate::clock::now;
use crate::device::{
    Completion, Data, Delivery, Escalate, MAX_TRANSFER, Request, ResetError, ResetScope, ScsiDevice,
};
use crate::time::Instant;

/// How long opening waits for a file that others are using.
const PATIENCE: Duration = Duration::from_secs(5);

/// One nexus of an embedded logical unit.
#[derive(Debug)]
pub struct SimDevice {
    name: String,
    initiator: InitiatorName,
    nexus: NexusId,
    file: LockedFile,
    cache: Cache,
}

impl SimDevice {
    /// Opens `sim:PATH?as=NAME[&port=N]`; the file must exist (see [`SimDevice::create`]). Makes this
    /// nexus known to the unit; registers nothing.
    ///
    /// # Errors
    /// [`SimError`], saying what to do about it.
    pub fn open(spec: &str) -> Result<Self, SimError> {
        let parsed: SimSpec = spec.parse()?;
        let path = parsed.path.as_path();
        let file = open_file(path, OpenOptions::new().read(true).write(true))?;
        let mut locked = LockedFile::new(file);
        let held = lock(&mut locked, path)?;
        let mut cache = Cache::read(&held).map_err(|e| SimError::of_read(path, e))?;
        file::raise_version(&held).map_err(at(path))?;
        let nexus = cache.introduce(&held, &parsed).map_err(at(path))??;
        locked.release(held);
        Ok(Self { name: spec.to_owned(), initiator: parsed.initiator, nexus, file: locked, cache })
    }

    /// The number the unit knows this nexus by.
    #[must_use]
    pub const fn nexus(&self) -> NexusId {
        self.nexus
    }

    /// Locks, brings the cache up to date, calls `f`, unlocks.
    fn locked<R>(
        &mut self,
        deadline: Instant,
        f: impl FnOnce(&mut Cache, &Held) -> Result<R, Delivery>,
    ) -> Result<R, Delivery> {
        let held = self.file.acquire(deadline).map_err(not_sent)?;
        let result = match self.cache.refresh(&held) {
            Ok(()) => f(&mut self.cache, &held),
            Err(d) => Err(d),
        };
        self.file.release(held);
        result
    }

    fn run(&mut self, request: &mut Request<'_>) -> Outcome {
        let Request { cdb, ref mut data, deadline } = *request;
        let nexus = self.nexus;
        let sent = Sent { nexus, cdb, data: &mut *data, deadline };
        let (tag, due) = match self.locked(deadline, |cache, file| cache.take_in(file, sent))? {
            Step::Answered(reply) => return Ok(reply),
            Step::Silent => return unanswered(deadline),
            Step::Waiting { tag, due } => (tag, due),
        };
        if due >= deadline {
            return unanswered(deadline);
        }
        sleep_until(due);
        let sent = Sent { nexus, cdb, data, deadline };
        match self.locked(deadline, |cache, file| cache.resume(file, tag, sent)) {
            Ok(Some(reply)) => Ok(reply),
            // Aborted, which its sender is not told (SAM-5 5.6, TAS 0); or left to the next access.
            Ok(None) | Err(Delivery::NotSent(_)) => unanswered(deadline),
            Err(d) => Err(d),
        }
    }
}

/// What the sender of a command without an answer learns, and when.
fn unanswered(deadline: Instant) -> Outcome {
    sleep_until(deadline);
    Err(Delivery::Outstanding)
}

fn sleep_until(t: Instant) {
    loop {
        let left = t.since(now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left);
    }
}

impl ScsiDevice for SimDevice {
    fn name(&self) -> &str {
        &self.name
    }

    /// As [`ScsiDevice::execute`]. Whoever holds the file's lock past the deadline makes this
    /// [`Delivery::NotSent`] with ETIMEDOUT: nothing was executed and nothing will be.
    fn execute(&mut self, mut request: Request<'_>) -> Completion {
        let issued = now();
        let asked = match &request.data {
            Data::None => 0,
            Data::In(b) => b.len(),
            Data::Out(b) => b.len(),
        };
        let outcome =
            if asked > MAX_TRANSFER { Err(not_sent(Errno::EINVAL)) } else { self.run(&mut request) };
        let took = now().since(issued);
        match outcome {
            // A fault answered before the unit looked at the command.
            Err(Delivery::Answered(status)) => {
                Completion::answered(status, u32::try_from(asked).unwrap_or(u32::MAX), took)
            }
            Err(delivery) => Completion::unanswered(delivery, took),
            Ok(reply) => {
                let residual = u32::try_from(asked.saturating_sub(reply.moved)).unwrap_or(u32::MAX);
                let sense = reply.sense_bytes();
                Completion { sense, ..Completion::answered(reply.answer.status(), residual, took) }
            }
        }
    }

    /// A unit and its target are one here: both scopes are a LOGICAL UNIT RESET. There is no bus and
    /// no host adapter, whatever `escalate` says.
    fn reset(&mut self, scope: ResetScope, _escalate: Escalate, deadline: Instant) -> Result<(), ResetError> {
        match scope {
            ResetScope::LogicalUnit | ResetScope::Target => {}
            ResetScope::Bus | ResetScope::Host => return Err(ResetError::Unsupported),
        }
        let done = self.locked(deadline, |cache, file| cache.reset(file));
        done.map_err(|d| match d {
            Delivery::NotSent(errno) => ResetError::Failed(errno),
            _ => ResetError::Outstanding,
        })
    }

    fn own_transport_id(&self) -> Option<Vec<u8>> {
        Some(self.initiator.transport_id().emit())
    }
}

/// The file, locked; waits for others as long as is reasonable.
pub(super) fn lock(file: &mut LockedFile, path: &Path) -> Result<Held, SimError> {
    match file.acquire(now() + PATIENCE) {
        Ok(held) => Ok(held),
        Err(Errno::ETIMEDOUT) => Err(SimError::Locked { path: path.to_owned(), waited: PATIENCE }),
        Err(e) => Err(at(path)(e.into())),
    }
}

/// The path of an embedded unit, opened; used by `create` and `show` too.
pub(super) fn open_file(path: &Path, how: &OpenOptions) -> Result<File, SimError> {
    let file = match how.open(path) {
        Ok(f) => f,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(SimError::Missing(PathBuf::from(path)));
        }
        Err(e) => return Err(at(path)(e)),
    };
    file::check_magic(&file).map_err(|e| SimError::of_read(path, e))?;
    Ok(file)
}
