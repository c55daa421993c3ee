//! Everything at one instant.

use arbitrate::codec::pr::PrOut;
use arbitrate::codec::quorum::{Epoch, Mark, Record, Tenure};
use arbitrate::key::{Key, Stance};
use arbitrate::protocol::Command;
use arbitrate::time::Instant;

use crate::config::{Config, Credits, Head, Start};
use crate::node::{KIND, Link, Node, Role, defender, key, nexus};
use crate::target::Target;

/// A command whose caller has given it up and which the fabric may yet deliver.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Orphan {
    /// Whose.
    pub node: usize,
    /// What; it changes something.
    pub command: Command,
}

/// A property broken by a step rather than by a state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Breach {
    /// The target accepted a write of a node that another had deposed.
    StaleWriteAccepted,
    /// Such a write, accepted in time, reached the medium after the other's victory.
    StaleWriteLanded,
    /// A defender lost the device though it did all in time.
    LiveDefenderLost,
    /// A challenge ended as won that never held the reservation.
    FalseVictory,
    /// A node named its own key in a PREEMPT.
    SelfPreempt,
}

/// Everything at one instant.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    /// The time.
    pub now: u8,
    /// The unit.
    pub target: Target,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Commands given up by their callers. Reads don't matter any more and are not kept.
    pub fabric: Vec<Orphan>,
    /// What may still go wrong.
    pub credits: Credits,
    /// Who held the reservation last: node and life.
    pub owner: Option<(usize, u8)>,
    /// The reservations were wiped at some time: by an operator's CLEAR or a loss of power.
    pub wiped: bool,
    /// Whether the target has protected the owner ever since: no CLEAR, no loss of power, no release.
    pub protected: bool,
    /// A PREEMPT or RESERVE took the reservation after its caller had given it up.
    pub late_seizure: bool,
    /// A challenge was won sooner than any window ends.
    pub spared: bool,
    /// What was broken on the way here.
    pub breach: Option<Breach>,
}

impl State {
    /// The beginning.
    #[must_use]
    pub fn begin(c: &Config) -> Self {
        let mut s = Self {
            now: 0,
            target: Target::new(c.attentions, nexus(c.nodes.len())),
            nodes: Vec::new(),
            fabric: Vec::new(),
            credits: c.credits,
            owner: None,
            wiped: false,
            protected: true,
            late_seizure: false,
            spared: false,
            breach: None,
        };
        let first = Tenure { epoch: Epoch(1), key: key(0, 1, Stance::Settled) };
        let first = if c.head == Head::Released || c.nodes.first() != Some(&Start::Contender) {
            first
        } else {
            Tenure::NONE
        };
        if c.head != Head::Unformatted {
            s.target.record(Record::Tenure(first));
        }
        if c.head == Head::Released {
            s.target.record(Record::Mark(Mark { of: first }));
        }
        for (n, start) in c.nodes.iter().enumerate() {
            if *start == Start::Contender {
                // Life 1 of node 0 is the one that released.
                let life = if c.head == Head::Released && n == 0 { 2 } else { 1 };
                s.nodes.push(Node::new(Role::Idle, life));
                continue;
            }
            let k = key(n, 1, Stance::Settled);
            let _ = s.target.pr_out(nexus(n), &PrOut::register(Key::default(), k, c.aptpl()));
            let _ = s.target.pr_out(nexus(n), &PrOut::reserve(k, KIND));
            s.owner = Some((n, 1));
            let mut node = Node::new(Role::Down, 1);
            if *start == Start::Holder {
                node.role = Role::Defender(std::sync::Arc::new(defender(c, k, Some(first), s.time(c, n))));
                node.link = Link::Wait(s.time(c, n));
            }
            node.held = true;
            s.nodes.push(node);
        }
        s
    }

    /// The time, as the protocol of node `n` takes it from its clock.
    #[must_use]
    pub fn time(&self, c: &Config, n: usize) -> Instant {
        Instant::from_nanos(c.clock(n, self.now))
    }

    /// Whether node `n` holds a valid lease.
    #[must_use]
    pub fn has_lease(&self, c: &Config, n: usize) -> bool {
        self.nodes[n].has_lease(self.time(c, n))
    }

    /// Whether the lease a dead life of node `n` had would still be valid: what depended on it may run.
    #[must_use]
    pub fn has_ghost(&self, c: &Config, n: usize) -> bool {
        self.nodes[n].ghost_until.is_some_and(|t| self.time(c, n) < t)
    }

    /// How many nodes hold a valid lease.
    #[must_use]
    pub fn leases(&self, c: &Config) -> usize {
        (0..self.nodes.len()).filter(|n| self.has_lease(c, *n)).count()
    }

    /// Whether a command of `node` is still under way, given up by its caller.
    #[must_use]
    pub fn has_orphans_of(&self, node: usize) -> bool {
        self.fabric.iter().any(|o| o.node == node)
    }
}
