//! Commands as bytes.

use proptest::prelude::*;

use super::super::pr::power::Memory;
use super::super::reply::Medium;
use super::super::spec::TargetPort;
use super::super::unit::Welcome;
use super::*;
use crate::codec::Status;
use crate::codec::block::{
    Access as Way, BlockIo, Capacity10, Capacity16, CompareAndWrite, Extent, Fua, ReadCapacity,
    SynchronizeCache,
};
use crate::codec::inquiry::{Inquiry, InquiryPage, StandardInquiry};
use crate::codec::pr::{
    Aptpl, Capabilities, FullStatus, KeysView, PrOut, ReadReservation, RegisteredPort, ReservationType,
    read_full_status_cdb, read_keys_cdb, read_reservation_cdb, report_capabilities_cdb,
};
use crate::codec::vpd::{
    BlockLimits, DeviceIdentification, PAGE_BLOCK_LIMITS, PAGE_IDENTIFICATION, SupportedPages,
    UnitSerialNumber,
};
use crate::key::Key;

const A: NexusId = NexusId(0);
const B: NexusId = NexusId(1);
const K: Key = Key::from_u64(0xa);
const NONE: Key = Key::from_u64(0);
const BLOCKS: u64 = 64;

struct Bench {
    profile: Profile,
    unit: LogicalUnit,
}

impl Bench {
    fn new() -> Self {
        let mut profile = Profile::new("SERIAL1", BLOCKS, 512).unwrap();
        let mut unit = LogicalUnit::new(Welcome::Silent);
        for (name, port) in [("a", "1"), ("b", "2")] {
            let n = profile.intern(&name.parse().unwrap(), port.parse::<TargetPort>().unwrap()).unwrap();
            unit.introduce(n);
        }
        Self { profile, unit }
    }

    /// The answer, and what was put into a buffer of 4096 bytes.
    fn send(&mut self, n: NexusId, cdb: Cdb, out: &[u8]) -> (Reply, Vec<u8>) {
        let mut b = vec![0; 4096];
        let reply = self.unit.execute(&mut self.profile, n, &cdb, out, &mut b);
        b.truncate(reply.moved);
        (reply, b)
    }

    fn data(&mut self, n: NexusId, cdb: Cdb) -> Vec<u8> {
        let (reply, b) = self.send(n, cdb, &[]);
        assert_eq!(reply.answer, Answer::Good, "{cdb:?}");
        b
    }

    fn pr(&mut self, n: NexusId, c: &PrOut) -> Answer {
        self.send(n, c.basic_cdb(), &c.list.emit()).0.answer
    }
}

fn illegal(asc: u8, ascq: u8) -> Answer {
    Answer::Check(Sense::new(SenseKey::ILLEGAL_REQUEST, asc, ascq))
}

fn io(access: Way, lba: u64, blocks: u32) -> Cdb {
    BlockIo { access, extent: Extent::new(lba, blocks), fua: Fua::No }.cdb()
}

#[test]
fn keys_and_reservation_are_told_as_the_codec_writes_them() {
    let mut t = Bench::new();
    assert_eq!(t.pr(A, &PrOut::register(NONE, K, Aptpl::No)), Answer::Good);
    assert_eq!(t.pr(B, &PrOut::register(NONE, Key::from_u64(0xb), Aptpl::No)), Answer::Good);
    for kind in [None, Some(ReservationType::WriteExclusiveRegistrantsOnly)] {
        if let Some(kind) = kind {
            assert_eq!(t.pr(A, &PrOut::reserve(K, kind)), Answer::Good);
        }
        let pr = t.unit.reservations().clone();
        let keys: Vec<_> = pr.keys().collect();
        assert_eq!(t.data(B, read_keys_cdb(4096)), KeysView::emit(pr.generation(), &keys));
        assert_eq!(t.data(B, read_reservation_cdb()), pr.read_reservation().emit());
        assert_eq!(
            ReadReservation::parse(&pr.read_reservation().emit()).unwrap().holder.map(|h| h.kind),
            kind
        );
    }
    let cut = t.data(A, read_keys_cdb(16));
    let view = KeysView::parse(&cut).unwrap();
    assert_eq!((view.len(), view.truncated()), (1, Some(24)), "the length told is the whole one");
    assert_eq!(t.data(A, read_keys_cdb(0)), [0u8; 0]);
}

