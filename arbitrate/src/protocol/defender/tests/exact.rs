//! Instants to the nanosecond, and wake-ups that come too early: each of these kills a mutant.

use super::*;

/// `seconds` after the beginning, less one nanosecond.
fn just_before(seconds: f64) -> Instant {
    at(seconds) - Duration::from_nanos(1)
}

/// A defence whose first tick, at 0.00, was confirmed.
fn confirmed(bed: &mut Bed) -> Run {
    let mut run = Run::begin(bed);
    run.tick(bed);
    run
}

#[test]
fn a_lease_does_not_hold_at_its_end() {
    let mut bed = held();
    let run = confirmed(&mut bed);
    assert!(run.defender.lease(just_before(6.5)).is_some());
    assert_eq!(run.defender.lease(at(6.5)), None);
}

#[test]
fn an_early_wake_up_begins_no_tick() {
    let mut bed = held();
    let mut run = confirmed(&mut bed);
    assert_eq!(run.defender.handle(Event::Wake, just_before(3.0)).next, Next::Wait(at(3.0)));
    assert!(matches!(run.defender.handle(Event::Wake, at(3.0)).next, Next::Issue { .. }));
}

#[test]
fn a_wake_up_while_a_command_is_outstanding_looks_ahead() {
    let mut bed = held();
    let mut run = confirmed(&mut bed);
    run.turn(&mut bed, Fate::Answered);
    assert!(matches!(run.next, Next::Issue { .. }));
    assert_eq!(run.defender.handle(Event::Wake, at(3.1)).next, Next::Wait(at(3.6)));
}

#[test]
fn a_tick_late_by_its_budget_sets_a_new_rhythm() {
    for (late, next) in [(3.3, 6.0), (3.5, 6.5)] {
        let mut bed = held();
        let mut run = confirmed(&mut bed);
        bed.now = at(late);
        run.tick(&mut bed);
        assert_eq!(run.next, Next::Wait(at(next)), "{late}");
    }
}

#[test]
fn a_challenge_seen_at_the_end_of_the_budget_is_left_to_the_next_tick() {
    for (seen, missed) in [(just_before(3.5), false), (at(3.5), true)] {
        let mut bed = held();
        let mut run = confirmed(&mut bed);
        run.turn(&mut bed, Fate::Answered);
        let keys = KeysView::emit(bed.unit.generation(), &[settled(A, 1), flagged(B, 1)]);
        let step = run.defender.handle(Event::Reply(Reply::Keys(KeysView::parse(&keys).unwrap())), seen);
        assert_eq!(matches!(step.next, Next::Wait(_)), missed, "{seen:?}");
        let why = Miss::OutOfTime;
        assert_eq!(
            step.notes.iter().any(|n| matches!(n, DefenceNote::Missed { why: w, .. } if *w == why)),
            missed
        );
    }
}

#[test]
fn a_confirmation_at_the_end_of_the_budget_does_not_feed() {
    for (at_time, stop) in [(just_before(3.5), at(7.5)), (at(3.5), at(4.5))] {
        let mut bed = held();
        let fed = Some(FedWatchdog { timeout: Duration::from_secs(5), fed: at(0.0) });
        let mut run = Run::with(&bed, FirstLease::FromTick, fed);
        run.tick(&mut bed);
        run.turn(&mut bed, Fate::Answered);
        run.turn(&mut bed, Fate::Answered);
        let holder = Reply::Reservation(bed.unit.read_reservation());
        let _ = run.defender.handle(Event::Reply(holder), at_time);
        assert_eq!(run.defender.stop_at(), stop, "{at_time:?}");
    }
}

/// The command that `next` asks for, its deadline told from `now`.
fn allowed(next: Next<DefenceEnd>, now: Instant) -> Duration {
    match next {
        Next::Issue { deadline, .. } => deadline.since(now),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_step_of_a_release_has_a_tick_and_the_proof_a_window() {
    let tick = Duration::from_secs(3);
    let mut bed = held();
    let mut run = confirmed(&mut bed);
    bed.now = at(1.0);
    run.next = run.defender.handle(Event::Release, bed.now).next;
    assert_eq!(allowed(run.next, bed.now), tick, "RELEASE");
    assert_eq!(run.defender.handle(Event::Wake, at(1.5)).next, Next::Wait(at(4.5)), "nothing is due");
    run.turn(&mut bed, Fate::Answered);
    assert_eq!(allowed(run.next, bed.now), tick, "REGISTER 0");
    // The key stays: it is looked for again and again, for a window.
    run.turn(&mut bed, Fate::Lost);
    let looked_from = bed.now;
    assert_eq!(allowed(run.next, bed.now), tick, "READ KEYS");
    run.turn(&mut bed, Fate::Answered);
    let Next::Wait(resume) = run.next else { panic!("{:?}", run.next) };
    assert_eq!(resume.since(bed.now), Duration::from_millis(500));
    let early = resume - Duration::from_nanos(1);
    assert_eq!(run.defender.handle(Event::Wake, early).next, Next::Wait(resume), "not before its time");
    while !matches!(run.next, Next::End(_)) {
        run.turn(&mut bed, Fate::Answered);
    }
    assert_eq!(run.next, Next::End(DefenceEnd::ReleaseUnproven));
    assert!(bed.now.since(looked_from) >= Duration::from_secs(7), "a whole window");
}
