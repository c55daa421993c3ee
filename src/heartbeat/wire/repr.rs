//! What a datagram says, in values that can only make sense.

use std::time::Duration;

use arbitrate::codec::quorum::Epoch;
use arbitrate::key::{ClusterId, Incarnation, NodeNumber};
use std::num::NonZeroU16;

use super::packet::{self, LEN};

/// A datagram's contents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Repr {
    /// Of which cluster.
    pub cluster: ClusterId,
    /// Who says it.
    pub sender: Member,
    /// To whom.
    pub to: To,
    /// On which of the configured links, by its number.
    pub link: u8,
    /// Which of the cluster's keys authenticates it.
    pub key_id: u8,
    /// What the sender says of itself.
    pub flags: Flags,
    /// The sender's life.
    pub incarnation: Incarnation,
    /// One more with every datagram to this addressee on this link, from 1.
    pub sequence: u64,
    /// How often the sender sends, and when it is to be missed.
    pub pace: Pace,
    /// How long the sender itself was last not scheduled, us; 0: not within its last tick.
    pub stall_us: u32,
    /// The newest epoch the sender knows.
    pub epoch: Epoch,
    /// How far the sender has read the cluster log.
    pub log_position: u64,
    /// The sequence of the sender's slot on the quorum device.
    pub slot_sequence: u64,
    /// The addressee's last datagram, for its measurement of the round trip; unicast only.
    pub echo: Option<Echo>,
    /// Admission of a new life; unicast only.
    pub handshake: Handshake,
}

/// Who takes part: a node's number, 1 to 255; a benchmark's peers go up to 65,535.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member(NonZeroU16);

impl Member {
    /// Number 1.
    pub const FIRST: Self = Self(NonZeroU16::MIN);
    /// Number 2.
    pub const SECOND: Self = Self(NonZeroU16::MIN.saturating_add(1));

    /// The member of this number; 0 is nobody.
    #[must_use]
    pub const fn new(n: u16) -> Option<Self> {
        match NonZeroU16::new(n) {
            Some(n) => Some(Self(n)),
            None => None,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl From<NodeNumber> for Member {
    fn from(n: NodeNumber) -> Self {
        Self(NonZeroU16::MIN.saturating_add(u16::from(n.get()) - 1))
    }
}

impl std::fmt::Display for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Member({self})")
    }
}

/// Whom a datagram is for. Covered by the MAC: a datagram to one cannot be played to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum To {
    /// Multicast.
    Everybody,
    /// This node.
    One(Member),
}

/// The last datagram received from the addressee.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Echo {
    /// Its sequence; never 0.
    pub sequence: u64,
    /// On which link.
    pub link: u8,
    /// From its arrival to this sending, us.
    pub held_us: u32,
}

/// A nonce for the addressee to return, and the return of its own. 0: none.
///
/// A life is admitted when it returns a nonce of ours: a recording cannot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Handshake {
    /// To be returned.
    pub challenge: u64,
    /// Returned.
    pub response: u64,
}

/// Intervals and multiplier, as in BFD (RFC 5880 section 6.8.4). Never zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    interval_us: u32,
    slowest_us: u32,
    multiplier: u8,
}

impl Pace {
    /// Sends each `interval_us`, wants to be sent to no more often than each `slowest_us`, and is missed
    /// after `multiplier` intervals. `None` if any is 0, or an interval is above a minute.
    #[must_use]
    pub const fn new(interval_us: u32, slowest_us: u32, multiplier: u8) -> Option<Self> {
        const MINUTE_US: u32 = 60_000_000;
        if interval_us == 0
            || slowest_us == 0
            || multiplier == 0
            || interval_us > MINUTE_US
            || slowest_us > MINUTE_US
        {
            return None;
        }
        Some(Self { interval_us, slowest_us, multiplier })
    }

    /// Microseconds between two datagrams, as wished (Desired Min TX Interval).
    #[must_use]
    pub const fn interval_us(self) -> u32 {
        self.interval_us
    }

    /// The shortest interval this node can keep up with as a receiver, us (Required Min RX Interval).
    #[must_use]
    pub const fn slowest_us(self) -> u32 {
        self.slowest_us
    }

    /// After how many missed datagrams it is missed (Detect Mult).
    #[must_use]
    pub const fn multiplier(self) -> u8 {
        self.multiplier
    }

    /// How often `self` sends to a receiver of pace `to`.
    #[must_use]
    pub fn towards(self, to: Self) -> Duration {
        Duration::from_micros(self.interval_us.max(to.slowest_us).into())
    }

    /// How long a sender of this pace may be silent before the receiver of pace `at` suspects it.
    #[must_use]
    pub fn detection(self, at: Self) -> Duration {
        self.towards(at) * u32::from(self.multiplier)
    }
}

/// What a node says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags {
    /// Holds the quorum device.
    pub leader: bool,
    /// Is giving up what it owns.
    pub standing_down: bool,
    /// Was itself not scheduled in time; its silence towards others may be its own.
    pub late: bool,
    /// Leaves on purpose.
    pub goodbye: bool,
    /// Wants an answer at once: somebody is suspected.
    pub probe: bool,
}

impl Flags {
    const ALL: u8 = 0b1_1111;

    pub(super) const fn from_bits(b: u8) -> Option<Self> {
        if b & !Self::ALL != 0 {
            return None;
        }
        Some(Self {
            leader: b & 1 != 0,
            standing_down: b & 2 != 0,
            late: b & 4 != 0,
            goodbye: b & 8 != 0,
            probe: b & 16 != 0,
        })
    }

    pub(super) const fn bits(self) -> u8 {
        self.leader as u8
            | (self.standing_down as u8) << 1
            | (self.late as u8) << 2
            | (self.goodbye as u8) << 3
            | (self.probe as u8) << 4
    }
}

impl Repr {
    /// Writes all but the MAC, which [`crate::heartbeat::auth::Keys::seal`] adds.
    pub fn emit(&self, out: &mut [u8; LEN]) {
        packet::emit(self, out);
    }
}

#[cfg(test)]
mod tests;
