//! The clean end of a defence on a formatted device.

use super::*;
use crate::codec::quorum::Epoch;
use crate::protocol::testbed::FORMATTED;

fn held_on() -> (Bed, HeldTenure) {
    let tenure = Tenure { epoch: Epoch(6), key: settled(A, 1) };
    let mut bed = Bed::formatted(tenure, None);
    bed.join(A, settled(A, 1));
    bed.out(A, PrOut::reserve(settled(A, 1), KIND));
    (bed, HeldTenure { on: FORMATTED, tenure })
}

fn releasing(bed: &mut Bed, held: HeldTenure) -> Run {
    let mut run = Run::of(bed, FirstLease::FromTick, None, Some(held));
    run.tick(bed);
    bed.now = at(1.0);
    let step = run.defender.handle(Event::Release, bed.now);
    run.next = step.next;
    run.notes.extend(step.notes);
    bed.sent.clear();
    run
}

#[test]
fn the_mark_is_written_while_the_device_is_held_and_nothing_is_believed() {
    let (mut bed, held) = held_on();
    let mut run = releasing(&mut bed, held);
    assert_eq!(run.lease(&bed), None, "before the mark is sent");
    run.tick(&mut bed);
    assert_eq!(run.next, Next::End(DefenceEnd::Released));
    assert_eq!(
        bed.sent,
        [
            "1.00 WRITE mark 6: good",
            "1.01 READ HEAD",
            "1.02 RELEASE a1: good",
            "1.03 REGISTER a1 0: good",
            "1.04 READ KEYS"
        ]
    );
    assert!(run.notes.contains(&DefenceNote::Marked(held.tenure)));
    assert!(bed.head().is_some_and(|h| h.released()));
}

#[test]
fn a_mark_that_is_not_read_back_is_said_and_the_device_given_back_all_the_same() {
    let (mut bed, held) = held_on();
    let mut run = releasing(&mut bed, held);
    run.turn(&mut bed, Fate::Lost);
    run.tick(&mut bed);
    assert_eq!(run.next, Next::End(DefenceEnd::Released));
    assert!(run.notes.contains(&DefenceNote::NotMarked(held.tenure)));
    assert!(bed.head().is_some_and(|h| !h.released()));
}

#[test]
fn a_deposed_or_expired_defence_marks_nothing() {
    let (mut bed, held) = held_on();
    let mut run = Run::of(&bed, FirstLease::FromTick, None, Some(held));
    run.tick(&mut bed);
    assert!(matches!(run.cut_off(&mut bed), DefenceEnd::Expired { .. }));
    assert!(!bed.sent.iter().any(|l| l.contains("mark")));
}
