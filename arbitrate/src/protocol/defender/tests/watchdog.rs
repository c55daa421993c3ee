//! With a watchdog the stop begins earlier.

use super::*;

fn fed_at(t: f64) -> Option<FedWatchdog> {
    Some(FedWatchdog { timeout: Duration::from_secs(5), fed: at(t) })
}

#[test]
fn the_stop_begins_before_it_bites() {
    let mut bed = held();
    let mut run = Run::with(&bed, FirstLease::FromTick, fed_at(0.0));
    run.tick(&mut bed);
    assert_eq!(run.defender.stop_at(), at(4.5), "s + watchdog - margin");
    assert_eq!(run.lease(&bed), Some((at(0.0), at(6.5))));
    let last = Some(Lease { from: at(0.0), until: at(6.5) });
    assert_eq!(run.cut_off(&mut bed), DefenceEnd::Expired { last });
    assert_eq!(bed.now, at(4.5));
}

#[test]
fn a_confirmation_in_time_feeds_it_from_the_beginning_of_the_tick() {
    let mut bed = held();
    let mut run = Run::with(&bed, FirstLease::FromTick, fed_at(0.0));
    run.tick(&mut bed);
    run.tick(&mut bed);
    assert_eq!(run.defender.stop_at(), at(7.5));
    let fed = run.notes.iter().rev().find_map(|n| match n {
        DefenceNote::Confirmed { feed_before, .. } => Some(*feed_before),
        _ => None,
    });
    assert_eq!(fed, Some(at(3.5)), "s + tick_budget");
}

#[test]
fn a_late_confirmation_gives_a_lease_and_does_not_feed_it() {
    let mut bed = held();
    let mut run = Run::with(&bed, FirstLease::FromTick, fed_at(0.0));
    run.tick(&mut bed);
    run.turn(&mut bed, Fate::Answered);
    run.turn(&mut bed, Fate::Answered);
    bed.now = at(3.5);
    run.turn(&mut bed, Fate::Answered);
    assert_eq!(run.lease(&bed), Some((at(3.0), at(9.5))));
    assert_eq!(run.defender.stop_at(), at(4.5), "fed at 0.0 for the last time");
}