#[test]
fn full_status_names_every_nexus_spc4_6_15_5() {
    for (kind, b_holds) in [
        (ReservationType::WriteExclusiveRegistrantsOnly, false),
        (ReservationType::ExclusiveAccessAllRegistrants, true),
    ] {
        let mut t = Bench::new();
        assert_eq!(t.pr(B, &PrOut::register(NONE, K, Aptpl::No)), Answer::Good);
        assert_eq!(t.pr(A, &PrOut::register(NONE, K, Aptpl::No)), Answer::Good);
        assert_eq!(t.pr(A, &PrOut::reserve(K, kind)), Answer::Good);
        let status = FullStatus::parse(&t.data(B, read_full_status_cdb(4096))).unwrap();
        assert_eq!(status.generation, t.unit.reservations().generation());
        let told: Vec<_> = status
            .registrations
            .iter()
            .map(|r| (r.transport_id.to_string(), r.port, r.key, r.holds))
            .collect();
        let row = |name: &str, port, holds: bool| {
            let id = format!("iqn.2026-11.palisade.sim:{name}");
            (id, RegisteredPort::One(port), K, holds.then_some(kind))
        };
        assert_eq!(told, [row("a", 1, true), row("b", 2, b_holds)]);
    }
}

#[test]
fn capabilities_promise_only_what_is_accepted() {
    let mut t = Bench::new();
    let c = Capabilities::parse(&t.data(A, report_capabilities_cdb())).unwrap();
    for kind in ReservationType::ALL {
        assert_eq!(c.offers(kind), Some(true));
    }
    assert!(!c.compatible_reservation_handling && !c.aptpl_active);
    assert!(c.aptpl_capable && c.all_target_ports && c.spec_i_pt && c.replace_lost);
    // Each promise is tried.
    assert_eq!(t.pr(A, &PrOut::register(NONE, K, Aptpl::Yes)), Answer::Good);
    let c = Capabilities::parse(&t.data(A, report_capabilities_cdb())).unwrap();
    assert!(c.aptpl_active, "PTPL_A tells what the last REGISTER asked for");
    assert_eq!(t.pr(A, &PrOut::register(K, K, Aptpl::No)), Answer::Good);
    let c = Capabilities::parse(&t.data(A, report_capabilities_cdb())).unwrap();
    assert!(!c.aptpl_active);
    assert_eq!(t.pr(A, &PrOut::register_and_ignore(K, Aptpl::Yes).for_all_target_ports()), Answer::Good);
    assert_eq!(t.unit.reservations().keys().len(), 2, "both ports");
    t.unit.lose_power(Memory::Failed);
    assert_eq!(t.pr(A, &PrOut::replace_lost(K, ReservationType::WriteExclusive)), told(0x29, 1));
    assert_eq!(t.pr(A, &PrOut::replace_lost(K, ReservationType::WriteExclusive)), Answer::Good);
}

fn told(asc: u8, ascq: u8) -> Answer {
    Answer::Check(Sense::new(SenseKey::UNIT_ATTENTION, asc, ascq))
}

