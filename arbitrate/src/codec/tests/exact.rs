//! Each of these kills a mutant that no other test of the codecs noticed.

use crate::codec::block::{Capacity10, Capacity16};
use crate::codec::inquiry::{Peripheral, STANDARD_INQUIRY_LEN, StandardInquiry};
use crate::codec::opcode;
use crate::codec::pr::{
    AllTargetPorts, Aptpl, Capabilities, FullStatusView, Generation, Holder, InAction, OutAction,
    PrOutRequest, ReadReservation, RegisterPorts, Reread, ReservationType, Step, TransportId,
};
use crate::codec::quorum::{HEAD_LEN, Units};
use crate::codec::vpd::{
    Association, CodeSet, Designator, DesignatorId, DeviceIdentification, Eui64, LuIdentity, Naa,
    SupportedPages, UnitSerialNumber,
};
use crate::codec::{Cdb, DecodeError, RequestError, Sense, SenseKey, Status, Text};
use crate::key::Key;

/// SPC-4, table 43.
#[test]
fn every_sense_key_has_the_standards_name() {
    let names = [
        "NO SENSE",
        "RECOVERED ERROR",
        "NOT READY",
        "MEDIUM ERROR",
        "HARDWARE ERROR",
        "ILLEGAL REQUEST",
        "UNIT ATTENTION",
        "DATA PROTECT",
        "BLANK CHECK",
        "VENDOR SPECIFIC",
        "COPY ABORTED",
        "ABORTED COMMAND",
        "RESERVED",
        "VOLUME OVERFLOW",
        "MISCOMPARE",
        "COMPLETED",
    ];
    for (n, name) in (0u8..).zip(names) {
        assert_eq!(SenseKey(n).name(), name);
        assert_eq!(format!("{:?}", SenseKey(n)), name);
    }
}

/// What the additional length leaves out is not read, though bytes are there.
#[test]
fn a_qualifier_behind_the_additional_length_is_none() {
    let mut b = [0x70, 0, 0x06, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0x2a, 0x03];
    assert_eq!(Sense::parse(&b), Ok(Sense::new(SenseKey::UNIT_ATTENTION, 0x2a, 0)));
    b[7] = 6;
    assert_eq!(Sense::parse(&b), Ok(Sense::new(SenseKey::UNIT_ATTENTION, 0x2a, 3)));
}

#[test]
fn an_undefined_scope_is_told_as_it_is() {
    let mut b = [0; 24];
    (b[7], b[21]) = (16, 0x25);
    let refused = DecodeError::Value { what: "reservation scope", value: 2 };
    assert_eq!(ReadReservation::parse(&b), Err(refused));
    b[21] = 0x05;
    let holder = ReadReservation::parse(&b).unwrap().holder.unwrap();
    assert_eq!(holder.kind, ReservationType::WriteExclusiveRegistrantsOnly);
}

/// ADDITIONAL LENGTH counts from byte 5.
#[test]
fn inquiry_data_is_read_at_its_length() {
    let mut b = vec![0, 0, 6, 2, 91];
    b.resize(36, 0);
    let mut r = Reread::inquiry(36);
    assert_eq!(r.judge(&b), Ok(Step::Again));
    assert_eq!(r.allocation(), 96);
}

/// Standard INQUIRY data as a disk array answers it, in fields that our own emulator leaves 0.
#[test]
fn standard_inquiry() {
    #[rustfmt::skip]
    let mut b = [
        0x20,                     // PERIPHERAL QUALIFIER 1, PERIPHERAL DEVICE TYPE 0
        0x80,                     // RMB
        0x06,                     // VERSION SPC-4
        0x12,                     // HISUP, RESPONSE DATA FORMAT 2
        0x1f,                     // ADDITIONAL LENGTH 31
        0x31,                     // TPGS 3, PROTECT
        0x10,                     // MULTIP
        0x02,                     // CMDQUE
        b'V', b'E', b'N', b'D', b'O', b'R', b' ', b' ',
        b'P', b'R', b'O', b'D', b'U', b'C', b'T', b' ', b' ', b' ', b' ', b' ', b' ', b' ', b' ', b' ',
        b'1', b'.', b'0', b' ',
    ];
    let i = StandardInquiry::parse(&b).unwrap();
    assert_eq!(i.peripheral, Peripheral { qualifier: 1, device_type: 0 });
    assert_eq!((i.version, i.target_port_groups), (6, 3));
    assert!(i.removable && i.protection && i.multi_port && i.queueing);
    assert_eq!(i.emit(), b);
    // The other bits of the same bytes say something else.
    (b[0], b[1], b[5], b[6], b[7]) = (0x7f, 0x7f, 0xce, 0xef, 0xfd);
    let i = StandardInquiry::parse(&b).unwrap();
    assert_eq!(i.peripheral, Peripheral::from_byte(0x7f));
    assert_eq!((i.peripheral.qualifier, i.peripheral.device_type), (3, 0x1f));
    assert_eq!(i.peripheral.to_byte(), 0x7f);
    assert_eq!(i.target_port_groups, 0);
    assert!(!i.removable && !i.protection && !i.multi_port && !i.queueing);
}

