//! What a sender sees of each fault, and what the unit made of its command.

use super::super::faults::{Chance, Effect, Executed, Filter, NewFault};
use super::super::pr::power::Memory;
use super::*;
use crate::codec::pr::ReservationType;
use crate::codec::{Sense, SenseKey};
use crate::device::TransportError;

/// A deadline that is waited for.
const SOON: Duration = Duration::from_millis(30);
const REGISTER_AND_IGNORE: u8 = 6;

/// A fault of the next REGISTER AND IGNORE EXISTING KEY.
fn once(effect: Effect) -> NewFault {
    let filter = Filter { opcode: Some(0x5f), service_action: Some(REGISTER_AND_IGNORE), initiator: None };
    NewFault { effect, filter, times: Some(1), chance: None }
}

fn inject(disk: &Disk, effect: Effect) {
    SimDevice::inject(&disk.path, once(effect)).unwrap();
}

/// A REGISTER of key 7 that is waited for a short time only.
fn register_soon(d: &mut SimDevice) -> Completion {
    let c = PrOut::register_and_ignore(Key::from_u64(7), Aptpl::No);
    d.execute(Request { cdb: c.basic_cdb(), data: Data::Out(&c.list.emit()), deadline: now() + SOON })
}

fn attention(asc: u8, ascq: u8) -> Class {
    Class::UnitAttention(Sense::new(SenseKey::UNIT_ATTENTION, asc, ascq))
}

#[test]
fn each_fault_as_its_sender_sees_it() {
    let lost = |host| Delivery::Lost(TransportError { host, driver: 0, errno: 0 });
    for (effect, seen, executed, waited) in [
        (Effect::DropCommand, Delivery::Outstanding, false, true),
        (Effect::DropAnswer, Delivery::Outstanding, true, true),
        (Effect::TransportError { host: 7, executed: Executed::No }, lost(7), false, false),
        (Effect::TransportError { host: 1, executed: Executed::Yes }, lost(1), true, false),
        (Effect::Busy, Delivery::Answered(Status::BUSY), false, false),
        (Effect::TaskSetFull, Delivery::Answered(Status::TASK_SET_FULL), false, false),
        (
            Effect::Attention { what: Attention::CapacityChanged },
            Delivery::Answered(Status::CHECK_CONDITION),
            false,
            false,
        ),
        (Effect::Reset, Delivery::Answered(Status::CHECK_CONDITION), false, false),
        (
            Effect::PowerLoss { memory: Memory::Kept },
            Delivery::Answered(Status::CHECK_CONDITION),
            false,
            false,
        ),
    ] {
        let disk = Disk::new();
        let (mut a, mut b) = (disk.open("a"), disk.open("b"));
        inject(&disk, effect);
        assert_eq!(keys(&mut a).1, [], "READ KEYS is not concerned");
        let c = register_soon(&mut a);
        assert_eq!(c.delivery, seen, "{effect:?}");
        assert!(!waited || c.took >= SOON, "it is waited for to the deadline");
        assert_eq!(disk.shown().unit.reservations().keys().len(), usize::from(executed), "{effect:?}");
        assert_eq!(disk.shown().faults, [], "once");
        // Everybody is told of what happens to the unit.
        let told = match effect {
            Effect::Reset => attention(0x29, 3),
            Effect::PowerLoss { .. } => attention(0x29, 1),
            _ => Class::Good,
        };
        assert_eq!(classify(&send(&mut b, TEST_UNIT_READY, Data::None)), told, "{effect:?}");
        assert_eq!(register(&mut a, Key::from_u64(8)), Class::Good);
        assert_eq!(keys(&mut a).1, [Key::from_u64(8)]);
    }
}

#[test]
fn a_status_of_a_fault_moved_nothing() {
    let disk = Disk::new();
    let mut a = disk.open("a");
    SimDevice::inject(&disk.path, NewFault { filter: Filter::default(), ..once(Effect::Busy) }).unwrap();
    let mut b = [0xee; 24];
    let c = send(&mut a, read_reservation_cdb(), Data::In(&mut b));
    assert_eq!((classify(&c), c.residual), (Class::Busy(Status::BUSY), 24));
    assert_eq!(b, [0xee; 24]);
}

#[test]
fn an_answer_that_is_lost_brings_no_data() {
    let disk = Disk::new();
    let mut a = disk.open("a");
    register(&mut a, Key::from_u64(1));
    SimDevice::inject(&disk.path, NewFault { filter: Filter::default(), ..once(Effect::DropAnswer) })
        .unwrap();
    let mut b = [0; 64];
    let c = a.execute(Request { cdb: read_keys_cdb(64), data: Data::In(&mut b), deadline: now() + SOON });
    assert_eq!((c.delivery, b), (Delivery::Outstanding, [0; 64]));
}

#[test]
fn a_fault_concerns_one_initiator_at_every_port_or_all() {
    let disk = Disk::new();
    let (mut a, mut a2, mut b) = (disk.open("a"), disk.open("a&port=2"), disk.open("b"));
    let filter = Filter { initiator: Some("a".parse().unwrap()), ..Filter::default() };
    let id = SimDevice::inject(&disk.path, NewFault { filter, times: None, ..once(Effect::Busy) }).unwrap();
    let busy = Class::Busy(Status::BUSY);
    let classes = |d: [&mut SimDevice; 3]| d.map(|d| classify(&send(d, TEST_UNIT_READY, Data::None)));
    assert_eq!(classes([&mut a, &mut a2, &mut b]), [busy, busy, Class::Good]);
    assert_eq!(SimDevice::mend(&disk.path, Some(id)).unwrap(), 1);
    assert_eq!(classes([&mut a, &mut a2, &mut b]), [Class::Good; 3]);
}

