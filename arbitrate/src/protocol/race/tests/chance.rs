//! Faults by chance: whatever happens, one owner at the most; and when it is over, one at last.

use super::bed::{Bed, DEVICES, WINDOW};
use super::*;

/// Minutes of cut paths, pauses, crashes, lost and late commands.
fn storm(bed: &mut Bed, rounds: u32) {
    let nodes = bed.nodes.len();
    bed.attempts = 3;
    bed.bad_luck = 15;
    for n in 0..nodes {
        bed.start(n, Weight::MAX);
    }
    for _ in 0..rounds {
        let n = usize::try_from(bed.roll(nodes as u64)).unwrap();
        let d = usize::try_from(bed.roll(DEVICES as u64)).unwrap();
        match bed.roll(10) {
            0..=2 => bed.cut[n][d] = true,
            3..=5 => bed.cut[n] = [false; DEVICES],
            6 => {
                bed.nodes[n].paused_until = bed.now + Duration::from_millis(bed.dice % 20_000);
            }
            7 => {
                bed.crash(n);
                bed.nodes[n].paused_until = bed.now;
            }
            8 => bed.tell(n, RaceEvent::Release),
            _ => {}
        }
        revive(bed);
        let rest = bed.roll(5_000_000);
        bed.run(Duration::from_micros(rest));
    }
}

/// Whoever has no race begins one.
fn revive(bed: &mut Bed) {
    for n in 0..bed.nodes.len() {
        if bed.nodes[n].race.as_ref().is_none_or(|r| r.end().is_some()) {
            bed.crash(n);
            bed.start(n, Weight::MAX);
        }
    }
}

/// More on request.
fn seeds() -> u64 {
    std::env::var("PALISADE_RACE_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(200)
}

#[test]
fn never_two_owners_and_at_last_one() {
    for seed in 0..seeds() {
        let mut bed = Bed::new(3, seed);
        storm(&mut bed, 60);
        assert_eq!((bed.owners.min(2), bed.disorder), (bed.owners.min(1), 0), "seed {seed}");
        // The storm is over.
        bed.bad_luck = 0;
        bed.cut = vec![[false; DEVICES]; 3];
        bed.run(Duration::from_secs(20));
        let mut quiet = false;
        for _ in 0..20 {
            revive(&mut bed);
            bed.run(WINDOW);
            quiet |= bed.owner().is_some_and(|o| bed.race(o).leases(bed.now) == DEVICES);
        }
        assert!(quiet, "seed {seed}: nobody came to own");
        assert!(bed.owner().is_some(), "seed {seed}: ownership did not last");
        assert!(bed.owners <= 1, "seed {seed}");
    }
}
