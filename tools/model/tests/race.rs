//! Races over three devices.

mod common;

use arbitrate::protocol::{Rule, Rules};
use common::{bites_in, holds_in};
use palisade_model::config::SMALLEST;
use palisade_model::race::Start::{Contender, DeadOwner, Owner};
use palisade_model::race::{
    BEATEN, Config, Credits, GIVES_BACK, IN_ORDER, MAJORITY, ONE_OWNER, OWNS, STANDS_DOWN, Start, System,
};

fn race(nodes: &[Start], begin_by: u8, horizon: u8, credits: Credits) -> System {
    System(Config { credits, ..Config::new(nodes, SMALLEST, begin_by, horizon) })
}

/// Each fault once, `total` of them together.
fn any_faults(total: u8) -> Credits {
    Credits { delay: 1, lose: 1, pause: 1, cut: 1, total }
}

/// Nothing goes wrong: the owner defends on all devices.
#[test]
fn a_healthy_owner_defends() {
    holds_in(race(&[Owner, Contender], 1, 8, Credits::default()), &[BEATEN]);
}

/// One thing goes wrong.
#[test]
fn an_owner_a_contender_and_a_fault() {
    holds_in(race(&[Owner, Contender], 0, 6, any_faults(1)), &[OWNS, BEATEN, MAJORITY]);
}

/// Two race for what a dead owner left.
#[test]
fn two_contenders_for_what_a_dead_owner_left() {
    holds_in(race(&[DeadOwner, Contender, Contender], 0, 6, Credits::default()), &[OWNS, BEATEN]);
}

/// A majority of those that answer is none: two nodes that reach different devices both own.
#[test]
fn a_majority_of_the_devices_in_reach() {
    let System(c) = race(&[Contender, Contender], 0, 6, Credits::default());
    let c = Config { cut: vec![(0, 1), (0, 2), (1, 0)], ..c };
    holds_in(System(c.clone()), &[OWNS]);
    bites_in(System(Config { rules: Rules::without(Rule::MajorityOfConfigured), ..c }), ONE_OWNER);
}

/// With the rule all properties hold; without it this one does not.
fn rule_matters(rule: Rule, c: Config, property: &'static str) {
    holds_in(System(c.clone()), &[]);
    bites_in(System(Config { rules: Rules::without(rule), ..c }), property);
}

/// The first device is slow, and the second is seized meanwhile.
#[test]
fn devices_in_any_order() {
    let System(c) = race(&[DeadOwner, Contender], 0, 6, Credits { lose: 1, total: 1, ..Credits::default() });
    rule_matters(Rule::SeizeInOrder, c, IN_ORDER);
}

/// The slower of two goes on to the devices the faster has not come to.
#[test]
fn going_on_after_a_loss() {
    let System(c) = race(&[DeadOwner, Contender, Contender], 0, 6, Credits::default());
    rule_matters(Rule::StandDownAtFirstLoss, c, STANDS_DOWN);
}

/// Two that begin at different devices: the one that lost keeps what it has while it rests.
#[test]
fn keeping_what_was_won() {
    let System(c) = race(&[DeadOwner, Contender, Contender], 0, 6, Credits::default());
    let c = Config { cut: vec![(2, 0)], attempts: 2, ..c };
    rule_matters(Rule::GiveBackWhatWasWon, c, GIVES_BACK);
}

/// Two faults.
#[test]
fn an_owner_a_contender_and_two_faults() {
    holds_in(race(&[Owner, Contender], 0, 6, any_faults(2)), &[OWNS, BEATEN, MAJORITY]);
}

/// Three race for what a dead owner left.
#[test]
fn three_contenders() {
    let nodes = [Contender, Contender, Contender];
    holds_in(race(&nodes, 0, 5, Credits::default()), &[OWNS, BEATEN]);
}

/// By hand: three contenders and a fault of the first, of one kind at a time: all kinds of all three are too many.
fn three_contenders_of_whom_one_meets(credits: Credits) {
    let System(c) = race(&[Contender, Contender, Contender], 0, 5, Credits { total: 1, ..credits });
    holds_in(System(Config { befalls: Some(0), ..c }), &[OWNS, BEATEN, MAJORITY]);
}

#[test]
#[ignore = "minutes"]
fn three_contenders_and_a_lost_answer() {
    three_contenders_of_whom_one_meets(Credits { lose: 1, ..Credits::default() });
}

#[test]
#[ignore = "minutes"]
fn three_contenders_and_a_delay() {
    three_contenders_of_whom_one_meets(Credits { delay: 1, ..Credits::default() });
}

#[test]
#[ignore = "minutes"]
fn three_contenders_and_a_cut() {
    three_contenders_of_whom_one_meets(Credits { cut: 1, ..Credits::default() });
}

#[test]
#[ignore = "minutes"]
fn three_contenders_and_a_pause() {
    three_contenders_of_whom_one_meets(Credits { pause: 1, ..Credits::default() });
}
