//! Putting an address back: asked for first, and ever more slowly where it does not stay.

use std::time::Duration;

use pnet_base::MacAddr;

use super::Why;
use crate::campaign::{Next as Step, Received, Voice};
use crate::frame::{Frame, LinkIndex};
use crate::probe::{Found, Pace, Prober};

/// An address that stood for this long is mended: the next loss counts as the first.
const MENDED: Duration = Duration::from_secs(60);
/// The longest pause between two tries.
const SLOWEST: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
enum Phase {
    Idle,
    /// Waits for this time.
    Due(Duration),
    /// Probes since that time, from that voice.
    Asking(Prober, Duration, Voice),
    /// The caller puts it back.
    Restoring,
}

/// What a repair has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Say {
    Send(LinkIndex, Frame),
    /// Nobody has it: put it back.
    Restore,
    /// This MAC has it: left alone.
    Taken(MacAddr),
    Wait(Duration),
    Nothing,
}

/// The repair of one address.
#[derive(Clone, Debug)]
pub(super) struct Repair {
    phase: Phase,
    /// Tries since it last stood for [`MENDED`].
    tries: u32,
    /// When the last try ended.
    last: Option<Duration>,
    /// What it will have been, once it stands.
    pub(super) why: Why,
}

impl Repair {
    pub(super) const fn new() -> Self {
        Self { phase: Phase::Idle, tries: 0, last: None, why: Why::PutBack }
    }

    /// The address is not as it should be: begins, at once the first time, later if it happens again and again.
    pub(super) fn begin(&mut self, why: Why, now: Duration) {
        if !matches!(self.phase, Phase::Idle) {
            return;
        }
        if self.last.is_none_or(|at| now.saturating_sub(at) >= MENDED) {
            self.tries = 0;
        }
        self.why = why;
        let earliest = self.last.map_or(now, |at| at + self.pause());
        self.phase = Phase::Due(earliest.max(now));
    }

    /// The address stands, or must not be put back: nothing is left to do.
    pub(super) fn stop(&mut self) {
        self.phase = Phase::Idle;
    }

    /// A try failed; the pause before the next.
    pub(super) fn failed(&mut self, now: Duration) -> Duration {
        self.ended(now);
        self.phase = Phase::Due(now + self.pause());
        self.pause()
    }

    /// A try succeeded.
    pub(super) fn succeeded(&mut self, now: Duration) {
        self.ended(now);
        self.phase = Phase::Idle;
    }

    fn ended(&mut self, now: Duration) {
        self.tries = self.tries.saturating_add(1);
        self.last = Some(now);
    }

    /// 0, 1, 2, 4 ... 60 s.
    fn pause(&self) -> Duration {
        match self.tries {
            0 => Duration::ZERO,
            n => Duration::from_secs(1 << (n - 1).min(6)).min(SLOWEST),
        }
    }

    pub(super) fn next(&mut self, voice: Option<Voice>, now: Duration) -> Say {
        match &mut self.phase {
            Phase::Idle | Phase::Restoring => Say::Nothing,
            Phase::Due(at) if now < *at => Say::Wait(*at),
            Phase::Due(_) => match voice {
                // No link, no carrier: nobody could answer. The next sight of the link begins anew.
                None => Say::Nothing,
                Some(v) => {
                    self.phase = Phase::Asking(Prober::new([v], Pace::fast()), now, v);
                    self.next(voice, now)
                }
            },
            // The carrier went or the MAC changed meanwhile: silence would prove nothing. Asked anew.
            Phase::Asking(_, _, from) if voice != Some(*from) => {
                self.phase = Phase::Due(now);
                self.next(voice, now)
            }
            Phase::Asking(prober, began, _) => match prober.next(now.saturating_sub(*began)) {
                Step::Send(link, frame) => Say::Send(link, frame),
                Step::Wait(until) => Say::Wait(*began + until),
                Step::Done => {
                    let found = prober.found().next();
                    match found {
                        Some((_, Found::Taken(by))) => Say::Taken(by),
                        _ => {
                            self.phase = Phase::Restoring;
                            Say::Restore
                        }
                    }
                }
            },
        }
    }

    /// Takes a frame, which may be another owner's answer.
    pub(super) fn heard(&mut self, link: LinkIndex, frame: Received) {
        if let Phase::Asking(prober, ..) = &mut self.phase {
            prober.heard(link, frame);
        }
    }
}
