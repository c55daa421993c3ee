//! Running the checker and reading its result.

use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model};

use crate::action::Action;
use crate::config::Config;
use crate::properties;
use crate::system::System;

/// What the checker found.
#[derive(Debug)]
pub struct Found {
    /// Different states.
    pub states: usize,
    /// The steps of the longest path walked.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// A property found broken, the one asked for if it was, and the way there.
    pub broken: Option<Broken>,
    /// What of the things to be seen was seen.
    pub seen: Vec<&'static str>,
}

/// A counterexample.
#[derive(Debug)]
pub struct Broken {
    /// The property.
    pub property: &'static str,
    /// The steps.
    pub path: Vec<Action>,
}

/// When to stop before everything was explored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// At the first counterexample to anything.
    AnyBroken,
    /// At the first counterexample to this property.
    Broken(&'static str),
}

/// Explores the whole system, or up to the counterexample asked for, on `threads` threads.
#[must_use]
pub fn explore(config: Config, until: Until, threads: usize) -> Found {
    let begun = Instant::now();
    let finish = match until {
        Until::AnyBroken => HasDiscoveries::AnyFailures,
        Until::Broken(property) => HasDiscoveries::AnyOf([property].into()),
    };
    let checker = System::new(config).checker().threads(threads).finish_when(finish).spawn_bfs().join();
    let mut found = Found {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        took: begun.elapsed(),
        broken: None,
        seen: Vec::new(),
    };
    let mut discoveries: Vec<_> = checker.discoveries().into_iter().collect();
    discoveries.sort_by_key(|(name, _)| *name);
    for (name, path) in discoveries {
        if properties::MUST_HOLD.contains(&name) {
            let path = path.into_actions();
            let wanted = until == Until::Broken(name);
            if wanted || found.broken.is_none() {
                found.broken = Some(Broken { property: name, path });
            }
        } else {
            found.seen.push(name);
        }
    }
    found
}
