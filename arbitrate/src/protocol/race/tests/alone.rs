//! One node and three units: what it does when nobody is in its way.

use super::bed::{Bed, COMMAND_TIMEOUT, DEVICES, WINDOW};
use super::*;
use crate::protocol::testbed::settled;

const SECOND: Duration = Duration::from_secs(1);

fn owned(n: &RaceNote) -> bool {
    matches!(n, RaceNote::Owned { .. })
}

#[test]
fn the_windows_run_side_by_side_and_the_devices_are_seized_in_order() {
    let mut bed = Bed::new(1, 1);
    bed.owned_by_the_dead();
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW + SECOND, |b| b.owns(0)), "one window and a moment: {:?}", bed.log);
    bed.run(SECOND);
    assert_eq!(bed.holders(), [Some(0); DEVICES]);
    let seizures: Vec<&str> = bed.log.iter().filter(|l| l.contains("PREEMPT")).map(String::as_str).collect();
    assert_eq!(seizures, ["0 PREEMPT AND ABORT 0", "0 PREEMPT AND ABORT 1", "0 PREEMPT AND ABORT 2"]);
    assert_eq!(bed.disorder, 0);
}

#[test]
fn two_confirmed_leases_of_three_are_ownership_and_one_is_not() {
    let mut bed = Bed::new(1, 2);
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW + SECOND, |b| b.race(0).leases(b.now) == 1));
    assert!(!bed.owns(0));
    assert!(bed.run_until(SECOND, |b| b.race(0).leases(b.now) == 2));
    assert!(bed.owns(0), "the majority of three");
}

#[test]
fn a_device_that_never_answers_delays_nobody() {
    for dead in 0..DEVICES {
        let mut bed = Bed::new(1, 3);
        bed.owned_by_the_dead();
        bed.start(0, Weight::MAX);
        // Found, and silent from then on.
        bed.run(Duration::from_millis(30));
        bed.cut[0][dead] = true;
        assert!(bed.run_until(WINDOW + SECOND, |b| b.owns(0)), "device {dead} held it up");
        assert_eq!(bed.race(0).leases(bed.now), 2);
    }
}

#[test]
fn a_device_that_falls_silent_when_it_is_seized_delays_by_one_deadline() {
    let mut bed = Bed::new(1, 4);
    bed.owned_by_the_dead();
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW + SECOND, |b| b.log.iter().any(|l| l.contains("PREEMPT"))));
    bed.cut[0][0] = true;
    assert!(bed.run_until(COMMAND_TIMEOUT + SECOND, |b| b.owns(0)));
}

#[test]
fn a_device_without_a_thread_left_delays_nobody_from_then_on() {
    let mut bed = Bed::new(1, 16);
    bed.owned_by_the_dead();
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW + SECOND, |b| b.log.iter().any(|l| l.contains("PREEMPT"))));
    bed.cut[0][0] = true;
    bed.stuck[0] = true;
    assert!(bed.run_until(COMMAND_TIMEOUT + SECOND, |b| b.owns(0)));
    assert_eq!(bed.race(0).leases(bed.now), 2);
}

#[test]
fn a_device_whose_threads_are_all_stuck_before_it_is_seized_is_passed() {
    let mut bed = Bed::new(1, 17);
    bed.owned_by_the_dead();
    bed.start(0, Weight::MAX);
    bed.run(WINDOW - SECOND);
    bed.stuck[0] = true;
    assert!(bed.run_until(SECOND * 2, |b| b.owns(0)), "{:?}", bed.log);
}

#[test]
fn a_missing_device_is_challenged_by_the_owner_under_a_new_key_when_it_returns() {
    let mut bed = Bed::new(1, 5);
    bed.cut[0][1] = true;
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW + SECOND, |b| b.owns(0)));
    assert_eq!(bed.race(0).standing(1), Standing::Missing);
    bed.run(WINDOW * 3);
    assert!(bed.owns(0), "and goes on owning");
    bed.cut[0][1] = false;
    assert!(bed.run_until(WINDOW * 3, |b| b.race(0).leases(b.now) == 3));
    assert_eq!(bed.holder(1), Some(settled(1, 1)));
}