#[test]
fn inquiry_data_of_another_format_or_too_short_is_refused() {
    let mut b = StandardInquiry::parse(&{
        let mut b = [b' '; STANDARD_INQUIRY_LEN];
        b[..8].copy_from_slice(&[0, 0, 6, 2, 31, 0, 0, 0]);
        b
    })
    .unwrap()
    .emit();
    let refused = |value| Err(DecodeError::Value { what: "INQUIRY response data format", value });
    b[3] = 0x11;
    assert_eq!(StandardInquiry::parse(&b), refused(1));
    b[3] = 0xf3;
    assert!(StandardInquiry::parse(&b).is_ok(), "HISUP and NORMACA are no format");
    b[4] = 30;
    assert_eq!(
        StandardInquiry::parse(&b),
        Err(DecodeError::Length { what: "standard INQUIRY data", claimed: 35 })
    );
    b[4] = 32;
    assert!(StandardInquiry::parse(&b).is_ok(), "more than is read");
}

#[test]
fn the_number_of_blocks_is_one_more_than_the_last() {
    let c = |last_lba| Capacity10 { last_lba, block_len_bytes: 512 };
    assert_eq!((c(7).blocks(), c(u32::MAX - 1).blocks()), (Some(8), Some(u64::from(u32::MAX))));
    assert_eq!(c(u32::MAX).blocks(), None, "ask READ CAPACITY(16)");
    let mut b = [0; 16];
    (b[7], b[10]) = (7, 2);
    assert_eq!(Capacity16::parse(&b).unwrap().blocks(), 8);
}

/// SAM-5, table 23.
#[test]
fn every_status_has_the_standards_name() {
    let names = [
        (0x00, "GOOD"),
        (0x02, "CHECK CONDITION"),
        (0x04, "CONDITION MET"),
        (0x08, "BUSY"),
        (0x18, "RESERVATION CONFLICT"),
        (0x28, "TASK SET FULL"),
        (0x30, "ACA ACTIVE"),
        (0x40, "TASK ABORTED"),
        (0x22, "undefined status"),
    ];
    for (code, name) in names {
        assert_eq!(Status(code).to_string(), name);
        assert_eq!(format!("{:?}", Status(code)), format!("{name} ({code:#04x})"));
    }
}

#[test]
fn what_vpd_pages_say_is_told() {
    let pages = SupportedPages { peripheral: Peripheral::DISK, pages: vec![0x00, 0x83] };
    assert!(pages.has(0x83) && !pages.has(0x80));
    let serial = UnitSerialNumber::parse(&[0, 0x80, 0, 4, b' ', b'A', b'7', 0]).unwrap();
    assert_eq!(serial.to_string(), "A7");
    assert_eq!(format!("{:?}", Text::from_bytes(*b"A7\x1b ")), "\"A7?\"", "nothing a terminal obeys");
}

#[test]
fn the_port_of_an_answer_is_the_target_ports_own() {
    #[rustfmt::skip]
    let page = [
        0x00, 0x83, 0x00, 0x18,                           // VPD page 83h, 24 bytes
        0x01, 0x04, 0x00, 0x04, 0x00, 0x00, 0x00, 0x09,   // logical unit, RELATIVE TARGET PORT 9: whose?
        0x01, 0x15, 0x00, 0x04, 0x00, 0x00, 0x00, 0x08,   // target port, TARGET PORT GROUP 8
        0x01, 0x14, 0x00, 0x04, 0x00, 0x00, 0x01, 0x02,   // target port, RELATIVE TARGET PORT 258
    ];
    let page = DeviceIdentification::parse(&page).unwrap();
    assert_eq!(page.relative_target_port(), Some(0x0102));
    let lu = DeviceIdentification { designators: page.designators[..2].to_vec(), ..page };
    assert_eq!(lu.relative_target_port(), None);
}

