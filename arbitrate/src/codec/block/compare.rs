//! COMPARE AND WRITE (SBC-3 5.2): the atomic test-and-set of blocks.

use super::Extent;
use crate::codec::opcode::COMPARE_AND_WRITE;
use crate::codec::request::open;
use crate::codec::{Cdb, RequestError};

/// COMPARE AND WRITE. Its data is `blocks` blocks to compare with, then `blocks` blocks to write.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CompareAndWrite {
    /// First block.
    pub lba: u64,
    /// Number of blocks; 0 compares and writes none.
    pub blocks: u8,
}

impl CompareAndWrite {
    const PROTECT: u8 = 0xe0;

    /// The CDB.
    #[must_use]
    pub const fn cdb(self) -> Cdb {
        let l = self.lba.to_be_bytes();
        Cdb::new([
            COMPARE_AND_WRITE,
            0,
            l[0],
            l[1],
            l[2],
            l[3],
            l[4],
            l[5],
            l[6],
            l[7],
            0,
            0,
            0,
            self.blocks,
            0,
            0,
        ])
    }

    /// Reads a CDB. DPO and FUA are passed over: nothing is cached between compare and write.
    ///
    /// # Errors
    /// [`RequestError`] for another command, and where protection information is asked for.
    pub fn parse(cdb: &Cdb) -> Result<Self, RequestError> {
        let b = open(cdb, COMPARE_AND_WRITE, 16, "COMPARE AND WRITE")?;
        if b[1] & Self::PROTECT != 0 {
            return Err(RequestError::CdbField { what: "WRPROTECT", byte: 1 });
        }
        let lba = u64::from_be_bytes([b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9]]);
        Ok(Self { lba, blocks: b[13] })
    }

    /// The blocks it covers.
    #[must_use]
    pub fn extent(self) -> Extent {
        Extent::Sixteen { lba: self.lba, blocks: u32::from(self.blocks) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_again_and_protection_is_refused() {
        let c = CompareAndWrite { lba: 0x0102_0304_0506_0708, blocks: 9 };
        #[rustfmt::skip]
        let b = [
            0x89, 0,                   // COMPARE AND WRITE, no protection
            1, 2, 3, 4, 5, 6, 7, 8,    // LOGICAL BLOCK ADDRESS
            0, 0, 0, 9,                // NUMBER OF LOGICAL BLOCKS
            0, 0,                      // GROUP NUMBER, CONTROL
        ];
        assert_eq!(c.cdb().as_bytes(), b);
        assert_eq!(CompareAndWrite::parse(&c.cdb()), Ok(c));
        let mut protected = b;
        protected[1] = 0x20;
        assert!(CompareAndWrite::parse(&Cdb::new(protected)).is_err());
        assert!(CompareAndWrite::parse(&Cdb::new([0; 16])).is_err());
    }
}
