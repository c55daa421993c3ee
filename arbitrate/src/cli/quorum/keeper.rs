//! The thread that keeps the time of the race, feeds the watchdog and stops what depends on ownership.
//!
//! From the first seizure on it opens nothing, spawns nothing, allocates nothing and shares no lock with
//! the log. Must never print.

use std::sync::Arc;
use std::time::Duration;

use arbitrate::clock;
use arbitrate::codec::Sense;
use arbitrate::protocol::{DefenceEnd, MAX_DEVICES, Race, RaceEnd, RaceEvent, RaceNote, Standing};
use arbitrate::runtime::executor::Sent;
use arbitrate::runtime::pacer::{SystemPacer, Woke};
use arbitrate::runtime::quorum::{Coordinator, Hearer};
use arbitrate::runtime::watchdog::Watchdog;
use arbitrate::time::Instant;

use super::log::Message;
use crate::cli::defend::keeper::{Proof, stop_and_tell};
use crate::cli::defend::on_deposed::Prepared;
use crate::cli::defend::ring::Writer;

/// The longest one wait.
const LONGEST: Duration = Duration::from_secs(60);

/// Log and watchdog: what hears the race.
pub(super) struct Desk {
    pub(super) writer: Writer<Message>,
    pub(super) watchdog: Option<Watchdog>,
    /// From the first majority on: feeding is then the leases' business.
    pub(super) owned: bool,
    /// When what depends on ownership had to begin to stop, until it has.
    pub(super) stop: Option<Instant>,
}

impl Hearer for Desk {
    fn note(&mut self, at: Instant, note: &RaceNote) {
        match note {
            RaceNote::Owned { feed_before, .. } | RaceNote::Confirmed { feed_before, .. } => {
                self.owned = true;
                // A stop once begun is not fed away.
                if self.stop.is_none()
                    && clock::now() < *feed_before
                    && let Some(w) = &self.watchdog
                {
                    w.feed();
                }
            }
            RaceNote::OwnershipEnded { .. } => self.stop = Some(at),
            _ => {}
        }
        self.writer.tell(Message::Race(at, *note));
    }

    fn sent(&mut self, device: usize, s: &Sent) {
        if self.writer.verbose() {
            self.writer.tell(Message::Sent(device, *s));
        }
    }

    fn attention(&mut self, device: usize, sense: Sense) {
        self.writer.tell(Message::Attention(clock::now(), device, sense));
    }
}

/// When it is enough.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// When this node owns and every device is decided.
    Decided,
    /// At the end.
    End,
}

/// How it ended.
pub(super) enum Kept {
    /// This node owns, until then.
    Owned(Instant),
    /// The race is over; `stopped` tells what became of what depends on ownership, where that had to stop.
    Over { end: RaceEnd, stopped: Option<String> },
}

/// Keeps the race's time.
pub(super) struct Keeper {
    pub(super) all: Arc<Coordinator<Desk>>,
    pub(super) signals: SystemPacer,
    pub(super) prepared: Option<Prepared>,
    pub(super) until: Until,
    pub(super) margin: Duration,
}

/// What there is to do.
enum Todo {
    Over(RaceEnd),
    Owned(Instant),
    Stop(Instant),
    GiveBack,
    /// A majority again after a stop that is not proven: nothing is given back.
    HoldOn(Instant),
    Wait(Instant),
}

/// Why ownership ended, in the word `--on-deposed` is given.
fn reason(race: &Race) -> &'static str {
    let deposed = |i| matches!(race.standing(i), Standing::Ended(DefenceEnd::Deposed { .. }));
    if (0..MAX_DEVICES).any(deposed) { "deposed" } else { "expired" }
}

impl Keeper {
    pub(super) fn run(mut self) -> Kept {
        let kept = self.keep();
        self.all.close();
        self.all.look(|_, desk| desk.writer.close());
        kept
    }

    fn keep(&mut self) -> Kept {
        let mut stopped: Option<(Proof, String)> = None;
        let mut holding = false;
        loop {
            self.all.hush();
            let todo = match self.todo(stopped.as_ref().map(|(proof, _)| *proof)) {
                Todo::HoldOn(until) => {
                    if !std::mem::replace(&mut holding, true) {
                        self.all.look(|_, desk| desk.writer.tell(Message::HoldingOn(clock::now())));
                    }
                    Todo::Wait(until)
                }
                todo => todo,
            };
            match todo {
                Todo::Over(end) => {
                    let clean = stopped.is_none();
                    // Nothing that depends on ownership is left running, or nothing ever was.
                    if clean && let Some(w) = self.all.look(|_, desk| desk.watchdog.take()) {
                        w.disarm();
                    }
                    return Kept::Over { end, stopped: stopped.map(|(_, words)| words) };
                }
                Todo::Owned(until) => return Kept::Owned(until),
                Todo::Stop(since) => {
                    let (mut watchdog, reason) =
                        self.all.look(|race, desk| (desk.watchdog.take(), reason(race)));
                    // One that is not disarmed here stays armed: being dropped never disarms.
                    let (prepared, deadline) = (self.prepared.take(), since + self.margin);
                    let now = stop_and_tell(prepared, reason, deadline, &mut watchdog);
                    // It can be proven once only: a second end has nothing left to stop it with.
                    stopped = stopped.or(Some(now));
                    self.all.look(|_, desk| desk.stop = None);
                }
                Todo::GiveBack => self.all.tell(RaceEvent::Release),
                Todo::HoldOn(until) | Todo::Wait(until) => {
                    if clock::now() >= until {
                        self.all.tell(RaceEvent::Wake);
                        continue;
                    }
                    let until = self.feed_freely().map_or(until, |f| f.min(until));
                    if self.signals.wait_or(until, self.all.bell()) == Woke::Stop {
                        // The end is wanted: the last feed would not last for giving back and proving it.
                        if let Some(w) = self.all.look(|_, desk| desk.watchdog.take()) {
                            w.disarm();
                        }
                        self.all.tell(RaceEvent::Release);
                    }
                }
            }
        }
    }

    /// `stopped`: what is known of a stop that was needed.
    fn todo(&self, stopped: Option<Proof>) -> Todo {
        let now = clock::now();
        let enough = self.until == Until::Decided;
        self.all.look(|race, desk| {
            if let Some(since) = desk.stop {
                return Todo::Stop(since);
            }
            if let Some(end) = race.end() {
                return Todo::Over(end);
            }
            let wait = race.due(now).unwrap_or(now + LONGEST);
            match (race.owns(now), stopped) {
                // What depends on ownership was stopped for good: the devices are for others.
                (Some(_), Some(Proof::Stopped | Proof::NothingNamed)) => Todo::GiveBack,
                // It may still run here: as long as these are held, nobody else begins it.
                (Some(_), Some(Proof::Open)) => Todo::HoldOn(wait),
                (Some(until), None) if enough && race.is_decided(now) => Todo::Owned(until),
                _ => Todo::Wait(wait),
            }
        })
    }

    /// Feeds the watchdog while this node owns nothing that it could guard; when to feed again.
    fn feed_freely(&self) -> Option<Instant> {
        self.all.look(|_, desk| {
            let w = desk.watchdog.as_ref().filter(|_| !desk.owned)?;
            w.feed();
            Some(clock::now() + w.timeout() / 4)
        })
    }
}

#[cfg(test)]
mod tests;