/// Bits beside those that are read change nothing of what is read.
#[test]
fn capabilities_are_single_bits() {
    let c = Capabilities::parse(&[0, 8, 0x62, 0x50, 0, 0, 0, 0]).unwrap();
    assert!(!c.replace_lost && !c.compatible_reservation_handling && !c.spec_i_pt && !c.all_target_ports);
    assert_eq!((c.aptpl_capable, c.aptpl_active, c.allow_commands, c.types), (false, false, 5, None));
    let c = Capabilities::parse(&[0, 8, 0x9d, 0x0f, 0, 0, 0, 0]).unwrap();
    assert!(c.replace_lost && c.compatible_reservation_handling && c.spec_i_pt && c.all_target_ports);
    assert_eq!((c.aptpl_capable, c.aptpl_active, c.allow_commands, c.types), (true, true, 0, None));
}

/// As READ RESERVATION tells it: the holder's key, or none where all registrants hold.
#[test]
fn full_status_names_the_holder() {
    let status = |kind: u8| {
        let mut b = vec![0; 8 + 2 * 48];
        b[7] = 96;
        for (at, key) in [(8, 0x11), (56, 0x22)] {
            (b[at + 7], b[at + 23], b[at + 24]) = (key, 24, 0x06);
        }
        (b[56 + 12], b[56 + 13]) = (1, kind);
        b
    };
    let holder = |key, kind| Some(Holder { key: Key::from_u64(key), kind });
    let only = ReservationType::WriteExclusiveRegistrantsOnly;
    let all = ReservationType::WriteExclusiveAllRegistrants;
    assert_eq!(FullStatusView::parse(&status(0x05)).unwrap().holder(), holder(0x22, only));
    assert_eq!(FullStatusView::parse(&status(0x07)).unwrap().holder(), holder(0, all));
    let refused = DecodeError::Value { what: "reservation scope", value: 2 };
    assert_eq!(FullStatusView::parse(&status(0x25)).map(|_| ()), Err(refused));
}

#[test]
fn what_a_type_means() {
    use ReservationType as T;
    let told =
        |kind: T| (kind.name(), kind.registrants_only(), kind.all_registrants(), kind.restricts_reads());
    assert_eq!(told(T::WriteExclusive), ("Write Exclusive", false, false, false));
    assert_eq!(told(T::ExclusiveAccess), ("Exclusive Access", false, false, true));
    let ro = "Registrants Only";
    assert_eq!(
        told(T::WriteExclusiveRegistrantsOnly),
        (&*format!("Write Exclusive, {ro}"), true, false, false)
    );
    assert_eq!(
        told(T::ExclusiveAccessRegistrantsOnly),
        (&*format!("Exclusive Access, {ro}"), true, false, true)
    );
    let all = "All Registrants";
    assert_eq!(
        told(T::WriteExclusiveAllRegistrants),
        (&*format!("Write Exclusive, {all}"), true, true, false)
    );
    assert_eq!(
        told(T::ExclusiveAccessAllRegistrants),
        (&*format!("Exclusive Access, {all}"), true, true, true)
    );
    assert_eq!(InAction::ReadFullStatus.name(), "READ FULL STATUS");
    assert_eq!(OutAction::PreemptAndAbort.name(), "PREEMPT AND ABORT");
    assert_eq!(
        (Generation(7).to_string(), format!("{:?}", Generation(7))),
        ("7".into(), "Generation(7)".into())
    );
}

