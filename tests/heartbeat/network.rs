//! A simulated network: delay, loss, duplication, reordering, and cuts in one direction.

use crate::dice::Dice;

pub(crate) const US: u64 = 1_000;
pub(crate) const MS: u64 = 1_000_000;

/// No datagram takes longer.
pub(crate) const LONGEST: u64 = 4 * MS;

/// A link that carries nothing in one direction for a while.
#[derive(Clone, Copy, Debug)]
struct Cut {
    link: usize,
    from: usize,
    to: usize,
    begins: u64,
    ends: u64,
}

#[derive(Clone)]
pub(crate) struct Network {
    loss: u64,
    duplication: u64,
    jitter: u64,
    cuts: Vec<Cut>,
}

impl Network {
    pub(crate) fn new(dice: &mut Dice, hosts: usize, links: usize, end: u64) -> Self {
        let cuts = (0..dice.between(0, 4)).map(|_| {
            let begins = dice.between(0, end);
            let from = usize::try_from(dice.between(0, hosts as u64)).unwrap();
            let to = usize::try_from(dice.between(0, hosts as u64)).unwrap();
            let link = usize::try_from(dice.between(0, links as u64)).unwrap();
            Cut { link, from, to, begins, ends: begins + dice.between(MS, 600 * MS) }
        });
        let cuts = cuts.filter(|c| c.from != c.to).collect();
        let calm = dice.per_mille(300);
        Self {
            loss: if calm { 0 } else { dice.between(0, 60) },
            duplication: if calm { 0 } else { dice.between(0, 50) },
            jitter: if calm { 100 * US } else { dice.between(US, 3 * MS) },
            cuts,
        }
    }

    pub(crate) const fn cuts(&self) -> usize {
        self.cuts.len()
    }

    /// When copies of a datagram arrive; none if it is lost.
    pub(crate) fn carry(&self, dice: &mut Dice, link: usize, from: usize, to: usize, now: u64) -> Vec<u64> {
        let cut = self
            .cuts
            .iter()
            .any(|c| (c.link, c.from, c.to) == (link, from, to) && (c.begins..c.ends).contains(&now));
        if cut || dice.per_mille(self.loss) {
            return Vec::new();
        }
        let copies = if dice.per_mille(self.duplication) { 2 } else { 1 };
        (0..copies).map(|_| now + 50 * US + dice.between(0, self.jitter)).collect()
    }
}
