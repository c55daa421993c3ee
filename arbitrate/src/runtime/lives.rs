//! This node's incarnations on one device, kept across reboots.
//!
//! An incarnation is made durable before its key is registered, so that a crash between the two never
//! makes a key twice. Some are made durable ahead, so that a challenge in need of one later writes no
//! file (design section 10); those not given out by the end of the process are lost, which does no harm.
//! The lock taken here keeps two processes of one node off the same device.

use serde::{Deserialize, Serialize};

use crate::key::{ClusterId, Incarnation, Key, KeyError, KeyParts, NodeNumber, Stance};
use crate::protocol::MAX_LIVES;
use crate::runtime::store::{Lock, Place, StoreError};

const RECORD: &str = "lives.json";
const LOCK: &str = "lock";

/// How many are reserved ahead: the attempts of one race.
const AHEAD: u32 = 3;

/// Why no fresh incarnation could be had.
#[derive(Debug, thiserror::Error)]
pub enum LivesError {
    /// The record could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// All incarnations of this node are used up.
    #[error("{0}: this node has used up all its incarnations on this device; give it another node number")]
    UsedUp(KeyError),
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    schema: u32,
    /// The last incarnations given out or reserved, oldest first.
    incarnations: Vec<u32>,
}

impl Record {
    fn last(&self) -> u32 {
        self.incarnations.iter().copied().max().unwrap_or(0)
    }
}

/// The incarnations of one node on one device, locked for this process.
#[derive(Debug)]
pub struct LivesFile {
    place: Place,
    cluster: ClusterId,
    node: NodeNumber,
    record: Record,
    /// The last one given out or passed over; those of an earlier process count as given out.
    given: u32,
    _lock: Lock,
}

impl LivesFile {
    /// Locks and reads the record.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if another process of this node is at work on the device.
    pub fn open(place: Place, cluster: ClusterId, node: NodeNumber) -> Result<Self, StoreError> {
        let lock = place.lock(LOCK)?;
        let record: Record = place.read(RECORD)?.unwrap_or_default();
        let given = record.last();
        Ok(Self { place, cluster, node, record, given, _lock: lock })
    }

    /// Makes the next few incarnations durable, so that [`LivesFile::fresh`] need not. Does nothing where
    /// they are.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing has changed.
    pub fn reserve(&mut self) -> Result<(), StoreError> {
        let first = self.record.last() + 1;
        let last = (self.given + AHEAD).min(Incarnation::MAX);
        if first > last { Ok(()) } else { self.record(first..=last) }
    }

    /// A fresh incarnation, greater than all given out and than `seen` on the device; durable when this
    /// returns. One that was reserved costs no write and no allocation.
    ///
    /// # Errors
    /// [`LivesError`]; then none was given out.
    pub fn fresh(&mut self, seen: Option<Incarnation>) -> Result<Incarnation, LivesError> {
        let last = self.given.max(seen.map_or(0, Incarnation::get));
        let fresh = Incarnation::new(last + 1).map_err(LivesError::UsedUp)?;
        if fresh.get() > self.record.last() {
            self.record(fresh.get()..=fresh.get())?;
        }
        self.given = fresh.get();
        Ok(fresh)
    }

    fn record(&mut self, more: std::ops::RangeInclusive<u32>) -> Result<(), StoreError> {
        let mut next = self.record.clone();
        next.schema = 1;
        next.incarnations.extend(more);
        let extra = next.incarnations.len().saturating_sub(MAX_LIVES / 2);
        next.incarnations.drain(..extra);
        self.place.write(RECORD, &next)?;
        self.record = next;
        Ok(())
    }

    /// The keys this node may have registered in its last lives, flagged and settled, oldest first; none
    /// that is only reserved by this process.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        let of = |n: u32| {
            let incarnation = Incarnation::new(n).ok()?;
            let flagged =
                KeyParts { cluster: self.cluster, node: self.node, stance: Stance::Challenging, incarnation };
            Some([flagged.key(), flagged.with_stance(Stance::Settled).key()])
        };
        let lived = self.record.incarnations.iter().filter(|n| **n <= self.given);
        lived.filter_map(|n| of(*n)).flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &std::path::Path) -> Result<LivesFile, StoreError> {
        let (c, n) = (ClusterId::of_name("t"), NodeNumber::new(3).unwrap());
        LivesFile::open(Place::new(dir, c, n, "naa.6001/x"), c, n)
    }

    #[test]
    fn incarnations_grow_across_processes_and_past_what_was_seen() {
        let dir = tempfile::tempdir().unwrap();
        let mut f = open(dir.path()).unwrap();
        assert_eq!(f.fresh(None).unwrap().get(), 1);
        assert_eq!(f.fresh(Some(Incarnation::new(41).unwrap())).unwrap().get(), 42);
        assert!(matches!(open(dir.path()), Err(StoreError::Busy { .. })), "one process at a time");
        drop(f);
        let mut f = open(dir.path()).unwrap();
        assert_eq!(f.keys().len(), 4);
        assert_eq!(f.fresh(Some(Incarnation::new(7).unwrap())).unwrap().get(), 43);
        for _ in 0..20 {
            f.fresh(None).unwrap();
        }
        assert_eq!(f.keys().len(), MAX_LIVES, "only the last ones are ghosts");
    }

    #[test]
    fn what_was_reserved_is_given_out_without_a_write_and_lost_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut f = open(dir.path()).unwrap();
        assert_eq!(f.fresh(None).unwrap().get(), 1);
        f.reserve().unwrap();
        assert_eq!(f.keys().len(), 2, "what is only reserved is no life");
        let folder = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
        let record = folder.join("naa.6001_x.lives.json");
        // A write would be noticed: the record would be there again.
        let durable = std::fs::read(&record).unwrap();
        std::fs::remove_file(&record).unwrap();
        assert_eq!(f.fresh(None).unwrap().get(), 2);
        assert_eq!(f.fresh(Some(Incarnation::new(3).unwrap())).unwrap().get(), 4, "past what was seen");
        assert!(!record.exists());
        assert_eq!(f.keys().len(), 8, "one that was passed over counts as a life");
        std::fs::write(&record, durable).unwrap();
        f.reserve().unwrap();
        assert_eq!(f.fresh(None).unwrap().get(), 5);
        drop(f);
        let mut f = open(dir.path()).unwrap();
        assert_eq!(f.fresh(None).unwrap().get(), 8, "6 and 7 were reserved and are lost");
    }

    #[test]
    fn what_was_never_reserved_is_durable_before_it_is_given_out() {
        let dir = tempfile::tempdir().unwrap();
        let mut f = open(dir.path()).unwrap();
        f.reserve().unwrap();
        assert_eq!(f.fresh(Some(Incarnation::new(3).unwrap())).unwrap().get(), 4);
        drop(f);
        assert_eq!(open(dir.path()).unwrap().fresh(None).unwrap().get(), 5);
    }

    #[test]
    fn the_last_incarnation_is_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let mut f = open(dir.path()).unwrap();
        let end = f.fresh(Some(Incarnation::new(Incarnation::MAX).unwrap()));
        assert!(matches!(end, Err(LivesError::UsedUp(_))));
    }

    #[test]
    fn a_damaged_record_is_said_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).unwrap().fresh(None).unwrap();
        let c = ClusterId::of_name("t");
        let path = dir.path().join(format!("{c}-3/naa.6001_x.lives.json"));
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(open(dir.path()), Err(StoreError::Damaged { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"{");
    }
}
