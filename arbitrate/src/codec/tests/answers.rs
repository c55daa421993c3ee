use proptest::prelude::*;

use crate::codec::block::{Capacity10, Capacity16};
use crate::codec::inquiry::{Peripheral, StandardInquiry};
use crate::codec::vpd::*;
use crate::codec::{DecodeError, Text};

fn designator_id() -> impl Strategy<Value = DesignatorId> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        bytes.clone().prop_map(DesignatorId::VendorSpecific),
        (any::<[u8; 8]>(), bytes.clone())
            .prop_map(|(vendor, specific)| DesignatorId::T10 { vendor: Text::from_bytes(vendor), specific }),
        any::<[u8; 8]>().prop_map(|b| DesignatorId::Eui64(Eui64::Eight(b))),
        any::<[u8; 12]>().prop_map(|b| DesignatorId::Eui64(Eui64::Twelve(b))),
        any::<[u8; 16]>().prop_map(|b| DesignatorId::Eui64(Eui64::Sixteen(b))),
        (any::<[u8; 16]>(), proptest::sample::select(&[2u8, 3, 5, 6][..])).prop_map(|(mut b, kind)| {
            b[0] = (kind << 4) | (b[0] & 0x0f);
            let b = if kind == 6 { &b[..] } else { &b[..8] };
            DesignatorId::Naa(Naa::from_bytes(b).unwrap())
        }),
        any::<u16>().prop_map(DesignatorId::RelativeTargetPort),
        any::<u16>().prop_map(DesignatorId::TargetPortGroup),
        any::<u16>().prop_map(DesignatorId::LogicalUnitGroup),
        any::<[u8; 16]>().prop_map(DesignatorId::Md5),
        "\\PC{0,30}".prop_map(DesignatorId::ScsiName),
        any::<[u8; 8]>().prop_map(DesignatorId::ProtocolSpecificPort),
        any::<[u8; 16]>().prop_map(DesignatorId::Uuid),
        (0xb..0x10u8, bytes).prop_map(|(kind, bytes)| DesignatorId::Other { kind, bytes }),
    ]
}

fn designator() -> impl Strategy<Value = Designator> {
    let association = proptest::sample::select(
        &[
            Association::LogicalUnit,
            Association::TargetPort,
            Association::TargetDevice,
            Association::Reserved,
        ][..],
    );
    (association, proptest::option::of(0..16u8), designator_id()).prop_map(|(association, protocol, id)| {
        let code_set = match id {
            DesignatorId::ScsiName(_) => CodeSet::Utf8,
            DesignatorId::T10 { .. } => CodeSet::Ascii,
            _ => CodeSet::Binary,
        };
        Designator { association, code_set, protocol, id }
    })
}

/// What an iSCSI target answers on its port 1.
#[rustfmt::skip]
const PAGE_83: [u8; 68] = [
    0x00,                                             // PERIPHERAL: a disk
    0x83,                                             // PAGE CODE
    0x00, 0x40,                                       // PAGE LENGTH 64
    // the logical unit, by NAA 6
    0x01,                                             // CODE SET binary
    0x03,                                             // PIV 0, ASSOCIATION logical unit, TYPE NAA
    0x00, 0x10,                                       // reserved, DESIGNATOR LENGTH 16
    0x60, 0x01, 0x40, 0x5a, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f, 0x60, 0x71, 0x82, 0x93, 0xa4, 0xb5, 0xc6,
    // the logical unit, by vendor
    0x02,                                             // CODE SET ASCII
    0x01,                                             // ASSOCIATION logical unit, TYPE T10 vendor
    0x00, 0x0c,                                       // DESIGNATOR LENGTH 12
    b'P', b'A', b'L', b'I', b'S', b'A', b'D', b'E', b'd', b'0', b'1', 0x00,
    // the port, by number
    0x51,                                             // PROTOCOL iSCSI, CODE SET binary
    0x94,                                             // PIV 1, ASSOCIATION port, TYPE relative target port
    0x00, 0x04,                                       // DESIGNATOR LENGTH 4
    0x00, 0x00, 0x00, 0x01,                           // RELATIVE TARGET PORT IDENTIFIER
    // the device, by name
    0x53,                                             // PROTOCOL iSCSI, CODE SET UTF-8
    0xa8,                                             // PIV 1, ASSOCIATION device, TYPE SCSI name
    0x00, 0x10,                                       // DESIGNATOR LENGTH 16
    b'i', b'q', b'n', b'.', b'2', b'0', b'2', b'6', b'-', b'1', b'1', b'.', b'a', b':', b't', 0x00,
];

