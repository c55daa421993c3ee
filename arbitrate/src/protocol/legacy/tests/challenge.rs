//! Golden timelines of a challenge by node `b`; `a` held the device before.

use super::super::*;
use super::bed::{A, B, Bed, C, Challenge, Fate, asks, at, challenge};
use crate::device::ResetScope;
use crate::protocol::wire::{Command, Event, Next, NoAnswer};
use crate::protocol::{Lease, Rules};

const LUN: Command = Command::Reset(ResetScope::LogicalUnit);

/// Up to the wait for the window's end.
fn at_window(bed: &mut Bed) -> Challenge {
    let mut run = challenge(bed, B);
    run.up_to_wait(bed);
    run
}

/// Up to the first wait of the hold.
fn at_hold(bed: &mut Bed) -> Challenge {
    let mut run = at_window(bed);
    run.turn(bed, Fate::Answered);
    run.up_to_wait(bed);
    assert!(matches!(run.machine.hold(), Hold::Since(_)), "{:?}", bed.sent);
    run
}

#[test]
fn a_dead_owner_loses_a_window_after_the_reset_and_the_disk_is_owned_a_window_later() {
    let mut bed = Bed::held_by(A);
    let mut run = challenge(&bed, B);
    let end = run.end(&mut bed);
    let lease = Lease { from: at(14.05), until: at(20.55) };
    assert_eq!(end, LegacyEnd::Won { lease, held_since: at(7.05) });
    assert_eq!(
        bed.sent,
        [
            "0.00 READ KEYS: conflict",
            "0.01 TEST UNIT READY: conflict",
            "0.02 RESET LogicalUnit: good",
            "0.03 TEST UNIT READY: good",
            "7.04 RESERVE: good",
            "10.04 RESERVE: good",
            "13.04 RESERVE: good",
            "14.05 RESERVE: good",
        ]
    );
    assert_eq!(bed.holder(), Some(B));
}

#[test]
fn a_free_disk_is_not_reset_and_not_taken_before_the_window() {
    let mut bed = Bed::free();
    let mut run = challenge(&bed, B);
    assert!(matches!(run.end(&mut bed), LegacyEnd::Won { held_since, .. } if held_since == at(7.03)));
    assert_eq!(bed.sent[..3], ["0.00 READ KEYS: none", "0.01 TEST UNIT READY: good", "7.02 RESERVE: good"]);
}

#[test]
fn an_own_earlier_life_needs_no_reset_either() {
    let mut bed = Bed::held_by(B);
    let mut run = challenge(&bed, B);
    assert!(matches!(run.end(&mut bed), LegacyEnd::Won { .. }));
    assert!(bed.sent.iter().all(|l| !l.contains("RESET")), "{:?}", bed.sent);
}

#[test]
fn an_owner_that_reserves_again_ends_it() {
    let mut bed = Bed::held_by(A);
    let mut run = at_window(&mut bed);
    bed.reserve(A);
    let end = run.end(&mut bed);
    assert_eq!(end, LegacyEnd::Defended { met: Met::AfterWindow, stray: Stray::None });
    assert_eq!(bed.sent[4..], ["7.04 RESERVE: conflict", "7.05 READ KEYS: conflict"]);
    assert_eq!(bed.holder(), Some(A));
}

#[test]
fn an_owner_quicker_than_the_look_after_the_reset_ends_it_at_once() {
    let mut bed = Bed::held_by(A);
    let mut run = challenge(&bed, B);
    run.up_to(&mut bed, asks(LUN));
    run.turn(&mut bed, Fate::Answered);
    bed.reserve(A);
    assert_eq!(run.end(&mut bed), LegacyEnd::Defended { met: Met::AfterReset, stray: Stray::None });
}

#[test]
fn another_reset_in_the_window_gives_the_owner_another_window() {
    let mut bed = Bed::held_by(A);
    let mut run = at_window(&mut bed);
    bed.reserve(A);
    bed.reset();
    assert_eq!(run.next, Next::Wait(at(7.04)));
    run.turn(&mut bed, Fate::Answered);
    assert_eq!(run.up_to_wait(&mut bed), at(14.06), "the RESERVE met the attention and was not executed");
    assert_eq!(bed.holder(), None);
    bed.reserve(A);
    assert_eq!(run.end(&mut bed), LegacyEnd::Defended { met: Met::AfterWindow, stray: Stray::None });
}

