//! The shared logical unit: the emulator's own, one for all nodes.

use arbitrate::codec::Cdb;
use arbitrate::codec::pr::{Aptpl, PrOut, PrOutRequest};
use arbitrate::codec::quorum::{ClusterUuid, Epoch, MIN_UNITS, Mark, Record, Tenure, UNIT, Units};
use arbitrate::device::sim::pr::power;
use arbitrate::device::sim::{Answer, LogicalUnit, Medium, NexusId, Profile, Reply, TargetPort, Welcome};
use arbitrate::key::Key;

use crate::plan::Memory;

/// Bytes of a block.
const BLOCK: u32 = 512;
/// Blocks of the unit; the application writes the first, the head of a formatted one begins in unit 3.
const BLOCKS: u64 = MIN_UNITS * (UNIT as u64) / (BLOCK as u64);
/// The UUID it is formatted with.
pub const UUID: ClusterUuid = ClusterUuid(*b"simulation-unit\0");

/// The unit and the names of its nexuses.
#[derive(Debug)]
pub struct Target {
    unit: LogicalUnit,
    /// The blocks up to the end of the head; all others are nobody's business.
    blocks: Vec<u8>,
    profile: Profile,
    nodes: usize,
    aborts: bool,
}

/// One command executed.
#[derive(Debug)]
pub struct Executed {
    /// What the unit says.
    pub reply: Reply,
    /// What it sends with that.
    pub data: Vec<u8>,
    /// Nodes whose commands it aborts.
    pub aborted: Vec<usize>,
}

impl Target {
    /// A unit that nobody has seen. One that does not abort is broken on purpose.
    #[must_use]
    pub fn new(nodes: usize, aborts: bool) -> Option<Self> {
        let mut profile = Profile::new("SIMULATION", BLOCKS, BLOCK).ok()?;
        for n in 0..=nodes {
            profile.intern(&format!("n{n}").parse().ok()?, TargetPort::default()).ok()?;
        }
        let mut blocks = vec![0; place(Units::HEAD).end];
        // As the last holder left it that ended cleanly.
        let last = Tenure { epoch: Epoch(1), key: Key::from_u64(1) };
        for record in [Record::Tenure(last), Record::Mark(Mark { of: last })] {
            blocks.get_mut(place(record.units()))?.copy_from_slice(&record.emit(UUID));
        }
        Some(Self { unit: LogicalUnit::new(Welcome::Silent), blocks, profile, nodes, aborts })
    }

    /// The TransportID of a node's nexus.
    #[must_use]
    pub fn transport_id(&self, node: usize) -> Option<Vec<u8>> {
        self.profile.name(nexus(node)).map(|n| n.initiator.transport_id().emit())
    }

    /// Executes a command of a node, with room for `room` bytes of answer.
    pub fn execute(&mut self, node: usize, cdb: &Cdb, out: &[u8], room: usize) -> Executed {
        let victims: Vec<_> = match PrOutRequest::parse(cdb, out) {
            Ok(PrOutRequest::Basic(p)) if self.aborts => {
                self.unit.reservations().aborted_by(nexus(node), &p).map(|n| usize::from(n.0)).collect()
            }
            _ => Vec::new(),
        };
        let mut data = vec![0; room];
        let reply = self.unit.execute(&mut self.profile, nexus(node), cdb, out, &mut data);
        self.carry_out(reply, out, &mut data);
        data.truncate(reply.moved);
        let aborted = if reply.answer == Answer::Good { victims } else { Vec::new() };
        Executed { reply, data, aborted }
    }

    /// Reads and writes blocks, where the unit let it: writes reach the medium at once, as with FUA.
    fn carry_out(&mut self, reply: Reply, out: &[u8], data: &mut [u8]) {
        let at = |offset: u64| usize::try_from(offset).map_or(0..0, |o| o..o + reply.moved);
        match reply.medium {
            Medium::Read { offset } => {
                if let (Some(from), Some(to)) = (self.blocks.get(at(offset)), data.get_mut(..reply.moved)) {
                    to.copy_from_slice(from);
                }
            }
            Medium::Write { offset } => {
                if let (Some(to), Some(from)) = (self.blocks.get_mut(at(offset)), out.get(..reply.moved)) {
                    to.copy_from_slice(from);
                }
            }
            Medium::None | Medium::CompareAndWrite { .. } => {}
        }
    }

    /// The node that holds the reservation.
    #[must_use]
    pub fn holder(&self) -> Option<usize> {
        let pr = self.unit.reservations();
        pr.registrations().find(|r| pr.is_holder(r.nexus)).map(|r| usize::from(r.nexus.0))
    }

    /// Whether the unit is in a state that commands can lead to.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.unit.is_sound()
    }

    /// LOGICAL UNIT RESET.
    pub fn reset(&mut self) {
        self.unit.reset();
    }

    /// An operator's CLEAR, by way of a nexus of its own.
    pub fn clear(&mut self) {
        let operator = nexus(self.nodes);
        while self.unit.request_sense(operator).is_some() {}
        let key = Key::from_u64(1);
        let _ = self.unit.pr_out(operator, &PrOut::register(Key::default(), key, Aptpl::No));
        let _ = self.unit.pr_out(operator, &PrOut::clear(key));
    }

    /// Power goes and comes back; every nexus is told, PRGENERATION begins anew. Blocks stay.
    pub fn lose_power(&mut self, memory: Memory) {
        match memory {
            // What was asked for with APTPL stays.
            Memory::Kept => self.unit.lose_power(power::Memory::Kept),
            Memory::Lost => {
                self.unit = LogicalUnit::new(Welcome::PowerOn);
                self.unit.introduce(nexus(self.nodes));
            }
        }
    }
}

/// Where units lie, in bytes.
fn place(units: Units) -> std::ops::Range<usize> {
    let first = usize::try_from(units.first).unwrap_or(0) * UNIT;
    first..first + units.len()
}

fn nexus(node: usize) -> NexusId {
    NexusId(u8::try_from(node).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arbitrate::codec::pr::ReservationType;

    #[test]
    fn power_loss_keeps_what_is_to_be_kept() {
        for (memory, holder) in [(Memory::Kept, Some(1)), (Memory::Lost, None)] {
            let mut t = Target::new(2, true).unwrap();
            let key = Key::from_u64(0xa);
            for c in [
                PrOut::register(Key::default(), key, Aptpl::Yes),
                PrOut::reserve(key, ReservationType::WriteExclusiveRegistrantsOnly),
            ] {
                assert_eq!(t.execute(1, &c.basic_cdb(), &c.list.emit(), 0).reply.answer, Answer::Good);
            }
            assert_eq!(t.holder(), Some(1));
            t.lose_power(memory);
            assert!(t.is_sound());
            assert_eq!(t.holder(), holder, "{memory:?}");
            assert_eq!(t.unit.reservations().generation().0, 0);
            t.clear();
            assert_eq!((t.holder(), t.is_sound()), (None, true));
        }
    }
}
