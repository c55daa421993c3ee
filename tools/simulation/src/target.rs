//! The shared logical unit: the emulator's own, one for all nodes.

use arbitrate::codec::Cdb;
use arbitrate::codec::pr::{Aptpl, PrOut, PrOutRequest};
use arbitrate::device::sim::{Answer, LogicalUnit, NexusId, Profile, Reply, TargetPort, Welcome};
use arbitrate::key::Key;

use crate::plan::Memory;

/// Blocks of the unit; the application writes the first.
const BLOCKS: u64 = 8;

/// The unit and the names of its nexuses.
#[derive(Debug)]
pub struct Target {
    unit: LogicalUnit,
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
        let mut profile = Profile::new("SIMULATION", BLOCKS, 512).ok()?;
        for n in 0..=nodes {
            profile.intern(&format!("n{n}").parse().ok()?, TargetPort::default()).ok()?;
        }
        Some(Self { unit: LogicalUnit::new(Welcome::Silent), profile, nodes, aborts })
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
        data.truncate(reply.moved);
        let aborted = if reply.answer == Answer::Good { victims } else { Vec::new() };
        Executed { reply, data, aborted }
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

    /// Power goes and comes back; every nexus is told, PRGENERATION begins anew.
    pub fn lose_power(&mut self, memory: Memory) {
        let mut fresh = LogicalUnit::new(Welcome::PowerOn);
        fresh.introduce(nexus(self.nodes));
        if memory == Memory::Kept {
            // The unit offers no persistence; what a target that has it would keep is put back by its
            // stored form.
            let graft = || -> Option<LogicalUnit> {
                let old = serde_json::to_value(&self.unit).ok()?;
                let mut new = serde_json::to_value(&fresh).ok()?;
                for kept in ["registrations", "reservation"] {
                    new["pr"][kept] = old["pr"][kept].clone();
                }
                serde_json::from_value(new).ok()
            };
            fresh = graft().unwrap_or(fresh);
        }
        self.unit = fresh;
    }
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
                PrOut::register(Key::default(), key, Aptpl::No),
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
