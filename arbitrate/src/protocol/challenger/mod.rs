//! The challenger: breaks in, waits, and owns the disk only if nobody defended it (design section 6).
//!
//! ```text
//!   Survey ──foreign key, impostor, shared reservation──► Refused
//!     │ (own ghost on this nexus: removed, or re-keyed in place where it holds the reservation)
//!   REGISTER, flagged key ──► Observe ──own key gone──► Defended
//!     │                          │ (no holder, and a clean-release mark: RESERVE at once)
//!     │                          │ holder H recorded; the window starts when this read has ended
//!     │                       Window
//!     │                          │
//!     │                       Recheck ──own key gone──► Defended
//!     │                          │      ──holder not H──► REGISTER 0 ──► Overtaken
//!     │                          │ (gated: Ready, until its turn comes; then Recheck again)
//!     │                       PREEMPT AND ABORT H, or RESERVE where there was no holder
//!     │                          │ whatever it answered
//!     └─Unknown: reads only   Verify ──holder is not me──► Defended, Overtaken, again
//!                                │ holder is me
//!                             (formatted device: a new tenure is written and read back)
//!                                │
//!                             REGISTER, the flag taken off ──► Verify ──► Won
//! ```
//!
//! Invariant: once the own flagged key was seen registered, no defender can confirm a lease before it
//! has removed that key; so a PREEMPT sent `window` later meets no valid lease. Must never name another
//! key than the holder it saw, and never believe a status: only a read-back says who won.

mod end;
mod gate;
mod look;
mod tenure;

use crate::codec::pr::{Abort, Aptpl, Generation, Holder, PrOut, Preempt, ReservationType};
use crate::codec::quorum::{Formatted, Head, Tenure};
use crate::key::{Incarnation, Key, KeyParts, Stance};
use crate::protocol::keys::{Lives, Owner};
use crate::protocol::rules::{Rule, Rules};
use crate::protocol::timing::Timing;
use crate::protocol::wire::{Command, Event, Next, NoAnswer, Reply, Step};
use crate::time::Instant;

pub use end::{ChallengeEnd, ChallengeNote, Cleanup, Doubt, Refusal};
use gate::Leave;
use look::{Ended, Looking, Purpose, Sight};
use tenure::Reading;

use std::time::Duration;

type Out = Step<ChallengeNote, ChallengeEnd>;

/// How often a PREEMPT whose outcome stayed Unknown is sent again, each time after a read.
const PREEMPT_ATTEMPTS: u8 = 3;
/// How often the window starts anew because the reservation vanished meanwhile.
const WINDOWS: u8 = 3;

/// What a challenge starts from.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ChallengeSetup {
    /// This node and its proven ghosts.
    pub lives: Lives,
    /// Fresh for this attempt: never used before on this device.
    pub incarnation: Incarnation,
    /// Key of an earlier life believed to be registered on this very nexus.
    pub nexus_ghost: Option<Key>,
    /// The type to reserve: 5, or 6.
    pub kind: ReservationType,
    /// Whether to ask for persistence through power loss.
    pub aptpl: Aptpl,
    /// The timing.
    pub timing: Timing,
    /// How long one command may take before its outcome is Unknown.
    pub command_timeout: Duration,
    /// How the device is formatted, where it is: then a new tenure is written before the end, and a
    /// clean-release mark spares the window. Every node must know of it: a winner that wrote no tenure
    /// would leave an old mark in force.
    pub mark: Option<Formatted>,
    /// Every rule, outside of tests.
    pub rules: Rules,
}

/// One challenge for one device.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Challenger {
    setup: ChallengeSetup,
    flagged: Key,
    settled: Key,
    phase: Phase,
    /// The largest generation seen: if it falls, the target forgot.
    generation: Generation,
    /// The holder first seen, once it was.
    holder: Option<Key>,
    window_end: Instant,
    windows: u8,
    preempts: u8,
    /// The head that said "released cleanly", while the window is spared on its word.
    clean: Option<Head>,
    /// The tenure this challenge has begun.
    tenure: Option<Tenure>,
    tenures: u8,
    /// Why the challenge is being withdrawn, while it is.
    withdrawal: Option<ChallengeEnd>,
    /// Whether it may seize.
    leave: Leave,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Phase {
    New,
    Looking(Looking),
    /// Waiting a moment before looking again.
    Pausing(Looking),
    Window,
    /// Reading a formatted device's head.
    Heading(Reading),
    /// Waiting a moment before reading it again.
    HeadPause(Reading),
    /// Writing the new tenure.
    Beginning(Formatted, Tenure),
    /// The window is over, nobody defended; waits for leave to seize.
    Ready {
        since: Instant,
    },
    Writing(Write),
    Over,
}

