//! What can be wrong with bytes.

/// Why bytes do not decode. Says what was being read, so that the message stands alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Fewer bytes than the fixed part of the structure.
    #[error("{what}: {have} bytes, at least {need} needed")]
    Short {
        /// The structure.
        what: &'static str,
        /// Bytes given.
        have: usize,
        /// Bytes needed.
        need: usize,
    },
    /// A length inside the data contradicts the data or the standard.
    #[error("{what}: claims a length of {claimed}, which cannot be")]
    Length {
        /// The structure.
        what: &'static str,
        /// The claimed length in bytes.
        claimed: usize,
    },
    /// A field holds a value the standard does not define.
    #[error("{what}: undefined value {value:#x}")]
    Value {
        /// The field.
        what: &'static str,
        /// What it held.
        value: u64,
    },
}