#[test]
fn a_lost_reservation_lets_only_identification_and_its_replacement_through_spc4_5_12_5_3() {
    let mut t = Bench::new();
    assert_eq!(t.pr(A, &PrOut::register(NONE, K, Aptpl::Yes)), Answer::Good);
    t.unit.lose_power(Memory::Failed);
    for n in [A, B] {
        assert_eq!(t.send(n, TestUnitReady.cdb(), &[]).0.answer, told(0x29, 1));
    }
    let lost = Answer::Check(Sense::new(SenseKey::DATA_PROTECT, 0x44, 1));
    let inquiry = Inquiry { page: InquiryPage::Standard, allocation: 36 }.cdb();
    let sense = RequestSense { format: SenseFormat::Fixed, allocation: 18 }.cdb();
    let luns = Cdb::new([0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0]);
    for (cdb, out, expected) in [
        (inquiry, &[][..], Answer::Good),
        (sense, &[], Answer::Good),
        (luns, &[], Answer::Good),
        (TestUnitReady.cdb(), &[], lost),
        (io(Way::Read, 0, 1), &[], lost),
        (io(Way::Write, 0, 1), &[0; 512], lost),
        (read_keys_cdb(8), &[], lost),
        (Cdb::new([0x16, 0, 0, 0, 0, 0]), &[], lost),
        (Cdb::new([0x17, 0, 0, 0, 0, 0]), &[], lost),
        (
            PrOut::register(NONE, K, Aptpl::No).basic_cdb(),
            &PrOut::register(NONE, K, Aptpl::No).list.emit(),
            lost,
        ),
    ] {
        assert_eq!(t.send(B, cdb, out).0.answer, expected, "{cdb:?}");
    }
    t.unit.reset();
    assert!(t.unit.reservations().lost(), "a reset mends nothing");
    t.unit.lose_power(Memory::Kept);
    assert!(t.unit.reservations().lost(), "power neither");
    assert_eq!(t.pr(B, &PrOut::replace_lost(K, ReservationType::WriteExclusive)), told(0x29, 1));
    assert_eq!(t.pr(B, &PrOut::replace_lost(K, ReservationType::WriteExclusive)), Answer::Good);
    assert_eq!(t.pr(B, &PrOut::reserve(K, ReservationType::WriteExclusive)), Answer::Good);
}

#[test]
fn compare_and_write_is_left_to_the_caller_within_limits_sbc3_5_2() {
    let mut t = Bench::new();
    let cw = |lba, blocks| CompareAndWrite { lba, blocks }.cdb();
    let data = vec![7; 65_536];
    let (reply, _) = t.send(A, cw(62, 2), &data[..2048]);
    let medium = Medium::CompareAndWrite { offset: 62 * 512 };
    assert_eq!((reply.answer, reply.medium, reply.moved), (Answer::Good, medium, 2048));
    assert_eq!(t.send(A, cw(0, 64), &data).0.answer, Answer::Good, "as long as page B0h says");
    for (cdb, out, why) in [
        (cw(63, 2), &data[..2048], illegal(0x21, 0)),
        (cw(0, 65), &data[..], illegal(0x24, 0)),
        (cw(0, 2), &data[..2047], Answer::DATA_PHASE_ERROR),
    ] {
        let (reply, _) = t.send(A, cdb, out);
        assert_eq!((reply.answer, reply.medium), (why, Medium::None), "{cdb:?}");
    }
    let page = t.data(A, Inquiry { page: InquiryPage::Vpd(PAGE_BLOCK_LIMITS), allocation: 64 }.cdb());
    assert_eq!(BlockLimits::parse(&page).unwrap().max_compare_and_write_blocks, 64);
    // It conflicts like a write.
    assert_eq!(t.pr(A, &PrOut::register(NONE, K, Aptpl::No)), Answer::Good);
    assert_eq!(t.pr(A, &PrOut::reserve(K, ReservationType::WriteExclusive)), Answer::Good);
    assert_eq!(t.send(B, cw(0, 1), &data[..1024]).0.answer, Answer::Conflict);
}

