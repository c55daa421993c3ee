//! The safety rules a test may break on purpose.
//!
//! Ordinary builds cannot: [`Rules`] is empty there and keeps every rule. The feature `teeth` lets the
//! model checker break one and see that it notices. No program of this project is built with it.

/// One rule of design section 6.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rule {
    /// The window is counted from the completion of the read that showed the own challenging key.
    WindowFromObservation,
    /// The holder first seen is preempted, nobody else.
    PreemptHolderFirstSeen,
    /// Only a read-back says who won.
    ReadBackDecides,
    /// The first lease comes from a tick begun after the win.
    LeaseFromTick,
    /// A node that finds its own ghost as holder and re-keys it waits the window all the same.
    OwnGhostWaits,
    /// A node that holds already preempts nobody: least of all itself.
    NoSelfPreempt,
    /// A lease is counted from the issue of the READ KEYS that showed no challenge.
    LeaseFromIssue,
    /// A deposed life never registers again.
    DeposedStaysOut,
    /// The window is waited where no reservation is found, too.
    WindowWithoutReservation,
    /// The clean-release mark is read under the own flagged key, not before the REGISTER.
    MarkReadUnderKey,
    /// The clean-release mark is read again after the RESERVE.
    MarkReadAgain,
    /// A mark counts for the last tenure only.
    MarkOfLastTenure,
    /// Who wins writes a new tenure and reads it back before it believes.
    TenureBeforeBelief,
    /// A lease is dropped before the mark is written.
    LeaseDroppedBeforeMark,
    /// A challenge that was held back reads again before it seizes.
    ReadAgainAfterHold,
    /// Several devices are seized one after the other, in the order of their identities.
    SeizeInOrder,
    /// A majority is one of the configured devices, not of those that answer.
    MajorityOfConfigured,
    /// The first device lost ends the attempt.
    StandDownAtFirstLoss,
    /// What an attempt won is given back when it stands down.
    GiveBackWhatWasWon,
    /// A holder without a majority of leases for one window gives its devices back.
    MinorityGivesBack,
    /// A device that was missing, lost or returned counts only after a challenge under a new key.
    RechallengeBeforeCounting,
    /// Who is deposed on one device goes on with the others.
    DepositionPerDevice,
    /// The watchdog is fed on the strength of a majority of fresh confirmations only.
    FeedOnMajority,
    /// Legacy mode: a RESERVE(6) that succeeded gives a lease only after it was held for a whole window.
    LegacyHold,
    /// Legacy mode: a unit attention begins that hold anew.
    LegacyHoldUnbroken,
    /// Legacy mode: a window is waited before the first RESERVE(6).
    LegacyWindow,
    /// Legacy mode: a unit attention in place of that first RESERVE(6) begins the window anew.
    LegacyResetRestartsWindow,
    /// Legacy mode: so does no answer to it, which may have been a unit attention.
    LegacySilenceRestartsWindow,
    /// Legacy mode: an expired lease never reserves again.
    LegacyExpiredStaysOut,
}

/// Which rules are kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Rules {
    #[cfg(feature = "teeth")]
    broken: [Option<Rule>; 2],
}

impl Rules {
    /// Every rule kept.
    #[cfg(not(feature = "teeth"))]
    pub const SOUND: Self = Self {};

    /// Every rule kept.
    #[cfg(feature = "teeth")]
    pub const SOUND: Self = Self { broken: [None; 2] };

    /// All rules but one.
    #[cfg(feature = "teeth")]
    #[must_use]
    pub const fn without(rule: Rule) -> Self {
        Self { broken: [Some(rule), None] }
    }

    /// All rules but these two: where either alone is enough.
    #[cfg(feature = "teeth")]
    #[must_use]
    pub const fn without_both(a: Rule, b: Rule) -> Self {
        Self { broken: [Some(a), Some(b)] }
    }

    #[cfg(not(feature = "teeth"))]
    #[allow(clippy::unused_self, reason = "same call in both builds")]
    pub(super) const fn keep(self, _: Rule) -> bool {
        true
    }

    #[cfg(feature = "teeth")]
    pub(super) fn keep(self, rule: Rule) -> bool {
        !self.broken.contains(&Some(rule))
    }
}
