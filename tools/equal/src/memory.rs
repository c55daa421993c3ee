//! The first and the last blocks of a unit, in memory: all that sequences touch.

use std::collections::BTreeMap;

use crate::generate::BLOCK;

/// Blocks by their offset; one never written reads as zeros.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(BTreeMap<u64, [u8; BLOCK]>);

impl Memory {
    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) {
        for (at, block) in offsets(offset).zip(data.as_chunks::<BLOCK>().0) {
            self.0.insert(at, *block);
        }
    }

    /// Where the blocks at `offset` differ from `expected`.
    pub(crate) fn differs(&self, offset: u64, expected: &[u8]) -> Option<usize> {
        let mut found = vec![0; expected.len()];
        self.read(offset, &mut found);
        found.iter().zip(expected).position(|(f, e)| f != e)
    }

    pub(crate) fn read(&self, offset: u64, data: &mut [u8]) {
        for (at, block) in offsets(offset).zip(data.as_chunks_mut::<BLOCK>().0) {
            *block = self.0.get(&at).copied().unwrap_or([0; BLOCK]);
        }
    }
}

fn offsets(first: u64) -> impl Iterator<Item = u64> {
    (0..).map(move |i: u64| first + i * 512)
}
