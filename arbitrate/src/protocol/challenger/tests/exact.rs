//! Instants to the nanosecond, and answers that do not belong together: each of these kills a mutant.

use super::*;
use crate::codec::pr::{Generation, Holder, KeysView, OutAction, ReadReservation};
use crate::codec::quorum::{Epoch, Mark, Tenure};
use crate::protocol::testbed::FORMATTED;

/// Answers READ KEYS and READ RESERVATION with this, whatever the unit holds: two commands, no snapshot.
fn sees(run: &mut Run, bed: &Bed, generation: Generation, keys: &[Key], holder: Option<Key>) {
    let keys = KeysView::emit(generation, keys);
    let _ = run.challenger.handle(Event::Reply(Reply::Keys(KeysView::parse(&keys).unwrap())), bed.now);
    let holder = holder.map(|key| Holder { key, kind: KIND });
    let told = Reply::Reservation(ReadReservation { generation, holder });
    run.next = run.challenger.handle(Event::Reply(told), bed.now).next;
}

#[test]
fn an_early_wake_up_does_not_end_the_window() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    let end = run.up_to_window(&mut bed);
    let early = end - Duration::from_nanos(1);
    assert_eq!(run.challenger.handle(Event::Wake, early).next, Next::Wait(end));
    assert!(matches!(run.challenger.handle(Event::Wake, end).next, Next::Issue { .. }));
}

#[test]
fn an_early_wake_up_does_not_end_a_pause() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    run.turn(&mut bed, Fate::Lost);
    let Next::Wait(resume) = run.next else { panic!("{:?}", run.next) };
    let early = resume - Duration::from_nanos(1);
    assert_eq!(run.challenger.handle(Event::Wake, early).next, Next::Wait(resume));
    assert!(matches!(run.challenger.handle(Event::Wake, resume).next, Next::Issue { .. }));
}

#[test]
fn an_early_wake_up_does_not_end_a_pause_before_the_head_is_read() {
    let of = Tenure { epoch: Epoch(4), key: settled(A, 1) };
    let mut bed = Bed::formatted(of, Some(Mark { of }));
    let mut run = Run::on(&bed, 1, &[], None, Some(FORMATTED));
    run.up_to(&mut bed, asks(OutAction::Reserve));
    run.up_to(&mut bed, |n| matches!(n, Next::Issue { command: Command::ReadHead(_), .. }));
    run.turn(&mut bed, Fate::Lost);
    let Next::Wait(resume) = run.next else { panic!("{:?}", run.next) };
    let early = resume - Duration::from_nanos(1);
    assert_eq!(run.challenger.handle(Event::Wake, early).next, Next::Wait(resume));
    assert!(matches!(run.challenger.handle(Event::Wake, resume).next, Next::Issue { .. }));
}

#[test]
fn a_wake_up_while_a_command_is_outstanding_looks_ahead() {
    let bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    assert_eq!(run.challenger.handle(Event::Wake, at(1.0)).next, Next::Wait(at(4.0)), "a tick later");
}

/// PRGENERATION stands still where the key went by PREEMPT of the same count, and where a target wraps:
/// only a smaller one says that the target forgot.
#[test]
fn the_same_generation_is_no_loss_of_memory() {
    for (back, forgot) in [(0, false), (1, true)] {
        let mut bed = Bed::held_by(A, settled(A, 1));
        let mut run = Run::begin(&bed);
        bed.now = run.up_to_window(&mut bed);
        run.next = run.challenger.handle(Event::Wake, bed.now).next;
        let seen = Generation(bed.unit.generation().0 - back);
        sees(&mut run, &bed, seen, &[settled(A, 1)], Some(settled(A, 1)));
        let Next::End(end) = run.next else { panic!("{:?}", run.next) };
        assert_eq!(end == ChallengeEnd::TargetForgot, forgot, "{end:?}");
        assert_eq!(matches!(end, ChallengeEnd::Defended { .. }), !forgot, "{end:?}");
    }
}

/// The holder registered between the two reads: its key is judged all the same.
#[test]
fn a_holder_whose_key_was_not_yet_among_the_keys_is_judged() {
    let foreign = Key::from_u64(0x11);
    for (holder, why) in
        [(foreign, Refusal::ForeignKey(foreign)), (settled(B, 7), Refusal::NodeNumberTaken(settled(B, 7)))]
    {
        let bed = Bed::default();
        let mut run = Run::begin(&bed);
        sees(&mut run, &bed, Generation(1), &[], Some(holder));
        let refused = ChallengeEnd::Refused { why, cleanup: Cleanup::NotNeeded };
        assert_eq!(run.next, Next::End(refused));
    }
}

#[test]
fn a_preempt_without_effect_is_told_as_that() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    run.up_to(&mut bed, asks(OutAction::PreemptAndAbort));
    run.turn(&mut bed, Fate::Conflict);
    let refused = ChallengeEnd::Refused { why: Refusal::NoEffect, cleanup: Cleanup::Proven };
    assert_eq!(run.end(&mut bed), refused);
}

