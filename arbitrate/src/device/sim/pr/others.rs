//! Registrations of other nexuses than the one a command came by: ALL_TG_PT, SPEC_I_PT (SPC-4 5.12.7,
//! 6.16.3) and REGISTER AND MOVE (SPC-4 5.12.8, 6.16.4).
//!
//! TransportIDs name initiators and a registration belongs to a nexus: which nexuses are meant was found
//! out before (see [`super::super::LogicalUnit`]). Invariant: all of a command is done, or nothing.

use super::{MAX_REGISTRATIONS, Registration, Reservation, Reservations};
use crate::codec::pr::{Aptpl, OutAction, PrOut, Unregister};
use crate::device::sim::answer::Answer;
use crate::device::sim::nexus::NexusId;
use crate::device::sim::personality::Deviation;
use crate::key::Key;

#[cfg(test)]
mod tests;

/// Whether REGISTER compares the key that stood there before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Existing {
    /// REGISTER.
    Compare,
    /// REGISTER AND IGNORE EXISTING KEY.
    Ignore,
}

/// Which nexuses SPEC_I_PT lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listed<'a> {
    /// SPEC_I_PT is 0.
    None,
    /// These.
    These(&'a [NexusId]),
    /// Some that no nexus can be made of: another protocol, a foreign name.
    Unknown,
}

/// A REGISTER of one nexus or several, under one key.
#[derive(Clone, Copy, Debug)]
pub struct RegisterAll<'a> {
    /// RESERVATION KEY.
    pub own: Key,
    /// SERVICE ACTION RESERVATION KEY: what to register; 0 to unregister.
    pub new: Key,
    /// Whether registrations survive power loss from now on.
    pub aptpl: Aptpl,
    /// Whether `own` is compared.
    pub existing: Existing,
    /// ALL_TG_PT: the same initiator at the other target ports. For each it is as if the command had
    /// come by that port.
    pub also: &'a [NexusId],
    /// SPEC_I_PT: nexuses of other initiators.
    pub listed: Listed<'a>,
}

/// A REGISTER AND MOVE.
#[derive(Clone, Copy, Debug)]
pub struct MoveTo {
    /// RESERVATION KEY.
    pub own: Key,
    /// SERVICE ACTION RESERVATION KEY: what the other nexus is registered with.
    pub new: Key,
    /// Whether registrations survive power loss from now on.
    pub aptpl: Aptpl,
    /// Whether the nexus that sends it stays registered.
    pub unregister: Unregister,
    /// The other nexus; none where the command names one that cannot be.
    pub to: Option<NexusId>,
}

impl<'a> RegisterAll<'a> {
    /// Of the nexus the command came by alone.
    #[must_use]
    pub const fn alone(c: &PrOut, existing: Existing) -> Self {
        Self {
            own: c.list.own,
            new: c.list.target,
            aptpl: c.list.aptpl,
            existing,
            also: &[],
            listed: Listed::None,
        }
    }

    /// And of this initiator at these ports.
    #[must_use]
    pub const fn and(self, also: &'a [NexusId]) -> Self {
        Self { also, ..self }
    }
}

impl Reservations {
    /// REGISTER, REGISTER AND IGNORE EXISTING KEY (SPC-4 5.12.7, tables 67 to 69).
    pub fn register_all(&mut self, nexus: NexusId, c: &RegisterAll<'_>) -> Answer {
        if self.lost() {
            return Answer::RESERVATION_LOST;
        }
        // An unregistered nexus counts as registered with 0: any other RESERVATION KEY conflicts. At
        // another port there is nothing to unregister for one that is not registered.
        let conflicts = |n: NexusId| match self.key_of(n) {
            None if n != nexus && c.new.is_zero() => false,
            key => c.own != key.unwrap_or_default(),
        };
        let own = || std::iter::once(nexus).chain(c.also.iter().copied());
        if c.existing == Existing::Compare && own().any(conflicts) {
            return Answer::Conflict;
        }
        if c.new.is_zero() && !own().any(|n| self.is_registered(n)) {
            // "Do nothing": PRGENERATION stays as well, as it does on LIO.
            return Answer::Good;
        }
        let listed = match c.listed {
            Listed::None => &[][..],
            // Footnotes b and c of table 67: only an unregistered nexus registers others with itself, and
            // only unregistered ones.
            Listed::These(l) if !self.is_registered(nexus) && !l.iter().any(|n| self.is_registered(*n)) => l,
            Listed::These(_) | Listed::Unknown => return Answer::INVALID_FIELD_IN_PARAMETER_LIST,
        };
        if c.new.is_zero() {
            own().for_each(|n| self.unregister(n));
            if self.personality.has(Deviation::UNREGISTER_UNCOUNTED) {
                self.aptpl = c.aptpl == Aptpl::Yes;
                return Answer::Good;
            }
        } else if !self.has_room(own().chain(listed.iter().copied())) {
            return Answer::NO_REGISTRATION_RESOURCES;
        } else {
            own().chain(listed.iter().copied()).for_each(|n| self.set_key(n, c.new));
        }
        self.aptpl = c.aptpl == Aptpl::Yes;
        self.next_generation()
    }

    /// REGISTER AND MOVE (SPC-4 5.12.8, table 70).
    pub fn register_and_move(&mut self, nexus: NexusId, c: &MoveTo) -> Answer {
        if self.lost() {
            return Answer::RESERVATION_LOST;
        }
        match self.key_of(nexus) {
            None => return self.unregistered(OutAction::RegisterAndMove),
            Some(key) if key != c.own => return Answer::Conflict,
            Some(_) => {}
        }
        let kind = match self.reservation {
            None => return Answer::INVALID_FIELD_IN_CDB,
            // All registrants hold: there is nothing to move.
            Some(Reservation { holder: None, .. }) => return Answer::Conflict,
            Some(r) if !self.is_holder(nexus) => {
                debug_assert!(r.holder.is_some());
                return Answer::Conflict;
            }
            Some(r) => r.kind,
        };
        let Some(to) = c.to.filter(|_| !c.new.is_zero()) else {
            return Answer::INVALID_FIELD_IN_PARAMETER_LIST;
        };
        // The registration that UNREG ends makes room only afterwards.
        if !self.has_room(std::iter::once(to)) {
            return Answer::NO_REGISTRATION_RESOURCES;
        }
        self.set_key(to, c.new);
        self.reservation = Some(Reservation::of(to, kind));
        self.moved_away(nexus);
        if c.unregister == Unregister::Yes {
            // It holds nothing any more: nobody has to be told.
            self.unregister(nexus);
        }
        self.aptpl = c.aptpl == Aptpl::Yes;
        self.next_generation()
    }

    /// A new key for a holder leaves the reservation in force (SPC-4 5.12.7).
    pub(super) fn set_key(&mut self, nexus: NexusId, key: Key) {
        match self.position(nexus) {
            Ok(at) => self.registrations[at].key = key,
            Err(at) => self.registrations.insert(at, Registration { nexus, key }),
        }
    }

    /// Whether all of these, each named once, can be registered.
    fn has_room(&self, all: impl Iterator<Item = NexusId>) -> bool {
        let more = all.filter(|n| !self.is_registered(*n)).count();
        more == 0 || self.registrations.len() + more <= MAX_REGISTRATIONS
    }
}
