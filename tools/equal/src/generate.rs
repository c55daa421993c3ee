//! A seed made into steps.
//!
//! Most commands make sense, so that states far from the start are reached: the generator believes every
//! REGISTER succeeded and mostly uses the key it believes in. The rest is wrong in one way or several.

use std::collections::VecDeque;

use anyhow::Result;
use arbitrate::codec::Cdb;
use arbitrate::codec::opcode as op;
use arbitrate::codec::pr::{PERSISTENT_RESERVE_IN, PERSISTENT_RESERVE_OUT, TransportId};

use crate::besides::Besides;
use crate::rng::Rng;
use crate::step::{NEXUSES, Step, What};
use crate::target::Start;

/// Blocks that are read and written.
pub const BLOCKS_USED: u8 = 8;
/// Bytes of a block.
pub const BLOCK: usize = 512;

/// The keys that go round; few, so that nexuses share them.
const KEYS: [u64; 5] = [0xa1, 0xb2, 0xc3, 0x1122_3344_5566_7788, u64::MAX];
/// The types there are.
const TYPES: [u8; 6] = [1, 3, 5, 6, 7, 8];

const REGISTER: u8 = 0;
const RESERVE: u8 = 1;
const RELEASE: u8 = 2;
const CLEAR: u8 = 3;
const PREEMPT: u8 = 4;
const PREEMPT_AND_ABORT: u8 = 5;
const REGISTER_AND_IGNORE: u8 = 6;
const REGISTER_AND_MOVE: u8 = 7;

/// Flags of the basic parameter list, byte 20.
const APTPL: u8 = 0x01;
const ALL_TG_PT: u8 = 0x04;
const SPEC_I_PT: u8 = 0x08;
/// Of REGISTER AND MOVE, byte 17.
const UNREG: u8 = 0x02;

/// An endless sequence.
#[derive(Debug)]
pub struct Generator {
    rng: Rng,
    /// What is put in between.
    besides: Besides,
    /// Blocks of the unit.
    blocks: u32,
    /// The TransportIDs of the nexuses.
    ids: Vec<Vec<u8>>,
    /// The key each nexus is believed to have.
    believed: [u64; NEXUSES],
    /// The type believed to be in force.
    kind: u8,
    /// What comes next: sequences that chance alone would hardly make.
    planned: VecDeque<Step>,
}

/// The first `count` steps of a seed, for a unit with these nexuses.
///
/// # Errors
/// An initiator's name that is no TransportID.
pub fn sequence(seed: u64, count: usize, start: &Start) -> Result<Vec<Step>> {
    Ok(Generator::new(seed, start)?.take(count).collect())
}

impl Iterator for Generator {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if let Some(planned) = self.planned.pop_front() {
            return Some(planned);
        }
        let nexus = self.rng.below(NEXUSES);
        if self.rng.below(400) == 0 {
            self.plan_return(nexus);
        }
        let own = self.believed.get(nexus).copied().unwrap_or_default();
        let step = Step { nexus, what: self.what(nexus) };
        let mut before = VecDeque::from(self.besides.next(nexus, own, self.blocks));
        let Some(first) = before.pop_front() else { return Some(step) };
        before.push_back(step);
        before.append(&mut self.planned);
        self.planned = before;
        Some(first)
    }
}

impl Generator {
    /// From a seed.
    ///
    /// # Errors
    /// An initiator's name that is no TransportID.
    pub fn new(seed: u64, start: &Start) -> Result<Self> {
        let id = |name: &String| Ok(name.parse::<TransportId>()?.emit());
        let ids = start.initiators.iter().map(id).collect::<Result<_>>()?;
        Ok(Self {
            rng: Rng::new(seed),
            besides: Besides::new(seed),
            blocks: start.blocks,
            ids,
            believed: [0; NEXUSES],
            kind: 5,
            planned: VecDeque::new(),
        })
    }

