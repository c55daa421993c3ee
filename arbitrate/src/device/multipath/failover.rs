//! One device of several paths: a command goes over the path in use, and over the next when that fails.
//!
//! A read of reservations means the same over every path of the unit, so it is sent again over the next
//! path at once; whatever changes anything is sent once, and its end left to the caller to read back
//! (design section 3). A path whose command has not come back is not used meanwhile.
//!
//! Nothing is allocated, opened or locked by a command. Paths found later are opened by whoever found
//! them and handed over through a ring. Must never send a command to a path that was not asked who it is.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::MAX_PATHS;
use crate::clock::now;
use crate::codec::pr::PERSISTENT_RESERVE_IN;
use crate::device::classify::{Class, classify};
use crate::device::{Completion, Data, Delivery, Escalate, Request, ResetError, ResetScope, ScsiDevice};
use crate::time::Instant;

/// Path handles waiting to be taken in by one handle of the unit.
const JOINING: usize = MAX_PATHS * 2;

/// No slot.
const NOBODY: usize = usize::MAX;

type Handle = Box<dyn ScsiDevice>;

/// What all handles of the unit, and whoever watches its paths, know in common.
pub struct Paths {
    slots: [Slot; MAX_PATHS],
    /// The slot commands go to.
    current: AtomicUsize,
    /// The slot a release is to come from; [`NOBODY`] while there is none to be given.
    last: AtomicUsize,
    /// Never touched by a command.
    rings: Mutex<Vec<rtrb::Producer<(usize, Handle)>>>,
}

#[derive(Default)]
struct Slot {
    usable: AtomicBool,
    /// Commands sent over it that have not come back.
    outstanding: AtomicU32,
}

/// A handle of the unit.
pub struct Failover {
    name: String,
    paths: Arc<Paths>,
    handles: Vec<Option<Handle>>,
    /// Replaced handles: closing a device is not for a command's way.
    retired: Vec<Handle>,
    joining: rtrb::Consumer<(usize, Handle)>,
}

impl Paths {
    /// The slot in use.
    #[must_use]
    pub fn current(&self) -> usize {
        self.current.load(Ordering::Acquire)
    }

    /// Says whether commands may go over the path in `slot`.
    pub fn set_usable(&self, slot: usize, usable: bool) {
        if let Some(s) = self.slots.get(slot) {
            s.usable.store(usable, Ordering::Release);
        }
    }

    /// Whether commands may go over the path in `slot`.
    #[must_use]
    pub fn usable(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(|s| s.usable.load(Ordering::Acquire))
    }

    /// From now on one path is preferred: the first, whose nexus took the reservation and can release it,
    /// or where that does not work another that does.
    pub fn leave(&self) {
        let slot = (0..MAX_PATHS).find(|s| self.usable(*s)).unwrap_or(0);
        self.last.store(slot, Ordering::Release);
    }

    /// The path that a release is to come from, once [`Paths::leave`] has chosen it.
    #[must_use]
    pub fn last(&self) -> Option<usize> {
        Some(self.last.load(Ordering::Acquire)).filter(|s| *s != NOBODY)
    }

    /// Hands every handle of the unit a handle of the path for `slot`, made by `make`. Not usable until
    /// [`Paths::set_usable`] says so. False where a handle could not be made or taken.
    pub fn join(&self, slot: usize, make: &mut dyn FnMut() -> Option<Handle>) -> bool {
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = true;
        for ring in rings.iter_mut().filter(|r| !r.is_abandoned()) {
            all &= make().is_some_and(|h| ring.push((slot, h)).is_ok());
        }
        all
    }

    fn ready(&self, slot: usize) -> bool {
        self.slots
            .get(slot)
            .is_some_and(|s| s.usable.load(Ordering::Acquire) && s.outstanding.load(Ordering::Acquire) == 0)
    }

    fn idle(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(|s| s.outstanding.load(Ordering::Acquire) == 0)
    }

    /// The slot to use, out of `has`: the one in use as long as it works, else the next that does.
    fn choose(&self, has: &dyn Fn(usize) -> bool) -> usize {
        if let Some(last) = self.last().filter(|s| has(*s) && self.idle(*s)) {
            return last;
        }
        let current = self.current();
        let next = (0..MAX_PATHS).map(|n| (current + n) % MAX_PATHS).find(|s| has(*s) && self.ready(*s));
        // Where none works, every one of them is tried in turn.
        let idle = |s: &usize| has(*s) && self.idle(*s);
        let slot =
            next.or_else(|| (0..MAX_PATHS).map(|n| (current + n) % MAX_PATHS).find(idle)).unwrap_or(current);
        self.current.store(slot, Ordering::Release);
        slot
    }

    /// The path in `slot` failed a command.
    fn failed(&self, slot: usize) {
        self.set_usable(slot, false);
        let _ =
            self.current.compare_exchange(slot, (slot + 1) % MAX_PATHS, Ordering::AcqRel, Ordering::Acquire);
    }

    fn ring(&self) -> rtrb::Consumer<(usize, Handle)> {
        let (producer, consumer) = rtrb::RingBuffer::new(JOINING);
        self.rings.lock().unwrap_or_else(PoisonError::into_inner).push(producer);
        consumer
    }
}

