//! Instants to the nanosecond, and what ends a look that brings nothing: each of these kills a mutant that
//! no other test of the fence noticed.

use super::*;

/// Why a changing command has no answer, to be told from the looks after it.
const LINK_DOWN: NoAnswer = NoAnswer::Transport(1, 0, 0);

fn sense(key: SenseKey) -> NoAnswer {
    NoAnswer::Sense(Sense::new(key, 0x20, 0))
}

fn fencer(order: &FenceOrder, paths: usize) -> Fencer {
    Fencer::new(order, unit(paths)).unwrap()
}

fn says(f: &mut Fencer, bed: &Bed, r: FenceReply<'_>) -> FenceNext {
    f.handle(FenceEvent::Reply(r), bed.now)
}

/// The end, where every further command is answered by `r`.
fn then_only(f: &mut Fencer, bed: &mut Bed, mut next: FenceNext, r: FenceReply<'_>) -> FenceEnd {
    for _ in 0..1000 {
        next = match next {
            FenceNext::End(e) => return e,
            FenceNext::Issue { .. } => says(f, bed, r),
            FenceNext::Wait(_) => bed.turn(f, next, Fate::Answered),
        };
    }
    panic!("a fence without end: {next:?}")
}

/// Nodes `a` and `b` registered, and no reservation.
fn unheld() -> Bed {
    let mut bed = Bed::default();
    bed.join(A, settled(A, 1));
    bed.join(B, settled(B, 1));
    bed
}

#[test]
fn what_was_not_done_is_not_told() {
    let (f, end) = Bed::held_by_victim().fence(&order(), 1);
    assert_eq!(end, FenceEnd::Confirmed(How::Done));
    assert!(!f.reserved(), "the victim's reservation was taken over, none was missing");
    assert!(!f.drained());
    assert_eq!(f.lead(), 0);
}

#[test]
fn an_early_wake_up_does_not_end_a_pause() {
    let mut bed = Bed::held_by_victim();
    let mut f = fencer(&order(), 1);
    let next = f.start(bed.now);
    let FenceNext::Wait(resume) = bed.turn(&mut f, next, Fate::Lost) else { panic!("looked again at once") };
    let early = resume - Duration::from_nanos(1);
    assert_eq!(f.handle(FenceEvent::Wake, early), FenceNext::Wait(resume));
    assert!(matches!(f.handle(FenceEvent::Wake, resume), FenceNext::Issue { .. }));
}

#[test]
fn a_wake_up_while_a_command_is_outstanding_looks_ahead() {
    let mut f = fencer(&order(), 1);
    let now = Instant::default() + Duration::from_secs(1);
    let asked = f.start(now);
    assert!(matches!(asked, FenceNext::Issue { .. }));
    assert_eq!(f.handle(FenceEvent::Wake, now), FenceNext::Wait(now + PAUSE));
}

/// The kernel takes its time over a reset, so that it has the whole budget.
#[test]
fn every_command_but_a_reset_has_the_timeout_of_a_command() {
    let mut bed = Bed::held_by_victim();
    let order = FenceOrder { drain: Drain::Reset, ..order() };
    let (mut f, begun) = (fencer(&order, 1), bed.now);
    let mut next = f.start(bed.now);
    let mut resets = 0;
    while let FenceNext::Issue { command, deadline, .. } = next {
        let expected = match command {
            FenceCommand::ResetUnit => {
                resets += 1;
                begun + order.budget
            }
            _ => bed.now + order.command_timeout,
        };
        assert_eq!(deadline, expected, "{command:?}");
        next = bed.turn(&mut f, next, Fate::Answered);
    }
    assert_eq!(next, FenceNext::End(FenceEnd::Confirmed(How::Done)));
    assert_eq!(resets, 1);
}

#[test]
fn barred_from_reading_is_a_refusal_before_the_first_change_and_unknown_after() {
    let mut bed = Bed::held_by_victim();
    let mut f = fencer(&order(), 1);
    f.start(bed.now);
    let end = says(&mut f, &bed, FenceReply::Conflict);
    assert_eq!(end, FenceNext::End(FenceEnd::Refused(FenceRefusal::LegacyReservation)));

    let mut f = fencer(&order(), 1);
    let mut next = f.start(bed.now);
    next = bed.turn(&mut f, next, Fate::Answered);
    next = bed.turn(&mut f, next, Fate::Answered);
    let end = then_only(&mut f, &mut bed, next, FenceReply::Conflict);
    assert_eq!(end, FenceEnd::Unknown { doubt: FenceDoubt::Blind, why: NoAnswer::Barred });
}

