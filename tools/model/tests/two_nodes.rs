//! Two nodes, every rule kept: every run, in every CI run.

mod common;

use common::{any_faults, holds, system};
use palisade_model::config::Start::{Contender, DeadHolder, Holder};
use palisade_model::config::{Config, Credits, ROOMY, SMALLEST};
use palisade_model::properties::{CHANGES_HANDS, DEFENDED, DEPOSED, LATE_SEIZURE, WINS};

/// Nothing goes wrong: the holder defends, always.
#[test]
fn a_healthy_holder_defends() {
    holds(system(&[Holder, Contender], SMALLEST, 4, 16, Credits::default()), &[DEFENDED]);
}

/// One thing goes wrong, there are writes, and who lost begins again.
#[test]
fn one_fault_writes_and_another_attempt() {
    let credits = Credits { again: 1, write: 1, ..any_faults(1) };
    let c = system(&[Holder, Contender], SMALLEST, 1, 10, credits);
    holds(c, &[WINS, DEFENDED, DEPOSED, CHANGES_HANDS]);
}

/// Two things go wrong, of whatever kinds.
#[test]
fn two_faults() {
    let c = system(&[Holder, Contender], SMALLEST, 1, 10, any_faults(2));
    holds(c, &[WINS, DEFENDED, DEPOSED, CHANGES_HANDS, LATE_SEIZURE]);
}

/// Two things go wrong, and who lost or died begins again beside what it left behind.
#[test]
fn two_faults_and_another_attempt() {
    let c = system(&[Holder, Contender], SMALLEST, 1, 9, Credits { again: 1, ..any_faults(2) });
    holds(c, &[WINS, DEFENDED, DEPOSED, CHANGES_HANDS, LATE_SEIZURE]);
}

/// Nobody holds; two challenge.
#[test]
fn two_contenders() {
    let c = system(&[Contender, Contender], SMALLEST, 2, 11, Credits { again: 1, ..any_faults(1) });
    holds(c, &[WINS, DEFENDED, CHANGES_HANDS]);
}

/// The holder is dead, and may come back to find its own ghost.
#[test]
fn a_dead_holder_that_comes_back() {
    let c = system(&[DeadHolder, Contender], SMALLEST, 2, 11, Credits { again: 1, ..any_faults(1) });
    holds(c, &[WINS, DEFENDED, CHANGES_HANDS]);
}

/// A holder survives one late, delayed or lost command, where the timing leaves room for another tick.
#[test]
fn one_missed_tick_deposes_nobody() {
    let credits = Credits { late: 1, delay: 1, lose: 1, total: 1, ..Credits::default() };
    let c = system(&[Holder, Contender], ROOMY, 3, 16, credits);
    holds(Config { tolerance: 1, ..c }, &[DEFENDED]);
}
