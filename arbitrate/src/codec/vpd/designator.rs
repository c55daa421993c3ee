//! Designators of VPD page 83h (SPC-4 7.8.6.2).
//!
//! One that contradicts itself (a length its type cannot have, a text that is none) is kept raw as
//! [`DesignatorId::Other`]: a single bad designator must not hide the good ones beside it.

use std::fmt;

use serde::ser::{SerializeStruct, Serializer};
use serde::{Deserialize, Serialize};

use crate::codec::DecodeError;
use crate::codec::bytes::u8_at;
use crate::codec::text::{Text, write_hex, write_text};

/// What a designator names (SPC-4 table 588).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Association {
    /// The logical unit.
    LogicalUnit,
    /// The target port that answered.
    TargetPort,
    /// The target device.
    TargetDevice,
    /// Code 3.
    Reserved,
}

/// How the bytes are meant (SPC-4 table 587).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CodeSet {
    /// Numbers.
    Binary,
    /// Printable ASCII.
    Ascii,
    /// UTF-8.
    Utf8,
    /// Another code, 0 or 4 to 15.
    Other(u8),
}

/// NAA designators (SPC-4 7.8.6.6); the first half byte of the bytes is the kind.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Naa {
    /// 2: IEEE Extended.
    Extended([u8; 8]),
    /// 3: Locally Assigned, unique only where its assigner says so.
    Local([u8; 8]),
    /// 5: IEEE Registered.
    Registered([u8; 8]),
    /// 6: IEEE Registered Extended.
    RegisteredExtended([u8; 16]),
}

/// EUI-64 based designators of three lengths (SPC-4 7.8.6.5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Eui64 {
    /// EUI-64.
    Eight([u8; 8]),
    /// EUI-64 with a directory id.
    Twelve([u8; 12]),
    /// EUI-64 with an identifier extension.
    Sixteen([u8; 16]),
}

/// The name itself, by designator type (SPC-4 table 589).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum DesignatorId {
    /// 0h: the vendor's own.
    VendorSpecific(Vec<u8>),
    /// 1h: a vendor and what it likes to add.
    T10 {
        /// T10 VENDOR IDENTIFICATION.
        vendor: Text<8>,
        /// VENDOR SPECIFIC IDENTIFIER.
        specific: Vec<u8>,
    },
    /// 2h.
    Eui64(Eui64),
    /// 3h.
    Naa(Naa),
    /// 4h.
    RelativeTargetPort(u16),
    /// 5h.
    TargetPortGroup(u16),
    /// 6h.
    LogicalUnitGroup(u16),
    /// 7h.
    Md5([u8; 16]),
    /// 8h: an `eui.`, `naa.`, `iqn.` or `uuid` name.
    ScsiName(String),
    /// 9h: a USB or PCI Express address; says nothing without its protocol.
    ProtocolSpecificPort([u8; 8]),
    /// Ah.
    Uuid([u8; 16]),
    /// A type this list does not have, or bytes that are not what their type says.
    Other {
        /// DESIGNATOR TYPE.
        kind: u8,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

/// One designator.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Designator {
    /// What it names.
    pub association: Association,
    /// How the bytes are meant.
    pub code_set: CodeSet,
    /// The transport protocol it belongs to (PIV and PROTOCOL IDENTIFIER), for ports and devices.
    pub protocol: Option<u8>,
    /// The name.
    pub id: DesignatorId,
}

impl Designator {
    const WHAT: &'static str = "VPD page 83h designator";

    /// Reads the designator at the start of `b`; also says how many bytes it took.
    ///
    /// # Errors
    /// [`DecodeError::Short`] where it does not fit.
    pub fn parse(b: &[u8]) -> Result<(Self, usize), DecodeError> {
        let code_set = CodeSet::from_code(u8_at(b, 0, Self::WHAT)? & 0x0f);
        let flags = u8_at(b, 1, Self::WHAT)?;
        let used = 4 + usize::from(u8_at(b, 3, Self::WHAT)?);
        let body =
            b.get(4..used).ok_or(DecodeError::Short { what: Self::WHAT, have: b.len(), need: used })?;
        let kind = flags & 0x0f;
        let id = DesignatorId::known(kind, code_set, body)
            .unwrap_or_else(|| DesignatorId::Other { kind, bytes: body.to_vec() });
        let association = Association::from_code(flags >> 4);
        let protocol = (flags & 0x80 != 0).then_some(u8_at(b, 0, Self::WHAT)? >> 4);
        Ok((Self { association, code_set, protocol, id }, used))
    }

