//! Three nodes, two of them challenging.

mod common;

use common::{any_faults, holds, system};
use palisade_model::config::Start::{Contender, DeadHolder, Holder};
use palisade_model::config::{Credits, SMALLEST};
use palisade_model::properties::{CHANGES_HANDS, DEFENDED, LATE_SEIZURE, WINS};

/// A live holder and two challengers; one thing goes wrong.
#[test]
fn two_challengers_of_one_holder() {
    let c = system(&[Holder, Contender, Contender], SMALLEST, 1, 6, any_faults(1));
    holds(c, &[WINS, DEFENDED, CHANGES_HANDS]);
}

/// The same, two things going wrong.
#[test]
fn two_challengers_of_one_holder_and_two_faults() {
    let c = system(&[Holder, Contender, Contender], SMALLEST, 0, 7, any_faults(2));
    holds(c, &[WINS, DEFENDED, CHANGES_HANDS, LATE_SEIZURE]);
}

/// A dead holder and two challengers: one wins, and must have the time to defend it.
#[test]
fn two_challengers_of_a_dead_holder() {
    let credits = Credits { crash: 0, clear: 0, power: 0, release: 0, ..any_faults(1) };
    let c = system(&[DeadHolder, Contender, Contender], SMALLEST, 1, 9, credits);
    holds(c, &[WINS, DEFENDED, CHANGES_HANDS]);
}
