//! Head, superblock and log of a quorum device: as read from a disk, and damaged.
#![no_main]

use arbitrate::codec::quorum::log::{LogRecord, Part, Place, Segment, Unusable};
use arbitrate::codec::quorum::{
    ClusterName, ClusterUuid, Epoch, HEAD_LEN, Head, Mark, Record, Superblock, Tenure, UNIT,
};
use arbitrate::key::{ClusterId, Key};
use libfuzzer_sys::fuzz_target;

const UUID: ClusterUuid = ClusterUuid([7; 16]);

fuzz_target!(|data: &[u8]| {
    let _ = (Head::parse(data, UUID), Superblock::parse(data));
    let Some((b, rest)) = data.split_first_chunk::<24>() else { return };
    head(b);
    superblock(b, rest);
    log(b, rest);
});

/// However many bytes are damaged, what is read of a log is a beginning of what was written, or nothing.
fn log(b: &[u8; 24], damage: &[u8]) {
    let (parts, records) = (b[15] % 3 + 1, u32::from(b[16] % 8) + 4);
    let mut units = Vec::new();
    let mut written = Vec::new();
    for index in 0..records {
        let entry = index.checked_sub(u32::from(parts));
        let r = LogRecord {
            place: Place { epoch: Epoch(u64::from(b[17])), generation: u32::from(b[18]), index },
            sequence: entry.map_or(100, |n| 101 + u64::from(n)),
            part: entry.map_or(Part::Checkpoint { of: parts }, |_| Part::Entry),
            payload: &b[..usize::try_from(index).unwrap_or(0) % 24],
        };
        written.push(r.payload);
        units.extend_from_slice(&r.emit(UUID).expect("it fits"));
    }
    for d in damage.chunks_exact(4) {
        let at = usize::try_from(u32::from_be_bytes([0, d[0], d[1], d[2]])).unwrap_or(0) % units.len();
        units[at] ^= d[3];
    }
    match Segment::read(&units, UUID) {
        Ok(s) => {
            assert!((s.epoch, s.generation) == (Epoch(u64::from(b[17])), u32::from(b[18])), "invented");
            let read: Vec<_> = s.checkpoint().chain(s.entries().map(|e| e.1)).collect();
            assert_eq!(read[..], written[..read.len()], "invented");
            assert_eq!(s.last(), 100 + u64::from(s.len - u32::from(s.parts)));
        }
        Err(Unusable::Contradiction(_)) => panic!("damage passed for a contradiction"),
        Err(_) => {}
    }
}

/// Whatever one byte does to a head, no tenure is read that nobody wrote, and no release.
fn head(b: &[u8; 24]) {
    let tenure = |at: usize, parity: u64| Tenure {
        epoch: Epoch(u64::from(b[at]) * 2 + parity),
        key: Key::from_u64(u64::from(b[at + 1])),
    };
    let (even, odd) = (tenure(0, 0), tenure(2, 1));
    let last = if even.epoch > odd.epoch { even } else { odd };
    let mark = Mark { of: if b[4] & 1 == 0 { last } else { tenure(5, 1) } };
    let mut units = Vec::with_capacity(HEAD_LEN);
    for r in [Record::Tenure(even), Record::Tenure(odd), Record::Mark(mark)] {
        units.extend_from_slice(&r.emit(UUID));
    }
    let whole = Head::parse(&units, UUID).expect("as it was written");
    assert_eq!((whole.tenure, whole.mark, whole.damaged), (last, Some(mark), false));
    assert_eq!(whole.released(), mark.of == last);
    assert!(whole.next(last.key).epoch > last.epoch);
    assert!(Head::parse(&units[..HEAD_LEN - 1], UUID).is_err(), "cut");
    assert!(Head::parse(&units, ClusterUuid([8; 16])).map_or(true, |h| h.damaged), "another cluster's");

    let at = usize::from(u16::from_be_bytes([b[8], b[9]])) % HEAD_LEN;
    units[at] ^= b[10].max(1);
    if let Ok(h) = Head::parse(&units, UUID) {
        assert!([even, odd].contains(&h.tenure), "invented");
        assert!(h.mark.is_none() || h.mark == Some(mark), "invented");
        // With a tenure lost, a mark of the other must not say that nobody has believed since.
        assert!(at >= 2 * UNIT || !h.released(), "{h:?}");
    }
}

fn superblock(b: &[u8; 24], rest: &[u8]) {
    let name: String = String::from_utf8_lossy(&rest[..rest.len().min(20)]).into_owned();
    let Ok(name) = ClusterName::from(&name) else { return };
    let s = Superblock { uuid: UUID, cluster: ClusterId::from_u32(u32::from(b[11])), name };
    let mut units = [s.emit(), s.emit()].concat();
    assert_eq!(Superblock::parse(&units), Ok(Some(s)));
    let at = usize::from(u16::from_be_bytes([b[12], b[13]])) % units.len();
    units[at] ^= b[14].max(1);
    assert_eq!(Superblock::parse(&units), Ok(Some(s)), "the other copy tells");
    units[..UNIT].fill(0);
    units[UNIT..].fill(0);
    assert_eq!(Superblock::parse(&units), Ok(None));
}