    /// Appends the bytes to `out` (the emulator's side).
    ///
    /// # Errors
    /// [`DecodeError::Length`] beyond 255 bytes.
    pub fn emit(&self, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let body = self.id.bytes();
        let len = u8::try_from(body.len())
            .map_err(|_| DecodeError::Length { what: Self::WHAT, claimed: body.len() })?;
        let protocol = self.protocol.map_or(0, |p| p << 4);
        let piv = u8::from(self.protocol.is_some()) << 7;
        out.extend_from_slice(&[
            protocol | self.code_set.code(),
            piv | (self.association.code() << 4) | self.id.kind(),
            0,
            len,
        ]);
        out.extend_from_slice(&body);
        Ok(())
    }
}

impl DesignatorId {
    /// `None` for what is not as its type demands.
    fn known(kind: u8, code_set: CodeSet, b: &[u8]) -> Option<Self> {
        let binary = code_set == CodeSet::Binary;
        Some(match kind {
            0 => Self::VendorSpecific(b.to_vec()),
            1 => {
                let (vendor, specific) = b.split_first_chunk::<8>()?;
                Self::T10 { vendor: Text::from_bytes(*vendor), specific: specific.to_vec() }
            }
            2 if binary => Self::Eui64(Eui64::from_bytes(b)?),
            3 if binary => Self::Naa(Naa::from_bytes(b)?),
            4 if binary => Self::RelativeTargetPort(low_half(b)?),
            5 if binary => Self::TargetPortGroup(low_half(b)?),
            6 if binary => Self::LogicalUnitGroup(low_half(b)?),
            7 if binary => Self::Md5(exactly(b)?),
            8 if code_set == CodeSet::Utf8 => {
                let end = b.iter().position(|c| *c == 0)?;
                let name = std::str::from_utf8(b.get(..end)?).ok()?;
                Self::ScsiName((!name.contains(char::is_control)).then(|| name.to_owned())?)
            }
            9 if binary => Self::ProtocolSpecificPort(exactly(b)?),
            0xa if binary => {
                let b = exactly::<18>(b)?;
                let (head, uuid) = b.split_first_chunk::<2>()?;
                // UUID TYPE 1 is the only one defined.
                if head[0] >> 4 == 1 { Self::Uuid(exactly(uuid)?) } else { return None }
            }
            _ => return None,
        })
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::VendorSpecific(_) => 0,
            Self::T10 { .. } => 1,
            Self::Eui64(_) => 2,
            Self::Naa(_) => 3,
            Self::RelativeTargetPort(_) => 4,
            Self::TargetPortGroup(_) => 5,
            Self::LogicalUnitGroup(_) => 6,
            Self::Md5(_) => 7,
            Self::ScsiName(_) => 8,
            Self::ProtocolSpecificPort(_) => 9,
            Self::Uuid(_) => 0xa,
            Self::Other { kind, .. } => *kind & 0x0f,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::VendorSpecific(b) | Self::Other { bytes: b, .. } => b.clone(),
            Self::T10 { vendor, specific } => [&vendor.as_bytes()[..], specific].concat(),
            Self::Eui64(e) => e.as_bytes().to_vec(),
            Self::Naa(n) => n.as_bytes().to_vec(),
            Self::RelativeTargetPort(v) | Self::TargetPortGroup(v) | Self::LogicalUnitGroup(v) => {
                [[0, 0], v.to_be_bytes()].concat()
            }
            Self::Md5(b) => b.to_vec(),
            Self::ScsiName(s) => {
                // Null-terminated, null-padded to a multiple of four (SPC-4 7.8.6.11).
                let mut b = s.as_bytes().to_vec();
                b.resize((b.len() + 1).next_multiple_of(4), 0);
                b
            }
            Self::ProtocolSpecificPort(b) => b.to_vec(),
            Self::Uuid(b) => [&[0x10, 0], &b[..]].concat(),
        }
    }

    /// The type's name, as in JSON.
    #[must_use]
    pub const fn kind_name(&self) -> &'static str {
        match self {
            Self::VendorSpecific(_) => "vendor-specific",
            Self::T10 { .. } => "t10",
            Self::Eui64(_) => "eui-64",
            Self::Naa(_) => "naa",
            Self::RelativeTargetPort(_) => "relative-target-port",
            Self::TargetPortGroup(_) => "target-port-group",
            Self::LogicalUnitGroup(_) => "logical-unit-group",
            Self::Md5(_) => "md5",
            Self::ScsiName(_) => "scsi-name",
            Self::ProtocolSpecificPort(_) => "protocol-specific-port",
            Self::Uuid(_) => "uuid",
            Self::Other { .. } => "other",
        }
    }
}

