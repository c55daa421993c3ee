//! Thousands of seeded worlds: nobody alive is slandered, nobody dead is overlooked.
//!
//! `HEARTBEAT_SEED=n` replays one world, `HEARTBEAT_WORLDS=n` runs so many.

#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod dice;
mod host;
mod network;
mod world;

use world::{Broken, World};

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|v| v.parse().unwrap())
}

fn run(seed: u64, broken: Broken) -> Result<world::Tally, String> {
    World::new(seed, broken).run().map_err(|e| format!("seed {seed}: {e}"))
}

#[test]
fn nobody_alive_is_slandered_and_nobody_dead_is_overlooked() {
    if let Some(seed) = from_env("HEARTBEAT_SEED") {
        println!("{:?}", run(seed, Broken::Nothing).unwrap());
        return;
    }
    let worlds = from_env("HEARTBEAT_WORLDS").unwrap_or(2_000);
    let mut all = world::Tally::default();
    for seed in 1..=worlds {
        match run(seed, Broken::Nothing) {
            Ok(t) => all += t,
            Err(e) => {
                panic!("{e}\nreplay: HEARTBEAT_SEED={seed} cargo nextest run -p palisade --test heartbeat")
            }
        }
    }
    println!("{worlds} worlds: {all:?}");
    // A campaign in which nothing went wrong proves nothing.
    assert!(
        all.deaths > worlds / 8 && all.stalls > worlds && all.cuts > worlds / 4 && all.dropped > worlds,
        "{all:?}"
    );
    assert!(all.suspected > all.deaths && all.fallbacks > 0 && all.goodbyes > 0, "{all:?}");
}

/// A loop that breaks one of the three rules slanders somebody, and is caught.
#[test]
fn broken_loops_are_caught() {
    for broken in [Broken::JudgesBeforeDraining, Broken::BlamesForItsOwnStalls] {
        let caught = (1..=400).filter(|seed| run(*seed, broken).is_err()).count();
        assert!(caught > 0, "{broken:?} was never caught in 400 worlds");
        println!("{broken:?}: caught in {caught} of 400 worlds");
    }
}

#[test]
fn a_seed_is_a_world() {
    for seed in [3, 77] {
        assert_eq!(run(seed, Broken::Nothing), run(seed, Broken::Nothing));
    }
}