/// The answer that is lost is the one that would have told of the reset.
#[test]
fn no_answer_at_the_end_of_the_window_gives_the_owner_another_window() {
    let mut bed = Bed::held_by(A);
    let mut run = at_window(&mut bed);
    bed.reserve(A);
    bed.reset();
    run.turn(&mut bed, Fate::Answered);
    run.turn(&mut bed, Fate::AnswerLost);
    assert_eq!(run.next, Next::Wait(at(14.54)), "a window from the moment it was given up");
    assert_eq!(bed.holder(), None);
    bed.reserve(A);
    assert_eq!(run.end(&mut bed), LegacyEnd::Defended { met: Met::AfterWindow, stray: Stray::Possible });
    assert_eq!(
        bed.sent[4..],
        ["7.04 RESERVE: unknown", "14.54 RESERVE: conflict", "14.55 READ KEYS: conflict"]
    );
    assert_eq!(bed.holder(), Some(A));
}

#[test]
fn no_answer_at_the_end_of_the_window_costs_a_dead_owner_the_disk_a_window_later() {
    let mut bed = Bed::held_by(A);
    let mut run = at_window(&mut bed);
    run.turn(&mut bed, Fate::Answered);
    run.turn(&mut bed, Fate::AnswerLost);
    run.turn(&mut bed, Fate::Answered);
    run.turn(&mut bed, Fate::AnswerLost);
    let end = run.end(&mut bed);
    assert!(matches!(end, LegacyEnd::Won { held_since, .. } if held_since == at(22.05)), "{end:?}");
    assert_eq!(bed.holder(), Some(B));
}

#[test]
fn resets_without_end_are_given_up() {
    let mut bed = Bed::free();
    let mut run = challenge(&bed, B);
    let end = loop {
        if let Next::End(end) = run.next {
            break end;
        }
        if matches!(run.next, Next::Wait(_)) {
            bed.reset();
        }
        run.turn(&mut bed, Fate::Answered);
    };
    assert_eq!(end, LegacyEnd::Refused { why: LegacyRefusal::Restless, left: Left::Nothing });
    assert_eq!(bed.now, at(21.07));
}

#[test]
fn a_reset_in_the_hold_begins_it_anew() {
    let mut bed = Bed::held_by(A);
    let mut run = at_hold(&mut bed);
    bed.reset();
    let end = run.end(&mut bed);
    assert!(matches!(end, LegacyEnd::Won { held_since, .. } if held_since == at(10.06)), "{end:?}");
    assert!(run.notes.contains(&LegacyNote::HoldBroken));
    assert_eq!(bed.sent[5..7], ["10.04 RESERVE: unit attention", "10.05 RESERVE: good"]);
}

#[test]
fn who_reserves_first_after_a_reset_in_the_hold_has_it() {
    let mut bed = Bed::held_by(A);
    let mut run = at_hold(&mut bed);
    bed.reset();
    bed.reserve(C);
    let end = run.end(&mut bed);
    assert_eq!(end, LegacyEnd::Defended { met: Met::WhileHolding, stray: Stray::None });
    assert_eq!(bed.holder(), Some(C));
}

#[test]
fn a_tick_of_the_hold_without_an_answer_begins_it_anew() {
    let mut bed = Bed::held_by(A);
    let mut run = at_hold(&mut bed);
    run.turn(&mut bed, Fate::Answered);
    run.turn(&mut bed, Fate::AnswerLost);
    let end = run.end(&mut bed);
    assert!(matches!(end, LegacyEnd::Won { held_since, .. } if held_since == at(11.05)), "{end:?}");
    assert_eq!(bed.sent[5..7], ["10.04 RESERVE: unknown", "11.04 RESERVE: good"]);
}

