//! Somebody's flagged key is registered.

use super::*;

#[test]
fn a_challenger_is_preempted_and_only_the_later_read_confirms() {
    let mut bed = held();
    let mut run = Run::begin(&bed);
    run.tick(&mut bed);
    bed.join(B, flagged(B, 1));
    run.tick(&mut bed);
    assert!(run.notes.contains(&DefenceNote::Challenged { by: flagged(B, 1) }));
    assert_eq!(
        bed.sent[2..],
        ["3.00 READ KEYS", "3.01 PREEMPT a1 b1!: good", "3.02 READ KEYS", "3.03 READ RESERVATION",]
    );
    assert_eq!(run.lease(&bed), Some((at(3.02), at(9.52))), "from the read after the defence");
    assert_eq!(run.next, Next::Wait(at(6.0)), "in rhythm all the same");
}

#[test]
fn two_challengers_are_both_preempted() {
    let mut bed = held();
    bed.join(B, flagged(B, 1));
    bed.join(C, flagged(C, 1));
    let mut run = Run::begin(&bed);
    run.tick(&mut bed);
    assert_eq!(bed.changes(), ["0.01 PREEMPT a1 b1!: good", "0.03 PREEMPT a1 c1!: good"]);
    assert_eq!(run.lease(&bed), Some((at(0.04), at(6.54))));
}

#[test]
fn settled_keys_and_other_clusters_challenge_nobody() {
    let mut bed = held();
    bed.join(B, settled(B, 1));
    bed.join(C, Key::from_u64(0xffff_ffff_0180_0001));
    let mut run = Run::begin(&bed);
    run.tick(&mut bed);
    assert!(bed.changes().is_empty());
    assert!(run.lease(&bed).is_some());
}

#[test]
fn a_challenge_under_the_own_number_is_defended_against_too() {
    let mut bed = held();
    bed.join(9, flagged(A, 2));
    let mut run = Run::begin(&bed);
    run.tick(&mut bed);
    assert_eq!(bed.changes(), ["0.01 PREEMPT a1 a2!: good"]);
}

#[test]
fn a_defence_without_an_answer_confirms_nothing_and_is_made_again() {
    let mut bed = held();
    let mut run = Run::begin(&bed);
    run.tick(&mut bed);
    bed.join(B, flagged(B, 1));
    run.turn(&mut bed, Fate::Answered);
    run.turn(&mut bed, Fate::Answered);
    run.turn(&mut bed, Fate::Lost);
    assert_eq!(run.notes.last(), Some(&DefenceNote::Missed { why: Miss::OutOfTime, stop_at: at(6.5) }));
    assert_eq!(run.lease(&bed), Some((at(0.0), at(6.5))), "the old one runs on");
    run.tick(&mut bed);
    assert_eq!(bed.changes(), ["3.01 PREEMPT a1 b1!: unknown", "4.01 PREEMPT a1 b1!: good"]);
    assert_eq!(run.lease(&bed), Some((at(4.02), at(10.52))));
}

#[test]
fn a_conflict_on_the_defence_is_settled_by_reading() {
    let mut bed = held();
    bed.join(B, flagged(B, 1));
    let mut run = Run::begin(&bed);
    run.turn(&mut bed, Fate::Answered);
    // It stands down by itself before the PREEMPT arrives.
    bed.join(B, Key::default());
    run.tick(&mut bed);
    assert_eq!(bed.changes(), ["0.01 PREEMPT a1 b1!: conflict"]);
    assert!(run.lease(&bed).is_some());
}
