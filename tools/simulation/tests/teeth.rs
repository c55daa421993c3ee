//! The simulation has teeth: break a rule, and it finds a seed that hurts, within the bound of the fast lane.
#![allow(clippy::expect_used, reason = "a check that fails is a test that fails")]

use arbitrate::protocol::{Rule, Rules};
use palisade_simulation::judge::Violation;
use palisade_simulation::plan::Broken;
use palisade_simulation::run::{Until, campaign};

/// What `two_thousand` runs with every rule kept.
const BOUND: u64 = 2_000;

fn bites(broken: Broken, expected: fn(&Violation) -> bool) {
    let s = campaign(0, BOUND, 2, broken, Until::Failed).expect("scenarios run");
    let (seed, found) = s.failed.first().expect("no seed hurts: the simulation has no teeth here");
    println!("after {} scenarios, PALISADE_SEED={seed}: {found:?}", s.scenarios);
    assert!(s.failed.iter().any(|(_, v)| expected(v)), "{:?}", s.failed);
}

fn without(rule: Rule) -> Broken {
    Broken { rules: Rules::without(rule), ..Broken::default() }
}

const fn two_leases(v: &Violation) -> bool {
    matches!(v, Violation::TwoLeases { .. })
}

const fn stale_write(v: &Violation) -> bool {
    matches!(v, Violation::StaleWrite { .. })
}

#[test]
fn a_window_counted_from_the_issue_of_the_register() {
    bites(without(Rule::WindowFromObservation), two_leases);
}

#[test]
fn a_lease_counted_from_the_end_of_the_tick() {
    bites(without(Rule::LeaseFromIssue), two_leases);
}

#[test]
fn no_window_where_there_is_no_reservation() {
    bites(without(Rule::WindowWithoutReservation), two_leases);
}

#[test]
fn a_deposed_life_that_registers_again() {
    bites(without(Rule::DeposedStaysOut), |_| true);
}

/// The mark its consumer left behind is believed once more.
#[test]
fn a_mark_of_an_earlier_tenure_believed() {
    bites(without(Rule::MarkOfLastTenure), two_leases);
}

/// The winner by a mark leaves it in force.
#[test]
fn no_tenure_written_by_the_winner() {
    bites(without(Rule::TenureBeforeBelief), two_leases);
}

#[test]
fn a_window_shorter_than_the_holders_lease() {
    bites(Broken { window_percent: 60, ..Broken::default() }, two_leases);
}

#[test]
fn clocks_that_run_apart_beyond_the_margin() {
    bites(Broken { drift_times: 4, ..Broken::default() }, two_leases);
}

#[test]
fn a_challenge_with_writes_of_an_earlier_life_under_way() {
    bites(Broken { undrained: true, ..Broken::default() }, stale_write);
}

#[test]
fn a_preempt_that_aborts_nothing() {
    bites(Broken { no_abort: true, ..Broken::default() }, stale_write);
}

#[test]
fn a_release_with_writes_under_way() {
    bites(Broken { hasty_stop: true, ..Broken::default() }, stale_write);
}

/// A challenger that does not even wait for one tick takes the device from a healthy holder.
#[test]
fn a_healthy_holder_that_loses() {
    bites(Broken { window_percent: 25, quiet: true, ..Broken::default() }, |v| {
        matches!(v, Violation::LostInQuiet { .. })
    });
}

#[test]
fn a_watchdog_that_bites_late() {
    bites(Broken { watchdog_times: 3, ..Broken::default() }, |v| matches!(v, Violation::StillRuns { .. }));
}

#[test]
fn a_survivor_that_cannot_win() {
    bites(Broken { no_calm: true, ..Broken::default() }, |v| matches!(v, Violation::NoProgress { .. }));
}
