//! What a suspicion rests on: enough to judge it afterwards, small enough to travel with the event.

use std::time::Duration;

use arbitrate::time::Instant;
use arrayvec::ArrayVec;

use super::{Link, MOST_LINKS};

/// Arrivals kept for each link.
pub const LAST: usize = 4;

/// One datagram that came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Arrival {
    /// When, by the kernel's receive stamp.
    pub at: Instant,
    /// Its sequence; 0: none came yet.
    pub sequence: u64,
    /// How many before it did not come.
    pub skipped: u64,
    /// Whether a later one came first.
    pub reordered: bool,
}

/// What is known of one link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkEvidence {
    /// Whether it is silent.
    pub silent: bool,
    /// Datagrams that came in this life.
    pub received: u64,
    /// Datagrams that did not.
    pub lost: u64,
    /// Mean deviation of the gaps from the interval.
    pub jitter: Duration,
    /// The last ones that came, oldest first.
    pub arrivals: [Arrival; LAST],
}

/// What is known of a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// When it was judged.
    pub at: Instant,
    /// Each link, by number.
    pub links: ArrayVec<LinkEvidence, MOST_LINKS>,
}

impl Evidence {
    pub(super) fn of(links: &[Link], at: Instant) -> Self {
        Self { at, links: links.iter().map(Link::evidence).collect() }
    }
}
