//! The last moments, early wakes and the rarer refusals: what a golden timeline passes by.

use std::time::Duration;

use super::super::*;
use super::bed::{A, B, Bed, Challenge, Defence, Fate, asks, at, challenge, defence};
use crate::codec::{Sense, SenseKey};
use crate::protocol::wire::{Command, Event, Next, NoAnswer, Reply};
use crate::protocol::{FedWatchdog, Lease};
use crate::time::Instant;

const NANO: Duration = Duration::from_nanos(1);
const BUDGET: Duration = Duration::from_millis(500);
const TICK: Duration = Duration::from_secs(3);
const WINDOW: Duration = Duration::from_secs(7);

fn waits<E: std::fmt::Debug>(next: Next<E>) -> Instant {
    let Next::Wait(until) = next else { panic!("{next:?}") };
    until
}

fn deadline<E: std::fmt::Debug>(next: Next<E>, wanted: Command) -> Instant {
    let Next::Issue { command, deadline } = next else { panic!("{next:?}") };
    assert_eq!(command, wanted);
    deadline
}

/// Woken a moment early, it waits for the same; woken then, it sends.
fn wakes_in_time(run: &mut Challenge, bed: &mut Bed, sends: Command) {
    let until = waits(run.next);
    bed.now = until - NANO;
    run.event(bed, Event::Wake);
    assert_eq!(run.next, Next::Wait(until), "nothing before {sends:?} is due");
    bed.now = until;
    run.event(bed, Event::Wake);
    deadline(run.next, sends);
}

#[test]
fn a_challenger_sends_nothing_before_its_time() {
    let mut bed = Bed::held_by(B);
    let mut run = challenge(&bed, A);
    run.turn(&mut bed, Fate::Lost);
    assert_eq!(waits(run.next), bed.now + BUDGET);
    wakes_in_time(&mut run, &mut bed, Command::ReadKeys);
    run.up_to(&mut bed, |n| matches!(n, Next::Wait(_)));
    wakes_in_time(&mut run, &mut bed, Command::Reserve6);
    run.turn(&mut bed, Fate::Answered);
    wakes_in_time(&mut run, &mut bed, Command::Reserve6);
    run.turn(&mut bed, Fate::Answered);
    run.event(&bed, Event::Release);
    assert_eq!(deadline(run.next, Command::Release6), bed.now + TICK);
    run.turn(&mut bed, Fate::Busy);
    assert_eq!(waits(run.next), bed.now + BUDGET);
    wakes_in_time(&mut run, &mut bed, Command::Release6);
}

#[test]
fn a_wake_while_a_command_is_outstanding_sends_nothing_for_a_tick() {
    let mut bed = Bed::held_by(B);
    let mut run = challenge(&bed, A);
    bed.now = at(1.0);
    run.event(&bed, Event::Wake);
    assert_eq!(waits(run.next), at(4.0));
}

/// A disk that does not answer is looked at for one window, to the moment.
#[test]
fn looking_goes_on_for_a_window() {
    let mut bed = Bed::held_by(B);
    let mut run = challenge(&bed, A);
    bed.now = at(7.0) - NANO;
    let silence = || Event::Reply(Reply::Unknown(NoAnswer::Outstanding));
    run.event(&bed, silence());
    assert_eq!(waits(run.next), at(7.0), "not past the end");
    bed.now = at(7.0);
    run.event(&bed, Event::Wake);
    deadline(run.next, Command::ReadKeys);
    run.event(&bed, silence());
    assert_eq!(run.next, Next::End(LegacyEnd::Unreachable(NoAnswer::Outstanding)));
}

/// Only ILLEGAL REQUEST says that a target knows the command not; anything else may pass.
#[test]
fn another_sense_than_illegal_request_is_asked_again() {
    let not_ready = Sense::new(SenseKey::NOT_READY, 0x04, 0x01);
    let refused = || Event::Reply(Reply::Refused(NoAnswer::Sense(not_ready)));
    let mut bed = Bed::free();
    let mut run = challenge(&bed, A);
    run.event(&bed, refused());
    assert_eq!(waits(run.next), BUDGET_LATER, "READ KEYS is asked again");
    run.up_to(&mut bed, asks(Command::Reserve6));
    run.event(&bed, refused());
    waits(run.next);
    run.turn(&mut bed, Fate::Answered);
    deadline(run.next, Command::Reserve6);
}

