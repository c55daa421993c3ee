//! Commands that a [`super::faults::Effect::Delay`] holds back: the task set of the unit.
//!
//! A delayed command is part of the state: it is executed when it is due, by its sender if that still
//! waits, else by whichever access comes next, of whatever process. That a command is executed after its
//! sender gave up is the point. A reset, power loss and PREEMPT AND ABORT take commands out again.
//!
//! Invariant: a command is executed once or never. Times are CLOCK_BOOTTIME, the same for every process of
//! a machine.

use serde::{Deserialize, Serialize};

use super::faults::MAX_DELAY_MS;
use super::nexus::NexusId;
use crate::codec::Cdb;
use crate::time::Instant;

/// How many commands wait at the most; one more is answered TASK SET FULL.
pub(super) const MAX_TASKS: usize = 8;

/// A command that waits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Task {
    /// Names it.
    pub(super) tag: u64,
    pub(super) nexus: NexusId,
    #[serde(with = "hex_cdb")]
    pub(super) cdb: Cdb,
    /// Which area of the file holds its data.
    pub(super) area: u8,
    /// Bytes of data sent with it.
    pub(super) sent: u32,
    /// Checksum of them.
    pub(super) sum: u64,
    /// When it is executed, ns.
    due: u64,
    /// Until when its sender waits and executes it itself, ns.
    patience: u64,
}

/// What is to be added.
pub(super) struct Delayed {
    pub(super) nexus: NexusId,
    pub(super) cdb: Cdb,
    pub(super) sent: u32,
    pub(super) sum: u64,
    pub(super) due: Instant,
    pub(super) patience: Instant,
}

/// All that wait, in the order of their coming.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tasks {
    added: u64,
    list: Vec<Task>,
}

impl Tasks {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn list(&self) -> &[Task] {
        &self.list
    }

    /// Adds one; none if the task set is full.
    pub(super) fn add(&mut self, d: &Delayed) -> Option<&Task> {
        let area = (0..MAX_TASKS)
            .filter_map(|a| u8::try_from(a).ok())
            .find(|a| self.list.iter().all(|t| t.area != *a))?;
        self.added = self.added.wrapping_add(1);
        let Delayed { nexus, cdb, sent, sum, due, patience } = *d;
        let (due, patience) = (due.as_nanos(), patience.as_nanos());
        self.list.push(Task { tag: self.added, nexus, cdb, area, sent, sum, due, patience });
        self.list.last()
    }

    /// Takes out the one of this tag, if it is still there.
    pub(super) fn take(&mut self, tag: u64) -> Option<Task> {
        let at = self.list.iter().position(|t| t.tag == tag)?;
        Some(self.list.remove(at))
    }

    /// Takes out the first that is due and whose sender no longer waits.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Task> {
        let tag = self.list.iter().filter(|t| t.is_due(now)).min_by_key(|t| (t.due, t.tag))?.tag;
        self.take(tag)
    }

    /// Takes out those of some nexuses.
    pub(super) fn abort(&mut self, of: &[NexusId]) {
        self.list.retain(|t| !of.contains(&t.nexus));
    }

    /// Takes out all.
    pub(super) fn abort_all(&mut self) {
        self.list.clear();
    }

    /// Whether the fields are such as [`Tasks::add`] makes.
    pub(super) fn is_sound(&self, known: usize) -> bool {
        let areas = |t: &Task| self.list.iter().filter(|o| o.area == t.area).count();
        self.list
            .iter()
            .all(|t| usize::from(t.area) < MAX_TASKS && areas(t) == 1 && usize::from(t.nexus.0) < known)
    }
}

impl Task {
    pub(super) const fn due(&self) -> Instant {
        Instant::from_nanos(self.due)
    }

    /// A clock that began anew (a reboot) leaves no command waiting for ever.
    fn is_due(&self, now: Instant) -> bool {
        let longest = u64::from(MAX_DELAY_MS) * 1_000_000;
        let now = now.as_nanos();
        (self.due <= now && self.patience <= now) || self.due > now.saturating_add(longest)
    }
}

mod hex_cdb {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::codec::Cdb;

    pub(super) fn serialize<S: Serializer>(cdb: &Cdb, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{cdb:?}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Cdb, D::Error> {
        let text = String::deserialize(d)?;
        let bytes: Option<Vec<u8>> = text.split(' ').map(|b| u8::from_str_radix(b, 16).ok()).collect();
        bytes.and_then(|b| Cdb::from_slice(&b).ok()).ok_or_else(|| serde::de::Error::custom("not a CDB"))
    }
}
