//! Any CDB of the table as a typed request: the front door of a device server.

use super::block::{BlockIo, CompareAndWrite, ReadCapacity, RequestSense, SynchronizeCache, TestUnitReady};
use super::inquiry::Inquiry;
use super::opcode;
use super::pr::{PERSISTENT_RESERVE_IN, PERSISTENT_RESERVE_OUT, PrIn, PrOutCdb};
use super::reserve::Spc2Reserve;
use super::{Cdb, RequestError};

/// One request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Command {
    /// TEST UNIT READY.
    TestUnitReady(TestUnitReady),
    /// REQUEST SENSE.
    RequestSense(RequestSense),
    /// INQUIRY.
    Inquiry(Inquiry),
    /// READ CAPACITY(10) or (16).
    ReadCapacity(ReadCapacity),
    /// READ or WRITE.
    BlockIo(BlockIo),
    /// SYNCHRONIZE CACHE.
    SynchronizeCache(SynchronizeCache),
    /// COMPARE AND WRITE.
    CompareAndWrite(CompareAndWrite),
    /// RESERVE or RELEASE of SPC-2.
    Spc2Reserve(Spc2Reserve),
    /// PERSISTENT RESERVE IN.
    PrIn(PrIn),
    /// PERSISTENT RESERVE OUT; [`PrOutCdb::with_list`] reads the rest.
    PrOut(PrOutCdb),
}

impl Command {
    /// Reads a CDB.
    ///
    /// # Errors
    /// [`RequestError`], whose sense data a target answers with.
    pub fn parse(cdb: &Cdb) -> Result<Self, RequestError> {
        use opcode as op;
        match cdb.opcode() {
            op::TEST_UNIT_READY => TestUnitReady::parse(cdb).map(Self::TestUnitReady),
            op::REQUEST_SENSE => RequestSense::parse(cdb).map(Self::RequestSense),
            op::INQUIRY => Inquiry::parse(cdb).map(Self::Inquiry),
            op::READ_CAPACITY_10 | op::SERVICE_ACTION_IN_16 => {
                ReadCapacity::parse(cdb).map(Self::ReadCapacity)
            }
            op::READ_10 | op::READ_16 | op::WRITE_10 | op::WRITE_16 => BlockIo::parse(cdb).map(Self::BlockIo),
            op::SYNCHRONIZE_CACHE_10 | op::SYNCHRONIZE_CACHE_16 => {
                SynchronizeCache::parse(cdb).map(Self::SynchronizeCache)
            }
            op::RESERVE_6 | op::RELEASE_6 | op::RESERVE_10 | op::RELEASE_10 => {
                Spc2Reserve::parse(cdb).map(Self::Spc2Reserve)
            }
            op::COMPARE_AND_WRITE => CompareAndWrite::parse(cdb).map(Self::CompareAndWrite),
            PERSISTENT_RESERVE_IN => PrIn::parse(cdb).map(Self::PrIn),
            PERSISTENT_RESERVE_OUT => PrOutCdb::parse(cdb).map(Self::PrOut),
            other => Err(RequestError::OpCode(other)),
        }
    }

    /// The CDB.
    #[must_use]
    pub const fn cdb(self) -> Cdb {
        match self {
            Self::TestUnitReady(c) => c.cdb(),
            Self::RequestSense(c) => c.cdb(),
            Self::Inquiry(c) => c.cdb(),
            Self::ReadCapacity(c) => c.cdb(),
            Self::BlockIo(c) => c.cdb(),
            Self::SynchronizeCache(c) => c.cdb(),
            Self::Spc2Reserve(c) => c.cdb(),
            Self::CompareAndWrite(c) => c.cdb(),
            Self::PrIn(c) => c.cdb(),
            Self::PrOut(c) => c.cdb(),
        }
    }
}
