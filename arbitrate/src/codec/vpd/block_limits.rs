//! Page B0h, Block Limits (SBC-3 6.5.3): the part that COMPARE AND WRITE needs.

use serde::Serialize;

use super::{emit_page, open_page};
use crate::codec::DecodeError;
use crate::codec::bytes::u8_at;
use crate::codec::inquiry::Peripheral;

/// Block Limits.
pub const PAGE_BLOCK_LIMITS: u8 = 0xb0;

/// Page B0h. All other limits are 0 where this writes it: none is reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct BlockLimits {
    /// What is there.
    pub peripheral: Peripheral,
    /// MAXIMUM COMPARE AND WRITE LENGTH in blocks; 0: the command is not there.
    pub max_compare_and_write_blocks: u8,
}

impl BlockLimits {
    const WHAT: &'static str = "VPD page b0h";
    const BODY: usize = 60;

    /// Reads an answer.
    ///
    /// # Errors
    /// [`DecodeError`] for another page or a cut one.
    pub fn parse(b: &[u8]) -> Result<Self, DecodeError> {
        let (peripheral, body) = open_page(b, PAGE_BLOCK_LIMITS, Self::WHAT)?;
        Ok(Self { peripheral, max_compare_and_write_blocks: u8_at(body, 1, Self::WHAT)? })
    }

    /// Writes the answer (the emulator's side).
    ///
    /// # Errors
    /// Never; as the other pages.
    pub fn emit(&self) -> Result<Vec<u8>, DecodeError> {
        let mut body = [0; Self::BODY];
        body[1] = self.max_compare_and_write_blocks;
        emit_page(self.peripheral, PAGE_BLOCK_LIMITS, &body, Self::WHAT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_again() {
        let limits = BlockLimits { peripheral: Peripheral::DISK, max_compare_and_write_blocks: 64 };
        let b = limits.emit().unwrap();
        assert_eq!((b.len(), &b[..6]), (64, &[0, 0xb0, 0, 60, 0, 64][..]));
        assert_eq!(BlockLimits::parse(&b), Ok(limits));
        assert!(matches!(BlockLimits::parse(&b[..63]), Err(DecodeError::Short { .. })));
    }
}
