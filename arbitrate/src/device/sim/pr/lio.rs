//! What LIO remembers and checks beyond the standard's state machine (see [`Deviation`]).
//!
//! Invariant: under the personality `spc` nothing here is ever consulted or kept.

use serde::{Deserialize, Serialize};

use super::{Registration, Reservations};
use crate::codec::pr::{OutAction, ReservationType};
use crate::device::sim::access::Verdict;
use crate::device::sim::answer::Answer;
use crate::device::sim::nexus::NexusId;
use crate::device::sim::personality::Deviation;
use crate::key::Key;

/// What LIO remembers of its registrations.
#[derive(PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    /// Registered nexuses in the order in which they registered.
    arrivals: Vec<NexusId>,
    /// Who reserved. LIO has such a one for the types that all registrants hold, too: it alone is treated
    /// as holder by some rules, and an heir is chosen when it unregisters.
    holder: Option<NexusId>,
    /// Who registered with ALL_TG_PT.
    everywhere: Vec<NexusId>,
    /// Whose next reservation, should it be moved to it, has a scope that there is not.
    misscoped: Vec<NexusId>,
}

impl Clone for Memory {
    fn clone(&self) -> Self {
        let Self { arrivals, holder, everywhere, misscoped } = self;
        Self {
            arrivals: arrivals.clone(),
            holder: *holder,
            everywhere: everywhere.clone(),
            misscoped: misscoped.clone(),
        }
    }

    /// Keeps the memory it has: the emulator copies its state for every command.
    fn clone_from(&mut self, from: &Self) {
        self.holder = from.holder;
        self.arrivals.clone_from(&from.arrivals);
        self.everywhere.clone_from(&from.everywhere);
        self.misscoped.clone_from(&from.misscoped);
    }
}

