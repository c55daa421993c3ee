//! Golden timelines of a defence by node `a`.

use std::time::Duration;

use super::super::*;
use super::bed::{A, B, Bed, Fate, at, defence, defence_with};
use crate::protocol::wire::{Event, Next, NoAnswer};
use crate::protocol::{FedWatchdog, Lease, Miss};

fn lease(bed: &Bed, run: &super::bed::Defence) -> Option<(crate::time::Instant, crate::time::Instant)> {
    run.machine.lease(bed.now).map(|l| (l.from, l.until))
}

#[test]
fn every_tick_reserves_and_the_lease_runs_from_its_issue() {
    let mut bed = Bed::held_by(A);
    let mut run = defence(&bed, 2.0);
    assert_eq!(lease(&bed, &run), Some((at(0.0), at(2.0))), "handed over, not prolonged");
    for _ in 0..3 {
        run.up_to_wait(&mut bed);
        run.turn(&mut bed, Fate::Answered);
    }
    run.up_to_wait(&mut bed);
    assert_eq!(lease(&bed, &run), Some((at(9.0), at(15.5))));
    assert_eq!(
        bed.sent,
        ["0.00 RESERVE: good", "3.00 RESERVE: good", "6.00 RESERVE: good", "9.00 RESERVE: good"]
    );
}

#[test]
fn a_unit_attention_is_answered_by_reserving_at_once() {
    let mut bed = Bed::held_by(A);
    let mut run = defence(&bed, 2.0);
    run.up_to_wait(&mut bed);
    bed.reset();
    run.turn(&mut bed, Fate::Answered);
    run.up_to_wait(&mut bed);
    assert_eq!(bed.sent[1..], ["3.00 RESERVE: unit attention", "3.01 RESERVE: good"]);
    assert!(
        run.notes
            .iter()
            .any(|n| matches!(n, LegacyDefenceNote::Attention(s) if (s.asc, s.ascq) == (0x29, 3)))
    );
    assert_eq!(bed.holder(), Some(A));
    assert_eq!(lease(&bed, &run), Some((at(3.01), at(9.51))), "from the issue of the one that succeeded");
}

#[test]
fn a_conflict_deposes_at_once() {
    let mut bed = Bed::held_by(A);
    let mut run = defence(&bed, 2.0);
    run.up_to_wait(&mut bed);
    bed.reset();
    bed.reserve(B);
    assert_eq!(run.end(&mut bed), LegacyDefenceEnd::Deposed { stray: Stray::None });
    assert_eq!(lease(&bed, &run), None);
    assert_eq!(bed.sent[1..], ["3.00 RESERVE: unit attention", "3.01 RESERVE: conflict"]);
}

#[test]
fn one_that_slept_through_its_lease_never_reserves_again() {
    let mut bed = Bed::held_by(A);
    let mut run = defence(&bed, 2.0);
    run.up_to_wait(&mut bed);
    bed.reset();
    bed.now = at(6.5);
    let end = run.end(&mut bed);
    let last = Some(Lease { from: at(0.0), until: at(6.5) });
    assert_eq!(end, LegacyDefenceEnd::Expired { last, stray: Stray::None });
    assert_eq!(bed.sent.len(), 1, "{:?}", bed.sent);
    assert_eq!(bed.holder(), None);
    run.event(&bed, Event::Wake);
    assert!(matches!(run.next, Next::End(LegacyDefenceEnd::Expired { .. })), "and stays ended");
}

#[test]
fn a_success_heard_after_the_lease_is_none() {
    let mut bed = Bed::held_by(A);
    let mut run = defence(&bed, 2.0);
    run.up_to_wait(&mut bed);
    run.turn(&mut bed, Fate::Answered);
    bed.now = at(7.0);
    run.event(&bed, Event::Reply(crate::protocol::Reply::Good));
    assert!(matches!(run.next, Next::End(LegacyDefenceEnd::Expired { .. })), "{:?}", run.next);
}

#[test]
fn a_missed_tick_is_made_up_for_within_the_lease() {
    let mut bed = Bed::held_by(A);
    let mut run = defence(&bed, 2.0);
    run.up_to_wait(&mut bed);
    run.turn(&mut bed, Fate::Answered);
    run.turn(&mut bed, Fate::Lost);
    let missed = LegacyDefenceNote::Missed { why: Miss::Unanswered(NoAnswer::Outstanding), stop_at: at(6.5) };
    assert!(run.notes.contains(&missed));
    assert_eq!(run.next, Next::Wait(at(4.0)), "after a pause, not with the next tick");
    run.turn(&mut bed, Fate::Answered);
    run.up_to_wait(&mut bed);
    assert_eq!(lease(&bed, &run), Some((at(4.0), at(10.5))));
}

