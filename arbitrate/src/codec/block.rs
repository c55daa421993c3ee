//! Blocks: READ, WRITE, SYNCHRONIZE CACHE, READ CAPACITY (SBC-3 5), and the two commands that ask how a
//! logical unit is: TEST UNIT READY and REQUEST SENSE (SPC-4 6.47, 6.39).
//!
//! A request holds its addresses in the width of its CDB, so that none can be built that doesn't fit.

mod compare;

pub use compare::CompareAndWrite;

use serde::Serialize;

use super::bytes::{be16, be32, be64, u8_at};
use super::opcode::{
    READ_10, READ_16, READ_CAPACITY_10, READ_CAPACITY_16, REQUEST_SENSE, SERVICE_ACTION_IN_16,
    SYNCHRONIZE_CACHE_10, SYNCHRONIZE_CACHE_16, TEST_UNIT_READY, WRITE_10, WRITE_16,
};
use super::request::open;
use super::{Cdb, DecodeError, RequestError};

/// Force Unit Access.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fua {
    /// From and to the medium, past every volatile cache.
    Yes,
    /// A cache will do.
    No,
}

/// Which way blocks go.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Access {
    /// READ.
    Read,
    /// WRITE.
    Write,
}

/// A run of blocks, in the width of its CDB.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Extent {
    /// 10-byte CDB.
    Ten {
        /// First block.
        lba: u32,
        /// Number of blocks; 0 moves none.
        blocks: u16,
    },
    /// 16-byte CDB.
    Sixteen {
        /// First block.
        lba: u64,
        /// Number of blocks; 0 moves none.
        blocks: u32,
    },
}

/// READ or WRITE, 10 or 16 bytes (SBC-3 5.11, 5.13, 5.33, 5.35).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BlockIo {
    /// Which way.
    pub access: Access,
    /// Which blocks.
    pub extent: Extent,
    /// Past the caches.
    pub fua: Fua,
}

/// Whether SYNCHRONIZE CACHE answers before it is done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Immediate {
    /// It answers once it has begun: proves nothing.
    Yes,
    /// It answers when the blocks are on the medium.
    No,
}

/// SYNCHRONIZE CACHE, 10 or 16 bytes (SBC-3 5.26, 5.27). 0 blocks mean all from the first one on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SynchronizeCache {
    /// Which blocks.
    pub extent: Extent,
    /// Whether it waits.
    pub immediate: Immediate,
}

/// READ CAPACITY, 10 or 16 bytes (SBC-3 5.15, 5.16).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ReadCapacity {
    /// READ CAPACITY(10), 8 bytes of answer.
    Ten,
    /// READ CAPACITY(16).
    Sixteen {
        /// Room for the answer in bytes; [`CAPACITY_16_LEN`] holds it all.
        allocation: u32,
    },
}

/// TEST UNIT READY (SPC-4 6.47).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TestUnitReady;

/// Which format of sense data is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SenseFormat {
    /// Fixed.
    Fixed,
    /// Descriptor.
    Descriptor,
}

/// REQUEST SENSE (SPC-4 6.39).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RequestSense {
    /// The format.
    pub format: SenseFormat,
    /// Room for the answer in bytes.
    pub allocation: u8,
}

/// Bytes of a READ CAPACITY(10) answer.
pub const CAPACITY_10_LEN: usize = 8;
/// Bytes of a READ CAPACITY(16) answer.
pub const CAPACITY_16_LEN: usize = 32;

/// A READ CAPACITY(10) answer (SBC-3 5.15.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
pub struct Capacity10 {
    /// Address of the last block; `u32::MAX` means "ask READ CAPACITY(16)".
    pub last_lba: u32,
    /// Bytes of a block, never 0.
    pub block_len_bytes: u32,
}

