//! SCSI status codes (SAM-5 5.3.1).

use std::fmt;

/// The status byte a target ends a command with.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub u8);

impl Status {
    /// The command succeeded.
    pub const GOOD: Self = Self(0x00);
    /// Sense data says what happened.
    pub const CHECK_CONDITION: Self = Self(0x02);
    /// SAM's CONDITION MET.
    pub const CONDITION_MET: Self = Self(0x04);
    /// The target cannot take the command now; it was not executed.
    pub const BUSY: Self = Self(0x08);
    /// A reservation forbids it; it was not executed.
    pub const RESERVATION_CONFLICT: Self = Self(0x18);
    /// The task set is full; the command was not executed.
    pub const TASK_SET_FULL: Self = Self(0x28);
    /// An auto contingent allegiance is active.
    pub const ACA_ACTIVE: Self = Self(0x30);
    /// The command was aborted by another nexus.
    pub const TASK_ABORTED: Self = Self(0x40);

    /// The standard's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GOOD => "GOOD",
            Self::CHECK_CONDITION => "CHECK CONDITION",
            Self::CONDITION_MET => "CONDITION MET",
            Self::BUSY => "BUSY",
            Self::RESERVATION_CONFLICT => "RESERVATION CONFLICT",
            Self::TASK_SET_FULL => "TASK SET FULL",
            Self::ACA_ACTIVE => "ACA ACTIVE",
            Self::TASK_ABORTED => "TASK ABORTED",
            _ => "undefined status",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:#04x})", self.name(), self.0)
    }
}
