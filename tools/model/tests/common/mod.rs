//! What the checks have in common: say what was explored, then insist on it.
#![allow(dead_code, reason = "each test binary uses a part of this")]
#![allow(clippy::expect_used, reason = "a check that fails is a test that fails")]

use arbitrate::protocol::{Rule, Rules};
use palisade_model::config::{Config, Credits, Start, Units};
use palisade_model::run::{Found, Until, explore};
use palisade_model::system::System;
use stateright::Model;
use std::fmt::Debug;
use std::hash::Hash;

/// Threads for one check; the runner runs several checks at once.
const THREADS: usize = 1;

/// One fault of each kind on offer, and `total` of them together.
pub(crate) fn any_faults(total: u8) -> Credits {
    Credits {
        late: 1,
        delay: 1,
        lose: 1,
        pause: 1,
        crash: 1,
        clear: 1,
        power: 1,
        release: 1,
        total,
        ..Credits::default()
    }
}

/// These faults and no others, `total` of them together.
pub(crate) fn some(total: u8) -> Credits {
    Credits { total, ..Credits::default() }
}

/// A system of these nodes, contenders beginning by `begin_by`.
pub(crate) fn system(nodes: &[Start], units: Units, begin_by: u8, horizon: u8, credits: Credits) -> Config {
    Config { begin_by, credits, ..Config::new(nodes, units, horizon) }
}

/// Every property holds, and all of `seen` does happen.
pub(crate) fn holds(config: Config, seen: &[&str]) {
    holds_in(System::new(config), seen);
}

/// A counterexample to `property` is found.
pub(crate) fn bites(config: Config, property: &'static str) {
    bites_in(System::new(config), property);
}

/// Every property of this system holds, and all of `seen` does happen.
pub(crate) fn holds_in<M: Explored>(model: M, seen: &[&str]) {
    let found = report(model, Until::AnyBroken);
    assert!(found.broken.is_none(), "{:#?}", found.broken);
    for s in seen {
        assert!(found.seen.contains(s), "never seen: {s}; seen: {:?}", found.seen);
    }
}

/// A counterexample to `property` is found in this system.
pub(crate) fn bites_in<M: Explored>(model: M, property: &'static str) {
    let found = report(model, Until::Broken(property));
    let broken = found.broken.expect("no counterexample: the checker has no teeth here");
    println!("broken in {} steps: {}\n{:?}", broken.path.len(), broken.property, broken.path);
    assert_eq!(broken.property, property);
}

/// Runs the check with the rule broken, and the same system with it kept.
pub(crate) fn rule_matters(rule: Rule, config: Config, property: &'static str) {
    holds(config.clone(), &[]);
    bites(Config { rules: Rules::without(rule), ..config }, property);
}

/// What the checker takes.
pub(crate) trait Explored:
    Model<
        State: Hash + Debug + Clone + PartialEq + Send + Sync,
        Action: Debug + Clone + PartialEq + Send + Sync,
    > + Send
    + Sync
    + 'static
{
}

impl<M> Explored for M where
    M: Model<
            State: Hash + Debug + Clone + PartialEq + Send + Sync,
            Action: Debug + Clone + PartialEq + Send + Sync,
        > + Send
        + Sync
        + 'static
{
}

fn report<M: Explored>(model: M, until: Until) -> Found<M::Action> {
    let found = explore(model, until, THREADS);
    println!("{} states, depth {}, {:?}, seen {:?}", found.states, found.depth, found.took, found.seen);
    found
}