/// A READ CAPACITY(16) answer (SBC-3 5.16.2), without its protection fields.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
pub struct Capacity16 {
    /// Address of the last block.
    pub last_lba: u64,
    /// Bytes of a block, never 0.
    pub block_len_bytes: u32,
    /// Logical blocks of a physical one, as a power of two: 3 for 512-byte blocks on 4 KiB sectors.
    pub blocks_per_physical_exponent: u8,
    /// The first block that begins a physical one.
    pub lowest_aligned_lba: u16,
    /// LBPME: blocks can be unmapped.
    pub thin: bool,
    /// LBPRZ: unmapped blocks read as zeros.
    pub unmapped_read_zero: bool,
}

impl Extent {
    /// The shorter CDB that can hold these; most targets know READ(10) and WRITE(10).
    #[must_use]
    pub fn new(lba: u64, blocks: u32) -> Self {
        match (u32::try_from(lba), u16::try_from(blocks)) {
            (Ok(lba), Ok(blocks)) => Self::Ten { lba, blocks },
            _ => Self::Sixteen { lba, blocks },
        }
    }

    /// First block.
    #[must_use]
    pub fn lba(self) -> u64 {
        match self {
            Self::Ten { lba, .. } => u64::from(lba),
            Self::Sixteen { lba, .. } => lba,
        }
    }

    /// Number of blocks.
    #[must_use]
    pub fn blocks(self) -> u32 {
        match self {
            Self::Ten { blocks, .. } => u32::from(blocks),
            Self::Sixteen { blocks, .. } => blocks,
        }
    }

    /// Whether it lies in a unit of `capacity` blocks. An extent that begins just behind the last block
    /// and moves none does (SBC-3 4.4).
    #[must_use]
    pub fn fits(self, capacity_blocks: u64) -> bool {
        self.lba().checked_add(u64::from(self.blocks())).is_some_and(|end| end <= capacity_blocks)
    }

    const fn cdb(self, ten: u8, sixteen: u8, flags: u8) -> Cdb {
        match self {
            Self::Ten { lba, blocks } => {
                let [l0, l1, l2, l3] = lba.to_be_bytes();
                let [n0, n1] = blocks.to_be_bytes();
                Cdb::new([ten, flags, l0, l1, l2, l3, 0, n0, n1, 0])
            }
            Self::Sixteen { lba, blocks } => {
                let l = lba.to_be_bytes();
                let [n0, n1, n2, n3] = blocks.to_be_bytes();
                Cdb::new([
                    sixteen, flags, l[0], l[1], l[2], l[3], l[4], l[5], l[6], l[7], n0, n1, n2, n3, 0, 0,
                ])
            }
        }
    }

    fn ten(b: &[u8; 16]) -> Self {
        Self::Ten {
            lba: u32::from_be_bytes([b[2], b[3], b[4], b[5]]),
            blocks: u16::from_be_bytes([b[7], b[8]]),
        }
    }

    fn sixteen(b: &[u8; 16]) -> Self {
        Self::Sixteen {
            lba: u64::from_be_bytes([b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9]]),
            blocks: u32::from_be_bytes([b[10], b[11], b[12], b[13]]),
        }
    }
}

impl BlockIo {
    const FUA: u8 = 0x08;
    const PROTECT: u8 = 0xe0;

    /// The CDB; the data is `blocks` times the block length.
    #[must_use]
    pub const fn cdb(self) -> Cdb {
        let flags = match self.fua {
            Fua::Yes => Self::FUA,
            Fua::No => 0,
        };
        match self.access {
            Access::Read => self.extent.cdb(READ_10, READ_16, flags),
            Access::Write => self.extent.cdb(WRITE_10, WRITE_16, flags),
        }
    }