#[test]
fn who_lost_the_device_while_the_flag_came_off_was_defended_against() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    run.up_to(&mut bed, asks(OutAction::PreemptAndAbort));
    run.up_to(&mut bed, asks(OutAction::Register));
    run.turn(&mut bed, Fate::Answered);
    bed.join(C, settled(C, 1));
    let victim = settled(B, 1);
    bed.out(C, PrOut::preempt(Preempt { own: settled(C, 1), victim, kind: KIND, abort: Abort::No }));
    let end = run.end(&mut bed);
    assert!(matches!(end, ChallengeEnd::Defended { holder: Some(h) } if h.key == settled(C, 1)), "{end:?}");
}

/// Answers every command of `which` by RESERVATION CONFLICT and all others as the unit does, to the end.
/// Returns it and how many of `which` there were.
fn barred(
    run: &mut Run,
    bed: &mut Bed,
    which: impl Fn(&Command) -> bool,
    until: impl Fn(&Next<ChallengeEnd>) -> bool,
) -> usize {
    let mut count = 0;
    for _ in 0..200 {
        if until(&run.next) {
            return count;
        }
        let hit = matches!(&run.next, Next::Issue { command, .. } if which(command));
        count += usize::from(hit);
        run.turn(bed, if hit { Fate::Conflict } else { Fate::Answered });
    }
    panic!("without end: {:?}", bed.sent)
}

/// A challenge of a formatted unit that holds the reservation and is to read the head.
fn held(bed: &mut Bed) -> Run {
    let mut run = Run::on(bed, 1, &[], None, Some(FORMATTED));
    run.up_to(bed, asks(OutAction::Reserve));
    run.up_to(bed, |n| matches!(n, Next::Issue { command: Command::ReadHead(_), .. }));
    run
}

fn released() -> Bed {
    let of = Tenure { epoch: Epoch(4), key: settled(A, 1) };
    Bed::formatted(of, Some(Mark { of }))
}

#[test]
fn a_head_barred_from_reading_is_believed_only_so_often() {
    let mut bed = released();
    let mut run = held(&mut bed);
    let is_head = |c: &Command| matches!(c, Command::ReadHead(_));
    // Each time the reservation is looked at, and is ours.
    let heads = barred(&mut run, &mut bed, is_head, |n| matches!(n, Next::Wait(_)));
    assert_eq!(heads, 1 + usize::from(tenure::TENURES));
    barred(&mut run, &mut bed, is_head, |n| matches!(n, Next::End(_)));
    assert_eq!(run.next, Next::End(ChallengeEnd::Unknown { doubt: Doubt::Tenure, why: NoAnswer::Barred }));
}

#[test]
fn a_tenure_barred_from_writing_is_begun_only_so_often() {
    let mut bed = released();
    let mut run = held(&mut bed);
    let is_write = |c: &Command| matches!(c, Command::WriteRecord(..));
    let writes = barred(&mut run, &mut bed, is_write, |n| matches!(n, Next::End(_)));
    assert_eq!(writes, usize::from(tenure::TENURES));
    let why = NoAnswer::Contradiction;
    assert_eq!(run.next, Next::End(ChallengeEnd::Unknown { doubt: Doubt::Tenure, why }));
}

#[test]
fn keys_head_and_tenure_have_the_timeout_of_a_command() {
    let mut bed = released();
    let expected = |bed: &Bed| bed.now + Duration::from_millis(500);
    assert_eq!(Run::begin(&bed).next, Next::Issue { command: Command::ReadKeys, deadline: expected(&bed) });
    let mut run = held(&mut bed);
    let Next::Issue { deadline, .. } = run.next else { panic!("{:?}", run.next) };
    assert_eq!(deadline, expected(&bed));
    run.turn(&mut bed, Fate::Answered);
    let Next::Issue { command: Command::WriteRecord(..), deadline } = run.next else {
        panic!("{:?}", run.next)
    };
    assert_eq!(deadline, expected(&bed));
}

#[test]
fn a_target_that_refuses_to_be_read_refuses_the_challenge_only_before_it_began() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    run.turn(&mut bed, Fate::Refused);
    let why = Refusal::Target(NoAnswer::Busy(8));
    assert_eq!(run.next, Next::End(ChallengeEnd::Refused { why, cleanup: Cleanup::NotNeeded }));
    // Registered, it asks again.
    let mut run = Run::begin(&bed);
    run.up_to(&mut bed, asks(OutAction::Register));
    run.turn(&mut bed, Fate::Answered);
    run.turn(&mut bed, Fate::Refused);
    assert!(matches!(run.next, Next::Wait(_)), "{:?}", run.next);
    assert!(matches!(run.end(&mut bed), ChallengeEnd::Won { .. }));
}

/// By another path of this same life: no other host's.
#[test]
fn the_own_settled_key_is_no_impostors() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    bed.join(9, settled(B, 1));
    let mut run = Run::begin(&bed);
    run.up_to(&mut bed, asks(OutAction::Register));
    assert!(bed.changes().is_empty());
    // Of another life it is.
    bed.join(9, settled(B, 2));
    let mut run = Run::begin(&bed);
    let why = Refusal::NodeNumberTaken(settled(B, 2));
    assert_eq!(run.end(&mut bed), ChallengeEnd::Refused { why, cleanup: Cleanup::NotNeeded });
}
