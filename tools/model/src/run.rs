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
    /// The longest of the shortest paths.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// The first property found broken, and the shortest way there.
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

/// Explores the whole system, or up to the first counterexample, on `threads` threads.
#[must_use]
pub fn explore(config: Config, threads: usize) -> Found {
    let begun = Instant::now();
    let checker = System::new(config)
        .checker()
        .threads(threads)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
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
            if found.broken.as_ref().is_none_or(|b| path.len() < b.path.len()) {
                found.broken = Some(Broken { property: name, path });
            }
        } else {
            found.seen.push(name);
        }
    }
    found
}
