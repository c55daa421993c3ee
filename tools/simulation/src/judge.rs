//! What must hold at every instant, and a count of what happened, so that a pass means something.

/// What a scenario came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Commands executed by the unit.
    pub commands: u64,
    /// Challenges won and confirmed by a tick.
    pub won: u64,
    /// Leases that another node held last: ownership moved.
    pub moved: u64,
    /// Challenges not won, of whatever end.
    pub not_won: u64,
    /// Defences taken over from a challenge on the same host.
    pub handed_over: u64,
    /// Defences that ended deposed.
    pub deposed: u64,
    /// Defences that ended expired.
    pub expired: u64,
    /// Defences released.
    pub released: u64,
    /// Defences that left a mark of their clean end.
    pub marked: u64,
    /// Windows spared on the word of such a mark.
    pub spared: u64,
    /// Ticks that met a challenge.
    pub defended: u64,
    /// Application writes accepted.
    pub writes: u64,
    /// Application writes refused.
    pub refused_writes: u64,
    /// Accepted writes that were aborted before they landed.
    pub aborted_writes: u64,
    /// Watchdogs that bit.
    pub bites: u64,
    /// Commands that were still outstanding at their deadline.
    pub outstanding: u64,
}

impl Counts {
    /// Adds another scenario's.
    pub fn add(&mut self, o: &Self) {
        self.commands += o.commands;
        self.won += o.won;
        self.moved += o.moved;
        self.not_won += o.not_won;
        self.handed_over += o.handed_over;
        self.deposed += o.deposed;
        self.expired += o.expired;
        self.released += o.released;
        self.marked += o.marked;
        self.spared += o.spared;
        self.defended += o.defended;
        self.writes += o.writes;
        self.refused_writes += o.refused_writes;
        self.aborted_writes += o.aborted_writes;
        self.bites += o.bites;
        self.outstanding += o.outstanding;
    }
}

/// A property that did not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Violation {
    /// Two nodes hold a valid lease.
    TwoLeases {
        /// True time in nanoseconds.
        at: u64,
        /// Who holds one already.
        holder: usize,
        /// Who was just given another.
        second: usize,
    },
    /// A node with a watchdog still runs what depends on ownership while another has a lease.
    StillRuns {
        /// True time in nanoseconds.
        at: u64,
        /// Who runs.
        node: usize,
        /// Who has the lease.
        owner: usize,
    },
    /// A write issued before another node took the device was executed after that.
    StaleWrite {
        /// True time in nanoseconds.
        at: u64,
        /// Whose.
        node: usize,
        /// When it was issued.
        issued: u64,
        /// When another took the device.
        taken: u64,
    },
    /// The survivor does not own in time.
    NoProgress {
        /// Who.
        node: usize,
    },
    /// An owner lost the device though nothing went wrong.
    LostInQuiet {
        /// True time in nanoseconds.
        at: u64,
        /// Who.
        node: usize,
    },
    /// The unit reached a state no commands can lead to, or a node could not keep its records.
    Harness(String),
}

/// When a write was issued, and under which ownership.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Issued {
    /// True time in nanoseconds.
    pub at: u64,
    /// When its node came to hold the reservation.
    pub since: u64,
}

/// Watches a scenario.
#[derive(Debug)]
pub struct Judge {
    /// What was found.
    pub violations: Vec<Violation>,
    /// What happened.
    pub counts: Counts,
    /// When somebody else came to hold the reservation, for each node.
    taken: Vec<u64>,
    holder: Option<usize>,
    /// The last time an operator or a loss of memory took the reservation out of everybody's hands.
    excused: u64,
    last_owner: Option<usize>,
    /// When each node was last confirmed.
    pub confirmed: Vec<u64>,
    /// When each node came to hold the reservation, the last time: not when it learned of it.
    since: Vec<u64>,
}

impl Judge {
    /// For so many nodes.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self {
            violations: Vec::new(),
            counts: Counts::default(),
            taken: vec![0; nodes],
            holder: None,
            excused: 0,
            last_owner: None,
            confirmed: vec![0; nodes],
            since: vec![0; nodes],
        }
    }

    /// A node's lease was confirmed at `at`. `others` tells, for every other node, when its lease ends,
    /// and whether it is guarded by a watchdog and still runs what depends on ownership.
    pub fn confirmed(&mut self, at: u64, node: usize, others: impl Iterator<Item = (usize, u64, bool)>) {
        self.confirmed[node] = at;
        for (other, until, runs) in others {
            if until > at {
                self.violations.push(Violation::TwoLeases { at, holder: other, second: node });
            }
            if runs {
                self.violations.push(Violation::StillRuns { at, node: other, owner: node });
            }
        }
        if self.last_owner.is_some_and(|o| o != node) {
            self.counts.moved += 1;
        }
        self.last_owner = Some(node);
    }

    /// The unit executed something; now `holder` holds the reservation.
    pub fn holder(&mut self, at: u64, holder: Option<usize>) {
        if self.holder == holder {
            return;
        }
        self.holder = holder;
        if let Some(h) = holder {
            self.since[h] = at;
            for (n, taken) in self.taken.iter_mut().enumerate() {
                if n != h {
                    *taken = at;
                }
            }
        }
    }

    /// A write that `node` issues at `at`.
    #[must_use]
    pub fn issue(&self, at: u64, node: usize) -> Issued {
        Issued { at, since: self.since[node] }
    }

    /// Reservation and registrations are gone by no node's doing.
    pub fn excuse(&mut self, at: u64) {
        self.excused = at;
    }

    /// The unit lets a write of `node` in that was issued under a lease.
    pub fn accepted(&mut self, at: u64, node: usize, issued: Issued) {
        // With a reservation of another in force there is no excuse: the target refuses whoever is not
        // registered, and a deposed life must not be.
        if self.is_stale(node, issued) && (!self.is_excused(issued) || self.holder.is_some()) {
            self.stale(at, node, issued);
        }
    }

    /// An accepted write reaches the medium.
    pub fn landed(&mut self, at: u64, node: usize, issued: Issued) {
        if self.is_stale(node, issued) && !self.is_excused(issued) {
            self.stale(at, node, issued);
        }
    }

    /// Another node took the device after the write was issued.
    fn is_stale(&self, node: usize, issued: Issued) -> bool {
        self.taken[node] > issued.at
    }

    /// Where an operator's CLEAR or a loss of memory ended the ownership, nothing bars the way of its
    /// writes until another reserves, and RESERVE aborts nothing: no target can do better.
    const fn is_excused(&self, issued: Issued) -> bool {
        self.excused >= issued.since
    }

    fn stale(&mut self, at: u64, node: usize, issued: Issued) {
        let taken = self.taken[node];
        self.violations.push(Violation::StaleWrite { at, node, issued: issued.at, taken });
    }
}
