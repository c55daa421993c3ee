//! A device is lost in the race: stand down, give back, rest, try again.

use super::bed::{Bed, DEVICES, WINDOW};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_first_device_lost_gives_back_what_was_won_and_tries_again_later() {
    let mut bed = Bed::new(1, 21);
    bed.owned_by_the_dead();
    bed.start(0, Weight::MAX);
    // A rival takes the second device while the first is being seized.
    assert!(bed.run_until(WINDOW + SECOND, |b| b.log.iter().any(|l| l.contains("PREEMPT AND ABORT 0"))));
    bed.steal(1);
    assert!(bed.run_until(SECOND, |b| b.told(0, |n| matches!(n, RaceNote::Resting { .. })).is_some()));
    bed.run(Duration::from_millis(300));
    assert_eq!(bed.holders()[0], None, "what was won is given back");
    assert!((0..DEVICES).all(|d| bed.units[d].key_of(crate::device::sim::NexusId(1)).is_none()));
    assert!(bed.told(0, |n| matches!(n, RaceNote::Owned { .. })).is_none());
    let again = |n: &RaceNote| matches!(n, RaceNote::Attempt { number: 2 });
    assert!(bed.run_until(WINDOW + SECOND, |b| b.told(0, again).is_some()), "a bounded rest");
}

#[test]
fn a_device_lost_by_an_owner_is_challenged_anew_and_ends_nothing() {
    let mut bed = Bed::new(1, 22);
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW + SECOND, |b| b.race(0).leases(b.now) == 3));
    bed.steal(1);
    bed.run(SECOND * 4);
    assert!(matches!(bed.race(0).standing(1), Standing::Ended(_)), "deposed on one device");
    assert!(bed.owns(0));
    // The thief does not defend.
    assert!(bed.run_until(WINDOW * 4, |b| b.race(0).leases(b.now) == 3));
    assert!(bed.owns(0));
}

#[test]
fn attempts_are_bounded() {
    let mut bed = Bed::new(1, 23);
    bed.attempts = 2;
    bed.start(0, Weight::MAX);
    for _ in 0..2 {
        let seizures = bed.log.iter().filter(|l| l.contains("RESERVE 0")).count();
        assert!(
            bed.run_until(WINDOW * 3, |b| b.log.iter().filter(|l| l.contains("RESERVE 0")).count()
                > seizures)
        );
        // Its key on the second device goes away: lost.
        let mine = bed.units[1].key_of(crate::device::sim::NexusId(1)).unwrap();
        let out = crate::codec::pr::PrOut::register(mine, Key::default(), crate::codec::pr::Aptpl::No);
        let _ = bed.units[1].pr_out(crate::device::sim::NexusId(1), &out);
    }
    assert!(bed.run_until(WINDOW * 3, |b| b.race(0).end().is_some()));
    assert_eq!(bed.race(0).end(), Some(RaceEnd::Outrun));
    assert!(bed.units.iter().all(|u| u.keys().count() == 0), "nothing is left");
}

/// What a life of the first attempt comes to in the second one is not the second one's luck.
#[test]
fn luck_of_the_last_attempt_is_forgotten_in_the_next() {
    use super::super::seat::Luck;
    let mut bed = Bed::new(1, 24);
    bed.owned_by_the_dead();
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW + SECOND, |b| b.log.iter().any(|l| l.contains("PREEMPT AND ABORT 0"))));
    bed.steal(1);
    // The third one is busy with its withdrawal beyond the rest.
    assert!(bed.run_until(SECOND, |b| b.told(0, |n| matches!(n, RaceNote::Resting { .. })).is_some()));
    let again = |n: &RaceNote| matches!(n, RaceNote::Attempt { number: 2 });
    let race = bed.nodes[0].race.as_mut().unwrap();
    let busy = race.seats[2].clone();
    assert!(bed.run_until(WINDOW + SECOND, |b| b.told(0, again).is_some()));
    // As it would be with that life still under way, and lost only now.
    let now = bed.now;
    let race = bed.nodes[0].race.as_mut().unwrap();
    race.seats[2] = Seat { asked: false, luck: Luck::Lost, wanted: Wanted::No, ..busy };
    race.seats[0].luck = Luck::Lost;
    assert!(!race.is_beaten(), "one of three was lost in this attempt");
    race.seats[2].vacate(Standing::Missing, now);
    let mut out = RaceStep::default();
    race.settle(now, &mut out);
    assert_eq!((race.seats[2].asked, race.seats[2].luck), (true, Luck::Open));
}
