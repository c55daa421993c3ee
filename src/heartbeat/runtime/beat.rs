//! The loop: wake, send all, drain all, and only then judge.

use std::time::Duration;

use arbitrate::time::Instant;
use nix::errno::Errno;
use rtrb::Producer;

use super::batch::Batch;
use super::clocks::{Clocks, sleep_until};
use super::link::Link;
use crate::heartbeat::node::{Event, Node};

/// Datagrams in one system call.
const BATCH: usize = 64;
/// Batches drained from one link in one tick, at most: a flood may not stop the clock.
const MOST_BATCHES: usize = 256;

/// An event and when the loop told it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamped {
    /// The wake-up of the tick it was judged in.
    pub at: Instant,
    /// What happened.
    pub event: Event,
}

/// What the loop did, and what it cost. Counts and sums since its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cost {
    /// Ticks.
    pub ticks: u64,
    /// Datagrams the kernel took.
    pub sent: u64,
    /// Datagrams it did not take: no route, buffer full. They are missed by the peers, not repeated.
    pub unsent: u64,
    /// Events that found the ring full.
    pub lost_events: u64,
    /// The greatest lateness of a wake-up.
    pub latest: Duration,
    /// The last wake-up's lateness.
    pub late: Duration,
}

/// A node on its links. Made on the thread that runs it.
pub struct Beat {
    node: Node,
    links: Vec<Link>,
    tick: Duration,
    outgoing: Batch,
    incoming: Batch,
    events: Producer<Stamped>,
    due: Instant,
    last_sent: Instant,
    cost: Cost,
}

impl Beat {
    /// A loop that wakes each `tick` and tells through `events`. Allocates all it will ever need.
    #[must_use]
    pub fn new(node: Node, links: Vec<Link>, tick: Duration, events: Producer<Stamped>) -> Self {
        let due = Clocks::read().now + tick;
        let (outgoing, incoming) = (Batch::new(BATCH), Batch::new(BATCH));
        Self { node, links, tick, outgoing, incoming, events, due, last_sent: due, cost: Cost::default() }
    }

    /// Waits for the next tick and does it; and before, each time a peer reaches its limit, drains and
    /// judges.
    pub fn tick(&mut self) {
        while let Some(limit) = self.node.next_judgement().filter(|t| *t < self.due) {
            self.wake(limit);
            self.drain();
            self.judge();
        }
        let now = self.wake(self.due);
        self.cost.late = now.since(self.due);
        self.cost.latest = self.cost.latest.max(self.cost.late);
        self.cost.ticks += 1;
        self.send();
        self.drain();
        self.judge();
        self.advance(now);
    }

    fn wake(&mut self, due: Instant) -> Instant {
        sleep_until(due);
        let clocks = Clocks::read();
        let Self { node, events, cost, .. } = self;
        node.wake(due, clocks.now, clocks.suspended, |e| tell(events, cost, clocks.now, e));
        clocks.now
    }

    fn judge(&mut self) {
        let Self { node, events, cost, .. } = self;
        let at = node.awake().woke_at();
        node.judge(|e| tell(events, cost, at, e));
    }

    /// The next absolute tick; those that were missed are not made up for.
    fn advance(&mut self, now: Instant) {
        self.due = self.due + self.tick;
        if self.due <= now {
            let behind = now.since(self.due).as_nanos() / self.tick.as_nanos().max(1) + 1;
            self.due = self.due + self.tick * u32::try_from(behind).unwrap_or(u32::MAX);
        }
    }

    /// One datagram to everybody on every link.
    fn send(&mut self) {
        let Self { node, links, outgoing, cost, last_sent, .. } = self;
        for (number, link) in links.iter().enumerate() {
            let now = arbitrate::clock::now();
            *last_sent = now;
            for (batch, peers) in link.peers().chunks(BATCH).enumerate() {
                for i in 0..peers.len() {
                    if let Some(out) = outgoing.datagram_mut(i) {
                        node.compose(batch * BATCH + i, number, now, out);
                    }
                }
                let taken = outgoing.send(link.fd(), peers).unwrap_or(0);
                cost.sent += count(taken);
                cost.unsent += count(peers.len().saturating_sub(taken));
            }
        }
    }

    fn drain(&mut self) {
        let Self { node, links, incoming, events, cost, .. } = self;
        for (number, link) in links.iter().enumerate() {
            for _ in 0..MOST_BATCHES {
                let got = match incoming.receive(link.fd()) {
                    Ok(n) => n,
                    // A peer's ICMP "port unreachable": a hint, no verdict. What is queued comes next.
                    Err(Errno::ECONNREFUSED | Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EINTR) => {
                        continue;
                    }
                    Err(_) => break,
                };
                let clocks = Clocks::read();
                for i in 0..got {
                    let Some((bytes, stamp)) = incoming.received(i) else { break };
                    let at = stamp.map_or(clocks.now, |s| clocks.of_stamp(s));
                    node.receive(number, bytes, at, clocks.now, |e| tell(events, cost, clocks.now, e));
                }
                if got < incoming.size() {
                    break;
                }
            }
        }
    }

    /// When the last datagrams were composed.
    #[must_use]
    pub const fn last_sent(&self) -> Instant {
        self.last_sent
    }

    /// The next tick comes at `due`, and none before.
    pub const fn rest_until(&mut self, due: Instant) {
        self.due = due;
    }

    /// The node.
    #[must_use]
    pub const fn node(&self) -> &Node {
        &self.node
    }

    /// The node, to change what it tells.
    pub const fn node_mut(&mut self) -> &mut Node {
        &mut self.node
    }

    /// What the loop did.
    #[must_use]
    pub const fn cost(&self) -> &Cost {
        &self.cost
    }
}

fn tell(events: &mut Producer<Stamped>, cost: &mut Cost, at: Instant, event: Event) {
    if events.push(Stamped { at, event }).is_err() {
        cost.lost_events += 1;
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
