//! One node's heartbeat: ticks and datagrams in, datagrams and events out.
//!
//! The order of a tick is the caller's duty and the protocol's heart: [`Node::wake`], [`Node::compose`] for
//! every peer and link that is due, [`Node::receive`] for everything that arrived, and only then
//! [`Node::judge`]. Nothing here allocates after [`Node::new`], reads a clock or sends. Must never believe
//! a datagram before its MAC was verified, nor answer one at all: what is sent follows the clock.

mod admission;
mod counters;
mod event;
mod peer;
mod round_trip;

use std::time::Duration;

use arbitrate::codec::quorum::Epoch;
use arbitrate::key::{ClusterId, Incarnation};
use arbitrate::time::Instant;

pub use admission::Nonces;
pub use counters::{Counters, Dropped};
pub use event::Event;
pub use peer::{Heard, Peer, PeerLink};
pub use round_trip::RoundTrip;

use super::auth::Keys;
use super::awake::{Awake, AwakeTime, Stall};
use super::detect::{MOST_LINKS, Rules};
use super::wire::{Flags, LEN, Member, Pace, Packet, Repr, To};

/// Who this node is, how it beats and how it judges.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Of which cluster.
    pub cluster: ClusterId,
    /// Its number.
    pub number: Member,
    /// Its life.
    pub incarnation: Incarnation,
    /// How often it sends, and when it is to be missed.
    pub pace: Pace,
    /// How much later it may wake before it calls itself stalled.
    pub tolerance: Duration,
    /// How it judges its peers.
    pub rules: Rules,
    /// Links to each peer; [`MOST_LINKS`] at most.
    pub links: usize,
}

/// What this node tells of itself beside being alive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// Leader, standing down, probing.
    pub flags: Flags,
    /// The newest epoch it knows.
    pub epoch: Epoch,
    /// How far it has read the cluster log.
    pub log_position: u64,
    /// The sequence of its slot on the quorum device.
    pub slot_sequence: u64,
}

/// A node's heartbeat.
#[derive(Debug)]
pub struct Node {
    me: Setup,
    keys: Keys,
    nonces: Nonces,
    peers: Vec<Peer>,
    /// Where a peer stands in `peers`, by its number.
    places: Vec<Option<u16>>,
    awake: Awake,
    told: Told,
    stall: Option<Stall>,
    /// Everything that arrived before this was drained.
    drained: Instant,
    /// The earliest limit of any peer.
    next: Option<AwakeTime>,
    counters: Counters,
}

impl Node {
    /// A node that exchanges heartbeats with `peers`. `seed` makes its nonces
    /// unpredictable.
    ///
    /// Its own number and repetitions are left out.
    #[must_use]
    pub fn new(
        me: Setup,
        keys: Keys,
        peers: &[Member],
        seed: [u8; 32],
        now: Instant,
        suspended: Duration,
    ) -> Self {
        let mut places = vec![None; usize::from(peers.iter().map(|n| n.get()).max().unwrap_or(0)) + 1];
        let mut kept = Vec::with_capacity(peers.len());
        for n in peers {
            let place = &mut places[usize::from(n.get())];
            if *n != me.number && place.is_none() {
                *place = u16::try_from(kept.len()).ok();
                kept.push(Peer::new(*n, me.rules, me.pace, me.links.min(MOST_LINKS)));
            }
        }
        let awake = Awake::new(now, me.tolerance, suspended);
        let told = Told { flags: Flags::default(), epoch: Epoch(0), log_position: 0, slot_sequence: 0 };
        Self {
            me,
            keys,
            nonces: Nonces::new(seed),
            peers: kept,
            places,
            awake,
            told,
            stall: None,
            drained: now,
            next: None,
            counters: Counters::default(),
        }
    }

    /// What the next datagrams tell.
    pub fn tell(&mut self, told: Told) {
        self.told = told;
    }

    /// The loop woke at `now`, and should have at `due`. Says so if it was stalled: then everybody's silence is excused once, and the next
    /// datagrams say that this node is late.
    pub fn wake(&mut self, due: Instant, now: Instant, suspended: Duration, mut sink: impl FnMut(Event)) {
        let stall = self.awake.woke(due, now, suspended);
        if let Some(s) = stall {
            let awake = self.awake.now();
            self.peers.iter_mut().for_each(|p| p.detector.excused(awake));
            self.counters.stalls += 1;
            sink(Event::Stalled(s));
        } else if self.stall.is_some() {
            sink(Event::Punctual);
        }
        self.stall = stall;
    }