#[test]
fn a_device_that_was_lost_for_a_while_counts_only_under_a_new_key() {
    let mut bed = Bed::new(1, 6);
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW + SECOND, |b| b.race(0).leases(b.now) == 3));
    assert_eq!(bed.holder(2), Some(settled(1, 1)));
    bed.cut[0][2] = true;
    bed.run(WINDOW * 2);
    assert!(bed.owns(0), "two of three confirm");
    assert!(matches!(bed.race(0).standing(2), Standing::Ended(_) | Standing::Missing));
    bed.cut[0][2] = false;
    let returned = bed.now;
    assert!(bed.run_until(WINDOW * 3, |b| b.race(0).leases(b.now) == 3));
    assert!(bed.now.since(returned) >= WINDOW, "a whole window was waited");
    assert_ne!(bed.holder(2), Some(settled(1, 1)), "a fresh life");
    assert!(bed.owns(0));
}

#[test]
fn without_a_majority_it_stops_at_once_and_gives_back_one_window_later() {
    let mut bed = Bed::new(1, 7);
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW + SECOND, |b| b.race(0).leases(b.now) == 3));
    bed.cut[0] = [false, true, true];
    assert!(
        bed.run_until(WINDOW, |b| b
            .told(0, |n| matches!(n, RaceNote::OwnershipEnded { leases: 1 }))
            .is_some())
    );
    let ended = bed.now;
    assert!(!bed.owns(0));
    assert_eq!(bed.holders()[0], Some(0), "still held and defended");
    bed.run(WINDOW - Duration::from_millis(1));
    assert_eq!(bed.holders()[0], Some(0));
    assert!(bed.run_until(WINDOW * 3, |b| b.race(0).end().is_some()));
    assert_eq!(bed.race(0).end(), Some(RaceEnd::Deposed));
    assert_eq!(bed.holders()[0], None, "given back");
    assert_eq!(bed.units[0].keys().count(), 0);
    let gave = bed.told(0, |n| matches!(n, RaceNote::GivingUp)).unwrap();
    assert!(gave.since(ended) >= WINDOW);
}

#[test]
fn fewer_devices_than_a_majority_are_given_back_and_said() {
    let mut bed = Bed::new(1, 8);
    bed.cut[0] = [false, true, true];
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW, |b| b.race(0).end().is_some()));
    assert_eq!(bed.race(0).end(), Some(RaceEnd::NoMajority));
    assert_eq!(bed.units[0].keys().count(), 0, "withdrawn before the window was over");
}

#[test]
fn a_clean_end_gives_every_device_back() {
    let mut bed = Bed::new(1, 9);
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW + SECOND, |b| b.race(0).leases(b.now) == 3));
    bed.tell(0, RaceEvent::Release);
    assert!(!bed.owns(0));
    assert!(bed.run_until(SECOND, |b| b.race(0).end().is_some()));
    assert_eq!(bed.race(0).end(), Some(RaceEnd::Released));
    for d in 0..DEVICES {
        assert_eq!(bed.units[d].keys().count(), 0);
        assert_eq!(bed.race(0).standing(d), Standing::Ended(crate::protocol::DefenceEnd::Released));
    }
}

#[test]
fn a_race_withdrawn_in_its_window_leaves_nothing() {
    let mut bed = Bed::new(1, 10);
    bed.start(0, Weight::MAX);
    bed.run(SECOND);
    bed.tell(0, RaceEvent::Release);
    assert!(bed.run_until(SECOND, |b| b.race(0).end().is_some()));
    assert_eq!(bed.race(0).end(), Some(RaceEnd::Withdrawn));
    assert!(bed.units.iter().all(|u| u.keys().count() == 0));
}

#[test]
fn the_devices_tick_together_and_every_confirmation_feeds_in_time() {
    let mut bed = Bed::new(1, 11);
    bed.watchdog = Some(Duration::from_secs(5));
    // The second device is won late: its first answers are slow in coming.
    bed.cut[0][1] = true;
    bed.start(0, Weight::MAX);
    bed.run(SECOND * 5);
    bed.cut[0][1] = false;
    assert!(bed.run_until(WINDOW * 4, |b| b.race(0).leases(b.now) == 3));
    bed.run(SECOND * 30);
    assert!(bed.owns(0));
    let mut fed: Vec<Instant> = Vec::new();
    for (t, n) in &bed.nodes[0].notes {
        if let RaceNote::Owned { feed_before, .. } | RaceNote::Confirmed { feed_before, .. } = n {
            assert!(t < feed_before, "told too late to feed");
            fed.push(*t);
        }
    }
    let gap = fed.windows(2).map(|w| w[1].since(w[0])).max().unwrap();
    assert!(gap < Duration::from_millis(3500), "a tick and its budget at the most: {gap:?}");
}