#[test]
fn a_challenger_that_slept_over_a_tick_begins_the_hold_anew() {
    let mut bed = Bed::held_by(A);
    let mut run = at_hold(&mut bed);
    bed.now = at(30.0);
    let end = run.end_with(&mut bed, |_| Fate::Answered);
    // By then the time for the hold is up: three windows from its beginning.
    assert!(
        matches!(end, LegacyEnd::Refused { why: LegacyRefusal::Restless, left: Left::Released }),
        "{end:?}"
    );
    assert_eq!(bed.holder(), None);
}

#[test]
fn a_busy_target_is_asked_again_and_the_hold_begins_with_its_first_success() {
    let mut bed = Bed::held_by(A);
    let mut run = at_window(&mut bed);
    run.turn(&mut bed, Fate::Answered);
    run.turn(&mut bed, Fate::Busy);
    let end = run.end(&mut bed);
    assert!(matches!(end, LegacyEnd::Won { held_since, .. } if held_since == at(7.56)), "{end:?}");
}

#[test]
fn a_reserve_that_is_never_answered_leaves_the_disk_in_doubt() {
    let mut bed = Bed::held_by(A);
    let mut run = at_window(&mut bed);
    let end = run.end_with(&mut bed, |_| Fate::Lost);
    assert_eq!(end, LegacyEnd::Unknown { doubt: LegacyDoubt::Seizure, why: NoAnswer::Outstanding });
    let releases = bed.sent.iter().filter(|l| l.contains("RELEASE")).count();
    assert_eq!(releases, 3, "it tries to give back what it may hold: {:?}", bed.sent);
}

#[test]
fn a_reset_without_an_answer_is_settled_by_looking() {
    let mut bed = Bed::held_by(A);
    let mut run = challenge(&bed, B);
    run.up_to(&mut bed, asks(LUN));
    run.turn(&mut bed, Fate::AnswerLost);
    assert_eq!(run.up_to_wait(&mut bed), at(22.03), "counted from the look, 15 s after the reset was issued");
    assert!(matches!(run.end(&mut bed), LegacyEnd::Won { .. }));
}

#[test]
fn a_reset_that_may_yet_come_is_said_and_not_repeated() {
    let mut bed = Bed::held_by(A);
    let mut run = challenge(&bed, B);
    let end = run.end_with(&mut bed, |c| if c == LUN { Fate::Lost } else { Fate::Answered });
    assert_eq!(end, LegacyEnd::Unknown { doubt: LegacyDoubt::Reset, why: NoAnswer::Outstanding });
    assert_eq!(bed.sent.len(), 4, "{:?}", bed.sent);
    assert_eq!(bed.holder(), Some(A));
}

#[test]
fn a_scope_that_is_not_offered_is_refused_and_no_other_is_tried() {
    let mut bed = Bed::held_by(A);
    let mut run = challenge(&bed, B);
    let end = run.end_with(&mut bed, |c| if c == LUN { Fate::Unsupported } else { Fate::Answered });
    let refused = LegacyEnd::Refused {
        why: LegacyRefusal::Reset(match end {
            LegacyEnd::Refused { why: LegacyRefusal::Reset(n), .. } => n,
            other => panic!("{other:?}"),
        }),
        left: Left::Nothing,
    };
    assert_eq!(end, refused);
    assert_eq!(bed.holder(), Some(A));
}

#[test]
fn a_target_without_reserve_is_refused() {
    let mut bed = Bed::free();
    let mut run = challenge(&bed, B);
    let end =
        run.end_with(&mut bed, |c| if c == Command::Reserve6 { Fate::Unsupported } else { Fate::Answered });
    assert!(
        matches!(end, LegacyEnd::Refused { why: LegacyRefusal::Target(_), left: Left::Nothing }),
        "{end:?}"
    );
}

#[test]
fn a_target_without_persistent_reservations_is_what_it_is_for() {
    let mut bed = Bed::free();
    let mut run = challenge(&bed, B);
    let end =
        run.end_with(&mut bed, |c| if c == Command::ReadKeys { Fate::Unsupported } else { Fate::Answered });
    assert!(matches!(end, LegacyEnd::Won { .. }), "{end:?}");
}

