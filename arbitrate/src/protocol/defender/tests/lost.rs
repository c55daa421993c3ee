//! The device is lost, or its answers are.

use super::*;

fn preempted_by_b(bed: &mut Bed) {
    bed.join(B, flagged(B, 1));
    let p = Preempt { own: flagged(B, 1), victim: settled(A, 1), kind: KIND, abort: Abort::Yes };
    bed.out(B, PrOut::preempt(p));
}

#[test]
fn without_its_key_it_is_deposed_and_sends_nothing_more() {
    let mut bed = held();
    let mut run = Run::begin(&bed);
    run.tick(&mut bed);
    preempted_by_b(&mut bed);
    run.tick(&mut bed);
    assert_eq!(run.next, Next::End(DefenceEnd::Deposed { how: Deposition::KeyGone }));
    assert_eq!(run.lease(&bed), None, "at once, whatever was left of it");
    assert!(bed.changes().is_empty(), "no REGISTER, no RESERVE");
    for event in [Event::Wake, Event::Release, Event::Reply(Reply::Good)] {
        assert!(matches!(run.defender.handle(event, bed.now).next, Next::End(_)), "{event:?}");
    }
}

#[test]
fn with_another_holder_it_is_deposed() {
    let mut bed = held();
    let mut run = Run::begin(&bed);
    run.tick(&mut bed);
    preempted_by_b(&mut bed);
    bed.join(A, settled(A, 1));
    bed.join(B, settled(B, 1));
    run.tick(&mut bed);
    let how = Deposition::AnotherHolder(bed.unit.read_reservation().holder);
    assert_eq!(run.next, Next::End(DefenceEnd::Deposed { how }));
    assert!(bed.changes().is_empty());
}

#[test]
fn without_a_reservation_it_is_deposed_and_does_not_reserve() {
    let mut bed = held();
    let mut run = Run::begin(&bed);
    run.tick(&mut bed);
    bed.out(A, PrOut::release(settled(A, 1), KIND));
    run.tick(&mut bed);
    let how = Deposition::AnotherHolder(None);
    assert_eq!(run.next, Next::End(DefenceEnd::Deposed { how }));
    assert!(bed.changes().is_empty());
}

#[test]
fn a_target_that_forgot_deposes_like_any_other() {
    let mut bed = held();
    let mut run = Run::begin(&bed);
    run.tick(&mut bed);
    bed.unit = crate::device::sim::pr::Reservations::default();
    run.tick(&mut bed);
    assert_eq!(run.next, Next::End(DefenceEnd::Deposed { how: Deposition::KeyGone }));
}

#[test]
fn unanswered_it_tries_again_until_the_lease_ends() {
    let mut bed = held();
    let mut run = Run::begin(&bed);
    run.tick(&mut bed);
    let last = Some(Lease { from: at(0.0), until: at(6.5) });
    assert_eq!(run.cut_off(&mut bed), DefenceEnd::Expired { last });
    assert_eq!(bed.now, at(6.5), "neither earlier nor later");
    assert_eq!(
        bed.sent[2..],
        [
            "3.00 READ KEYS: unknown",
            "4.00 READ KEYS: unknown",
            "5.00 READ KEYS: unknown",
            "6.00 READ KEYS: unknown",
        ]
    );
}

#[test]
fn a_refusal_is_no_confirmation_and_no_deposition() {
    let mut bed = held();
    let mut run = Run::begin(&bed);
    run.tick(&mut bed);
    run.turn(&mut bed, Fate::Answered);
    run.turn(&mut bed, Fate::Refused);
    let why = Miss::Refused(NoAnswer::Busy(8));
    assert_eq!(run.notes.last(), Some(&DefenceNote::Missed { why, stop_at: at(6.5) }));
    run.tick(&mut bed);
    assert!(run.lease(&bed).is_some_and(|(from, _)| from > at(3.0)));
}

#[test]
fn an_answer_after_the_lease_ended_is_too_late() {
    let mut bed = held();
    let mut run = Run::begin(&bed);
    run.tick(&mut bed);
    run.turn(&mut bed, Fate::Answered);
    run.turn(&mut bed, Fate::Answered);
    // The process stood still with the answer in its hands.
    bed.now = at(6.5);
    run.turn(&mut bed, Fate::Answered);
    assert!(matches!(run.next, Next::End(DefenceEnd::Expired { .. })));
    assert_eq!(run.lease(&bed), None);
}

#[test]
fn a_slow_tick_gives_a_lease_from_its_beginning() {
    let mut bed = held();
    let mut run = Run::begin(&bed);
    run.tick(&mut bed);
    run.turn(&mut bed, Fate::Answered);
    run.turn(&mut bed, Fate::Answered);
    bed.now = at(3.4);
    run.turn(&mut bed, Fate::Answered);
    assert_eq!(run.lease(&bed), Some((at(3.0), at(9.5))));
}
