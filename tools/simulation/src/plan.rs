//! What a scenario is made of, all of it from its seed.

use std::time::Duration;

use arbitrate::protocol::{Profile, Rules, Timing};

use crate::chance::Chance;

/// What is broken on purpose, to see that it is noticed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Broken {
    /// The protocols' rules.
    pub rules: Rules,
    /// A challenger waits only this part of its window, in per cent; 0 for all of it.
    pub window_percent: u32,
    /// Clocks run apart this many times as far as the margin holds; 0 for within it.
    pub drift_times: u32,
    /// A node challenges again while commands of its earlier lives are under way.
    pub undrained: bool,
    /// Only scenarios in which nothing else goes wrong.
    pub quiet: bool,
    /// Watchdogs bite this many times later than they say; 0 for when they say.
    pub watchdog_times: u32,
    /// The survivor reaches nothing in the calm.
    pub no_calm: bool,
    /// The operator stops a program while writes, of its application or of a fenced node, are under way.
    pub hasty_stop: bool,
    /// The unit executes PREEMPT AND ABORT without aborting.
    pub no_abort: bool,
}

/// Something that happens to the whole scenario at one time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A node stands still until then; its clock goes on.
    Pause(usize, u64),
    /// A node is late with all it does until then, as a machine is before it stands still.
    Slow(usize, u64),
    /// A node's process is killed; it is started again at that time.
    Kill(usize, u64),
    /// A node's machine goes down; it is up again at that time.
    Reboot(usize, u64),
    /// All that a node sends until then is lost.
    Cut(usize, u64),
    /// The operator stops a node's application, and when what it wrote is done, the program.
    Stop(usize),
    /// LOGICAL UNIT RESET.
    Reset,
    /// The target loses power.
    PowerLoss(Memory),
    /// An operator's CLEAR.
    Clear,
}

/// What a target remembers through a loss of power.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Memory {
    /// Registrations and reservation (APTPL).
    Kept,
    /// Nothing.
    Lost,
}

/// What may become of a command, in per mille.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Anything at all but a plain answer.
    pub trouble: u64,
    /// A wake-up is late.
    pub late: u64,
}

/// One scenario.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The timing of all nodes.
    pub timing: Timing,
    /// The timing of every second node: the same, unless that is broken.
    pub hasty: Timing,
    /// Whether each node has a watchdog.
    pub watchdog: bool,
    /// The speed of each node's clock.
    pub speeds_ppm: Vec<u64>,
    /// What may become of a command.
    pub rates: Rates,
    /// What happens when.
    pub faults: Vec<(u64, Fault)>,
    /// From here on nothing goes wrong any more, and only [`Plan::survivor`] lives.
    pub calm: u64,
    /// Who lives to the end.
    pub survivor: usize,
    /// By when the survivor owns.
    pub due: u64,
    /// The unit is formatted and all nodes know: tenures are written, a clean end is marked.
    pub formatted: bool,
    /// What is broken.
    pub broken: Broken,
}

impl Plan {
    /// The scenario of a seed.
    #[must_use]
    pub fn new(seed: u64, broken: Broken) -> Self {
        let mut c = Chance::new(seed);
        let profile = [Profile::Fast, Profile::Fast, Profile::Lab, Profile::Classic][c.place(4)];
        let timing = Timing::profile(profile);
        let spec = timing.spec();
        let window = nanos(spec.window);
        let nodes = if c.happens(400) { 3 } else { 2 };
        let watchdog = spec.watchdog.is_some() && c.happens(500);
        let drift = drift_ppm(timing) * u64::from(broken.drift_times.max(1));
        let speeds_ppm = (0..nodes).map(|_| speed(&mut c, drift)).collect();
        let calm = window * 24;
        let rates = if broken.quiet {
            Rates { trouble: 0, late: 0 }
        } else {
            Rates { trouble: [0, 5, 20, 80, 250][c.place(5)], late: [0, 0, 10, 50][c.place(4)] }
        };
        let faults = if broken.quiet { Vec::new() } else { faults(&mut c, nodes, window, calm) };
        let mut shorter = spec;
        if broken.window_percent > 0 {
            shorter.window = spec.window * broken.window_percent / 100;
        }
        Self {
            timing,
            hasty: Timing::unchecked(shorter),
            watchdog,
            speeds_ppm,
            rates,
            faults,
            calm,
            survivor: c.place(nodes),
            due: calm + window * 16,
            formatted: c.happens(500),
            broken,
        }
    }

    /// How many nodes there are.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.speeds_ppm.len()
    }

    /// Whether nothing at all goes wrong before the calm.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.rates.trouble == 0 && self.rates.late == 0 && self.faults.is_empty()
    }
}

/// Nanoseconds of a duration.
#[must_use]
pub fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

/// How far a clock may run from the true one so that two of them keep within the margin: a lease of
/// `window - margin` on the slowest clock ends before a window on the fastest.
fn drift_ppm(timing: Timing) -> u64 {
    let s = timing.spec();
    let (margin, window) = (nanos(s.margin), nanos(s.window));
    // A tenth is left for the nanoseconds lost in rounding, and for good measure.
    margin * 900_000 / (2 * window - margin)
}

/// Half of the clocks run at one end of what is allowed.
fn speed(c: &mut Chance, drift: u64) -> u64 {
    match c.place(4) {
        0 => 1_000_000 - drift,
        1 => 1_000_000 + drift,
        _ => c.between(1_000_000 - drift, 1_000_001 + drift),
    }
}

fn faults(c: &mut Chance, nodes: usize, window: u64, calm: u64) -> Vec<(u64, Fault)> {
    let count = [0, 1, 2, 4, 8][c.place(5)];
    let mut all: Vec<_> = (0..count)
        .flat_map(|_| {
            let at = c.between(window, calm);
            let node = c.place(nodes);
            // Most outlast a lease: shorter ones are what late wake-ups are for.
            let until = at + c.between(window / 20, window * 4);
            let fault = match c.place(22) {
                0..3 => Fault::Pause(node, until),
                3..6 => {
                    let stands = at + c.between(window / 20, window / 2);
                    let pause = Fault::Pause(node, until.max(stands + window));
                    return vec![(at, Fault::Slow(node, stands)), (stands, pause)];
                }
                6..8 => Fault::Kill(node, until),
                8..11 => Fault::Reboot(node, until),
                11..14 => Fault::Cut(node, until),
                14..16 => Fault::Stop(node),
                16 => Fault::Reset,
                17 => Fault::PowerLoss(Memory::Kept),
                18 => Fault::PowerLoss(Memory::Lost),
                _ => Fault::Clear,
            };
            vec![(at, fault)]
        })
        .collect();
    all.sort_by_key(|(at, _)| *at);
    all
}
