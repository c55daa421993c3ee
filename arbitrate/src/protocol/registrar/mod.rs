//! The registrar of one further path: the owner's key on every nexus it writes through.
//!
//! ```text
//!          ┌──── READ KEYS: own key there? ──── is it on this very nexus? ─── yes ──────┐
//!   Out ───┤                                                                            ▼
//!          └─ no, lease valid ► REGISTER ─GOOD► Provisional ─tick begun later► Registered
//!                                  │ Unknown       │ life over                  │ no longer there
//!                                Doubt             ▼                            ▼
//!                                  └─life over► REGISTER 0, read back        Lost ─► Out
//! ```
//!
//! A REGISTER is the one command that admits a nexus; one that reaches the target after this life was
//! deposed re-admits it. So:
//!
//! 1. It is sent only while the lease is valid, with a deadline before its end, and only where a read over
//!    this very path has just shown the own key.
//! 2. It counts only when a tick *begun after its end* has confirmed the ownership: whoever deposes this
//!    life later removes the key from every nexus, this one included. Until then the path is not used.
//! 3. Where the life ends before that, the key is taken off this path again: proven when no registration
//!    under it is left, or when a further try meets the conflict of a nexus that is not registered with it.
//! 4. After an Unknown REGISTER there is no other on this nexus until a read shows that it was executed or
//!    a unit attention (29h) shows that it never will be; at the end of the life it is looked for until
//!    time is up, and what is left open is said.
//!
//! 5. At a clean end the reservation is on the path that stays to the last before any other goes: it goes
//!    with the registration of the nexus that took it, and a tick in between would see nobody holding.
//!
//! What proves a path is READ FULL STATUS where it names this nexus, else a REGISTER of the own key in place
//! of itself: it is executed only where that key stands already, and meets a conflict everywhere else
//! (SPC-4 5.12.7). (A WRITE of no blocks proves nothing: LIO admits it from anybody.) Must never register
//! for a life that is over, nor replace a key that is not a proven earlier life of this node on this nexus.

mod end;

use std::time::Duration;

use arrayvec::ArrayVec;

use crate::codec::pr::{Aptpl, KeysView, OutAction, PrOut, ReservationType};
use crate::key::Key;
use crate::protocol::defender::Lease;
use crate::protocol::keys::MAX_LIVES;
use crate::protocol::timing::Timing;
use crate::protocol::wire::{NoAnswer, Reply};
use crate::time::Instant;

pub use end::{PathCommand, PathEnd, PathNext, PathNote, PathStep, Role, Whereabouts};

/// What a path's registrar starts from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathSetup {
    /// The settled key that owns.
    pub key: Key,
    /// Keys of earlier lives of this node: one of them may stand on this nexus.
    pub ghosts: ArrayVec<Key, MAX_LIVES>,
    /// Whether to ask for persistence through power loss.
    pub aptpl: Aptpl,
    /// The timing.
    pub timing: Timing,
    /// The reservation's type.
    pub kind: ReservationType,
    /// Whether this nexus took the reservation.
    pub role: Role,
    /// How often a registered path is asked whether it still is.
    pub check: Duration,
}

/// How the life stands for which paths are registered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Life {
    /// No valid lease at the moment.
    Waiting,
    /// This lease is valid.
    Owning(Lease),
    /// The device is being given back: further paths first.
    Leaving,
    /// Deposed, or the lease has ended.
    Over,
}

/// What a registrar is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PathEvent<'a> {
    /// The time waited for has come, or the life stands otherwise.
    Wake,
    /// The command asked for has ended.
    Reply(Reply<'a>),
}

/// One path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathRegistrar {
    setup: PathSetup,
    phase: Phase,
    standing: Standing,
    /// A REGISTER ended Unknown and may yet be executed.
    doubt: bool,
    /// The path did not answer last time.
    down: bool,
    /// Ghosts seen by the last READ KEYS, still to be tried.
    present: ArrayVec<Key, MAX_LIVES>,
    /// When the end is no longer waited for; set when the life is over.
    give_up: Option<Instant>,
    /// The key was taken off with GOOD: the next try is due at once, to meet its conflict.
    asked_once: bool,
    /// The own key was removed from nexuses that are gone, or its PREEMPT has just been tried.
    swept: bool,
    /// This path's PREEMPT of the own key was answered with GOOD: the reservation came here with it.
    took: bool,
    /// What falls to it when the device is given back.
    part: Part,
    #[cfg(test)]
    broken: Option<Broken>,
}

