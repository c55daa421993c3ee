//! What the unit says to one command: GOOD, RESERVATION CONFLICT, or CHECK CONDITION with sense.

use crate::codec::{Sense, SenseKey, Status};

/// The end of a command. A unit that answers has decided: it never says "perhaps".
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[must_use]
pub enum Answer {
    /// GOOD.
    Good,
    /// RESERVATION CONFLICT; nothing was executed.
    Conflict,
    /// CHECK CONDITION; nothing was executed.
    Check(Sense),
}

impl Answer {
    /// A field of the CDB asks for what is not there (24/00).
    pub const INVALID_FIELD_IN_CDB: Self = Self::illegal(0x24, 0);
    /// A field of the parameter list asks for what is not there (26/00).
    pub const INVALID_FIELD_IN_PARAMETER_LIST: Self = Self::illegal(0x26, 0);
    /// RELEASE names another type than the one in force; REPLACE LOST RESERVATION where none was lost
    /// (26/04).
    pub const INVALID_RELEASE: Self = Self::illegal(0x26, 4);
    /// No room for another registration (55/04).
    pub const NO_REGISTRATION_RESOURCES: Self = Self::illegal(0x55, 4);
    /// Past the last block (21/00).
    pub const LBA_OUT_OF_RANGE: Self = Self::illegal(0x21, 0);

    /// The persistent reservations that power loss should have left are gone (07, 44/01).
    pub const RESERVATION_LOST: Self = Self::Check(Sense::new(SenseKey::DATA_PROTECT, 0x44, 1));

    /// COMPARE AND WRITE found something else and wrote nothing (0E, 1D/00; SBC-3 5.2).
    pub const MISCOMPARE: Self = Self::Check(Sense::new(SenseKey::MISCOMPARE, 0x1d, 0));

    /// The unit cannot be spoken to (02, 08/00).
    pub(super) const COMMUNICATION_FAILURE: Self = Self::Check(Sense::new(SenseKey::NOT_READY, 0x08, 0));
    /// Fewer blocks were sent than the CDB announced (0B, 4B/00).
    pub(super) const DATA_PHASE_ERROR: Self = Self::Check(Sense::new(SenseKey::ABORTED_COMMAND, 0x4b, 0));
    /// The data are of another length than the CDB says (05/0E/03).
    pub(super) const INFORMATION_UNIT: Self = Self::Check(Sense::new(SenseKey::ILLEGAL_REQUEST, 0x0e, 3));
    /// The file could not be read (03/11/00).
    pub(super) const UNRECOVERED_READ_ERROR: Self = Self::Check(Sense::new(SenseKey::MEDIUM_ERROR, 0x11, 0));
    /// The file could not be written (03/0C/00).
    pub(super) const WRITE_ERROR: Self = Self::Check(Sense::new(SenseKey::MEDIUM_ERROR, 0x0c, 0));

    const fn illegal(asc: u8, ascq: u8) -> Self {
        Self::Check(Sense::new(SenseKey::ILLEGAL_REQUEST, asc, ascq))
    }

    /// The status byte.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::Good => Status::GOOD,
            Self::Conflict => Status::RESERVATION_CONFLICT,
            Self::Check(_) => Status::CHECK_CONDITION,
        }
    }

    /// The sense data that goes with a CHECK CONDITION.
    #[must_use]
    pub const fn sense(self) -> Option<Sense> {
        match self {
            Self::Check(s) => Some(s),
            Self::Good | Self::Conflict => None,
        }
    }
}
