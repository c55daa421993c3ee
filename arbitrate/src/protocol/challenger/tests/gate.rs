//! A challenge that is one of several: held back after its window, let go, recalled.

use super::*;

/// A gated challenge of `b`, its window over and nothing defended.
fn ready(bed: &mut Bed) -> Run {
    let mut run = Run::begin(bed);
    run.challenger = run.challenger.clone().gated();
    run.up_to_window(bed);
    run.turn(bed, Fate::Answered);
    run.up_to(bed, |n| matches!(n, Next::Wait(_)));
    assert!(run.challenger.is_ready());
    assert_eq!(run.notes.last(), Some(&ChallengeNote::Ready));
    run
}

fn held() -> Bed {
    Bed::held_by(A, settled(A, 1))
}

#[test]
fn it_waits_for_leave_and_then_reads_again_before_it_seizes() {
    let mut bed = held();
    let mut run = ready(&mut bed);
    run.turn(&mut bed, Fate::Answered);
    assert!(run.challenger.is_ready(), "time alone gives no leave");
    bed.now = bed.now + Duration::from_secs(1);
    let before = bed.sent.len();
    let step = run.challenger.proceed(bed.now);
    run.next = step.next;
    assert!(matches!(run.end(&mut bed), ChallengeEnd::Won { from: Some(_), .. }));
    let sent: Vec<&str> = bed.sent[before..].iter().filter_map(|l| l.split_once(' ')).map(|l| l.1).collect();
    assert_eq!(sent[..3], ["READ KEYS", "READ RESERVATION", "PREEMPT AND ABORT b1! a1: good"]);
}

#[test]
fn leave_given_at_once_costs_no_second_look() {
    let mut bed = held();
    let mut run = ready(&mut bed);
    let step = run.challenger.proceed(bed.now);
    assert!(asks(crate::codec::pr::OutAction::PreemptAndAbort)(&step.next));
}

#[test]
fn a_defence_while_it_was_held_back_is_seen() {
    let mut bed = held();
    let mut run = ready(&mut bed);
    defend(&mut bed);
    bed.now = bed.now + Duration::from_secs(1);
    run.next = run.challenger.proceed(bed.now).next;
    assert!(matches!(run.end(&mut bed), ChallengeEnd::Defended { .. }));
    assert_eq!(bed.holder(), Some(settled(A, 1)));
}

#[test]
fn a_recall_withdraws_it() {
    let mut bed = held();
    let mut run = ready(&mut bed);
    run.next = run.challenger.recall(bed.now).unwrap().next;
    let end = run.end(&mut bed);
    assert_eq!(end, ChallengeEnd::Refused { why: Refusal::Cancelled, cleanup: Cleanup::Proven });
    assert_eq!(bed.unit.keys().count(), 1);
}

#[test]
fn a_recall_during_a_command_takes_effect_when_that_has_ended() {
    // Whatever was outstanding at the recall: a survey, the registration, the look that follows.
    for turns in 0..5 {
        let mut bed = held();
        let mut run = Run::begin(&bed);
        for _ in 0..turns {
            run.turn(&mut bed, Fate::Answered);
        }
        assert_eq!(run.challenger.recall(bed.now), None, "{turns}: a command is outstanding");
        let end = run.end(&mut bed);
        assert!(matches!(end, ChallengeEnd::Refused { why: Refusal::Cancelled, .. }), "{turns}: {end:?}");
        assert_eq!(bed.unit.keys().count(), 1, "{turns}: nothing is left");
        assert!(bed.now < at(1.0), "{turns}: no window was waited");
    }
}

#[test]
fn a_seizure_under_way_at_the_recall_ends_as_a_victory_to_be_given_back() {
    let mut bed = held();
    let mut run = ready(&mut bed);
    run.next = run.challenger.proceed(bed.now).next;
    assert_eq!(run.challenger.recall(bed.now), None);
    assert!(matches!(run.end(&mut bed), ChallengeEnd::Won { .. }));
}

#[test]
fn leave_is_told_as_it_is() {
    let mut bed = held();
    let mut run = Run::begin(&bed);
    assert!(run.challenger.has_leave() && !run.challenger.is_ready(), "alone it needs none");
    run = ready(&mut Bed::held_by(A, settled(A, 1)));
    assert!(!run.challenger.has_leave());
    bed = held();
    run = ready(&mut bed);
    assert_eq!(run.next, Next::Wait(bed.now + Duration::from_secs(3)), "looks up a tick later");
    let _ = run.challenger.proceed(bed.now);
    assert!(run.challenger.has_leave() && !run.challenger.is_ready());
}

#[test]
fn a_recall_during_a_pause_takes_effect_at_once() {
    let mut bed = held();
    let mut run = Run::begin(&bed);
    run.turn(&mut bed, Fate::Lost);
    let step = run.challenger.recall(bed.now).unwrap();
    let cleanup = Cleanup::NotNeeded;
    assert_eq!(step.next, Next::End(ChallengeEnd::Refused { why: Refusal::Cancelled, cleanup }));
    // Between the REGISTER and the window.
    let mut run = Run::begin(&bed);
    run.up_to(&mut bed, asks(crate::codec::pr::OutAction::Register));
    run.turn(&mut bed, Fate::Answered);
    run.turn(&mut bed, Fate::Lost);
    assert!(matches!(run.next, Next::Wait(_)));
    run.next = run.challenger.recall(bed.now).unwrap().next;
    let cleanup = Cleanup::Proven;
    assert_eq!(run.end(&mut bed), ChallengeEnd::Refused { why: Refusal::Cancelled, cleanup });
}

#[test]
fn a_withdrawal_that_comes_through_late_is_proven() {
    let mut bed = held();
    let mut run = ready(&mut bed);
    run.next = run.challenger.recall(bed.now).unwrap().next;
    run.turn(&mut bed, Fate::Lost);
    run.up_to(&mut bed, |n| matches!(n, Next::Wait(_)));
    bed.out(B, PrOut::register(flagged(B, 1), Key::default(), crate::codec::pr::Aptpl::No));
    let proven = ChallengeEnd::Refused { why: Refusal::Cancelled, cleanup: Cleanup::Proven };
    assert_eq!(run.end(&mut bed), proven);
}
