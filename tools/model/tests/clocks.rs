//! Clocks that run at different speeds.
//!
//! A lease of `window - margin` on a slow clock and a window on a fast one are equally long where one runs
//! `window / (window - margin)` as fast as the other: 6 to 5 here. A little more, and both believe.

mod common;

use common::{bites, holds, some, system};
use palisade_model::config::Start::{Contender, Holder};
use palisade_model::config::{Config, Credits, FINE, ROOMY, Rate};
use palisade_model::properties::{CHANGES_HANDS, DEFENDED, ONE_LEASE};

const fn rate(ticks: u64, units: u64) -> Rate {
    Rate { ticks, units }
}

fn drifting(clocks: &[Rate]) -> Config {
    let c = system(&[Holder, Contender], ROOMY.fine(), 2, 13, Credits { pause: 1, late: 1, ..some(2) });
    Config { clocks: clocks.to_vec(), unit: FINE, ..c }
}

/// As far apart as the margin allows: nothing breaks.
#[test]
fn within_the_margin() {
    for clocks in [[rate(5, 6), Rate::TRUE], [Rate::TRUE, rate(6, 5)], [rate(11, 12), rate(12, 11)]] {
        holds(drifting(&clocks), &[DEFENDED, CHANGES_HANDS]);
    }
}

/// The other way round costs time and no safety.
#[test]
fn a_fast_holder_and_a_slow_challenger() {
    holds(drifting(&[rate(6, 5), rate(5, 6)]), &[DEFENDED]);
}

/// Farther apart: two believe.
#[test]
fn beyond_the_margin() {
    for clocks in [[rate(4, 5), Rate::TRUE], [Rate::TRUE, rate(3, 2)], [rate(5, 6), rate(6, 5)]] {
        bites(drifting(&clocks), ONE_LEASE);
    }
}