#[test]
fn busy_neither_confirms_nor_deposes() {
    let mut bed = Bed::held_by(A);
    let mut run = defence(&bed, 2.0);
    run.up_to_wait(&mut bed);
    let end = run.end_with(&mut bed, |_| Fate::Busy);
    let last = Some(Lease { from: at(0.0), until: at(6.5) });
    assert_eq!(
        end,
        LegacyDefenceEnd::Expired { last, stray: Stray::None },
        "BUSY was not executed: no stray"
    );
    assert_eq!(bed.now, at(6.5));
}

#[test]
fn a_reserve_left_without_an_answer_is_said() {
    let mut bed = Bed::held_by(A);
    let mut run = defence(&bed, 2.0);
    run.up_to_wait(&mut bed);
    let end = run.end_with(&mut bed, |_| Fate::Lost);
    assert!(matches!(end, LegacyDefenceEnd::Expired { stray: Stray::Possible, .. }), "{end:?}");
    assert_eq!(bed.now, at(6.5), "no command outlives the lease");
}

#[test]
fn a_target_that_attends_without_end_confirms_nothing() {
    let mut bed = Bed::held_by(A);
    let mut run = defence(&bed, 2.0);
    run.up_to_wait(&mut bed);
    let mut left = 1000;
    while !matches!(run.next, Next::End(_)) && left > 0 {
        bed.reset();
        run.turn(&mut bed, Fate::Answered);
        left -= 1;
    }
    assert!(matches!(run.next, Next::End(LegacyDefenceEnd::Expired { .. })), "{:?}", run.next);
    assert!(bed.now <= at(6.5));
}

#[test]
fn a_watchdog_is_fed_with_each_success_and_the_stop_comes_before_it_bites() {
    let mut bed = Bed::held_by(A);
    let watchdog = FedWatchdog { timeout: Duration::from_secs(5), fed: at(0.0) };
    let mut run = defence_with(&bed, 6.5, Some(watchdog));
    run.up_to_wait(&mut bed);
    assert_eq!(run.machine.stop_at(), at(4.5));
    run.turn(&mut bed, Fate::Answered);
    run.up_to_wait(&mut bed);
    assert_eq!(run.machine.stop_at(), at(7.5));
    let end = run.end_with(&mut bed, |_| Fate::Lost);
    assert!(matches!(end, LegacyDefenceEnd::Expired { .. }), "{end:?}");
    assert_eq!(bed.now, at(7.5));
}

#[test]
fn a_clean_end_drops_the_lease_and_gives_the_disk_back() {
    let mut bed = Bed::held_by(A);
    let mut run = defence(&bed, 2.0);
    run.up_to_wait(&mut bed);
    run.event(&bed, Event::Release);
    assert_eq!(lease(&bed, &run), None, "before RELEASE is answered");
    assert_eq!(run.end(&mut bed), LegacyDefenceEnd::Released);
    assert_eq!(bed.holder(), None);
}

#[test]
fn a_release_without_an_answer_is_repeated_and_at_last_unproven() {
    let mut bed = Bed::held_by(A);
    let mut run = defence(&bed, 2.0);
    run.up_to_wait(&mut bed);
    run.event(&bed, Event::Release);
    assert_eq!(run.end_with(&mut bed, |_| Fate::Lost), LegacyDefenceEnd::ReleaseUnproven);

    let mut bed = Bed::held_by(A);
    let mut run = defence(&bed, 2.0);
    run.up_to_wait(&mut bed);
    run.event(&bed, Event::Release);
    run.turn(&mut bed, Fate::AnswerLost);
    assert_eq!(run.end(&mut bed), LegacyDefenceEnd::Released);
}

#[test]
fn a_release_after_a_reserve_without_an_answer_proves_nothing() {
    let mut bed = Bed::held_by(A);
    let mut run = defence(&bed, 2.0);
    run.up_to_wait(&mut bed);
    run.turn(&mut bed, Fate::Answered);
    run.turn(&mut bed, Fate::Lost);
    run.event(&bed, Event::Release);
    assert_eq!(run.end(&mut bed), LegacyDefenceEnd::ReleaseUnproven, "that RESERVE may yet be executed");
}
