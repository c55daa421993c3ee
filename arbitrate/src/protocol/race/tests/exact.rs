//! The last moments, and what is told rather than done.

use super::bed::{Bed, COMMAND_TIMEOUT, WINDOW};
use super::*;
use crate::protocol::challenger::{ChallengeEnd, Cleanup, Refusal};
use crate::protocol::testbed::settled;
use crate::protocol::timing::Profile;
use crate::protocol::wire::{Next, Step};

const SECOND: Duration = Duration::from_secs(1);
const NANO: Duration = Duration::from_nanos(1);

fn holding_all(seed: u64, watchdog: Option<Duration>) -> Bed {
    let mut bed = Bed::new(1, seed);
    bed.watchdog = watchdog;
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW * 2, |b| b.owns(0) && b.race(0).leases(b.now) == 3));
    bed
}

#[test]
fn a_device_has_a_key_while_it_is_defended_and_is_decided_then() {
    let mut bed = Bed::new(1, 20);
    bed.start(0, Weight::MAX);
    bed.run(SECOND);
    assert_eq!(bed.race(0).key(0), None);
    assert!(!bed.race(0).is_decided(bed.now), "challenges are under way");
    bed.cut[0][2] = true;
    bed.run(WINDOW + COMMAND_TIMEOUT);
    assert_eq!([0, 1, 2].map(|d| bed.race(0).key(d)), [Some(settled(1, 1)), Some(settled(1, 1)), None]);
    assert!(bed.race(0).is_decided(bed.now), "two held, one silent");
    let lapsed = bed.now + WINDOW;
    assert!(!bed.race(0).is_decided(lapsed), "a defence without a lease is open");
}

#[test]
fn ownership_ends_in_the_very_moment_that_was_told_and_the_race_is_due_then() {
    for watchdog in [None, Some(Duration::from_secs(5))] {
        let bed = holding_all(21, watchdog);
        let race = bed.race(0);
        let until = race.owns(bed.now).unwrap();
        assert_eq!(race.due(bed.now), Some(until));
        assert_eq!(race.owns(until - NANO), Some(until), "{watchdog:?}");
        assert_eq!(race.owns(until), None, "{watchdog:?}");
    }
}

#[test]
fn without_a_majority_the_race_is_due_one_window_later() {
    let mut bed = holding_all(22, None);
    bed.cut[0] = [false, true, true];
    let ended = |b: &Bed| b.told(0, |n| matches!(n, RaceNote::OwnershipEnded { .. }));
    assert!(bed.run_until(WINDOW, |b| ended(b).is_some()));
    let since = ended(&bed).unwrap();
    assert_eq!(bed.race(0).due(bed.now), Some(since + WINDOW));
    bed.run_until(WINDOW * 2, |b| b.told(0, |n| matches!(n, RaceNote::GivingUp)).is_some());
    assert_eq!(bed.told(0, |n| matches!(n, RaceNote::GivingUp)), Some(since + WINDOW));
}

#[test]
fn a_light_node_begins_when_its_delay_is_over_and_not_a_moment_before() {
    let mut bed = Bed::new(1, 23);
    bed.start(0, Weight::MAX - 1);
    let Some((began, RaceNote::Delayed { until })) = bed.nodes[0].notes.first().copied() else {
        panic!("{:?}", bed.nodes[0].notes)
    };
    assert_eq!(until, began + SECOND);
    assert_eq!(bed.race(0).due(bed.now), Some(until));
    bed.now = until - NANO;
    bed.tell(0, RaceEvent::Wake);
    assert_eq!(bed.told(0, |n| matches!(n, RaceNote::Attempt { .. })), None);
    bed.now = until;
    bed.tell(0, RaceEvent::Wake);
    assert_eq!(bed.told(0, |n| matches!(n, RaceNote::Attempt { number: 1 })), Some(until));
}

#[test]
fn a_device_that_is_none_is_idle_untried_and_nobodys() {
    let bed = holding_all(24, None);
    let race = bed.race(0);
    assert_eq!((race.next(3), race.standing(3)), (SeatNext::Idle, Standing::Untried));
    assert_eq!((race.lease(3, bed.now), race.key(3)), (None, None));
}

/// Splitmix64 by its published numbers: the highest bytes of what 1234567 gives.
#[test]
fn the_dice_are_what_they_are_said_to_be() {
    let timing = Timing::profile(Profile::Classic);
    let mut dice = Dice::new(1_234_567);
    let rests: Vec<Duration> = (0..8).map(|_| dice.rest(&timing)).collect();
    assert_eq!(rests, [89, 44, 136, 63, 227, 108, 151, 70].map(|s| timing.tick_budget() + WINDOW * s / 256));
}