/// The changing commands, by what they are for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Write {
    DropGhost(Key),
    Register { existing: Key, issued: Instant },
    Seize,
    TakeFlagOff,
    StandDown,
}

impl Challenger {
    /// A challenge that has not begun.
    #[must_use]
    pub fn new(setup: ChallengeSetup) -> Self {
        let me = KeyParts {
            cluster: setup.lives.cluster(),
            node: setup.lives.node(),
            stance: Stance::Challenging,
            incarnation: setup.incarnation,
        };
        Self {
            flagged: me.key(),
            settled: me.with_stance(Stance::Settled).key(),
            setup,
            phase: Phase::New,
            generation: Generation(0),
            holder: None,
            window_end: Instant::default(),
            windows: 0,
            preempts: 0,
            clean: None,
            tenure: None,
            tenures: 0,
            withdrawal: None,
            leave: Leave::Given,
        }
    }

    /// The key this challenge registers.
    #[must_use]
    pub const fn flagged_key(&self) -> Key {
        self.flagged
    }

    /// The key a won challenge ends with.
    #[must_use]
    pub const fn settled_key(&self) -> Key {
        self.settled
    }

    /// The tenure it began, once that was read back: what the defence marks as ended.
    #[must_use]
    pub const fn tenure(&self) -> Option<Tenure> {
        self.tenure
    }

    /// Begins, at `now`.
    pub fn start(&mut self, now: Instant) -> Out {
        self.look(Purpose::Survey, now)
    }

    /// Takes what happened and says what to do next. [`Event::Release`] stands for [`Event::Wake`]
    /// and withdraws the challenge where it still can be.
    pub fn handle(&mut self, event: Event<'_>, now: Instant) -> Out {
        match (self.phase, event) {
            (Phase::Looking(l), Event::Reply(r)) => self.on_look(l, r, now),
            (Phase::Writing(w), Event::Reply(r)) => self.on_write(w, r, now),
            (Phase::Heading(h), Event::Reply(r)) => self.on_head(h, r, now),
            (Phase::Beginning(on, t), Event::Reply(r)) => self.on_begun(on, t, r, now),
            (_, Event::Release) => self.cancel(now).unwrap_or_else(|| self.wake(now)),
            _ => self.wake(now),
        }
    }

    fn wake(&mut self, now: Instant) -> Out {
        match self.phase {
            Phase::Window if now >= self.window_end => self.look(Purpose::Recheck, now),
            Phase::Window => Step::new(Next::Wait(self.window_end)),
            Phase::Pausing(l) if now >= l.resume => self.ask(l, now),
            Phase::Pausing(l) => Step::new(Next::Wait(l.resume)),
            Phase::HeadPause(h) if now >= h.resume => self.ask_head(h, now),
            Phase::HeadPause(h) => Step::new(Next::Wait(h.resume)),
            // A command is outstanding, leave is awaited, or all is over: nothing can be due.
            Phase::New
            | Phase::Looking(_)
            | Phase::Heading(_)
            | Phase::Beginning(..)
            | Phase::Ready { .. }
            | Phase::Writing(_)
            | Phase::Over => Step::new(Next::Wait(now + self.setup.timing.tick())),
        }
    }

    /// What the sight of keys and holder means, by what was looked for.
    fn on_sight(&mut self, l: Looking, s: Sight, now: Instant) -> Out {
        let forgot = s.keys.generation < self.generation;
        self.generation = s.keys.generation;
        match l.purpose {
            Purpose::Survey => self.on_survey(s, now),
            Purpose::GhostGone => self.on_ghost_look(l, s, now),
            Purpose::Observe | Purpose::Registered => self.on_observe(l, s, forgot, now),
            Purpose::Recheck => self.on_recheck(s, forgot, now),
            Purpose::Verify => self.on_verify(l, s, forgot, now),
            Purpose::FlagOff => self.on_flag_off(l, s, now),
            Purpose::StoodDown => self.on_stood_down(l, s, now),
        }
    }

