//! `sim:PATH?as=NAME[&port=N]`: which file, and as whom.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::codec::pr::transport_id::{IscsiName, TransportId};

/// What precedes a path that names an embedded unit.
pub const SCHEME: &str = "sim:";

/// An embedded unit and the nexus it is used by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SimSpec {
    /// The file.
    pub path: PathBuf,
    /// The initiator port.
    pub initiator: InitiatorName,
    /// The target port.
    pub port: TargetPort,
}

/// Name of an initiator port: 1 to 63 of a-z, 0-9, '-', '.', ':', so that it fits into an iSCSI name
/// (RFC 7143 4.2.7.2). One that begins with `iqn.` is the whole TransportID, `iqn.…` or `iqn.…,i,0x…` with the
/// session's identifier.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InitiatorName {
    text: String,
    name: IscsiName,
    isid: Option<[u8; 6]>,
}

/// Bytes of a name that is a whole TransportID.
const WHOLE_MAX: usize = 100;
/// What precedes the name in the iSCSI name.
const IQN: &str = "iqn.2026-11.palisade.sim:";

/// Relative target port identifier, 1 to 65535 (SPC-4 7.8.6.8).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct TargetPort(u16);

/// What is wrong with a device name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SpecError {
    /// Not `sim:`.
    #[error("'{0}' does not begin with sim: (an embedded unit is written sim:PATH?as=NAME)")]
    Scheme(String),
    /// No path.
    #[error("'{0}' names no file: write sim:PATH?as=NAME")]
    NoPath(String),
    /// No initiator.
    #[error("'{0}' does not say which initiator you are: append ?as=NAME, another name for every node")]
    NoInitiator(String),
    /// A name that does not fit into an iSCSI name.
    #[error(
        "initiator name '{0}': use 1 to 63 of a-z, 0-9, '-', '.' and ':' (it becomes part of an iSCSI name), or a \
         whole iqn.… of at most 100 bytes"
    )]
    Initiator(String),
    /// A port that cannot be.
    #[error("target port '{0}': use 1 to 65535")]
    Port(String),
    /// An option nobody knows.
    #[error("unknown option '{0}': there are as=NAME and port=N")]
    Unknown(String),
    /// An option given twice.
    #[error("option '{0}' is given twice")]
    Twice(&'static str),
}

impl FromStr for SimSpec {
    type Err = SpecError;

    fn from_str(s: &str) -> Result<Self, SpecError> {
        let rest = s.strip_prefix(SCHEME).ok_or_else(|| SpecError::Scheme(s.to_owned()))?;
        let (path, options) = rest.rsplit_once('?').unwrap_or((rest, ""));
        if path.is_empty() {
            return Err(SpecError::NoPath(s.to_owned()));
        }
        let (mut initiator, mut port) = (None, None);
        for option in options.split('&').filter(|o| !o.is_empty()) {
            match option.split_once('=') {
                Some(("as", v)) => set(&mut initiator, "as", v.parse()?)?,
                Some(("port", v)) => set(&mut port, "port", v.parse()?)?,
                _ => return Err(SpecError::Unknown(option.to_owned())),
            }
        }
        Ok(Self {
            path: PathBuf::from(path),
            initiator: initiator.ok_or_else(|| SpecError::NoInitiator(s.to_owned()))?,
            port: port.unwrap_or_default(),
        })
    }
}

fn set<T>(slot: &mut Option<T>, name: &'static str, v: T) -> Result<(), SpecError> {
    if slot.replace(v).is_some() { Err(SpecError::Twice(name)) } else { Ok(()) }
}

impl InitiatorName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name behind a TransportID; none for one that no initiator of an embedded unit has.
    #[must_use]
    pub fn of_transport_id(id: &TransportId) -> Option<Self> {
        match id {
            TransportId::Iscsi { name, isid: None } => name.as_str().strip_prefix(IQN)?.parse().ok(),
            _ => None,
        }
    }

    /// The TransportID it has at the unit: an iSCSI name without ISID unless one was given, so that a re-opened
    /// nexus is the same one.
    #[must_use]
    pub fn transport_id(&self) -> TransportId {
        TransportId::Iscsi { name: self.name.clone(), isid: self.isid }
    }
}

