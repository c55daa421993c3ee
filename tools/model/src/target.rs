//! The logical unit, reduced to what a protocol can tell apart.
//!
//! The state machine is [`Reservations`], untouched. Two things of it grow without end and would make
//! equal situations look different. PRGENERATION counts every change, but a protocol only asks whether it
//! fell: the model tells a number that falls when the target lost its memory and never otherwise. Unit
//! attentions are consumed by the one retry policy, which sends the command again: that is the same as
//! the command arriving a moment later, which the model has anyway, so they are dropped where they arise.
//!
//! Must never decide anything about reservations by itself.

use std::hash::{Hash, Hasher};

use arbitrate::codec::pr::{Aptpl, Generation, Holder, OutAction, PrOut, ReadReservation};
use arbitrate::device::sim::access::{Access, Verdict};
use arbitrate::device::sim::pr::Reservations;
use arbitrate::device::sim::{Answer, NexusId};
use arbitrate::key::Key;

/// What is told as PRGENERATION before the first loss of memory.
const FIRST_GENERATION: u32 = 100;

/// The unit.
#[derive(Clone, Debug, Default)]
pub struct Target {
    reservations: Reservations,
    losses: u8,
}

impl Target {
    /// Executes a PERSISTENT RESERVE OUT of `nexus`; returns the answer and the nexuses whose commands
    /// it aborts.
    pub fn pr_out(&mut self, nexus: NexusId, c: &PrOut) -> (Answer, Vec<NexusId>) {
        let registered: Vec<_> = self.reservations.registrations().map(|r| r.nexus).collect();
        let victims: Vec<_> = self.reservations.aborted_by(nexus, c).collect();
        let answer = self.reservations.pr_out(nexus, c);
        self.forget_attentions(&registered);
        let aborted = if answer == Answer::Good { victims } else { Vec::new() };
        (answer, aborted)
    }

    /// The keys, as READ KEYS tells them.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        self.reservations.keys().collect()
    }

    /// What is told as PRGENERATION.
    #[must_use]
    pub fn generation(&self) -> Generation {
        Generation(FIRST_GENERATION.saturating_sub(u32::from(self.losses)))
    }

    /// The answer to READ RESERVATION.
    #[must_use]
    pub fn reservation(&self) -> ReadReservation {
        ReadReservation { generation: self.generation(), holder: self.holder() }
    }

    /// The reservation in force.
    #[must_use]
    pub fn holder(&self) -> Option<Holder> {
        self.reservations.read_reservation().holder
    }

    /// The key `nexus` is registered with.
    #[must_use]
    pub fn key_of(&self, nexus: NexusId) -> Option<Key> {
        self.reservations.key_of(nexus)
    }

    /// Whether a write of `nexus` would be executed.
    #[must_use]
    pub fn admits_write(&self, nexus: NexusId) -> bool {
        self.reservations.check_access(nexus, Access::Write) == Verdict::Admitted
    }

    /// An operator's CLEAR, by way of a nexus nobody else uses.
    pub fn clear(&mut self) {
        let operator = NexusId(u8::MAX);
        let key = Key::from_u64(1);
        let join = PrOut::register(Key::default(), key, Aptpl::No);
        let clear = PrOut { action: OutAction::Clear, ..PrOut::register(key, Key::default(), Aptpl::No) };
        let _ = self.pr_out(operator, &join);
        let _ = self.pr_out(operator, &clear);
    }

    /// Power lost without APTPL: registrations and reservation are gone, PRGENERATION falls.
    pub fn lose_memory(&mut self) {
        self.reservations = Reservations::default();
        self.losses = self.losses.saturating_add(1);
    }

    /// Only who is registered when it happens is told of anything.
    fn forget_attentions(&mut self, told: &[NexusId]) {
        for n in told {
            while self.reservations.take_attention(*n).is_some() {}
        }
    }

    /// All that a node could ever tell apart.
    fn visible(&self) -> (u8, impl Iterator<Item = (NexusId, Key, bool)> + '_) {
        let r = &self.reservations;
        (self.losses, r.registrations().map(|g| (g.nexus, g.key, r.is_holder(g.nexus))))
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        let ((a, x), (b, y)) = (self.visible(), other.visible());
        a == b && x.eq(y)
    }
}

impl Eq for Target {}

impl Hash for Target {
    fn hash<H: Hasher>(&self, h: &mut H) {
        let (losses, registrations) = self.visible();
        losses.hash(h);
        registrations.for_each(|r| r.hash(h));
    }
}
