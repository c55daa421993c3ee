//! The lines of a recording, schema 1.
//!
//! | kind | says |
//! |---|---|
//! | `nexus` | a device was opened: its name stands for it in the lines that follow |
//! | `command` | a command and its answer |
//! | `reset` | a reset and its end |
//!
//! Bytes are hex digits. `at_ns` is CLOCK_BOOTTIME when the command was issued. A reader refuses what it
//! does not know: a field it cannot read may be what matters.

use serde::{Deserialize, Serialize};

use crate::codec::Cdb;
use crate::device::{self, ResetError, ResetScope};

/// Version of the lines.
pub const SCHEMA: u32 = 1;

/// One line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    /// A device was opened.
    Nexus(NexusLine),
    /// A command and its answer.
    Command(Command),
    /// A reset and its end.
    Reset(Reset),
}

/// A device was opened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NexusLine {
    /// Its name.
    pub nexus: String,
    /// Its TransportID, raw, where the system tells it.
    #[serde(with = "maybe_hex")]
    pub transport_id: Option<Vec<u8>>,
    /// When.
    pub at_ns: u64,
}

/// A command and its answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// By which nexus.
    pub nexus: String,
    /// When it was issued.
    pub at_ns: u64,
    /// The command: 6, 10, 12 or 16 bytes.
    #[serde(with = "hex")]
    pub cdb: Vec<u8>,
    /// Data sent.
    #[serde(with = "hex")]
    pub out: Vec<u8>,
    /// Room for data in, in bytes.
    pub room: usize,
    /// What came back.
    pub answer: Answer,
    /// From issue to end.
    pub us: u64,
}

/// What came back, all four layers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Which layer ended it.
    pub delivery: Delivery,
    /// The SCSI status, if the target answered.
    pub status: Option<u8>,
    /// Linux host byte.
    pub host: u16,
    /// Linux driver byte.
    pub driver: u16,
    /// errno.
    pub errno: i32,
    /// Sense data.
    #[serde(with = "hex")]
    pub sense: Vec<u8>,
    /// Data received.
    #[serde(with = "hex")]
    pub data: Vec<u8>,
    /// Bytes that were not transferred.
    pub residual: u32,
}

/// Which layer ended a command; see [`device::Delivery`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// The target answered.
    Answered,
    /// Nothing was sent.
    NotSent,
    /// The transport failed.
    Lost,
    /// No answer by the deadline.
    Outstanding,
    /// No thread was left to send it.
    DeviceLost,
}

/// A reset and its end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    /// By which nexus.
    pub nexus: String,
    /// When it was asked for.
    pub at_ns: u64,
    /// What was to be reset.
    pub scope: Scope,
    /// Whether a larger scope was allowed.
    pub escalate: bool,
    /// How it ended.
    pub end: ResetEnd,
    /// From asking to end.
    pub us: u64,
}

/// What a reset covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The logical unit.
    Lun,
    /// The target.
    Target,
    /// The bus.
    Bus,
    /// The host adapter.
    Host,
}

/// How a reset ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResetEnd {
    /// Done.
    Done,
    /// The transport does not offer the scope.
    Unsupported,
    /// It failed, with this errno.
    Failed(i32),
    /// It had not ended at its deadline.
    Outstanding,
}

