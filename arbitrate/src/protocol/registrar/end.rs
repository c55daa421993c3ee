//! The end of a path's registration, and the words of its registrar.

use super::{Part, PathRegistrar, Phase, Standing};
use crate::codec::pr::{Abort, PrOut, Preempt};
use crate::key::Key;
use crate::protocol::wire::{NoAnswer, Reply};
use crate::time::Instant;

/// Whether a path's nexus took the reservation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// It did: the defender itself gives it back.
    Holder,
    /// It is registered besides.
    Further,
}

/// Where the reservation is while the device is being given back, as the path that stays knows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Whereabouts {
    /// On another nexus maybe.
    Open,
    /// On the path that stays: its nexus took it at the beginning.
    Last,
    /// On the path that stays: it has removed the own key from every other nexus, and read that back.
    Taken,
}

/// One command a registrar asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PathCommand {
    /// READ KEYS over this path.
    ReadKeys,
    /// Whether the own key is registered on this very nexus: good if it is, a conflict if it is not.
    Standing,
    /// PERSISTENT RESERVE OUT over this path.
    Out(PrOut),
}

/// The one thing to do next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PathNext {
    /// Send this. Its real end is wanted, however late it comes.
    Issue {
        /// The command.
        command: PathCommand,
        /// From when on its being outstanding is worth telling.
        deadline: Instant,
    },
    /// Nothing until then, or until the life stands otherwise.
    Wait(Instant),
    /// It is over.
    End(PathEnd),
}

/// What to do next, and what there is to tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PathStep {
    /// The one thing to do.
    pub next: PathNext,
    /// What happened.
    pub note: Option<PathNote>,
}

/// What happened on a path.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PathNote {
    /// It was registered under the own key already.
    AlreadyRegistered,
    /// REGISTER is being sent.
    Registering {
        /// The key of an earlier life that stands there; zero for none.
        existing: Key,
    },
    /// Registered, and confirmed by a tick begun later: may be used.
    Registered,
    /// It may no longer write: its registration is gone though the key stands on the device.
    Lost,
    /// Another key is registered on this nexus, none of this node's.
    Taken,
    /// REGISTER was refused; not executed.
    Refused(NoAnswer),
    /// REGISTER brought no trustworthy answer: it may be executed yet.
    Doubtful(NoAnswer),
    /// The path does not answer.
    Down(NoAnswer),
    /// It answers again.
    Back,
    /// The own key is being taken off this path.
    Withdrawing,
    /// The own key is being removed from nexuses that are gone.
    Sweeping,
}

/// How a path's registration ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PathEnd {
    /// Nothing of this life stands there.
    Nothing,
    /// The registration stands as the device has it: whoever takes the device removes it.
    Left,
    /// Taken off, read back.
    Withdrawn,
    /// It may be registered, or become so: not proven otherwise in time.
    Unproven,
}

impl PathStep {
    pub(super) const fn new(next: PathNext) -> Self {
        Self { next, note: None }
    }

    pub(super) const fn note(self, note: PathNote) -> Self {
        Self { note: Some(note), ..self }
    }

    /// Adds a note where there is one, and none yet.
    pub(super) fn maybe(self, note: Option<PathNote>) -> Self {
        Self { note: self.note.or(note), ..self }
    }
}

impl PathRegistrar {
    /// Deposed or expired: what was registered and confirmed is removed by whoever takes the device, as
    /// on the holder's own path; what was not must not stay.
    pub(super) fn life_over(&mut self, now: Instant) -> PathStep {
        match self.standing {
            Standing::Provisional { .. } => self.withdraw(now),
            _ if self.doubt => self.withdraw(now),
            Standing::Registered => self.end(PathEnd::Left),
            Standing::Out => self.end(PathEnd::Nothing),
        }
    }

    /// The device is being given back: the other paths before the one that stays, so that the defender's
    /// last read can show that no registration is left.
    pub(super) fn leave(&mut self, now: Instant) -> PathStep {
        match (self.part, self.standing) {
            (Part::Stays, Standing::Registered) if !self.down || self.setup.role == Role::Further => {
                self.sweep(now)
            }
            (Part::Stays, _) => self.end(PathEnd::Left),
            (_, Standing::Out) if !self.doubt => self.end(PathEnd::Nothing),
            (Part::Removed, Standing::Registered) if !self.doubt => self.end(PathEnd::Withdrawn),
            (Part::Awaits, _) => self.await_last(now),
            (Part::Goes | Part::Removed, _) => self.withdraw(now),
        }
    }