#[test]
fn a_target_that_refuses_to_be_read_after_the_change_leaves_it_unknown() {
    let mut bed = Bed::held_by_victim();
    let mut f = Fencer::new(&order(), FenceUnit { way: Way::KeysAndReservation, ..unit(1) }).unwrap();
    let mut next = f.start(bed.now);
    while !matches!(next, FenceNext::Issue { command: FenceCommand::Out(_), .. }) {
        next = bed.turn(&mut f, next, Fate::Answered);
    }
    next = bed.turn(&mut f, next, Fate::Answered);
    let why = sense(SenseKey::ILLEGAL_REQUEST);
    let end = then_only(&mut f, &mut bed, next, FenceReply::Refused(why));
    assert_eq!(end, FenceEnd::Unknown { doubt: FenceDoubt::Blind, why });
}

/// Only ILLEGAL REQUEST says that the target does not know the command.
#[test]
fn a_target_that_is_not_ready_is_asked_the_same_again() {
    let mut bed = Bed::held_by_victim();
    let mut f = fencer(&order(), 1);
    let why = sense(SenseKey::NOT_READY);
    let end = bed.run(&mut f, |_, _| Fate::Refused(why));
    assert_eq!(end, FenceEnd::Unknown { doubt: FenceDoubt::Unread, why });
    assert_eq!(bed.sent, ["0 READ FULL STATUS: refused"; LOOK_TRIES]);
}

#[test]
fn no_look_is_begun_for_which_a_pause_leaves_no_time() {
    let mut bed = Bed::held_by_victim();
    let mut f = fencer(&FenceOrder { budget: order().command_timeout + PAUSE, ..order() }, 1);
    let end = bed.run(&mut f, |_, _| Fate::Lost);
    assert_eq!(end, FenceEnd::Unknown { doubt: FenceDoubt::Unread, why: NoAnswer::Outstanding });
    assert_eq!(bed.sent.len(), 1);
}

#[test]
fn blind_after_a_command_without_an_answer_it_is_that_command_that_is_open() {
    for (mut bed, doubt) in [(Bed::held_by_victim(), FenceDoubt::Preempt), (unheld(), FenceDoubt::Reserve)] {
        let mut f = fencer(&order(), 1);
        let next = f.start(bed.now);
        let next = bed.turn(&mut f, next, Fate::Answered);
        assert!(matches!(next, FenceNext::Issue { command: FenceCommand::Out(_), .. }));
        let next = says(&mut f, &bed, FenceReply::Unknown(LINK_DOWN));
        let end = then_only(&mut f, &mut bed, next, FenceReply::Unknown(NoAnswer::Outstanding));
        assert_eq!(end, FenceEnd::Unknown { doubt, why: LINK_DOWN });
    }
}

#[test]
fn the_other_path_is_asked_at_once_and_the_first_again_after_a_pause() {
    let bed = Bed::held_by_victim();
    let mut f = fencer(&order(), 2);
    let lost = FenceReply::Unknown(LINK_DOWN);
    assert!(matches!(f.start(bed.now), FenceNext::Issue { path: 0, .. }));
    assert!(matches!(says(&mut f, &bed, lost), FenceNext::Issue { path: 1, .. }));
    let resume = bed.now + PAUSE;
    assert_eq!(says(&mut f, &bed, lost), FenceNext::Wait(resume));
    assert!(matches!(f.handle(FenceEvent::Wake, resume), FenceNext::Issue { path: 0, .. }));
}

#[test]
fn the_own_reservation_is_the_expected_one_only_after_it_was_taken() {
    let expecting = |key| FenceOrder { holders: Holders::Only(key), ..order() };
    let mut bed = unheld();
    bed.out(A, PrOut::reserve(settled(A, 1), KIND));
    let (f, end) = bed.fence(&expecting(settled(C, 1)), 1);
    let held = Holder { key: settled(A, 1), kind: KIND };
    assert_eq!(end, FenceEnd::Refused(FenceRefusal::OtherHolder(held)));
    assert!(!f.changed());
    // And a third one's never is.
    let mut bed = Bed::held_by_victim();
    bed.join(C, settled(C, 1));
    let mut f = fencer(&expecting(settled(B, 1)), 1);
    let mut next = f.start(bed.now);
    next = bed.turn(&mut f, next, Fate::Answered);
    next = bed.turn(&mut f, next, Fate::Answered);
    let p = Preempt { own: settled(C, 1), victim: settled(A, 1), kind: KIND, abort: Abort::No };
    bed.out(C, PrOut::preempt(p));
    let held = Holder { key: settled(C, 1), kind: KIND };
    let refused = FenceNext::End(FenceEnd::Refused(FenceRefusal::OtherHolder(held)));
    assert_eq!(bed.turn(&mut f, next, Fate::Answered), refused);
}