/// Why a line is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LineError {
    /// Cut in the middle, or never JSON.
    #[error("it is cut off or no JSON: {0}")]
    Json(String),
    /// JSON, but no line of a recording.
    #[error("it is no line of a recording: {0}")]
    Shape(String),
    /// Another version.
    #[error("it is of schema {0}; this program reads schema {SCHEMA}")]
    Version(u64),
    /// A CDB of another length than commands have.
    #[error("its CDB has {0} bytes; commands have 6, 10, 12 or 16")]
    Cdb(usize),
    /// More data than a command moves.
    #[error("it moves {0} bytes; a command moves {max} at the most", max = device::MAX_TRANSFER)]
    TooLong(usize),
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
enum Body<'a> {
    Nexus(&'a NexusLine),
    Command(&'a Command),
    Reset(&'a Reset),
}

#[derive(Serialize)]
struct Versioned<'a> {
    schema: u32,
    #[serde(flatten)]
    body: Body<'a>,
}

impl Serialize for Line {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let body = match self {
            Self::Nexus(n) => Body::Nexus(n),
            Self::Command(c) => Body::Command(c),
            Self::Reset(r) => Body::Reset(r),
        };
        Versioned { schema: SCHEMA, body }.serialize(s)
    }
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// [`LineError`].
    pub fn parse(text: &str) -> Result<Self, LineError> {
        let shape = |e: serde_json::Error| LineError::Shape(e.to_string());
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|e| LineError::Json(e.to_string()))?;
        let serde_json::Value::Object(mut fields) = value else {
            return Err(LineError::Shape("not an object".to_owned()));
        };
        match fields.remove("schema").and_then(|v| v.as_u64()) {
            Some(v) if v == u64::from(SCHEMA) => {}
            Some(v) => return Err(LineError::Version(v)),
            None => return Err(LineError::Shape("it has no schema number".to_owned())),
        }
        let kind = fields.remove("kind");
        let body = serde_json::Value::Object(fields);
        match kind.as_ref().and_then(|k| k.as_str()) {
            Some("nexus") => serde_json::from_value(body).map(Self::Nexus).map_err(shape),
            Some("command") => {
                let c: Command = serde_json::from_value(body).map_err(shape)?;
                c.check()?;
                Ok(Self::Command(c))
            }
            Some("reset") => serde_json::from_value(body).map(Self::Reset).map_err(shape),
            Some(other) => Err(LineError::Shape(format!("unknown kind '{other}'"))),
            None => Err(LineError::Shape("it has no kind".to_owned())),
        }
    }

    /// Which nexus it is about.
    #[must_use]
    pub fn nexus(&self) -> &str {
        match self {
            Self::Nexus(n) => &n.nexus,
            Self::Command(c) => &c.nexus,
            Self::Reset(r) => &r.nexus,
        }
    }
}

impl Command {
    /// The command, if it has a length that commands have.
    #[must_use]
    pub fn cdb(&self) -> Option<Cdb> {
        Cdb::from_slice(&self.cdb).ok()
    }

    fn check(&self) -> Result<(), LineError> {
        self.cdb().ok_or(LineError::Cdb(self.cdb.len()))?;
        let most = self.out.len().max(self.room).max(self.answer.data.len());
        if most > device::MAX_TRANSFER { Err(LineError::TooLong(most)) } else { Ok(()) }
    }
}

impl From<ResetScope> for Scope {
    fn from(s: ResetScope) -> Self {
        match s {
            ResetScope::LogicalUnit => Self::Lun,
            ResetScope::Target => Self::Target,
            ResetScope::Bus => Self::Bus,
            ResetScope::Host => Self::Host,
        }
    }
}

impl From<Scope> for ResetScope {
    fn from(s: Scope) -> Self {
        match s {
            Scope::Lun => Self::LogicalUnit,
            Scope::Target => Self::Target,
            Scope::Bus => Self::Bus,
            Scope::Host => Self::Host,
        }
    }
}

impl From<Result<(), ResetError>> for ResetEnd {
    fn from(end: Result<(), ResetError>) -> Self {
        match end {
            Ok(()) => Self::Done,
            Err(ResetError::Unsupported) => Self::Unsupported,
            Err(ResetError::Failed(errno)) => Self::Failed(errno),
            Err(ResetError::Outstanding) => Self::Outstanding,
        }
    }
}

mod hex {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(b: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&text(b))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        bytes(&String::deserialize(d)?).ok_or_else(|| serde::de::Error::custom("not pairs of hex digits"))
    }

    pub(super) fn text(b: &[u8]) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |n: u8| char::from(DIGITS[usize::from(n & 15)]);
        b.iter().flat_map(|v| [digit(v >> 4), digit(*v)]).collect()
    }

    pub(super) fn bytes(s: &str) -> Option<Vec<u8>> {
        let (pairs, rest) = s.as_bytes().as_chunks::<2>();
        let digit = |c: u8| char::from(c).to_digit(16).and_then(|n| u8::try_from(n).ok());
        let all = pairs.iter().map(|[a, b]| Some(digit(*a)? << 4 | digit(*b)?)).collect();
        if rest.is_empty() { all } else { None }
    }
}

mod maybe_hex {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(b: &Option<Vec<u8>>, s: S) -> Result<S::Ok, S::Error> {
        b.as_deref().map(super::hex::text).serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Vec<u8>>, D::Error> {
        let bad = || serde::de::Error::custom("not pairs of hex digits");
        Option::<String>::deserialize(d)?.map(|s| super::hex::bytes(&s).ok_or_else(bad)).transpose()
    }
}
