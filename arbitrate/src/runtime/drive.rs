//! Runs a protocol on a device: sends what it asks for, waits when it waits.
//!
//! Decides nothing: whatever happens is handed to the protocol with the time.

use crate::protocol::fence::{Admission, AdmitEnd, AdmitNote};
use crate::protocol::{
    ChallengeEnd, ChallengeNote, Challenger, DefenceEnd, DefenceNote, Defender, Event, Lease, Next, Step,
};
use crate::runtime::executor::Executor;
use crate::runtime::pacer::{Pacer, Woke};
use crate::time::Instant;

/// A protocol as a driver sees it.
pub trait Machine {
    /// What it tells.
    type Note: Copy;
    /// How it ends.
    type End: Copy;
    /// Begins.
    fn start(&mut self, now: Instant) -> Step<Self::Note, Self::End>;
    /// Takes what happened and says what to do next.
    fn handle(&mut self, event: Event<'_>, now: Instant) -> Step<Self::Note, Self::End>;
}

impl Machine for Challenger {
    type Note = ChallengeNote;
    type End = ChallengeEnd;
    fn start(&mut self, now: Instant) -> Step<ChallengeNote, ChallengeEnd> {
        Self::start(self, now)
    }
    fn handle(&mut self, event: Event<'_>, now: Instant) -> Step<ChallengeNote, ChallengeEnd> {
        Self::handle(self, event, now)
    }
}

impl Machine for Defender {
    type Note = DefenceNote;
    type End = DefenceEnd;
    fn start(&mut self, now: Instant) -> Step<DefenceNote, DefenceEnd> {
        Self::start(self, now)
    }
    fn handle(&mut self, event: Event<'_>, now: Instant) -> Step<DefenceNote, DefenceEnd> {
        Self::handle(self, event, now)
    }
}

impl Machine for Admission {
    type Note = AdmitNote;
    type End = AdmitEnd;
    fn start(&mut self, now: Instant) -> Step<AdmitNote, AdmitEnd> {
        Self::start(self, now)
    }
    fn handle(&mut self, event: Event<'_>, now: Instant) -> Step<AdmitNote, AdmitEnd> {
        Self::handle(self, event, now)
    }
}

/// Runs an admission to its end. `tell` hears every note at once, on this thread.
pub fn admission(
    admission: &mut Admission,
    on: &mut Executor<'_>,
    pacer: &mut dyn Pacer,
    tell: &mut dyn FnMut(Instant, &AdmitNote),
) -> AdmitEnd {
    run(admission, on, pacer, tell)
}

/// Runs a challenge to its end. `tell` hears every note at once, on this thread.
pub fn challenge(
    challenger: &mut Challenger,
    on: &mut Executor<'_>,
    pacer: &mut dyn Pacer,
    tell: &mut dyn FnMut(Instant, &ChallengeNote),
) -> ChallengeEnd {
    run(challenger, on, pacer, tell)
}

/// Runs a defence just begun until its first tick confirmed a lease.
///
/// # Errors
/// How the defence ended instead.
pub fn first_lease(
    defender: &mut Defender,
    on: &mut Executor<'_>,
    pacer: &mut dyn Pacer,
    tell: &mut dyn FnMut(Instant, &DefenceNote),
) -> Result<Lease, DefenceEnd> {
    let mut step = Machine::start(defender, pacer.now());
    loop {
        let now = pacer.now();
        for note in &step.notes {
            tell(now, note);
            if let DefenceNote::Confirmed { lease, .. } = note {
                return Ok(*lease);
            }
        }
        step = advance(defender, step.next, on, pacer)?;
    }
}

/// Runs a defence to its end. `tell` hears every note at once, on this thread: it feeds the watchdog
/// and must not block, allocate or lock.
pub fn defence(
    defender: &mut Defender,
    on: &mut Executor<'_>,
    pacer: &mut dyn Pacer,
    tell: &mut dyn FnMut(Instant, &DefenceNote),
) -> DefenceEnd {
    run(defender, on, pacer, tell)
}

/// Runs any protocol to its end. `tell` hears every note at once, on this thread.
pub fn run<M: Machine>(
    machine: &mut M,
    on: &mut Executor<'_>,
    pacer: &mut dyn Pacer,
    tell: &mut dyn FnMut(Instant, &M::Note),
) -> M::End {
    let mut step = machine.start(pacer.now());
    loop {
        let now = pacer.now();
        for note in &step.notes {
            tell(now, note);
        }
        step = match advance(machine, step.next, on, pacer) {
            Ok(step) => step,
            Err(end) => return end,
        };
    }
}

/// Does the one thing asked for and tells the machine; the end as the error.
fn advance<M: Machine>(
    machine: &mut M,
    next: Next<M::End>,
    on: &mut Executor<'_>,
    pacer: &mut dyn Pacer,
) -> Result<Step<M::Note, M::End>, M::End> {
    match next {
        Next::End(end) => Err(end),
        Next::Wait(until) => {
            let event = match pacer.wait(until) {
                Woke::Time => Event::Wake,
                Woke::Stop => Event::Release,
            };
            Ok(machine.handle(event, pacer.now()))
        }
        Next::Issue { command, deadline } => {
            let reply = on.run(&command, deadline, pacer);
            Ok(machine.handle(Event::Reply(reply), pacer.now()))
        }
    }
}