impl FromStr for InitiatorName {
    type Err = SpecError;

    fn from_str(s: &str) -> Result<Self, SpecError> {
        let wrong = || SpecError::Initiator(s.to_owned());
        if s.starts_with("iqn.") {
            // The state's file has room for names of this length.
            let id = s.parse().ok().filter(|_| s.len() <= WHOLE_MAX);
            let Some(TransportId::Iscsi { name, isid }) = id else { return Err(wrong()) };
            return Ok(Self { text: s.to_owned(), name, isid });
        }
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | ':');
        let sound = (1..=63).contains(&s.len()) && s.chars().all(fits);
        let name = IscsiName::new(&format!("{IQN}{s}")).filter(|_| sound).ok_or_else(wrong)?;
        Ok(Self { text: s.to_owned(), name, isid: None })
    }
}

impl TryFrom<String> for InitiatorName {
    type Error = SpecError;

    fn try_from(s: String) -> Result<Self, SpecError> {
        s.parse()
    }
}

impl From<InitiatorName> for String {
    fn from(n: InitiatorName) -> Self {
        n.text
    }
}

impl fmt::Display for InitiatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TargetPort {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl Default for TargetPort {
    fn default() -> Self {
        Self(1)
    }
}

impl FromStr for TargetPort {
    type Err = SpecError;

    fn from_str(s: &str) -> Result<Self, SpecError> {
        s.parse::<u16>()
            .ok()
            .and_then(|n| Self::try_from(n).ok())
            .ok_or_else(|| SpecError::Port(s.to_owned()))
    }
}

impl TryFrom<u16> for TargetPort {
    type Error = SpecError;

    fn try_from(n: u16) -> Result<Self, SpecError> {
        if n == 0 { Err(SpecError::Port(n.to_string())) } else { Ok(Self(n)) }
    }
}

impl From<TargetPort> for u16 {
    fn from(p: TargetPort) -> Self {
        p.0
    }
}

impl fmt::Display for TargetPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(s: &str) -> String {
        s.parse::<SimSpec>().unwrap_err().to_string()
    }

    #[test]
    fn a_spec_names_file_initiator_and_port() {
        let s: SimSpec = "sim:/tmp/what?.img?as=node-1&port=2".parse().unwrap();
        assert_eq!(s.path, PathBuf::from("/tmp/what?.img"));
        assert_eq!((s.initiator.as_str(), s.port.get()), ("node-1", 2));
        assert_eq!(s.initiator.transport_id().to_string(), "iqn.2026-11.palisade.sim:node-1");
        assert_eq!("sim:d.img?as=a".parse::<SimSpec>().unwrap().port, TargetPort::default());
        let session = "iqn.2026-11.lab:n1,i,0x00023d000001";
        let s: SimSpec = format!("sim:d.img?as={session}").parse().unwrap();
        assert_eq!(
            (s.initiator.as_str(), s.initiator.transport_id().to_string().as_str()),
            (session, session)
        );
    }

    #[test]
    fn errors_say_what_to_write() {
        assert!(error("/dev/sda").contains("sim:PATH?as=NAME"));
        assert!(error("sim:?as=a").contains("names no file"));
        assert!(error("sim:d.img").contains("append ?as=NAME"));
        assert!(error("sim:d.img?as=").contains("1 to 63"));
        assert!(error("sim:d.img?as=Node_1").contains("Node_1"));
        assert!(error(&format!("sim:d.img?as={}", "a".repeat(64))).contains("1 to 63"));
        assert!(error("sim:d.img?as=a&port=0").contains("1 to 65535"));
        assert!(error("sim:d.img?as=a&port=65536").contains("1 to 65535"));
        assert!(error("sim:d.img?as=a&speed=9").contains("speed=9"));
        assert!(error("sim:d.img?as=a&as=b").contains("twice"));
    }
}
