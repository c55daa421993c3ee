//! Several paths: one sends, the others are read back on.

use super::*;

/// Node `a` registered on all of `n` paths.
fn on_paths(n: usize) -> Bed {
    let mut bed = Bed::held_by_victim();
    for p in 1..n {
        bed.join(10 + u8::try_from(p).unwrap(), settled(A, 1));
    }
    bed
}

/// A fence in which path `dead` never answers.
fn without(bed: &mut Bed, f: &mut Fencer, dead: usize) -> FenceEnd {
    let mut next = f.start(bed.now);
    loop {
        next = match next {
            FenceNext::End(e) => return e,
            FenceNext::Issue { path, .. } if path == dead => bed.turn(f, next, Fate::Lost),
            _ => bed.turn(f, next, Fate::Answered),
        };
    }
}

#[test]
fn one_path_sends_and_each_reads_back() {
    let mut bed = on_paths(3);
    let (f, end) = bed.fence(&order(), 3);
    assert_eq!(end, FenceEnd::Confirmed(How::Done));
    assert_eq!(
        bed.sent,
        [
            "0 READ FULL STATUS",
            "0 PREEMPT AND ABORT a1 of b1: good",
            "0 READ FULL STATUS",
            "1 READ FULL STATUS",
            "2 READ FULL STATUS"
        ]
    );
    assert_eq!(f.proofs(), [(1, PathProof::Same), (2, PathProof::Same)]);
}

#[test]
fn a_dead_first_path_is_passed_over() {
    let mut bed = on_paths(2);
    let mut f = Fencer::new(&FenceOrder { silent_paths: SilentPaths::Accepted, ..order() }, unit(2)).unwrap();
    assert_eq!(without(&mut bed, &mut f, 0), FenceEnd::Confirmed(How::Done));
    assert_eq!(f.lead(), 1);
    assert_eq!(bed.sent.iter().filter(|l| l.contains("PREEMPT")).count(), 1, "{:#?}", bed.sent);
}

#[test]
fn a_silent_path_proves_nothing_unless_that_is_accepted() {
    let mut bed = on_paths(2);
    let mut f = Fencer::new(&order(), unit(2)).unwrap();
    let end = without(&mut bed, &mut f, 1);
    assert_eq!(end, FenceEnd::Unknown { doubt: FenceDoubt::PathSilent(1), why: NoAnswer::Outstanding });
    assert!(f.last().unwrap().victims.is_empty());

    let mut bed = on_paths(2);
    let mut f = Fencer::new(&FenceOrder { silent_paths: SilentPaths::Accepted, ..order() }, unit(2)).unwrap();
    assert_eq!(without(&mut bed, &mut f, 1), FenceEnd::Confirmed(How::Done));
}

#[test]
fn a_path_that_shows_something_else_is_never_accepted() {
    let mut bed = on_paths(2);
    let mut other = on_paths(2);
    let mut f = Fencer::new(&FenceOrder { silent_paths: SilentPaths::Accepted, ..order() }, unit(2)).unwrap();
    let mut next = f.start(bed.now);
    let end = loop {
        next = match next {
            FenceNext::End(e) => break e,
            FenceNext::Issue { path: 1, .. } => other.turn(&mut f, next, Fate::Answered),
            _ => bed.turn(&mut f, next, Fate::Answered),
        };
    };
    assert_eq!(end, FenceEnd::Unknown { doubt: FenceDoubt::PathDiffers(1), why: NoAnswer::Contradiction });
}

#[test]
fn a_path_that_is_not_registered_hands_over_to_one_that_is() {
    let mut bed = on_paths(2);
    bed.out(A, PrOut::register(settled(A, 1), Key::default(), Aptpl::No));
    let (f, end) = bed.fence(&order(), 2);
    assert_eq!(end, FenceEnd::Confirmed(How::Done), "{:#?}", bed.sent);
    assert_eq!(bed.sent[1], "0 PREEMPT AND ABORT a1 of b1: conflict");
    assert_eq!(f.lead(), 1);
}
