//! An admission to the nanosecond, and every way a command of it can end: each of these kills a mutant that
//! no other test of the admission noticed.

use super::super::admit::{Admission, AdmitEnd, AdmitRefusal, AdmitSetup};
use super::admit::setup;
use super::*;
use crate::protocol::testbed::{Bed as Unit, Fate as Lot};
use crate::protocol::{Command, Event, Next, Reply};

/// Runs to the end. `answer` may put a reply in the place of a command, by the command and how many changing
/// ones were asked for before it; that command is not executed.
fn run(
    bed: &mut Unit,
    setup: AdmitSetup,
    mut answer: impl FnMut(&Command, usize) -> Option<Reply<'static>>,
) -> AdmitEnd {
    let mut m = Admission::new(setup);
    let mut next = m.start(bed.now).next;
    let mut changes = 0;
    for _ in 0..1000 {
        let instead = match &next {
            Next::End(e) => return *e,
            Next::Issue { command, .. } => {
                let instead = answer(command, changes);
                changes += usize::from(matches!(command, Command::Out(_)));
                instead
            }
            Next::Wait(_) => None,
        };
        next = match instead {
            Some(r) => m.handle(Event::Reply(r), bed.now).next,
            None => bed.turn(A, next, Lot::Answered, |event, now| m.handle(event, now)).next,
        };
    }
    panic!("an admission without end")
}

fn is_out(c: &Command) -> bool {
    matches!(c, Command::Out(_))
}

fn sense() -> NoAnswer {
    NoAnswer::Sense(Sense::new(SenseKey::ILLEGAL_REQUEST, 0x20, 0))
}

fn second() -> Instant {
    Instant::default() + Duration::from_secs(1)
}

#[test]
fn a_command_ends_at_its_timeout_and_within_the_budget() {
    for (budget, ends) in [(10, 3), (2, 2)] {
        let budget = Duration::from_secs(budget);
        let mut m = Admission::new(AdmitSetup { budget, ..setup(&[], None) });
        let deadline = second() + Duration::from_secs(ends);
        assert_eq!(m.start(second()).next, Next::Issue { command: Command::ReadKeys, deadline });
    }
}

#[test]
fn an_early_wake_up_does_not_end_a_pause() {
    let mut m = Admission::new(setup(&[], None));
    m.start(second());
    let lost = Event::Reply(Reply::Unknown(NoAnswer::Outstanding));
    let resume = second() + PAUSE;
    assert_eq!(m.handle(lost, second()).next, Next::Wait(resume));
    let early = resume - Duration::from_nanos(1);
    assert_eq!(m.handle(Event::Wake, early).next, Next::Wait(resume));
    assert!(matches!(m.handle(Event::Wake, resume).next, Next::Issue { .. }));
}

#[test]
fn a_wake_up_while_a_command_is_outstanding_looks_ahead() {
    let mut m = Admission::new(setup(&[], None));
    m.start(second());
    assert_eq!(m.handle(Event::Wake, second()).next, Next::Wait(second() + PAUSE));
}

#[test]
fn it_looks_again_as_long_as_a_pause_leaves_time() {
    for early in [Duration::ZERO, Duration::from_nanos(1)] {
        let setup = setup(&[], None);
        let until = second() + setup.budget;
        let mut m = Admission::new(setup);
        m.start(second());
        let lost = Event::Reply(Reply::Unknown(NoAnswer::Outstanding));
        let over = Next::End(AdmitEnd::Unreachable(NoAnswer::Outstanding));
        let expected = if early.is_zero() { over } else { Next::Wait(until - early) };
        assert_eq!(m.handle(lost, until - PAUSE - early).next, expected);
    }
}

#[test]
fn a_register_that_is_refused_ends_it() {
    let refused = |c: &Command, _| is_out(c).then_some(Reply::Refused(NoAnswer::Busy(8)));
    let target = AdmitEnd::Refused(AdmitRefusal::Target(NoAnswer::Busy(8)));
    let mut bed = Unit::held_by(B, settled(B, 1));
    assert_eq!(run(&mut bed, setup(&[], None), refused), target);
    // The one that was to remove the ghost as well.
    let ghost = settled(A, 1);
    bed.join(A, ghost);
    assert_eq!(run(&mut bed, setup(&[ghost], Some(ghost)), refused), target);
    assert_eq!(bed.unit.key_of(NexusId(A)), Some(ghost));
}

#[test]
fn a_ghost_that_holds_by_a_dead_path_is_left_alone() {
    let ghost = settled(A, 1);
    let mut bed = Unit::held_by(9, ghost);
    let end = run(&mut bed, setup(&[ghost], Some(ghost)), |_, _| None);
    assert!(matches!(end, AdmitEnd::Admitted { holder: Some(h), .. } if h.key == ghost), "{end:?}");
    let sent = bed.changes();
    assert!(sent.len() == 2 && sent[0].ends_with("REGISTER a1 a5: conflict"), "{sent:?}");
    assert!(sent[1].ends_with("REGISTER 0 a5: good"), "{sent:?}");
}

#[test]
fn nothing_is_registered_over_a_ghost_that_stays() {
    let ghost = settled(A, 1);
    for r in [Reply::Good, Reply::Unknown(NoAnswer::Outstanding)] {
        let mut bed = Unit::held_by(B, settled(B, 1));
        bed.join(A, ghost);
        let mut changes = 0;
        let end = run(&mut bed, setup(&[ghost], Some(ghost)), |c, _| {
            changes += usize::from(is_out(c));
            is_out(c).then_some(r)
        });
        assert_eq!(end, AdmitEnd::Unknown(NoAnswer::Contradiction));
        assert_eq!(changes, 1);
    }
}

#[test]
fn what_a_register_answered_is_told_where_the_key_never_shows() {
    for (r, why) in [
        (Reply::Good, NoAnswer::Contradiction),
        (Reply::Unknown(NoAnswer::DeviceLost), NoAnswer::DeviceLost),
        (Reply::Attention(Sense::new(SenseKey::UNIT_ATTENTION, 0x29, 0)), NoAnswer::Malformed),
    ] {
        let mut bed = Unit::held_by(B, settled(B, 1));
        let end = run(&mut bed, setup(&[], None), |c, _| is_out(c).then_some(r));
        assert_eq!(end, AdmitEnd::Unknown(why));
    }
}

/// Before the first change nothing is open, so the same answers refuse.
#[test]
fn a_target_that_cannot_be_read_refuses_before_the_register_and_leaves_it_open_after() {
    for (r, refusal, why) in [
        (Reply::Conflict, AdmitRefusal::LegacyReservation, NoAnswer::Barred),
        (Reply::Refused(sense()), AdmitRefusal::Target(sense()), sense()),
    ] {
        let mut bed = Unit::held_by(B, settled(B, 1));
        assert_eq!(run(&mut bed, setup(&[], None), |_, _| Some(r)), AdmitEnd::Refused(refusal));
        let end = run(&mut bed, setup(&[], None), |_, changes| (changes > 0).then_some(r));
        assert_eq!(end, AdmitEnd::Unknown(why));
    }
}

/// A target that is busy has not refused the node.
#[test]
fn a_busy_target_is_asked_again_before_the_register() {
    let mut bed = Unit::held_by(B, settled(B, 1));
    let mut busy = 3;
    let end = run(&mut bed, setup(&[], None), |_, _| {
        busy = (busy - 1).max(0);
        (busy > 0).then_some(Reply::Refused(NoAnswer::Busy(8)))
    });
    assert!(matches!(end, AdmitEnd::Admitted { .. }), "{end:?}");
}