#[test]
fn device_identification() {
    let page = DeviceIdentification::parse(&PAGE_83).unwrap();
    let names: Vec<_> = page.designators.iter().map(|d| (d.association, d.to_string())).collect();
    assert_eq!(
        names,
        [
            (Association::LogicalUnit, "naa.6001405a1b2c3d4e5f60718293a4b5c6".to_owned()),
            (Association::LogicalUnit, "t10.PALISADE.d01".to_owned()),
            (Association::TargetPort, "port 1".to_owned()),
            (Association::TargetDevice, "iqn.2026-11.a:t".to_owned()),
        ]
    );
    assert_eq!(page.lu_identity().unwrap().as_str(), "naa.6001405a1b2c3d4e5f60718293a4b5c6");
    assert_eq!(page.relative_target_port(), Some(1));
    assert_eq!(page.designators[2].protocol, Some(5));
    assert_eq!(page.emit().unwrap(), PAGE_83);
    let json = serde_json::to_value(&page).unwrap();
    assert_eq!(json["designators"][0]["value"], "naa.6001405a1b2c3d4e5f60718293a4b5c6");
    assert_eq!(json["designators"][0]["association"], "logical-unit");
}

#[test]
fn every_cut_page_is_refused() {
    for n in 0..PAGE_83.len() {
        assert!(matches!(DeviceIdentification::parse(&PAGE_83[..n]), Err(DecodeError::Short { .. })), "{n}");
    }
    assert!(matches!(DeviceIdentification::parse(&[0, 0x80, 0, 0]), Err(DecodeError::Value { .. })));
    // A designator that overruns its page.
    let mut b = PAGE_83;
    b[7] = 0x50;
    assert!(matches!(DeviceIdentification::parse(&b), Err(DecodeError::Short { .. })));
}

#[test]
fn the_best_name_wins_and_ports_have_no_say() {
    let of = |association, id| Designator { association, code_set: CodeSet::Binary, protocol: None, id };
    let lu = |id| of(Association::LogicalUnit, id);
    let naa = |b: &[u8]| DesignatorId::Naa(Naa::from_bytes(b).unwrap());
    let (six, five) = ([0x60; 16], [0x50; 8]);
    let by_rank = [
        lu(naa(&six)),
        lu(naa(&five)),
        lu(DesignatorId::Eui64(Eui64::Eight([1; 8]))),
        lu(DesignatorId::ScsiName("iqn.a:b".to_owned())),
        lu(DesignatorId::Uuid([7; 16])),
        lu(DesignatorId::T10 { vendor: Text::new("V"), specific: b"x".to_vec() }),
    ];
    for n in 0..by_rank.len() {
        let mut rest = by_rank[n..].to_vec();
        rest.reverse();
        rest.push(of(Association::TargetPort, naa(&six)));
        assert_eq!(LuIdentity::best(&rest).unwrap().to_string(), by_rank[n].to_string());
    }
    assert_eq!(LuIdentity::best(&[of(Association::TargetPort, naa(&six))]), None);
    let vendor_only = DesignatorId::T10 { vendor: Text::new("V"), specific: vec![b' '; 4] };
    assert_eq!(LuIdentity::best(&[lu(vendor_only)]), None);
    assert_eq!(by_rank[4].to_string(), "uuid.07070707-0707-0707-0707-070707070707");
}

#[test]
fn what_contradicts_its_type_is_kept_raw() {
    // NAA of 7 bytes, a SCSI name with an escape sequence, an EUI-64 in ASCII.
    for d in [
        &[0x01, 0x03, 0, 7, 0x60, 1, 2, 3, 4, 5, 6][..],
        &[0x03, 0x08, 0, 4, 0x1b, b'[', b'J', 0],
        &[0x02, 0x02, 0, 8, b'1', b'2', b'3', b'4', b'5', b'6', b'7', b'8'],
    ] {
        let (parsed, used) = Designator::parse(d).unwrap();
        assert!(matches!(parsed.id, DesignatorId::Other { .. }), "{parsed}");
        let mut again = Vec::new();
        parsed.emit(&mut again).unwrap();
        assert_eq!((&again[..], used), (d, d.len()));
    }
}

