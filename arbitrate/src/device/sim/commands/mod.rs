//! Bytes in, bytes out: what stands before a command is checked, then it is decoded and executed.
//!
//! Invariant: any CDB with any data gets an answer. Must never touch the blocks itself: what is to be
//! done with them is returned.

mod blocks;
mod identity;
mod lio;
mod others;
mod reservations;
#[cfg(test)]
mod tests;

use super::access::Access;
use super::answer::Answer;
use super::nexus::NexusId;
use super::personality::Deviation;
use super::profile::Profile;
use super::reply::{DataIn, Reply};
use super::unit::LogicalUnit;
use crate::codec::block::{RequestSense, SenseFormat, TestUnitReady};
use crate::codec::opcode::{
    COMPARE_AND_WRITE, INQUIRY, READ_10, READ_16, READ_CAPACITY_10, READ_CAPACITY_16, RELEASE_6, RELEASE_10,
    REQUEST_SENSE, RESERVE_6, RESERVE_10, SERVICE_ACTION_IN_16, SYNCHRONIZE_CACHE_10, SYNCHRONIZE_CACHE_16,
    TEST_UNIT_READY, WRITE_10, WRITE_16,
};
use crate::codec::pr::{OutAction, PERSISTENT_RESERVE_IN, PERSISTENT_RESERVE_OUT};
use crate::codec::reserve::{Spc2Reserve, Verb};
use crate::codec::{Cdb, RequestError, Sense, SenseKey};

/// REPORT LUNS (SPC-4 6.33).
const REPORT_LUNS: u8 = 0xa0;

/// One command as it arrived, and the unit's other side.
struct Arrived<'a> {
    profile: &'a mut Profile,
    nexus: NexusId,
    cdb: &'a Cdb,
    data_out: &'a [u8],
    data_in: &'a mut [u8],
}

/// What a command came to; the error is one that decoding found.
type Done = Result<Reply, RequestError>;

impl LogicalUnit {
    /// Executes one command. `data_in` is filled from its beginning; what [`Reply::medium`] says is left
    /// to the caller. A PERSISTENT RESERVE OUT that registers other nexuses adds them to `profile`; nothing
    /// else changes it. Allocates nothing for TEST UNIT READY, PERSISTENT RESERVE IN with READ KEYS or READ
    /// RESERVATION, READ and WRITE.
    pub fn execute(
        &mut self,
        profile: &mut Profile,
        nexus: NexusId,
        cdb: &Cdb,
        data_out: &[u8],
        data_in: &mut [u8],
    ) -> Reply {
        let c = Arrived { profile, nexus, cdb, data_out, data_in };
        if let Some(a) = lio::refuses_first(self, &c) {
            return Reply::ended(a);
        }
        if let Err(a) = self.begin(nexus, lio::access(self, &c, access(cdb))) {
            return Reply::ended(a);
        }
        if let Some(a) = lio::refuses(self, &c) {
            return Reply::ended(a);
        }
        match self.dispatch(c) {
            Ok(reply) => reply,
            Err(e) => Reply::ended(Answer::Check(e.sense())),
        }
    }

    fn dispatch(&mut self, mut c: Arrived<'_>) -> Done {
        match c.cdb.opcode() {
            TEST_UNIT_READY => TestUnitReady::parse(c.cdb).map(|_| Reply::ended(Answer::Good)),
            REQUEST_SENSE => self.sense(c),
            INQUIRY => identity::inquiry(self.reservations().personality(), c),
            REPORT_LUNS => identity::report_luns(c),
            RESERVE_6 | RELEASE_6 | RESERVE_10 | RELEASE_10 => self.spc2(&c),
            READ_CAPACITY_10 | SERVICE_ACTION_IN_16 => blocks::capacity(c),
            READ_10 | READ_16 | WRITE_10 | WRITE_16 => blocks::transfer(&c),
            COMPARE_AND_WRITE => blocks::compare_and_write(self.reservations().personality(), &c),
            SYNCHRONIZE_CACHE_10 | SYNCHRONIZE_CACHE_16 => blocks::synchronize(&c),
            PERSISTENT_RESERVE_IN => reservations::inward(self.reservations(), c),
            PERSISTENT_RESERVE_OUT => reservations::outward(self, &mut c),
            other => Err(RequestError::OpCode(other)),
        }
    }

    /// REQUEST SENSE tells the oldest unit attention as data (SPC-4 6.39).
    fn sense(&mut self, c: Arrived<'_>) -> Done {
        let asked = RequestSense::parse(c.cdb)?;
        let p = self.reservations().personality();
        if asked.format == SenseFormat::Descriptor && p.has(Deviation::SENSE_FIXED) {
            return Err(RequestError::CdbField { what: "DESC", byte: 1 });
        }
        let padded = p.has(Deviation::SENSE_PADDED);
        if padded && asked.allocation == 0 {
            return Ok(Reply::ended(Answer::COMMUNICATION_FAILURE));
        }
        let waiting = self.request_sense(c.nexus);
        let sense = waiting.map_or(Sense::new(SenseKey::NO_SENSE, 0, 0), |a| a.sense());
        let mut out = DataIn::new(c.data_in, usize::from(asked.allocation));
        match asked.format {
            SenseFormat::Fixed => out.put(&sense.emit_fixed()),
            SenseFormat::Descriptor => out.put(&sense.emit_descriptor()),
        }
        Ok(if padded { out.padded() } else { out.reply() })
    }

    fn spc2(&mut self, c: &Arrived<'_>) -> Done {
        Ok(Reply::ended(
            match lio::spc2_verb(self, c.cdb).map_or_else(|| Spc2Reserve::parse(c.cdb).map(|r| r.verb), Ok)? {
                Verb::Reserve => self.reserve(c.nexus),
                Verb::Release => self.release(c.nexus),
            },
        ))
    }
}

/// What a command wants. One that nobody knows is treated as the worst: it must hear its attentions and
/// meet its conflicts before it is refused.
fn access(cdb: &Cdb) -> Access {
    match cdb.opcode() {
        INQUIRY | REPORT_LUNS | REQUEST_SENSE => Access::Identify,
        TEST_UNIT_READY | READ_CAPACITY_10 => Access::Ask,
        SERVICE_ACTION_IN_16 if cdb.service_action() == READ_CAPACITY_16 => Access::Ask,
        READ_10 | READ_16 => Access::Read,
        PERSISTENT_RESERVE_IN => Access::ReservationIn,
        PERSISTENT_RESERVE_OUT if cdb.service_action() == OutAction::ReplaceLostReservation as u8 => {
            Access::ReplaceLost
        }
        PERSISTENT_RESERVE_OUT => Access::ReservationOut,
        RESERVE_6 | RESERVE_10 => Access::Reserve,
        RELEASE_6 | RELEASE_10 => Access::Release,
        _ => Access::Write,
    }
}
