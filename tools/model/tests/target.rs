//! What befalls the target: resets, losses of power, unit attentions.

mod common;

use common::{any_faults, bites, holds, some, system};
use palisade_model::config::Start::{Contender, DeadHolder, Holder};
use palisade_model::config::{Attentions, Config, Credits, Head, Power, ROOMY, Repeats, SMALLEST};
use palisade_model::properties::{CHANGES_HANDS, DEFENDED, LATE_SEIZURE, LIVE_STAYS, STALE_REFUSED, WINS};

/// LOGICAL UNIT RESET, aborting or not: where the timing leaves room for another tick it deposes nobody.
#[test]
fn a_reset_deposes_nobody() {
    let c = system(&[Holder, Contender], ROOMY, 3, 14, Credits { reset: 1, ..some(1) });
    let c = Config { tolerance: 1, attentions: Attentions::Told, ..c };
    holds(c, &[DEFENDED]);
}

/// Every unit attention eats a command: a reset, and one thing more.
#[test]
fn unit_attentions_are_told() {
    let told = |c: Config| Config { attentions: Attentions::Told, ..c };
    let one = Credits { reset: 1, ..any_faults(1) };
    holds(told(system(&[Holder, Contender], SMALLEST, 1, 9, one)), &[WINS, DEFENDED, CHANGES_HANDS]);
    let two = Credits { reset: 1, pause: 1, lose: 1, write: 1, ..some(2) };
    holds(told(system(&[Holder, Contender], SMALLEST, 0, 7, two)), &[WINS, DEFENDED, CHANGES_HANDS]);
}

/// A dead holder that comes back as its own ghost, resets and unit attentions.
#[test]
fn a_ghost_as_holder_and_a_reset() {
    let credits = Credits { again: 1, reset: 1, ..any_faults(1) };
    let c = system(&[DeadHolder, Contender], SMALLEST, 1, 10, credits);
    holds(Config { attentions: Attentions::Told, ..c }, &[WINS, DEFENDED, CHANGES_HANDS]);
}

/// Power goes and comes with APTPL: nobody is excused for losing the device, no old write comes through.
#[test]
fn power_loss_with_aptpl() {
    let credits = Credits { again: 1, write: 1, clear: 0, ..any_faults(1) };
    let c = system(&[Holder, Contender], SMALLEST, 1, 9, credits);
    holds(Config { power: Power::Keeps, ..c }, &[WINS, DEFENDED, CHANGES_HANDS]);
}

/// The same where power goes and one thing more goes wrong.
#[test]
fn power_loss_with_aptpl_and_a_pause() {
    let credits = Credits { power: 1, pause: 1, write: 1, ..some(2) };
    let c = system(&[Holder, Contender], SMALLEST, 1, 8, credits);
    let keeps = Config { power: Power::Keeps, ..c };
    holds(keeps.clone(), &[WINS, DEFENDED, CHANGES_HANDS]);
    bites(Config { power: Power::Lies, ..keeps }, STALE_REFUSED);
}

/// A target that claims APTPL and forgets costs a live holder its disk.
#[test]
fn a_target_that_lies_about_aptpl() {
    let c = system(&[Holder, Contender], SMALLEST, 1, 6, Credits { power: 1, ..some(1) });
    holds(Config { power: Power::Keeps, ..c.clone() }, &[DEFENDED]);
    bites(Config { power: Power::Lies, ..c }, LIVE_STAYS);
}

/// The memory behind APTPL fails, and the target says so: nothing is written until an operator replaces the
/// lost reservation.
#[test]
fn a_memory_that_fails() {
    let credits = Credits { power: 1, pause: 1, again: 1, write: 1, ..some(2) };
    let c = system(&[Holder, Contender], SMALLEST, 1, 8, credits);
    holds(Config { power: Power::Fails, ..c }, &[WINS, CHANGES_HANDS]);
}

/// A target that forgets, twice.
#[test]
fn a_target_that_forgets_twice() {
    let credits = Credits { power: 2, pause: 1, again: 1, ..some(2) };
    let c = system(&[Holder, Contender], SMALLEST, 1, 9, credits);
    holds(c, &[WINS, CHANGES_HANDS]);
}

/// A PREEMPT that is executed late, never, or whose answer is lost, more than once.
#[test]
fn preempts_whose_outcome_is_unknown() {
    let credits = Credits { delay: 2, lose: 1, pause: 1, ..some(3) };
    let c = system(&[Holder, Contender], SMALLEST, 0, 9, credits);
    holds(c, &[WINS, DEFENDED, CHANGES_HANDS, LATE_SEIZURE]);
}

/// A REGISTER repeated by itself when it brought no answer: its first copy lets a deposed node in again.
#[test]
fn changes_repeated_without_an_answer() {
    let credits = Credits { delay: 1, crash: 1, write: 1, ..some(2) };
    let c = system(&[Contender, Contender], SMALLEST, 1, 6, credits);
    let c = Config { head: Head::Released, ..c };
    holds(c.clone(), &[WINS, CHANGES_HANDS]);
    bites(Config { repeats: Repeats::Unanswered, ..c }, STALE_REFUSED);
}