/// Rules a test breaks on purpose.
#[cfg(test)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Broken {
    /// Registers without a lease.
    RegistersWhenever,
    /// Believes a GOOD without a later tick.
    BelievesGood,
    /// Goes before the last path has the reservation.
    GoesFirst,
}

/// What falls to a path when the device is given back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    /// It stays to the last: the defender's RELEASE comes from it.
    Stays,
    /// Another stays, and the reservation is there or is brought there: not known yet.
    Awaits,
    /// Another stays, which holds the reservation.
    Goes,
    /// Another stays, which removed the own key from every other nexus, this one included.
    Removed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Rest {
        until: Instant,
    },
    Keys {
        last: bool,
    },
    Ask {
        why: Ask,
    },
    Register {
        existing: Key,
    },
    Withdraw,
    /// READ KEYS of the last path, and the PREEMPT that follows where others are left.
    Sweep,
    Sweeping,
    Over(PathEnd),
}

/// What the question for the nexus's standing is to tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ask {
    /// Whether the path is registered already.
    Survey,
    /// Whether it still is.
    Check,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// Not registered, as far as is known.
    Out,
    /// REGISTER ended GOOD at `since`; `proven` by asking afterwards.
    Provisional { since: Instant, proven: bool },
    /// Confirmed by a tick begun later.
    Registered,
}

impl PathRegistrar {
    /// A path that is to be looked at, at once.
    #[must_use]
    pub fn new(setup: PathSetup) -> Self {
        let standing = match setup.role {
            Role::Holder => Standing::Registered,
            Role::Further => Standing::Out,
        };
        let part = match setup.role {
            Role::Holder => Part::Stays,
            Role::Further => Part::Goes,
        };
        Self {
            setup,
            phase: Phase::Rest { until: Instant::default() },
            standing,
            doubt: false,
            down: false,
            present: ArrayVec::new(),
            give_up: None,
            asked_once: false,
            swept: false,
            took: false,
            part,
            #[cfg(test)]
            broken: None,
        }
    }

    /// Whether the path may be used: registered, confirmed, answering, not being given back.
    #[must_use]
    pub fn usable(&self) -> bool {
        self.standing == Standing::Registered && !self.down && self.give_up.is_none()
    }

    /// Asked right before a command is sent: the thread that sends may not have run since it was decided.
    /// A REGISTER goes out in time and under a valid lease or not at all.
    #[must_use]
    pub fn may_send(&self, command: &PathCommand, deadline: Instant, life: Life, now: Instant) -> bool {
        match command {
            PathCommand::Out(out) if out.action == OutAction::Register && !out.list.target.is_zero() => {
                let leased = matches!(life, Life::Owning(lease) if now < lease.until);
                now < deadline && (leased || self.is_broken_registering())
            }
            PathCommand::Out(_) | PathCommand::ReadKeys | PathCommand::Standing => true,
        }
    }

    /// The device is being given back, and this path is the last: it releases, whichever took the
    /// reservation.
    pub const fn is_last(&mut self) {
        self.part = Part::Stays;
    }

    /// Another path is the last, and this is known of the reservation.
    pub fn is_not_last(&mut self, reservation: Whereabouts) {
        self.part = match reservation {
            Whereabouts::Open if self.is_broken_going() => Part::Goes,
            Whereabouts::Open => Part::Awaits,
            Whereabouts::Last => Part::Goes,
            Whereabouts::Taken => Part::Removed,
        };
    }

    /// What the last path knows of the reservation.
    #[must_use]
    pub fn whereabouts(&self) -> Whereabouts {
        match (self.setup.role, self.phase) {
            (Role::Holder, _) => Whereabouts::Last,
            (Role::Further, Phase::Over(_)) if self.took => Whereabouts::Taken,
            (Role::Further, _) => Whereabouts::Open,
        }
    }

    /// A unit attention 29h came over this path: whatever this nexus sent before is gone, executed or
    /// not (SAM-5 5.14).
    pub const fn nexus_reset(&mut self) {
        self.doubt = false;
    }

    /// Whether a REGISTER of this life may still reach the target, or stands there unconfirmed.
    #[must_use]
    pub const fn open(&self) -> bool {
        self.doubt
            || matches!(self.phase, Phase::Register { .. })
            || matches!(self.standing, Standing::Provisional { .. })
    }

    /// Takes what happened, and how the life stands; says what to do next.
    pub fn handle(&mut self, event: PathEvent<'_>, life: Life, now: Instant) -> PathStep {
        let confirmed = self.confirm(life).then_some(PathNote::Registered);
        self.act(event, life, now).maybe(confirmed)
    }

