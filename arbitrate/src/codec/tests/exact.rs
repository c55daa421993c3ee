//! Each of these kills a mutant that no other test of the codecs noticed.

use crate::codec::block::{Capacity10, Capacity16};
use crate::codec::inquiry::{Peripheral, STANDARD_INQUIRY_LEN, StandardInquiry};
use crate::codec::pr::{
    Capabilities, FullStatusView, Generation, Holder, InAction, OutAction, ReadReservation, Reread,
    ReservationType, Step, TransportId,
};
use crate::codec::vpd::{Designator, DesignatorId, DeviceIdentification, SupportedPages, UnitSerialNumber};
use crate::codec::{DecodeError, Sense, SenseKey, Status, Text};
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