    fn what(&mut self, nexus: usize) -> What {
        match self.rng.below(100) {
            0..=46 => self.pr_out(nexus),
            47..=66 => self.pr_in(),
            67..=78 => self.transfer(),
            79..=84 => self.spc2(),
            85..=88 => bare([op::TEST_UNIT_READY, 0, 0, 0, 0, 0]),
            89..=91 => self.request_sense(),
            92..=93 => self.inquiry(),
            94..=96 => self.capacity_or_cache(),
            97 => self.unknown(),
            _ => What::Reset,
        }
    }

    fn pr_out(&mut self, nexus: usize) -> What {
        // Weighted so that registrations and reservations come and go.
        const ACTIONS: [u8; 22] = [0, 0, 0, 0, 6, 6, 6, 6, 1, 1, 1, 1, 2, 2, 2, 3, 4, 4, 4, 5, 5, 7];
        let mut action = self.rng.pick(&ACTIONS);
        if self.rng.chance(2) {
            action = self.rng.pick(&[8, 9, 0x0f, 0x10, 0x1f]);
        }
        let mut kind = if self.rng.chance(60) { self.kind } else { self.rng.pick(&TYPES) };
        if self.rng.chance(3) {
            kind = self.rng.byte() & 0x0f;
        }
        let scope = if self.rng.chance(3) { self.rng.byte() & 0xf0 } else { 0 };
        let own = self.own_key(nexus);
        let target = self.target_key(nexus, action);
        let list = match action {
            REGISTER_AND_MOVE => self.move_list(nexus, own, target),
            REGISTER if self.rng.chance(8) => self.ports_list(nexus, own, target),
            _ => self.list(action, own, target),
        };
        let [_, _, hi, lo] = u32::try_from(list.len()).unwrap_or(0).to_be_bytes();
        let reserved = self.reserved();
        let cdb = [
            PERSISTENT_RESERVE_OUT,
            action | (reserved & 0xe0),
            scope | kind,
            reserved,
            reserved,
            0,
            0,
            hi,
            lo,
            0,
        ];
        self.believe(nexus, action, kind, target);
        What::Command { cdb: Cdb::new(cdb), out: list, read: 0 }
    }

    fn own_key(&mut self, nexus: usize) -> u64 {
        let believed = self.believed.get(nexus).copied().unwrap_or_default();
        if self.rng.chance(85) { believed } else { self.key_or_none() }
    }

    fn target_key(&mut self, nexus: usize, action: u8) -> u64 {
        match action {
            REGISTER | REGISTER_AND_IGNORE if self.rng.chance(15) => 0,
            REGISTER | REGISTER_AND_IGNORE if self.rng.chance(60) => KEYS.get(nexus).copied().unwrap_or(1),
            PREEMPT | PREEMPT_AND_ABORT if self.rng.chance(70) => self.rng.pick(&self.believed.clone()),
            PREEMPT | PREEMPT_AND_ABORT if self.rng.chance(30) => 0,
            _ => self.key_or_none(),
        }
    }

    fn key_or_none(&mut self) -> u64 {
        if self.rng.chance(15) { 0 } else { self.rng.pick(&KEYS) }
    }

    fn list(&mut self, action: u8, own: u64, target: u64) -> Vec<u8> {
        let mut list = [own.to_be_bytes(), target.to_be_bytes(), [0; 8]].concat();
        if self.rng.chance(3) {
            // Reserved and obsolete fields: nobody looks at them.
            let at: usize = self.rng.pick(&[16, 17, 18, 19, 21, 22, 23]);
            list[at] = self.rng.byte();
        }
        if self.rng.chance(12) {
            list[20] |= self.rng.pick(&[APTPL, APTPL, ALL_TG_PT]);
        }
        if self.rng.chance(2) && action != REGISTER && action != REGISTER_AND_MOVE {
            // SPEC_I_PT where it does not belong.
            list[20] |= SPEC_I_PT;
        }
        if self.rng.chance(4) {
            let len = self.rng.pick(&[0, 1, 8, 16, 20, 21, 23, 25, 28, 32]);
            list.resize(len, 0);
        }
        list
    }