/// A race one second old, and device 0's challenge ended so.
fn ended(ends: &[ChallengeEnd], prepare: impl Fn(&mut Race)) -> (Race, RaceStep) {
    let mut bed = Bed::new(1, 25);
    bed.start(0, Weight::MAX);
    bed.run(SECOND);
    let mut race = bed.race(0).clone();
    prepare(&mut race);
    let mut out = RaceStep::default();
    for end in ends {
        out = RaceStep::default();
        race.after_challenge(0, Step::new(Next::End(*end)), bed.now, &mut out);
    }
    (race, out)
}

#[test]
fn a_target_that_forgets_is_asked_three_times_in_a_row_and_only_while_it_is_wanted() {
    const FORGOT: ChallengeEnd = ChallengeEnd::TargetForgot;
    for times in [1, 2] {
        let (race, out) = ended(&[FORGOT; 2][..times], |_| {});
        assert_eq!((race.next(0), out.notes.len()), (SeatNext::Find, 0), "after {times}");
    }
    let settled = RaceNote::Settled(0, Standing::Failed(FORGOT));
    let (race, out) = ended(&[FORGOT; 3], |_| {});
    assert_eq!((race.next(0), out.notes.as_slice()), (SeatNext::Idle, [settled].as_slice()));
    assert_eq!(ended(&[FORGOT; 4], |_| {}).0.next(0), SeatNext::Find, "and then counted anew");
    let (race, out) = ended(&[FORGOT], |r| r.seats[0].wanted = Wanted::No);
    assert_eq!((race.next(0), out.notes.as_slice()), (SeatNext::Idle, [settled].as_slice()));
}

#[test]
fn a_device_lost_to_another_fells_the_attempt_it_was_wanted_in() {
    const LOST: ChallengeEnd = ChallengeEnd::Defended { holder: None };
    assert!(ended(&[LOST], |_| {}).0.fallen);
    assert!(!ended(&[LOST], |r| r.seats[0].wanted = Wanted::No).0.fallen, "it was being left");
    assert!(!ended(&[LOST], |r| r.phase = Phase::Owning { without: None }).0.fallen, "no attempt");
    assert!(!ended(&[ChallengeEnd::TargetForgot; 3], |_| {}).0.fallen, "nobody else has it");
}

#[test]
fn a_challenge_withdrawn_after_another_removed_its_key_is_lost_and_any_other_failed() {
    const LEFT: ChallengeEnd = ChallengeEnd::Refused { why: Refusal::Cancelled, cleanup: Cleanup::Proven };
    let (race, _) = ended(&[LEFT], |r| r.seats[0].luck = Luck::Lost);
    assert_eq!(race.standing(0), Standing::Lost(ChallengeEnd::Defended { holder: None }));
    assert_eq!(ended(&[LEFT], |_| {}).0.standing(0), Standing::Failed(LEFT));
}

#[test]
fn a_device_whose_challenge_failed_is_looked_for_one_window_later() {
    let (race, _) = ended(&[ChallengeEnd::TargetForgot; 3], |_| {});
    let now = race.seats[0].retry_at.unwrap() - WINDOW;
    assert_eq!(now.since(Instant::default()), Bed::new(1, 25).now.since(Instant::default()) + SECOND);
}

/// Won one after the other, the devices tick in one beat all the same.
#[test]
fn devices_that_wait_wait_for_the_same_moment() {
    let mut bed = holding_all(26, None);
    let waits = |b: &Bed| (0..3).all(|d| matches!(b.race(0).next(d), SeatNext::Wait(_)));
    assert!(bed.run_until(SECOND, waits));
    let beats = [0, 1, 2].map(|d| bed.race(0).next(d));
    assert_eq!(beats, [beats[0]; 3]);
}

/// A majority older than a tick's budget comes too late to feed a watchdog: it is confirmed anew first.
#[test]
fn a_majority_may_own_only_while_it_is_fresh_enough_to_feed() {
    let bed = holding_all(27, Some(Duration::from_secs(5)));
    let mut race = bed.race(0).clone();
    let stale = race.majority_since(bed.now).unwrap() + race.setup.timing.tick_budget();
    assert!(race.may_own(stale - NANO));
    assert!(!race.may_own(stale));
    race.setup.watchdog = None;
    assert!(race.may_own(stale), "nothing to feed");
}