const BUDGET_LATER: Instant = Instant::from_nanos(500_000_000);

/// Where another's reset came in the window and another is holder afterwards, the own reset, long done or
/// never heard of, is not what was met.
#[test]
fn what_a_second_look_meets_is_met_after_the_window() {
    for fate in [Fate::Answered, Fate::AnswerLost] {
        let mut bed = Bed::held_by(B);
        let mut run = challenge(&bed, A);
        run.up_to(&mut bed, |n| matches!(n, Next::Issue { command: Command::Reset(_), .. }));
        run.turn(&mut bed, fate);
        run.up_to(&mut bed, asks(Command::Reserve6));
        bed.reset();
        run.turn(&mut bed, Fate::Answered);
        deadline(run.next, Command::TestUnitReady);
        bed.reserve(B);
        let end = run.end(&mut bed);
        assert_eq!(end, LegacyEnd::Defended { met: Met::AfterWindow, stray: Stray::None }, "{fate:?}");
    }
}

/// A success is one in time only before its budget's end.
#[test]
fn a_success_at_the_end_of_its_budget_owns_nothing_yet() {
    for (early, won) in [(NANO, true), (Duration::ZERO, false)] {
        let mut bed = Bed::free();
        let mut run = challenge(&bed, A);
        run.up_to(&mut bed, asks(Command::Reserve6));
        let first = bed.now;
        while bed.now < first + WINDOW || !matches!(run.next, Next::Issue { .. }) {
            run.turn(&mut bed, Fate::Answered);
        }
        bed.now = bed.now + BUDGET - early;
        run.event(&bed, Event::Reply(Reply::Good));
        assert_eq!(matches!(run.next, Next::End(LegacyEnd::Won { .. })), won, "{:?}", run.next);
        assert!(won || waits(run.next) > bed.now, "the next one in its rhythm");
    }
}

/// A target that attends without end is left after so many in one tick, long before time is up.
#[test]
fn attentions_without_end_end_a_tick_of_the_hold() {
    let mut bed = Bed::free();
    let mut run = challenge(&bed, A);
    run.up_to(&mut bed, asks(Command::Reserve6));
    run.turn(&mut bed, Fate::Answered);
    run.up_to(&mut bed, asks(Command::Reserve6));
    let sense = Sense::new(SenseKey::UNIT_ATTENTION, 0x29, 0);
    for n in 0..16 {
        run.event(&bed, Event::Reply(Reply::Attention(sense)));
        assert!(asks(Command::Reserve6)(&run.next), "after {n}: {:?}", run.next);
    }
    run.event(&bed, Event::Reply(Reply::Attention(sense)));
    deadline(run.next, Command::Release6);
    let end = run.end(&mut bed);
    let refused = LegacyEnd::Refused { why: LegacyRefusal::Restless, left: Left::Released };
    assert_eq!(end, refused);
}

/// A RELEASE that never ended GOOD gave nothing back, though no RESERVE is open.
#[test]
fn without_a_good_release_it_may_hold() {
    let mut bed = Bed::free();
    let mut run = challenge(&bed, A);
    run.up_to(&mut bed, asks(Command::Reserve6));
    run.turn(&mut bed, Fate::Answered);
    run.event(&bed, Event::Release);
    let end = run.end_with(&mut bed, |_| Fate::Busy);
    assert_eq!(end, LegacyEnd::Refused { why: LegacyRefusal::Cancelled, left: Left::MayHold });
}

fn waiting(bed: &mut Bed) -> Defence {
    let mut run = defence(bed, 2.0);
    run.up_to_wait(bed);
    run
}

#[test]
fn a_lease_is_over_in_the_moment_it_ends() {
    let mut bed = Bed::held_by(A);
    let run = waiting(&mut bed);
    let lease = Lease { from: at(0.0), until: at(6.5) };
    assert_eq!(run.machine.lease(lease.until - NANO), Some(lease));
    assert_eq!(run.machine.lease(lease.until), None);
}

#[test]
fn a_defender_woken_early_waits_on_and_a_late_tick_keeps_no_old_rhythm() {
    let mut bed = Bed::held_by(A);
    let mut run = waiting(&mut bed);
    bed.now = at(3.0) - NANO;
    run.event(&bed, Event::Wake);
    assert_eq!(run.next, Next::Wait(at(3.0)));
    // Late, but within its budget: the next one is due as ever.
    bed.now = at(3.5) - NANO;
    run.event(&bed, Event::Wake);
    assert_eq!(deadline(run.next, Command::Reserve6), bed.now + BUDGET);
    run.turn(&mut bed, Fate::Answered);
    assert_eq!(run.next, Next::Wait(at(6.0)));
    // Later than that: a tick from then.
    bed.now = at(6.5);
    run.event(&bed, Event::Wake);
    run.turn(&mut bed, Fate::Answered);
    assert_eq!(run.next, Next::Wait(at(9.5)));
}

