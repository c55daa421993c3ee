//! Commands without an answer: settled by reading, or said to be unknown.

use super::*;

fn is_out(c: &FenceCommand) -> bool {
    matches!(c, FenceCommand::Out(_))
}

fn preempts(bed: &Bed) -> usize {
    bed.sent.iter().filter(|l| l.contains("PREEMPT")).count()
}

#[test]
fn an_unreachable_device_is_unknown_and_nothing_was_sent() {
    let mut bed = Bed::held_by_victim();
    let mut f = Fencer::new(&order(), unit(1)).unwrap();
    let end = bed.run(&mut f, |_, _| Fate::Lost);
    assert_eq!(end, FenceEnd::Unknown { doubt: FenceDoubt::Unread, why: NoAnswer::Outstanding });
    assert!(!f.changed());
    assert_eq!(bed.sent.len(), LOOK_TRIES);
}

#[test]
fn a_preempt_without_an_answer_leaves_the_victims_commands_in_doubt() {
    let mut bed = Bed::held_by_victim();
    let mut f = Fencer::new(&order(), unit(1)).unwrap();
    let end = bed.run(&mut f, |_, c| if is_out(c) { Fate::AnswerLost } else { Fate::Answered });
    assert_eq!(end, FenceEnd::Unknown { doubt: FenceDoubt::Commands, why: NoAnswer::Outstanding });
    assert_eq!(f.last().unwrap().victims.len(), 0, "its registration is gone, read back");
    assert_eq!(preempts(&bed), 1, "nothing is repeated that reading settles");
}

#[test]
fn a_reset_ends_that_doubt() {
    let mut bed = Bed::held_by_victim();
    let mut f = Fencer::new(&FenceOrder { drain: Drain::Reset, ..order() }, unit(1)).unwrap();
    let end = bed.run(&mut f, |_, c| if is_out(c) { Fate::AnswerLost } else { Fate::Answered });
    assert_eq!(end, FenceEnd::Confirmed(How::Done));
    assert_eq!(bed.resets, 1);
    // A reset that is not proven does not.
    let mut bed = Bed::held_by_victim();
    let mut f = Fencer::new(&FenceOrder { drain: Drain::Reset, ..order() }, unit(1)).unwrap();
    let end = bed.run(&mut f, |_, c| match c {
        FenceCommand::ResetUnit => Fate::Lost,
        _ => Fate::Answered,
    });
    assert!(
        matches!(end, FenceEnd::Unknown { doubt: FenceDoubt::Commands | FenceDoubt::Blind, .. }),
        "{end:?}"
    );
}

#[test]
fn a_preempt_that_was_lost_is_repeated_after_a_read() {
    let mut bed = Bed::held_by_victim();
    let mut f = Fencer::new(&order(), unit(1)).unwrap();
    let mut first = true;
    let end = bed.run(&mut f, |_, c| match is_out(c) && std::mem::take(&mut first) {
        true => Fate::Lost,
        false => Fate::Answered,
    });
    assert_eq!(end, FenceEnd::Confirmed(How::Done), "the second one ended its commands as well");
    assert_eq!(
        bed.sent,
        [
            "0 READ FULL STATUS",
            "0 PREEMPT AND ABORT a1 of b1: unknown",
            "0 READ FULL STATUS",
            "0 PREEMPT AND ABORT a1 of b1: good",
            "0 READ FULL STATUS"
        ]
    );
}

#[test]
fn preempts_that_never_answer_are_bounded() {
    let mut bed = Bed::held_by_victim();
    let mut f = Fencer::new(&FenceOrder { budget: Duration::from_secs(1000), ..order() }, unit(1)).unwrap();
    let end = bed.run(&mut f, |_, c| if is_out(c) { Fate::Lost } else { Fate::Answered });
    assert_eq!(end, FenceEnd::Unknown { doubt: FenceDoubt::Preempt, why: NoAnswer::Outstanding });
    assert_eq!(preempts(&bed), usize::from(ROUNDS));
}

