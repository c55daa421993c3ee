//! Runs a race over several quorum devices: a crew of threads for each device, one coordinator.
//!
//! The [`Coordinator`] owns the [`Race`]. Each device's crew sends that device's commands and brings the
//! answers here; what that changes for another device, its crew is woken for. The coordinator is locked
//! only while the race, which is pure, takes an event and its notes are heard: never during a command.
//! So a device that hangs holds up nobody. Must never decide anything itself.

mod seat;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::clock::now;
use crate::codec::Sense;
use crate::protocol::{MAX_DEVICES, Race, RaceEvent, RaceNote, RaceStep, SeatNext};
use crate::runtime::executor::Sent;
use crate::time::Instant;

pub use seat::{Found, Scout, Start};

/// The longest one wait: then everything is looked at again.
const LONGEST: Duration = Duration::from_secs(60);

/// Hears everything, on the thread it happens on and under the coordinator's lock: must not block,
/// allocate or lock.
pub trait Hearer: Send + 'static {
    /// The race tells something.
    fn note(&mut self, at: Instant, note: &RaceNote);
    /// A command on a device has ended.
    fn sent(&mut self, device: usize, s: &Sent);
    /// A unit attention of a device was consumed.
    fn attention(&mut self, device: usize, sense: Sense);
}

/// Owns the race, and tells each device's crew what to do.
pub struct Coordinator<H> {
    state: Mutex<State<H>>,
    /// One for each device.
    changed: [Condvar; MAX_DEVICES],
    /// Rung at every event, for the thread that keeps the time of the whole.
    bell: EventFd,
}

struct State<H> {
    race: Race,
    hearer: H,
    /// Devices whose next thing was changed by something that did not happen on them.
    news: [bool; MAX_DEVICES],
    /// Nothing more is begun.
    closed: bool,
}

impl<H: Hearer> Coordinator<H> {
    /// A coordinator of a race not yet begun.
    ///
    /// # Errors
    /// The errno of eventfd.
    pub fn new(race: Race, hearer: H) -> nix::Result<Arc<Self>> {
        let bell = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let state = State { race, hearer, news: [false; MAX_DEVICES], closed: false };
        let changed = std::array::from_fn(|_| Condvar::new());
        Ok(Arc::new(Self { state: Mutex::new(state), changed, bell }))
    }

    fn lock(&self) -> MutexGuard<'_, State<H>> {
        // The race is pure, and hearers may not panic: nothing half done can be found here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the race something that concerns no single device.
    pub fn tell(&self, event: RaceEvent<'_>) {
        let mut state = self.lock();
        self.take(&mut state, event, None);
    }

    /// Looks at the race and the hearer.
    pub fn look<R>(&self, at: impl FnOnce(&Race, &mut H) -> R) -> R {
        let mut state = self.lock();
        let State { race, hearer, .. } = &mut *state;
        at(race, hearer)
    }

    /// Begins nothing more on any device; what is outstanding goes on.
    pub fn close(&self) {
        self.lock().closed = true;
        for c in &self.changed {
            c.notify_all();
        }
    }

    /// Readable after every event; [`Coordinator::hush`] makes it quiet again.
    #[must_use]
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Silences the bell until the next event.
    pub fn hush(&self) {
        let _ = self.bell.read();
    }

    /// Tells the race an event, of device `of` or of none, and passes on what came of it.
    fn take(&self, state: &mut State<H>, event: RaceEvent<'_>, of: Option<usize>) {
        // Read under the lock: time never goes back for the race.
        let at = now();
        let RaceStep { notes, actions } = state.race.handle(event, at);
        for n in &notes {
            state.hearer.note(at, n);
        }
        for (device, _) in actions {
            if of != Some(device)
                && let (Some(news), Some(changed)) = (state.news.get_mut(device), self.changed.get(device))
            {
                *news = true;
                changed.notify_all();
            }
        }
        // Its counter cannot overflow.
        let _ = self.bell.write(1);
    }

    /// The next thing to do on device `i`; the news of it are taken.
    fn next(&self, state: &mut State<H>, i: usize) -> SeatNext {
        if let Some(news) = state.news.get_mut(i) {
            *news = false;
        }
        state.race.next(i)
    }

    fn is_over(state: &State<H>) -> bool {
        state.closed || state.race.end().is_some()
    }

    /// Waits until `until`, news for device `i`, or the end.
    fn wait(&self, i: usize, until: Instant) {
        let mut state = self.lock();
        while !state.news.get(i).copied().unwrap_or(true) && !Self::is_over(&state) {
            let left = until.since(now()).min(LONGEST);
            if left.is_zero() {
                return;
            }
            let Some(changed) = self.changed.get(i) else { return };
            state = changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests;
