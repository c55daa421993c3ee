//! Outcomes that stay open: settled by reading, and only what is safe is sent again.

use super::*;
use crate::codec::pr::OutAction;

fn sent(bed: &mut Bed, what: &str) -> usize {
    bed.changes().iter().filter(|l| l.contains(what)).count()
}

/// Loses every command of `action`, answers the rest, to the end.
fn losing(run: &mut Run, bed: &mut Bed, action: OutAction) -> ChallengeEnd {
    let wanted = asks(action);
    for _ in 0..80 {
        if let Next::End(end) = run.next {
            return end;
        }
        let fate = if wanted(&run.next) { Fate::Lost } else { Fate::Answered };
        run.turn(bed, fate);
    }
    panic!("no end: {:?}", bed.sent);
}

#[test]
fn an_unknown_register_is_settled_by_reading() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    run.up_to(&mut bed, asks(OutAction::Register));
    run.turn(&mut bed, Fate::AnswerLost);
    run.up_to_window(&mut bed);
    assert_eq!(sent(&mut bed, "REGISTER"), 1);
}

#[test]
fn an_unknown_register_is_never_repeated() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    let end = losing(&mut run, &mut bed, OutAction::Register);
    assert_eq!(end, ChallengeEnd::Unknown { doubt: Doubt::Registration, why: NoAnswer::Outstanding });
    assert_eq!(sent(&mut bed, "REGISTER"), 1);
    assert!(bed.now <= at(8.5), "bounded: {:?}", bed.now);
}

#[test]
fn an_unknown_reserve_is_never_repeated() {
    let mut bed = Bed::default();
    let mut run = Run::begin(&bed);
    let end = losing(&mut run, &mut bed, OutAction::Reserve);
    assert_eq!(end, ChallengeEnd::Unknown { doubt: Doubt::Seizure, why: NoAnswer::Outstanding });
    assert_eq!(bed.changes(), ["0.02 REGISTER 0 b1!: good", "7.07 RESERVE b1!: unknown"]);
}

#[test]
fn a_reserve_whose_answer_was_lost_wins_by_reading() {
    let mut bed = Bed::default();
    let mut run = Run::begin(&bed);
    run.up_to(&mut bed, asks(OutAction::Reserve));
    run.turn(&mut bed, Fate::AnswerLost);
    assert!(matches!(run.end(&mut bed), ChallengeEnd::Won { .. }));
}

#[test]
fn an_unknown_preempt_is_repeated_after_a_read_three_times_at_most() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    let end = losing(&mut run, &mut bed, OutAction::PreemptAndAbort);
    assert_eq!(end, ChallengeEnd::Unknown { doubt: Doubt::Seizure, why: NoAnswer::Outstanding });
    let preempts: Vec<_> = bed.sent.iter().filter(|l| l.contains("PREEMPT")).collect();
    assert_eq!(
        preempts,
        [
            "7.07 PREEMPT AND ABORT b1! a1: unknown",
            "7.59 PREEMPT AND ABORT b1! a1: unknown",
            "8.11 PREEMPT AND ABORT b1! a1: unknown",
        ]
    );
}

#[test]
fn a_preempt_whose_answer_was_lost_wins_by_reading() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    run.up_to(&mut bed, asks(OutAction::PreemptAndAbort));
    run.turn(&mut bed, Fate::AnswerLost);
    assert!(matches!(run.end(&mut bed), ChallengeEnd::Won { .. }));
    assert_eq!(sent(&mut bed, "PREEMPT"), 1);
}

#[test]
fn a_conflict_may_be_the_retry_of_ones_own_success() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    run.up_to(&mut bed, asks(OutAction::PreemptAndAbort));
    let p = Preempt { own: flagged(B, 1), victim: settled(A, 1), kind: KIND, abort: Abort::Yes };
    bed.out(B, PrOut::preempt(p));
    run.turn(&mut bed, Fate::Answered);
    assert_eq!(bed.sent.last().unwrap(), "7.07 PREEMPT AND ABORT b1! a1: conflict");
    assert!(matches!(run.end(&mut bed), ChallengeEnd::Won { .. }));
}

#[test]
fn a_flag_that_may_yet_come_off_is_no_victory() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    let mut run = Run::begin(&bed);
    run.up_to_window(&mut bed);
    let end = losing(&mut run, &mut bed, OutAction::Register);
    assert_eq!(end, ChallengeEnd::Unknown { doubt: Doubt::FlagStays, why: NoAnswer::Outstanding });
    assert_eq!(bed.holder(), Some(flagged(B, 1)));
}
