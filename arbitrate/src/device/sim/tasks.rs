//! Commands that a [`super::faults::Effect::Delay`] holds back: the task set of the unit.
//!
//! A delayed command is part of the state: it is executed when it is due, by its sender if that still
//! waits, else by whichever access comes next, of whatever process. That a command is executed after its
//! sender gave up is the point. A reset, power loss and PREEMPT AND ABORT take commands out again.
//!
//! Invariant: a command is executed once or never. Times are CLOCK_BOOTTIME, the same for every process of
//! a machine.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::faults::MAX_DELAY_MS;
use super::nexus::NexusId;
use crate::codec::Cdb;
use crate::time::Instant;

/// How many commands wait at the most; one more is answered TASK SET FULL.
pub(super) const MAX_TASKS: usize = 8;

/// The longest delay.
const LONGEST: Duration = Duration::from_millis(MAX_DELAY_MS as u64);

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
        // A sender that still waits executes it at once when it is due: one that does not do so within
        // ten minutes more is dead, whatever its deadline.
        let patience = patience.min(due + LONGEST);
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
        let longest = (now + LONGEST).as_nanos();
        let now = now.as_nanos();
        (self.due <= now && self.patience <= now) || self.due > longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    fn delayed(nexus: u8, due: Instant, patience: Instant) -> Delayed {
        Delayed { nexus: NexusId(nexus), cdb: Cdb::new([0; 6]), sent: 0, sum: 0, due, patience }
    }

    #[test]
    fn a_command_is_due_when_its_time_came_and_its_sender_gave_up() {
        let mut t = Tasks::default();
        t.add(&delayed(0, at(30), at(10))).unwrap();
        t.add(&delayed(1, at(20), at(40))).unwrap();
        assert_eq!(t.take_due(at(29)), None, "one is early, the other's sender still waits");
        assert_eq!(t.take_due(at(30)).map(|t| t.nexus), Some(NexusId(0)));
        assert_eq!(t.take_due(at(39)), None);
        assert_eq!(t.take_due(at(40)).map(|t| t.nexus), Some(NexusId(1)));
        assert!(t.is_empty());
    }

    #[test]
    fn the_earliest_goes_first_and_each_has_an_area_of_its_own() {
        let mut t = Tasks::default();
        for due in [50, 30, 40, 30] {
            t.add(&delayed(0, at(due), at(0))).unwrap();
        }
        assert!(t.is_sound(1) && !t.is_sound(0));
        let order: Vec<_> = std::iter::from_fn(|| t.take_due(at(99))).map(|t| (t.due, t.tag)).collect();
        assert!(order.is_sorted(), "{order:?}");
        let areas = (0..MAX_TASKS).map(|_| t.add(&delayed(0, at(1), at(1))).map(|t| t.area));
        assert_eq!(areas.collect::<Vec<_>>(), (0..8).map(Some).collect::<Vec<_>>());
        assert!(t.add(&delayed(0, at(1), at(1))).is_none());
    }

    #[test]
    fn neither_a_dead_sender_nor_a_new_clock_keeps_a_command_for_ever() {
        let end = Instant::from_nanos(u64::MAX);
        let mut t = Tasks::default();
        t.add(&delayed(0, at(5), end)).unwrap();
        assert_eq!(t.take_due(at(600_004)), None);
        assert!(t.take_due(at(600_005)).is_some(), "its sender would have come long ago");
        t.add(&delayed(0, at(999_000_000), at(999_000_000))).unwrap();
        assert!(t.take_due(at(1)).is_some(), "no delay is that long: the machine was started again");
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