    fn act(&mut self, event: PathEvent<'_>, life: Life, now: Instant) -> PathStep {
        match (self.phase, event) {
            (Phase::Over(end), _) => PathStep::new(PathNext::End(end)),
            (Phase::Rest { until }, PathEvent::Wake) => self.wake(until, life, now),
            (Phase::Keys { last }, PathEvent::Reply(r)) => self.on_keys(last, r, life, now),
            (Phase::Ask { why }, PathEvent::Reply(r)) => self.on_ask(why, r, life, now),
            (Phase::Register { existing }, PathEvent::Reply(r)) => self.on_register(existing, r, life, now),
            (Phase::Withdraw, PathEvent::Reply(r)) => self.on_withdraw(r, now),
            (Phase::Sweep, PathEvent::Reply(r)) => self.on_sweep(r, now),
            (Phase::Sweeping, PathEvent::Reply(r)) => {
                self.took = r == Reply::Good;
                self.sweep(now)
            }
            // A command is outstanding, or none was asked for.
            _ => PathStep::new(PathNext::Wait(now + self.setup.timing.spec().tick)),
        }
    }

    /// A tick begun after the REGISTER has ended makes it count.
    fn confirm(&mut self, life: Life) -> bool {
        if let (Standing::Provisional { since, proven: true }, Life::Owning(lease)) = (self.standing, life)
            && (lease.from > since || self.is_broken_believing())
        {
            self.standing = Standing::Registered;
            return true;
        }
        false
    }

    fn wake(&mut self, until: Instant, life: Life, now: Instant) -> PathStep {
        match life {
            // Whoever awaits another path goes on as soon as that one is done.
            Life::Leaving if self.part == Part::Awaits => self.leave(now),
            Life::Over | Life::Leaving if self.give_up.is_some() && now < until => {
                PathStep::new(PathNext::Wait(until))
            }
            Life::Over => self.life_over(now),
            Life::Leaving => self.leave(now),
            Life::Owning(_) | Life::Waiting if now < until => PathStep::new(PathNext::Wait(until)),
            Life::Waiting if !self.is_broken_registering() => self.rest_a_tick(now),
            Life::Owning(_) | Life::Waiting => self.look(now),
        }
    }

    fn look(&mut self, now: Instant) -> PathStep {
        match self.standing {
            Standing::Out => self.issue(Phase::Keys { last: false }, PathCommand::ReadKeys, now),
            Standing::Provisional { .. } | Standing::Registered => self.ask(Ask::Check, now),
        }
    }

    fn on_keys(&mut self, last: bool, r: Reply<'_>, life: Life, now: Instant) -> PathStep {
        let Reply::Keys(v) = r else {
            return if last { self.not_gone(now) } else { self.unanswered(r, now) };
        };
        let note = self.answered();
        if last {
            return if v.contains(self.setup.key) { self.not_gone(now) } else { self.gone(now) };
        }
        if matches!(life, Life::Over | Life::Leaving) {
            return self.rest(now).maybe(note);
        }
        // Gone from the device altogether: that is for the defender to find, and nothing to repair.
        if !v.contains(self.setup.key) {
            return self.rest_a_tick(now).maybe(note);
        }
        self.present = self.ghosts_in(v);
        self.ask(Ask::Survey, now).maybe(note)
    }

    fn ghosts_in(&self, v: KeysView<'_>) -> ArrayVec<Key, MAX_LIVES> {
        let own = self.setup.key;
        self.setup.ghosts.iter().copied().filter(|g| *g != own && v.contains(*g)).collect()
    }

    fn on_ask(&mut self, why: Ask, r: Reply<'_>, life: Life, now: Instant) -> PathStep {
        let admitted = match r {
            Reply::Good => true,
            Reply::Conflict => false,
            _ => return self.unanswered(r, now),
        };
        let note = self.answered();
        match (why, admitted) {
            (Ask::Check, true) => self.still_there(life, now).maybe(note),
            (Ask::Check, false) => {
                self.standing = Standing::Out;
                self.rest(now).note(PathNote::Lost)
            }
            (Ask::Survey, true) => self.found(now),
            (Ask::Survey, false) => self.register(life, now).maybe(note),
        }
    }

