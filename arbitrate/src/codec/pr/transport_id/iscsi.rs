//! The iSCSI TransportID (SPC-4 7.6.4.6): a text of variable length.

use std::fmt;

use super::{ISCSI, TransportId};
use crate::codec::DecodeError;
use crate::codec::bytes::be16;

/// An iSCSI name: 1 to 223 bytes of UTF-8 without commas, spaces and control characters (RFC 7143 4.2.7).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IscsiName(String);

/// The first 1 to 11 hex digits of a session identifier.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CutIsid(String);

const SEPARATOR: &str = ",i,0x";
const NAME_MAX: usize = 223;
/// A name, the separator, 12 digits and a null, padded to a multiple of 4.
const ADDITIONAL_MAX: usize = (NAME_MAX + 5 + 12 + 1).next_multiple_of(4);
const ADDITIONAL_MIN: usize = 20;

impl IscsiName {
    /// `None` for what is not a name.
    #[must_use]
    pub fn new(s: &str) -> Option<Self> {
        let sound = (1..=NAME_MAX).contains(&s.len())
            && !s.contains(|c: char| c.is_control() || c.is_whitespace() || c == ',');
        sound.then(|| Self(s.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it begins as RFC 7143 says, and so needs no `iscsi:` before it.
    pub(super) fn is_regular(s: &str) -> bool {
        ["iqn.", "eui.", "naa."].iter().any(|start| s.starts_with(start))
    }
}

impl CutIsid {
    /// `None` unless 1 to 11 lower-case hex digits.
    #[must_use]
    pub fn new(s: &str) -> Option<Self> {
        let digit = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        ((1..12).contains(&s.len()) && s.bytes().all(digit)).then(|| Self(s.to_owned()))
    }
}

impl fmt::Display for IscsiName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for CutIsid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Bytes of the whole TransportID, by its ADDITIONAL LENGTH.
pub(super) fn total_len(b: &[u8]) -> Result<usize, DecodeError> {
    let additional = usize::from(be16(b, 2, TransportId::WHAT)?);
    if !(ADDITIONAL_MIN..=ADDITIONAL_MAX).contains(&additional) || additional % 4 != 0 {
        return Err(DecodeError::Length { what: "iSCSI TransportID", claimed: additional });
    }
    Ok(4 + additional)
}

/// Reads what stands behind the header; `None` for what is no name or session identifier.
pub(super) fn read(format: u8, body: &[u8]) -> Option<TransportId> {
    // SPC-4 has `name,i,0xISID` and then a null; LIO sends a null behind the name, too, and 6 digits.
    let (first, rest) = until_null(body)?;
    if format == 0 {
        return Some(TransportId::Iscsi { name: IscsiName::new(first)?, isid: None });
    }
    let (name, digits) = match first.split_once(SEPARATOR) {
        Some(parts) => parts,
        None => (first, until_null(rest)?.0.strip_prefix(SEPARATOR)?),
    };
    let name = IscsiName::new(name)?;
    match isid_of(digits) {
        Some(isid) => Some(TransportId::Iscsi { name, isid: Some(isid) }),
        None => Some(TransportId::IscsiCut { name, isid: CutIsid::new(&digits.to_ascii_lowercase())? }),
    }
}

/// Exactly 12 hex digits.
pub(super) fn isid_of(digits: &str) -> Option<[u8; 6]> {
    if digits.len() != 12 || !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    let [_, _, isid @ ..] = u64::from_str_radix(digits, 16).ok()?.to_be_bytes();
    Some(isid)
}

pub(super) fn emit(name: &IscsiName, isid: Option<[u8; 6]>) -> Vec<u8> {
    match isid {
        None => build(0, name.0.as_bytes()),
        Some(isid) => build(1, format!("{name}{SEPARATOR}{}", Isid(isid)).as_bytes()),
    }
}

/// As the target sent it: its own TransportID is what it compares with.
pub(super) fn emit_cut(name: &IscsiName, isid: &CutIsid) -> Vec<u8> {
    build(1, format!("{name}\0{SEPARATOR}{isid}").as_bytes())
}

fn build(format: u8, text: &[u8]) -> Vec<u8> {
    // At least one null behind the text, then a multiple of four, at least 20.
    let additional = (text.len() + 1).next_multiple_of(4).max(ADDITIONAL_MIN);
    debug_assert!(additional <= ADDITIONAL_MAX, "IscsiName and CutIsid bound it");
    let [hi, lo] = u16::try_from(additional).unwrap_or(u16::MAX).to_be_bytes();
    let mut b = vec![(format << 6) | ISCSI, 0, hi, lo];
    b.extend_from_slice(text);
    b.resize(4 + additional, 0);
    b
}

/// The text up to the first null, and what stands behind that; `None` without a null or for no text.
fn until_null(b: &[u8]) -> Option<(&str, &[u8])> {
    let end = b.iter().position(|c| *c == 0)?;
    Some((std::str::from_utf8(b.get(..end)?).ok()?, b.get(end + 1..)?))
}

pub(super) struct Isid(pub(super) [u8; 6]);

impl fmt::Display for Isid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::codec::text::write_hex(&self.0, f)
    }
}
