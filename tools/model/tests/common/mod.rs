//! What the checks have in common: say what was explored, then insist on it.
#![allow(dead_code, reason = "each test binary uses a part of this")]
#![allow(clippy::expect_used, reason = "a check that fails is a test that fails")]

use arbitrate::protocol::{Rule, Rules};
use palisade_model::config::{Config, Credits, Start, Units};
use palisade_model::run::{Found, Until, explore};

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
    let found = report(config, Until::AnyBroken);
    assert!(found.broken.is_none(), "{:#?}", found.broken);
    for s in seen {
        assert!(found.seen.contains(s), "never seen: {s}; seen: {:?}", found.seen);
    }
}

/// A counterexample to `property` is found.
pub(crate) fn bites(config: Config, property: &'static str) {
    let found = report(config, Until::Broken(property));
    let broken = found.broken.expect("no counterexample: the checker has no teeth here");
    println!("broken in {} steps: {}\n{:?}", broken.path.len(), broken.property, broken.path);
    assert_eq!(broken.property, property);
}

/// Runs the check with the rule broken, and the same system with it kept.
pub(crate) fn rule_matters(rule: Rule, config: Config, property: &'static str) {
    holds(config.clone(), &[]);
    bites(Config { rules: Rules::without(rule), ..config }, property);
}

fn report(config: Config, until: Until) -> Found {
    let found = explore(config, until, THREADS);
    println!("{} states, depth {}, {:?}, seen {:?}", found.states, found.depth, found.took, found.seen);
    found
}
