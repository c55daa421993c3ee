use proptest::prelude::*;

use crate::codec::{Sense, SenseKey};

#[test]
fn fixed_format() {
    #[rustfmt::skip]
    let b = [
        0xf0,                     // VALID, RESPONSE CODE 70h
        0x00,                     // obsolete
        0x06,                     // SENSE KEY UNIT ATTENTION
        0x00, 0x00, 0x00, 0x00,   // INFORMATION
        0x0a,                     // ADDITIONAL SENSE LENGTH
        0x00, 0x00, 0x00, 0x00,   // COMMAND-SPECIFIC INFORMATION
        0x2a,                     // ADDITIONAL SENSE CODE
        0x03,                     // ADDITIONAL SENSE CODE QUALIFIER
        0x00,                     // FIELD REPLACEABLE UNIT CODE
        0x00, 0x00, 0x00,         // sense key specific
    ];
    let s = Sense::parse(&b).unwrap();
    assert_eq!(s, Sense::new(SenseKey::UNIT_ATTENTION, 0x2a, 0x03));
    assert_eq!(s.to_string(), "UNIT ATTENTION, RESERVATIONS PREEMPTED (2a/03)");
}

#[test]
fn descriptor_format() {
    #[rustfmt::skip]
    let b = [
        0x73,               // RESPONSE CODE 73h: deferred
        0x03,               // SENSE KEY MEDIUM ERROR
        0x0c,               // ADDITIONAL SENSE CODE
        0x00,               // ADDITIONAL SENSE CODE QUALIFIER
        0x00, 0x00, 0x00,   // SDAT_OVFL, reserved
        0x0c,               // ADDITIONAL SENSE LENGTH 12
        0x00, 0x0a,         // descriptor: INFORMATION, 10 bytes
        0x80, 0x00,         // VALID
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x12, 0x34,
    ];
    let s = Sense::parse(&b).unwrap();
    assert_eq!(s, Sense { deferred: true, ..Sense::new(SenseKey::MEDIUM_ERROR, 0x0c, 0x00) });
    assert_eq!(s.to_string(), "deferred: MEDIUM ERROR, WRITE ERROR (0c/00)");
}

#[test]
fn a_code_without_words_prints_its_numbers() {
    let s = Sense::new(SenseKey::ILLEGAL_REQUEST, 0x5a, 0x99);
    assert_eq!(s.to_string(), "ILLEGAL REQUEST, unknown additional sense code (5a/99)");
    assert_eq!(serde_json::to_value(s).unwrap()["text"], serde_json::Value::Null);
}

#[test]
fn json_has_the_words() {
    let json = serde_json::to_value(Sense::new(SenseKey::UNIT_ATTENTION, 0x29, 0x01)).unwrap();
    assert_eq!(json["key"], "UNIT ATTENTION");
    assert_eq!((&json["asc"], &json["ascq"]), (&"29".into(), &"01".into()));
    assert_eq!(json["text"], "POWER ON OCCURRED");
}

#[test]
fn a_short_fixed_format_has_no_code() {
    let s = Sense::parse(&[0x70, 0, 0x02, 0, 0, 0, 0, 0]).unwrap();
    assert_eq!(s, Sense::new(SenseKey::NOT_READY, 0, 0));
    assert!(Sense::parse(&[]).is_err());
    assert!(Sense::parse(&[0x70, 0]).is_err());
    assert!(Sense::parse(&[0x72, 0, 0]).is_err());
    assert!(Sense::parse(&[0x7f, 0, 0, 0, 0, 0, 0, 0]).is_err());
}

proptest! {
    #[test]
    fn both_formats_round_trip(key in 0..16u8, asc: u8, ascq: u8, deferred: bool) {
        let s = Sense { deferred, ..Sense::new(SenseKey(key), asc, ascq) };
        prop_assert_eq!(Sense::parse(&s.emit_fixed()), Ok(s));
        prop_assert_eq!(Sense::parse(&s.emit_descriptor()), Ok(s));
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(mut b in proptest::collection::vec(any::<u8>(), 0..40), ours: bool) {
        if let (true, [first, ..]) = (ours, &mut b[..]) {
            *first = 0x70 | (*first & 3);
        }
        if let Ok(s) = Sense::parse(&b) {
            let _ = (s.to_string(), serde_json::to_string(&s).unwrap());
        }
    }
}
