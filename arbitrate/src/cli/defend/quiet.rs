//! Which confirmed ticks are worth a line: the first, the first after anything else, and one now and then.
//!
//! For people only: programs get every event. Must never swallow anything but a confirmation.

use std::time::Duration;

use arbitrate::time::Instant;
use clap::Args;

use crate::cli::output::Output;

/// How often a defence that has nothing to tell says that it goes on.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Reports {
    /// While every tick is confirmed, one line in so many seconds (of several devices: one each, and one of the
    /// whole); 0 for a line every tick. Whatever else happens
    /// is printed at once; --json and --verbose print every tick
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub(crate) report_every_s: u32,
}

impl Reports {
    /// A line every tick.
    pub(crate) const EVERY: Self = Self { report_every_s: 0 };
}

/// What was printed last.
#[derive(Debug)]
pub(crate) struct Quiet {
    every: Duration,
    /// The last confirmation printed; none since something else was.
    said: Option<Instant>,
}

impl Quiet {
    /// For `out`: programs, and whoever wants to see every command, get every tick.
    pub(crate) fn new(every: Reports, out: Output) -> Self {
        let every = if out.json || out.verbose { Reports::EVERY } else { every };
        Self { every: Duration::from_secs(u64::from(every.report_every_s)), said: None }
    }

    /// A tick was confirmed at `at`: whether it is to be printed.
    pub(crate) fn confirmed(&mut self, at: Instant) -> bool {
        let silent = self.said.is_some_and(|said| at.since(said) < self.every);
        if !silent {
            self.said = Some(at);
        }
        !silent
    }

    /// Something else is printed: the next confirmation is news.
    pub(crate) fn other(&mut self) {
        self.said = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEOPLE: Output = Output { json: false, verbose: false };

    fn s(n: u64) -> Instant {
        Instant::default() + Duration::from_secs(n)
    }

    #[test]
    fn confirmations_are_printed_first_after_a_change_and_now_and_then() {
        let mut q = Quiet::new(Reports { report_every_s: 60 }, PEOPLE);
        assert!(q.confirmed(s(0)));
        assert!((1..20).all(|i| !q.confirmed(s(3 * i))));
        assert!(q.confirmed(s(60)) && !q.confirmed(s(63)));
        q.other();
        assert!(q.confirmed(s(66)), "after a change it is news");
    }

    #[test]
    fn zero_prints_every_tick() {
        let mut q = Quiet::new(Reports { report_every_s: 0 }, PEOPLE);
        assert!((0..5).all(|i| q.confirmed(s(i))));
        let mut q = Quiet::new(Reports { report_every_s: 60 }, Output { json: true, ..PEOPLE });
        assert!((0..5).all(|i| q.confirmed(s(i))), "programs get every event");
    }
}
