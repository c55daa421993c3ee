//! Units: made, read, torn, foreign, and where they lie.

use super::*;
use crate::key::{ClusterId, Key};

const OURS: ClusterUuid = ClusterUuid([7; 16]);
const THEIRS: ClusterUuid = ClusterUuid([8; 16]);

fn tenure(epoch: u64) -> Tenure {
    Tenure { epoch: Epoch(epoch), key: Key::from_u64(0x1000 + epoch) }
}

/// A device's head after these records were written in order.
fn disk(records: &[Record]) -> Vec<u8> {
    let mut b = vec![0; HEAD_LEN];
    for r in records {
        write(&mut b, *r, OURS);
    }
    b
}

fn write(b: &mut [u8], r: Record, uuid: ClusterUuid) {
    let at = usize::try_from(r.units().first - TENURES).unwrap() * UNIT;
    b[at..at + UNIT].copy_from_slice(&r.emit(uuid));
}

fn ran(epochs: std::ops::RangeInclusive<u64>) -> Vec<u8> {
    disk(&epochs.map(|e| Record::Tenure(tenure(e))).collect::<Vec<_>>())
}

#[test]
fn the_last_tenure_counts_whichever_place_it_has() {
    for last in 0..5 {
        let head = Head::parse(&ran(0..=last), OURS).unwrap();
        assert_eq!((head.tenure, head.mark, head.damaged), (tenure(last), None, false));
        assert!(!head.released());
        assert_eq!(head.next(Key::from_u64(1)).epoch, Epoch(last + 1));
    }
}

#[test]
fn a_mark_counts_for_the_tenure_it_names_and_no_other() {
    let mark = |e| Record::Mark(Mark { of: tenure(e) });
    let mut b = ran(0..=3);
    write(&mut b, mark(2), OURS);
    assert!(!Head::parse(&b, OURS).unwrap().released(), "written late, by an earlier owner");
    write(&mut b, mark(3), OURS);
    assert!(Head::parse(&b, OURS).unwrap().released());
    write(&mut b, Record::Tenure(tenure(4)), OURS);
    assert!(!Head::parse(&b, OURS).unwrap().released(), "consumed");
    let other = Tenure { key: Key::from_u64(9), ..tenure(4) };
    write(&mut b, Record::Mark(Mark { of: other }), OURS);
    assert!(!Head::parse(&b, OURS).unwrap().released(), "another's word on this tenure");
}

#[test]
fn a_torn_tenure_leaves_the_one_before_and_voids_the_mark() {
    let mut b = ran(0..=3);
    write(&mut b, Record::Mark(Mark { of: tenure(3) }), OURS);
    let place = usize::try_from(Units::tenure(Epoch(4)).first - TENURES).unwrap() * UNIT;
    let new = Record::Tenure(tenure(4)).emit(OURS);
    b[place..place + 512].copy_from_slice(&new[..512]);
    b[place + 512..place + UNIT].fill(0xee);
    let head = Head::parse(&b, OURS).unwrap();
    assert_eq!((head.tenure, head.damaged, head.released()), (tenure(3), true, false));
    let next = head.next(Key::from_u64(5));
    assert_eq!(next.epoch, Epoch(6), "above what may have stood there, and in its place");
    assert_eq!(Units::tenure(next.epoch), Units::tenure(Epoch(4)));
}

#[test]
fn every_single_bit_is_guarded() {
    let whole = disk(&[Record::Tenure(tenure(0))]);
    for at in (0..UNIT).step_by(37).chain([0, 8, 12, 16, 32, UNIT - 1]) {
        let mut b = whole.clone();
        b[at] ^= 0x10;
        assert!(Head::parse(&b, OURS).is_err(), "byte {at}");
    }
}

#[test]
fn another_clusters_units_are_no_damage_but_an_error() {
    let mut b = ran(0..=1);
    write(&mut b, Record::Tenure(tenure(2)), THEIRS);
    let e = Head::parse(&b, OURS).unwrap_err();
    assert!(e.to_string().contains("another cluster"), "{e}");
    assert!(Head::parse(&[0; HEAD_LEN], OURS).is_err(), "blank is no head");
    assert!(Head::parse(&b[..HEAD_LEN - 1], OURS).is_err(), "short");
}

#[test]
fn a_superblock_comes_back_from_either_copy() {
    let name = ClusterName::from("production-west").unwrap();
    let s = Superblock { uuid: OURS, cluster: ClusterId::of_name(&name), name };
    let two = [s.emit(), s.emit()].concat();
    assert_eq!(Superblock::parse(&two), Ok(Some(s)));
    for (first, other) in [(0, UNIT), (UNIT, 0)] {
        let mut b = two.clone();
        b[first + 40] ^= 1;
        assert_eq!(Superblock::parse(&b), Ok(Some(s)));
        b[other + 40] ^= 1;
        assert!(Superblock::parse(&b).is_err(), "damaged is not unformatted");
    }
    assert_eq!(Superblock::parse(&[0; 2 * UNIT]), Ok(None));
    assert!(Superblock::parse(&[1; 2 * UNIT]).is_err(), "somebody's data is not unformatted either");
    let another = Superblock { uuid: THEIRS, ..s };
    assert!(Superblock::parse(&[s.emit(), another.emit()].concat()).is_err());
}

#[test]
fn addresses_are_the_same_bytes_on_every_block_length() {
    for bytes in [512, 1024, 4096] {
        let len = BlockLen::new(bytes).unwrap();
        let at = |u: Units| u.extent(len).lba() * u64::from(bytes);
        assert_eq!(at(Units::SUPERBLOCKS), 4096);
        assert_eq!(at(Units::HEAD), 3 * 4096);
        assert_eq!(u64::from(Units::HEAD.extent(len).blocks() * bytes), 3 * 4096);
        assert_eq!(at(Units::MARK), 5 * 4096);
        assert_eq!(at(Units::slot(NodeNumber::new(255).unwrap())), 271 * 4096);
        assert!(len.fits(4 * 1024 * 1024 / u64::from(bytes)));
        assert!(!len.fits(4 * 1024 * 1024 / u64::from(bytes) - 1));
    }
    assert_eq!(Units::HEAD.len(), HEAD_LEN);
    for bytes in [0, 256, 520, 8192] {
        assert!(BlockLen::new(bytes).is_err());
    }
    let len = BlockLen::new(512).unwrap();
    assert_eq!(format!("{:?}", Units::MARK.write_cdb(len)), "2a 08 00 00 00 28 00 00 08 00", "FUA");
    assert_eq!(format!("{:?}", Units::HEAD.read_cdb(len)), "28 00 00 00 00 18 00 00 18 00");
}

#[test]
fn no_units_are_empty() {
    assert!(Units { first: 3, count: 0 }.is_empty());
    assert!(!Units::MARK.is_empty());
}

#[test]
fn a_tenure_in_the_other_place_is_damage_whichever_place_that_is() {
    for (tenures, damaged) in [
        ([Some(tenure(2)), Some(tenure(1))], false),
        ([Some(tenure(1)), None], true),
        ([None, Some(tenure(2))], true),
        ([Some(tenure(1)), Some(tenure(2))], true),
    ] {
        assert_eq!(Head::of(tenures, None).unwrap().damaged, damaged, "{tenures:?}");
    }
}

#[test]
fn a_cut_head_says_how_much_is_missing() {
    let b = ran(0..=3);
    for (units, what) in [(1, "tenure"), (2, "clean-release mark")] {
        let (have, need) = (units * UNIT, (units + 1) * UNIT);
        assert_eq!(Head::parse(&b[..have], OURS), Err(DecodeError::Short { what, have, need }));
    }
}
