//! How a race ends, and what it tells on the way.

use crate::protocol::challenger::{ChallengeEnd, ChallengeNote};
use crate::protocol::defender::{DefenceEnd, DefenceNote};
use crate::time::Instant;

/// The end of a race.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RaceEnd {
    /// A live owner defended a majority of the devices.
    Defended,
    /// Other challengers were faster, in every attempt there was.
    Outrun,
    /// Fewer devices than a majority could be won, whoever owns them.
    NoMajority,
    /// The operator withdrew before this node owned anything.
    Withdrawn,
    /// The operator wanted a clean end, and the devices were given back.
    Released,
    /// Ownership ended unasked; what was still held was given back one window later.
    Deposed,
}

/// What one device came to so far.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Standing {
    /// Nothing was tried yet.
    Untried,
    /// It could not be found, opened or identified; or not yet.
    Missing,
    /// A challenge is under way.
    Challenging,
    /// Its reservation is this node's and is being defended.
    Held,
    /// Somebody else has it: the challenge was defended, overtaken, or removed while it stood down.
    Lost(ChallengeEnd),
    /// The challenge ended for another reason.
    Failed(ChallengeEnd),
    /// It was held, and the defence ended so.
    Ended(DefenceEnd),
}

/// What happened, for log, status, watchdog and what depends on ownership.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RaceNote {
    /// A challenge on the device told this.
    Challenge(usize, ChallengeNote),
    /// A defence on the device told this.
    Defence(usize, DefenceNote),
    /// A life on the device ended.
    Settled(usize, Standing),
    /// The start is delayed for the node's weight.
    Delayed {
        /// Until then.
        until: Instant,
    },
    /// An attempt begins.
    Attempt {
        /// Its number, from 1.
        number: u8,
    },
    /// A majority of leases is valid: this node owns, until `until` unless confirmed before. The
    /// watchdog is fed once, now, if it is before `feed_before`.
    Owned {
        /// When what depends on ownership begins to stop, unless more is confirmed.
        until: Instant,
        /// The last moment to feed the watchdog, exclusive.
        feed_before: Instant,
    },
    /// The same, confirmed anew on a majority.
    Confirmed {
        /// When what depends on ownership begins to stop, unless more is confirmed.
        until: Instant,
        /// The last moment to feed the watchdog, exclusive.
        feed_before: Instant,
    },
    /// A majority of leases is no longer valid: whatever depends on ownership stops now.
    OwnershipEnded {
        /// How many leases are still valid.
        leases: u8,
    },
    /// No majority for one window: the devices still held are being given back.
    GivingUp,
    /// A device was lost, or a majority is out of reach: what was won is being given back.
    StandingDown,
    /// The next attempt begins then.
    Resting {
        /// When.
        until: Instant,
    },
    /// The operator's clean end has begun.
    Releasing,
}
