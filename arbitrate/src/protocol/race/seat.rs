//! One device of a race: the life under way on it, and what is to be done next.

use super::end::Standing;
use crate::protocol::challenger::Challenger;
use crate::protocol::defender::{Defender, Lease};
use crate::protocol::wire::Command;
use crate::time::Instant;

/// The one thing to do next on a device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SeatNext {
    /// Send this; at `deadline` the outcome is Unknown. Nothing else until its reply is told.
    Issue {
        /// The command.
        command: Command,
        /// When its outcome becomes Unknown.
        deadline: Instant,
    },
    /// Nothing until then; then tell [`crate::protocol::Event::Wake`].
    Wait(Instant),
    /// Find the device, take a fresh incarnation on it, and tell [`super::RaceEvent::Found`] or
    /// [`super::RaceEvent::Missing`], however long that takes.
    Find,
    /// Nothing, until the race says otherwise.
    Idle,
}

/// The life under way.
#[allow(clippy::large_enum_variant, reason = "nothing is allocated on the fencing path")]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Play {
    Empty,
    Challenging(Challenger),
    Defending(Defender),
}

/// Whether the life under way is wanted to its end.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Wanted {
    /// It is.
    Yes,
    /// To be withdrawn or given back as soon as it can be.
    No,
    /// That has begun.
    Leaving,
}

/// Whether the last command on the device was answered.
///
/// "No" is Unknown at its deadline, or no thread left to send it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Heard {
    Yes,
    /// It was not: nobody waits for this device until it answers again.
    No,
}

/// What this attempt came to, as far as others matter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Luck {
    Open,
    /// Another has the device.
    Lost,
}

/// One device.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Seat {
    pub(super) play: Play,
    pub(super) next: SeatNext,
    pub(super) standing: Standing,
    pub(super) wanted: Wanted,
    pub(super) heard: Heard,
    pub(super) luck: Luck,
    /// Whether this attempt has asked for it.
    pub(super) asked: bool,
    /// How often the target lost its memory in a row.
    pub(super) forgot: u8,
    /// When an owner looks for it again; `None` at once.
    pub(super) retry_at: Option<Instant>,
    /// When its next tick is due, if the last one confirmed.
    pub(super) beat: Option<Instant>,
}

impl Seat {
    pub(super) const fn new() -> Self {
        Self {
            play: Play::Empty,
            next: SeatNext::Idle,
            standing: Standing::Untried,
            wanted: Wanted::Yes,
            heard: Heard::Yes,
            luck: Luck::Open,
            asked: false,
            forgot: 0,
            retry_at: None,
            beat: None,
        }
    }

    pub(super) fn lease(&self, now: Instant) -> Option<Lease> {
        match &self.play {
            Play::Defending(d) => d.lease(now),
            Play::Empty | Play::Challenging(_) => None,
        }
    }

    /// Whether a command is outstanding: then nothing else may be begun on the device.
    pub(super) const fn is_busy(&self) -> bool {
        matches!(self.next, SeatNext::Issue { .. })
    }

    pub(super) const fn is_empty(&self) -> bool {
        matches!(self.play, Play::Empty)
    }

    /// Whether devices after it in the order need not wait for it.
    pub(super) fn lets_others_pass(&self) -> bool {
        match &self.play {
            Play::Empty | Play::Defending(_) => true,
            Play::Challenging(_) => self.heard == Heard::No,
        }
    }

    /// Whether it is being seized and that is neither decided nor Unknown.
    pub(super) fn is_being_seized(&self) -> bool {
        match &self.play {
            Play::Challenging(c) => c.has_leave() && self.heard == Heard::Yes,
            Play::Empty | Play::Defending(_) => false,
        }
    }

    /// Whether it can still be, or is, this node's in this attempt.
    pub(super) fn is_in_reach(&self) -> bool {
        match &self.play {
            Play::Empty => !self.asked || self.next == SeatNext::Find,
            // One that is still busy with the last attempt joins later.
            Play::Challenging(_) | Play::Defending(_) => self.wanted == Wanted::Yes || !self.asked,
        }
    }

    /// The life is over.
    pub(super) fn vacate(&mut self, standing: Standing, retry_at: Instant) {
        self.play = Play::Empty;
        self.next = SeatNext::Idle;
        self.wanted = Wanted::Yes;
        self.heard = Heard::Yes;
        self.beat = None;
        self.standing = standing;
        self.retry_at = Some(retry_at);
    }
}
