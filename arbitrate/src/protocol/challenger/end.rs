//! How a challenge ends, and what it tells on the way.

use crate::codec::pr::{Generation, Holder, ReservationType};
use crate::codec::quorum::Tenure;
use crate::key::Key;
use crate::protocol::wire::NoAnswer;
use crate::time::Instant;

/// The end of a challenge.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ChallengeEnd {
    /// Read back: the reservation is this node's, under `key`. Gives no lease yet.
    Won {
        /// The settled key that holds the reservation.
        key: Key,
        /// Whom it was taken from.
        from: Option<Key>,
        /// PRGENERATION at the read-back.
        generation: Generation,
    },
    /// The own key was removed: somebody defends, or an operator cleared the device.
    Defended {
        /// Who holds the reservation now.
        holder: Option<Holder>,
    },
    /// Another node took the reservation meanwhile; the challenge was void and is withdrawn.
    Overtaken {
        /// Who holds the reservation now.
        holder: Option<Holder>,
        /// Whether the own key is gone.
        cleanup: Cleanup,
    },
    /// A rule forbids it, or the target refused.
    Refused {
        /// Why.
        why: Refusal,
        /// Whether the own key is gone.
        cleanup: Cleanup,
    },
    /// The target lost its memory (PRGENERATION fell): begin again, under a fresh incarnation.
    TargetForgot,
    /// The device gave no usable answer, and nothing was sent that could change it.
    Unreachable(NoAnswer),
    /// What was sent may have been executed, or may yet be; reading did not settle it.
    Unknown {
        /// What is open.
        doubt: Doubt,
        /// What came back last.
        why: NoAnswer,
    },
}

/// What of the own registration is left after an end that is not a victory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cleanup {
    /// Nothing had been registered.
    NotNeeded,
    /// Read back: the own key is gone.
    Proven,
    /// The own flagged key may still be registered.
    Unproven,
}

/// Why a challenge is not made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refusal {
    /// A key of another cluster, or of another tool.
    ForeignKey(Key),
    /// This node's number in a life this host knows nothing of.
    NodeNumberTaken(Key),
    /// A reservation that all registrants hold has no one to challenge.
    SharedReservation(ReservationType),
    /// This nexus is registered under a key that could not be told.
    NexusTaken,
    /// An SPC-2 reservation of another initiator is in force.
    LegacyReservation,
    /// The target refused a command.
    Target(NoAnswer),
    /// The target says it did what was asked, and nothing changed.
    NoEffect,
    /// The operator withdrew it.
    Cancelled,
}

/// What stays open after an [`ChallengeEnd::Unknown`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Doubt {
    /// Whether the ghost's registration was removed.
    GhostRemoval,
    /// Whether the flagged key is registered, or yet will be.
    Registration,
    /// The flagged key was registered and the device can no longer be read.
    Blind,
    /// Whether the reservation was taken, or yet will be.
    Seizure,
    /// The reservation is held under the flagged key, but the new tenure could not be written and read
    /// back; a flagged key gives no lease.
    Tenure,
    /// The reservation is held, but whether under the settled key is open; a flagged key gives no lease.
    FlagStays,
}

/// What happened, for the timeline.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ChallengeNote {
    /// The device was read before anything was changed.
    Surveyed {
        /// Who holds the reservation.
        holder: Option<Holder>,
        /// How many registrations there are.
        registrations: u32,
    },
    /// An earlier life's registration on this nexus is being removed.
    RemovingGhost(Key),
    /// The flagged key is being registered.
    Registering {
        /// The key.
        key: Key,
    },
    /// The own key was seen; the window runs.
    Observed {
        /// Who holds the reservation.
        holder: Option<Holder>,
        /// When the window ends.
        window_end: Instant,
    },
    /// The holder's node was started again and holds it under a flagged key now; the window ran on.
    HolderRenewed(Key),
    /// The window is over and nobody defended; waits until the devices before it are decided.
    Ready,
    /// PREEMPT AND ABORT is being sent, naming this holder.
    Preempting(Key),
    /// RESERVE is being sent: nobody held the reservation.
    Reserving,
    /// Read back: the reservation is held under the flagged key.
    Seized {
        /// Whom it was taken from.
        from: Option<Key>,
    },
    /// Nobody holds the device and its last owner marked a clean release of this tenure: no window.
    CleanlyReleased(Tenure),
    /// Another began a tenure before our RESERVE: the window is waited after all.
    MarkChanged,
    /// A new tenure is being written.
    TakingTenure(Tenure),
    /// The flag is being taken off.
    TakingFlagOff {
        /// The settled key.
        key: Key,
    },
    /// The own key is being unregistered.
    StandingDown,
    /// A command brought no usable answer.
    Unanswered(NoAnswer),
}
