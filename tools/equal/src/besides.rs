//! Steps put in between the others, by a chance of their own: the sequence of a seed stays what it was.
//!
//! COMPARE AND WRITE that matches, that does not, and whose length is wrong; REGISTER with SPEC_I_PT whose list
//! ends where the TransportIDs should begin. A COMPARE AND WRITE comes after a TEST UNIT READY of the same nexus:
//! with a unit attention waiting LIO does not always answer alike.

use arbitrate::codec::Cdb;
use arbitrate::codec::opcode as op;
use arbitrate::codec::pr::PERSISTENT_RESERVE_OUT;

use crate::generate::{BLOCK, BLOCKS_USED};
use crate::rng::Rng;
use crate::step::{Step, What};

/// What the other steps fill blocks with.
const PATTERNS: [u8; 3] = [0, 0x11, 0x22];
/// ALL_TG_PT and SPEC_I_PT of the basic parameter list, byte 20.
const FLAGS: [u8; 4] = [0x08, 0x08, 0x09, 0x0c];

/// Chance of its own.
#[derive(Debug)]
pub(crate) struct Besides(Rng);

impl Besides {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(Rng::new(seed ^ 0x0089_c0de_0000_0000))
    }

    /// What comes before the next step of `nexus`, whose key is believed to be `own`.
    pub(crate) fn next(&mut self, nexus: usize, own: u64, blocks: u32) -> Vec<Step> {
        match self.0.below(60) {
            0..=3 => {
                let ready = Cdb::new([op::TEST_UNIT_READY, 0, 0, 0, 0, 0]);
                let ready = What::Command { cdb: ready, out: Vec::new(), read: 0 };
                [ready, self.compare_and_write(blocks)].map(|what| Step { nexus, what }).into()
            }
            4 => vec![Step { nexus, what: self.ports_cut_off(own) }],
            _ => Vec::new(),
        }
    }

    fn compare_and_write(&mut self, blocks: u32) -> What {
        let lba = match self.0.below(12) {
            0 => u64::from(blocks.saturating_sub(2)) + u64::from(self.0.byte() & 3),
            1 => u64::MAX - u64::from(self.0.byte() & 1),
            _ => u64::from(self.0.byte() % BLOCKS_USED),
        };
        let count = self.0.pick(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 2, 255]);
        let (found, other, new) = (self.0.pick(&PATTERNS), self.0.pick(&PATTERNS), self.0.pick(&PATTERNS));
        // The length of two blocks whatever the count: more is not sent by anybody.
        let mut out = if count == 0 { Vec::new() } else { vec![new; 2 * BLOCK * usize::from(count.min(2))] };
        let half = out.len() / 2;
        out[..half].fill(found);
        if self.0.chance(25) && half > 0 {
            // It differs somewhere in the middle.
            let at = self.0.below(half);
            out[at..half].fill(other);
        }
        if self.0.chance(8) {
            out.resize(self.0.pick(&[0, BLOCK, BLOCK + 100, 3 * BLOCK, 4 * BLOCK]), new);
        }
        // WRPROTECT, DPO, FUA.
        let flags = if self.0.chance(10) { self.0.pick(&[0x20, 0x10, 0x08]) } else { 0 };
        let l = lba.to_be_bytes();
        let cdb = Cdb::new([
            op::COMPARE_AND_WRITE,
            flags,
            l[0],
            l[1],
            l[2],
            l[3],
            l[4],
            l[5],
            l[6],
            l[7],
            0,
            0,
            0,
            count,
            0,
            0,
        ]);
        What::Command { cdb, out, read: 0 }
    }

    /// REGISTER with SPEC_I_PT and without the length of its TransportIDs, or not all of it.
    fn ports_cut_off(&mut self, own: u64) -> What {
        let len: u8 = self.0.pick(&[24, 24, 27, 27, 25, 26, 28]);
        let new = self.0.pick(&[0xa1, 0xb2, 0]);
        let flags = self.0.pick(&FLAGS);
        let mut list = [own.to_be_bytes(), u64::to_be_bytes(new), [0, 0, 0, 0, flags, 0, 0, 0]].concat();
        list.resize(usize::from(len), 0);
        let cdb = Cdb::new([PERSISTENT_RESERVE_OUT, 0, 5, 0, 0, 0, 0, 0, len, 0]);
        What::Command { cdb, out: list, read: 0 }
    }
}