#[test]
fn a_hung_device_starves_no_watchdog() {
    let mut bed = Bed::new(1, 12);
    bed.watchdog = Some(Duration::from_secs(5));
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW * 2, |b| b.owns(0)));
    bed.cut[0][0] = true;
    let before = bed.nodes[0].notes.len();
    bed.run(WINDOW * 4);
    assert!(bed.owns(0));
    let fed: Vec<Instant> = bed.nodes[0].notes[before..]
        .iter()
        .filter(|(_, n)| matches!(n, RaceNote::Confirmed { .. }))
        .map(|(t, _)| *t)
        .collect();
    assert!(fed.windows(2).all(|w| w[1].since(w[0]) < Duration::from_millis(3500)), "{fed:?}");
    assert!(bed.told(0, |n| matches!(n, RaceNote::OwnershipEnded { .. })).is_none());
}

#[test]
fn a_majority_confirmed_by_old_reads_feeds_no_watchdog() {
    let mut bed = Bed::new(1, 13);
    bed.watchdog = Some(Duration::from_secs(5));
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW * 2, |b| b.owns(0)));
    for (t, n) in &bed.nodes[0].notes {
        if let RaceNote::Owned { until, feed_before } = n {
            assert!(t < feed_before);
            assert_eq!(until.since(*feed_before), Duration::from_secs(4), "s + 5 - 0.5 and s + 0.5");
        }
    }
    bed.cut[0] = [true, true, false];
    // A watchdog fed at s bites at s + 5: what depends on ownership stops at s + 4.5, not with the lease.
    let last = bed.nodes[0].notes.iter().rev().find_map(|(_, n)| match n {
        RaceNote::Owned { until, .. } | RaceNote::Confirmed { until, .. } => Some(*until),
        _ => None,
    });
    assert!(bed.run_until(WINDOW, |b| b.told(0, |n| matches!(n, RaceNote::OwnershipEnded { .. })).is_some()));
    assert!(Some(bed.now) <= last.map(|l| l + Duration::from_millis(1)), "{:?} {last:?}", bed.now);
}

#[test]
fn what_was_won_by_another_process_is_taken_over_without_a_challenge() {
    use crate::protocol::defender::FirstLease;
    let mut bed = Bed::new(1, 14);
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW + SECOND, |b| b.race(0).leases(b.now) == 3));
    let leases = [0, 1].map(|d| bed.race(0).lease(d, bed.now).unwrap());
    bed.crash(0);
    let setup = bed.setup(0, Weight::MAX);
    let defence = |d: usize| DefenceSetup {
        key: settled(1, 1),
        cluster: crate::protocol::testbed::CLUSTER,
        kind: crate::protocol::testbed::KIND,
        aptpl: crate::codec::pr::Aptpl::No,
        timing: setup.timing,
        watchdog: None,
        tenure: None,
        first: FirstLease::Until(leases[d].until),
        rules: Rules::SOUND,
    };
    let held = [(0, defence(0)), (1, defence(1))];
    bed.nodes[0].race = Some(Race::taking_over(setup.clone(), &held, bed.now));
    bed.nodes[0].notes.clear();
    bed.resume(0);
    assert!(bed.told(0, owned).is_some(), "the leases handed over are a majority");
    bed.run(SECOND);
    assert_eq!(bed.holder(0), Some(settled(1, 1)), "the same life goes on");
    assert!(bed.run_until(WINDOW * 2, |b| b.race(0).leases(b.now) == 3), "the third is challenged anew");
    assert_eq!(bed.holder(2), Some(settled(1, 2)));
}

#[test]
fn ticking_together_is_no_more_than_ticking() {
    let mut bed = Bed::new(1, 15);
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW + SECOND, |b| b.race(0).leases(b.now) == 3));
    bed.log.clear();
    // Threads do not wake at once, and not at the same time.
    bed.drowsy = [0, 40, 90].map(Duration::from_millis);
    bed.run(SECOND * 30);
    for d in 0..DEVICES {
        let ticks = bed.log.iter().filter(|l| **l == format!("0 READ RESERVATION {d}")).count();
        assert!((9..=11).contains(&ticks), "device {d} ticked {ticks} times in 30 s");
    }
}
