//! The blocks of a formatted quorum device: where each lies and what it holds.
//!
//! This module alone knows addresses. Everything is counted in *units* of 4 KiB, which disks of 512-byte
//! and of 4 KiB blocks write alike; each unit is sealed with the cluster's UUID and a checksum
//! (`seal`). Pure: no I/O. Must never take an unsealed, damaged or foreign unit for an empty one.
//!
//! | unit | holds | written by |
//! |---|---|---|
//! | 0 | nothing, ever: boot sectors and partition tables of others live there | nobody |
//! | 1, 2 | the [`Superblock`], two copies | formatting |
//! | 3, 4 | the [`Tenure`]: which epoch it is and whose; even epochs in 3, odd ones in 4 | who won, before it believes |
//! | 5 | the [`Mark`] of a clean release | who gives the device back, while it still holds it |
//! | 6..16 | nothing yet | |
//! | 16 + n | the slot of node n, 1 to 255 | that node |
//! | 512.. | the [`log`] | the leader |
//!
//! A tenure is written to the place of the one before last, so that a write torn by a power failure
//! leaves the last one as it was.

mod head;
pub mod log;
mod seal;
mod superblock;
#[cfg(test)]
mod tests;

use super::block::{Access, BlockIo, Extent, Fua};
use super::{Cdb, DecodeError};
use crate::key::NodeNumber;

pub use head::{Epoch, HEAD_LEN, Head, Mark, Record, Tenure};
pub use superblock::{ClusterName, MAX_NAME_LEN, Superblock};

/// Bytes of a unit.
pub const UNIT: usize = 4096;
const UNIT_BYTES: u32 = 4096;
/// Units a device must have: head, slots, and a log of 2 MiB.
pub const MIN_UNITS: u64 = 1024;

const SUPERBLOCKS: u32 = 1;
const TENURES: u32 = 3;
const MARK: u32 = 5;
const SLOTS: u32 = 16;
const LOG: u32 = 512;

const _: () = assert!(SUPERBLOCKS + 2 == TENURES && TENURES + 2 == MARK);
const _: () = assert!(SLOTS + 255 < LOG && (LOG as u64) < MIN_UNITS);

/// The UUID formatting gave a cluster's devices.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClusterUuid(pub [u8; 16]);

/// The length of a device's logical blocks, 512 to 4096 bytes, a power of two.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BlockLen(u32);

/// A run of units.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Units {
    /// The first.
    pub first: u32,
    /// How many, 1 to 16.
    pub count: u8,
}

/// A formatted device, as far as its head is to be read and written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Formatted {
    /// Whose it is.
    pub uuid: ClusterUuid,
    /// Its blocks.
    pub block_len: BlockLen,
}

impl BlockLen {
    /// 512 bytes.
    pub const SMALLEST: Self = Self(512);

    /// Takes a length in bytes, as READ CAPACITY tells it.
    ///
    /// # Errors
    /// [`DecodeError::Value`] for a length units are not made of.
    pub fn new(bytes: u32) -> Result<Self, DecodeError> {
        if bytes.is_power_of_two() && (512..=UNIT_BYTES).contains(&bytes) {
            return Ok(Self(bytes));
        }
        Err(DecodeError::Value { what: "logical block length", value: u64::from(bytes) })
    }

    /// Bytes.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        self.0
    }

    const fn per_unit(self) -> u32 {
        UNIT_BYTES / self.0
    }

    /// Whether a device of this many blocks is large enough to be formatted.
    #[must_use]
    pub fn fits(self, blocks: u64) -> bool {
        blocks / u64::from(self.per_unit()) >= MIN_UNITS
    }
}

impl Units {
    /// Both copies of the superblock.
    pub const SUPERBLOCKS: Self = Self { first: SUPERBLOCKS, count: 2 };
    /// Both tenures and the mark: one read tells all.
    pub const HEAD: Self = Self { first: TENURES, count: 3 };
    /// The clean-release mark.
    pub const MARK: Self = Self { first: MARK, count: 1 };

    /// The place of a tenure.
    #[must_use]
    pub const fn tenure(epoch: Epoch) -> Self {
        let odd = if epoch.0.is_multiple_of(2) { 0 } else { 1 };
        Self { first: TENURES + odd, count: 1 }
    }

    /// The slot of a node.
    #[must_use]
    pub fn slot(node: NodeNumber) -> Self {
        Self { first: SLOTS + u32::from(node.get()), count: 1 }
    }

    /// The first unit of the log; it goes to the end of the device.
    pub const LOG_BEGINS: u32 = LOG;

    /// Bytes.
    #[must_use]
    pub fn len(self) -> usize {
        usize::from(self.count) * UNIT
    }

    /// Whether it is none at all.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.count == 0
    }

    /// As the device counts.
    #[must_use]
    pub fn extent(self, block_len: BlockLen) -> Extent {
        let per = block_len.per_unit();
        Extent::new(u64::from(self.first) * u64::from(per), u32::from(self.count) * per)
    }

    /// READ.
    #[must_use]
    pub fn read_cdb(self, block_len: BlockLen) -> Cdb {
        BlockIo { access: Access::Read, extent: self.extent(block_len), fua: Fua::No }.cdb()
    }

    /// WRITE, to the medium: a cache that a power failure empties would take an epoch back.
    #[must_use]
    pub fn write_cdb(self, block_len: BlockLen) -> Cdb {
        BlockIo { access: Access::Write, extent: self.extent(block_len), fua: Fua::Yes }.cdb()
    }
}
