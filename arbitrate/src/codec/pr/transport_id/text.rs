//! TransportIDs as people write them; the table is on [`super`]'s page.

use std::fmt;
use std::str::FromStr;

use super::iscsi::{CutIsid, IscsiName, Isid, isid_of};
use super::{RawTransportId, TransportId};
use crate::codec::text::write_hex;

/// A text that is no TransportID. Says what was wrong with it and shows one that is right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportIdError {
    /// It begins like none of them.
    #[error(
        "'{0}' is not a TransportID: write iqn.2026-11.lab:n1, iqn.2026-11.lab:n1,i,0x00023d000001, \
         sas:5000c500a1b2c3d4, fcp:10000090fa123456, srp:<32 hex digits>, spi:7.1, sop:0100 or \
         sbp:<16 hex digits>"
    )]
    Unknown(String),
    /// The name of the initiator cannot be one.
    #[error(
        "'{0}' is not an iSCSI name: 1 to 223 bytes without comma, space or control character, such as \
         iqn.2026-11.lab:n1"
    )]
    Name(String),
    /// What follows the name's comma is no session identifier.
    #[error(
        "'{0}' does not end in an iSCSI session identifier: write ,i,0x and 12 hex digits behind the name, \
         such as iqn.2026-11.lab:n1,i,0x00023d000001"
    )]
    Isid(String),
    /// Another number of hex digits, or something else among them.
    #[error("'{text}' does not have {digits} hex digits behind its colon, as in {example}")]
    Hex {
        /// What was written.
        text: String,
        /// How many digits it takes.
        digits: usize,
        /// One that is right.
        example: &'static str,
    },
    /// Not two decimal numbers.
    #[error("'{0}' is not an address and a port, both 0 to 65535, as in spi:7.1")]
    Spi(String),
    /// The bytes are no TransportID.
    #[error("'{0}' does not hold the bytes of one whole TransportID (SPC-4 7.6.4) in hex")]
    Raw(String),
}

impl fmt::Display for TransportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |f: &mut fmt::Formatter<'_>, start: &str, b: &[u8]| {
            f.write_str(start)?;
            write_hex(b, f)
        };
        let named = |f: &mut fmt::Formatter<'_>, name: &IscsiName| {
            let start = if IscsiName::is_regular(name.as_str()) { "" } else { "iscsi:" };
            write!(f, "{start}{name}")
        };
        match self {
            Self::Fcp { port_name } => hex(f, "fcp:", port_name),
            Self::Spi { address, relative_port } => write!(f, "spi:{address}.{relative_port}"),
            Self::Sbp { eui64 } => hex(f, "sbp:", eui64),
            Self::Srp { port_id } => hex(f, "srp:", port_id),
            Self::Iscsi { name, isid } => {
                named(f, name)?;
                isid.map_or(Ok(()), |isid| write!(f, ",i,0x{}", Isid(isid)))
            }
            Self::IscsiCut { name, isid } => {
                named(f, name)?;
                write!(f, ",i,0x{isid}...")
            }
            Self::Sas { address } => hex(f, "sas:", address),
            Self::Sop { routing_id } => write!(f, "sop:{routing_id:04x}"),
            Self::Other(RawTransportId(b)) => hex(f, "raw:", b),
        }
    }
}

impl FromStr for TransportId {
    type Err = TransportIdError;

    fn from_str(s: &str) -> Result<Self, TransportIdError> {
        if IscsiName::is_regular(s) {
            return iscsi(s, s);
        }
        match s.split_once(':') {
            Some(("iscsi", rest)) => iscsi(s, rest),
            Some(("fcp", rest)) => {
                hex(s, rest, "fcp:10000090fa123456").map(|port_name| Self::Fcp { port_name })
            }
            Some(("sas", rest)) => hex(s, rest, "sas:5000c500a1b2c3d4").map(|address| Self::Sas { address }),
            Some(("sbp", rest)) => hex(s, rest, "sbp:0010c60000123456").map(|eui64| Self::Sbp { eui64 }),
            Some(("srp", rest)) => {
                hex(s, rest, "srp:fe80000000000000000002c903001234").map(|port_id| Self::Srp { port_id })
            }
            Some(("sop", rest)) => {
                hex(s, rest, "sop:0100").map(|b| Self::Sop { routing_id: u16::from_be_bytes(b) })
            }
            Some(("spi", rest)) => rest
                .split_once('.')
                .and_then(|(a, p)| Some(Self::Spi { address: decimal(a)?, relative_port: decimal(p)? }))
                .ok_or_else(|| TransportIdError::Spi(s.to_owned())),
            Some(("raw", rest)) => bytes(rest)
                .and_then(|b| Self::parse_all(&b).ok())
                .ok_or_else(|| TransportIdError::Raw(s.to_owned())),
            _ => Err(TransportIdError::Unknown(s.to_owned())),
        }
    }
}

/// `whole` is for the message.
fn iscsi(whole: &str, s: &str) -> Result<TransportId, TransportIdError> {
    let (name, isid) = match s.split_once(',') {
        None => (s, None),
        Some((name, rest)) => {
            let digits = rest.strip_prefix("i,0x").ok_or_else(|| TransportIdError::Isid(whole.to_owned()))?;
            (name, Some(digits))
        }
    };
    let name = IscsiName::new(name).ok_or_else(|| TransportIdError::Name(name.to_owned()))?;
    let Some(digits) = isid else { return Ok(TransportId::Iscsi { name, isid: None }) };
    if let Some(cut) = digits.strip_suffix("...").and_then(CutIsid::new) {
        return Ok(TransportId::IscsiCut { name, isid: cut });
    }
    let isid = isid_of(digits).ok_or_else(|| TransportIdError::Isid(whole.to_owned()))?;
    Ok(TransportId::Iscsi { name, isid: Some(isid) })
}

fn hex<const N: usize>(text: &str, rest: &str, example: &'static str) -> Result<[u8; N], TransportIdError> {
    bytes(rest).and_then(|b| b.try_into().ok()).ok_or_else(|| TransportIdError::Hex {
        text: text.to_owned(),
        digits: 2 * N,
        example,
    })
}

/// Hex digits, in pairs; `0x` in front and colons between the pairs are common and harmless.
fn bytes(s: &str) -> Option<Vec<u8>> {
    let s = s.strip_prefix("0x").unwrap_or(s);
    if s.is_empty() {
        return None;
    }
    if s.contains(':') {
        return s.split(':').map(byte).collect();
    }
    let (pairs, rest) = s.as_bytes().as_chunks::<2>();
    if rest.is_empty() { pairs.iter().map(|p| byte(std::str::from_utf8(p).ok()?)).collect() } else { None }
}

/// Two hex digits: a sign, which `from_str_radix` would take, is none.
fn byte(s: &str) -> Option<u8> {
    if s.len() == 2 && s.bytes().all(|c| c.is_ascii_hexdigit()) {
        u8::from_str_radix(s, 16).ok()
    } else {
        None
    }
}

/// Digits alone, as they are printed.
fn decimal(s: &str) -> Option<u16> {
    if s.bytes().all(|c| c.is_ascii_digit()) { s.parse().ok() } else { None }
}