    /// Reads a CDB. DPO is a hint and is passed over.
    ///
    /// # Errors
    /// [`RequestError`] for another command, and where protection information is asked for.
    pub fn parse(cdb: &Cdb) -> Result<Self, RequestError> {
        let code = cdb.opcode();
        let (access, extent) = match code {
            READ_10 => (Access::Read, Extent::ten(open(cdb, code, 10, "READ(10)")?)),
            WRITE_10 => (Access::Write, Extent::ten(open(cdb, code, 10, "WRITE(10)")?)),
            READ_16 => (Access::Read, Extent::sixteen(open(cdb, code, 16, "READ(16)")?)),
            WRITE_16 => (Access::Write, Extent::sixteen(open(cdb, code, 16, "WRITE(16)")?)),
            other => return Err(RequestError::OpCode(other)),
        };
        let flags = cdb.padded()[1];
        if flags & Self::PROTECT != 0 {
            return Err(RequestError::CdbField { what: "RDPROTECT or WRPROTECT", byte: 1 });
        }
        let fua = if flags & Self::FUA != 0 { Fua::Yes } else { Fua::No };
        Ok(Self { access, extent, fua })
    }
}

impl SynchronizeCache {
    const IMMED: u8 = 0x02;

    /// Everything, answered when done.
    pub const ALL: Self = Self { extent: Extent::Ten { lba: 0, blocks: 0 }, immediate: Immediate::No };

    /// The CDB; there is no data.
    #[must_use]
    pub const fn cdb(self) -> Cdb {
        let flags = match self.immediate {
            Immediate::Yes => Self::IMMED,
            Immediate::No => 0,
        };
        self.extent.cdb(SYNCHRONIZE_CACHE_10, SYNCHRONIZE_CACHE_16, flags)
    }

    /// Reads a CDB.
    ///
    /// # Errors
    /// [`RequestError`] for another command.
    pub fn parse(cdb: &Cdb) -> Result<Self, RequestError> {
        let code = cdb.opcode();
        let extent = match code {
            SYNCHRONIZE_CACHE_10 => Extent::ten(open(cdb, code, 10, "SYNCHRONIZE CACHE(10)")?),
            SYNCHRONIZE_CACHE_16 => Extent::sixteen(open(cdb, code, 16, "SYNCHRONIZE CACHE(16)")?),
            other => return Err(RequestError::OpCode(other)),
        };
        let immediate = if cdb.padded()[1] & Self::IMMED != 0 { Immediate::Yes } else { Immediate::No };
        Ok(Self { extent, immediate })
    }
}

