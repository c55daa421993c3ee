//! From `challenge` to `defend` on the same host, without a gap.
//!
//! A won challenge leaves a record in the runtime folder; the defence that follows takes it, once. A
//! record of another boot, of another device, or of a lease that has ended is refused: then only a new
//! challenge can tell who owns.

use serde::{Deserialize, Serialize};

use crate::key::{ClusterId, Key, NodeNumber};
use crate::runtime::store::{Place, StoreError, boot_id};
use crate::time::Instant;

const RECORD: &str = "won.json";

/// What a won challenge hands over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    schema: u32,
    boot_id: String,
    device: String,
    key: Key,
    lease_until_ns: u64,
}

/// Why there is nothing to take over.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The record could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No challenge was won here.
    #[error("no won challenge is recorded for this device and node on this host")]
    None,
    /// The machine was booted since.
    #[error("the recorded challenge was won in an earlier boot of this host")]
    OtherBoot,
    /// The record speaks of another device or another node's key.
    #[error("the recorded challenge was won on another device ({0})")]
    OtherDevice(String),
    /// Its lease has ended.
    #[error("the lease of the recorded challenge ended {ago_ms} ms ago")]
    Ended {
        /// How long ago, in milliseconds.
        ago_ms: u128,
    },
}

/// Leaves the record of a won challenge: `key` holds the device, confirmed until `lease_until`.
///
/// # Errors
/// [`StoreError`]; the challenge is won all the same.
pub fn leave(place: &Place, device: &str, key: Key, lease_until: Instant) -> Result<(), StoreError> {
    let lease_until_ns = lease_until.as_nanos();
    let record = Handover { schema: 1, boot_id: boot_id()?, device: device.to_owned(), key, lease_until_ns };
    place.write(RECORD, &record)
}

/// Forgets what an earlier challenge left.
///
/// # Errors
/// [`StoreError`] where it could not be removed.
pub fn forget(place: &Place) -> Result<(), StoreError> {
    place.remove(RECORD)
}

/// Takes the record, so that nobody takes it twice, and checks it against this boot, this device and
/// `now`. Returns the key and the end of its lease.
///
/// # Errors
/// [`HandoverError`] says why there is nothing to take over.
pub fn take(
    place: &Place,
    device: &str,
    whose: (ClusterId, NodeNumber),
    now: Instant,
) -> Result<(Key, Instant), HandoverError> {
    let record: Handover = place.read(RECORD)?.ok_or(HandoverError::None)?;
    place.remove(RECORD)?;
    if record.boot_id != boot_id()? {
        return Err(HandoverError::OtherBoot);
    }
    let ours = record.key.parts_in(whose.0).is_some_and(|p| p.node == whose.1);
    if record.device != device || !ours {
        return Err(HandoverError::OtherDevice(record.device));
    }
    let until = Instant::from_nanos(record.lease_until_ns);
    if now >= until {
        return Err(HandoverError::Ended { ago_ms: now.since(until).as_millis() });
    }
    Ok((record.key, until))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Incarnation, KeyParts, Stance};

    fn setup() -> (tempfile::TempDir, Place, Key, (ClusterId, NodeNumber)) {
        let dir = tempfile::tempdir().unwrap();
        let (cluster, node) = (ClusterId::of_name("t"), NodeNumber::new(3).unwrap());
        let place = Place::new(dir.path(), cluster, node, "d");
        let incarnation = Incarnation::new(1).unwrap();
        let key = KeyParts { cluster, node, stance: Stance::Settled, incarnation }.key();
        (dir, place, key, (cluster, node))
    }

    #[test]
    fn a_handover_is_taken_once_and_in_time() {
        let (_dir, place, key, whose) = setup();
        let (t, end) = (Instant::from_nanos(5), Instant::from_nanos(9));
        assert!(matches!(take(&place, "d", whose, t), Err(HandoverError::None)));
        leave(&place, "d", key, end).unwrap();
        assert_eq!(take(&place, "d", whose, t).unwrap(), (key, end));
        assert!(matches!(take(&place, "d", whose, t), Err(HandoverError::None)));
        leave(&place, "d", key, end).unwrap();
        assert!(matches!(take(&place, "d", whose, end), Err(HandoverError::Ended { .. })));
    }

    #[test]
    fn another_device_node_or_boot_is_refused() {
        let (_dir, place, key, whose) = setup();
        let (t, end) = (Instant::from_nanos(5), Instant::from_nanos(9));
        leave(&place, "e", key, end).unwrap();
        assert!(matches!(take(&place, "d", whose, t), Err(HandoverError::OtherDevice(_))));
        leave(&place, "d", Key::from_u64(0x11), end).unwrap();
        assert!(matches!(take(&place, "d", whose, t), Err(HandoverError::OtherDevice(_))));
        let record = Handover {
            schema: 1,
            boot_id: "another".into(),
            device: "d".into(),
            key,
            lease_until_ns: end.as_nanos(),
        };
        place.write(RECORD, &record).unwrap();
        assert!(matches!(take(&place, "d", whose, t), Err(HandoverError::OtherBoot)));
    }
}
