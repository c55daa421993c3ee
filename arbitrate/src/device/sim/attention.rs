//! Unit attentions waiting to be told, per nexus.
//!
//! Invariant: a nexus has each condition at most once, and hears them in the order in which they arose, what
//! happened to the unit (29h) first (SAM-5 5.14.2).
//! Must never drop one: a defender learns from them that it was preempted.

use serde::{Deserialize, Serialize};

use super::nexus::NexusId;
use crate::codec::{Sense, SenseKey};

/// A condition a nexus has to be told of (SPC-4 annex D names the codes).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attention {
    /// 29/00: power was on for the first time as far as this nexus knows.
    PowerOn,
    /// 29/01: power came back.
    PowerOnOccurred,
    /// 29/02: a bus was reset.
    BusReset,
    /// 29/03: a LOGICAL UNIT RESET.
    DeviceReset,
    /// 29/07: the nexus was lost and came back.
    NexusLoss,
    /// 2A/01: mode parameters are others.
    ModeParametersChanged,
    /// 2A/03: CLEAR took reservation and registrations.
    ReservationsPreempted,
    /// 2A/04: the reservation that admitted this registrant is gone or of another type.
    ReservationsReleased,
    /// 2A/05: this nexus was preempted.
    RegistrationsPreempted,
    /// 2A/06: the state of a path is another one.
    AccessStateChanged,
    /// 2A/09: the size is another one.
    CapacityChanged,
    /// 3F/03: INQUIRY data is other data.
    InquiryDataChanged,
    /// 3F/0E: there are other logical units.
    ReportedLunsChanged,
}

impl Attention {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::PowerOn,
        Self::PowerOnOccurred,
        Self::BusReset,
        Self::DeviceReset,
        Self::NexusLoss,
        Self::ModeParametersChanged,
        Self::ReservationsPreempted,
        Self::ReservationsReleased,
        Self::RegistrationsPreempted,
        Self::AccessStateChanged,
        Self::CapacityChanged,
        Self::InquiryDataChanged,
        Self::ReportedLunsChanged,
    ];

    /// As the target tells it.
    #[must_use]
    pub const fn sense(self) -> Sense {
        let (asc, ascq) = match self {
            Self::PowerOn => (0x29, 0),
            Self::PowerOnOccurred => (0x29, 1),
            Self::BusReset => (0x29, 2),
            Self::DeviceReset => (0x29, 3),
            Self::NexusLoss => (0x29, 7),
            Self::ModeParametersChanged => (0x2a, 1),
            Self::ReservationsPreempted => (0x2a, 3),
            Self::ReservationsReleased => (0x2a, 4),
            Self::RegistrationsPreempted => (0x2a, 5),
            Self::AccessStateChanged => (0x2a, 6),
            Self::CapacityChanged => (0x2a, 9),
            Self::InquiryDataChanged => (0x3f, 3),
            Self::ReportedLunsChanged => (0x3f, 0x0e),
        };
        Sense::new(SenseKey::UNIT_ATTENTION, asc, ascq)
    }

    /// What operators call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PowerOn => "power-on",
            Self::PowerOnOccurred => "power-on-occurred",
            Self::BusReset => "bus-reset",
            Self::DeviceReset => "device-reset",
            Self::NexusLoss => "nexus-loss",
            Self::ModeParametersChanged => "mode-parameters-changed",
            Self::ReservationsPreempted => "reservations-preempted",
            Self::ReservationsReleased => "reservations-released",
            Self::RegistrationsPreempted => "registrations-preempted",
            Self::AccessStateChanged => "access-state-changed",
            Self::CapacityChanged => "capacity-changed",
            Self::InquiryDataChanged => "inquiry-data-changed",
            Self::ReportedLunsChanged => "reported-luns-changed",
        }
    }

    /// What happened to the unit or the nexus (29h) goes ahead of all else.
    const fn rank(self) -> u8 {
        if self.sense().asc == 0x29 { 0 } else { 1 }
    }
}

/// All waiting conditions: one flat list sorted by nexus, so that equal states are equal values.
#[derive(PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Attentions(Vec<(NexusId, Attention)>);

impl Clone for Attentions {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }

    /// Keeps the memory it has: the emulator copies its state for every command.
    fn clone_from(&mut self, from: &Self) {
        self.0.clone_from(&from.0);
    }
}

impl Attentions {
    /// Lets `nexus` be told of `what`, once.
    pub(super) fn establish(&mut self, nexus: NexusId, what: Attention) {
        if !self.of(nexus).any(|a| a == what) {
            let at = self.0.partition_point(|(n, a)| (*n, a.rank()) <= (nexus, what.rank()));
            self.0.insert(at, (nexus, what));
        }
    }

    /// The oldest condition of `nexus`, which is told hereby.
    pub(super) fn take(&mut self, nexus: NexusId) -> Option<Attention> {
        let at = self.0.iter().position(|(n, _)| *n == nexus)?;
        Some(self.0.remove(at).1)
    }

    /// Forgets everything: the power was off.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Drops all that waits for `nexus`.
    pub(super) fn drop_all(&mut self, nexus: NexusId) {
        self.0.retain(|(n, _)| *n != nexus);
    }

    /// What waits for `nexus`, in the order of telling.
    pub(super) fn of(&self, nexus: NexusId) -> impl Iterator<Item = Attention> + '_ {
        self.0.iter().filter(move |(n, _)| *n == nexus).map(|(_, a)| *a)
    }

    /// Whether the list is one that [`Attentions::establish`] could have made.
    pub(super) fn is_sound(&self) -> bool {
        self.0.is_sorted_by_key(|(n, a)| (*n, a.rank()))
            && self.0.iter().enumerate().all(|(i, a)| !self.0[..i].contains(a))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_in_the_list_once_under_a_name_and_a_code_of_its_own() {
        let distinct = |of: &dyn Fn(Attention) -> String| {
            let mut all: Vec<String> = Attention::ALL.into_iter().map(of).collect();
            all.sort_unstable();
            all.dedup();
            all.len()
        };
        assert_eq!(distinct(&|a| a.name().to_owned()), Attention::ALL.len());
        assert_eq!(distinct(&|a| a.sense().to_string()), Attention::ALL.len());
    }
}
