//! Commands that a fault holds back: executed in time, late, or taken out.

use super::super::faults::{Effect, Filter, NewFault};
use super::*;
use crate::codec::pr::{Abort, Preempt, ReservationType};
use crate::device::{Escalate, ResetScope};
use crate::time::Instant;

const KA: Key = Key::from_u64(0xa);
const KB: Key = Key::from_u64(0xb);
const KIND: ReservationType = ReservationType::WriteExclusiveRegistrantsOnly;
/// Longer than any test takes.
const FOREVER_MS: u32 = 600_000;
const WRITE: Cdb = Cdb::new([0x2a, 0, 0, 0, 0, 9, 0, 0, 128, 0]);

/// Holds the next command of this initiator back.
fn hold(disk: &Disk, who: &str, ms: u32) {
    let filter = Filter { initiator: Some(who.parse().unwrap()), ..Filter::default() };
    let fault = NewFault { effect: Effect::Delay { ms }, filter, times: Some(1), chance: None };
    SimDevice::inject(&disk.path, fault).unwrap();
}

fn send_until(d: &mut SimDevice, c: &PrOut, deadline: Instant) -> Completion {
    d.execute(Request { cdb: c.basic_cdb(), data: Data::Out(&c.list.emit()), deadline })
}

/// A holds, B is registered.
fn two() -> (Disk, SimDevice, SimDevice) {
    let disk = Disk::new();
    let (mut a, mut b) = (disk.open("a"), disk.open("b"));
    assert_eq!(register(&mut a, KA), Class::Good);
    assert_eq!(register(&mut b, KB), Class::Good);
    assert_eq!(pr_out(&mut a, &PrOut::reserve(KA, KIND)), Class::Good);
    (disk, a, b)
}

fn preempt(abort: Abort) -> PrOut {
    PrOut::preempt(Preempt { own: KB, victim: KA, kind: KIND, abort })
}

#[test]
fn a_delay_within_the_deadline_is_only_late() {
    let (disk, _a, mut b) = two();
    hold(&disk, "b", 30);
    let c = send_until(&mut b, &preempt(Abort::No), now() + AMPLE);
    assert_eq!(classify(&c), Class::Good);
    assert!(c.took >= Duration::from_millis(30), "{:?}", c.took);
    assert_eq!(keys(&mut b).1, [KB]);
    assert_eq!(disk.shown().delayed, []);
}

#[test]
fn a_preempt_is_executed_after_its_sender_gave_up() {
    let (disk, mut a, mut b) = two();
    hold(&disk, "b", 60);
    let issued = now();
    let c = send_until(&mut b, &preempt(Abort::No), now() + Duration::from_millis(5));
    assert_eq!(c.delivery, Delivery::Outstanding);
    drop(b);
    let shown = disk.shown();
    assert_eq!(shown.delayed.len(), 1, "it waits: {:?}", shown.delayed);
    assert_eq!(shown.delayed[0].command, "PERSISTENT RESERVE OUT, PREEMPT");
    // Any access of anybody executes it once it is due, and none before.
    loop {
        let class = classify(&send(&mut a, TEST_UNIT_READY, Data::None));
        if class != Class::Good {
            let told = matches!(class, Class::UnitAttention(s) if (s.asc, s.ascq) == (0x2a, 5));
            assert!(told, "{class:?}");
            break;
        }
    }
    assert!(now() >= issued + Duration::from_millis(60), "not before it was due");
    assert_eq!(keys(&mut a).1, [KB]);
    assert_eq!(disk.shown().delayed, []);
}

#[test]
fn a_write_of_a_deposed_node_arrives_late_and_is_refused() {
    let (disk, mut a, mut b) = two();
    hold(&disk, "a", 40);
    let data = vec![0x77; 65_536];
    let deadline = now() + Duration::from_millis(5);
    let c = a.execute(Request { cdb: WRITE, data: Data::Out(&data), deadline });
    assert_eq!(c.delivery, Delivery::Outstanding);
    // Without abort the write stays in the target; the reservation has to stop it.
    assert_eq!(pr_out(&mut b, &preempt(Abort::No)), Class::Good);
    let block = await_late_write(&disk, &mut b);
    assert_eq!(block, [0; 512]);
}

#[test]
fn a_late_write_that_nobody_fenced_is_written() {
    let (disk, mut a, mut b) = two();
    hold(&disk, "a", 40);
    let data = vec![0x77; 65_536];
    let deadline = now() + Duration::from_millis(5);
    a.execute(Request { cdb: WRITE, data: Data::Out(&data), deadline });
    assert_eq!(await_late_write(&disk, &mut b), [0x77; 512], "whole, the last block too");
}

