//! Data devices: fencing, and the order in which a host comes to write.

mod common;

use common::{bites_in, holds_in};
use palisade_model::data::{ABORTED, BACK, Config, Keep, PLACED, PLACED_IN_DOUBT, REFUSED, System};

const KEPT: Config = Config { broken: Keep::All, host_holds: true, writes: 2, restarts: 1, unanswered: 1 };

fn broken(broken: Keep, host_holds: bool, property: &'static str) {
    holds_in(System(Config { host_holds, ..KEPT }), &[PLACED]);
    bites_in(System(Config { broken, host_holds, ..KEPT }), property);
}

/// The host holds the reservation, or nobody does; it restarts, and answers to the fencer are lost.
#[test]
fn a_fenced_host_writes_no_more() {
    for host_holds in [true, false] {
        let c = Config { host_holds, ..KEPT };
        holds_in(System(c), &[PLACED, PLACED_IN_DOUBT, BACK]);
    }
}

/// It saw its placement, was fenced before it had registered, and registers after.
#[test]
fn looking_before_registering() {
    broken(Keep::LookAfterRegistering, true, REFUSED);
}

/// A new life registers after the fence, to look; that lets the old life's queued writes in.
#[test]
fn registering_with_writes_queued() {
    broken(Keep::DrainBeforeRegistering, true, REFUSED);
}

/// The host restarted meanwhile and has another key than the log knows.
#[test]
fn naming_one_key_only() {
    broken(Keep::EveryKeyOfTheNode, false, REFUSED);
}

/// A write the target accepted before the fence lands after it.
#[test]
fn preempting_without_abort() {
    broken(Keep::Abort, true, ABORTED);
}

/// Nobody holds: whoever is not registered writes.
#[test]
fn fencing_without_a_reservation() {
    broken(Keep::Reservation, false, REFUSED);
}

/// Fenced first, the host's next life registers and still finds itself placed.
#[test]
fn evicting_after_the_fence() {
    broken(Keep::EvictionFirst, true, REFUSED);
}
