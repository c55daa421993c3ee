//! Why a request does not decode, precise enough for a device server to choose its sense data.

use super::{Cdb, Sense, SenseKey};

/// What is wrong with a CDB or with its parameter list (SPC-4 4.2.5, SAM-5 5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The operation code is not in the table.
    #[error("operation code {0:#04x} is not supported")]
    OpCode(u8),
    /// The operation code asks for another length of CDB.
    #[error("{name}: a CDB of {have} bytes, {need} expected")]
    CdbLength {
        /// The command.
        name: &'static str,
        /// Bytes given.
        have: usize,
        /// Bytes the command has.
        need: usize,
    },
    /// A field of the CDB holds what cannot be.
    #[error("{what}: invalid field in CDB, byte {byte}")]
    CdbField {
        /// The field.
        what: &'static str,
        /// Where in the CDB.
        byte: u8,
    },
    /// The parameter list has a length its service action does not allow.
    #[error("parameter list of {have} bytes, {need} expected")]
    ListLength {
        /// Bytes announced or given.
        have: usize,
        /// Bytes needed.
        need: usize,
    },
    /// A field of the parameter list holds what cannot be.
    #[error("{what}: invalid field in parameter list, byte {byte}")]
    ListField {
        /// The field.
        what: &'static str,
        /// Where in the list.
        byte: usize,
    },
}

impl RequestError {
    /// The sense data a target ends such a command with.
    #[must_use]
    pub const fn sense(self) -> Sense {
        let (asc, ascq) = match self {
            Self::OpCode(_) => (0x20, 0x00),
            Self::CdbLength { .. } | Self::CdbField { .. } => (0x24, 0x00),
            Self::ListLength { .. } => (0x1a, 0x00),
            Self::ListField { .. } => (0x26, 0x00),
        };
        Sense::new(SenseKey::ILLEGAL_REQUEST, asc, ascq)
    }
}

/// The CDB's bytes, zero-padded to 16, once its operation code and length are those of `name`.
pub(crate) fn open<'a>(
    cdb: &'a Cdb,
    opcode: u8,
    len: usize,
    name: &'static str,
) -> Result<&'a [u8; 16], RequestError> {
    if cdb.opcode() != opcode {
        return Err(RequestError::OpCode(cdb.opcode()));
    }
    let have = cdb.as_bytes().len();
    if have == len { Ok(cdb.padded()) } else { Err(RequestError::CdbLength { name, have, need: len }) }
}
