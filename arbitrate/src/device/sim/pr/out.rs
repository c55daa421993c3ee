//! PERSISTENT RESERVE OUT, service action by service action (SPC-4 6.16, 5.12.7 to 5.12.11).
//!
//! Every action first finds its reasons to refuse, then changes the state as a whole: a refused command
//! has changed nothing.

use super::others::{Existing, RegisterAll};
use super::{Registration, Reservation, Reservations};
use crate::codec::pr::{OutAction, PrOut, ReservationType};
use crate::device::sim::answer::Answer;
use crate::device::sim::attention::Attention;
use crate::device::sim::nexus::NexusId;
use crate::device::sim::personality::Deviation;
use crate::key::Key;

impl Reservations {
    /// Executes one PERSISTENT RESERVE OUT from `nexus`. Unit attentions and SPC-2 reservations come
    /// before this and are [`super::super::LogicalUnit`]'s business; so is which nexuses ALL_TG_PT stands for: here the port the command came by is all the ports there are
    /// (see [`Reservations::register_all`]).
    pub fn pr_out(&mut self, nexus: NexusId, c: &PrOut) -> Answer {
        if self.lost() && c.action != OutAction::ReplaceLostReservation {
            return Answer::RESERVATION_LOST;
        }
        // SPC-4 6.16.3: SPEC_I_PT comes with a list of ports, which this is not.
        if c.list.spec_i_pt {
            return Answer::INVALID_FIELD_IN_PARAMETER_LIST;
        }
        match c.action {
            OutAction::Register => self.register_all(nexus, &RegisterAll::alone(c, Existing::Compare)),
            OutAction::RegisterAndIgnoreExistingKey => {
                self.register_all(nexus, &RegisterAll::alone(c, Existing::Ignore))
            }
            OutAction::Reserve => self.reserve(nexus, c),
            OutAction::Release => self.release(nexus, c),
            OutAction::Clear => self.clear(nexus, c),
            // The two differ only in what becomes of the victims' commands (see `aborted_by`).
            OutAction::Preempt | OutAction::PreemptAndAbort => self.preempt(nexus, c),
            OutAction::ReplaceLostReservation => self.replace_lost(nexus, c),
            // It has a parameter list of its own: see `register_and_move`.
            OutAction::RegisterAndMove => Answer::INVALID_FIELD_IN_CDB,
        }
    }

    /// The nexuses whose outstanding commands `c` aborts if it ends with GOOD now: those registered with
    /// the named key, whether a reservation moves or not (SPC-4 5.12.11.2.6). The emulator executes each
    /// command as a whole and has none outstanding; a model with queued commands drops these.
    pub fn aborted_by<'a>(&'a self, nexus: NexusId, c: &'a PrOut) -> impl Iterator<Item = NexusId> + 'a {
        let everyone_else =
            c.list.target.is_zero() && self.kind().is_some_and(ReservationType::all_registrants);
        self.registrations()
            .filter(move |_| c.action == OutAction::PreemptAndAbort)
            .filter(move |r| r.key == c.list.target || (everyone_else && r.nexus != nexus))
            .map(|r| r.nexus)
    }

    /// SPC-4 5.12.11.2, Unregistering.
    pub(super) fn unregister(&mut self, nexus: NexusId) {
        let was_holder = self.is_holder(nexus);
        self.registrations.retain(|r| r.nexus != nexus);
        let Some(r) = self.reservation.filter(|_| was_holder) else { return };
        // An all-registrants reservation stands until its last registrant goes, and then nobody is left
        // to be told.
        if r.kind.all_registrants() && !self.registrations.is_empty() {
            return;
        }
        self.reservation = None;
        if r.kind.registrants_only() {
            self.tell_others(nexus, Attention::ReservationsReleased);
        }
    }

    /// RESERVE (SPC-4 5.12.9).
    fn reserve(&mut self, nexus: NexusId, c: &PrOut) -> Answer {
        let Some(kind) = c.kind else { return Answer::INVALID_FIELD_IN_CDB };
        if let Some(refused) = self.refuses_key(nexus, c) {
            return refused;
        }
        match self.reservation {
            None => {
                self.reservation = Some(Reservation::of(nexus, kind));
                self.right_scope(nexus);
                Answer::Good
            }
            // A holder may ask again for what it has; another type must be released or preempted first.
            Some(r) if r.kind == kind && self.is_holder(nexus) && !self.has_odd_scope() => Answer::Good,
            Some(_) => Answer::Conflict,
        }
    }

    /// RELEASE (SPC-4 5.12.11.2, Releasing).
    fn release(&mut self, nexus: NexusId, c: &PrOut) -> Answer {
        let unchecked = self.personality().has(Deviation::RELEASE_UNCHECKED);
        if c.kind.is_none() && !unchecked {
            return Answer::INVALID_FIELD_IN_CDB;
        }
        if let Some(refused) = self.refuses_key(nexus, c) {
            let passes = unchecked && self.is_registered(nexus) && !self.is_holder(nexus);
            return if passes { Answer::Good } else { refused };
        }
        // A registrant that holds nothing releases nothing: GOOD, and the type is not looked at.
        let Some(r) = self.reservation.filter(|_| self.is_holder(nexus)) else { return Answer::Good };
        if c.kind != Some(r.kind) || self.has_odd_scope() {
            let conflicts = self.personality().has(Deviation::RELEASE_CONFLICT);
            return if conflicts { Answer::Conflict } else { Answer::INVALID_RELEASE };
        }
        self.reservation = None;
        // Types 1 and 3 shut the other registrants out; these have nothing to lose and are told nothing.
        if r.kind.registrants_only() {
            self.tell_others(nexus, Attention::ReservationsReleased);
        }
        Answer::Good
    }

