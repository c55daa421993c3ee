//! Registrations, the reservation and PRGENERATION of one logical unit (SPC-4 5.12).
//!
//! Invariant: whoever holds the reservation is registered; an all-registrants reservation exists only
//! while somebody is registered. Pure: no I/O, no clock, no chance; equal states are equal values. Must
//! never admit by default: an undefined case is a conflict or an ILLEGAL REQUEST.
//!
//! | module | is |
//! |---|---|
//! | `out` | the service actions that concern the nexus they come from |
//! | [`others`] | those that name other nexuses: ALL_TG_PT, SPEC_I_PT, REGISTER AND MOVE |
//! | [`power`] | power loss, and reservations that were lost in it |

mod lio;
pub mod others;
mod out;
pub mod power;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::attention::{Attention, Attentions};
use super::nexus::NexusId;
use super::personality::{Deviation, Personality};
use crate::codec::pr::{Generation, Holder, ReadReservation, ReservationType};
use crate::key::Key;

/// How many registrations the unit has room for.
pub const MAX_REGISTRATIONS: usize = 128;

/// One registration.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Registration {
    /// Whose.
    pub nexus: NexusId,
    /// Under which key; several nexuses may use one.
    pub key: Key,
}

/// The reservation in force.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
struct Reservation {
    #[serde(with = "type_code")]
    kind: ReservationType,
    /// The holder; none for the types that all registrants hold.
    holder: Option<NexusId>,
}

/// The persistent-reservation state machine.
#[derive(PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Reservations {
    generation: u32,
    /// Sorted by nexus.
    registrations: Vec<Registration>,
    reservation: Option<Reservation>,
    attentions: Attentions,
    /// APTPL of the last REGISTER of any kind: whether all this outlives power (SPC-4 5.12.5.1).
    #[serde(default)]
    aptpl: bool,
    /// What should have outlived power did not (SPC-4 5.12.5.3).
    #[serde(default)]
    lost: bool,
    #[serde(default)]
    personality: Personality,
    /// What LIO remembers beyond that; empty unless the personality needs it.
    #[serde(default)]
    lio: lio::Memory,
}

impl Clone for Reservations {
    fn clone(&self) -> Self {
        Self {
            registrations: self.registrations.clone(),
            attentions: self.attentions.clone(),
            lio: self.lio.clone(),
            ..*self
        }
    }

    /// Keeps the memory it has: the emulator copies its state for every command.
    fn clone_from(&mut self, from: &Self) {
        let Self { generation, registrations, reservation, attentions, aptpl, lost, personality, lio } = self;
        *generation = from.generation;
        *reservation = from.reservation;
        (*aptpl, *lost) = (from.aptpl, from.lost);
        registrations.clone_from(&from.registrations);
        attentions.clone_from(&from.attentions);
        *personality = from.personality;
        lio.clone_from(&from.lio);
    }
}

impl Reservations {
    /// None, on a unit that behaves as `personality` says.
    #[must_use]
    pub fn new(personality: Personality) -> Self {
        Self { personality, ..Self::default() }
    }

    /// How the unit behaves where targets differ.
    #[must_use]
    pub const fn personality(&self) -> Personality {
        self.personality
    }

    /// PRGENERATION (SPC-4 6.15.2).
    #[must_use]
    pub const fn generation(&self) -> Generation {
        Generation(self.generation)
    }

    /// All registrations, by nexus.
    pub fn registrations(&self) -> impl ExactSizeIterator<Item = Registration> + '_ {
        self.registrations.iter().copied()
    }

    /// All keys, a key once for every nexus that uses it, as READ KEYS tells them.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = Key> + '_ {
        self.listed().map(|r| r.key)
    }

    /// The key `nexus` is registered with.
    #[must_use]
    pub fn key_of(&self, nexus: NexusId) -> Option<Key> {
        self.position(nexus).ok().map(|at| self.registrations[at].key)
    }

    /// Whether `nexus` is registered.
    #[must_use]
    pub fn is_registered(&self, nexus: NexusId) -> bool {
        self.position(nexus).is_ok()
    }

    /// Whether `nexus` is a persistent reservation holder (SPC-4 5.12.10).
    #[must_use]
    pub fn is_holder(&self, nexus: NexusId) -> bool {
        match self.reservation {
            None => false,
            Some(Reservation { holder: Some(h), .. }) => h == nexus,
            Some(Reservation { holder: None, .. }) => self.is_registered(nexus),
        }
    }

    /// The type in force.
    #[must_use]
    pub fn kind(&self) -> Option<ReservationType> {
        self.reservation.map(|r| r.kind)
    }

    /// What READ RESERVATION tells (SPC-4 6.15.3); key 0 for the all-registrants types.
    #[must_use]
    pub fn read_reservation(&self) -> ReadReservation {
        let holder = self
            .reservation
            .map(|r| Holder { key: r.holder.and_then(|n| self.key_of(n)).unwrap_or_default(), kind: r.kind });
        ReadReservation { generation: self.generation(), holder }
    }

    /// The oldest unit attention of `nexus`; it counts as told.
    pub fn take_attention(&mut self, nexus: NexusId) -> Option<Attention> {
        let told = self.attentions.take(nexus);
        if self.personality.has(Deviation::ATTENTIONS_DROPPED) {
            self.attentions.drop_all(nexus);
        }
        told
    }

    /// The unit attentions that wait for `nexus`, oldest first.
    pub fn attentions(&self, nexus: NexusId) -> impl Iterator<Item = Attention> + '_ {
        self.attentions.of(nexus)
    }

    /// Lets a nexus be told of something that happened outside this state machine (a reset, power).
    pub fn establish_attention(&mut self, nexus: NexusId, what: Attention) {
        self.attentions.establish(nexus, what);
    }

    /// Whether this is a state that commands could have led to. A state read from a file may be
    /// anybody's work.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let held = match self.reservation {
            None => true,
            Some(Reservation { kind, holder: Some(h) }) => !kind.all_registrants() && self.is_registered(h),
            Some(Reservation { kind, holder: None }) => {
                kind.all_registrants() && !self.registrations.is_empty()
            }
        };
        held && self.registrations.len() <= MAX_REGISTRATIONS
            && self.registrations.is_sorted_by(|a, b| a.nexus < b.nexus)
            && self.registrations.iter().all(|r| !r.key.is_zero())
            && self.attentions.is_sound()
            // A loss leaves nothing behind, and only what was to be kept can be lost.
            && (!self.lost || (self.aptpl && self.reservation.is_none() && self.registrations.is_empty()))
    }

    fn position(&self, nexus: NexusId) -> Result<usize, usize> {
        self.registrations.binary_search_by_key(&nexus, |r| r.nexus)
    }
}

/// Reservation types are written as the standard's code.
mod type_code {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::codec::pr::ReservationType;

    pub(super) fn serialize<S: Serializer>(kind: &ReservationType, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u8(*kind as u8)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<ReservationType, D::Error> {
        ReservationType::from_code(u8::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}
