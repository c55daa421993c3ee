//! Service actions, reservation types, scope and generation.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::codec::DecodeError;

/// PRGENERATION (SPC-4 6.15.2): counts the PR OUT commands that change registrations; zeroed at
/// power-on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Generation(pub u32);

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Generation({})", self.0)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Service actions of PERSISTENT RESERVE IN (SPC-4 table 212).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum InAction {
    /// All registered keys.
    ReadKeys = 0,
    /// The reservation in force.
    ReadReservation = 1,
    /// What the target can do.
    ReportCapabilities = 2,
    /// Every registration with its nexus.
    ReadFullStatus = 3,
}

/// Service actions of PERSISTENT RESERVE OUT (SPC-4 table 232).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum OutAction {
    /// Register, re-key or unregister this nexus.
    Register = 0,
    /// Take the reservation.
    Reserve = 1,
    /// Give the reservation up.
    Release = 2,
    /// Remove the reservation and every registration.
    Clear = 3,
    /// Remove another's registrations, and its reservation if it holds it.
    Preempt = 4,
    /// PREEMPT, and abort the commands of the preempted.
    PreemptAndAbort = 5,
    /// Register whatever key stood there before.
    RegisterAndIgnoreExistingKey = 6,
    /// Register another nexus and move the reservation to it.
    RegisterAndMove = 7,
    /// Say that a reservation was lost (SPC-4 6.16.11).
    ReplaceLostReservation = 8,
}

/// Type of a persistent reservation (SPC-4 table 222).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum ReservationType {
    /// Only the holder writes.
    WriteExclusive = 1,
    /// Only the holder reads and writes.
    ExclusiveAccess = 3,
    /// Only registrants write; one holds.
    WriteExclusiveRegistrantsOnly = 5,
    /// Only registrants read and write; one holds.
    ExclusiveAccessRegistrantsOnly = 6,
    /// Only registrants write; all hold.
    WriteExclusiveAllRegistrants = 7,
    /// Only registrants read and write; all hold.
    ExclusiveAccessAllRegistrants = 8,
}

/// Scope of a reservation: LU_SCOPE is the only one left (SPC-4 6.15.3.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u8)]
pub enum Scope {
    /// The whole logical unit.
    #[default]
    LogicalUnit = 0,
}

impl InAction {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::ReadKeys, Self::ReadReservation, Self::ReportCapabilities, Self::ReadFullStatus];

    /// By code.
    ///
    /// # Errors
    /// [`DecodeError::Value`] for a reserved code.
    pub fn from_code(v: u8) -> Result<Self, DecodeError> {
        Self::ALL
            .into_iter()
            .find(|a| *a as u8 == v)
            .ok_or(DecodeError::Value { what: "PERSISTENT RESERVE IN service action", value: u64::from(v) })
    }

    /// The standard's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadKeys => "READ KEYS",
            Self::ReadReservation => "READ RESERVATION",
            Self::ReportCapabilities => "REPORT CAPABILITIES",
            Self::ReadFullStatus => "READ FULL STATUS",
        }
    }
}

impl OutAction {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Register,
        Self::Reserve,
        Self::Release,
        Self::Clear,
        Self::Preempt,
        Self::PreemptAndAbort,
        Self::RegisterAndIgnoreExistingKey,
        Self::RegisterAndMove,
        Self::ReplaceLostReservation,
    ];

    /// By code.
    ///
    /// # Errors
    /// [`DecodeError::Value`] for a reserved code.
    pub fn from_code(v: u8) -> Result<Self, DecodeError> {
        Self::ALL
            .into_iter()
            .find(|a| *a as u8 == v)
            .ok_or(DecodeError::Value { what: "PERSISTENT RESERVE OUT service action", value: u64::from(v) })
    }

    /// Whether the action looks at scope and type (SPC-4 table 233).
    #[must_use]
    pub const fn takes_type(self) -> bool {
        match self {
            Self::Reserve
            | Self::Release
            | Self::Preempt
            | Self::PreemptAndAbort
            | Self::ReplaceLostReservation => true,
            Self::Register | Self::Clear | Self::RegisterAndIgnoreExistingKey | Self::RegisterAndMove => {
                false
            }
        }
    }

    /// The standard's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Register => "REGISTER",
            Self::Reserve => "RESERVE",
            Self::Release => "RELEASE",
            Self::Clear => "CLEAR",
            Self::Preempt => "PREEMPT",
            Self::PreemptAndAbort => "PREEMPT AND ABORT",
            Self::RegisterAndIgnoreExistingKey => "REGISTER AND IGNORE EXISTING KEY",
            Self::RegisterAndMove => "REGISTER AND MOVE",
            Self::ReplaceLostReservation => "REPLACE LOST RESERVATION",
        }
    }
}

impl ReservationType {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::WriteExclusive,
        Self::ExclusiveAccess,
        Self::WriteExclusiveRegistrantsOnly,
        Self::ExclusiveAccessRegistrantsOnly,
        Self::WriteExclusiveAllRegistrants,
        Self::ExclusiveAccessAllRegistrants,
    ];

    /// By code.
    ///
    /// # Errors
    /// [`DecodeError::Value`] for a reserved or obsolete code.
    pub fn from_code(v: u8) -> Result<Self, DecodeError> {
        Self::ALL
            .into_iter()
            .find(|a| *a as u8 == v)
            .ok_or(DecodeError::Value { what: "persistent reservation type", value: u64::from(v) })
    }

    /// The standard's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WriteExclusive => "Write Exclusive",
            Self::ExclusiveAccess => "Exclusive Access",
            Self::WriteExclusiveRegistrantsOnly => "Write Exclusive, Registrants Only",
            Self::ExclusiveAccessRegistrantsOnly => "Exclusive Access, Registrants Only",
            Self::WriteExclusiveAllRegistrants => "Write Exclusive, All Registrants",
            Self::ExclusiveAccessAllRegistrants => "Exclusive Access, All Registrants",
        }
    }

    /// Whether every registrant holds the reservation (types 7 and 8).
    #[must_use]
    pub const fn all_registrants(self) -> bool {
        matches!(self, Self::WriteExclusiveAllRegistrants | Self::ExclusiveAccessAllRegistrants)
    }

    /// Whether registrants may do what others may not (types 5 to 8).
    #[must_use]
    pub const fn registrants_only(self) -> bool {
        self as u8 >= 5
    }

    /// Whether reads are restricted as well as writes (types 3, 6 and 8).
    #[must_use]
    pub const fn restricts_reads(self) -> bool {
        matches!(
            self,
            Self::ExclusiveAccess
                | Self::ExclusiveAccessRegistrantsOnly
                | Self::ExclusiveAccessAllRegistrants
        )
    }
}