#[test]
fn blocks_are_left_to_the_caller_within_the_unit_only() {
    let mut t = Bench::new();
    let data = [7; 1024];
    let (reply, _) = t.send(A, io(Way::Write, 62, 2), &data);
    assert_eq!(
        (reply.answer, reply.medium, reply.moved),
        (Answer::Good, Medium::Write { offset: 62 * 512 }, 1024)
    );
    let (reply, _) = t.send(A, io(Way::Read, 1, 2), &[]);
    assert_eq!((reply.medium, reply.moved), (Medium::Read { offset: 512 }, 1024));
    let (reply, _) = t.send(A, io(Way::Read, 0, 64), &[]);
    assert_eq!(reply.moved, 4096, "cut off at the buffer");
    let (reply, _) = t.send(A, io(Way::Write, 64, 0), &[]);
    assert_eq!((reply.answer, reply.moved), (Answer::Good, 0));
    for cdb in [
        io(Way::Write, 63, 2),
        io(Way::Read, u64::MAX, 1),
        SynchronizeCache { extent: Extent::new(65, 0), ..SynchronizeCache::ALL }.cdb(),
    ] {
        let (reply, _) = t.send(A, cdb, &data);
        assert_eq!((reply.answer, reply.medium), (illegal(0x21, 0), Medium::None));
    }
    let (reply, _) = t.send(A, io(Way::Write, 0, 2), &data[..1023]);
    assert_eq!((reply.answer, reply.medium), (Answer::DATA_PHASE_ERROR, Medium::None));
    assert_eq!(t.send(A, SynchronizeCache::ALL.cdb(), &[]).0.answer, Answer::Good);
}