#[test]
fn a_disk_with_registrations_is_refused_before_anything_is_sent() {
    let mut bed = Bed::free();
    bed.register(C, 0xabc);
    let mut run = challenge(&bed, B);
    let end = run.end(&mut bed);
    assert_eq!(end, LegacyEnd::Refused { why: LegacyRefusal::Registrations(1), left: Left::Nothing });
    assert_eq!(bed.sent, ["0.00 READ KEYS: keys"]);
}

#[test]
fn registrations_made_meanwhile_are_told_from_a_defence() {
    let mut bed = Bed::held_by(A);
    let mut run = at_window(&mut bed);
    let _ = bed.unit.request_sense(crate::device::sim::NexusId(C));
    bed.register(C, 0xabc);
    let end = run.end(&mut bed);
    assert_eq!(end, LegacyEnd::Refused { why: LegacyRefusal::Registrations(1), left: Left::Reset });
}

#[test]
fn an_unreachable_disk_is_given_up_with_nothing_sent_that_changes_it() {
    let mut bed = Bed::held_by(A);
    let mut run = challenge(&bed, B);
    let end = run.end_with(&mut bed, |_| Fate::Lost);
    assert_eq!(end, LegacyEnd::Unreachable(NoAnswer::Outstanding));
    assert!(bed.now <= at(8.0), "{:?}", bed.now);
}

#[test]
fn a_disk_that_vanishes_after_the_reset_is_in_doubt() {
    let mut bed = Bed::held_by(A);
    let mut run = challenge(&bed, B);
    run.up_to(&mut bed, asks(LUN));
    run.turn(&mut bed, Fate::Answered);
    let end = run.end_with(&mut bed, |_| Fate::Lost);
    assert_eq!(end, LegacyEnd::Unknown { doubt: LegacyDoubt::Blind, why: NoAnswer::Outstanding });
}

#[test]
fn cancelled_in_the_window_it_says_that_a_reset_was_sent() {
    let mut bed = Bed::held_by(A);
    let mut run = at_window(&mut bed);
    run.event(&bed, Event::Release);
    assert_eq!(run.end(&mut bed), LegacyEnd::Refused { why: LegacyRefusal::Cancelled, left: Left::Reset });
}

#[test]
fn cancelled_in_the_hold_it_gives_the_disk_back() {
    let mut bed = Bed::held_by(A);
    let mut run = at_hold(&mut bed);
    run.event(&bed, Event::Release);
    assert_eq!(run.end(&mut bed), LegacyEnd::Refused { why: LegacyRefusal::Cancelled, left: Left::Released });
    assert_eq!(bed.holder(), None);
}

#[test]
fn a_rule_is_kept_where_none_is_named() {
    assert_eq!(Rules::default(), Rules::SOUND);
}

#[test]
fn a_hold_of_whole_ticks_ends_with_its_last_one() {
    use crate::protocol::timing::{Profile, Timing};
    let mut bed = Bed::free();
    let fast = LegacySetup { timing: Timing::profile(Profile::Fast), ..super::bed::setup(Rules::SOUND) };
    let mut run = super::bed::challenge_by(&bed, B, fast);
    assert!(matches!(run.end(&mut bed), LegacyEnd::Won { .. }));
    assert_eq!(
        bed.sent[2..],
        ["0.62 RESERVE: good", "0.82 RESERVE: good", "1.02 RESERVE: good", "1.23 RESERVE: good"]
    );
}

#[test]
fn a_success_that_comes_late_owns_nothing_yet() {
    let mut bed = Bed::held_by(A);
    let mut run = at_hold(&mut bed);
    run.up_to(&mut bed, |n| *n == Next::Wait(at(14.05)));
    run.turn(&mut bed, Fate::Answered);
    assert!(asks(Command::Reserve6)(&run.next));
    bed.now = at(14.55);
    run.event(&bed, Event::Reply(crate::protocol::Reply::Good));
    assert!(matches!(run.next, Next::Wait(_)), "{:?}", run.next);
    assert!(matches!(run.end(&mut bed), LegacyEnd::Won { .. }));
}
