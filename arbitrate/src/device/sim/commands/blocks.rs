//! READ, WRITE, SYNCHRONIZE CACHE, READ CAPACITY.

use super::{Arrived, Done};
use crate::codec::block::{
    Access, BlockIo, Capacity10, Capacity16, CompareAndWrite, Extent, ReadCapacity, SynchronizeCache,
};
use crate::codec::{Cdb, RequestError};
use crate::device::MAX_TRANSFER;
use crate::device::sim::answer::Answer;
use crate::device::sim::personality::{Deviation, Personality};
use crate::device::sim::reply::{DataIn, Medium, Reply};

pub(super) fn transfer(c: &Arrived<'_>) -> Done {
    let io = BlockIo::parse(c.cdb)?;
    if !io.extent.fits(c.profile.blocks) {
        return Ok(Reply::ended(Answer::LBA_OUT_OF_RANGE));
    }
    let size = u64::from(c.profile.block_size);
    // Within the unit, so neither product can overflow.
    let offset = io.extent.lba().saturating_mul(size);
    let asked = usize::try_from(u64::from(io.extent.blocks()).saturating_mul(size)).unwrap_or(usize::MAX);
    Ok(match io.access {
        // What the buffer has no room for is cut off, as a transport does.
        Access::Read => Reply { medium: Medium::Read { offset }, ..Reply::moved(asked.min(c.data_in.len())) },
        // Blocks that were announced and not sent are no blocks to write.
        Access::Write if c.data_out.len() < asked => Reply::ended(Answer::DATA_PHASE_ERROR),
        Access::Write => Reply { medium: Medium::Write { offset }, ..Reply::moved(asked) },
    })
}

/// COMPARE AND WRITE (SBC-3 5.2): blocks to compare with, then as many to write.
pub(super) fn compare_and_write(p: Personality, c: &Arrived<'_>) -> Done {
    let asked = if p.has(Deviation::COMPARE_ONE) {
        CompareAndWrite::parse(&unprotected(c.cdb))?
    } else {
        CompareAndWrite::parse(c.cdb)?
    };
    if asked.blocks > max_compare_blocks(p, c.profile.block_size) {
        return Err(RequestError::CdbField { what: "NUMBER OF LOGICAL BLOCKS", byte: 13 });
    }
    if !asked.extent().fits(c.profile.blocks) {
        return Ok(Reply::ended(Answer::LBA_OUT_OF_RANGE));
    }
    let size = u64::from(c.profile.block_size);
    // Within the unit, and 64 KiB at the most.
    let offset = asked.lba.saturating_mul(size);
    let both = usize::try_from(2 * u64::from(asked.blocks) * size).unwrap_or(usize::MAX);
    if c.data_out.len() < both {
        let nothing = c.data_out.is_empty() && p.has(Deviation::COMPARE_LENGTH);
        return Ok(Reply::ended(if nothing {
            Answer::COMMUNICATION_FAILURE
        } else {
            Answer::DATA_PHASE_ERROR
        }));
    }
    Ok(Reply { medium: Medium::CompareAndWrite { offset }, ..Reply::moved(both) })
}

/// The command without its protection bits.
fn unprotected(cdb: &Cdb) -> Cdb {
    let Some(mut b) = cdb.as_bytes().first_chunk::<16>().copied() else { return *cdb };
    b[1] &= 0x1f;
    Cdb::new(b)
}

/// MAXIMUM COMPARE AND WRITE LENGTH (SBC-3 6.5.3): what one transfer holds twice, or one.
pub(super) fn max_compare_blocks(p: Personality, block_size: u32) -> u8 {
    if p.has(Deviation::COMPARE_ONE) {
        return 1;
    }
    let most = u32::try_from(MAX_TRANSFER / 2).unwrap_or(u32::MAX) / block_size.max(1);
    u8::try_from(most).unwrap_or(u8::MAX)
}

/// The file needs no flushing to be seen by other processes.
pub(super) fn synchronize(c: &Arrived<'_>) -> Done {
    let extent: Extent = SynchronizeCache::parse(c.cdb)?.extent;
    Ok(Reply::ended(if extent.fits(c.profile.blocks) { Answer::Good } else { Answer::LBA_OUT_OF_RANGE }))
}

pub(super) fn capacity(c: Arrived<'_>) -> Done {
    let last_lba = c.profile.blocks.saturating_sub(1);
    let block_len_bytes = c.profile.block_size;
    Ok(match ReadCapacity::parse(c.cdb)? {
        ReadCapacity::Ten => {
            let last_lba = u32::try_from(last_lba).unwrap_or(u32::MAX);
            let mut out = DataIn::new(c.data_in, usize::MAX);
            out.put(&Capacity10 { last_lba, block_len_bytes }.emit());
            out.reply()
        }
        ReadCapacity::Sixteen { allocation } => {
            let answer = Capacity16 {
                last_lba,
                block_len_bytes,
                blocks_per_physical_exponent: 0,
                lowest_aligned_lba: 0,
                thin: false,
                unmapped_read_zero: false,
            };
            let mut out = DataIn::new(c.data_in, usize::try_from(allocation).unwrap_or(usize::MAX));
            out.put(&answer.emit());
            out.reply()
        }
    })
}