#[test]
fn reads_and_writes_meet_the_reservation_spc4_table_66() {
    let mut t = Bench::new();
    assert_eq!(t.pr(A, &PrOut::register(NONE, K, Aptpl::No)), Answer::Good);
    assert_eq!(t.pr(A, &PrOut::reserve(K, ReservationType::WriteExclusiveRegistrantsOnly)), Answer::Good);
    for (cdb, admitted) in [
        (io(Way::Write, 0, 1), false),
        (Extent::Sixteen { lba: 0, blocks: 1 }.into_write(), false),
        (SynchronizeCache::ALL.cdb(), false),
        (Cdb::new([0x93, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), false),
        (io(Way::Read, 0, 1), true),
        (ReadCapacity::Ten.cdb(), true),
        (ReadCapacity::Sixteen { allocation: 32 }.cdb(), true),
        (TestUnitReady.cdb(), true),
        (read_keys_cdb(8), true),
    ] {
        let (reply, _) = t.send(B, cdb, &[0; 512]);
        let expected = if admitted { Answer::Good } else { Answer::Conflict };
        assert_eq!(reply.answer, expected, "{cdb:?}");
        assert!(admitted || reply.medium == Medium::None);
    }
    assert_eq!(t.send(A, io(Way::Write, 0, 1), &[0; 512]).0.answer, Answer::Good);
}

trait IntoWrite {
    fn into_write(self) -> Cdb;
}

impl IntoWrite for Extent {
    fn into_write(self) -> Cdb {
        BlockIo { access: Way::Write, extent: self, fua: Fua::Yes }.cdb()
    }
}

#[test]
fn the_unit_says_who_it_is() {
    let mut t = Bench::new();
    let page = |page| Inquiry { page, allocation: 255 }.cdb();
    let standard = StandardInquiry::parse(&t.data(A, page(InquiryPage::Standard))).unwrap();
    assert_eq!((standard.vendor.to_string().as_str(), standard.version), ("PALISADE", 6));
    let pages = SupportedPages::parse(&t.data(A, page(InquiryPage::Vpd(0)))).unwrap().pages;
    assert_eq!(pages, [0x00, 0x80, 0x83, 0xb0]);
    for p in pages {
        t.data(A, page(InquiryPage::Vpd(p)));
    }
    let serial = UnitSerialNumber::parse(&t.data(A, page(InquiryPage::Vpd(0x80)))).unwrap();
    assert_eq!(serial.to_string(), "SERIAL1");
    let ids = [A, B].map(|n| {
        DeviceIdentification::parse(&t.data(n, page(InquiryPage::Vpd(PAGE_IDENTIFICATION)))).unwrap()
    });
    assert_eq!(ids[0].lu_identity(), ids[1].lu_identity(), "one unit over every port");
    assert_eq!(ids.map(|i| i.relative_target_port()), [Some(1), Some(2)]);
    assert_eq!(t.send(A, page(InquiryPage::Vpd(0xb1)), &[]).0.answer, illegal(0x24, 0));

    let ten = Capacity10::parse(&t.data(A, ReadCapacity::Ten.cdb())).unwrap();
    assert_eq!((ten.blocks(), ten.block_len_bytes), (Some(BLOCKS), 512));
    let sixteen = Capacity16::parse(&t.data(A, ReadCapacity::Sixteen { allocation: 32 }.cdb())).unwrap();
    assert_eq!((sixteen.blocks(), sixteen.block_len_bytes), (BLOCKS, 512));
    let luns = t.data(A, Cdb::new([0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0]));
    assert_eq!(luns, [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn request_sense_takes_an_attention_as_data() {
    let mut t = Bench::new();
    t.unit.reset();
    let ask = |format| RequestSense { format, allocation: 255 }.cdb();
    let told = Sense::parse(&t.data(A, ask(SenseFormat::Fixed))).unwrap();
    assert_eq!(told, Sense::new(SenseKey::UNIT_ATTENTION, 0x29, 3));
    let told = Sense::parse(&t.data(A, ask(SenseFormat::Descriptor))).unwrap();
    assert_eq!(told.key, SenseKey::NO_SENSE);
    assert_eq!(t.send(A, TestUnitReady.cdb(), &[]).0.answer, Answer::Good);
}

#[test]
fn what_does_not_decode_is_illegal_and_changes_nothing() {
    let mut t = Bench::new();
    let good = PrOut::register(NONE, K, Aptpl::No);
    let list = good.list.emit();
    for (cdb, out, why) in [
        (Cdb::new([0xfe, 0, 0, 0, 0, 0]), &list[..], illegal(0x20, 0)),
        (Cdb::new([0x5e, 9, 0, 0, 0, 0, 0, 0, 8, 0]), &list[..], illegal(0x24, 0)),
        (Cdb::new([0x5f, 0x1f, 0, 0, 0, 0, 0, 0, 24, 0]), &list[..], illegal(0x24, 0)),
        (good.basic_cdb(), &list[..23], illegal(0x1a, 0)),
        (good.cdb(23), &list[..], illegal(0x1a, 0)),
        (good.cdb(28), &[&list[..], &[0; 4]].concat(), illegal(0x1a, 0)),
        (Cdb::new([0x16, 0x10, 0, 0, 0, 0]), &list[..], illegal(0x24, 0)),
        (Cdb::new([0x5f, 1, 2, 0, 0, 0, 0, 0, 24, 0]), &list[..], illegal(0x24, 0)),
        (Cdb::new([0x5f, 1, 0x15, 0, 0, 0, 0, 0, 24, 0]), &list[..], illegal(0x24, 0)),
    ] {
        let before = t.unit.clone();
        assert_eq!(t.send(A, cdb, out).0.answer, why, "{cdb:?}");
        assert_eq!(t.unit, before);
    }
}

fn any_cdb() -> impl Strategy<Value = Cdb> {
    let opcode = prop_oneof![
        any::<u8>(),
        proptest::sample::select(crate::codec::opcode::OPERATIONS).prop_map(|o| o.opcode),
    ];
    let len = proptest::sample::select(vec![6, 10, 12, 16]);
    (opcode, proptest::collection::vec(prop_oneof![Just(0), any::<u8>()], 16), len).prop_map(
        |(opcode, mut b, len)| {
            b[0] = opcode;
            Cdb::from_slice(&b[..len]).unwrap()
        },
    )
}

proptest! {
    #[test]
    fn any_command_is_answered(
        commands in proptest::collection::vec(
            (0u8..2, any_cdb(), proptest::collection::vec(prop_oneof![3 => Just(0), 1 => any::<u8>()], 0..64), 0usize..64),
            1..30,
        )
    ) {
        let mut t = Bench::new();
        for (n, cdb, out, room) in commands {
            let mut b = vec![0xee; room];
            let r = t.unit.execute(&mut t.profile, NexusId(n), &cdb, &out, &mut b);
            prop_assert!(t.unit.is_sound());
            prop_assert!(r.moved <= room.max(out.len()));
            prop_assert_eq!(r.answer.sense().is_some(), r.answer.status() == Status::CHECK_CONDITION);
            prop_assert!(r.answer == Answer::Good || r.medium == Medium::None);
        }
    }
}