    /// REGISTER AND MOVE, mostly to another nexus of this unit (SPC-4 6.16.4).
    fn move_list(&mut self, nexus: usize, own: u64, target: u64) -> Vec<u8> {
        let to = if self.rng.chance(90) { self.another(nexus) } else { nexus };
        let id = self.ids.get(to).cloned().unwrap_or_default();
        let flags = self.rng.pick(&[0, 0, 0, APTPL, UNREG, UNREG]);
        let port = self.rng.pick(&[1, 1, 1, 1, 1, 1, 1, 9]);
        let len = u32::try_from(id.len()).unwrap_or_default() + u32::from(self.rng.chance(4));
        let head = [own.to_be_bytes(), target.to_be_bytes()].concat();
        let mut list = [&head[..], &[0, flags, 0, port], &len.to_be_bytes()[..], &id[..]].concat();
        if self.rng.chance(4) {
            list.truncate(self.rng.pick(&[0, 8, 23, 24]));
        }
        list
    }

    /// From nothing: a reservation is moved to another nexus and back, and its first holder asks for it again
    /// and gives it up. Chance alone would hardly get that far.
    fn plan_return(&mut self, nexus: usize) {
        let to = self.another(nexus);
        let key = |n: usize| KEYS.get(n).copied().unwrap_or(1);
        let id = |n: usize| self.ids.get(n).cloned().unwrap_or_default();
        let (here, there, kind) = (key(nexus), key(to), self.rng.pick(&[1, 3, 5, 6]));
        let basic = |own: u64, target: u64| [own.to_be_bytes(), target.to_be_bytes(), [0; 8]].concat();
        let moved = |own: u64, target: u64, n: usize| {
            let len = u32::try_from(id(n).len()).unwrap_or_default();
            let head = [own.to_be_bytes(), target.to_be_bytes()].concat();
            [&head[..], &[0, 0, 0, 1], &len.to_be_bytes()[..], &id(n)[..]].concat()
        };
        let out = |action: u8, list: Vec<u8>| {
            let len = u8::try_from(list.len()).unwrap_or_default();
            let cdb = Cdb::new([PERSISTENT_RESERVE_OUT, action, kind, 0, 0, 0, 0, 0, len, 0]);
            What::Command { cdb, out: list, read: 0 }
        };
        let ready = || bare([op::TEST_UNIT_READY, 0, 0, 0, 0, 0]);
        let steps = [
            (nexus, What::Reset),
            (nexus, ready()),
            (to, ready()),
            (nexus, out(REGISTER_AND_IGNORE, basic(0, here))),
            (nexus, out(CLEAR, basic(here, 0))),
            (to, ready()),
            (nexus, out(REGISTER_AND_IGNORE, basic(0, here))),
            (nexus, out(RESERVE, basic(here, 0))),
            (nexus, out(REGISTER_AND_MOVE, moved(here, there, to))),
            (to, out(REGISTER_AND_MOVE, moved(there, here, nexus))),
            (nexus, out(RESERVE, basic(here, 0))),
            (nexus, out(RELEASE, basic(here, 0))),
        ];
        self.planned.extend(steps.map(|(nexus, what)| Step { nexus, what }));
        self.believed = [0; NEXUSES];
        self.kind = kind;
        for (n, key) in [(nexus, here), (to, there)] {
            self.believe(n, REGISTER, kind, key);
        }
    }