    /// This life's own key stands on this nexus.
    fn found(&mut self, now: Instant) -> PathStep {
        if self.doubt {
            // The REGISTER whose end was Unknown was executed after all.
            self.doubt = false;
            self.standing = Standing::Provisional { since: now, proven: true };
            return self.rest_a_tick(now);
        }
        self.standing = Standing::Registered;
        self.rest_a_tick(now).note(PathNote::AlreadyRegistered)
    }

    fn still_there(&mut self, life: Life, now: Instant) -> PathStep {
        if let Standing::Provisional { since, proven: false } = self.standing {
            self.standing = Standing::Provisional { since, proven: true };
        }
        let confirmed = self.confirm(life).then_some(PathNote::Registered);
        let pause = match self.standing {
            Standing::Registered => self.setup.check,
            Standing::Out | Standing::Provisional { .. } => self.setup.timing.spec().tick,
        };
        self.rest(now + pause).maybe(confirmed)
    }

    /// Sends REGISTER if it may be sent at all.
    fn register(&mut self, life: Life, now: Instant) -> PathStep {
        let deadline = now + self.setup.timing.spec().tick_budget;
        let in_time = matches!(life, Life::Owning(lease) if lease.from <= now && deadline <= lease.until);
        if self.doubt || !(in_time || self.is_broken_registering()) {
            return self.rest_a_tick(now);
        }
        let existing = self.present.first().copied().unwrap_or_default();
        self.phase = Phase::Register { existing };
        let out = PrOut::register(existing, self.setup.key, self.setup.aptpl);
        PathStep::new(PathNext::Issue { command: PathCommand::Out(out), deadline })
            .note(PathNote::Registering { existing })
    }

    fn on_register(&mut self, existing: Key, r: Reply<'_>, life: Life, now: Instant) -> PathStep {
        match r {
            Reply::Good => {
                self.standing = Standing::Provisional { since: now, proven: false };
                self.ask(Ask::Check, now)
            }
            Reply::Conflict if !existing.is_zero() => {
                // That ghost stands on another nexus; another one may stand on this.
                self.present.remove(0);
                self.register(life, now)
            }
            Reply::Conflict => self.rest_a_tick(now).note(PathNote::Taken),
            Reply::Refused(why) => self.rest_a_tick(now).note(PathNote::Refused(why)),
            Reply::Unknown(why) => {
                self.doubt = true;
                self.rest_a_tick(now).note(PathNote::Doubtful(why))
            }
            Reply::Keys(_) | Reply::Reservation(_) | Reply::Head(_) | Reply::Attention(_) => {
                self.doubt = true;
                self.rest_a_tick(now).note(PathNote::Doubtful(NoAnswer::Malformed))
            }
        }
    }

    fn answered(&mut self) -> Option<PathNote> {
        std::mem::take(&mut self.down).then_some(PathNote::Back)
    }

    fn unanswered(&mut self, r: Reply<'_>, now: Instant) -> PathStep {
        let was = std::mem::replace(&mut self.down, true);
        let step = self.rest_a_tick(now);
        if was { step } else { step.note(PathNote::Down(r.why())) }
    }

    fn ask(&mut self, why: Ask, now: Instant) -> PathStep {
        self.issue(Phase::Ask { why }, PathCommand::Standing, now)
    }

    fn issue(&mut self, phase: Phase, command: PathCommand, now: Instant) -> PathStep {
        self.phase = phase;
        PathStep::new(PathNext::Issue { command, deadline: now + self.setup.timing.spec().tick })
    }

    fn rest_a_tick(&mut self, now: Instant) -> PathStep {
        self.rest(now + self.setup.timing.spec().tick)
    }

    fn rest(&mut self, until: Instant) -> PathStep {
        self.phase = Phase::Rest { until };
        PathStep::new(PathNext::Wait(until))
    }

    #[cfg(test)]
    fn is_broken_registering(&self) -> bool {
        self.broken == Some(Broken::RegistersWhenever)
    }

    #[cfg(test)]
    fn is_broken_believing(&self) -> bool {
        self.broken == Some(Broken::BelievesGood)
    }

    #[cfg(not(test))]
    #[allow(clippy::unused_self, reason = "same call in both builds")]
    const fn is_broken_registering(&self) -> bool {
        false
    }

    #[cfg(test)]
    fn is_broken_going(&self) -> bool {
        self.broken == Some(Broken::GoesFirst)
    }

    #[cfg(not(test))]
    #[allow(clippy::unused_self, reason = "same call in both builds")]
    const fn is_broken_going(&self) -> bool {
        false
    }

    #[cfg(not(test))]
    #[allow(clippy::unused_self, reason = "same call in both builds")]
    const fn is_broken_believing(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
