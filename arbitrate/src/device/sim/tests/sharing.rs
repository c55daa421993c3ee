//! Many processes, one disk.

use super::*;
use crate::codec::SenseKey;
use crate::codec::block::{Access, BlockIo, Extent, Fua};
use crate::codec::pr::{FullStatus, RegisteredPort, ReservationType, TransportId, read_full_status_cdb};
use crate::device::{Escalate, ResetError, ResetScope};

#[test]
fn a_nexus_is_a_name_and_a_port_whoever_opens_it() {
    let disk = Disk::new();
    let (mut a, mut b, mut a2) = (disk.open("a"), disk.open("b"), disk.open("a&port=2"));
    assert_eq!(register(&mut a, Key::from_u64(1)), Class::Good);
    assert_eq!(register(&mut b, Key::from_u64(2)), Class::Good);
    assert_eq!(register(&mut a2, Key::from_u64(3)), Class::Good);
    assert_eq!(keys(&mut b), (3, [1, 2, 3].map(Key::from_u64).to_vec()));
    drop(a);
    let mut again = disk.open("a");
    assert_eq!(register(&mut again, Key::from_u64(4)), Class::Good);
    assert_eq!(keys(&mut again).1, [4, 2, 3].map(Key::from_u64));
    let shown = disk.shown();
    assert_eq!(shown.profile.nexuses().len(), 3);
    assert_eq!(shown.unit.reservations().generation().0, 4);
}

#[test]
fn attentions_reach_the_nexus_in_its_own_process() {
    let disk = Disk::new();
    let (mut a, mut b) = (disk.open("a"), disk.open("b"));
    a.reset(ResetScope::LogicalUnit, Escalate::No, now() + AMPLE).unwrap();
    for d in [&mut a, &mut b] {
        let c = classify(&send(d, TEST_UNIT_READY, Data::None));
        assert!(matches!(c, Class::UnitAttention(s) if (s.asc, s.ascq) == (0x29, 3)), "{c:?}");
        assert_eq!(classify(&send(d, TEST_UNIT_READY, Data::None)), Class::Good);
    }
    a.reset(ResetScope::Target, Escalate::No, now() + AMPLE).unwrap();
    for scope in [ResetScope::Bus, ResetScope::Host] {
        assert_eq!(a.reset(scope, Escalate::Yes, now() + AMPLE), Err(ResetError::Unsupported));
    }
}

#[test]
fn threads_exclude_one_another_by_the_reservation() {
    const ROUNDS: u32 = 200;
    let disk = Disk::new();
    std::thread::scope(|s| {
        for n in 1..=4u64 {
            let mut d = disk.open(&format!("t{n}"));
            s.spawn(move || {
                let (own, kind) = (Key::from_u64(n), ReservationType::ExclusiveAccess);
                assert_eq!(register(&mut d, own), Class::Good);
                let mut won = 0;
                for _ in 0..100_000 {
                    if won == ROUNDS {
                        return;
                    }
                    if pr_out(&mut d, &PrOut::reserve(own, kind)) == Class::Good {
                        assert_eq!(holder(&mut d).holder.map(|h| h.key), Some(own));
                        assert_eq!(pr_out(&mut d, &PrOut::release(own, kind)), Class::Good);
                        won += 1;
                    }
                }
                panic!("{won} of {ROUNDS} reservations got");
            });
        }
    });
    assert_eq!(disk.shown().unit.reservations().kind(), None);
}

#[test]
fn no_command_of_any_process_is_lost() {
    const ROUNDS: u32 = 150;
    let disk = Disk::new();
    let mut helpers: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|n| Helper::start("hammer", &disk.path, &format!("{n}*{ROUNDS}")))
        .collect();
    for h in &mut helpers {
        let mut last = 0;
        for _ in 0..ROUNDS {
            let generation = h.hear().unwrap();
            assert!(generation > last, "PRGENERATION only grows");
            last = generation;
        }
        assert!(h.child.wait().unwrap().success());
    }
    assert_eq!(keys(&mut disk.open("me")), (3 * ROUNDS, vec![Key::from_u64(u64::from(ROUNDS)); 3]));
}

#[test]
fn a_stopped_process_that_holds_the_lock_costs_a_deadline_and_no_more() {
    let disk = Disk::new();
    let mut d = disk.open("a");
    let before = disk.shown();
    let mut other = Helper::start("sit_on_the_lock", &disk.path, "");
    assert_eq!(other.hear(), Some(0));

    let wait = Duration::from_millis(60);
    let c = PrOut::register(NONE, Key::from_u64(7), Aptpl::No);
    let list = c.list.emit();
    let deadline = now() + wait;
    let done = d.execute(Request { cdb: c.basic_cdb(), data: Data::Out(&list), deadline });
    assert_eq!(done.delivery, Delivery::NotSent(libc::ETIMEDOUT));
    assert!(done.took >= wait - Duration::from_millis(1) && done.took < wait + Duration::from_secs(2));
    let reset = d.reset(ResetScope::LogicalUnit, Escalate::No, now() + wait);
    assert_eq!(reset, Err(ResetError::Failed(libc::ETIMEDOUT)));
    assert_eq!(disk.shown(), before, "show takes no lock, and nothing was executed");

    other.kill();
    assert_eq!(pr_out(&mut d, &c), Class::Good, "a dead process holds no lock");
}