/// The name alone, the type told by its start: `naa.6001405...`, `eui.…`, `t10.…`, `port 1`.
impl fmt::Display for DesignatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |f: &mut fmt::Formatter<'_>, start: &str, b: &[u8]| {
            f.write_str(start)?;
            write_hex(b, f)
        };
        match self {
            Self::VendorSpecific(b) => hex(f, "vendor.", b),
            Self::T10 { vendor, specific } => {
                write!(f, "t10.{vendor}.")?;
                // LIO ends this field with a null. Other bytes that don't print must not all become one name.
                let end = specific.iter().rposition(|c| *c != 0).map_or(0, |i| i + 1);
                let text = specific.get(..end).unwrap_or_default();
                if text.iter().all(|c| c.is_ascii_graphic() || *c == b' ') {
                    write_text(text, f)
                } else {
                    hex(f, "0x", specific)
                }
            }
            Self::Eui64(e) => hex(f, "eui.", e.as_bytes()),
            Self::Naa(n) => hex(f, "naa.", n.as_bytes()),
            Self::RelativeTargetPort(n) => write!(f, "port {n}"),
            Self::TargetPortGroup(n) => write!(f, "port group {n}"),
            Self::LogicalUnitGroup(n) => write!(f, "logical unit group {n}"),
            Self::Md5(b) => hex(f, "md5.", b),
            Self::ScsiName(s) => {
                s.chars().try_for_each(|c| fmt::Write::write_char(f, if c.is_control() { '?' } else { c }))
            }
            Self::ProtocolSpecificPort(b) => hex(f, "port ", b),
            Self::Uuid(b) => {
                f.write_str("uuid.")?;
                for (i, part) in [&b[..4], &b[4..6], &b[6..8], &b[8..10], &b[10..]].iter().enumerate() {
                    hex(f, if i == 0 { "" } else { "-" }, part)?;
                }
                Ok(())
            }
            Self::Other { kind, bytes } => hex(f, &format!("type {kind:x}h "), bytes),
        }
    }
}

impl fmt::Display for Designator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

impl Serialize for Designator {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut out = s.serialize_struct("Designator", 4)?;
        out.serialize_field("association", &self.association)?;
        out.serialize_field("type", self.id.kind_name())?;
        out.serialize_field("protocol", &self.protocol)?;
        out.serialize_field("value", &format_args!("{}", self.id))?;
        out.end()
    }
}

impl Association {
    const fn from_code(v: u8) -> Self {
        match v & 3 {
            0 => Self::LogicalUnit,
            1 => Self::TargetPort,
            2 => Self::TargetDevice,
            _ => Self::Reserved,
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::LogicalUnit => 0,
            Self::TargetPort => 1,
            Self::TargetDevice => 2,
            Self::Reserved => 3,
        }
    }
}

impl CodeSet {
    const fn from_code(v: u8) -> Self {
        match v {
            1 => Self::Binary,
            2 => Self::Ascii,
            3 => Self::Utf8,
            v => Self::Other(v),
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Binary => 1,
            Self::Ascii => 2,
            Self::Utf8 => 3,
            Self::Other(v) => v & 0x0f,
        }
    }
}

impl Naa {
    /// By the first half byte; `None` for another kind or length.
    #[must_use]
    pub fn from_bytes(b: &[u8]) -> Option<Self> {
        match b.first()? >> 4 {
            2 => exactly(b).map(Self::Extended),
            3 => exactly(b).map(Self::Local),
            5 => exactly(b).map(Self::Registered),
            6 => exactly(b).map(Self::RegisteredExtended),
            _ => None,
        }
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Extended(b) | Self::Local(b) | Self::Registered(b) => b,
            Self::RegisteredExtended(b) => b,
        }
    }
}

impl Eui64 {
    /// By length; `None` for another than 8, 12 or 16.
    #[must_use]
    pub fn from_bytes(b: &[u8]) -> Option<Self> {
        match b.len() {
            8 => exactly(b).map(Self::Eight),
            12 => exactly(b).map(Self::Twelve),
            _ => exactly(b).map(Self::Sixteen),
        }
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Eight(b) => b,
            Self::Twelve(b) => b,
            Self::Sixteen(b) => b,
        }
    }
}

fn exactly<const N: usize>(b: &[u8]) -> Option<[u8; N]> {
    b.try_into().ok()
}

/// The 16 bits behind two reserved bytes.
fn low_half(b: &[u8]) -> Option<u16> {
    exactly::<4>(b).map(|[_, _, hi, lo]| u16::from_be_bytes([hi, lo]))
}