/// Types that are binary by definition are read from nothing else.
#[test]
fn a_designator_in_another_code_set_is_kept_raw() {
    for (kind, len) in [(2, 8), (3, 8), (4, 4), (5, 4), (6, 4), (7, 16), (8, 8), (9, 8), (10, 18)] {
        let mut b = vec![2, kind, 0, len];
        b.resize(4 + usize::from(len), 0);
        b[4] = if kind == 3 { 0x50 } else { 0x10 };
        let (d, _) = Designator::parse(&b).unwrap();
        assert!(matches!(d.id, DesignatorId::Other { .. }), "{kind}: {:?}", d.id);
        b[0] = if kind == 8 { 3 } else { 1 };
        b[4] = if kind == 8 { b'x' } else { b[4] };
        let (d, _) = Designator::parse(&b).unwrap();
        assert!(!matches!(d.id, DesignatorId::Other { .. }), "{kind}: {:?}", d.id);
    }
}

#[test]
fn a_transport_id_that_is_not_understood_is_kept_to_the_byte() {
    let mut b: Vec<u8> = (0..24).collect();
    b[0] = 0x4f;
    let Ok((TransportId::Other(raw), 24)) = TransportId::parse(&b) else { panic!("understood") };
    assert_eq!(raw.as_bytes(), b);
}

/// All that names a logical unit, from the best to the poorest.
#[test]
fn every_kind_of_name_has_its_own_rank() {
    let naa = |n: u8| {
        let mut b = vec![n << 4; if n == 6 { 16 } else { 8 }];
        b[1] = 1;
        DesignatorId::Naa(Naa::from_bytes(&b).unwrap())
    };
    let eui = |len| DesignatorId::Eui64(Eui64::from_bytes(&vec![2; len]).unwrap());
    let t10 = |specific: &[u8]| DesignatorId::T10 { vendor: Text::new("V"), specific: specific.to_vec() };
    let by_rank = [
        naa(6),
        naa(5),
        naa(2),
        naa(3),
        eui(16),
        eui(12),
        eui(8),
        DesignatorId::ScsiName("iqn.a:b".to_owned()),
        DesignatorId::Uuid([7; 16]),
        t10(b"x"),
    ];
    let lu = |id: &DesignatorId| Designator {
        association: Association::LogicalUnit,
        code_set: CodeSet::Binary,
        protocol: None,
        id: id.clone(),
    };
    for (n, better) in by_rank.iter().enumerate() {
        assert_eq!(LuIdentity::best(&[lu(better)]).unwrap().as_str(), better.to_string());
        for poorer in &by_rank[n + 1..] {
            let best = LuIdentity::best(&[lu(poorer), lu(better)]).unwrap();
            assert_eq!(best.as_str(), better.to_string(), "beside {poorer}");
        }
    }
    for none in [DesignatorId::ScsiName(String::new()), t10(b"  "), DesignatorId::TargetPortGroup(1)] {
        assert_eq!(LuIdentity::best(&[lu(&none)]), None);
    }
}

/// As they stand in JSON, by SPC-4 table 460.
#[test]
fn every_kind_of_designator_has_its_name() {
    let kinds = [
        "vendor-specific",
        "t10",
        "eui-64",
        "naa",
        "relative-target-port",
        "target-port-group",
        "logical-unit-group",
        "md5",
        "scsi-name",
        "protocol-specific-port",
        "uuid",
        "other",
    ];
    let lens = [4, 8, 8, 8, 4, 4, 4, 16, 4, 8, 18, 4];
    for ((kind, name), len) in (0u8..).zip(kinds).zip(lens) {
        let mut b = vec![if kind == 8 { 3 } else { 1 }, kind, 0, len];
        b.resize(4 + usize::from(len), 0);
        b[4] = match kind {
            3 => 0x50,
            8 => b'x',
            _ => 0x10,
        };
        assert_eq!(Designator::parse(&b).unwrap().0.id.kind_name(), name);
    }
}

/// LIO ends the vendor's part with nulls, which are no part of the name; others' bytes are all told.
#[test]
fn a_vendors_name_is_told_as_text_where_it_is_text() {
    let told = |specific: &[u8]| {
        DesignatorId::T10 { vendor: Text::new("V"), specific: specific.to_vec() }.to_string()
    };
    assert_eq!(told(b"a b\0\0"), "t10.V.a b");
    assert_eq!(told(b"ab"), "t10.V.ab");
    assert_eq!(told(b"\0\0"), "t10.V.");
    assert_eq!(told(b"a\0b\0"), "t10.V.0x61006200");
    assert_eq!(told(b"a\xe9"), "t10.V.0x61e9");
}