#[test]
fn the_budget_ends_it_all() {
    let mut bed = Bed::held_by_victim();
    let begun = bed.now;
    let mut f = Fencer::new(&order(), unit(1)).unwrap();
    let end = bed.run(&mut f, |_, c| if is_out(c) { Fate::Lost } else { Fate::Answered });
    assert!(matches!(end, FenceEnd::Unknown { .. }), "{end:?}");
    assert!(bed.now.since(begun) <= order().budget + STEP, "{:?}", bed.now);
}

#[test]
fn a_reserve_without_an_answer_is_never_followed_by_another() {
    let mut bed = Bed::default();
    bed.join(A, settled(A, 1));
    bed.join(B, settled(B, 1));
    let mut f = Fencer::new(&order(), unit(1)).unwrap();
    let end = bed.run(&mut f, |_, c| if is_out(c) { Fate::Lost } else { Fate::Answered });
    assert_eq!(end, FenceEnd::Unknown { doubt: FenceDoubt::Reserve, why: NoAnswer::Outstanding });
    assert_eq!(bed.sent.iter().filter(|l| l.contains("RESERVE a1")).count(), 1, "{:#?}", bed.sent);

    // Executed after all: reading shows it, and the fence goes on.
    let mut bed = Bed::default();
    bed.join(A, settled(A, 1));
    bed.join(B, settled(B, 1));
    let mut f = Fencer::new(&order(), unit(1)).unwrap();
    let mut first = true;
    let end = bed.run(&mut f, |_, c| match is_out(c) && std::mem::take(&mut first) {
        true => Fate::AnswerLost,
        false => Fate::Answered,
    });
    assert_eq!(end, FenceEnd::Confirmed(How::Done));
    assert!(f.reserved());
}

#[test]
fn a_device_that_goes_blind_after_the_preempt_is_unknown() {
    let mut bed = Bed::held_by_victim();
    let mut f = Fencer::new(&order(), unit(1)).unwrap();
    let end = bed.run(&mut f, |n, _| if n < 2 { Fate::Answered } else { Fate::Lost });
    assert_eq!(end, FenceEnd::Unknown { doubt: FenceDoubt::Blind, why: NoAnswer::Outstanding });
}

#[test]
fn a_victim_removed_by_somebody_else_meanwhile_is_kept_out() {
    let mut bed = Bed::held_by_victim();
    bed.join(C, settled(C, 1));
    let mut f = Fencer::new(&order(), unit(1)).unwrap();
    let mut next = f.start(bed.now);
    next = bed.turn(&mut f, next, Fate::Answered);
    let p = Preempt { own: settled(C, 1), victim: settled(B, 1), kind: KIND, abort: Abort::Yes };
    bed.out(C, PrOut::preempt(p));
    let end = loop {
        match next {
            FenceNext::End(e) => break e,
            _ => next = bed.turn(&mut f, next, Fate::Answered),
        }
    };
    assert_eq!(end, FenceEnd::Confirmed(How::AlreadySo), "{:#?}", bed.sent);
    assert!(bed.sent[1].ends_with("conflict"));
}

#[test]
fn a_fencer_that_is_fenced_itself_is_refused() {
    let mut bed = Bed::held_by_victim();
    let mut f = Fencer::new(&order(), unit(1)).unwrap();
    let mut next = f.start(bed.now);
    next = bed.turn(&mut f, next, Fate::Answered);
    let p = Preempt { own: settled(B, 1), victim: settled(A, 1), kind: KIND, abort: Abort::Yes };
    bed.out(B, PrOut::preempt(p));
    let end = loop {
        match next {
            FenceNext::End(e) => break e,
            _ => next = bed.turn(&mut f, next, Fate::Answered),
        }
    };
    assert_eq!(end, FenceEnd::Refused(FenceRefusal::NotRegistered), "{:#?}", bed.sent);
}
