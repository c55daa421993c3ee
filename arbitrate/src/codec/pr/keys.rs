//! READ KEYS (SPC-4 6.15.2).

use super::types::{Generation, InAction};
use crate::codec::bytes::be32;
use crate::codec::{Cdb, DecodeError};
use crate::key::Key;

/// READ KEYS with room for `allocation` bytes of answer.
#[must_use]
pub const fn read_keys_cdb(allocation: u16) -> Cdb {
    super::pr_in_cdb(InAction::ReadKeys, allocation)
}

/// A READ KEYS answer, borrowed: no allocation, so that a defender's tick may use it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeysView<'a> {
    generation: Generation,
    keys: &'a [[u8; 8]],
    claimed: usize,
}

impl<'a> KeysView<'a> {
    const WHAT: &'static str = "READ KEYS data";

    /// Views `b`, the bytes the target really returned.
    ///
    /// # Errors
    /// [`DecodeError`] where the header is cut off or the claimed length is no multiple of 8.
    pub fn parse(b: &'a [u8]) -> Result<Self, DecodeError> {
        let generation = Generation(be32(b, 0, Self::WHAT)?);
        let additional = be32(b, 4, Self::WHAT)?;
        let claimed = usize::try_from(additional).unwrap_or(usize::MAX);
        if claimed % 8 != 0 {
            return Err(DecodeError::Length { what: Self::WHAT, claimed });
        }
        let body = &b[8..];
        let (keys, _) = body[..body.len().min(claimed)].as_chunks::<8>();
        Ok(Self { generation, keys, claimed: claimed / 8 })
    }

    /// PRGENERATION when the answer was made.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// The keys present in the bytes; a key registered on several nexuses stands several times.
    pub fn iter(&self) -> impl Iterator<Item = Key> + Clone + 'a {
        self.keys.iter().map(|b| Key::from_u64(u64::from_be_bytes(*b)))
    }

    /// Whether `key` is among them.
    #[must_use]
    pub fn contains(&self, key: Key) -> bool {
        self.iter().any(|k| k == key)
    }

    /// Keys present in the bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key is registered.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.claimed == 0
    }

    /// Bytes needed for the whole answer, if this one was cut; then nothing may be concluded from a
    /// key's absence and the command is repeated with that allocation length.
    #[must_use]
    pub const fn truncated(&self) -> Option<usize> {
        if self.keys.len() < self.claimed { Some(8 + 8 * self.claimed) } else { None }
    }

    /// Writes a READ KEYS answer for `keys` into a new buffer (the emulator's side).
    #[must_use]
    pub fn emit(generation: Generation, keys: &[Key]) -> Vec<u8> {
        let mut b = Vec::with_capacity(8 + keys.len() * 8);
        b.extend_from_slice(&generation.0.to_be_bytes());
        let additional = u32::try_from(keys.len() * 8).unwrap_or(u32::MAX - 7);
        b.extend_from_slice(&additional.to_be_bytes());
        for k in keys {
            b.extend_from_slice(&k.as_u64().to_be_bytes());
        }
        b
    }
}
