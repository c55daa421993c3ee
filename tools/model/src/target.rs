//! The logical unit, reduced to what a protocol can tell apart.
//!
//! The state machine is [`LogicalUnit`], untouched. Two things of it grow without end and would make
//! equal situations look different. PRGENERATION counts every change, but a protocol only asks whether it
//! fell: the model tells a number that falls when the target lost power and never otherwise. Unit
//! attentions are consumed by the one retry policy, which sends the command again: most systems drop them
//! where they arise, which is the command arriving a moment later; some have them told.
//!
//! Must never decide anything about reservations by itself.

use std::hash::{Hash, Hasher};

use arbitrate::codec::Sense;
use arbitrate::codec::pr::{Aptpl, Generation, Holder, OutAction, PrOut, ReadReservation};
use arbitrate::codec::quorum::{Head, Mark, Record, Tenure};
use arbitrate::device::sim::access::Access;
use arbitrate::device::sim::pr::power::Memory;
use arbitrate::device::sim::{Answer, Attention, LogicalUnit, NexusId};
use arbitrate::key::Key;

use crate::config::Attentions;

/// What is told as PRGENERATION before the first loss of memory.
const FIRST_GENERATION: u32 = 100;

/// The unit.
#[derive(Clone, Debug)]
pub struct Target {
    unit: LogicalUnit,
    losses: u8,
    told: Attentions,
    /// The nexus nobody else uses.
    operator: NexusId,
    blocks: Blocks,
}

/// The head of a formatted device; whole units only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Blocks {
    tenures: [Option<Tenure>; 2],
    mark: Option<Mark>,
}

impl Target {
    /// A unit that the nexuses below `operator` know, and it.
    #[must_use]
    pub fn new(told: Attentions, operator: NexusId) -> Self {
        let mut unit = LogicalUnit::default();
        unit.introduce(operator);
        Self { unit, losses: 0, told, operator, blocks: Blocks::default() }
    }

    /// Executes a PERSISTENT RESERVE OUT of `nexus`; returns the answer and the nexuses whose commands
    /// it aborts. A unit attention in its place was already heard by [`Target::attention`].
    pub fn pr_out(&mut self, nexus: NexusId, c: &PrOut) -> (Answer, Vec<NexusId>) {
        let victims: Vec<_> = self.unit.reservations().aborted_by(nexus, c).collect();
        let answer = self.unit.pr_out(nexus, c);
        self.forget_attentions();
        let aborted = if answer == Answer::Good { victims } else { Vec::new() };
        (answer, aborted)
    }

    /// The unit attention that `nexus` is told in place of its command.
    pub fn attention(&mut self, nexus: NexusId) -> Option<Sense> {
        self.unit.request_sense(nexus).map(Attention::sense)
    }

    /// The keys, as READ KEYS tells them.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        self.unit.reservations().keys().collect()
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
        self.unit.reservations().read_reservation().holder
    }

    /// The key `nexus` is registered with.
    #[must_use]
    pub fn key_of(&self, nexus: NexusId) -> Option<Key> {
        self.unit.reservations().key_of(nexus)
    }

    /// Whether a write of `nexus` would be executed.
    #[must_use]
    pub fn admits_write(&mut self, nexus: NexusId) -> bool {
        self.unit.begin(nexus, Access::Write).is_ok()
    }

    /// The head of a formatted device.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        Head::of(self.blocks.tenures, self.blocks.mark)
    }

    /// Writes a record, whoever sent it.
    pub fn record(&mut self, r: Record) {
        match r {
            Record::Tenure(t) => {
                self.blocks.tenures[usize::from(!t.epoch.0.is_multiple_of(2))] = Some(t);
            }
            Record::Mark(m) => self.blocks.mark = Some(m),
        }
    }

    /// Takes the blocks back to what they were then.
    pub fn lose_writes(&mut self, then: &Self) {
        self.blocks = then.blocks;
    }

    /// An operator's CLEAR, by way of a nexus nobody else uses.
    pub fn clear(&mut self) {
        let key = Key::from_u64(1);
        let join = PrOut::register(Key::default(), key, Aptpl::No);
        let clear = PrOut { action: OutAction::Clear, ..PrOut::register(key, Key::default(), Aptpl::No) };
        while self.attention(self.operator).is_some() {}
        let _ = self.pr_out(self.operator, &join);
        let _ = self.pr_out(self.operator, &clear);
    }

    /// Power is lost and comes back; what APTPL asked for is kept if `memory` does.
    pub fn lose_power(&mut self, memory: Memory) {
        self.losses = self.losses.saturating_add(1);
        self.unit.lose_power(memory);
        self.forget_attentions();
    }

    /// Power is lost, and the target forgets what it promised to keep, and that it did.
    pub fn forget_all(&mut self) {
        self.unit = LogicalUnit::default();
        self.unit.introduce(self.operator);
        self.lose_power(Memory::Kept);
    }

    /// What stands before a command of `nexus` that no unit attention waits for.
    ///
    /// # Errors
    /// The answer in its place.
    pub fn begin(&mut self, nexus: NexusId, access: Access) -> Result<(), Answer> {
        self.unit.begin(nexus, access)
    }

    /// LOGICAL UNIT RESET.
    pub fn reset(&mut self) {
        self.unit.reset();
        self.forget_attentions();
    }

    fn forget_attentions(&mut self) {
        if self.told == Attentions::Dropped {
            for n in 0..=self.operator.0 {
                while self.unit.request_sense(NexusId(n)).is_some() {}
            }
        }
    }

    /// All that a node could ever tell apart.
    fn visible(&self) -> (u8, Blocks, impl Iterator<Item = (NexusId, Key, bool)> + '_) {
        let r = self.unit.reservations();
        (
            self.losses | (u8::from(r.lost()) << 7),
            self.blocks,
            r.registrations().map(|g| (g.nexus, g.key, r.is_holder(g.nexus))),
        )
    }

    /// What waits to be told to the nodes.
    fn waiting(&self) -> impl Iterator<Item = (u8, Attention)> + '_ {
        let told = if self.told == Attentions::Told { self.operator.0 } else { 0 };
        (0..told).flat_map(|n| self.unit.reservations().attentions(NexusId(n)).map(move |a| (n, a)))
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        let ((a, c, x), (b, d, y)) = (self.visible(), other.visible());
        a == b && c == d && x.eq(y) && self.waiting().eq(other.waiting())
    }
}

impl Eq for Target {}

impl Hash for Target {
    fn hash<H: Hasher>(&self, h: &mut H) {
        let (losses, blocks, registrations) = self.visible();
        (losses, blocks).hash(h);
        registrations.for_each(|r| r.hash(h));
        self.waiting().for_each(|w| w.hash(h));
    }
}
