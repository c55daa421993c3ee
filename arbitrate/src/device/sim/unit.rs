//! The logical unit: what every command meets before it is executed, and the reservations of both
//! generations of the standard.
//!
//! Pure, small and cheap to clone: a model checker runs this very struct. It knows nexuses by number
//! only and no data blocks. Must never execute a command that it answers with a conflict or a unit
//! attention.

use serde::{Deserialize, Serialize};

use super::access::{Access, Verdict};
use super::answer::Answer;
use super::attention::Attention;
use super::nexus::NexusId;
use super::personality::Personality;
use super::pr::Reservations;
use super::pr::power::Memory;
use crate::codec::pr::PrOut;

#[cfg(test)]
mod tests;

/// What a nexus that the unit never saw before is told first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Welcome {
    /// Nothing: its first command is executed. A real target would report 29/01 or 29/07 at login; a
    /// Linux initiator swallows that before its users see the disk, and so does this unit.
    #[default]
    Silent,
    /// 29/00 POWER ON, RESET, OR BUS DEVICE RESET OCCURRED, as a target that nobody logged into before.
    PowerOn,
}

/// The state of one logical unit.
#[derive(PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct LogicalUnit {
    pr: Reservations,
    /// Holder of an SPC-2 reservation (RESERVE(6), RESERVE(10)).
    reserved_by: Option<NexusId>,
    /// Nexuses 0 to this have been seen; resets are told to all of them.
    last_known: Option<NexusId>,
    welcome: Welcome,
}

impl Clone for LogicalUnit {
    fn clone(&self) -> Self {
        Self { pr: self.pr.clone(), ..*self }
    }

    /// Keeps the memory it has: the emulator copies its state for every command.
    fn clone_from(&mut self, from: &Self) {
        let Self { pr, reserved_by, last_known, welcome } = self;
        (*reserved_by, *last_known, *welcome) = (from.reserved_by, from.last_known, from.welcome);
        pr.clone_from(&from.pr);
    }
}

impl LogicalUnit {
    /// A unit that nobody has seen.
    #[must_use]
    pub fn new(welcome: Welcome) -> Self {
        Self { welcome, ..Self::default() }
    }

    /// This unit, new, with another personality.
    #[must_use]
    pub fn with_personality(self, personality: Personality) -> Self {
        Self { pr: Reservations::new(personality), ..self }
    }

    /// Makes `nexus` and all with smaller numbers known. Anything a nexus sends does that as well.
    pub fn introduce(&mut self, nexus: NexusId) {
        if self.last_known >= Some(nexus) {
            return;
        }
        let first = self.last_known.map_or(0, |n| n.0 + 1);
        self.last_known = Some(nexus);
        if self.welcome == Welcome::PowerOn {
            for n in first..=nexus.0 {
                self.pr.establish_attention(NexusId(n), Attention::PowerOn);
            }
        }
    }

    /// The persistent reservations.
    #[must_use]
    pub const fn reservations(&self) -> &Reservations {
        &self.pr
    }

    pub(super) const fn reservations_mut(&mut self) -> &mut Reservations {
        &mut self.pr
    }

    /// Holder of the SPC-2 reservation.
    #[must_use]
    pub const fn reserved_by(&self) -> Option<NexusId> {
        self.reserved_by
    }

    /// How many nexuses it knows: those with the numbers from 0 on.
    #[must_use]
    pub fn known(&self) -> usize {
        self.last_known.map_or(0, |n| usize::from(n.0) + 1)
    }

    /// What stands before every command, in this order: a unit attention of the nexus, lost persistent
    /// reservations, an SPC-2 reservation, a persistent reservation. `Err` is the whole answer; the
    /// command is not executed.
    ///
    /// SAM-5 5.3.3 would let RESERVATION CONFLICT go ahead of unit attentions other than 29h; like LIO
    /// we always tell the attention first, so that nobody takes a stale view for a refusal.
    ///
    /// # Errors
    /// The answer that ends the command.
    pub fn begin(&mut self, nexus: NexusId, access: Access) -> Result<(), Answer> {
        self.introduce(nexus);
        if access.hears_attentions()
            && let Some(a) = self.pr.take_attention(nexus)
        {
            return Err(Answer::Check(a.sense()));
        }
        // SPC-4 5.12.5.3.2: all but the commands of 5.12.5.2 and REPLACE LOST RESERVATION.
        if self.pr.lost() && !matches!(access, Access::Identify | Access::ReplaceLost) {
            return Err(Answer::RESERVATION_LOST);
        }
        if self.check_spc2(nexus, access) == Verdict::Conflict
            || self.pr.check_access(nexus, access) == Verdict::Conflict
        {
            return Err(Answer::Conflict);
        }
        Ok(())
    }

