//! Round trips without common clocks: our sequence comes back with the time it was held.

use std::time::Duration;

use arbitrate::time::Instant;

use crate::heartbeat::wire::Echo;

/// Sendings remembered; an echo of an older one is not measured.
const KEPT: usize = 16;

/// What is measured on one link to one peer.
#[derive(Clone, Debug, Default)]
pub struct RoundTrip {
    sent: [(u64, Instant); KEPT],
    smoothed: Option<Duration>,
    last: Option<Duration>,
}

impl RoundTrip {
    pub(super) fn sent(&mut self, sequence: u64, at: Instant) {
        self.sent[place(sequence)] = (sequence, at);
    }

    /// An echo of ours came back at `at`. Measured once for each sequence.
    pub(super) fn echoed(&mut self, echo: Echo, at: Instant) {
        let slot = &mut self.sent[place(echo.sequence)];
        if slot.0 != echo.sequence {
            return;
        }
        let trip = at.since(slot.1).saturating_sub(Duration::from_micros(echo.held_us.into()));
        slot.0 = 0;
        self.last = Some(trip);
        // RFC 6298 section 2.3: an eighth of the new one.
        self.smoothed = Some(self.smoothed.map_or(trip, |s| s - s / 8 + trip / 8));
    }

    /// The last round trip.
    #[must_use]
    pub const fn last(&self) -> Option<Duration> {
        self.last
    }

    /// The smoothed round trip (RFC 6298 section 2).
    #[must_use]
    pub const fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }
}

fn place(sequence: u64) -> usize {
    usize::try_from(sequence % 16).unwrap_or(0)
}

const _: () = assert!(KEPT == 16, "place() counts on it");
