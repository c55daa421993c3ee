//! Seeded scenarios; a failing one is replayed with `PALISADE_SEED=… cargo nextest run -p palisade-simulation replay
//! --no-capture`.
#![allow(clippy::expect_used, reason = "a check that fails is a test that fails")]

use palisade_simulation::plan::Broken;
use palisade_simulation::run::{Story, Summary, Until, campaign, run};

const WORKERS: usize = 2;

fn report(s: &Summary) {
    println!("{} scenarios, {} failed; {:#?}", s.scenarios, s.failed.len(), s.counts);
    for (seed, v) in s.failed.iter().take(10) {
        println!("PALISADE_SEED={seed}: {v:?}");
    }
}

/// Everything holds, and all that is talked of did happen.
fn holds(first: u64, count: u64) {
    let s = campaign(first, count, WORKERS, Broken::default(), Until::Done).expect("scenarios run");
    report(&s);
    if let Some((seed, _)) = s.failed.first() {
        let again = run(*seed, Broken::default(), Story::Kept).expect("a scenario runs");
        println!("{}\nPALISADE_SEED={seed}: {:?}", again.story, again.violations);
    }
    assert!(s.failed.is_empty(), "{} of {} failed", s.failed.len(), s.scenarios);
    assert_eq!(s.scenarios, count);
    let c = s.counts;
    assert!(c.won > count && c.moved > count / 10, "hardly anybody won");
    assert!(c.handed_over > 0 && c.defended > 0 && c.deposed > 0 && c.expired > 0 && c.released > 0);
    assert!(c.marked > 0 && c.spared > 0, "no clean end was marked, or none believed");
    assert!(c.writes > 0 && c.refused_writes > 0 && c.aborted_writes > 0);
    assert!(c.bites > 0 && c.outstanding > 0);
}

#[test]
fn two_thousand() {
    holds(0, 2_000);
}

/// The slow lane: 100,000 scenarios in quarters, so that a machine with more processors uses them.
mod a_hundred_thousand {
    const QUARTER: u64 = 25_000;

    fn quarter(n: u64) {
        super::holds(1_000_000 + n * QUARTER, QUARTER);
    }

    #[test]
    #[ignore = "slow lane: minutes"]
    fn first_quarter() {
        quarter(0);
    }

    #[test]
    #[ignore = "slow lane: minutes"]
    fn second_quarter() {
        quarter(1);
    }

    #[test]
    #[ignore = "slow lane: minutes"]
    fn third_quarter() {
        quarter(2);
    }

    #[test]
    #[ignore = "slow lane: minutes"]
    fn last_quarter() {
        quarter(3);
    }
}

/// Where nothing goes wrong nobody loses anything.
#[test]
fn quiet_ones() {
    let broken = Broken { quiet: true, ..Broken::default() };
    let s = campaign(0, 200, WORKERS, broken, Until::Done).expect("scenarios run");
    report(&s);
    assert!(s.failed.is_empty());
    let c = s.counts;
    assert!(c.won >= 200 && c.defended > 0, "there was something to lose");
    assert_eq!((c.deposed, c.refused_writes, c.bites, c.outstanding), (0, 0, 0, 0));
}

#[test]
fn a_seed_replays_bit_for_bit() {
    for seed in 0..40 {
        let first = run(seed, Broken::default(), Story::Kept).expect("a scenario runs");
        assert_eq!(first, run(seed, Broken::default(), Story::Kept).expect("a scenario runs"), "{seed}");
        let hashed = run(seed, Broken::default(), Story::Hashed).expect("a scenario runs");
        assert_eq!(
            (hashed.hash, hashed.counts),
            (first.hash, first.counts),
            "{seed}: the story changes nothing"
        );
    }
}

/// The story of one seed, for people.
#[test]
fn replay() {
    let Some(seed) = std::env::var("PALISADE_SEED").ok() else { return };
    let seed = seed.parse().expect("PALISADE_SEED is a number");
    let outcome = run(seed, Broken::default(), Story::Kept).expect("a scenario runs");
    println!("{}\n{:#?}", outcome.story, outcome.counts);
    assert_eq!(outcome.violations, []);
}