    fn on_survey(&mut self, s: Sight, now: Instant) -> Out {
        let note = ChallengeNote::Surveyed { holder: s.holder, registrations: s.keys.count };
        if let Some(why) = self.objection(s) {
            return self.end(ChallengeEnd::Refused { why, cleanup: Cleanup::NotNeeded }).after(note);
        }
        if self.leave == Leave::Refused {
            return self.end(cancelled()).after(note);
        }
        if s.holder.is_none() && !self.setup.rules.keep(Rule::MarkReadUnderKey) {
            return self.read_mark_early(now).after(note);
        }
        match self.setup.nexus_ghost.filter(|_| s.keys.ghost_on_nexus) {
            Some(g) if s.holder.is_some_and(|h| h.key == g) => self.register(g, now),
            Some(g) => self.write(Write::DropGhost(g), now),
            None => self.register(Key::default(), now),
        }
        .after(note)
    }

    /// What forbids a challenge here, whatever else is true.
    fn objection(&self, s: Sight) -> Option<Refusal> {
        if let Some(k) = s.keys.foreign {
            return Some(Refusal::ForeignKey(k));
        }
        if let Some(k) = s.keys.impostor {
            return Some(Refusal::NodeNumberTaken(k));
        }
        let h = s.holder?;
        if h.kind.all_registrants() {
            return Some(Refusal::SharedReservation(h.kind));
        }
        match self.setup.lives.owner(h.key) {
            Owner::Foreign => Some(Refusal::ForeignKey(h.key)),
            Owner::Impostor if h.key != self.flagged => Some(Refusal::NodeNumberTaken(h.key)),
            _ => None,
        }
    }

    fn on_ghost_look(&mut self, l: Looking, s: Sight, now: Instant) -> Out {
        if s.keys.ghost_on_nexus {
            return self.pause(l, now);
        }
        if self.leave == Leave::Refused { self.end(cancelled()) } else { self.register(Key::default(), now) }
    }

    fn on_observe(&mut self, l: Looking, s: Sight, forgot: bool, now: Instant) -> Out {
        if !s.keys.own_flagged {
            // After an Unknown REGISTER absence proves nothing yet: it may still be under way.
            if l.purpose == Purpose::Registered {
                return self.pause(l, now);
            }
            return self.lost(s, forgot);
        }
        if let Some(why) = self.objection(s) {
            return self.withdraw(ChallengeEnd::Refused { why, cleanup: Cleanup::Unproven }, now);
        }
        match s.holder {
            None => self.unheld(l.registered, now),
            Some(h) if h.key == self.flagged && !self.setup.rules.keep(Rule::OwnGhostWaits) => {
                self.take_up(now)
            }
            holder => self.open_window(holder, l.registered, now),
        }
    }

    fn open_window(&mut self, holder: Option<Holder>, registered: Instant, now: Instant) -> Out {
        if self.leave == Leave::Refused {
            return self.withdraw(cancelled(), now);
        }
        self.holder = holder.map(|h| h.key);
        self.windows += 1;
        let from = if self.setup.rules.keep(Rule::WindowFromObservation) { now } else { registered };
        self.window_end = from + self.setup.timing.window();
        if holder.is_none() && !self.setup.rules.keep(Rule::WindowWithoutReservation) {
            self.window_end = now;
        }
        self.phase = Phase::Window;
        Step::new(Next::Wait(self.window_end))
            .note(ChallengeNote::Observed { holder, window_end: self.window_end })
    }

    fn on_recheck(&mut self, s: Sight, forgot: bool, now: Instant) -> Out {
        if !s.keys.own_flagged {
            return self.lost(s, forgot);
        }
        if let Some(why) = self.objection(s) {
            return self.withdraw(ChallengeEnd::Refused { why, cleanup: Cleanup::Unproven }, now);
        }
        if self.leave == Leave::Refused {
            return self.withdraw(cancelled(), now);
        }
        let holder = s.holder.map(|h| h.key);
        if holder == Some(self.flagged) && self.setup.rules.keep(Rule::NoSelfPreempt) {
            return self.take_up(now);
        }
        if holder == self.holder || !self.setup.rules.keep(Rule::PreemptHolderFirstSeen) {
            self.holder = holder;
            return self.seize_or_wait(now);
        }
        match holder {
            // The reservation vanished: its last holder may not know yet, so a window is waited.
            None => self.another_window(s, now),
            Some(k) if self.same_node_restarting(k) => {
                self.holder = holder;
                self.seize_or_wait(now).after(ChallengeNote::HolderRenewed(k))
            }
            Some(_) => {
                self.withdraw(ChallengeEnd::Overtaken { holder: s.holder, cleanup: Cleanup::Unproven }, now)
            }
        }
    }

