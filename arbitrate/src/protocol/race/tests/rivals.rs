//! Several nodes, no faults: exactly one wins, in bounded time.

use super::bed::{Bed, DEVICES, WINDOW};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_live_owner_beats_every_weight() {
    let mut bed = Bed::new(2, 31);
    bed.start(0, 0);
    assert!(bed.run_until(WINDOW * 4, |b| b.race(0).leases(b.now) == 3));
    bed.start(1, Weight::MAX);
    assert!(bed.run_until(WINDOW + SECOND, |b| b.race(1).end().is_some()), "one window, no second attempt");
    assert_eq!(bed.race(1).end(), Some(RaceEnd::Defended));
    assert!(bed.owns(0));
    assert_eq!(bed.holders(), [Some(0); DEVICES]);
    for d in 0..DEVICES {
        assert_eq!(bed.units[d].keys().count(), 1, "nothing of the challenger is left");
    }
}

#[test]
fn of_challengers_the_heavier_wins_though_it_started_a_moment_later() {
    for seed in 0..20 {
        let mut bed = Bed::new(2, seed);
        bed.owned_by_the_dead();
        bed.start(0, Weight::MAX - 1);
        bed.run(Duration::from_millis(500));
        bed.start(1, Weight::MAX);
        assert!(bed.run_until(WINDOW * 2, |b| b.owner().is_some()));
        assert_eq!(bed.owner(), Some(1), "seed {seed}");
        assert_eq!(bed.owners, 1);
    }
}

#[test]
fn three_challengers_of_a_dead_owner_have_one_winner_in_bounded_time() {
    for seed in 0..60 {
        let mut bed = Bed::new(3, seed);
        bed.owned_by_the_dead();
        for n in 0..3 {
            bed.start(n, Weight::MAX);
            let wait = bed.roll(4_000_000);
            bed.run(Duration::from_micros(if seed % 2 == 0 { wait } else { wait / 200 }));
        }
        let over = |b: &Bed| (0..3).filter(|n| b.race(*n).end().is_some()).count() == 2;
        assert!(bed.run_until(WINDOW * 6, over), "seed {seed}: no winner");
        let owner = bed.owner().unwrap();
        assert!(bed.run_until(WINDOW * 3, |b| b.race(owner).leases(b.now) == 3));
        assert_eq!(bed.holders(), [Some(owner); DEVICES], "seed {seed}");
        for n in (0..3).filter(|n| *n != owner) {
            assert_eq!(bed.race(n).end(), Some(RaceEnd::Defended), "seed {seed}");
        }
        assert_eq!((bed.owners, bed.disorder), (1, 0), "seed {seed}");
    }
}

#[test]
fn the_death_of_the_owner_passes_ownership_on() {
    let mut bed = Bed::new(2, 33);
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW * 2, |b| b.race(0).leases(b.now) == 3));
    bed.crash(0);
    bed.start(1, Weight::MAX);
    assert!(bed.run_until(WINDOW + SECOND, |b| b.owns(1)));
    assert_eq!(bed.owners, 1);
}

#[test]
fn a_frozen_owner_is_overcome_and_finds_out() {
    let mut bed = Bed::new(2, 34);
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW * 2, |b| b.race(0).leases(b.now) == 3));
    bed.nodes[0].paused_until = bed.now + WINDOW * 3;
    bed.start(1, Weight::MAX);
    assert!(bed.run_until(WINDOW + SECOND, |b| b.owns(1)));
    bed.run(WINDOW * 4);
    assert!(bed.owns(1) && !bed.owns(0));
    assert_eq!(bed.owners, 1);
    assert!(bed.told(0, |n| matches!(n, RaceNote::OwnershipEnded { leases: 0 })).is_some());
}

#[test]
fn an_owner_cut_off_from_a_majority_yields_to_the_one_who_reaches_it() {
    let mut bed = Bed::new(2, 35);
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW * 2, |b| b.race(0).leases(b.now) == 3));
    bed.cut[0] = [false, true, true];
    bed.attempts = 10;
    bed.start(1, Weight::MAX);
    assert!(bed.run_until(WINDOW * 8, |b| b.owns(1)));
    assert!(bed.run_until(WINDOW * 6, |b| b.race(1).leases(b.now) == 3), "the minority was given back");
    assert_eq!(bed.owners, 1);
}