    /// CLEAR (SPC-4 5.12.11.2, Clearing): holder or not, any registrant may.
    fn clear(&mut self, nexus: NexusId, c: &PrOut) -> Answer {
        if let Some(refused) = self.refuses_key(nexus, c) {
            return refused;
        }
        self.tell_others(nexus, Attention::ReservationsPreempted);
        self.registrations.clear();
        self.reservation = None;
        self.aptpl &= !self.personality().has(Deviation::CLEAR_ENDS_APTPL);
        self.next_generation()
    }

    /// PREEMPT, PREEMPT AND ABORT (SPC-4 5.12.11.2, Preempting).
    fn preempt(&mut self, nexus: NexusId, c: &PrOut) -> Answer {
        if let Some(refused) = self.refuses_key(nexus, c) {
            return refused;
        }
        let victim = c.list.target;
        match self.reservation {
            // Key 0 stands for all other registrants where all hold, and for nobody elsewhere.
            Some(r) if r.holder.is_none() && victim.is_zero() => self.preempt_reservation(nexus, c, r, None),
            _ if victim.is_zero() => Answer::INVALID_FIELD_IN_PARAMETER_LIST,
            Some(r) if r.holder.and_then(|h| self.key_of(h)) == Some(victim) => {
                self.preempt_reservation(nexus, c, r, Some(victim))
            }
            Some(r) if self.moves_all_registrants(r, victim) => {
                self.preempt_reservation(nexus, c, r, Some(victim))
            }
            // GOOD below is not victory: the key was registered and held nothing.
            _ => self.remove_registrations(nexus, victim),
        }
    }

    /// The key is a holder's: the reservation moves to the preempter, with the type it names. A holder
    /// may preempt itself and keeps its registration. `victim` none: all others.
    fn preempt_reservation(
        &mut self,
        nexus: NexusId,
        c: &PrOut,
        old: Reservation,
        victim: Option<Key>,
    ) -> Answer {
        let Some(kind) = c.kind else { return Answer::INVALID_FIELD_IN_CDB };
        let odd = self.has_odd_scope();
        self.remove(nexus, |r| r.nexus != nexus && victim.is_none_or(|v| r.key == v));
        self.reservation = Some(Reservation::of(nexus, kind));
        old.holder.into_iter().chain([nexus]).for_each(|n| self.right_scope(n));
        self.remember(Some(nexus));
        // Who stays registered is told only where the type is another one.
        if old.kind != kind || odd {
            self.tell_others(nexus, Attention::ReservationsReleased);
        }
        self.next_generation()
    }

    /// The key is no holder's: its registrations go, the preempter's own among them if it named itself;
    /// scope and type are not looked at (SPC-4 5.12.11.2, Removing registrations).
    fn remove_registrations(&mut self, nexus: NexusId, victim: Key) -> Answer {
        if !self.keys().any(|k| k == victim) {
            return Answer::Conflict;
        }
        let spares = self.spares_preempter();
        self.remove(nexus, |r| r.key == victim && !(spares && r.nexus == nexus));
        // Only an all-registrants reservation can lose its last holder here.
        if self.registrations.is_empty() {
            self.reservation = None;
        }
        self.next_generation()
    }

    /// Removes registrations; those removed are told, the preempter is not.
    fn remove(&mut self, preempter: NexusId, goes: impl Fn(&Registration) -> bool) {
        let Self { registrations, attentions, .. } = self;
        registrations.retain(|r| {
            let goes = goes(r);
            if goes && r.nexus != preempter {
                attentions.establish(r.nexus, Attention::RegistrationsPreempted);
            }
            !goes
        });
    }

    /// Establishes `what` for every registered nexus but `except`.
    fn tell_others(&mut self, except: NexusId, what: Attention) {
        let Self { registrations, attentions, .. } = self;
        for r in registrations.iter().filter(|r| r.nexus != except) {
            attentions.establish(r.nexus, what);
        }
    }

    /// Why a registrant's command from `nexus` is refused: it is not registered, or not with the key it
    /// names (SPC-4 6.16.3: the RESERVATION KEY is verified for every action but REGISTER AND IGNORE EXISTING
    /// KEY).
    pub(in crate::device::sim) fn refuses_key(&self, nexus: NexusId, c: &PrOut) -> Option<Answer> {
        match self.key_of(nexus) {
            None => Some(self.unregistered(c.action)),
            Some(key) => (key != c.list.own).then_some(Answer::Conflict),
        }
    }

    /// Counts a command that changed registrations (SPC-4 6.15.2). 32 bits, wrapping; RESERVE, RELEASE
    /// and refused commands don't count.
    pub(super) fn next_generation(&mut self) -> Answer {
        self.generation = self.generation.wrapping_add(1);
        Answer::Good
    }
}

impl Reservation {
    pub(super) fn of(nexus: NexusId, kind: ReservationType) -> Self {
        Self { kind, holder: (!kind.all_registrants()).then_some(nexus) }
    }
}
