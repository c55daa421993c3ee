//! Running the checker and reading its result.

use std::time::{Duration, Instant};

use std::fmt::Debug;
use std::hash::Hash;

use stateright::{Checker, Expectation, HasDiscoveries, Model};

/// What the checker found.
#[derive(Debug)]
pub struct Found<A> {
    /// Different states.
    pub states: usize,
    /// The steps of the longest path walked.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// A property found broken, the one asked for if it was, and the way there.
    pub broken: Option<Broken<A>>,
    /// What of the things to be seen was seen.
    pub seen: Vec<&'static str>,
}

/// A counterexample.
#[derive(Debug)]
pub struct Broken<A> {
    /// The property.
    pub property: &'static str,
    /// The steps.
    pub path: Vec<A>,
}

/// When to stop before everything was explored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// At the first counterexample to anything.
    AnyBroken,
    /// At the first counterexample to this property.
    Broken(&'static str),
}

/// Explores a whole system, or up to the counterexample asked for, on `threads` threads.
#[must_use]
pub fn explore<M>(model: M, until: Until, threads: usize) -> Found<M::Action>
where
    M: Model + Send + Sync + 'static,
    M::State: Hash + Debug + Clone + PartialEq + Send + Sync + 'static,
    M::Action: Debug + Clone + PartialEq + Send + Sync + 'static,
{
    let must_hold: Vec<&'static str> =
        model.properties().iter().filter(|p| p.expectation == Expectation::Always).map(|p| p.name).collect();
    let begun = Instant::now();
    let finish = match until {
        Until::AnyBroken => HasDiscoveries::AnyFailures,
        Until::Broken(property) => HasDiscoveries::AnyOf([property].into()),
    };
    let checker = model.checker().threads(threads).finish_when(finish).spawn_bfs().join();
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
        if must_hold.contains(&name) {
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