    /// REGISTER with SPEC_I_PT, for one or both of the other nexuses, or for nobody (SPC-4 6.16.3).
    fn ports_list(&mut self, nexus: usize, own: u64, target: u64) -> Vec<u8> {
        let first = self.another(nexus);
        let others = (0..NEXUSES).filter(|n| *n != nexus && (*n == first || self.rng.chance(40)));
        let others: Vec<usize> = others.collect();
        let ids: Vec<u8> = others.iter().filter_map(|n| self.ids.get(*n)).flatten().copied().collect();
        let ids = if self.rng.chance(5) { Vec::new() } else { ids };
        let len = u32::try_from(ids.len()).unwrap_or_default() + u32::from(self.rng.chance(4));
        let flags = SPEC_I_PT | self.rng.pick(&[0, 0, 0, APTPL, ALL_TG_PT]);
        let head = [own.to_be_bytes(), target.to_be_bytes()].concat();
        let mut list = [&head[..], &[0, 0, 0, 0, flags, 0, 0, 0], &len.to_be_bytes()[..], &ids[..]].concat();
        if self.rng.chance(4) {
            list.truncate(self.rng.pick(&[8, 28]));
        }
        list
    }

    fn another(&mut self, nexus: usize) -> usize {
        (nexus + 1 + self.rng.below(NEXUSES - 1)) % NEXUSES
    }

    /// What a state would be where all goes well; wrong beliefs only make wrong commands.
    fn believe(&mut self, nexus: usize, action: u8, kind: u8, target: u64) {
        match action {
            REGISTER | REGISTER_AND_IGNORE => {
                if let Some(key) = self.believed.get_mut(nexus) {
                    *key = target;
                }
            }
            CLEAR => self.believed = [0; NEXUSES],
            PREEMPT | PREEMPT_AND_ABORT => {
                for (n, key) in self.believed.iter_mut().enumerate() {
                    if n != nexus && *key == target {
                        *key = 0;
                    }
                }
                self.kind = kind;
            }
            RESERVE => self.kind = kind,
            RELEASE => self.kind = self.rng.pick(&TYPES),
            _ => {}
        }
    }

    fn pr_in(&mut self) -> What {
        let action =
            if self.rng.chance(4) { self.rng.byte() & 0x1f } else { self.rng.pick(&[0, 0, 1, 1, 2, 3, 3]) };
        let allocation: u16 = if self.rng.chance(60) {
            512
        } else {
            let odd = self.rng.pick(&[0, 1, 4, 5, 6, 7, 8, 9, 15, 16, 17, 21, 22, 23, 24, 25, 32, 40, 255]);
            if self.rng.chance(30) { u16::from(self.rng.byte()) } else { odd }
        };
        let [hi, lo] = allocation.to_be_bytes();
        let reserved = self.reserved();
        let cdb = [PERSISTENT_RESERVE_IN, action | (reserved & 0xe0), reserved, 0, 0, reserved, 0, hi, lo, 0];
        What::Command { cdb: Cdb::new(cdb), out: Vec::new(), read: usize::from(allocation) }
    }

    fn transfer(&mut self) -> What {
        let blocks = self.rng.pick(&[0u8, 1, 1, 1, 2, 3]);
        let lba = if self.rng.chance(8) {
            // Around the end of the unit.
            self.blocks.saturating_sub(2).saturating_add(u32::from(self.rng.byte() & 3))
        } else {
            u32::from(self.rng.byte() % BLOCKS_USED)
        };
        // Not past the few blocks that are the same on both at the beginning.
        let blocks = if lba < u32::from(BLOCKS_USED) {
            blocks.min(BLOCKS_USED - lba.to_be_bytes()[3])
        } else {
            blocks
        };
        let [l0, l1, l2, l3] = lba.to_be_bytes();
        let len = usize::from(blocks) * BLOCK;
        let write =
            self.rng.chance(60) && (lba < u32::from(BLOCKS_USED) || lba >= self.blocks.saturating_sub(2));
        let cdb = match (write, self.rng.chance(70)) {
            (true, true) => Cdb::new([op::WRITE_10, 0, l0, l1, l2, l3, 0, 0, blocks, 0]),
            (false, true) => Cdb::new([op::READ_10, 0, l0, l1, l2, l3, 0, 0, blocks, 0]),
            (true, false) => Cdb::new([op::WRITE_16, 0, 0, 0, 0, 0, l0, l1, l2, l3, 0, 0, 0, blocks, 0, 0]),
            (false, false) => Cdb::new([op::READ_16, 0, 0, 0, 0, 0, l0, l1, l2, l3, 0, 0, 0, blocks, 0, 0]),
        };
        if write {
            What::Command { cdb, out: vec![self.pattern(); len], read: 0 }
        } else {
            What::Command { cdb, out: Vec::new(), read: len }
        }
    }