    /// Writes the datagram to peer number `at` of [`Self::peers`] on `link`; `false` if there is none.
    pub fn compose(&mut self, at: usize, link: usize, now: Instant, out: &mut [u8; LEN]) -> bool {
        let repr = self.header(link);
        let Some(peer) = self.peers.get_mut(at) else { return false };
        let Some(repr) = peer.address(repr, link, now, &mut self.nonces) else { return false };
        self.finish(&repr, out);
        true
    }

    /// Writes the datagram to everybody on the multicast link `link`.
    pub fn compose_for_all(&mut self, link: usize, sequence: u64, out: &mut [u8; LEN]) {
        let repr = Repr { to: To::Everybody, sequence, ..self.header(link) };
        self.finish(&repr, out);
    }

    /// A datagram came on `link`, stamped `stamp` by the kernel. `now` is when it was read.
    ///
    /// A clock step between stamp and reading cannot mislead by more than a tick: nothing that is read now
    /// came before the last drain.
    pub fn receive(
        &mut self,
        link: usize,
        bytes: &[u8],
        stamp: Instant,
        now: Instant,
        mut sink: impl FnMut(Event),
    ) {
        let stamp = stamp.clamp(self.drained, now);
        match self.admit(link, bytes, stamp, &mut sink) {
            Ok(()) => self.counters.accepted += 1,
            Err(why) => self.counters.drop(why),
        }
    }

    fn admit(
        &mut self,
        link: usize,
        bytes: &[u8],
        stamp: Instant,
        sink: &mut impl FnMut(Event),
    ) -> Result<(), Dropped> {
        let packet = Packet::new(bytes).map_err(|_| Dropped::Malformed)?;
        if packet.cluster() != self.me.cluster {
            return Err(Dropped::ForeignCluster);
        }
        if !self.keys.verify(&packet) {
            return Err(Dropped::Forged);
        }
        let repr = packet.parse().map_err(|_| Dropped::Malformed)?;
        if repr.sender == self.me.number {
            return Err(Dropped::Reflected);
        }
        if repr.to != To::Everybody && repr.to != To::One(self.me.number) {
            return Err(Dropped::NotForUs);
        }
        if usize::from(repr.link) != link {
            return Err(Dropped::OtherLink);
        }
        let place = self.places.get(usize::from(repr.sender.get())).copied().flatten().map(usize::from);
        let peer = place.and_then(|p| self.peers.get_mut(p)).ok_or(Dropped::Stranger)?;
        peer.receive(&repr, self.awake.at(stamp), stamp, sink)
    }

    /// Judges everybody, after the drain that began at the last wake-up. Nobody, if this node was stalled
    /// just then: what waited outside a paused machine may arrive a moment after it wakes.
    pub fn judge(&mut self, mut sink: impl FnMut(Event)) {
        let (awake, now) = (self.awake.now(), self.awake.woke_at());
        self.drained = now;
        self.next = None;
        if self.stall.is_some() {
            return;
        }
        for p in &mut self.peers {
            if let Some(change) = p.detector.judge(awake) {
                sink(Event::Changed { peer: p.number(), change });
            }
            self.next = match (self.next, p.detector.due()) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
    }

    /// When somebody would be found suspect or down if nothing came before: a loop that wakes then too, and
    /// drains and judges, is as quick as its limits.
    #[must_use]
    pub fn next_judgement(&self) -> Option<Instant> {
        self.next.map(|t| self.awake.when(t))
    }

    /// The peers, in the order they were named.
    #[must_use]
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// What was accepted and dropped, and why.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The clock of the time in which this node ran.
    #[must_use]
    pub const fn awake(&self) -> &Awake {
        &self.awake
    }

    fn header(&self, link: usize) -> Repr {
        let late = self.stall.is_some();
        Repr {
            cluster: self.me.cluster,
            sender: self.me.number,
            to: To::Everybody,
            link: u8::try_from(link).unwrap_or(u8::MAX),
            key_id: self.keys.current(),
            flags: Flags { late, ..self.told.flags },
            incarnation: self.me.incarnation,
            sequence: 0,
            pace: self.me.pace,
            stall_us: self.stall.map_or(0, |s| u32::try_from(s.lasted.as_micros()).unwrap_or(u32::MAX)),
            epoch: self.told.epoch,
            log_position: self.told.log_position,
            slot_sequence: self.told.slot_sequence,
            echo: None,
            handshake: Default::default(),
        }
    }

    fn finish(&self, repr: &Repr, out: &mut [u8; LEN]) {
        repr.emit(out);
        self.keys.seal(out);
    }
}

#[cfg(test)]
mod tests;
