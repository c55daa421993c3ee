//! Checked big-endian reads shared by all decoders.

use super::DecodeError;

/// `N` bytes at `at`, or a typed error.
pub(crate) fn array<const N: usize>(b: &[u8], at: usize, what: &'static str) -> Result<[u8; N], DecodeError> {
    b.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().ok_or(DecodeError::Short {
        what,
        have: b.len(),
        need: at.saturating_add(N),
    })
}

pub(crate) fn u8_at(b: &[u8], at: usize, what: &'static str) -> Result<u8, DecodeError> {
    array::<1>(b, at, what).map(|[v]| v)
}

pub(crate) fn be16(b: &[u8], at: usize, what: &'static str) -> Result<u16, DecodeError> {
    array(b, at, what).map(u16::from_be_bytes)
}

pub(crate) fn be32(b: &[u8], at: usize, what: &'static str) -> Result<u32, DecodeError> {
    array(b, at, what).map(u32::from_be_bytes)
}

pub(crate) fn be64(b: &[u8], at: usize, what: &'static str) -> Result<u64, DecodeError> {
    array(b, at, what).map(u64::from_be_bytes)
}
