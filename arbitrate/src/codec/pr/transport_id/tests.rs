use proptest::prelude::*;

use super::*;

/// Any TransportID a target could tell; used by the tests of everything that holds one.
pub(crate) fn any_id() -> impl Strategy<Value = TransportId> {
    let name = "(iqn|eui|naa|x)[.a-z0-9:-]{1,60}".prop_map(|s| IscsiName::new(&s).unwrap());
    prop_oneof![
        any::<[u8; 8]>().prop_map(|port_name| TransportId::Fcp { port_name }),
        any::<(u16, u16)>().prop_map(|(address, relative_port)| TransportId::Spi { address, relative_port }),
        any::<[u8; 8]>().prop_map(|eui64| TransportId::Sbp { eui64 }),
        any::<[u8; 16]>().prop_map(|port_id| TransportId::Srp { port_id }),
        any::<[u8; 8]>().prop_map(|address| TransportId::Sas { address }),
        any::<u16>().prop_map(|routing_id| TransportId::Sop { routing_id }),
        (name.clone(), any::<Option<[u8; 6]>>()).prop_map(|(name, isid)| TransportId::Iscsi { name, isid }),
        (name, "[0-9a-f]{1,11}")
            .prop_map(|(name, d)| TransportId::IscsiCut { name, isid: CutIsid::new(&d).unwrap() }),
        (7..=9u8, any::<[u8; 23]>()).prop_map(|(protocol, rest)| {
            TransportId::parse(&[&[protocol], &rest[..]].concat()).unwrap().0
        }),
    ]
}

#[test]
fn iscsi_with_a_session() {
    #[rustfmt::skip]
    let b = [
        0x45,             // FORMAT CODE 01b, PROTOCOL IDENTIFIER 5h
        0x00,             // reserved
        0x00, 0x24,       // ADDITIONAL LENGTH 36: a multiple of four, at least 20
        b'i', b'q', b'n', b'.', b'2', b'0', b'2', b'6', b'-', b'1', b'1', b'.', b'l', b'a', b'b', b':', b'n', b'1',
        b',', b'i', b',', b'0', b'x',                                             // SEPARATOR
        b'0', b'0', b'0', b'2', b'3', b'd', b'0', b'0', b'0', b'0', b'0', b'1',   // ISID in hex
        0x00,             // terminates; no padding is needed here
    ];
    let (id, used) = TransportId::parse(&b).unwrap();
    assert_eq!(used, b.len());
    assert_eq!(id.to_string(), "iqn.2026-11.lab:n1,i,0x00023d000001");
    assert_eq!(id.emit(), b);
    let isid = Some([0x00, 0x02, 0x3d, 0x00, 0x00, 0x01]);
    assert_eq!(id, TransportId::Iscsi { name: IscsiName::new("iqn.2026-11.lab:n1").unwrap(), isid });
}