    fn pattern(&mut self) -> u8 {
        self.rng.pick(&[0, 0x11, 0x22])
    }

    fn spc2(&mut self) -> What {
        let code =
            self.rng.pick(&[op::RESERVE_6, op::RELEASE_6, op::RELEASE_6, op::RESERVE_10, op::RELEASE_10]);
        let bits = if self.rng.chance(15) { self.rng.byte() & 0x1f } else { 0 };
        if code == op::RESERVE_6 || code == op::RELEASE_6 {
            bare([code, bits, 0, 0, 0, 0])
        } else {
            bare([code, bits, 0, 0, 0, 0, 0, 0, 0, 0])
        }
    }

    fn request_sense(&mut self) -> What {
        let allocation = self.rng.pick(&[18, 18, 96, 252, 0, 4, 8, 13]);
        let desc = u8::from(self.rng.chance(15));
        read([op::REQUEST_SENSE, desc, 0, 0, allocation, 0], allocation)
    }

    fn inquiry(&mut self) -> What {
        // What names the maker differs: only the serial number and what is refused can be compared.
        let allocation = self.rng.pick(&[255, 4, 5, 0, 36]);
        let (evpd, page) = self.rng.pick(&[(1, 0x80), (1, 0x80), (1, 0xc5), (0, 0x80), (2, 0x80)]);
        read([op::INQUIRY, evpd, page, 0, allocation, 0], allocation)
    }

    fn capacity_or_cache(&mut self) -> What {
        match self.rng.below(4) {
            0 => read([op::READ_CAPACITY_10, 0, 0, 0, 0, 0, 0, 0, 0, 0], 8),
            1 => {
                let allocation = self.rng.pick(&[32, 32, 12, 8, 64]);
                let (code, action) = (op::SERVICE_ACTION_IN_16, op::READ_CAPACITY_16);
                read([code, action, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, allocation, 0, 0], allocation)
            }
            2 => bare([op::SYNCHRONIZE_CACHE_10, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            _ => bare([op::SYNCHRONIZE_CACHE_16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0]),
        }
    }

    fn unknown(&mut self) -> What {
        match self.rng.below(3) {
            0 => bare([0xc1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            1 => bare([0x02, 0, 0, 0, 0, 0]),
            _ => read([0xd3, 0, 0, 0, 0, 0, 0, 0, 16, 0], 16),
        }
    }

    fn reserved(&mut self) -> u8 {
        if self.rng.chance(4) { self.rng.byte() } else { 0 }
    }
}

fn bare<const N: usize>(cdb: [u8; N]) -> What {
    What::Command { cdb: Cdb::new(cdb), out: Vec::new(), read: 0 }
}

fn read<const N: usize>(cdb: [u8; N], len: u8) -> What {
    What::Command { cdb: Cdb::new(cdb), out: Vec::new(), read: usize::from(len) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Start {
        Start::example()
    }

    #[test]
    fn a_seed_always_makes_the_same_steps_and_another_makes_others() {
        let of = |seed| sequence(seed, 500, &start()).unwrap();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn every_command_and_service_action_occurs() {
        use arbitrate::codec::opcode::{OPERATIONS, lookup};
        let steps = sequence(3, 4000, &start()).unwrap();
        for o in OPERATIONS {
            let is = |s: &&Step| matches!(&s.what, What::Command { cdb, .. } if lookup(cdb) == Some(o));
            assert!(steps.iter().any(|s| is(&s)), "{}", o.name);
        }
        assert!(steps.iter().any(|s| s.what == What::Reset));
    }
}