    /// The reservation may be on this nexus and would go with its registration, while the lease is valid
    /// still. So the path that stays is waited for. Where nothing comes of that, the nexus that took the
    /// reservation leaves it standing, which the defender's last read shows; another has its time yet.
    fn await_last(&mut self, now: Instant) -> PathStep {
        let timing = self.setup.timing.spec();
        let give_up = *self.give_up.get_or_insert(now + timing.window);
        match self.setup.role {
            Role::Holder if now >= give_up => self.end(PathEnd::Left),
            Role::Further if now + timing.window >= give_up + timing.tick => self.withdraw(now),
            Role::Holder | Role::Further => self.rest(now + timing.tick_budget),
        }
    }

    /// Looks whether the own key stands elsewhere still.
    pub(super) fn sweep(&mut self, now: Instant) -> PathStep {
        self.give_up.get_or_insert(now + self.setup.timing.spec().window);
        self.issue(Phase::Sweep, PathCommand::ReadKeys, now)
    }

    /// A PREEMPT of the own key removes it from every other nexus, spares this one, and moves the
    /// reservation here (SPC-4 5.12.11.2.6), so that the defender's RELEASE releases.
    ///
    /// A path that did not take the reservation sends it at once, before any other path goes. The one that
    /// did sends it where the key stands elsewhere though the others have had their time: on nexuses that
    /// are gone, as those of a session that was logged in anew, or of a path that died.
    pub(super) fn on_sweep(&mut self, r: Reply<'_>, now: Instant) -> PathStep {
        let timing = self.setup.timing.spec();
        let give_up = self.give_up.unwrap_or(now);
        if now >= give_up {
            // Nothing was read that shows it.
            self.took = false;
            return self.end(PathEnd::Left);
        }
        let Reply::Keys(v) = r else { return self.rest(now + timing.tick_budget) };
        let count = v.iter().filter(|k| *k == self.setup.key).count();
        self.took &= count != 0;
        let holds = self.setup.role == Role::Holder || self.took;
        if count == 0 || (holds && count == 1) {
            return self.end(PathEnd::Left);
        }
        let others_have_time = now + timing.window < give_up + timing.tick;
        if self.setup.role == Role::Holder && others_have_time {
            return self.rest(now + timing.tick_budget);
        }
        match (std::mem::replace(&mut self.swept, true), self.setup.role) {
            (true, Role::Holder) => return self.end(PathEnd::Left),
            (true, Role::Further) => {
                self.swept = false;
                return self.rest(now + timing.tick_budget);
            }
            (false, _) => {}
        }
        self.phase = Phase::Sweeping;
        let key = self.setup.key;
        let p = Preempt { own: key, victim: key, kind: self.setup.kind, abort: Abort::No };
        let command = PathCommand::Out(PrOut::preempt(p));
        PathStep::new(PathNext::Issue { command, deadline: now + timing.tick }).note(PathNote::Sweeping)
    }

    fn withdraw(&mut self, now: Instant) -> PathStep {
        let timing = self.setup.timing.spec();
        let give_up = *self.give_up.get_or_insert(now + timing.window);
        if now >= give_up {
            return self.end(PathEnd::Unproven);
        }
        self.phase = Phase::Withdraw;
        let out = PrOut::register(self.setup.key, Key::default(), self.setup.aptpl);
        PathStep::new(PathNext::Issue { command: PathCommand::Out(out), deadline: now + timing.tick })
            .note(PathNote::Withdrawing)
    }

    /// A conflict says that this nexus is not registered with the key named (SPC-4 5.12.7). GOOD is not
    /// believed: the keys are read, and where others of this host's paths still have it, asked again.
    pub(super) fn on_withdraw(&mut self, r: Reply<'_>, now: Instant) -> PathStep {
        if r == Reply::Conflict {
            return self.gone(now);
        }
        self.asked_once = r == Reply::Good;
        self.issue(Phase::Keys { last: true }, PathCommand::ReadKeys, now)
    }

    /// The key is not on this path.
    pub(super) fn gone(&mut self, now: Instant) -> PathStep {
        self.standing = Standing::Out;
        if self.doubt {
            // The REGISTER whose end is Unknown may still come: it is looked for until time is up.
            return self.rest(now + self.setup.timing.spec().tick_budget);
        }
        self.end(PathEnd::Withdrawn)
    }

    /// It is there still, or nothing tells.
    pub(super) fn not_gone(&mut self, now: Instant) -> PathStep {
        // Provisional, so that the next look tries again.
        self.standing = Standing::Provisional { since: now, proven: false };
        let pause = if std::mem::take(&mut self.asked_once) {
            std::time::Duration::ZERO
        } else {
            self.setup.timing.spec().tick_budget
        };
        self.rest(now + pause)
    }

    fn end(&mut self, end: PathEnd) -> PathStep {
        self.phase = Phase::Over(end);
        PathStep::new(PathNext::End(end))
    }
}