#[test]
fn iscsi_as_a_whole_is_padded_to_twenty() {
    let id: TransportId = "iqn.a:b".parse().unwrap();
    #[rustfmt::skip]
    let b = [
        0x05, 0x00,       // FORMAT CODE 00b, PROTOCOL IDENTIFIER 5h
        0x00, 0x14,       // ADDITIONAL LENGTH 20
        b'i', b'q', b'n', b'.', b'a', b':', b'b',
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    assert_eq!(id.emit(), b);
}

#[test]
fn a_null_before_the_separator_does_not_hide_the_session() {
    // LIO: the name is terminated, the separator follows, and of the ISID the first 6 digits.
    let mut b = vec![0x45, 0, 0, 32];
    b.extend_from_slice(b"iqn.2026-11.lab:n1\0,i,0x00023d\0\0");
    assert_eq!(b.len(), 36);
    let (id, used) = TransportId::parse(&b).unwrap();
    assert_eq!((id.to_string().as_str(), used), ("iqn.2026-11.lab:n1,i,0x00023d...", 36));
    assert_eq!(id.emit(), b);
    assert_eq!(id.iscsi_name().unwrap().as_str(), "iqn.2026-11.lab:n1");
}

#[test]
fn fields_stand_where_the_standard_puts_them() {
    for (text, at, bytes) in [
        ("fcp:1011121314151617", 8, &[0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17][..]),
        ("sas:5011121314151617", 4, &[0x50, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17]),
        ("sbp:5011121314151617", 8, &[0x50, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17]),
        ("srp:000102030405060708090a0b0c0d0e0f", 8, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
        ("spi:7.258", 2, &[0, 7, 0, 0, 1, 2]),
        ("sop:0102", 2, &[1, 2]),
    ] {
        let b = text.parse::<TransportId>().unwrap().emit();
        assert_eq!((b.len(), &b[at..at + bytes.len()]), (24, bytes), "{text}");
    }
}

#[test]
fn lengths_are_checked() {
    let short = |b: &[u8]| matches!(TransportId::parse(b), Err(DecodeError::Short { .. }));
    assert!(short(&[]));
    assert!(short(&[0x06; 23]));
    assert!(short(&[0x05, 0, 0]));
    assert!(short(&[0x05, 0, 0, 20, b'a', 0]));
    for claimed in [0u16, 16, 21, 248, 65532] {
        let [hi, lo] = claimed.to_be_bytes();
        let mut b = vec![0x05, 0, hi, lo];
        b.resize(70_000, b'a');
        assert!(matches!(TransportId::parse(&b), Err(DecodeError::Length { .. })), "{claimed}");
    }
    assert!(TransportId::parse_all(&[0x06; 25]).is_err());
}

#[test]
fn what_is_not_understood_is_kept() {
    // No null behind the name; format 2; a name with an escape sequence.
    let mut no_null = vec![0x05, 0, 0, 20];
    no_null.resize(24, b'a');
    let mut escape = vec![0x05, 0, 0, 20];
    escape.extend_from_slice(b"iqn.\x1b[2J");
    escape.resize(24, 0);
    for b in [no_null, vec![0x86; 24], escape] {
        let (id, used) = TransportId::parse(&b).unwrap();
        assert!(matches!(id, TransportId::Other(_)), "{id}");
        assert_eq!((id.emit(), used), (b, 24));
    }
}

#[test]
fn text_errors_show_what_is_right() {
    let says = |s: &str| s.parse::<TransportId>().unwrap_err().to_string();
    assert!(says("naa").contains("sas:5000c500a1b2c3d4"));
    assert!(says("sas:5000").contains("16 hex digits"));
    assert!(says("sas:+000c500a1b2c3d4").contains("16 hex digits"));
    assert!(says("iqn.x,i,0x12").contains("12 hex digits"));
    assert!(says("iqn.x y").contains("iSCSI name"));
    assert!(says("spi:7").contains("spi:7.1"));
    assert!(says("raw:05").contains("whole TransportID"));
    let colons = "fcp:10:00:00:90:fa:12:34:56".parse::<TransportId>().unwrap();
    assert_eq!(colons.to_string(), "fcp:10000090fa123456");
    assert_eq!("fcp:0x10000090fa123456".parse(), Ok(colons));
}

proptest! {
    #[test]
    fn ids_round_trip(id in any_id()) {
        let b = id.emit();
        prop_assert_eq!(b.len() % 4, 0);
        prop_assert!(b.len() >= TRANSPORT_ID_LEN);
        prop_assert_eq!(TransportId::parse_all(&b), Ok(id.clone()));
        prop_assert_eq!(id.to_string().parse::<TransportId>(), Ok(id.clone()));
        let json = serde_json::to_string(&id).unwrap();
        prop_assert_eq!(serde_json::from_str::<TransportId>(&json).unwrap(), id);
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(mut b in proptest::collection::vec(any::<u8>(), 0..300), iscsi: bool) {
        if let (true, [first, ..]) = (iscsi, &mut b[..]) {
            *first = (*first & 0x40) | ISCSI;
        }
        if let Ok((id, used)) = TransportId::parse(&b) {
            prop_assert!(used <= b.len());
            prop_assert_eq!(TransportId::parse_all(&id.emit()), Ok(id.clone()));
            prop_assert_eq!(id.to_string().parse::<TransportId>(), Ok(id));
        }
    }

    #[test]
    fn arbitrary_text_does_not_panic(s in "(iqn\\.|fcp:|raw:|spi:|iscsi:)?\\PC{0,40}") {
        let _ = s.parse::<TransportId>();
    }
}
