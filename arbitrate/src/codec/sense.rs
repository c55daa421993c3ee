//! Sense data, fixed and descriptor format (SPC-4 4.5).

use std::fmt;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::bytes::u8_at;
use super::{DecodeError, asc};

/// The sense key (SPC-4 4.5.6): what kind of thing happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SenseKey(pub u8);

impl SenseKey {
    /// Nothing to tell.
    pub const NO_SENSE: Self = Self(0x0);
    /// Succeeded with a recovery.
    pub const RECOVERED_ERROR: Self = Self(0x1);
    /// The logical unit cannot be reached now.
    pub const NOT_READY: Self = Self(0x2);
    /// The medium is flawed.
    pub const MEDIUM_ERROR: Self = Self(0x3);
    /// The hardware failed.
    pub const HARDWARE_ERROR: Self = Self(0x4);
    /// The target does not accept the command or a field of it.
    pub const ILLEGAL_REQUEST: Self = Self(0x5);
    /// Something happened since the last command of this nexus; the command was not executed.
    pub const UNIT_ATTENTION: Self = Self(0x6);
    /// The data may not be touched.
    pub const DATA_PROTECT: Self = Self(0x7);
    /// The target aborted the command.
    pub const ABORTED_COMMAND: Self = Self(0xb);
    /// COMPARE AND WRITE found something else.
    pub const MISCOMPARE: Self = Self(0xe);

    /// The standard's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            0x0 => "NO SENSE",
            0x1 => "RECOVERED ERROR",
            0x2 => "NOT READY",
            0x3 => "MEDIUM ERROR",
            0x4 => "HARDWARE ERROR",
            0x5 => "ILLEGAL REQUEST",
            0x6 => "UNIT ATTENTION",
            0x7 => "DATA PROTECT",
            0x8 => "BLANK CHECK",
            0x9 => "VENDOR SPECIFIC",
            0xa => "COPY ABORTED",
            0xb => "ABORTED COMMAND",
            0xd => "VOLUME OVERFLOW",
            0xe => "MISCOMPARE",
            0xf => "COMPLETED",
            _ => "RESERVED",
        }
    }
}

impl fmt::Display for SenseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for SenseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Sense data, the part this project acts on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Sense {
    /// The kind.
    pub key: SenseKey,
    /// Additional sense code.
    pub asc: u8,
    /// Additional sense code qualifier.
    pub ascq: u8,
    /// Whether it reports an earlier command (response codes 71h and 73h).
    pub deferred: bool,
}

impl Sense {
    /// Current sense data.
    #[must_use]
    pub const fn new(key: SenseKey, asc: u8, ascq: u8) -> Self {
        Self { key, asc, ascq, deferred: false }
    }

    /// Reads either format (SPC-4 4.5.2, 4.5.3).
    ///
    /// # Errors
    /// [`DecodeError`] for no bytes, an undefined response code, or a fixed format cut before its key.
    pub fn parse(b: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "sense data";
        let code = u8_at(b, 0, WHAT)? & 0x7f;
        let deferred = code & 1 == 1;
        match code {
            0x70 | 0x71 => {
                let key = SenseKey(u8_at(b, 2, WHAT)? & 0x0f);
                // A short fixed format has no ASC: that is "no additional information" (SPC-4 4.5.3).
                let extra = usize::from(b.get(7).copied().unwrap_or(0));
                let have = |at: usize| if at < 8 + extra { b.get(at).copied().unwrap_or(0) } else { 0 };
                Ok(Self { key, asc: have(12), ascq: have(13), deferred })
            }
            0x72 | 0x73 => Ok(Self {
                key: SenseKey(u8_at(b, 1, WHAT)? & 0x0f),
                asc: u8_at(b, 2, WHAT)?,
                ascq: u8_at(b, 3, WHAT)?,
                deferred,
            }),
            v => Err(DecodeError::Value { what: "sense response code", value: u64::from(v) }),
        }
    }

    /// What the additional sense code says, in T10's words; `None` for a code without any.
    #[must_use]
    pub fn text(&self) -> Option<&'static str> {
        asc::text(self.asc, self.ascq)
    }

    /// Fixed format, 18 bytes (SPC-4 4.5.3).
    #[must_use]
    pub const fn emit_fixed(&self) -> [u8; 18] {
        let mut b = [0; 18];
        b[0] = if self.deferred { 0x71 } else { 0x70 };
        b[2] = self.key.0;
        b[7] = 10;
        b[12] = self.asc;
        b[13] = self.ascq;
        b
    }

    /// Descriptor format without descriptors, 8 bytes (SPC-4 4.5.2).
    #[must_use]
    pub const fn emit_descriptor(&self) -> [u8; 8] {
        let code = if self.deferred { 0x73 } else { 0x72 };
        [code, self.key.0, self.asc, self.ascq, 0, 0, 0, 0]
    }
}

/// `UNIT ATTENTION, RESERVATIONS PREEMPTED (2a/03)`; a code without words prints as its numbers.
impl fmt::Display for Sense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.deferred {
            f.write_str("deferred: ")?;
        }
        let words = self.text().unwrap_or("unknown additional sense code");
        write!(f, "{}, {words} ({:02x}/{:02x})", self.key, self.asc, self.ascq)
    }
}

/// The words beside the numbers, so that a reader of the JSON needs no table.
impl Serialize for Sense {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut out = s.serialize_struct("Sense", 5)?;
        out.serialize_field("key", self.key.name())?;
        out.serialize_field("asc", &format_args!("{:02x}", self.asc))?;
        out.serialize_field("ascq", &format_args!("{:02x}", self.ascq))?;
        out.serialize_field("text", &self.text())?;
        out.serialize_field("deferred", &self.deferred)?;
        out.end()
    }
}
