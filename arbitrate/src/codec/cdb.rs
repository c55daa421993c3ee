//! A command descriptor block: 6, 10, 12 or 16 bytes (SPC-4 4.2.5).

use std::fmt;

use super::DecodeError;

/// The bytes of one command.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cdb {
    bytes: [u8; 16],
    len: u8,
}

impl Cdb {
    /// A CDB of `N` bytes.
    #[must_use]
    pub const fn new<const N: usize>(b: [u8; N]) -> Self {
        const { assert!(N == 6 || N == 10 || N == 12 || N == 16) };
        let mut bytes = [0; 16];
        let mut i = 0;
        while i < N {
            bytes[i] = b[i];
            i += 1;
        }
        #[allow(clippy::cast_possible_truncation, reason = "N is at most 16, asserted above")]
        Self { bytes, len: N as u8 }
    }

    /// Takes foreign bytes, as `raw` does.
    ///
    /// # Errors
    /// [`DecodeError::Length`] unless 6, 10, 12 or 16 bytes.
    pub fn from_slice(b: &[u8]) -> Result<Self, DecodeError> {
        match b.len() {
            6 | 10 | 12 | 16 => {
                let mut bytes = [0; 16];
                bytes[..b.len()].copy_from_slice(b);
                #[allow(clippy::cast_possible_truncation, reason = "at most 16, matched above")]
                Ok(Self { bytes, len: b.len() as u8 })
            }
            n => Err(DecodeError::Length { what: "CDB", claimed: n }),
        }
    }

    /// The bytes as they are sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The bytes with zeros behind them, so that decoders read fields at fixed places without checks.
    pub(crate) const fn padded(&self) -> &[u8; 16] {
        &self.bytes
    }

    /// The operation code.
    #[must_use]
    pub const fn opcode(&self) -> u8 {
        self.bytes[0]
    }

    /// The service action of opcodes that have one in byte 1.
    #[must_use]
    pub const fn service_action(&self) -> u8 {
        self.bytes[1] & 0x1f
    }
}

impl fmt::Debug for Cdb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, b) in self.as_bytes().iter().enumerate() {
            let gap = if i == 0 { "" } else { " " };
            write!(f, "{gap}{b:02x}")?;
        }
        Ok(())
    }
}