#[test]
fn a_wake_of_the_defender_under_a_command_sends_nothing() {
    let mut bed = Bed::held_by(A);
    let mut run = waiting(&mut bed);
    bed.now = at(3.0);
    run.event(&bed, Event::Wake);
    deadline(run.next, Command::Reserve6);
    run.event(&bed, Event::Wake);
    assert_eq!(run.next, Next::Wait(at(3.5)));
}

/// A RESERVE sent again for an attention has the tick's budget while that lasts, and one of its own after.
#[test]
fn a_defence_after_an_attention_has_time_enough() {
    let attention = || Event::Reply(Reply::Attention(Sense::new(SenseKey::UNIT_ATTENTION, 0x29, 0)));
    for (after, ends) in [(BUDGET - NANO, at(3.5)), (BUDGET, at(4.0))] {
        let mut bed = Bed::held_by(A);
        let mut run = waiting(&mut bed);
        bed.now = at(3.0);
        run.event(&bed, Event::Wake);
        bed.now = at(3.0) + after;
        run.event(&bed, attention());
        assert_eq!(deadline(run.next, Command::Reserve6), ends);
    }
    // So many a tick, and no more.
    let mut bed = Bed::held_by(A);
    let mut run = waiting(&mut bed);
    bed.now = at(3.0);
    run.event(&bed, Event::Wake);
    for _ in 0..16 {
        run.event(&bed, attention());
        deadline(run.next, Command::Reserve6);
    }
    run.event(&bed, attention());
    waits(run.next);
}

/// The moment named as the last to feed is exclusive: a success at it feeds no watchdog.
#[test]
fn a_success_at_the_end_of_its_budget_feeds_no_watchdog() {
    for (early, stop) in [(NANO, at(7.5)), (Duration::ZERO, at(4.5))] {
        let mut bed = Bed::held_by(A);
        let watchdog = FedWatchdog { timeout: Duration::from_secs(5), fed: at(0.0) };
        let mut run = super::bed::defence_with(&bed, 6.5, Some(watchdog));
        run.up_to_wait(&mut bed);
        bed.now = at(3.0);
        run.event(&bed, Event::Wake);
        bed.now = at(3.5) - early;
        run.event(&bed, Event::Reply(Reply::Good));
        assert_eq!(run.machine.stop_at(), stop);
    }
}

#[test]
fn a_release_is_repeated_after_its_pause_and_no_sooner() {
    let mut bed = Bed::held_by(A);
    let mut run = waiting(&mut bed);
    run.event(&bed, Event::Release);
    assert_eq!(deadline(run.next, Command::Release6), bed.now + TICK);
    run.event(&bed, Event::Wake);
    assert_eq!(run.next, Next::Wait(bed.now + TICK), "one is outstanding");
    run.event(&bed, Event::Reply(Reply::Refused(NoAnswer::Busy(8))));
    let resume = bed.now + BUDGET;
    assert_eq!(run.next, Next::Wait(resume));
    bed.now = resume - NANO;
    run.event(&bed, Event::Wake);
    assert_eq!(run.next, Next::Wait(resume));
    bed.now = resume;
    run.event(&bed, Event::Wake);
    deadline(run.next, Command::Release6);
}

/// A RESERVE that nobody answered may come for five minutes, and then no more.
#[test]
fn a_stray_is_possible_for_its_life_and_no_longer() {
    let life = Duration::from_secs(300);
    for (now, stray) in [(life - NANO, Stray::Possible), (life, Stray::None)] {
        let mut bed = Bed::held_by(A);
        let mut run = waiting(&mut bed);
        run.turn(&mut bed, Fate::Answered);
        run.turn(&mut bed, Fate::Lost);
        bed.now = bed.now + now;
        run.event(&bed, Event::Wake);
        let Next::End(LegacyDefenceEnd::Expired { stray: said, .. }) = run.next else {
            panic!("{:?}", run.next)
        };
        assert_eq!(said, stray);
    }
}
