//! What an earlier life left behind.

use super::*;

fn returning(bed: &Bed, nexus_ghost: Option<Key>) -> Run {
    Run::with(bed, 2, &[flagged(B, 1), settled(B, 1)], nexus_ghost)
}

#[test]
fn an_own_ghost_that_holds_is_re_keyed_in_place() {
    let mut bed = Bed::held_by(B, settled(B, 1));
    let mut run = returning(&bed, Some(settled(B, 1)));
    assert_eq!(run.up_to_window(&mut bed), at(7.05), "others may be challenging it");
    assert!(matches!(run.end(&mut bed), ChallengeEnd::Won { key, .. } if key == settled(B, 2)));
    assert_eq!(bed.changes(), ["0.02 REGISTER b1 b2!: good", "7.07 REGISTER b2! b2: good"]);
}

#[test]
fn an_own_ghost_that_holds_nothing_is_removed_first() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    bed.join(B, flagged(B, 1));
    let mut run = returning(&bed, Some(flagged(B, 1)));
    run.up_to_window(&mut bed);
    assert!(run.notes.contains(&ChallengeNote::RemovingGhost(flagged(B, 1))));
    assert_eq!(bed.changes(), ["0.02 REGISTER b1! 0: good", "0.05 REGISTER 0 b2!: good"]);
}

#[test]
fn a_ghost_on_a_nexus_that_died_stays_where_it_is() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    // The key stands on another port of this node than the one the challenge comes by.
    bed.join(9, settled(B, 1));
    let mut run = returning(&bed, Some(settled(B, 1)));
    run.up_to_window(&mut bed);
    assert_eq!(bed.changes(), ["0.02 REGISTER b1 0: conflict", "0.03 REGISTER 0 b2!: good"]);
}

#[test]
fn a_ghost_that_holds_on_a_dead_nexus_is_preempted_like_anybody() {
    let mut bed = Bed::held_by(9, settled(B, 1));
    let mut run = returning(&bed, Some(settled(B, 1)));
    assert!(matches!(run.end(&mut bed), ChallengeEnd::Won { from: Some(k), .. } if k == settled(B, 1)));
    assert_eq!(
        bed.changes(),
        [
            "0.02 REGISTER b1 b2!: conflict",
            "0.03 REGISTER 0 b2!: good",
            "7.08 PREEMPT AND ABORT b2! b1: good",
            "7.11 REGISTER b2! b2: good",
        ]
    );
}
