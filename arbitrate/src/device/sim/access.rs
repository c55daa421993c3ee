//! Which commands a reservation lets through, for whom.
//!
//! Conflict by default: a command is let through only where a row of the standard says so.

use super::nexus::NexusId;
use super::personality::Deviation;
use super::pr::Reservations;
use crate::codec::pr::OutAction;

/// What a command wants of the unit, as far as reservations care.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Access {
    /// Told to anyone at any time: INQUIRY, REPORT LUNS, REQUEST SENSE (SPC-4 table 66, SPC-2 5.5.1).
    Identify,
    /// Asks about the unit, touches no data, admitted under every persistent reservation: TEST UNIT
    /// READY (SPC-4 table 66), READ CAPACITY (the like table of SBC-3).
    Ask,
    /// Reads data, or what SPC-4 table 66 treats alike (REPORT SUPPORTED OPERATION CODES).
    Read,
    /// Writes data. SYNCHRONIZE CACHE counts as a write (SBC-3); LIO, going by the direction of
    /// the data, admits it under the Write Exclusive types.
    Write,
    /// Moves no data and is not named by LIO's table; under the personality `spc` there is no such class.
    NoData,
    /// PERSISTENT RESERVE IN: always admitted by a persistent reservation.
    ReservationIn,
    /// PERSISTENT RESERVE OUT: its own rules decide, action by action (SPC-4 table 67).
    ReservationOut,
    /// REPLACE LOST RESERVATION, the one PERSISTENT RESERVE OUT that is heard while reservations are lost.
    ReplaceLost,
    /// RESERVE(6), RESERVE(10).
    Reserve,
    /// RELEASE(6), RELEASE(10).
    Release,
}

impl Access {
    /// What a PERSISTENT RESERVE OUT wants.
    #[must_use]
    pub const fn of_out(action: OutAction) -> Self {
        match action {
            OutAction::ReplaceLostReservation => Self::ReplaceLost,
            _ => Self::ReservationOut,
        }
    }

    /// Whether a waiting unit attention is told in place of executing the command (SAM-5 5.14).
    #[must_use]
    pub const fn hears_attentions(self) -> bool {
        !matches!(self, Self::Identify)
    }
}

/// Whether a command may go on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[must_use]
pub enum Verdict {
    /// It may.
    Admitted,
    /// RESERVATION CONFLICT.
    Conflict,
}

impl Reservations {
    /// What the persistent reservation in force says to `access` from `nexus`.
    pub fn check_access(&self, nexus: NexusId, access: Access) -> Verdict {
        if self.admits(nexus, access) { Verdict::Admitted } else { Verdict::Conflict }
    }

    fn admits(&self, nexus: NexusId, access: Access) -> bool {
        let reads = match access {
            Access::Identify
            | Access::Ask
            | Access::ReservationIn
            | Access::ReservationOut
            | Access::ReplaceLost => return true,
            // CRH is 0: while anybody is registered, SPC-2 reservations conflict for everybody, the
            // registrants included (SPC-4 5.12.3; SPC-2 5.5.1).
            Access::Reserve | Access::Release => {
                let crh = self.personality().has(Deviation::CRH) && self.is_lio_holder(nexus);
                return crh || self.registrations().next().is_none();
            }
            Access::NoData => return self.kind().is_none_or(|kind| self.admits_no_data(nexus, kind)),
            Access::Read => true,
            Access::Write => false,
        };
        let Some(kind) = self.kind() else { return true };
        // Types 1, 3: the holder alone. Types 5, 6: every registrant. Types 7, 8: every registrant is a
        // holder. All: reads are everybody's unless the type restricts them (SPC-4 table 66, 5.12.10).
        let one_of_us =
            if kind.registrants_only() { self.is_registered(nexus) } else { self.is_holder(nexus) };
        one_of_us || (reads && !kind.restricts_reads())
    }
}