impl Reservations {
    /// All registrations as PERSISTENT RESERVE IN lists them.
    pub(in crate::device::sim) fn listed(&self) -> impl ExactSizeIterator<Item = Registration> + '_ {
        (0..self.registrations.len()).map(|i| {
            let arrived = self.lio.arrivals.get(i).and_then(|n| self.position(*n).ok());
            self.registrations[arrived.unwrap_or(i)]
        })
    }

    /// Whether `nexus` is the one LIO thinks of as holder.
    pub(in crate::device::sim) fn is_lio_holder(&self, nexus: NexusId) -> bool {
        self.lio.holder == Some(nexus)
    }

    /// Brings the memory up to date after a command; `reserved`: who established a reservation by it.
    pub(in crate::device::sim) fn remember(&mut self, reserved: Option<NexusId>) {
        if self.personality == super::Personality::SPC {
            return;
        }
        let Self { lio, registrations, reservation, personality, .. } = self;
        if personality.has(Deviation::ARRIVAL_ORDER) {
            lio.arrivals.retain(|n| registrations.iter().any(|r| r.nexus == *n));
            for r in registrations.iter() {
                if !lio.arrivals.contains(&r.nexus) {
                    lio.arrivals.push(r.nexus);
                }
            }
        }
        lio.everywhere.retain(|n| registrations.iter().any(|r| r.nexus == *n));
        lio.misscoped.retain(|n| registrations.iter().any(|r| r.nexus == *n));
        let registered = |n: &NexusId| registrations.iter().any(|r| r.nexus == *n);
        lio.holder = reservation.and_then(|r| {
            let kept = r.holder.or(reserved).or(lio.holder.filter(registered));
            kept.or_else(|| lio.arrivals.first().copied()).or_else(|| registrations.first().map(|r| r.nexus))
        });
    }

    /// Whether `nexus` made its registration with ALL_TG_PT.
    pub(in crate::device::sim) fn is_everywhere(&self, nexus: NexusId) -> bool {
        self.lio.everywhere.contains(&nexus)
    }

    /// Notes that `nexus` registers with ALL_TG_PT.
    pub(in crate::device::sim) fn register_everywhere(&mut self, nexus: NexusId) {
        if self.personality.has(Deviation::ALL_PORTS_KEPT) && !self.is_everywhere(nexus) {
            self.lio.everywhere.push(nexus);
        }
    }

    /// Notes who registered by one SPEC_I_PT, in order, and whether with ALL_TG_PT; each counts.
    pub(in crate::device::sim) fn arrived(&mut self, order: &[NexusId], everywhere: bool) {
        if self.personality.has(Deviation::PORTS_COUNTED) {
            let more = order.iter().skip(1).count();
            self.generation = self.generation.wrapping_add(u32::try_from(more).unwrap_or_default());
        }
        if self.personality.has(Deviation::ARRIVAL_ORDER) {
            self.lio.arrivals.extend_from_slice(order);
        }
        if everywhere {
            order.iter().for_each(|n| self.register_everywhere(*n));
        }
    }

    /// Notes that `from` moved its reservation away.
    pub(super) fn moved_away(&mut self, from: NexusId) {
        if self.personality.has(Deviation::MOVE_SCOPE) && !self.lio.misscoped.contains(&from) {
            self.lio.misscoped.push(from);
        }
    }

    /// Notes that `nexus` has a reservation of the right scope, or none.
    pub(super) fn right_scope(&mut self, nexus: NexusId) {
        self.lio.misscoped.retain(|n| *n != nexus);
    }

    /// Whether the reservation in force has a scope that nobody can name.
    pub(super) fn has_odd_scope(&self) -> bool {
        self.reservation.and_then(|r| r.holder).is_some_and(|n| self.lio.misscoped.contains(&n))
    }

    /// What a command that needs a registration gets without one.
    pub(super) fn unregistered(&self, action: OutAction) -> Answer {
        let preempts = matches!(action, OutAction::Preempt | OutAction::PreemptAndAbort);
        if self.personality.has(Deviation::NOT_READY) && self.reservation.is_none() && !preempts {
            Answer::COMMUNICATION_FAILURE
        } else {
            Answer::Conflict
        }
    }

    /// Whether the preempter survives a PREEMPT of its own key.
    pub(super) fn spares_preempter(&self) -> bool {
        self.personality.has(Deviation::PREEMPT_SPARES_SELF)
            && self.kind().is_some_and(ReservationType::all_registrants)
    }

    /// Whether PREEMPT of `victim` moves a reservation that all registrants hold.
    pub(super) fn moves_all_registrants(&self, r: super::Reservation, victim: Key) -> bool {
        self.personality.has(Deviation::ALL_REGISTRANTS_MOVE)
            && r.holder.is_none()
            && self.lio.holder.and_then(|n| self.key_of(n)) == Some(victim)
    }

    /// LIO's reading of SPC-4 table 67, looked at before the parameter list. `action` none: undefined.
    pub(in crate::device::sim) fn stops_out(
        &self,
        nexus: NexusId,
        action: Option<OutAction>,
        list_len: usize,
    ) -> Verdict {
        let Some(kind) = self.kind().filter(|_| self.personality.has(Deviation::CONFLICT_FIRST)) else {
            return Verdict::Admitted;
        };
        if self.is_lio_holder(nexus) {
            return Verdict::Admitted;
        }
        let registered = self.is_registered(nexus);
        let admitted =
            match action {
                None => false,
                Some(OutAction::Register | OutAction::RegisterAndIgnoreExistingKey) => true,
                Some(
                    OutAction::Clear | OutAction::Preempt | OutAction::PreemptAndAbort | OutAction::Release,
                ) if registered => true,
                // What follows goes by the direction of the data, like any other command.
                Some(_) if registered => kind.registrants_only(),
                Some(_) => list_len == 0 && !kind.restricts_reads(),
            };
        if admitted { Verdict::Admitted } else { Verdict::Conflict }
    }

    /// What a command without data meets where LIO goes by the direction of the data.
    pub(in crate::device::sim) fn admits_no_data(&self, nexus: NexusId, kind: ReservationType) -> bool {
        match (kind.registrants_only(), self.is_registered(nexus)) {
            _ if self.is_lio_holder(nexus) => true,
            (registrants, true) => registrants,
            (_, false) => !kind.restricts_reads(),
        }
    }
}