    /// Whether `k` is a flagged key of the node that held the reservation first: that node was started
    /// again and waits itself, which gives it no lease. Settled, it has waited and won, and must have the
    /// time to defend that; the challenge is void as against any other winner.
    fn same_node_restarting(&self, k: Key) -> bool {
        let cluster = self.setup.lives.cluster();
        let Some(was) = self.holder.and_then(|h| h.parts_in(cluster)) else { return false };
        let Some(is) = k.parts_in(cluster) else { return false };
        is.node == was.node && is.stance == Stance::Challenging
    }

    fn another_window(&mut self, s: Sight, now: Instant) -> Out {
        if self.windows >= WINDOWS {
            let end = ChallengeEnd::Overtaken { holder: s.holder, cleanup: Cleanup::Unproven };
            return self.withdraw(end, now);
        }
        self.unheld(now, now)
    }

    fn on_verify(&mut self, l: Looking, s: Sight, forgot: bool, now: Instant) -> Out {
        let holder = s.holder.map(|h| h.key);
        if holder == Some(self.flagged) {
            return self.take_up(now).after(ChallengeNote::Seized { from: self.holder });
        }
        if !s.keys.own_flagged {
            return self.lost(s, forgot);
        }
        if holder != self.holder {
            return match holder {
                None => self.another_window(s, now),
                Some(_) => {
                    let end = ChallengeEnd::Overtaken { holder: s.holder, cleanup: Cleanup::Unproven };
                    self.withdraw(end, now)
                }
            };
        }
        self.on_no_change(l, now)
    }

    /// Holder and own key stand as before the attempt. A PREEMPT names a once-only key and may be sent
    /// again; a RESERVE whose outcome is open must not be.
    fn on_no_change(&mut self, l: Looking, now: Instant) -> Out {
        let again = self.holder.is_some() && self.preempts < PREEMPT_ATTEMPTS && now < l.until;
        let why = match l.ended {
            Ended::Open(_) | Ended::Refused(NoAnswer::Busy(_)) if again => {
                return match self.leave {
                    Leave::Refused => self.withdraw(cancelled(), now),
                    Leave::Given | Leave::Awaited => self.write(Write::Seize, now),
                };
            }
            Ended::Open(_) => return self.pause(l, now),
            Ended::Refused(why) => Refusal::Target(why),
            Ended::Good | Ended::Conflict => Refusal::NoEffect,
        };
        self.withdraw(ChallengeEnd::Refused { why, cleanup: Cleanup::Unproven }, now)
    }

    fn on_flag_off(&mut self, l: Looking, s: Sight, now: Instant) -> Out {
        match s.holder.map(|h| h.key) {
            Some(k) if k == self.settled => self.end(ChallengeEnd::Won {
                key: self.settled,
                from: self.holder,
                generation: s.keys.generation,
            }),
            // Still held under the flagged key, which gives no lease. Where the re-key may yet come
            // through, look again; the look ends as Unknown.
            Some(k) if k == self.flagged => self.pause(l, now),
            _ => self.end(ChallengeEnd::Defended { holder: s.holder }),
        }
    }

    fn on_stood_down(&mut self, l: Looking, s: Sight, now: Instant) -> Out {
        if s.keys.own_flagged && now < l.until {
            return self.pause(l, now);
        }
        let cleanup = if s.keys.own_flagged { Cleanup::Unproven } else { Cleanup::Proven };
        self.finish_withdrawal(cleanup)
    }

    fn on_write(&mut self, w: Write, r: Reply<'_>, now: Instant) -> Out {
        let ended = Ended::of(r);
        let next = self.after_write(w, ended, now);
        match ended {
            Ended::Open(why) | Ended::Refused(why) => next.after(ChallengeNote::Unanswered(why)),
            Ended::Good | Ended::Conflict => next,
        }
    }

