//! The receipt of one device: what was seen, what was sent, how it ended.
//!
//! All room is taken beforehand: filling a report in allocates nothing. What does not fit is counted.

use std::time::Duration;

use arrayvec::ArrayVec;

use crate::codec::Sense;
use crate::codec::pr::{Generation, Holder, PERSISTENT_RESERVE_OUT};
use crate::device::ResetError;
use crate::key::Key;
use crate::protocol::NoAnswer;
use crate::protocol::fence::{FenceDoubt, FenceEnd, Fencer, MAX_PATHS, MAX_VICTIMS, PathProof};
use crate::runtime::executor::Sent;
use crate::time::Instant;

/// Registrations a report has room for.
const KEYS: usize = 1024;
/// Commands, unit attentions and resets a report has room for.
const ENTRIES: usize = 128;

/// Registrations and reservation as one look showed them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// PRGENERATION.
    pub generation: Generation,
    /// A key once for each nexus, as far as there was room.
    pub keys: Vec<Key>,
    /// Registrations beyond that.
    pub more: u32,
    /// The reservation; key 0 for the types all registrants hold.
    pub holder: Option<Holder>,
}

/// One thing sent or told, and by which path.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The path, from 0.
    pub path: usize,
    /// What.
    pub what: Action,
}

/// What was sent or told.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// A command.
    Command(Sent),
    /// The target told this instead of executing the command before.
    Attention(Sense),
    /// A LOGICAL UNIT RESET.
    Reset {
        /// When it was asked for.
        at: Instant,
        /// How long it took.
        took: Duration,
        /// How it ended.
        end: Result<(), ResetError>,
    },
}

/// The receipt of one device.
#[derive(Clone, Debug)]
pub struct Report {
    /// How the fence ended there.
    pub end: FenceEnd,
    /// When the fence was decided.
    pub decided: Instant,
    /// When this device's thread began.
    pub began: Instant,
    /// When it ended.
    pub ended: Instant,
    /// The keys removed.
    pub removed: ArrayVec<Key, MAX_VICTIMS>,
    /// Whether there was no reservation and one was taken.
    pub reserved: bool,
    /// Whether a LOGICAL UNIT RESET ended what was queued.
    pub drained: bool,
    /// Whether anything was sent that can change the device.
    pub changed: bool,
    /// The path that looked and sent last.
    pub lead: usize,
    /// What the further paths showed.
    pub proofs: ArrayVec<(usize, PathProof), MAX_PATHS>,
    /// Everything sent and told, in order, as far as there was room.
    pub log: Vec<Entry>,
    /// What was sent or told beyond that.
    pub unlogged: u32,
    first: Seen,
    last: Seen,
    looked: bool,
    /// A look was answered since the last thing sent that can change the device.
    read_since: bool,
}

impl Seen {
    fn with_room() -> Self {
        Self { keys: Vec::with_capacity(KEYS), ..Self::default() }
    }

    fn set(&mut self, generation: Generation, keys: impl Iterator<Item = Key>, holder: Option<Holder>) {
        (self.generation, self.holder, self.more) = (generation, holder, 0);
        self.keys.clear();
        for k in keys {
            if self.keys.len() < self.keys.capacity() {
                self.keys.push(k);
            } else {
                self.more += 1;
            }
        }
    }
}

impl Report {
    /// An empty one, with all its room.
    #[must_use]
    pub fn with_room() -> Self {
        let start = Instant::default();
        Self {
            end: FenceEnd::Unknown { doubt: FenceDoubt::Overdue, why: NoAnswer::Outstanding },
            decided: start,
            began: start,
            ended: start,
            removed: ArrayVec::new_const(),
            reserved: false,
            drained: false,
            changed: false,
            lead: 0,
            proofs: ArrayVec::new_const(),
            log: Vec::with_capacity(ENTRIES),
            unlogged: 0,
            first: Seen::with_room(),
            last: Seen::with_room(),
            looked: false,
            read_since: false,
        }
    }

    /// What the first look showed; `None` if none was answered.
    #[must_use]
    pub fn before(&self) -> Option<&Seen> {
        self.looked.then_some(&self.first)
    }

    /// What the last look showed; `None` if none was answered since the last thing sent that can change the
    /// device.
    #[must_use]
    pub fn after(&self) -> Option<&Seen> {
        self.read_since.then_some(&self.last)
    }

    /// Forgets an earlier fence. Ends as one that nobody came back from, until it is concluded.
    pub(super) fn begin(&mut self, decided: Instant, now: Instant) {
        self.end = FenceEnd::Unknown { doubt: FenceDoubt::Overdue, why: NoAnswer::Outstanding };
        (self.decided, self.began, self.ended) = (decided, now, now);
        (self.reserved, self.drained, self.changed, self.looked) = (false, false, false, false);
        (self.lead, self.unlogged, self.read_since) = (0, 0, false);
        self.removed.clear();
        self.proofs.clear();
        self.log.clear();
    }

    pub(super) fn log(&mut self, path: usize, what: Action) {
        match what {
            Action::Command(s) if s.cdb.opcode() == PERSISTENT_RESERVE_OUT => self.read_since = false,
            Action::Reset { .. } => self.read_since = false,
            Action::Command(_) | Action::Attention(_) => {}
        }
        if self.log.len() < self.log.capacity() {
            self.log.push(Entry { path, what });
        } else {
            self.unlogged += 1;
        }
    }

    pub(super) fn look(
        &mut self,
        generation: Generation,
        keys: impl Iterator<Item = Key> + Clone,
        holder: Option<Holder>,
    ) {
        if !self.looked {
            self.first.set(generation, keys.clone(), holder);
            self.looked = true;
        }
        self.last.set(generation, keys, holder);
        self.read_since = true;
    }

    /// The second half of a look in two commands; `whole` looks had been seen before it.
    pub(super) fn look_at_holder(&mut self, holder: Option<Holder>, looks: u32) {
        self.last.holder = holder;
        if looks == 0 {
            self.first.holder = holder;
        }
    }

    /// What the protocol knows at its end.
    pub(super) fn conclude(&mut self, f: &Fencer, end: FenceEnd, ended: Instant) {
        (self.end, self.ended) = (end, ended);
        self.removed = f.removed().iter().copied().collect();
        (self.reserved, self.drained, self.changed) = (f.reserved(), f.drained(), f.changed());
        self.lead = f.lead();
        self.proofs = f.proofs().iter().copied().collect();
    }
}

#[cfg(test)]
mod tests;
