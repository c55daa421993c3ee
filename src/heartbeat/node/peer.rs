//! What a node keeps of one peer.

use arbitrate::codec::quorum::Epoch;
use arbitrate::key::Incarnation;
use arbitrate::time::Instant;
use arrayvec::ArrayVec;

use super::admission::{Admission, Life, Nonces};
use super::counters::Dropped;
use super::event::Event;
use super::round_trip::RoundTrip;
use crate::heartbeat::awake::AwakeTime;
use crate::heartbeat::detect::{Arrival, Detector, MOST_LINKS, Rules};
use crate::heartbeat::replay::{Fresh, Window};
use crate::heartbeat::wire::{Echo, Member, Pace, Repr, To};

/// One link to one peer.
#[derive(Clone, Debug, Default)]
pub struct PeerLink {
    sent: u64,
    window: Window,
    /// Multicast datagrams have sequences of their own.
    window_for_all: Window,
    newest: Option<(u64, Instant)>,
    round_trip: RoundTrip,
}

impl PeerLink {
    /// Round trips on this link.
    #[must_use]
    pub const fn round_trip(&self) -> &RoundTrip {
        &self.round_trip
    }
}

/// What the peer last told of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// What it said.
    pub repr: Repr,
    /// When.
    pub at: Instant,
}

/// A peer.
#[derive(Clone, Debug)]
pub struct Peer {
    number: Member,
    rules: Rules,
    own: Pace,
    admission: Admission,
    links: ArrayVec<PeerLink, MOST_LINKS>,
    pub(super) detector: Detector,
    heard: Option<Heard>,
}

impl Peer {
    pub(super) fn new(number: Member, rules: Rules, own: Pace, links: usize) -> Self {
        Self {
            number,
            rules,
            own,
            admission: Admission::default(),
            links: (0..links).map(|_| PeerLink::default()).collect(),
            detector: Detector::new(rules, own, links),
            heard: None,
        }
    }

    /// Makes a datagram one to this peer.
    pub(super) fn address(
        &mut self,
        repr: Repr,
        link: usize,
        now: Instant,
        nonces: &mut Nonces,
    ) -> Option<Repr> {
        let handshake = self.admission.offer(nonces);
        let number = u8::try_from(link).ok()?;
        let l = self.links.get_mut(link)?;
        l.sent += 1;
        l.round_trip.sent(l.sent, now);
        let echo = l.newest.map(|(sequence, at)| Echo {
            sequence,
            link: number,
            held_us: u32::try_from(now.since(at).as_micros()).unwrap_or(u32::MAX),
        });
        Some(Repr { to: To::One(self.number), sequence: l.sent, echo, handshake, ..repr })
    }

    /// A verified datagram of this peer to us.
    pub(super) fn receive(
        &mut self,
        repr: &Repr,
        awake: AwakeTime,
        stamp: Instant,
        sink: &mut impl FnMut(Event),
    ) -> Result<(), Dropped> {
        self.rules.check(self.own, repr.pace).map_err(|_| Dropped::Pace)?;
        let unicast = repr.to != To::Everybody;
        match self.admission.look(repr.incarnation, repr.handshake, unicast) {
            Life::Old => return Err(Dropped::OldLife),
            Life::Unproven => {
                if unicast {
                    self.admission.owe(repr.handshake.challenge);
                }
                return Err(Dropped::NotAdmitted);
            }
            Life::Known => {}
            Life::New => {
                self.links.iter_mut().for_each(|l| *l = PeerLink { sent: l.sent, ..PeerLink::default() });
                self.detector.reborn();
                sink(Event::Admitted { peer: self.number, incarnation: repr.incarnation });
            }
        }
        let link = usize::from(repr.link);
        let l = self.links.get_mut(link).ok_or(Dropped::OtherLink)?;
        let window = if unicast { &mut l.window } else { &mut l.window_for_all };
        let (skipped, reordered) = match window.take(repr.sequence) {
            Fresh::Seen => return Err(Dropped::Replayed),
            Fresh::Reordered => (0, true),
            Fresh::Newest { skipped } => (skipped, false),
        };
        if unicast && !reordered {
            // Only now: a recording must not make us return an old nonce.
            self.admission.owe(repr.handshake.challenge);
            l.newest = Some((repr.sequence, stamp));
        }
        if let Some(e) = repr.echo.filter(|e| e.link == repr.link) {
            l.round_trip.echoed(e, stamp);
        }
        let arrival = Arrival { at: stamp, sequence: repr.sequence, skipped, reordered };
        self.detector.heard(link, awake, arrival, repr.pace);
        if !reordered {
            self.heard = Some(Heard { repr: *repr, at: stamp });
        }
        if repr.flags.goodbye
            && let Some(change) = self.detector.goodbye()
        {
            sink(Event::Changed { peer: self.number, change });
        }
        Ok(())
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> Member {
        self.number
    }

    /// The life that is heard.
    #[must_use]
    pub const fn incarnation(&self) -> Option<Incarnation> {
        self.admission.admitted()
    }

    /// Its detector.
    #[must_use]
    pub const fn detector(&self) -> &Detector {
        &self.detector
    }

    /// What it last told.
    #[must_use]
    pub const fn heard(&self) -> Option<&Heard> {
        self.heard.as_ref()
    }

    /// The newest epoch it told of.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        self.heard.map(|h| h.repr.epoch)
    }

    /// The links to it, by number.
    #[must_use]
    pub fn links(&self) -> &[PeerLink] {
        &self.links
    }
}