/// A code set of our own making does not reach into the protocol's half of the byte.
#[test]
fn an_undefined_code_set_keeps_to_its_half_of_the_byte() {
    for (code_set, byte) in
        [(CodeSet::Other(0x0e), 0x6e), (CodeSet::Other(0xfe), 0x6e), (CodeSet::Utf8, 0x63)]
    {
        let id = DesignatorId::VendorSpecific(vec![1]);
        let d = Designator { association: Association::LogicalUnit, code_set, protocol: Some(6), id };
        let mut b = Vec::new();
        d.emit(&mut b).unwrap();
        assert_eq!(b, [byte, 0x80, 0, 1, 1]);
    }
}

/// CDB usage data (SPC-4 6.35.3) of the commands whose rows are made by a function, to the byte.
#[test]
fn the_usage_data_of_reads_writes_and_reservations_is_the_standards() {
    let usage = |cdb: &[u8]| opcode::lookup(&Cdb::from_slice(cdb).unwrap()).unwrap().usage;
    let ten = |code: u8| usage(&[code, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(ten(0x28), [0x28, 0xe8, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0]);
    assert_eq!(ten(0x2a), [0x2a, 0xe8, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0]);
    for code in [0x88, 0x8a] {
        let mut cdb = [0; 16];
        cdb[0] = code;
        let [lba, blocks] = [[0xff; 8].as_slice(), &[0xff; 4]];
        assert_eq!(usage(&cdb), [&[code, 0xe8], lba, blocks, &[0, 0]].concat());
    }
    for action in 0..4 {
        let mut cdb = [0x5e, action, 0, 0, 0, 0, 0, 0, 0, 0];
        cdb[8] = 8;
        assert_eq!(usage(&cdb), [0x5e, action, 0, 0, 0, 0, 0, 0xff, 0xff, 0]);
    }
    for (action, scope_and_type) in
        [(0, 0), (1, 255), (2, 255), (3, 0), (4, 255), (5, 255), (6, 0), (7, 0), (8, 255)]
    {
        let cdb = [0x5f, action, 0, 0, 0, 0, 0, 0, 24, 0];
        assert_eq!(usage(&cdb), [0x5f, action, scope_and_type, 0, 0, 0xff, 0xff, 0xff, 0xff, 0]);
    }
}

/// 223 bytes of name, `,i,0x`, 12 digits and a null make 241, padded 244; nothing longer can be.
#[test]
fn the_longest_iscsi_transport_id_is_read_and_nothing_longer() {
    let name = format!("iqn.{}", "a".repeat(219));
    let id: TransportId = format!("{name},i,0x00023d000001").parse().unwrap();
    let b = id.emit();
    assert_eq!((b.len(), &b[2..4]), (248, [0, 244].as_slice()));
    assert_eq!(TransportId::parse(&b), Ok((id, 248)));
    let mut longer = b;
    longer[3] = 248;
    longer.resize(252, 0);
    let refused = DecodeError::Length { what: "iSCSI TransportID", claimed: 248 };
    assert_eq!(TransportId::parse(&longer), Err(refused));
}

/// SPC-4 table 211: the TransportIDs begin at byte 28, and a list that ends before them is too short.
#[test]
fn transport_ids_stand_behind_twenty_eight_bytes() {
    let ports = RegisterPorts {
        own: Key::default(),
        new: Key::from_u64(1),
        aptpl: Aptpl::No,
        all_target_ports: AllTargetPorts::No,
        ports: vec!["sas:5000c500a1b2c3d4".parse().unwrap()],
    };
    let b = ports.emit();
    assert_eq!((b.len(), &b[24..28], b[28]), (28 + 24, [0, 0, 0, 24].as_slice(), 0x06));
    let cdb = ports.cdb();
    assert_eq!(PrOutRequest::parse(&cdb, &b), Ok(PrOutRequest::RegisterPorts(ports)));
    let short = Cdb::from_slice(&[0x5f, 0, 0, 0, 0, 0, 0, 0, 27, 0]).unwrap();
    assert_eq!(PrOutRequest::parse(&short, &b[..27]), Err(RequestError::ListLength { have: 27, need: 28 }));
}

/// The head of a quorum device: two tenures and a mark, a unit of 4 KiB each.
#[test]
fn the_head_is_three_units() {
    assert_eq!((HEAD_LEN, Units::HEAD.len()), (12_288, 12_288));
}