/// A fence whose RESERVE has no answer and was not executed, pausing.
fn reserve_open(bed: &mut Bed) -> Fencer {
    let mut f = fencer(&order(), 1);
    let next = f.start(bed.now);
    let next = bed.turn(&mut f, next, Fate::Answered);
    assert!(matches!(next, FenceNext::Issue { command: FenceCommand::Out(_), .. }));
    let next = says(&mut f, bed, FenceReply::Unknown(LINK_DOWN));
    assert!(matches!(next, FenceNext::Wait(_)), "{next:?}");
    f
}

#[test]
fn a_late_reserve_is_waited_for() {
    let mut bed = unheld();
    let mut f = reserve_open(&mut bed);
    bed.now = bed.now + PAUSE;
    let look = f.handle(FenceEvent::Wake, bed.now);
    let mut next = bed.turn(&mut f, look, Fate::Answered);
    assert_eq!(next, FenceNext::Wait(bed.now + PAUSE), "still nobody's");
    bed.out(A, PrOut::reserve(settled(A, 1), KIND));
    let end = loop {
        match next {
            FenceNext::End(e) => break e,
            _ => next = bed.turn(&mut f, next, Fate::Answered),
        }
    };
    assert_eq!(end, FenceEnd::Confirmed(How::Done));
    assert!(f.reserved());
}

#[test]
fn a_reserve_is_waited_for_as_long_as_a_pause_leaves_time() {
    let open = FenceNext::End(FenceEnd::Unknown { doubt: FenceDoubt::Reserve, why: LINK_DOWN });
    for early in [Duration::ZERO, Duration::from_nanos(1)] {
        let mut bed = unheld();
        let until = bed.now + order().budget;
        let mut f = reserve_open(&mut bed);
        bed.now = until - PAUSE - STEP - early;
        let look = f.handle(FenceEvent::Wake, bed.now);
        let next = bed.turn(&mut f, look, Fate::Answered);
        let expected = if early.is_zero() { open } else { FenceNext::Wait(until - early) };
        assert_eq!(next, expected);
    }
}

#[test]
fn a_path_that_shows_no_reservation_is_no_proof_where_one_is_asked_for() {
    let mut bed = Bed::held_by_victim();
    let mut bare = Bed::default();
    bare.join(A, settled(A, 1));
    let mut f = fencer(&order(), 2);
    let mut next = f.start(bed.now);
    let end = loop {
        next = match next {
            FenceNext::End(e) => break e,
            FenceNext::Issue { path: 1, .. } => bare.turn(&mut f, next, Fate::Answered),
            _ => bed.turn(&mut f, next, Fate::Answered),
        };
    };
    assert_eq!(end, FenceEnd::Unknown { doubt: FenceDoubt::PathDiffers(1), why: NoAnswer::Contradiction });
    // Where none is asked for its absence is no difference.
    let (f, end) = unheld().fence(&FenceOrder { protection: Protection::NotAsked, ..order() }, 2);
    assert_eq!(end, FenceEnd::Confirmed(How::Done));
    assert_eq!(f.proofs(), [(1, PathProof::Same)]);
}

/// Of the types the victim may hold, this node's takes the place only of one that lets registrants in and
/// has one holder.
#[test]
fn a_preempt_keeps_the_type_only_where_it_lets_registrants_in() {
    use ReservationType::{ExclusiveAccessRegistrantsOnly, WriteExclusiveRegistrantsOnly};
    for held in ReservationType::ALL {
        let mut bed = unheld();
        bed.out(B, PrOut::reserve(settled(B, 1), held));
        let mut f = fencer(&order(), 1);
        let next = f.start(bed.now);
        let next = bed.turn(&mut f, next, Fate::Answered);
        let FenceNext::Issue { command: FenceCommand::Out(out), .. } = next else { panic!("{next:?}") };
        let kept = matches!(held, WriteExclusiveRegistrantsOnly | ExclusiveAccessRegistrantsOnly);
        assert_eq!(out.kind, Some(if kept { held } else { WriteExclusiveRegistrantsOnly }), "{held:?}");
    }
}
