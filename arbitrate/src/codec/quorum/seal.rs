//! What every unit has: a name, a format version, the cluster's UUID, and a checksum over it all.
//!
//! ```text
//!   0  "PALISADE"   8  kind, 4 letters   12  version, 32 bits   16  UUID   32  body ...   4092  CRC-32C
//! ```

use super::{ClusterUuid, UNIT};
use crate::codec::DecodeError;
use crate::codec::bytes::{array, be32};

const MAGIC: [u8; 8] = *b"PALISADE";
const VERSION: u32 = 1;
const CHECKSUM_AT: usize = UNIT - 4;
/// Where a body begins.
pub(super) const BODY: usize = 32;

/// What a unit is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Kind {
    pub(super) letters: [u8; 4],
    pub(super) name: &'static str,
}

/// A unit after its seal was looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Opened<'a> {
    /// Nothing was ever written here.
    Blank,
    /// Whole; holds its UUID and the body behind it.
    Whole(ClusterUuid, &'a [u8]),
}

/// Makes a unit. A body that does not fit is cut: bodies are a few dozen bytes.
pub(super) fn seal(kind: Kind, uuid: ClusterUuid, body: &[u8]) -> [u8; UNIT] {
    let mut b = [0; UNIT];
    b[..8].copy_from_slice(&MAGIC);
    b[8..12].copy_from_slice(&kind.letters);
    b[12..16].copy_from_slice(&VERSION.to_be_bytes());
    b[16..BODY].copy_from_slice(&uuid.0);
    let n = body.len().min(CHECKSUM_AT - BODY);
    b[BODY..BODY + n].copy_from_slice(&body[..n]);
    let sum = crc32c(&b[..CHECKSUM_AT]);
    b[CHECKSUM_AT..].copy_from_slice(&sum.to_be_bytes());
    b
}

/// Looks at a unit's seal.
///
/// # Errors
/// [`DecodeError`] for a unit that is neither blank nor whole, or is of another kind or version.
pub(super) fn open<'a>(kind: Kind, b: &'a [u8]) -> Result<Opened<'a>, DecodeError> {
    let what = kind.name;
    let Some(unit) = b.first_chunk::<UNIT>() else {
        return Err(DecodeError::Short { what, have: b.len(), need: UNIT });
    };
    if unit.iter().all(|v| *v == 0) {
        return Ok(Opened::Blank);
    }
    let sum = be32(b, CHECKSUM_AT, what)?;
    let undefined = |value: u64| Err(DecodeError::Value { what, value });
    if array::<8>(b, 0, what)? != MAGIC || array::<4>(b, 8, what)? != kind.letters {
        return undefined(u64::from_be_bytes(array(b, 0, what)?));
    }
    if crc32c(&unit[..CHECKSUM_AT]) != sum {
        return undefined(u64::from(sum));
    }
    match be32(b, 12, what)? {
        VERSION => Ok(Opened::Whole(ClusterUuid(array(b, 16, what)?), &b[BODY..CHECKSUM_AT])),
        other => undefined(u64::from(other)),
    }
}

/// CRC-32C (Castagnoli), reflected, as in iSCSI (RFC 7143 13.1).
fn crc32c(b: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for v in b {
        crc = (crc >> 8) ^ TABLE[usize::from(crc.to_le_bytes()[0] ^ v)];
    }
    !crc
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    let mut first = 0_u32;
    while i < 256 {
        let (mut v, mut bit) = (first, 0);
        while bit < 8 {
            v = if v & 1 == 1 { (v >> 1) ^ 0x82f6_3b78 } else { v >> 1 };
            bit += 1;
        }
        table[i] = v;
        i += 1;
        first += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind { letters: *b"TEST", name: "test" };
    const OURS: ClusterUuid = ClusterUuid([7; 16]);

    #[test]
    fn a_body_too_long_is_cut_where_the_checksum_begins() {
        for len in [CHECKSUM_AT - BODY, CHECKSUM_AT - BODY + 1, 2 * UNIT] {
            let unit = seal(KIND, OURS, &vec![0xa5; len]);
            assert_eq!(open(KIND, &unit), Ok(Opened::Whole(OURS, &[0xa5; CHECKSUM_AT - BODY][..])));
        }
    }

    /// Whole by its checksum, and yet not ours: each of the two is enough.
    #[test]
    fn another_kind_and_another_format_are_both_refused() {
        let other = Kind { letters: *b"TSET", ..KIND };
        let mut unit = seal(other, OURS, &[]);
        let value = u64::from_be_bytes(MAGIC);
        assert_eq!(open(KIND, &unit), Err(DecodeError::Value { what: KIND.name, value }));
        unit = seal(KIND, OURS, &[]);
        unit[..8].copy_from_slice(b"PALACES!");
        let sum = crc32c(&unit[..CHECKSUM_AT]);
        unit[CHECKSUM_AT..].copy_from_slice(&sum.to_be_bytes());
        let value = u64::from_be_bytes(*b"PALACES!");
        assert_eq!(open(KIND, &unit), Err(DecodeError::Value { what: KIND.name, value }));
    }

    #[test]
    fn the_checksum_is_crc_32c() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283, "the check value of every catalogue");
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa, "RFC 7143 A.4");
    }
}
