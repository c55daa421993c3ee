//! What power loss leaves (SPC-4 5.12.5), and how a lost reservation is replaced (SPC-4 5.12.11.3).

use super::{Reservation, Reservations};
use crate::codec::pr::{Aptpl, PrOut};
use crate::device::sim::answer::Answer;
use crate::device::sim::attention::Attention;
use crate::device::sim::nexus::NexusId;

#[cfg(test)]
mod tests;

/// What became of the memory that is to outlive power.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Memory {
    /// It did.
    Kept,
    /// It failed, an empty battery for instance: what APTPL promised is broken.
    Failed,
}

impl Reservations {
    /// Power goes and comes back. Whoever is registered without APTPL is not afterwards; PRGENERATION is
    /// 0 whatever APTPL says (SPC-4 6.15.2); older unit attentions are forgotten, the new ones are the
    /// caller's business.
    pub fn lose_power(&mut self, memory: Memory) {
        self.attentions.clear();
        self.generation = 0;
        if self.aptpl && memory == Memory::Kept {
            return;
        }
        // Where nothing was to be kept, nothing is lost. A loss outlives further power cycles.
        self.lost |= self.aptpl;
        self.registrations.clear();
        self.reservation = None;
    }

    /// Whether APTPL is active (PTPL_A).
    #[must_use]
    pub const fn persists(&self) -> bool {
        self.aptpl
    }

    /// Whether reservations that were to be kept were lost: until REPLACE LOST RESERVATION nearly every
    /// command ends with DATA PROTECT, 44/01 (SPC-4 5.12.5.3.2).
    #[must_use]
    pub const fn lost(&self) -> bool {
        self.lost
    }

    /// REPLACE LOST RESERVATION (SPC-4 5.12.11.3): anybody may, and begins anew.
    pub(super) fn replace_lost(&mut self, nexus: NexusId, c: &PrOut) -> Answer {
        if !self.lost {
            return Answer::INVALID_RELEASE;
        }
        let Some(kind) = c.kind else { return Answer::INVALID_FIELD_IN_CDB };
        if !c.list.own.is_zero() || c.list.target.is_zero() {
            return Answer::INVALID_FIELD_IN_PARAMETER_LIST;
        }
        self.registrations.clear();
        self.set_key(nexus, c.list.target);
        self.reservation = Some(Reservation::of(nexus, kind));
        self.generation = 0;
        self.aptpl = c.list.aptpl == Aptpl::Yes;
        self.lost = false;
        Answer::Good
    }

    /// Establishes `what` for every nexus up to `last`.
    pub(in super::super) fn tell_all(&mut self, last: NexusId, what: Attention) {
        for n in 0..=last.0 {
            self.attentions.establish(NexusId(n), what);
        }
    }
}
