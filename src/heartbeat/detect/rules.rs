//! How a peer is judged, beside its own pace.

use std::time::Duration;

use crate::heartbeat::wire::Pace;

/// Limits and hysteresis of a detector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Silence after which a peer is down; longer than its detection time.
    pub dead: Duration,
    /// How many datagrams in a row a suspected peer, or a silent link, must be heard with to be up again.
    pub rise: u8,
    /// The margin above interval × multiplier, as a multiple of the measured jitter (RFC 3550 appendix
    /// A.8); 0: none.
    pub jitter_factor: u8,
    /// What limit the margin may never exceed: the time arbitration counts on.
    pub ceiling: Duration,
}

/// Rules that contradict each other or the pace.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RulesError {
    /// Down before suspect.
    #[error(
        "dead after {dead:?} is not longer than the detection time of {detection:?} (interval x multiplier)"
    )]
    DeadTooSoon {
        /// The limit for down.
        dead: Duration,
        /// Interval × multiplier.
        detection: Duration,
    },
    /// Nobody would be suspected in the time arbitration counts on.
    #[error("a detection time of {detection:?} (interval x multiplier) is above the ceiling of {ceiling:?}")]
    AboveCeiling {
        /// Interval × multiplier.
        detection: Duration,
        /// The ceiling.
        ceiling: Duration,
    },
    /// A peer would be up again without having been heard.
    #[error("rise must be at least 1")]
    NoRise,
}

impl Rules {
    /// Holds the rules against a pace.
    ///
    /// # Errors
    /// [`RulesError`].
    pub fn check(&self, own: Pace, peer: Pace) -> Result<(), RulesError> {
        let detection = peer.detection(own);
        if self.dead <= detection {
            return Err(RulesError::DeadTooSoon { dead: self.dead, detection });
        }
        if detection > self.ceiling {
            return Err(RulesError::AboveCeiling { detection, ceiling: self.ceiling });
        }
        if self.rise == 0 {
            return Err(RulesError::NoRise);
        }
        Ok(())
    }
}
