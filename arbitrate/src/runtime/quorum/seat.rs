//! One device of a race: a thread that finds it, and a crew for each life on it.
//!
//! Must never begin a life while a command of an earlier one is still outstanding on the nexus (design
//! section 6: after an Unknown REGISTER or RESERVE none may follow).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{Coordinator, Hearer};
use crate::clock::now;
use crate::codec::Sense;
use crate::device::{Completion, Escalate, Request, ResetError, ResetScope, ScsiDevice};
use crate::protocol::{ChallengeSetup, Event, Next, NoAnswer, RaceEvent, Reply, SeatNext, Step};
use crate::runtime::crew::{self, Listener, Task};
use crate::runtime::drive::Machine;
use crate::runtime::executor::Sent;
use crate::runtime::pacer::{Pacer, Woke};
use crate::time::Instant;

/// A device that was found.
pub struct Found {
    /// Handles of its nexus, one for each thread of a [`crew`].
    pub devices: Vec<Box<dyn ScsiDevice>>,
    /// What a challenge begins from.
    pub setup: ChallengeSetup,
}

/// Finds one device, as often as the race wants it.
pub trait Scout: Send + 'static {
    /// Opens and identifies it, and takes a fresh incarnation; `None` if that cannot be done now. May
    /// take as long as it takes: only this device waits.
    fn find(&mut self) -> Option<Found>;
}

/// How a device's part begins.
pub enum Start {
    /// When the race asks for it.
    Find,
    /// With the defence the race took over, through these handles.
    Held(Vec<Box<dyn ScsiDevice>>),
}

impl<H: Hearer> Coordinator<H> {
    /// Starts the thread of device `i`. It is detached: the end of the process does not wait for a device
    /// that hangs. `prepare` is called once on each thread that sends commands.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn attend(
        self: &Arc<Self>,
        i: usize,
        mut scout: impl Scout,
        start: Start,
        prepare: fn(),
    ) -> std::io::Result<()> {
        let me = Arc::clone(self);
        std::thread::Builder::new().name(format!("quorum-{i}")).spawn(move || {
            let out = Arc::new(AtomicUsize::new(0));
            if let Start::Held(devices) = start {
                me.live(i, devices, None, &out, prepare);
            }
            while me.await_find(i) {
                let home = out.load(Ordering::Acquire) == 0;
                match if home { scout.find() } else { None }.filter(|f| !f.devices.is_empty()) {
                    None => me.missing(i),
                    Some(f) => me.live(i, f.devices, Some(f.setup), &out, prepare),
                }
            }
        })?;
        Ok(())
    }

    fn missing(&self, i: usize) {
        let mut state = self.lock();
        self.take(&mut state, RaceEvent::Missing(i), Some(i));
    }

    /// Waits until the device is to be found; `false` when all is over.
    fn await_find(&self, i: usize) -> bool {
        loop {
            {
                let mut state = self.lock();
                if Self::is_over(&state) {
                    return false;
                }
                if self.next(&mut state, i) == SeatNext::Find {
                    return true;
                }
            }
            self.wait(i, now() + super::LONGEST);
        }
    }

    /// Runs one life on the device, to its end.
    fn live(
        self: &Arc<Self>,
        i: usize,
        devices: Vec<Box<dyn ScsiDevice>>,
        setup: Option<ChallengeSetup>,
        out: &Arc<AtomicUsize>,
        prepare: fn(),
    ) {
        let devices = devices.into_iter().map(|d| Counted::boxed(d, out)).collect();
        let of = || Of { all: Arc::clone(self), i };
        let mut task = Task { machine: Life { of: of(), setup }, listener: of(), pacer: Box::new(of()) };
        match crew::gather(devices, prepare) {
            Ok(crew) => {
                let _ = crew.run(task);
            }
            Err(_) => {
                let _ = task.machine.start(now());
                self.live_without_threads(i);
            }
        }
    }

    /// A life whose threads could not be started: nothing is sent, every command is lost on this host.
    fn live_without_threads(&self, i: usize) {
        loop {
            let mut state = self.lock();
            let until = match self.next(&mut state, i) {
                _ if Self::is_over(&state) => return,
                SeatNext::Find => return,
                SeatNext::Issue { .. } => {
                    let lost = Reply::Refused(NoAnswer::DeviceLost);
                    self.take(&mut state, RaceEvent::Device(i, Event::Reply(lost)), Some(i));
                    continue;
                }
                SeatNext::Wait(until) => until,
                SeatNext::Idle => now() + super::LONGEST,
            };
            drop(state);
            self.wait(i, until);
            self.take(&mut self.lock(), RaceEvent::Device(i, Event::Wake), Some(i));
        }
    }

    /// The next thing for the crew of device `i`; its life is over when another is to be found.
    fn order(&self, i: usize, state: &mut super::State<H>) -> Step<(), ()> {
        let over = Self::is_over(state);
        Step::new(match self.next(state, i) {
            _ if over => Next::End(()),
            SeatNext::Issue { command, deadline } => Next::Issue { command, deadline },
            SeatNext::Wait(until) => Next::Wait(until),
            SeatNext::Idle => Next::Wait(Instant::from_nanos(u64::MAX)),
            SeatNext::Find => Next::End(()),
        })
    }
}