impl ReadCapacity {
    /// The CDB.
    #[must_use]
    pub const fn cdb(self) -> Cdb {
        match self {
            Self::Ten => Cdb::new([READ_CAPACITY_10, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            Self::Sixteen { allocation } => {
                let [a0, a1, a2, a3] = allocation.to_be_bytes();
                let (code, action) = (SERVICE_ACTION_IN_16, READ_CAPACITY_16);
                Cdb::new([code, action, 0, 0, 0, 0, 0, 0, 0, 0, a0, a1, a2, a3, 0, 0])
            }
        }
    }

    /// Reads a CDB.
    ///
    /// # Errors
    /// [`RequestError`] for another command or service action.
    pub fn parse(cdb: &Cdb) -> Result<Self, RequestError> {
        if cdb.opcode() == READ_CAPACITY_10 {
            open(cdb, READ_CAPACITY_10, 10, "READ CAPACITY(10)")?;
            return Ok(Self::Ten);
        }
        let b = open(cdb, SERVICE_ACTION_IN_16, 16, "READ CAPACITY(16)")?;
        if cdb.service_action() != READ_CAPACITY_16 {
            return Err(RequestError::CdbField { what: "service action", byte: 1 });
        }
        Ok(Self::Sixteen { allocation: u32::from_be_bytes([b[10], b[11], b[12], b[13]]) })
    }
}

impl TestUnitReady {
    /// The CDB; there is no data.
    #[must_use]
    pub const fn cdb(self) -> Cdb {
        Cdb::new([TEST_UNIT_READY, 0, 0, 0, 0, 0])
    }

    /// Reads a CDB.
    ///
    /// # Errors
    /// [`RequestError`] for another command.
    pub fn parse(cdb: &Cdb) -> Result<Self, RequestError> {
        open(cdb, TEST_UNIT_READY, 6, "TEST UNIT READY").map(|_| Self)
    }
}

impl RequestSense {
    /// The CDB.
    #[must_use]
    pub const fn cdb(self) -> Cdb {
        let desc = match self.format {
            SenseFormat::Fixed => 0,
            SenseFormat::Descriptor => 1,
        };
        Cdb::new([REQUEST_SENSE, desc, 0, 0, self.allocation, 0])
    }

    /// Reads a CDB.
    ///
    /// # Errors
    /// [`RequestError`] for another command.
    pub fn parse(cdb: &Cdb) -> Result<Self, RequestError> {
        let b = open(cdb, REQUEST_SENSE, 6, "REQUEST SENSE")?;
        let format = if b[1] & 1 != 0 { SenseFormat::Descriptor } else { SenseFormat::Fixed };
        Ok(Self { format, allocation: b[4] })
    }
}

impl Capacity10 {
    const WHAT: &'static str = "READ CAPACITY(10) data";

    /// Reads an answer.
    ///
    /// # Errors
    /// [`DecodeError`] for fewer than 8 bytes or blocks of 0 bytes.
    pub fn parse(b: &[u8]) -> Result<Self, DecodeError> {
        let block_len_bytes = block_len(be32(b, 4, Self::WHAT)?)?;
        Ok(Self { last_lba: be32(b, 0, Self::WHAT)?, block_len_bytes })
    }

    /// Writes the answer of a unit whose last block is `last_lba` (the emulator's side).
    #[must_use]
    pub fn emit(&self) -> [u8; CAPACITY_10_LEN] {
        let [l0, l1, l2, l3] = self.last_lba.to_be_bytes();
        let [n0, n1, n2, n3] = self.block_len_bytes.to_be_bytes();
        [l0, l1, l2, l3, n0, n1, n2, n3]
    }

    /// Number of blocks; `None` where only READ CAPACITY(16) can tell.
    #[must_use]
    pub fn blocks(&self) -> Option<u64> {
        (self.last_lba != u32::MAX).then(|| u64::from(self.last_lba) + 1)
    }
}

impl Capacity16 {
    const WHAT: &'static str = "READ CAPACITY(16) data";

    /// Reads an answer.
    ///
    /// # Errors
    /// [`DecodeError`] for fewer than 16 bytes, blocks of 0 bytes, or a last block whose number of
    /// blocks does not fit in 64 bits.
    pub fn parse(b: &[u8]) -> Result<Self, DecodeError> {
        let last_lba = be64(b, 0, Self::WHAT)?;
        if last_lba == u64::MAX {
            return Err(DecodeError::Value { what: "last logical block address", value: last_lba });
        }
        let aligned = be16(b, 14, Self::WHAT)?;
        Ok(Self {
            last_lba,
            block_len_bytes: block_len(be32(b, 8, Self::WHAT)?)?,
            blocks_per_physical_exponent: u8_at(b, 13, Self::WHAT)? & 0x0f,
            lowest_aligned_lba: aligned & 0x3fff,
            thin: aligned & 0x8000 != 0,
            unmapped_read_zero: aligned & 0x4000 != 0,
        })
    }

    /// Writes the answer (the emulator's side).
    #[must_use]
    pub fn emit(&self) -> [u8; CAPACITY_16_LEN] {
        let mut b = [0; CAPACITY_16_LEN];
        b[..8].copy_from_slice(&self.last_lba.to_be_bytes());
        b[8..12].copy_from_slice(&self.block_len_bytes.to_be_bytes());
        b[13] = self.blocks_per_physical_exponent & 0x0f;
        let flags = (u16::from(self.thin) << 15) | (u16::from(self.unmapped_read_zero) << 14);
        b[14..16].copy_from_slice(&(flags | (self.lowest_aligned_lba & 0x3fff)).to_be_bytes());
        b
    }

    /// Number of blocks.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        // `parse` refuses the one value that would overflow; a hand-made one saturates.
        self.last_lba.saturating_add(1)
    }
}

/// A block of 0 bytes would be divided by sooner or later.
fn block_len(v: u32) -> Result<u32, DecodeError> {
    if v == 0 { Err(DecodeError::Value { what: "logical block length", value: 0 }) } else { Ok(v) }
}
