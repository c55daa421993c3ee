//! Formatted devices: the clean-release mark and the new tenure.

use super::*;
use crate::codec::quorum::{Epoch, Mark, Record};
use crate::protocol::testbed::FORMATTED;

/// What `a` held last.
fn of_a(epoch: u64) -> Tenure {
    Tenure { epoch: Epoch(epoch), key: settled(A, 1) }
}

fn of_c(epoch: u64) -> Tenure {
    Tenure { epoch: Epoch(epoch), key: settled(C, 1) }
}

fn released(epoch: u64) -> Bed {
    Bed::formatted(of_a(epoch), Some(Mark { of: of_a(epoch) }))
}

fn begin(bed: &Bed) -> Run {
    Run::on(bed, 1, &[], None, Some(FORMATTED))
}

#[test]
fn a_mark_spares_the_window_and_is_consumed() {
    let mut bed = released(4);
    let mut run = begin(&bed);
    assert!(matches!(run.end(&mut bed), ChallengeEnd::Won { key, from: None, .. } if key == settled(B, 1)));
    assert!(run.notes.contains(&ChallengeNote::CleanlyReleased(of_a(4))));
    assert_eq!(
        bed.changes(),
        [
            "0.02 REGISTER 0 b1!: good",
            "0.06 RESERVE b1!: good",
            "0.10 WRITE tenure 5 b1: good",
            "0.12 REGISTER b1! b1: good",
        ]
    );
    let tenure = Tenure { epoch: Epoch(5), key: settled(B, 1) };
    assert_eq!(run.challenger.tenure(), Some(tenure));
    assert_eq!(bed.head().map(|h| (h.tenure, h.released())), Some((tenure, false)));
}

#[test]
fn without_a_mark_of_the_last_tenure_the_window_is_waited() {
    for mark in [None, Some(Mark { of: of_a(3) })] {
        let mut bed = Bed::formatted(of_a(4), mark);
        let mut run = begin(&bed);
        assert_eq!(run.up_to_window(&mut bed), at(7.06));
        assert!(matches!(run.end(&mut bed), ChallengeEnd::Won { .. }));
        assert!(bed.changes().contains(&"7.12 WRITE tenure 5 b1: good".to_owned()), "consumed all the same");
    }
}

#[test]
fn an_unreadable_head_spares_nothing_and_gives_nothing() {
    let mut bed = Bed::default();
    let mut run = begin(&bed);
    assert_eq!(run.up_to_window(&mut bed), at(7.06), "as unmarked");
    let end = run.end(&mut bed);
    assert!(matches!(end, ChallengeEnd::Unknown { doubt: Doubt::Tenure, .. }), "{end:?}");
    assert_eq!(bed.holder(), Some(flagged(B, 1)), "held, and without a lease");
}

#[test]
fn a_mark_consumed_by_another_meanwhile_costs_the_window() {
    let mut bed = released(4);
    let mut run = begin(&bed);
    run.up_to(&mut bed, asks(crate::codec::pr::OutAction::Reserve));
    // `c` came, took a tenure, and an operator's CLEAR took its reservation; it may still believe.
    bed.record(Record::Tenure(of_c(5)));
    assert!(matches!(run.up_to_window(&mut bed), t if t == at(7.10)));
    assert_eq!(run.notes.last(), Some(&ChallengeNote::Observed { holder: None, window_end: at(7.10) }));
    assert!(run.notes.contains(&ChallengeNote::MarkChanged));
    assert!(matches!(run.end(&mut bed), ChallengeEnd::Won { .. }));
    assert_eq!(
        bed.changes()[1..],
        ["0.06 RESERVE b1!: good", "7.13 WRITE tenure 6 b1: good", "7.15 REGISTER b1! b1: good"]
    );
}

#[test]
fn a_tenure_that_is_not_read_back_gives_no_victory() {
    let mut bed = released(4);
    let mut run = begin(&bed);
    run.up_to(&mut bed, |n| matches!(n, Next::Issue { command: Command::WriteRecord(..), .. }));
    run.turn(&mut bed, Fate::Lost);
    let end = run.end(&mut bed);
    assert!(matches!(end, ChallengeEnd::Unknown { doubt: Doubt::Tenure, .. }), "{end:?}");
    assert!(bed.now <= at(10.0), "bounded");
    assert_eq!(bed.holder(), Some(flagged(B, 1)));
}

#[test]
fn a_tenure_whose_answer_was_lost_is_found_by_reading() {
    let mut bed = released(4);
    let mut run = begin(&bed);
    run.up_to(&mut bed, |n| matches!(n, Next::Issue { command: Command::WriteRecord(..), .. }));
    run.turn(&mut bed, Fate::AnswerLost);
    assert!(matches!(run.end(&mut bed), ChallengeEnd::Won { .. }));
}

#[test]
fn a_tenure_refused_to_a_node_just_preempted_is_no_victory() {
    let mut bed = released(4);
    let mut run = begin(&bed);
    run.up_to(&mut bed, |n| matches!(n, Next::Issue { command: Command::WriteRecord(..), .. }));
    bed.join(C, flagged(C, 1));
    let p = Preempt { own: flagged(C, 1), victim: flagged(B, 1), kind: KIND, abort: Abort::Yes };
    bed.out(C, PrOut::preempt(p));
    assert!(matches!(run.end(&mut bed), ChallengeEnd::Defended { .. }));
    assert!(bed.changes().contains(&"0.10 WRITE tenure 5 b1: conflict".to_owned()));
    assert_eq!(bed.head().map(|h| h.tenure), Some(of_a(4)));
}

#[test]
fn a_preempted_holder_s_device_gets_a_new_tenure_too() {
    let mut bed = Bed::formatted(of_a(4), None);
    bed.join(A, settled(A, 1));
    bed.out(A, PrOut::reserve(settled(A, 1), KIND));
    let mut run = begin(&bed);
    assert!(matches!(run.end(&mut bed), ChallengeEnd::Won { .. }));
    assert_eq!(
        bed.changes()[1..],
        ["7.07 PREEMPT AND ABORT b1! a1: good", "7.11 WRITE tenure 5 b1: good", "7.13 REGISTER b1! b1: good"]
    );
}

#[test]
fn one_of_several_waits_for_its_turn_with_a_mark_too() {
    let mut bed = released(4);
    let mut run = begin(&bed);
    run.challenger = run.challenger.clone().gated();
    run.up_to(&mut bed, |n| matches!(n, Next::Wait(_)));
    assert!(run.challenger.is_ready());
    assert_eq!(bed.changes(), ["0.02 REGISTER 0 b1!: good"]);
    bed.now = at(1.0);
    run.next = run.challenger.proceed(bed.now).next;
    assert!(matches!(run.end(&mut bed), ChallengeEnd::Won { .. }));
    assert_eq!(bed.changes()[0], "1.02 RESERVE b1!: good", "read again, and no window");
}