#[test]
fn standard_inquiry() {
    #[rustfmt::skip]
    let b = [
        0x00,                                       // PERIPHERAL: a disk
        0x00,                                       // RMB 0
        0x06,                                       // VERSION SPC-4
        0x12,                                       // HISUP, RESPONSE DATA FORMAT 2
        0x1f,                                       // ADDITIONAL LENGTH 31
        0x10,                                       // TPGS implicit
        0x10,                                       // MULTIP
        0x02,                                       // CMDQUE
        b'P', b'A', b'L', b'I', b'S', b'A', b'D', b'E',
        b'S', b'I', b'M', b' ', b' ', b' ', b' ', b' ', b' ', b' ', b' ', b' ', b' ', b' ', b' ', b' ',
        b'0', b'0', b'0', b'1',
    ];
    let i = StandardInquiry::parse(&b).unwrap();
    assert_eq!(
        (i.vendor.to_string(), i.product.to_string(), i.revision.to_string()),
        ("PALISADE".to_owned(), "SIM".to_owned(), "0001".to_owned())
    );
    assert!(i.multi_port && i.queueing && !i.removable && !i.protection);
    assert_eq!((i.version, i.target_port_groups, i.emit()), (6, 1, b));
    assert!(StandardInquiry::parse(&b[..35]).is_err());
    assert_eq!(Text::<4>::new("a\x1bbcde").to_string(), "a?bc");
}

#[test]
fn capacities() {
    let ten = Capacity10::parse(&[0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0]).unwrap();
    assert_eq!(ten.blocks(), None, "ask READ CAPACITY(16)");
    assert!(Capacity10::parse(&[0, 0, 0, 1, 0, 0, 0, 0]).is_err(), "blocks of no bytes");
    let mut b = [0u8; 32];
    b[..8].fill(0xff);
    b[10] = 2;
    assert!(Capacity16::parse(&b).is_err(), "more blocks than can be counted");
}

proptest! {
    #[test]
    fn identification_round_trips(designators in proptest::collection::vec(designator(), 0..6)) {
        let page = DeviceIdentification { peripheral: Peripheral::DISK, designators };
        prop_assert_eq!(DeviceIdentification::parse(&page.emit().unwrap()), Ok(page));
    }

    #[test]
    fn other_pages_round_trip(b in proptest::collection::vec(any::<u8>(), 0..40)) {
        let pages = SupportedPages { peripheral: Peripheral::DISK, pages: b.clone() };
        prop_assert_eq!(SupportedPages::parse(&pages.emit().unwrap()), Ok(pages));
        let serial = UnitSerialNumber { peripheral: Peripheral::DISK, serial: b };
        prop_assert!(!serial.to_string().contains(char::is_control));
        prop_assert_eq!(UnitSerialNumber::parse(&serial.emit().unwrap()), Ok(serial));
    }

    #[test]
    fn capacities_round_trip(last: u64, len in 1..u32::MAX, exponent in 0..16u8, aligned in 0..0x4000u16, thin: bool, zero: bool) {
        let last_lba = last.min(u64::MAX - 1);
        let c = Capacity16 {
            last_lba,
            block_len_bytes: len,
            blocks_per_physical_exponent: exponent,
            lowest_aligned_lba: aligned,
            thin,
            unmapped_read_zero: zero,
        };
        prop_assert_eq!(Capacity16::parse(&c.emit()), Ok(c));
        let c = Capacity10 { last_lba: u32::try_from(last >> 32).unwrap(), block_len_bytes: len };
        prop_assert_eq!(Capacity10::parse(&c.emit()), Ok(c));
    }

    #[test]
    fn standard_data_reads_again(b in any::<[u8; 36]>()) {
        let mut b = b;
        (b[3], b[4]) = (2, 31);
        let i = StandardInquiry::parse(&b).unwrap();
        prop_assert_eq!(StandardInquiry::parse(&i.emit()), Ok(i));
        prop_assert!(!serde_json::to_string(&i).unwrap().contains("\\u00"));
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(mut b in proptest::collection::vec(any::<u8>(), 0..120), page in 0..4usize) {
        if let [_, code, hi, lo, rest @ ..] = &mut b[..] {
            match page {
                0 => *code = PAGE_SUPPORTED,
                1 => *code = PAGE_SERIAL,
                2 => *code = PAGE_IDENTIFICATION,
                _ => {}
            }
            if page < 3 {
                (*hi, *lo) = (0, u8::try_from(rest.len()).unwrap());
            }
        }
        let _ = (SupportedPages::parse(&b), UnitSerialNumber::parse(&b), StandardInquiry::parse(&b));
        let _ = (Capacity10::parse(&b), Capacity16::parse(&b));
        if let Ok(p) = DeviceIdentification::parse(&b) {
            let text = serde_json::to_string(&p).unwrap();
            prop_assert!(!text.contains("\\u00"));
            let _ = (p.lu_identity(), p.relative_target_port());
        }
    }
}
