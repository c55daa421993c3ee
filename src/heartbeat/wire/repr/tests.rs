use super::super::packet::{LEN, MAC_AT, Packet, WireError};
use super::*;
use proptest::prelude::*;

fn golden() -> Repr {
    Repr {
        cluster: ClusterId::from_u32(0xdead_beef),
        sender: Member::new(1).unwrap(),
        to: To::One(Member::new(2).unwrap()),
        link: 3,
        key_id: 4,
        flags: Flags { leader: true, late: true, ..Flags::default() },
        incarnation: Incarnation::new(5).unwrap(),
        sequence: 0x0102_0304_0506_0708,
        pace: Pace::new(10_000, 5_000, 3).unwrap(),
        stall_us: 77,
        epoch: Epoch(6),
        log_position: 7,
        slot_sequence: 8,
        echo: Some(Echo { sequence: 9, held_us: 10, link: 11 }),
        handshake: Handshake { challenge: 0xc1, response: 0xc2 },
    }
}

#[test]
fn the_layout_is_fixed() {
    let mut b = [0xff; LEN];
    golden().emit(&mut b);
    #[rustfmt::skip]
    let expected: [u8; MAC_AT] = [
        b'P', b'H', b'B', 1,                 // magic, version
        0xde, 0xad, 0xbe, 0xef,              // cluster
        0, 1, 3, 4,                          // sender, link, key id
        0, 0, 0, 5,                          // incarnation
        1, 2, 3, 4, 5, 6, 7, 8,              // sequence
        0, 0, 0x27, 0x10,                    // interval 10,000 us
        0, 0, 0x13, 0x88,                    // slowest 5,000 us
        3, 0b0_0101, 0, 2,                   // multiplier, flags: leader, late; addressee
        0, 0, 0, 77,                         // own stall
        0, 0, 0, 0, 0, 0, 0, 6,              // epoch
        0, 0, 0, 0, 0, 0, 0, 7,              // log position
        0, 0, 0, 0, 0, 0, 0, 8,              // slot sequence
        0, 0, 0, 0, 0, 0, 0, 9,              // echoed sequence
        0, 0, 0, 10,                         // held, us
        11, 0, 0, 0,                         // echoed link
        0, 0, 0, 0, 0, 0, 0, 0xc1,           // challenge
        0, 0, 0, 0, 0, 0, 0, 0xc2,           // response
    ];
    assert_eq!(b[..MAC_AT], expected);
    assert_eq!(Packet::new(&b).unwrap().parse().unwrap(), golden());
}

#[test]
fn what_nobody_writes_is_refused_by_name() {
    let mut b = [0; LEN];
    golden().emit(&mut b);
    assert_eq!(Packet::new(&b[..LEN - 1]).err(), Some(WireError::Length(LEN - 1)));
    for (at, value, error) in [
        (0, b'X', WireError::Magic),
        (3, 2, WireError::Version(2)),
        (9, 0, WireError::Field("sender")),
        (33, 0x80, WireError::Field("flags")),
        (12, 0x80, WireError::Field("incarnation")),
        (32, 0, WireError::Field("interval or multiplier")),
        (24, 0xff, WireError::Field("interval or multiplier")),
        (79, 1, WireError::Field("a reserved byte")),
    ] {
        let mut bad = b;
        bad[at] = value;
        assert_eq!(Packet::new(&bad).and_then(|p| p.parse()).err(), Some(error), "byte {at}");
    }
}

#[test]
fn each_side_has_its_own_detection_time() {
    let fast = Pace::new(5_000, 1_000, 3).unwrap();
    let slow = Pace::new(100_000, 50_000, 4).unwrap();
    // The fast one is slowed down to what the slow one can keep up with.
    assert_eq!(fast.detection(slow), Duration::from_millis(150));
    assert_eq!(slow.detection(fast), Duration::from_millis(400));
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_come_back_the_same(mut b in proptest::collection::vec(any::<u8>(), LEN), head in any::<bool>()) {
        if head {
            b[..4].copy_from_slice(b"PHB\x01");
            b[33] &= 0x1f;
            b[12] &= 0x7f;
            b[77..80].fill(0);
            b[24] = 0;
            b[28] = 0;
        }
        if let Ok(r) = Packet::new(&b).and_then(|p| p.parse()) {
            let mut again = [0; LEN];
            r.emit(&mut again);
            prop_assert_eq!(&again[..MAC_AT], &b[..MAC_AT]);
        }
    }
}
