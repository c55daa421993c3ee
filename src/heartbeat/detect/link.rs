//! One link to one peer: when it last spoke, how evenly, and whether it is silent.

use std::time::Duration;

use super::evidence::{Arrival, LAST, LinkEvidence};
use crate::heartbeat::awake::AwakeTime;

/// What is known of one link.
#[derive(Clone, Debug, Default)]
pub struct Link {
    last: Option<AwakeTime>,
    /// Datagrams in a row, each within the limit of the one before; saturates.
    run: u8,
    silent: bool,
    /// The gap before the next datagram says nothing about the network: we were stalled within it.
    disturbed: bool,
    /// Mean deviation of the gaps from the interval, ns × 16 (RFC 3550 appendix A.8).
    jitter16: u64,
    arrivals: [Arrival; LAST],
    next: usize,
    received: u64,
    lost: u64,
}

impl Link {
    /// A new datagram came.
    pub(super) fn heard(&mut self, at: AwakeTime, arrival: Arrival, interval: Duration, within: Duration) {
        if let Some(last) = self.last {
            let gap = at.since(last);
            self.run = if gap < within { self.run.saturating_add(1) } else { 1 };
            if !std::mem::take(&mut self.disturbed) && arrival.skipped == 0 {
                self.note_jitter(gap.abs_diff(interval));
            }
        } else {
            self.run = 1;
        }
        // A reordered datagram does not make the link older.
        self.last = Some(self.last.map_or(at, |l| l.max(at)));
        self.received = self.received.saturating_add(1);
        self.lost = self.lost.saturating_add(arrival.skipped).saturating_sub(u64::from(arrival.reordered));
        self.arrivals[self.next % LAST] = arrival;
        self.next = (self.next + 1) % LAST;
    }

    fn note_jitter(&mut self, deviation: Duration) {
        let d = u64::try_from(deviation.as_nanos()).unwrap_or(u64::MAX / 16);
        self.jitter16 = self.jitter16 - self.jitter16 / 16 + d;
    }

    pub(super) fn disturbed(&mut self) {
        self.disturbed = true;
    }

    /// Whether the link is silent at `now`; one that never spoke is since `began`.
    pub(super) fn judge(&mut self, now: AwakeTime, began: AwakeTime, limit: Duration, rise: u8) -> bool {
        let since = self.last.unwrap_or_default().max(began);
        if now.since(since) >= limit {
            self.silent = true;
            self.run = 0;
        } else if self.silent && self.run >= rise {
            self.silent = false;
        }
        self.silent
    }

    /// When it was last heard.
    #[must_use]
    pub const fn last(&self) -> Option<AwakeTime> {
        self.last
    }

    /// Datagrams in a row, each in time.
    #[must_use]
    pub const fn run(&self) -> u8 {
        self.run
    }

    /// Whether it is silent, as of the last judgement.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.silent
    }

    /// Mean deviation of the gaps between datagrams from the interval.
    #[must_use]
    pub const fn jitter(&self) -> Duration {
        Duration::from_nanos(self.jitter16 / 16)
    }

    /// Its part of the evidence.
    #[must_use]
    pub fn evidence(&self) -> LinkEvidence {
        let mut arrivals = self.arrivals;
        arrivals.rotate_left(self.next);
        LinkEvidence {
            silent: self.silent,
            received: self.received,
            lost: self.lost,
            jitter: self.jitter(),
            arrivals,
        }
    }
}
