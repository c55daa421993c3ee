//! Legacy mode.

mod common;

use arbitrate::protocol::{Rule, Rules};
use common::{bites_in, holds_in};
use palisade_model::config::SMALLEST;
use palisade_model::legacy::{Ask, Config, Credits, DEFENDED, LIVE_STAYS, ONE_LEASE, System, WINS};

fn any_faults(total: u8) -> Credits {
    Credits { delay: 1, lose: 1, pause: 1, reset: 1, total }
}

fn owned(nodes: usize, begin_by: u8, horizon: u8, credits: Credits) -> Config {
    Config { credits, ..Config::new(true, nodes, SMALLEST, begin_by, horizon) }
}

fn free(nodes: usize, begin_by: u8, horizon: u8, credits: Credits) -> Config {
    Config { credits, ..Config::new(false, nodes, SMALLEST, begin_by, horizon) }
}

#[test]
fn a_live_owner_and_two_challengers() {
    holds_in(System(owned(3, 1, 12, Credits::default())), &[DEFENDED]);
}

#[test]
fn an_owner_a_challenger_and_two_faults() {
    holds_in(System(owned(2, 1, 14, any_faults(1))), &[WINS, DEFENDED]);
    let credits = Credits { reset: 0, ..any_faults(2) };
    holds_in(System(owned(2, 1, 12, credits)), &[WINS, DEFENDED]);
}

/// Somebody's reset frees the disk, and the answer that would have told the challenger of it is lost: its
/// window begins anew. Without that it robs a live owner.
#[test]
fn an_attention_lost_with_an_answer_does_not_cost_a_live_owner_its_disk() {
    let credits = Credits { reset: 1, lose: 1, total: 2, ..Credits::default() };
    holds_in(System(owned(2, 1, 14, credits)), &[DEFENDED]);
    let c = owned(2, 1, 8, credits);
    let broken = Rules::without(Rule::LegacySilenceRestartsWindow);
    bites_in(System(Config { rules: broken, ..c }), LIVE_STAYS);
}

#[test]
fn two_challengers_of_a_free_disk_and_a_fault() {
    holds_in(System(free(2, 2, 14, any_faults(1))), &[WINS, DEFENDED]);
}

/// A RESERVE(6) that succeeded is taken for ownership; a reset freed the disk, and the challenger never
/// hears of it: the answer is lost, or an own RESERVE(6) executed late takes the unit attention.
#[test]
fn a_lease_without_the_hold() {
    let c = free(2, 2, 9, Credits { pause: 1, reset: 1, lose: 1, delay: 0, total: 3 });
    let c = Config { ask: Ask::OneLease, ..c };
    let both = Rules::without_both(Rule::LegacyHold, Rule::LegacySilenceRestartsWindow);
    holds_in(System(c), &[]);
    bites_in(System(Config { rules: both, ..c }), ONE_LEASE);
    let c = Config { ask: Ask::OneLease, ..owned(2, 1, 14, late_and_reset()) };
    holds_in(System(c), &[WINS]);
    bites_in(System(Config { rules: Rules::without(Rule::LegacyHold), ..c }), ONE_LEASE);
}

fn late_and_reset() -> Credits {
    Credits { reset: 1, delay: 1, total: 2, ..Credits::default() }
}

/// A limit that is known: somebody's reset frees the disk, and an own RESERVE(6) of the challenger, given
/// up before, is executed only now and takes the unit attention. A live owner is robbed. Never two leases.
#[test]
fn an_attention_taken_by_a_late_reserve_costs_a_live_owner_its_disk() {
    bites_in(System(owned(2, 1, 14, late_and_reset())), LIVE_STAYS);
}

/// An owner whose lease ended reserves again.
#[test]
fn an_expired_owner_that_reserves_again() {
    let c = owned(2, 2, 14, Credits { pause: 1, reset: 1, total: 2, ..Credits::default() });
    holds_in(System(c), &[]);
    bites_in(System(Config { rules: Rules::without(Rule::LegacyExpiredStaysOut), ..c }), ONE_LEASE);
}

/// A challenger that reserves at once after its reset robs a live owner.
#[test]
fn no_window_after_the_reset() {
    let c = owned(2, 1, 8, Credits::default());
    holds_in(System(c), &[DEFENDED]);
    bites_in(System(Config { rules: Rules::without(Rule::LegacyWindow), ..c }), LIVE_STAYS);
}