    /// SPC-2 5.5.1.
    fn check_spc2(&self, nexus: NexusId, access: Access) -> Verdict {
        let Some(holder) = self.reserved_by else { return Verdict::Admitted };
        match access {
            // RELEASE from elsewhere is GOOD and releases nothing.
            Access::Identify | Access::Release => Verdict::Admitted,
            // "Regardless of initiator": the holder's own persistent reservation commands conflict too.
            Access::ReservationIn | Access::ReservationOut | Access::ReplaceLost => Verdict::Conflict,
            Access::Ask | Access::Read | Access::Write | Access::NoData | Access::Reserve => {
                if holder == nexus { Verdict::Admitted } else { Verdict::Conflict }
            }
        }
    }

    /// PERSISTENT RESERVE OUT, with all that stands before it.
    pub fn pr_out(&mut self, nexus: NexusId, c: &PrOut) -> Answer {
        match self.begin(nexus, Access::of_out(c.action)) {
            Ok(()) => self.pr.pr_out(nexus, c),
            Err(a) => a,
        }
    }

    /// RESERVE(6) or (10) of the whole unit (SPC-2 7.21, 7.22), with all that stands before it.
    pub fn reserve(&mut self, nexus: NexusId) -> Answer {
        match self.begin(nexus, Access::Reserve) {
            // CRH (SPC-4 5.12.3): a registrant that got this far reserves nothing.
            Ok(()) if self.pr.registrations().next().is_some() => Answer::Good,
            Ok(()) => {
                self.reserved_by = Some(nexus);
                Answer::Good
            }
            Err(a) => a,
        }
    }

    /// RELEASE(6) or (10) (SPC-2 7.16, 7.17), with all that stands before it.
    pub fn release(&mut self, nexus: NexusId) -> Answer {
        match self.begin(nexus, Access::Release) {
            Ok(()) => {
                self.reserved_by = self.reserved_by.filter(|h| *h != nexus);
                Answer::Good
            }
            Err(a) => a,
        }
    }

    /// REQUEST SENSE takes the oldest unit attention and is GOOD (SPC-4 6.39).
    pub fn request_sense(&mut self, nexus: NexusId) -> Option<Attention> {
        self.introduce(nexus);
        self.pr.take_attention(nexus)
    }

    /// LOGICAL UNIT RESET (SAM-5 6.3.3): an SPC-2 reservation goes, persistent reservations and
    /// registrations stay (SPC-4 5.12.5), every nexus the unit knows is told.
    pub fn reset(&mut self) {
        self.reserved_by = None;
        if let Some(last) = self.last_known {
            self.pr.tell_all(last, Attention::DeviceReset);
        }
    }

    /// Power is lost and comes back: an SPC-2 reservation goes, persistent ones stay if APTPL was asked
    /// for and `memory` kept them (SPC-4 5.12.5), every nexus the unit knows is told 29/01.
    pub fn lose_power(&mut self, memory: Memory) {
        self.reserved_by = None;
        self.pr.lose_power(memory);
        if let Some(last) = self.last_known {
            self.pr.tell_all(last, Attention::PowerOnOccurred);
        }
    }

    /// Whether commands could have led to this state; asked of a state read from a file.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let known = |n: NexusId| Some(n) <= self.last_known;
        self.pr.is_sound()
            && self.reserved_by.is_none_or(known)
            && self.pr.registrations().all(|r| known(r.nexus))
            && (self.reserved_by.is_none() || self.pr.registrations().next().is_none())
    }
}
