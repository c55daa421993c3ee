//! The checker has teeth: break a rule, and it finds the run that hurts.

mod common;

use arbitrate::protocol::Rule;
use common::{bites, holds, rule_matters, some, system};
use palisade_model::config::Start::{Contender, Holder};
use palisade_model::config::{Config, Credits, ROOMY, SMALLEST, Units};
use palisade_model::properties::{
    GHOST_OVER, LIVE_STAYS, NO_SELF_PREEMPT, ONE_LEASE, STALE_ABORTED, STALE_REFUSED, WON_HELD,
};

/// One unit less than `2·tick + tick_budget + margin`: a holder whose tick brought no answer once has no
/// time for another, though it is alive and reaches the disk.
#[test]
fn window_too_short_for_a_missed_tick() {
    let of = |units| Config {
        tolerance: 1,
        ..system(&[Holder, Contender], units, 3, 12, Credits { lose: 1, late: 1, ..some(1) })
    };
    holds(of(ROOMY), &[]);
    let short = Units { window: ROOMY.window - 1, ..ROOMY };
    assert!(short.timing().is_err(), "the programs refuse it");
    bites(of(short), LIVE_STAYS);
}

/// A challenger that waits less than the holder's lease lasts: both believe.
#[test]
fn window_shorter_than_the_holders_lease() {
    let kept = system(&[Holder, Contender], SMALLEST, 2, 8, Credits { pause: 1, ..some(1) });
    holds(kept.clone(), &[]);
    let short = Units { window: 2, ..SMALLEST };
    bites(Config { challengers: short.unchecked(), ..kept }, ONE_LEASE);
}

/// A REGISTER that was long under way: the holder's last confirmation came after it was issued.
#[test]
fn window_counted_from_the_issue_of_the_register() {
    let c = system(&[Holder, Contender], SMALLEST, 1, 8, Credits { delay: 1, pause: 1, ..some(2) });
    rule_matters(Rule::WindowFromObservation, c, ONE_LEASE);
}

/// The second of two challengers takes the device from the first, which has just won and had no tick
/// yet to defend itself in.
#[test]
fn whoever_holds_after_the_window_is_preempted() {
    let c = system(&[Holder, Contender, Contender], SMALLEST, 1, 7, Credits { pause: 1, ..some(1) });
    rule_matters(Rule::PreemptHolderFirstSeen, c, LIVE_STAYS);
}

/// The holder's RELEASE comes between the last look and the PREEMPT: GOOD, and nothing was won.
#[test]
fn good_is_taken_for_victory() {
    let c = system(&[Holder, Contender], SMALLEST, 1, 7, Credits { release: 1, pause: 1, ..some(2) });
    rule_matters(Rule::ReadBackDecides, c, WON_HELD);
}

/// The winner learns late that it won, and believes at once; the next challenger's window was running.
#[test]
fn a_lease_from_winning() {
    let c = system(&[Contender, Contender], SMALLEST, 4, 8, Credits { pause: 1, ..some(1) });
    rule_matters(Rule::LeaseFromTick, c, ONE_LEASE);
}

/// A tick's answer that was long under way gives a lease longer than the challenger waits.
#[test]
fn a_lease_from_the_end_of_the_tick() {
    let units = Units { window: SMALLEST.window + 1, ..SMALLEST };
    let c = system(&[Holder, Contender], units, 0, 6, Credits { late: 2, pause: 1, ..some(3) });
    rule_matters(Rule::LeaseFromIssue, c, ONE_LEASE);
}

/// After an operator's CLEAR the old holder registers again, which lets its old writes in after the next
/// one has won.
#[test]
fn registering_again_after_the_loss() {
    let c = system(&[Holder, Contender], SMALLEST, 2, 8, Credits { clear: 1, write: 1, ..some(1) });
    rule_matters(Rule::DeposedStaysOut, c, STALE_REFUSED);
}

/// No reservation, because an operator sent CLEAR: its holder still believes.
#[test]
fn no_window_where_no_reservation_is_found() {
    let c = system(&[Holder, Contender], SMALLEST, 2, 8, Credits { clear: 1, ..some(1) });
    rule_matters(Rule::WindowWithoutReservation, c, ONE_LEASE);
}

/// PREEMPT without abort, or a target that only says it aborts: a write accepted before lands after.
#[test]
fn a_target_that_does_not_abort() {
    let c = system(&[Holder, Contender], SMALLEST, 1, 7, Credits { pause: 1, write: 1, ..some(1) });
    holds(c.clone(), &[]);
    bites(Config { aborts: false, ..c }, STALE_ABORTED);
}

/// A node registers to challenge while its own old writes are still under way: that lets them in, beside
/// whatever its new life does.
#[test]
fn registering_with_old_writes_under_way() {
    let credits = Credits { pause: 1, write: 1, again: 1, ..some(1) };
    let c = system(&[Holder, Contender], SMALLEST, 1, 7, credits);
    holds(c.clone(), &[]);
    bites(Config { drains: false, ..c }, STALE_REFUSED);
}

/// A holder's process dies and is started again; what it had started may run until its lease ends.
#[test]
fn an_own_ghost_taken_up_at_once() {
    let c = system(&[Holder, Contender], SMALLEST, 2, 8, Credits { crash: 1, again: 1, ..some(1) });
    rule_matters(Rule::OwnGhostWaits, c, GHOST_OVER);
}

/// The same; after its window it names its own key.
#[test]
fn a_holder_that_preempts_itself() {
    let c = system(&[Holder, Contender], SMALLEST, 2, 8, Credits { crash: 1, again: 1, ..some(1) });
    rule_matters(Rule::NoSelfPreempt, c, NO_SELF_PREEMPT);
}