#[test]
fn nothing_is_executed_after_its_deadline() {
    let disk = Disk::new();
    let mut d = disk.open("a");
    let before = disk.shown();
    let c = PrOut::register(NONE, Key::from_u64(7), Aptpl::No);
    let done = d.execute(Request { cdb: c.basic_cdb(), data: Data::Out(&c.list.emit()), deadline: now() });
    assert_eq!((done.delivery, disk.shown()), (Delivery::NotSent(libc::ETIMEDOUT), before));
}

#[test]
fn a_command_that_changes_nothing_stores_nothing() {
    let disk = Disk::new();
    let mut d = disk.open("a");
    register(&mut d, Key::from_u64(1));
    let before = disk.shown().sequence;
    keys(&mut d);
    holder(&mut d);
    send(&mut d, TEST_UNIT_READY, Data::None);
    assert_eq!(pr_out(&mut d, &PrOut::reserve(NONE, ReservationType::WriteExclusive)), Class::Conflict);
    assert_eq!(disk.shown().sequence, before);
    drop(d);
    disk.open("a");
    assert_eq!(disk.shown().sequence, before, "opening a known nexus again changes nothing either");
}

#[test]
fn blocks_written_by_one_are_read_by_all_until_fenced() {
    let disk = Disk::with(&CreateOptions { block_size: 4096, blocks: 16, ..CreateOptions::default() });
    let (mut a, mut b) = (disk.open("a"), disk.open("b"));
    let io = |access, lba| BlockIo { access, extent: Extent::new(lba, 1), fua: Fua::No }.cdb();
    let mut got = [0; 4096];
    for (lba, byte) in [(0, 0x11), (15, 0x22)] {
        let done = send(&mut a, io(Access::Write, lba), Data::Out(&[byte; 4096]));
        assert_eq!((classify(&done), done.residual), (Class::Good, 0));
        assert_eq!(classify(&send(&mut b, io(Access::Read, lba), Data::In(&mut got))), Class::Good);
        assert_eq!(got, [byte; 4096]);
    }
    let (ka, kind) = (Key::from_u64(1), ReservationType::WriteExclusiveRegistrantsOnly);
    register(&mut a, ka);
    assert_eq!(pr_out(&mut a, &PrOut::reserve(ka, kind)), Class::Good);
    let refused = send(&mut b, io(Access::Write, 0), Data::Out(&[0x33; 4096]));
    assert_eq!((classify(&refused), refused.residual), (Class::Conflict, 4096));
    assert_eq!(classify(&send(&mut b, io(Access::Read, 0), Data::In(&mut got))), Class::Good);
    assert_eq!(got, [0x11; 4096], "a refused write wrote nothing");
    let c = classify(&send(&mut a, io(Access::Write, 16), Data::Out(&[0; 4096])));
    assert!(matches!(c, Class::Illegal(s) if s.asc == 0x21), "{c:?}");

    // Somebody cuts the file off: a medium error, no invented zeros.
    let blocks = std::fs::OpenOptions::new().write(true).open(&disk.path).unwrap();
    blocks.set_len(1024 * 1024 + 4096).unwrap();
    let c = classify(&send(&mut a, io(Access::Read, 15), Data::In(&mut got)));
    assert!(matches!(c, Class::Failed(s) if (s.key, s.asc) == (SenseKey::MEDIUM_ERROR, 0x11)), "{c:?}");
}

#[test]
fn a_device_knows_its_own_registration_in_full_status() {
    let disk = Disk::new();
    let (mut a, mut b) = (disk.open("a"), disk.open("b&port=7"));
    register(&mut a, Key::from_u64(1));
    register(&mut b, Key::from_u64(2));
    let mut buffer = [0; 1024];
    let done = send(&mut b, read_full_status_cdb(1024), Data::In(&mut buffer));
    assert_eq!(classify(&done), Class::Good);
    let whole = 1024 - usize::try_from(done.residual).unwrap();
    let status = FullStatus::parse(&buffer[..whole]).unwrap();
    let own = TransportId::parse_all(&b.own_transport_id().unwrap()).unwrap();
    let mine: Vec<_> = status.registrations.iter().filter(|r| r.transport_id == own).collect();
    assert_eq!(mine.len(), 1);
    assert_eq!((mine[0].key, mine[0].port), (Key::from_u64(2), RegisteredPort::One(7)));
}

#[test]
fn create_refuses_what_stands_there() {
    let disk = Disk::new();
    let first = disk.shown().profile;
    let keep = CreateOptions { serial: Some("TWO".to_owned()), ..CreateOptions::default() };
    let replace = CreateOptions { existing: Existing::Replace, ..keep.clone() };
    assert!(matches!(SimDevice::create(&disk.path, &keep), Err(SimError::Exists(_))));
    assert_eq!(disk.shown().profile, first);
    SimDevice::create(&disk.path, &replace).unwrap();
    assert_eq!(disk.shown().profile.serial, "TWO");

    let other = disk.path.with_file_name("precious");
    std::fs::write(&other, "four thousand photographs").unwrap();
    for result in [SimDevice::create(&other, &replace), open(&other, "a").map(drop)] {
        let e = result.unwrap_err();
        assert!(matches!(e, SimError::NotOurs { .. }) && e.to_string().contains("left as it is"), "{e}");
    }
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "four thousand photographs");
    std::fs::write(&other, "PALISADE-SIM-999").unwrap();
    assert!(open(&other, "a").unwrap_err().to_string().contains("another version"));
    assert!(matches!(open(&disk.path.with_file_name("none"), "a"), Err(SimError::Missing(_))));
    let left = std::fs::read_dir(disk.path.parent().unwrap()).unwrap().count();
    assert_eq!(left, 2, "no drafts are left behind");
}
