//! The window, and what may happen in it.

use super::*;

#[test]
fn a_live_defender_ends_the_challenge() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    run.up_to_window(&mut bed);
    defend(&mut bed);
    let end = run.end(&mut bed);
    assert!(matches!(end, ChallengeEnd::Defended { holder: Some(h) } if h.key == settled(A, 1)), "{end:?}");
    assert_eq!(
        bed.sent,
        [
            "0.00 READ KEYS",
            "0.01 READ RESERVATION",
            "0.02 REGISTER 0 b1!: good",
            "0.03 READ KEYS",
            "0.04 READ RESERVATION",
            "7.05 READ KEYS",
            "7.06 READ RESERVATION",
        ]
    );
}

#[test]
fn a_dead_holder_is_preempted_a_window_after_it_was_seen() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    assert_eq!(run.up_to_window(&mut bed), at(7.05), "counted from the end of the read");
    let end = run.end(&mut bed);
    let won = ChallengeEnd::Won {
        key: settled(B, 1),
        from: Some(settled(A, 1)),
        generation: bed.unit.generation(),
    };
    assert_eq!(end, won);
    assert_eq!(bed.holder(), Some(settled(B, 1)));
    assert_eq!(
        bed.sent[5..],
        [
            "7.05 READ KEYS",
            "7.06 READ RESERVATION",
            "7.07 PREEMPT AND ABORT b1! a1: good",
            "7.08 READ KEYS",
            "7.09 READ RESERVATION",
            "7.10 REGISTER b1! b1: good",
            "7.11 READ KEYS",
            "7.12 READ RESERVATION",
        ]
    );
}

#[test]
fn where_nobody_holds_the_window_is_waited_before_reserve() {
    let mut bed = Bed::default();
    let mut run = Run::begin(&bed);
    assert_eq!(run.up_to_window(&mut bed), at(7.05));
    assert!(matches!(run.end(&mut bed), ChallengeEnd::Won { from: None, .. }));
    assert_eq!(
        bed.changes(),
        ["0.02 REGISTER 0 b1!: good", "7.07 RESERVE b1!: good", "7.10 REGISTER b1! b1: good"]
    );
}

#[test]
fn a_slow_register_does_not_shorten_the_window() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    run.up_to(&mut bed, asks(crate::codec::pr::OutAction::Register));
    run.turn(&mut bed, Fate::AnswerLost);
    assert_eq!(run.up_to_window(&mut bed), at(7.54), "REGISTER was issued at 0.02");
}

#[test]
fn another_winner_makes_it_void() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    run.up_to_window(&mut bed);
    bed.join(C, flagged(C, 1));
    let p = Preempt { own: flagged(C, 1), victim: settled(A, 1), kind: KIND, abort: Abort::Yes };
    bed.out(C, PrOut::preempt(p));
    bed.join(C, settled(C, 1));
    let end = run.end(&mut bed);
    let void = matches!(end, ChallengeEnd::Overtaken { holder: Some(h), cleanup: Cleanup::Proven } if h.key == settled(C, 1));
    assert!(void, "{end:?}");
    assert_eq!(bed.changes(), ["0.02 REGISTER 0 b1!: good", "7.07 REGISTER b1! 0: good"]);
}

#[test]
fn a_holder_that_restarts_in_the_window_is_named_by_its_new_key() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    run.up_to_window(&mut bed);
    bed.join(A, flagged(A, 2));
    assert!(matches!(run.end(&mut bed), ChallengeEnd::Won { .. }));
    assert!(run.notes.contains(&ChallengeNote::HolderRenewed(flagged(A, 2))));
    assert_eq!(bed.changes()[1], "7.07 PREEMPT AND ABORT b1! a2!: good");
}

#[test]
fn a_holder_that_restarted_and_won_is_left_alone() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    run.up_to_window(&mut bed);
    bed.join(A, settled(A, 2));
    let end = run.end(&mut bed);
    assert!(matches!(end, ChallengeEnd::Overtaken { cleanup: Cleanup::Proven, .. }), "{end:?}");
}

#[test]
fn a_reservation_that_vanished_costs_another_window() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    run.up_to_window(&mut bed);
    bed.out(A, PrOut::release(settled(A, 1), KIND));
    run.turn(&mut bed, Fate::Answered);
    assert_eq!(run.up_to_window(&mut bed), at(14.07));
    assert!(matches!(run.end(&mut bed), ChallengeEnd::Won { from: None, .. }));
}

#[test]
fn good_is_not_victory() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    run.up_to(&mut bed, asks(crate::codec::pr::OutAction::PreemptAndAbort));
    bed.out(A, PrOut::release(settled(A, 1), KIND));
    run.turn(&mut bed, Fate::Answered);
    assert_eq!(bed.sent.last().unwrap(), "7.07 PREEMPT AND ABORT b1! a1: good");
    assert_eq!(run.up_to_window(&mut bed), at(14.10), "nobody holds: a window is waited");
}

#[test]
fn cancelled_in_the_window_it_takes_its_key_away() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    run.up_to_window(&mut bed);
    bed.now = at(2.0);
    run.next = run.challenger.handle(Event::Release, bed.now).next;
    let end = run.end(&mut bed);
    assert_eq!(end, ChallengeEnd::Refused { why: Refusal::Cancelled, cleanup: Cleanup::Proven });
    assert_eq!(bed.changes(), ["0.02 REGISTER 0 b1!: good", "2.00 REGISTER b1! 0: good"]);
}

#[test]
fn a_target_that_forgot_is_told_from_a_defender() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    run.up_to_window(&mut bed);
    bed.unit = crate::device::sim::pr::Reservations::default();
    assert_eq!(run.end(&mut bed), ChallengeEnd::TargetForgot);
}
