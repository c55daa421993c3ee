//! The state as last read from the file, and room to work in.
//!
//! Invariant: what is in the cache is what is in the file, or the file says otherwise by its head.

use std::fs::File;

use nix::errno::Errno;

use super::file::{self, Head, ReadError, SLOT, State, WriteError};
use super::medium;
use super::nexus::NexusId;
use super::profile::TooManyNexuses;
use super::reply::Reply;
use super::spec::SimSpec;
use super::unit::LogicalUnit;
use crate::codec::Cdb;
use crate::device::{Data, Delivery, TransportError};

/// The state as last read, and room to work in.
#[derive(Debug)]
pub(super) struct Cache {
    pub(super) head: Head,
    pub(super) state: State,
    /// Commands are executed on this, so that a state that could not be stored never was.
    pub(super) scratch: LogicalUnit,
    pub(super) buffer: Vec<u8>,
}

/// Where a command ended, below SCSI or in it.
pub(super) type Outcome = Result<Reply, Delivery>;

impl Cache {
    /// Reads the state in force.
    pub(super) fn read(file: &File) -> Result<Self, ReadError> {
        let mut buffer = Vec::with_capacity(SLOT);
        let (head, state) = file::read(file, None, &mut buffer)?.ok_or(ReadError::BothDamaged)?;
        let scratch = state.unit.clone();
        Ok(Self { head, state, scratch, buffer })
    }

    /// Reads the state if it is another one than before.
    pub(super) fn refresh(&mut self, file: &File) -> Result<(), Delivery> {
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

    /// Executes one command of a unit without faults.
    pub(super) fn execute(&mut self, file: &File, nexus: NexusId, cdb: &Cdb, data: &mut Data<'_>) -> Outcome {
        self.scratch.clone_from(&self.state.unit);
        let known = self.state.profile.nexuses().len();
        let (data_in, data_out) = halves(data);
        let reply = self.scratch.execute(&mut self.state.profile, nexus, cdb, data_out, data_in);
        // Before the blocks: where this fails, nothing at all was executed.
        if let Err(d) = self.store(file) {
            self.state.profile.forget_above(known);
            return Err(d);
        }
        Ok(medium::carry_out(file, reply, data_out, data_in))
    }

    /// Stores the scratch unit if it differs.
    pub(super) fn store(&mut self, file: &File) -> Result<(), Delivery> {
        if self.scratch == self.state.unit {
            return Ok(());
        }
        std::mem::swap(&mut self.scratch, &mut self.state.unit);
        self.write(file).inspect_err(|_| std::mem::swap(&mut self.scratch, &mut self.state.unit))
    }

    /// Stores the scratch unit and whatever else differs from `before`; that is in force again where it
    /// cannot be stored.
    pub(super) fn commit(&mut self, file: &File, before: State) -> Result<(), Delivery> {
        self.state.unit.clone_from(&self.scratch);
        if self.state == before {
            return Ok(());
        }
        self.write(file).inspect_err(|_| self.state = before)
    }

    fn write(&mut self, file: &File) -> Result<(), Delivery> {
        match file::write(file, self.head, &self.state, &mut self.buffer) {
            Ok(head) => {
                self.head = head;
                Ok(())
            }
            Err(WriteError::Nothing(e)) => Err(not_sent(errno(&e))),
            // The next command reads what really is in the file.
            Err(WriteError::Unknown(e)) => {
                Err(Delivery::Lost(TransportError { host: 0, driver: 0, errno: errno(&e) as i32 }))
            }
        }
    }

    /// Makes a nexus known, if it is new.
    pub(super) fn introduce(
        &mut self,
        file: &File,
        who: &SimSpec,
    ) -> std::io::Result<Result<NexusId, TooManyNexuses>> {
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

/// Where data goes to and where it comes from; one of the two is empty.
pub(super) fn halves<'a>(data: &'a mut Data<'_>) -> (&'a mut [u8], &'a [u8]) {
    match data {
        Data::None => (&mut [], &[]),
        Data::In(b) => (b, &[]),
        Data::Out(b) => (&mut [], b),
    }
}

pub(super) fn errno(e: &std::io::Error) -> Errno {
    e.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

pub(super) fn not_sent(e: Errno) -> Delivery {
    Delivery::NotSent(e as i32)
}
