//! Which seed shows every row in the fewest steps.
use arbitrate::device::sim::Personality;
use arbitrate::device::sim::personality::Deviation;
use palisade_equal::compare::{record, replay};
use palisade_equal::generate::sequence;
use palisade_equal::target::{Embedded, Start};
fn main() -> anyhow::Result<()> {
    let start = Start::example();
    let mut best = 1500;
    for seed in 0..3000u64 {
        let trace = record(&mut Embedded::new(Personality::LIO, &start)?, &sequence(seed, best, &start)?)?;
        let mut last = 0;
        for row in Deviation::ALL {
            let d = replay(&mut Embedded::new(Personality::LIO.without(*row), &start)?, &trace)?;
            last = last.max(d.map_or(usize::MAX, |d| d.at));
            if last >= best {
                break;
            }
        }
        if last < best {
            best = last;
            println!("seed {seed}: {best}");
        }
    }
    Ok(())
}
