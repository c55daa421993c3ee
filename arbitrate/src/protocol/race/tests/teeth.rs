//! Every rule of the race, broken on purpose, is seen to be broken.

use super::bed::{Bed, DEVICES, WINDOW};
use super::*;

fn broken(rule: Rule, nodes: usize, seed: u64) -> Bed {
    let mut bed = Bed::new(nodes, seed);
    bed.rules = Rules::without(rule);
    bed
}

#[test]
fn a_majority_of_those_that_answer_makes_two_owners() {
    let mut bed = broken(Rule::MajorityOfConfigured, 2, 1);
    bed.cut[0] = [false, true, true];
    bed.cut[1] = [true, false, false];
    bed.start(0, Weight::MAX);
    bed.start(1, Weight::MAX);
    bed.run(WINDOW * 2);
    assert!(bed.owners > 1);
}

/// An owner of two devices loses its path to the second, which a rival who reaches that and the third
/// wins; meanwhile the third comes back to the owner for a moment.
fn a_device_returns(rules: Rules) -> usize {
    let mut bed = Bed::new(2, 1);
    bed.rules = rules;
    bed.cut = vec![[false, false, true], [true, false, false]];
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW * 2, |b| b.owns(0)));
    bed.run(Duration::from_secs(4));
    bed.cut[0] = [false, true, false];
    bed.start(1, Weight::MAX);
    bed.run(Duration::from_secs(1));
    bed.falls_silent = true;
    assert!(bed.run_until(WINDOW, |b| b.race(0).standing(2) != Standing::Missing));
    assert!(bed.run_until(WINDOW, |b| b.owns(1)));
    bed.owners
}

#[test]
fn counting_a_device_that_returns_makes_two_owners() {
    assert_eq!(a_device_returns(Rules::SOUND), 1);
    assert_eq!(a_device_returns(Rules::without(Rule::RechallengeBeforeCounting)), 2);
}

#[test]
fn seizing_out_of_order_is_seen() {
    let mut bed = broken(Rule::SeizeInOrder, 1, 2);
    bed.owned_by_the_dead();
    bed.start(0, Weight::MAX);
    bed.run(WINDOW * 2);
    assert!(bed.disorder > 0);
}

/// Each of three nodes cut off from nothing, but each faster on another device: a rival takes the
/// second one while the first is being seized.
fn robbed(rule: Rule) -> Bed {
    let mut bed = broken(rule, 1, 3);
    bed.owned_by_the_dead();
    bed.start(0, Weight::MAX);
    let first = |b: &Bed| b.log.iter().any(|l| l.contains("PREEMPT AND ABORT 0"));
    assert!(bed.run_until(WINDOW * 2, first));
    bed.steal(1);
    bed.run(Duration::from_millis(400));
    bed
}

#[test]
fn keeping_what_was_won_is_seen() {
    assert_eq!(robbed(Rule::GiveBackWhatWasWon).holders()[0], Some(0));
}

#[test]
fn going_on_after_a_loss_is_seen() {
    assert_eq!(robbed(Rule::StandDownAtFirstLoss).holders()[2], Some(0), "seized after a loss");
}

#[test]
fn one_deposition_for_all_devices_is_seen() {
    let stays = |rules: Rules| {
        let mut bed = Bed::new(1, 7);
        bed.rules = rules;
        bed.start(0, Weight::MAX);
        assert!(bed.run_until(WINDOW * 2, |b| b.race(0).leases(b.now) == DEVICES));
        bed.steal(1);
        bed.run(WINDOW);
        bed.owns(0)
    };
    assert!(stays(Rules::SOUND));
    assert!(!stays(Rules::without(Rule::DepositionPerDevice)));
}

#[test]
fn a_minority_that_never_gives_back_is_seen() {
    let mut bed = broken(Rule::MinorityGivesBack, 1, 4);
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW * 2, |b| b.race(0).leases(b.now) == DEVICES));
    bed.cut[0] = [false, true, true];
    bed.run(WINDOW * 6);
    assert_eq!(bed.holders()[0], Some(0));
}

#[test]
fn seizing_on_an_old_sight_is_seen() {
    let reads = |rule: Option<Rule>| {
        let mut bed = Bed::new(1, 5);
        bed.rules = rule.map_or(Rules::SOUND, Rules::without);
        bed.owned_by_the_dead();
        bed.start(0, Weight::MAX);
        let second = |b: &Bed| b.log.iter().any(|l| l.contains("PREEMPT AND ABORT 1"));
        assert!(bed.run_until(WINDOW * 2, second));
        bed.read_before_seizing(0, 1)
    };
    assert!(reads(None));
    assert!(!reads(Some(Rule::ReadAgainAfterHold)));
}

#[test]
fn feeding_on_an_old_majority_is_seen() {
    let late = |rules: Rules| {
        let mut bed = Bed::new(1, 6);
        bed.rules = rules;
        bed.watchdog = Some(Duration::from_secs(5));
        bed.start(0, Weight::MAX);
        // The second one's seizure takes far longer than a budget, a tick does not.
        bed.slow[1] = Duration::from_millis(200);
        assert!(bed.run_until(WINDOW * 4, |b| b.owns(0)));
        bed.nodes[0].notes.iter().any(|(t, n)| match n {
            RaceNote::Owned { feed_before, .. } | RaceNote::Confirmed { feed_before, .. } => t >= feed_before,
            _ => false,
        })
    };
    assert!(!late(Rules::SOUND));
    assert!(late(Rules::without(Rule::FeedOnMajority)));
}