/// One device's end of the coordinator.
struct Of<H> {
    all: Arc<Coordinator<H>>,
    i: usize,
}

/// One life on one device, as its crew sees it: the race decides.
struct Life<H> {
    of: Of<H>,
    setup: Option<ChallengeSetup>,
}

impl<H: Hearer> Machine for Life<H> {
    type Note = ();
    type End = ();

    fn start(&mut self, _: Instant) -> Step<(), ()> {
        let Of { all, i } = &self.of;
        let mut state = all.lock();
        if let Some(setup) = self.setup.take() {
            all.take(&mut state, RaceEvent::Found(*i, setup), Some(*i));
        }
        all.order(*i, &mut state)
    }

    fn handle(&mut self, event: Event<'_>, _: Instant) -> Step<(), ()> {
        let Of { all, i } = &self.of;
        let mut state = all.lock();
        let news = state.news.get(*i).copied().unwrap_or(false);
        // Woken by news there is nothing to tell the race: it knows.
        if !(news && event == Event::Wake) {
            all.take(&mut state, RaceEvent::Device(*i, event), Some(*i));
        }
        all.order(*i, &mut state)
    }
}

impl<H: Hearer> Listener<()> for Of<H> {
    fn note(&mut self, _: Instant, (): &()) {}

    fn sent(&mut self, s: &Sent) {
        self.all.lock().hearer.sent(self.i, s);
    }

    fn attention(&mut self, sense: Sense) {
        self.all.lock().hearer.attention(self.i, sense);
    }
}

impl<H: Hearer> Pacer for Of<H> {
    fn now(&self) -> Instant {
        now()
    }

    fn wait(&mut self, until: Instant) -> Woke {
        self.all.wait(self.i, until);
        Woke::Time
    }

    fn pause(&mut self, d: Duration) {
        if !d.is_zero() {
            std::thread::sleep(d);
        }
    }
}

/// A handle that is counted until its thread gives it up: one that is stuck in a command does not.
struct Counted {
    inner: Box<dyn ScsiDevice>,
    out: Arc<AtomicUsize>,
}

impl Counted {
    fn boxed(inner: Box<dyn ScsiDevice>, out: &Arc<AtomicUsize>) -> Box<dyn ScsiDevice> {
        out.fetch_add(1, Ordering::AcqRel);
        Box::new(Self { inner, out: Arc::clone(out) })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.out.fetch_sub(1, Ordering::AcqRel);
    }
}

impl ScsiDevice for Counted {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn execute(&mut self, request: Request<'_>) -> Completion {
        self.inner.execute(request)
    }

    fn reset(&mut self, scope: ResetScope, escalate: Escalate, deadline: Instant) -> Result<(), ResetError> {
        self.inner.reset(scope, escalate, deadline)
    }

    fn own_transport_id(&self) -> Option<Vec<u8>> {
        self.inner.own_transport_id()
    }
}
