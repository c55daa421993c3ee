//! [`SimDevice`]: the embedded unit in a file, as one nexus uses it.
//!
//! Each command locks the file, brings the state up to date, executes on a copy, stores the copy if it
//! differs, carries out what is to be done with the blocks, and unlocks. Invariant: what was answered was
//! stored before. Must never wait for the lock past the deadline of its request. (The file itself is
//! taken to be on a local file system: reads and writes of it are not waited for by anybody else.)
//!
//! A command that changes nothing, and before which nobody changed anything, costs one small read and
//! allocates nothing. A state that somebody else changed is parsed, which allocates.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;

use super::error::{SimError, at};
use super::file::{self, Head, ReadError, SLOT, State, WriteError};
use super::lock::{Held, LockedFile};
use super::medium;
use super::nexus::NexusId;
use super::profile::TooManyNexuses;
use super::reply::Reply;
use super::spec::{InitiatorName, SimSpec};
use super::unit::LogicalUnit;
use crate::clock::now;
use crate::codec::Cdb;
use crate::device::{
    Completion, Data, Delivery, Escalate, MAX_TRANSFER, Request, ResetError, ResetScope, ScsiDevice,
    TransportError,
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

/// The state as last read, and room to work in.
#[derive(Debug)]
struct Cache {
    head: Head,
    state: State,
    /// Commands are executed on this, so that a state that could not be stored never was.
    scratch: LogicalUnit,
    buffer: Vec<u8>,
}

/// Where a command ended, below SCSI or in it.
type Outcome = Result<Reply, Delivery>;

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
        let held = match locked.acquire(now() + PATIENCE) {
            Ok(held) => held,
            Err(Errno::ETIMEDOUT) => {
                return Err(SimError::Locked { path: path.to_owned(), waited: PATIENCE });
            }
            Err(e) => return Err(at(path)(e.into())),
        };
        let mut buffer = Vec::with_capacity(SLOT);
        let (head, state) = match file::read(&held, None, &mut buffer) {
            Ok(Some(found)) => found,
            Ok(None) => return Err(SimError::of_read(path, ReadError::BothDamaged)),
            Err(e) => return Err(SimError::of_read(path, e)),
        };
        let scratch = state.unit.clone();
        let mut cache = Cache { head, state, scratch, buffer };
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
        let (cdb, nexus) = (request.cdb, self.nexus);
        let data = &mut request.data;
        self.locked(request.deadline, |cache, file| cache.execute(file, nexus, &cdb, data))
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
        let done = self.locked(deadline, |cache, file| {
            cache.scratch.clone_from(&cache.state.unit);
            cache.scratch.reset();
            cache.store(file)
        });
        done.map_err(|d| match d {
            Delivery::NotSent(errno) => ResetError::Failed(errno),
            _ => ResetError::Outstanding,
        })
    }

    fn own_transport_id(&self) -> Option<Vec<u8>> {
        Some(self.initiator.transport_id().emit())
    }
}

impl Cache {
    /// Reads the state if it is another one than before.
    fn refresh(&mut self, file: &File) -> Result<(), Delivery> {
        match file::read(file, Some(self.head), &mut self.buffer) {
            Ok(None) => Ok(()),
            Ok(Some((head, state))) => {
                self.head = head;
                self.state = state;
                Ok(())
            }
            Err(ReadError::Io(e)) => Err(not_sent(errno(&e))),
            Err(_) => Err(not_sent(Errno::EUCLEAN)),
        }
    }

    fn execute(&mut self, file: &File, nexus: NexusId, cdb: &Cdb, data: &mut Data<'_>) -> Outcome {
        self.scratch.clone_from(&self.state.unit);
        let known = self.state.profile.nexuses().len();
        let nothing: &mut [u8] = &mut [];
        let (data_in, data_out): (&mut [u8], &[u8]) = match data {
            Data::None => (nothing, &[]),
            Data::In(b) => (b, &[]),
            Data::Out(b) => (nothing, b),
        };
        let reply = self.scratch.execute(&mut self.state.profile, nexus, cdb, data_out, data_in);
        // Before the blocks: where this fails, nothing at all was executed.
        if let Err(d) = self.store(file) {
            self.state.profile.forget_above(known);
            return Err(d);
        }
        Ok(medium::carry_out(file, reply, data_out, data_in))
    }

    /// Stores the scratch unit if it differs.
    fn store(&mut self, file: &File) -> Result<(), Delivery> {
        if self.scratch == self.state.unit {
            return Ok(());
        }
        std::mem::swap(&mut self.scratch, &mut self.state.unit);
        match file::write(file, self.head, &self.state, &mut self.buffer) {
            Ok(head) => {
                self.head = head;
                Ok(())
            }
            Err(e) => {
                std::mem::swap(&mut self.scratch, &mut self.state.unit);
                Err(match e {
                    WriteError::Nothing(e) => not_sent(errno(&e)),
                    // The next command reads what really is in the file.
                    WriteError::Unknown(e) => {
                        Delivery::Lost(TransportError { host: 0, driver: 0, errno: errno(&e) as i32 })
                    }
                })
            }
        }
    }

    /// Makes a nexus known, if it is new.
    fn introduce(&mut self, file: &File, who: &SimSpec) -> std::io::Result<Result<NexusId, TooManyNexuses>> {
        let before = self.state.clone();
        let nexus = match self.state.profile.intern(&who.initiator, who.port) {
            Ok(n) => n,
            Err(e) => return Ok(Err(e)),
        };
        self.state.unit.introduce(nexus);
        if self.state != before {
            match file::write(file, self.head, &self.state, &mut self.buffer) {
                Ok(head) => self.head = head,
                Err(WriteError::Nothing(e) | WriteError::Unknown(e)) => return Err(e),
            }
        }
        Ok(Ok(nexus))
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

fn errno(e: &std::io::Error) -> Errno {
    e.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

fn not_sent(e: Errno) -> Delivery {
    Delivery::NotSent(e as i32)
}