#[test]
fn chance_is_the_same_whichever_process_draws() {
    let run = |reopen: bool| {
        let disk = Disk::new();
        let chance = Some(Chance { per_million: 300_000, seed: 42 });
        let fault = NewFault { filter: Filter::default(), times: None, chance, ..once(Effect::Busy) };
        SimDevice::inject(&disk.path, fault).unwrap();
        let mut d = disk.open("a");
        let hits = (0..60).map(|_| {
            if reopen {
                d = disk.open("a");
            }
            classify(&send(&mut d, TEST_UNIT_READY, Data::None)) != Class::Good
        });
        hits.collect::<Vec<_>>()
    };
    let hits = run(false);
    assert!(hits.contains(&true) && hits.contains(&false));
    assert_eq!(hits, run(true));
}

/// SPC-4 5.12.5: the same two nexuses with and without APTPL.
#[test]
fn power_loss_with_and_without_aptpl() {
    for (aptpl, memory) in
        [(Aptpl::No, Memory::Kept), (Aptpl::Yes, Memory::Kept), (Aptpl::Yes, Memory::Failed)]
    {
        let disk = Disk::new();
        let (mut a, mut b) = (disk.open("a"), disk.open("b"));
        let (k, kind) = (Key::from_u64(1), ReservationType::WriteExclusiveRegistrantsOnly);
        assert_eq!(pr_out(&mut a, &PrOut::register(NONE, k, aptpl)), Class::Good);
        assert_eq!(pr_out(&mut a, &PrOut::reserve(k, kind)), Class::Good);
        SimDevice::happen(&disk.path, &Happening::PowerLoss(memory)).unwrap();
        for d in [&mut a, &mut b] {
            assert_eq!(classify(&send(d, TEST_UNIT_READY, Data::None)), attention(0x29, 1));
        }
        match (aptpl, memory) {
            (Aptpl::Yes, Memory::Failed) => {
                let lost = classify(&send(&mut b, TEST_UNIT_READY, Data::None));
                let is_lost = |s: Sense| (s.key, s.asc, s.ascq) == (SenseKey::DATA_PROTECT, 0x44, 1);
                assert!(matches!(lost, Class::Failed(s) if is_lost(s)), "{lost:?}");
                assert_eq!(pr_out(&mut b, &PrOut::replace_lost(k, kind)), Class::Good);
                assert_eq!(holder(&mut a).holder.map(|h| h.key), Some(k));
            }
            (Aptpl::Yes, Memory::Kept) => {
                assert_eq!(keys(&mut b), (0, vec![k]));
                assert_eq!(holder(&mut b).holder.map(|h| h.key), Some(k));
            }
            (Aptpl::No, _) => {
                assert_eq!(keys(&mut b), (0, vec![]));
                assert_eq!(holder(&mut b).holder, None);
            }
        }
    }
}

#[test]
fn attentions_are_established_for_one_or_all() {
    let disk = Disk::new();
    let (mut a, mut b) = (disk.open("a"), disk.open("b"));
    let to = |initiator| Happening::Attention { what: Attention::ReportedLunsChanged, initiator };
    SimDevice::happen(&disk.path, &to(Some("a".parse().unwrap()))).unwrap();
    let ready = |d: &mut SimDevice| classify(&send(d, TEST_UNIT_READY, Data::None));
    assert_eq!((ready(&mut a), ready(&mut b)), (attention(0x3f, 0x0e), Class::Good));
    SimDevice::happen(&disk.path, &to(None)).unwrap();
    assert_eq!((ready(&mut a), ready(&mut b)), (attention(0x3f, 0x0e), attention(0x3f, 0x0e)));
}

#[test]
fn compare_and_write_is_a_test_and_set_sbc3_5_2() {
    use crate::codec::block::CompareAndWrite;
    let disk = Disk::new();
    let (mut a, mut b) = (disk.open("a"), disk.open("b"));
    let swap = |old: u8, new: u8| [[old; 512], [new; 512]].concat();
    let cdb = CompareAndWrite { lba: 9, blocks: 1 }.cdb();
    assert_eq!(classify(&send(&mut a, cdb, Data::Out(&swap(0, 1)))), Class::Good);
    let mut late = swap(0, 2);
    let c = send(&mut b, cdb, Data::Out(&late));
    let missed = Sense::new(SenseKey::MISCOMPARE, 0x1d, 0);
    assert_eq!(classify(&c), Class::Failed(missed));
    let sense = c.sense.as_slice();
    assert_eq!((sense[0], &sense[3..7]), (0xf0, &[0, 0, 0, 0][..]), "VALID; the first byte differs");
    late[..512].fill(1);
    late[300] = 9;
    let c = send(&mut b, cdb, Data::Out(&late));
    assert_eq!((classify(&c), &c.sense.as_slice()[3..7]), (Class::Failed(missed), &[0, 0, 1, 44][..]));
    assert_eq!(classify(&send(&mut b, cdb, Data::Out(&swap(1, 2)))), Class::Good);
    let mut block = [0; 512];
    let read = Cdb::new([0x28, 0, 0, 0, 0, 9, 0, 0, 1, 0]);
    assert_eq!(classify(&send(&mut a, read, Data::In(&mut block))), Class::Good);
    assert_eq!(block, [2; 512]);
}