/// The last block of the write, once nothing waits any more.
fn await_late_write(disk: &Disk, d: &mut SimDevice) -> [u8; 512] {
    let read = Cdb::new([0x28, 0, 0, 0, 0, 9 + 127, 0, 0, 1, 0]);
    let mut block = [0xee; 512];
    loop {
        assert_eq!(classify(&send(d, read, Data::In(&mut block))), Class::Good);
        if disk.shown().delayed.is_empty() {
            // Read again: what was due came after that read or before it.
            send(d, read, Data::In(&mut block));
            return block;
        }
    }
}

#[test]
fn preempt_and_abort_takes_the_victims_commands_out_spc4_5_12_11_2_6() {
    for (abort, left) in [(Abort::No, 1), (Abort::Yes, 0)] {
        let (disk, mut a, mut b) = two();
        hold(&disk, "a", FOREVER_MS);
        let deadline = now() + Duration::from_millis(5);
        a.execute(Request { cdb: WRITE, data: Data::Out(&[0x77; 65_536]), deadline });
        assert_eq!(pr_out(&mut b, &preempt(abort)), Class::Good);
        assert_eq!(disk.shown().delayed.len(), left, "{abort:?}");
    }
    // A refused one aborts nothing.
    let (disk, mut a, mut b) = two();
    hold(&disk, "a", FOREVER_MS);
    let deadline = now() + Duration::from_millis(5);
    a.execute(Request { cdb: WRITE, data: Data::Out(&[0x77; 65_536]), deadline });
    let wrong = PrOut::preempt(Preempt { own: KA, victim: KA, kind: KIND, abort: Abort::Yes });
    assert_eq!(pr_out(&mut b, &wrong), Class::Conflict);
    assert_eq!(disk.shown().delayed.len(), 1);
}

#[test]
fn resets_and_power_loss_empty_the_task_set_sam5_6_3() {
    type Empties = fn(&Disk, &mut SimDevice);
    let reset: Empties = |_, d| d.reset(ResetScope::LogicalUnit, Escalate::No, now() + AMPLE).unwrap();
    let happens: Empties = |disk, _| SimDevice::happen(&disk.path, &Happening::Reset).unwrap();
    let power: Empties = |disk, _| {
        SimDevice::happen(&disk.path, &Happening::PowerLoss(super::super::pr::power::Memory::Kept)).unwrap();
    };
    for empty in [reset, happens, power] {
        let (disk, mut a, mut b) = two();
        hold(&disk, "a", FOREVER_MS);
        let c = send_until(&mut a, &PrOut::release(KA, KIND), now() + Duration::from_millis(5));
        assert_eq!(c.delivery, Delivery::Outstanding);
        assert_eq!(disk.shown().delayed.len(), 1);
        empty(&disk, &mut b);
        assert_eq!(disk.shown().delayed, []);
    }
}

#[test]
fn who_is_aborted_while_waiting_hears_nothing() {
    // Until the abort comes before the command is due, which on a busy machine may take more than once.
    for _ in 0..50 {
        let (disk, mut a, mut b) = two();
        hold(&disk, "a", 50);
        let deadline = now() + Duration::from_millis(80);
        let done = std::thread::scope(|s| {
            let waiting = s.spawn(|| send_until(&mut a, &PrOut::release(KA, KIND), deadline));
            while disk.shown().delayed.is_empty() && !waiting.is_finished() {
                std::thread::yield_now();
            }
            let _ = pr_out(&mut b, &preempt(Abort::Yes));
            waiting.join().unwrap()
        });
        // Had the release come first, there would be no reservation to preempt.
        if disk.shown().unit.reservations().kind().is_some() {
            assert_eq!(done.delivery, Delivery::Outstanding);
            assert!(now() >= deadline);
            return;
        }
    }
    panic!("50 times too late");
}

#[test]
fn a_full_task_set_says_so() {
    let (disk, mut a, _b) = two();
    let filter = Filter { opcode: Some(0), ..Filter::default() };
    let effect = Effect::Delay { ms: FOREVER_MS };
    SimDevice::inject(&disk.path, NewFault { effect, filter, times: None, chance: None }).unwrap();
    let mut ready = || {
        a.execute(Request {
            cdb: TEST_UNIT_READY,
            data: Data::None,
            deadline: now() + Duration::from_millis(2),
        })
    };
    for _ in 0..8 {
        assert_eq!(ready().delivery, Delivery::Outstanding);
    }
    assert_eq!(ready().delivery, Delivery::Answered(Status::TASK_SET_FULL));
    assert_eq!(disk.shown().delayed.len(), 8);
}
