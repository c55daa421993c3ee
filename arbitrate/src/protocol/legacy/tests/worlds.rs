//! Many worlds, of which each must keep the one property: at most one lease at any moment.

use super::world::{Tally, run};
use crate::protocol::Rules;

/// Seeds of an ordinary run; `PALISADE_LEGACY_SEEDS=FIRST..END` names others.
fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("PALISADE_LEGACY_SEEDS") else { return 0..1500 };
    let (first, end) = text.split_once("..").expect("FIRST..END");
    first.parse().unwrap()..end.parse().unwrap()
}

#[test]
fn at_most_one_lease_is_valid_at_any_moment() {
    let mut all = Tally::default();
    for seed in seeds() {
        match run(seed, Rules::SOUND) {
            Ok(t) => {
                all.wins += t.wins;
                all.defended += t.defended;
                all.deposed += t.deposed;
                all.expired += t.expired;
                all.released += t.released;
                all.resets += t.resets;
            }
            Err(o) => panic!("seed {seed}, at {:?}: {:?}\n{}", o.at, o.leases, o.log.join("\n")),
        }
    }
    // What never happened was not tested.
    for (what, n) in [
        ("wins", all.wins),
        ("defended", all.defended),
        ("deposed", all.deposed),
        ("expired", all.expired),
        ("released", all.released),
    ] {
        assert!(n > 100, "{what} only {n} times: {all:?}");
    }
}

#[test]
fn a_seed_replays() {
    let twice = [(); 2].map(|()| format!("{:?}", run(7, Rules::SOUND)));
    assert_eq!(twice[0], twice[1]);
}