    fn after_write(&mut self, w: Write, ended: Ended, now: Instant) -> Out {
        match (w, ended) {
            (Write::DropGhost(_), Ended::Good | Ended::Open(_)) => {
                self.look_after(Purpose::GhostGone, ended, now, now)
            }
            (Write::Register { issued, .. }, Ended::Good) => {
                self.look_after(Purpose::Observe, ended, issued, now)
            }
            (Write::Register { issued, .. }, Ended::Open(_)) => {
                self.look_after(Purpose::Registered, ended, issued, now)
            }
            // Not registered on this nexus after all: the ghost's nexus is dead.
            (Write::DropGhost(_), Ended::Conflict) => self.register(Key::default(), now),
            (Write::Register { existing, .. }, Ended::Conflict) if !existing.is_zero() => {
                self.register(Key::default(), now)
            }
            (Write::Register { .. }, Ended::Conflict) => {
                self.end(ChallengeEnd::Refused { why: Refusal::NexusTaken, cleanup: Cleanup::NotNeeded })
            }
            (Write::DropGhost(_) | Write::Register { .. }, Ended::Refused(why)) => {
                self.end(ChallengeEnd::Refused { why: Refusal::Target(why), cleanup: Cleanup::NotNeeded })
            }
            (Write::Seize, Ended::Good) if !self.setup.rules.keep(Rule::ReadBackDecides) => {
                let (key, from) = (self.settled, self.holder);
                self.end(ChallengeEnd::Won { key, from, generation: self.generation })
            }
            (Write::Seize, _) => self.look_after(Purpose::Verify, ended, now, now),
            (Write::TakeFlagOff, _) => self.look_after(Purpose::FlagOff, ended, now, now),
            (Write::StandDown, _) => self.look_after(Purpose::StoodDown, ended, now, now),
        }
    }

    fn register(&mut self, existing: Key, now: Instant) -> Out {
        self.write(Write::Register { existing, issued: now }, now)
    }

    fn write(&mut self, w: Write, now: Instant) -> Out {
        let kind = self.setup.kind;
        let nothing = Key::default();
        let (out, note) = match w {
            Write::DropGhost(g) => {
                (PrOut::register(g, nothing, self.setup.aptpl), ChallengeNote::RemovingGhost(g))
            }
            Write::Register { existing, .. } => (
                PrOut::register(existing, self.flagged, self.setup.aptpl),
                ChallengeNote::Registering { key: self.flagged },
            ),
            Write::Seize => match self.holder {
                Some(victim) => {
                    self.preempts += 1;
                    let p = Preempt { own: self.flagged, victim, kind, abort: Abort::Yes };
                    (PrOut::preempt(p), ChallengeNote::Preempting(victim))
                }
                None => (PrOut::reserve(self.flagged, kind), ChallengeNote::Reserving),
            },
            Write::TakeFlagOff => (
                PrOut::register(self.flagged, self.settled, self.setup.aptpl),
                ChallengeNote::TakingFlagOff { key: self.settled },
            ),
            Write::StandDown => {
                (PrOut::register(self.flagged, nothing, self.setup.aptpl), ChallengeNote::StandingDown)
            }
        };
        self.phase = Phase::Writing(w);
        let deadline = now + self.setup.command_timeout;
        Step::new(Next::Issue { command: Command::Out(out), deadline }).note(note)
    }

    /// The own key is gone: somebody removed it, or the target lost its memory.
    fn lost(&mut self, s: Sight, forgot: bool) -> Out {
        self.end(if forgot {
            ChallengeEnd::TargetForgot
        } else {
            ChallengeEnd::Defended { holder: s.holder }
        })
    }

    fn withdraw(&mut self, end: ChallengeEnd, now: Instant) -> Out {
        self.withdrawal = Some(end);
        self.write(Write::StandDown, now)
    }

    fn finish_withdrawal(&mut self, proof: Cleanup) -> Out {
        let end = match self.withdrawal.take() {
            Some(ChallengeEnd::Refused { why, .. }) => ChallengeEnd::Refused { why, cleanup: proof },
            Some(ChallengeEnd::Overtaken { holder, .. }) => {
                ChallengeEnd::Overtaken { holder, cleanup: proof }
            }
            // Only the two above are ever withdrawn.
            _ => ChallengeEnd::Refused { why: Refusal::Cancelled, cleanup: proof },
        };
        self.end(end)
    }

    fn end(&mut self, end: ChallengeEnd) -> Out {
        self.phase = Phase::Over;
        Step::new(Next::End(end))
    }
}

fn cancelled() -> ChallengeEnd {
    ChallengeEnd::Refused { why: Refusal::Cancelled, cleanup: Cleanup::NotNeeded }
}

#[cfg(test)]
mod tests;