impl Failover {
    /// A unit of these paths, each usable; the first is the one in use. At most [`MAX_PATHS`].
    #[must_use]
    pub fn new(name: &str, devices: Vec<Handle>) -> Self {
        let paths = Arc::new(Paths {
            slots: std::array::from_fn(|_| Slot::default()),
            current: AtomicUsize::new(0),
            last: AtomicUsize::new(NOBODY),
            rings: Mutex::default(),
        });
        for slot in 0..devices.len().min(MAX_PATHS) {
            paths.set_usable(slot, true);
        }
        Self::with(name.to_owned(), paths, devices.into_iter().map(Some).collect())
    }

    fn with(name: String, paths: Arc<Paths>, some: Vec<Option<Handle>>) -> Self {
        let mut handles = Vec::with_capacity(MAX_PATHS);
        handles.extend(some.into_iter().take(MAX_PATHS));
        handles.resize_with(MAX_PATHS, || None);
        let joining = paths.ring();
        Self { name, paths, handles, retired: Vec::with_capacity(JOINING), joining }
    }

    /// What its handles have in common.
    #[must_use]
    pub fn paths(&self) -> Arc<Paths> {
        Arc::clone(&self.paths)
    }

    fn take_in(&mut self) {
        while let Ok((slot, handle)) = self.joining.pop() {
            let Some(place) = self.handles.get_mut(slot) else { continue };
            if let Some(old) = place.replace(handle)
                && self.retired.len() < self.retired.capacity()
            {
                self.retired.push(old);
            }
        }
    }

    fn choose(&self) -> usize {
        self.paths.choose(&|s| self.handles.get(s).is_some_and(Option::is_some))
    }

    fn send(&mut self, slot: usize, request: Request<'_>) -> Completion {
        let (Some(place), Some(Some(handle))) = (self.paths.slots.get(slot), self.handles.get_mut(slot))
        else {
            return Completion::unanswered(Delivery::NotSent(libc::ENODEV), Duration::ZERO);
        };
        place.outstanding.fetch_add(1, Ordering::AcqRel);
        let done = handle.execute(request);
        place.outstanding.fetch_sub(1, Ordering::AcqRel);
        done
    }
}

/// Whether an answer says that the path is at fault.
fn path_failed(done: &Completion) -> bool {
    matches!(
        classify(done),
        Class::TransportLost(_)
            | Class::Outstanding
            | Class::DeviceLost
            | Class::NotSent(_)
            | Class::NotReady(_)
            | Class::Malformed
    )
}

impl ScsiDevice for Failover {
    fn name(&self) -> &str {
        &self.name
    }

    fn execute(&mut self, request: Request<'_>) -> Completion {
        self.take_in();
        let Request { cdb, mut data, deadline } = request;
        let reads = cdb.opcode() == PERSISTENT_RESERVE_IN;
        for _ in 0..MAX_PATHS {
            let slot = self.choose();
            let again = match &mut data {
                Data::None => Data::None,
                Data::In(b) => Data::In(b),
                Data::Out(b) => Data::Out(b),
            };
            let done = self.send(slot, Request { cdb, data: again, deadline });
            if !path_failed(&done) {
                return done;
            }
            self.paths.failed(slot);
            let next = self.choose();
            if !reads || next == slot || !self.paths.usable(next) || now() >= deadline {
                return done;
            }
        }
        Completion::unanswered(Delivery::DeviceLost, Duration::ZERO)
    }

    fn reset(&mut self, scope: ResetScope, escalate: Escalate, deadline: Instant) -> Result<(), ResetError> {
        self.take_in();
        let slot = self.choose();
        match self.handles.get_mut(slot) {
            Some(Some(handle)) => handle.reset(scope, escalate, deadline),
            _ => Err(ResetError::Unsupported),
        }
    }

    /// Handles of all paths, as many as a single path has.
    fn unguarded(&self) -> Vec<Box<dyn ScsiDevice>> {
        let mut each: Vec<(usize, Vec<Handle>)> = self
            .handles
            .iter()
            .enumerate()
            .filter_map(|(slot, h)| Some((slot, h.as_ref()?.unguarded())))
            .collect();
        // Where a command over some path cannot get stuck, that path has none: then all keep to one.
        let count = each.iter().map(|(_, h)| h.len()).min().unwrap_or(0);
        let mut all: Vec<Box<dyn ScsiDevice>> = Vec::with_capacity(count);
        for _ in 0..count {
            let mut handles: Vec<Option<Handle>> = Vec::new();
            handles.resize_with(MAX_PATHS, || None);
            for (slot, of_path) in &mut each {
                if let Some(place) = handles.get_mut(*slot) {
                    *place = of_path.pop();
                }
            }
            all.push(Box::new(Self::with(self.name.clone(), Arc::clone(&self.paths), handles)));
        }
        all
    }

    /// That of the first path: it is the one a challenge is made over.
    fn own_transport_id(&self) -> Option<Vec<u8>> {
        self.handles.first()?.as_ref()?.own_transport_id()
    }
}

#[cfg(test)]
mod tests;
