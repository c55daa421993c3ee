//! Formatted devices: the clean-release mark spares the window and nothing else.

mod common;

use arbitrate::protocol::{Rule, Rules};
use common::{any_faults, bites, holds, rule_matters, some, system};
use palisade_model::config::Start::{Contender, Holder};
use palisade_model::config::{Cache, Config, Credits, Head, SMALLEST};
use palisade_model::properties::{CHANGES_HANDS, DEFENDED, ONE_LEASE, SPARED, WINS};

fn on(head: Head, config: Config) -> Config {
    Config { head, ..config }
}

/// The last owner released it; two come, and one thing goes wrong.
#[test]
fn two_contenders_for_a_released_device() {
    let c = system(&[Contender, Contender], SMALLEST, 1, 8, Credits { again: 1, ..any_faults(1) });
    holds(on(Head::Released, c), &[WINS, DEFENDED, CHANGES_HANDS, SPARED]);
}

/// The holder releases it while another challenges, or before, and one thing more goes wrong.
#[test]
fn a_holder_that_releases() {
    let c = system(&[Holder, Contender], SMALLEST, 1, 6, any_faults(2));
    holds(on(Head::Tenure, c), &[WINS, DEFENDED, CHANGES_HANDS, SPARED]);
}

/// Nobody held it since it was formatted.
#[test]
fn two_contenders_for_a_fresh_device() {
    let c = system(&[Contender, Contender], SMALLEST, 1, 10, any_faults(1));
    holds(on(Head::Tenure, c), &[WINS, CHANGES_HANDS]);
}

/// Between looking at the mark and the RESERVE another comes, wins and believes; CLEAR opens the way. The
/// own flagged key, registered before the mark was read and still there when the RESERVE is GOOD, keeps that
/// from happening as well as reading again does: either alone is enough.
#[test]
fn a_mark_not_read_again_after_reserve() {
    let credits = Credits { pause: 1, clear: 1, ..some(2) };
    let c = on(Head::Released, system(&[Contender, Contender], SMALLEST, 0, 4, credits));
    for rule in [Rule::MarkReadAgain, Rule::MarkReadUnderKey] {
        holds(Config { rules: Rules::without(rule), ..c.clone() }, &[SPARED, CHANGES_HANDS]);
    }
    bites(Config { rules: Rules::without_both(Rule::MarkReadAgain, Rule::MarkReadUnderKey), ..c }, ONE_LEASE);
}

/// The mark that the last owner consumed still stands on the device.
#[test]
fn a_mark_of_an_earlier_tenure() {
    let c = system(&[Contender, Contender], SMALLEST, 2, 4, Credits { clear: 1, ..some(1) });
    rule_matters(Rule::MarkOfLastTenure, on(Head::Released, c), ONE_LEASE);
}

/// A winner that writes no tenure leaves the mark in force.
#[test]
fn a_mark_not_consumed() {
    let c = system(&[Contender, Contender], SMALLEST, 2, 4, Credits { clear: 1, ..some(1) });
    rule_matters(Rule::TenureBeforeBelief, on(Head::Released, c), ONE_LEASE);
}

/// Marked and released, and the lease not dropped.
#[test]
fn a_mark_written_under_a_lease() {
    let c = system(&[Holder, Contender], SMALLEST, 2, 4, Credits { release: 1, ..some(1) });
    rule_matters(Rule::LeaseDroppedBeforeMark, on(Head::Tenure, c), ONE_LEASE);
}

/// A cache that loses a new tenure brings the old mark back.
#[test]
fn a_cache_that_ignores_fua() {
    let c = system(&[Contender, Contender], SMALLEST, 2, 4, Credits { power: 1, ..some(1) });
    let c = on(Head::Released, c);
    holds(c.clone(), &[SPARED]);
    bites(Config { cache: Cache::Lies, ..c }, ONE_LEASE);
}
