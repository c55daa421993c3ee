//! Larger systems: some minutes and some gigabytes each. Run by hand, with `--run-ignored only`.

mod common;

use common::{any_faults, holds, system};
use palisade_model::config::Start::{Contender, DeadHolder, Holder};
use palisade_model::config::{Config, Credits, ROOMY, SMALLEST};
use palisade_model::properties::{CHANGES_HANDS, DEFENDED, WINS};

#[test]
#[ignore = "minutes"]
fn two_faults_writes_and_another_attempt() {
    let c = system(&[Holder, Contender], SMALLEST, 1, 10, Credits { again: 1, write: 1, ..any_faults(2) });
    holds(c, &[WINS, DEFENDED, CHANGES_HANDS]);
}

#[test]
#[ignore = "minutes"]
fn two_contenders_and_two_faults() {
    let c = system(&[Contender, Contender], SMALLEST, 2, 11, Credits { again: 1, ..any_faults(2) });
    holds(c, &[WINS, DEFENDED, CHANGES_HANDS]);
}

#[test]
#[ignore = "minutes"]
fn a_dead_holder_that_comes_back_and_two_faults() {
    let c = system(&[DeadHolder, Contender], SMALLEST, 1, 10, Credits { again: 1, ..any_faults(2) });
    holds(c, &[WINS, DEFENDED, CHANGES_HANDS]);
}

#[test]
#[ignore = "minutes"]
fn three_nodes_and_two_faults() {
    let c = system(&[Holder, Contender, Contender], SMALLEST, 1, 8, any_faults(2));
    holds(c, &[WINS, DEFENDED, CHANGES_HANDS]);
}

#[test]
#[ignore = "minutes"]
fn roomy_timing_and_three_faults_of_the_fabric() {
    let credits = Credits { late: 2, delay: 1, lose: 1, pause: 1, total: 3, ..Credits::default() };
    let c = system(&[Holder, Contender], ROOMY, 2, 14, credits);
    holds(Config { tolerance: 1, ..c }, &[WINS, DEFENDED, CHANGES_HANDS]);
}
