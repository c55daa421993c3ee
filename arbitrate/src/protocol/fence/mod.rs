//! Fencing one logical unit: the victim's registrations go, a reservation keeps it out, both read back
//! (design section 6, "Data devices").
//!
//! ```text
//!        ┌───────────────────────────────────────────────────────────────┐
//!   ──► Look ──victim registered, no reservation──► RESERVE ──► PREEMPT AND ABORT, a key each
//!        │  └──victim registered, reservation in force──────────────────►│   │ GOOD
//!        │  └──nobody of the victim, no reservation──► RESERVE ──────────┘ (LOGICAL UNIT RESET, if asked)
//!        │  └──own key not there, another's holder, …──► Refused             │
//!        │ nobody of the victim, and a reservation in force  ◄───────────────┘ Look
//!        ▼
//!   read back on every further path ──► Confirmed
//! ```
//!
//! Every ending of a command leads back to a look; only a look says what is. A look is one READ FULL
//! STATUS (or READ KEYS and READ RESERVATION where the target has none), so that a fence of one key is
//! three round trips: look, PREEMPT AND ABORT, look.
//!
//! Invariant: *Confirmed* only after a look, begun after the last change, that showed no key of the
//! victim and a reservation in force. A PREEMPT AND ABORT without an answer leaves the victim's queued
//! commands in doubt even when its key is gone, until a reset ended them. Must never name its own key,
//! never send a second RESERVE after one whose outcome is open.

mod admit;
mod end;
mod order;
mod sight;
mod wire;

use arrayvec::ArrayVec;
use std::time::Duration;

use crate::codec::pr::{Abort, Holder, PrOut, Preempt, ReservationType};
use crate::codec::{Sense, SenseKey};
use crate::key::Key;
use crate::protocol::wire::NoAnswer;
use crate::time::Instant;

pub use admit::{Admission, AdmitEnd, AdmitNote, AdmitRefusal, AdmitSetup};
pub use end::{FenceDoubt, FenceEnd, FenceRefusal, How, PathProof};
pub use order::{
    Drain, FenceOrder, FenceUnit, Holders, MAX_PATHS, MAX_VICTIMS, Protection, SilentPaths, Victim, Way,
};
pub use sight::Sight;
pub use wire::{FenceCommand, FenceEvent, FenceNext, FenceReply};

/// Looks without an answer, a path, before the device is given up.
const LOOK_TRIES: usize = 3;
/// Rounds of changing commands at the most: each ends in a look.
const ROUNDS: u8 = 4;
/// How long a device is left alone before it is looked at again.
const PAUSE: Duration = Duration::from_millis(50);

/// A fence of one logical unit.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Fencer {
    order: FenceOrder,
    unit: FenceUnit,
    own: Key,
    until: Instant,
    phase: Phase,
    /// The path that looks and sends.
    lead: usize,
    way: Way,
    /// Looks in a row that brought no answer.
    unanswered: usize,
    rounds: u8,
    /// How the last changing command ended.
    told: Told,
    first: Option<Sight>,
    last: Option<Sight>,
    /// Keys removed by a PREEMPT that ended GOOD.
    removed: ArrayVec<Key, MAX_VICTIMS>,
    /// Keys whose PREEMPT has no answer.
    open: ArrayVec<Key, MAX_VICTIMS>,
    reserve: Reserve,
    reset: Reset,
    proofs: ArrayVec<(usize, PathProof), MAX_PATHS>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Phase {
    New,
    Looking { keys: Option<Sight> },
    Pausing { resume: Instant },
    Reserving,
    Preempting { victims: ArrayVec<Key, MAX_VICTIMS>, at: usize },
    Resetting,
    Proving { path: usize, keys: Option<Sight> },
    Over,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Told {
    Nothing,
    Good,
    Conflict,
    Refused(NoAnswer),
    Open(NoAnswer),
}

/// What became of the RESERVE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Reserve {
    NotSent,
    Taken,
    Open,
}

/// What became of the LOGICAL UNIT RESET.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Reset {
    NotSent,
    Done,
    Failed(NoAnswer),
}

impl Fencer {
    /// A fence that has not begun.
    ///
    /// # Errors
    /// [`FenceRefusal`] where it would hit this node itself, or nobody.
    pub fn new(order: &FenceOrder, unit: FenceUnit) -> Result<Self, FenceRefusal> {
        if unit.own.is_some_and(Key::is_zero) {
            return Err(FenceRefusal::KeyZero);
        }
        // Registered keys are never 0: without an own key nothing on the device is taken for it.
        let own = unit.own.unwrap_or_default();
        if let Victim::Keys(keys) = &order.victim {
            if keys.is_empty() {
                return Err(FenceRefusal::Nobody);
            }
            if keys.iter().any(|k| k.is_zero()) {
                return Err(FenceRefusal::KeyZero);
            }
        }
        if order.victim.owns(own) {
            return Err(FenceRefusal::Myself);
        }
        if unit.paths == 0 || unit.paths > MAX_PATHS {
            return Err(FenceRefusal::Paths(unit.paths));
        }
        Ok(Self {
            order: order.clone(),
            unit,
            own,
            until: Instant::default(),
            phase: Phase::New,
            lead: 0,
            way: unit.way,
            unanswered: 0,
            rounds: 0,
            told: Told::Nothing,
            first: None,
            last: None,
            removed: ArrayVec::new_const(),
            open: ArrayVec::new_const(),
            reserve: Reserve::NotSent,
            reset: Reset::NotSent,
            proofs: ArrayVec::new_const(),
        })
    }

    /// What the first look showed.
    #[must_use]
    pub const fn first(&self) -> Option<&Sight> {
        self.first.as_ref()
    }

    /// What the last look showed.
    #[must_use]
    pub const fn last(&self) -> Option<&Sight> {
        self.last.as_ref()
    }

    /// The keys whose PREEMPT ended GOOD.
    #[must_use]
    pub fn removed(&self) -> &[Key] {
        &self.removed
    }

    /// Whether there was no reservation and this fence took one.
    #[must_use]
    pub fn reserved(&self) -> bool {
        self.reserve == Reserve::Taken
    }

    /// Whether a LOGICAL UNIT RESET ended well after the last PREEMPT.
    #[must_use]
    pub fn drained(&self) -> bool {
        self.reset == Reset::Done
    }

    /// The path that looked and sent last.
    #[must_use]
    pub const fn lead(&self) -> usize {
        self.lead
    }

    /// What the further paths showed.
    #[must_use]
    pub fn proofs(&self) -> &[(usize, PathProof)] {
        &self.proofs
    }

    /// Begins, at `now`.
    pub fn start(&mut self, now: Instant) -> FenceNext {
        self.until = now + self.order.budget;
        self.look(now)
    }

    /// Takes what happened and says what to do next.
    pub fn handle(&mut self, event: FenceEvent<'_>, now: Instant) -> FenceNext {
        match (std::mem::replace(&mut self.phase, Phase::Over), event) {
            (Phase::Looking { keys }, FenceEvent::Reply(r)) => self.on_look(keys, r, now),
            (Phase::Proving { path, keys }, FenceEvent::Reply(r)) => self.on_proof(path, keys, r, now),
            (Phase::Reserving, FenceEvent::Reply(r)) => self.on_reserve(r, now),
            (Phase::Preempting { victims, at }, FenceEvent::Reply(r)) => self.on_preempt(victims, at, r, now),
            (Phase::Resetting, FenceEvent::Reply(r)) => {
                self.reset = match told(r) {
                    Told::Good => Reset::Done,
                    Told::Refused(why) | Told::Open(why) => Reset::Failed(why),
                    Told::Conflict | Told::Nothing => Reset::Failed(NoAnswer::Malformed),
                };
                self.look(now)
            }
            (Phase::Pausing { resume }, _) if now >= resume => self.look(now),
            (Phase::Pausing { resume }, _) => {
                self.phase = Phase::Pausing { resume };
                FenceNext::Wait(resume)
            }
            // A command is outstanding or all is over: nothing can be due.
            (phase, _) => {
                self.phase = phase;
                FenceNext::Wait(now + PAUSE)
            }
        }
    }
}

/// Looking.
impl Fencer {
    fn look(&mut self, now: Instant) -> FenceNext {
        self.phase = Phase::Looking { keys: None };
        self.issue(self.lead, self.first_read(), now)
    }

    const fn first_read(&self) -> FenceCommand {
        match self.way {
            Way::FullStatus => FenceCommand::ReadFullStatus,
            Way::KeysAndReservation => FenceCommand::ReadKeys,
        }
    }

    fn issue(&self, path: usize, command: FenceCommand, now: Instant) -> FenceNext {
        // A reset takes the kernel longer than a command; the budget is its bound.
        let deadline = match command {
            FenceCommand::ResetUnit => self.until,
            _ => self.until.min(now + self.order.command_timeout),
        };
        FenceNext::Issue { path, command, deadline }
    }

    fn on_look(&mut self, keys: Option<Sight>, r: FenceReply<'_>, now: Instant) -> FenceNext {
        match self.read(keys, r) {
            Read::Whole(s) => {
                self.unanswered = 0;
                if self.reserve == Reserve::Open && s.holder.is_some_and(|h| h.key == self.own) {
                    self.reserve = Reserve::Taken;
                }
                self.first.get_or_insert_with(|| s.clone());
                self.last = Some(s.clone());
                self.judge(&s, now)
            }
            Read::Half(s) => {
                self.phase = Phase::Looking { keys: Some(s) };
                self.issue(self.lead, FenceCommand::ReadReservation, now)
            }
            Read::OtherWay => self.look(now),
            Read::Barred if !self.changed() => self.refuse(FenceRefusal::LegacyReservation),
            Read::Barred => self.unanswered(NoAnswer::Barred, now),
            Read::Refused(why) if !self.changed() => self.refuse(FenceRefusal::Target(why)),
            Read::Refused(why) | Read::Nothing(why) => self.unanswered(why, now),
        }
    }

    /// What an answer to a reading command amounts to.
    fn read(&mut self, keys: Option<Sight>, r: FenceReply<'_>) -> Read {
        match (keys, r) {
            (None, FenceReply::FullStatus(v)) => {
                Read::Whole(Sight::of_full_status(v, self.own, &self.order.victim))
            }
            (None, FenceReply::Keys(v)) => Read::Half(Sight::of_keys(v, self.own, &self.order.victim)),
            (Some(mut s), FenceReply::Reservation(r)) => {
                s.holder = r.holder;
                Read::Whole(s)
            }
            (_, FenceReply::Conflict) => Read::Barred,
            (None, FenceReply::Refused(NoAnswer::Sense(s))) if illegal(s) && self.way == Way::FullStatus => {
                self.way = Way::KeysAndReservation;
                Read::OtherWay
            }
            (_, FenceReply::Refused(why @ NoAnswer::Sense(s))) if illegal(s) => Read::Refused(why),
            (_, FenceReply::Refused(why) | FenceReply::Unknown(why)) => Read::Nothing(why),
            // A reply to another command than was sent.
            _ => Read::Nothing(NoAnswer::Malformed),
        }
    }

    /// No answer: by the next path at once, or by the same after a pause, a bounded number of times.
    fn unanswered(&mut self, why: NoAnswer, now: Instant) -> FenceNext {
        self.unanswered += 1;
        self.next_path();
        if now + PAUSE >= self.until || self.unanswered >= LOOK_TRIES * self.unit.paths {
            // What is open of the last change weighs more than why it cannot be read.
            let (doubt, why) = match self.told {
                Told::Open(why) if self.reserve == Reserve::Open => (FenceDoubt::Reserve, why),
                Told::Open(why) => (FenceDoubt::Preempt, why),
                _ if self.changed() => (FenceDoubt::Blind, why),
                _ => (FenceDoubt::Unread, why),
            };
            return self.end(FenceEnd::Unknown { doubt, why });
        }
        if !self.unanswered.is_multiple_of(self.unit.paths) { self.look(now) } else { self.pause(now) }
    }

    fn next_path(&mut self) {
        self.lead = (self.lead + 1) % self.unit.paths;
    }

    fn pause(&mut self, now: Instant) -> FenceNext {
        let resume = self.until.min(now + PAUSE);
        self.phase = Phase::Pausing { resume };
        FenceNext::Wait(resume)
    }

    /// Whether anything was sent that can change the device.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.told != Told::Nothing || self.reset != Reset::NotSent
    }
}

/// Deciding.
impl Fencer {
    fn judge(&mut self, s: &Sight, now: Instant) -> FenceNext {
        if let Some(why) = self.objection(s) {
            return self.refuse(why);
        }
        let lacking = s.holder.is_none() && self.order.protection != Protection::NotAsked;
        if s.victims.is_empty() && !lacking {
            return self.on_kept_out(s, now);
        }
        if !s.own {
            return self.refuse(if s.victims.is_empty() {
                FenceRefusal::NotProtected { registrations: s.registrations }
            } else {
                FenceRefusal::NotRegistered
            });
        }
        // A RESERVE may yet come through: another one must not follow it.
        if lacking && self.reserve == Reserve::Open {
            return self.await_open(FenceDoubt::Reserve, now);
        }
        if self.rounds >= ROUNDS || self.hopeless() || now >= self.until {
            return self.give_up(s);
        }
        self.rounds += 1;
        if lacking { self.reserve(now) } else { self.preempt(s.victims.clone(), 0, now) }
    }

    /// What forbids a fence here, whatever else is true.
    fn objection(&self, s: &Sight) -> Option<FenceRefusal> {
        if s.more {
            return Some(FenceRefusal::TooManyKeys);
        }
        let h = s.holder?;
        let expected = match self.order.holders {
            Holders::Anybody => true,
            Holders::Only(key) => h.key == key || (self.changed() && h.key == self.own),
            Holders::Cluster => {
                h.kind.all_registrants()
                    || h.key == self.own
                    || self.order.victim.owns(h.key)
                    || h.key.parts_in(self.order.cluster).is_some()
            }
        };
        (!expected).then_some(FenceRefusal::OtherHolder(h))
    }

    /// Whether the last word of the target was a refusal that will not change.
    fn hopeless(&self) -> bool {
        matches!(self.told, Told::Refused(why) if !matches!(why, NoAnswer::Busy(_) | NoAnswer::Restless))
    }

    fn give_up(&mut self, s: &Sight) -> FenceNext {
        let end = match (self.told, s.victims.first()) {
            (Told::Open(why), _) => FenceEnd::Unknown { doubt: FenceDoubt::Preempt, why },
            (Told::Refused(why), _) => FenceEnd::Refused(FenceRefusal::Target(why)),
            (Told::Conflict, _) => FenceEnd::Refused(FenceRefusal::Conflict),
            (Told::Good | Told::Nothing, Some(k)) => FenceEnd::Refused(FenceRefusal::StillThere(*k)),
            (Told::Good | Told::Nothing, None) => {
                FenceEnd::Refused(FenceRefusal::NotProtected { registrations: s.registrations })
            }
        };
        self.end(end)
    }

    fn await_open(&mut self, doubt: FenceDoubt, now: Instant) -> FenceNext {
        if now + PAUSE < self.until {
            return self.pause(now);
        }
        let why = match self.told {
            Told::Open(why) | Told::Refused(why) => why,
            _ => NoAnswer::Contradiction,
        };
        self.end(FenceEnd::Unknown { doubt, why })
    }

    /// Nobody of the victim is registered, and what keeps it out is in force.
    fn on_kept_out(&mut self, s: &Sight, now: Instant) -> FenceNext {
        if let (Protection::Required(Some(asked)), Some(h)) = (self.order.protection, s.holder)
            && asked.restricts_reads()
            && !h.kind.restricts_reads()
        {
            return self.refuse(FenceRefusal::WeakType(h.kind));
        }
        if self.order.drain == Drain::Reset && self.reset == Reset::NotSent {
            return self.drain(now);
        }
        self.prove_next(now)
    }

    /// Reads back on the next further path, or concludes.
    fn prove_next(&mut self, now: Instant) -> FenceNext {
        let next =
            (0..self.unit.paths).find(|p| *p != self.lead && !self.proofs.iter().any(|(seen, _)| seen == p));
        match next {
            Some(path) => {
                self.phase = Phase::Proving { path, keys: None };
                self.issue(path, self.first_read(), now)
            }
            None => {
                let end = self.conclusion();
                self.end(end)
            }
        }
    }

    fn on_proof(&mut self, path: usize, keys: Option<Sight>, r: FenceReply<'_>, now: Instant) -> FenceNext {
        let proof = match self.read(keys, r) {
            Read::Whole(s) => {
                let kept_out = s.victims.is_empty()
                    && (s.holder.is_some() || self.order.protection == Protection::NotAsked);
                if kept_out { PathProof::Same } else { PathProof::Differs }
            }
            Read::Half(s) => {
                self.phase = Phase::Proving { path, keys: Some(s) };
                return self.issue(path, FenceCommand::ReadReservation, now);
            }
            Read::OtherWay => {
                self.phase = Phase::Proving { path, keys: None };
                return self.issue(path, self.first_read(), now);
            }
            Read::Barred => PathProof::Silent(NoAnswer::Barred),
            Read::Refused(why) | Read::Nothing(why) => PathProof::Silent(why),
        };
        let _ = self.proofs.try_push((path, proof));
        self.prove_next(now)
    }

    fn conclusion(&self) -> FenceEnd {
        for (path, proof) in &self.proofs {
            match *proof {
                PathProof::Differs => {
                    let doubt = FenceDoubt::PathDiffers(*path);
                    return FenceEnd::Unknown { doubt, why: NoAnswer::Contradiction };
                }
                PathProof::Silent(why) if self.order.silent_paths == SilentPaths::NotProven => {
                    return FenceEnd::Unknown { doubt: FenceDoubt::PathSilent(*path), why };
                }
                PathProof::Same | PathProof::Silent(_) => {}
            }
        }
        match self.reset {
            Reset::Failed(why) => return FenceEnd::Unknown { doubt: FenceDoubt::Commands, why },
            Reset::NotSent if self.order.abort == Abort::Yes && !self.open.is_empty() => {
                let why = NoAnswer::Outstanding;
                return FenceEnd::Unknown { doubt: FenceDoubt::Commands, why };
            }
            Reset::Done | Reset::NotSent => {}
        }
        let nothing = self.removed.is_empty() && self.open.is_empty() && self.reserve == Reserve::NotSent;
        FenceEnd::Confirmed(if nothing { How::AlreadySo } else { How::Done })
    }
}

/// Acting.
impl Fencer {
    fn reserve(&mut self, now: Instant) -> FenceNext {
        self.phase = Phase::Reserving;
        let out = PrOut::reserve(self.own, self.kind(None));
        self.issue(self.lead, FenceCommand::Out(out), now)
    }

    fn on_reserve(&mut self, r: FenceReply<'_>, now: Instant) -> FenceNext {
        self.told = told(r);
        match self.told {
            Told::Good => {
                self.reserve = Reserve::Taken;
                let victims = self.last.as_ref().map(|s| s.victims.clone()).unwrap_or_default();
                // The final look proves the reservation with everything else.
                if victims.is_empty() { self.look(now) } else { self.preempt(victims, 0, now) }
            }
            Told::Open(_) => {
                self.reserve = Reserve::Open;
                self.pause(now)
            }
            Told::Refused(_) => self.pause(now),
            // Somebody else reserved meanwhile, or this path is not registered.
            Told::Conflict | Told::Nothing => {
                self.next_path();
                self.look(now)
            }
        }
    }

    fn preempt(&mut self, victims: ArrayVec<Key, MAX_VICTIMS>, at: usize, now: Instant) -> FenceNext {
        let Some(victim) = victims.get(at).copied() else {
            return if self.order.drain == Drain::Reset { self.drain(now) } else { self.look(now) };
        };
        self.phase = Phase::Preempting { victims, at };
        // Whatever a reset ended before, the commands of this key may still be queued.
        self.reset = Reset::NotSent;
        let holder = self.last.as_ref().and_then(|s| s.holder);
        let kind = self.kind(holder);
        let out = PrOut::preempt(Preempt { own: self.own, victim, kind, abort: self.order.abort });
        self.issue(self.lead, FenceCommand::Out(out), now)
    }

    fn on_preempt(
        &mut self,
        victims: ArrayVec<Key, MAX_VICTIMS>,
        at: usize,
        r: FenceReply<'_>,
        now: Instant,
    ) -> FenceNext {
        let victim = victims.get(at).copied().unwrap_or_default();
        self.told = told(r);
        match self.told {
            Told::Good => {
                // Executed now, so whatever an earlier one left open is ended by this one.
                self.open.retain(|k| *k != victim);
                if !self.removed.contains(&victim) {
                    let _ = self.removed.try_push(victim);
                }
                self.preempt(victims, at + 1, now)
            }
            Told::Open(_) => {
                if !self.open.contains(&victim) {
                    let _ = self.open.try_push(victim);
                }
                self.pause(now)
            }
            Told::Refused(_) => self.pause(now),
            // Somebody else removed it meanwhile, or this path is not registered (any more).
            Told::Conflict | Told::Nothing => {
                self.next_path();
                self.look(now)
            }
        }
    }

    fn drain(&mut self, now: Instant) -> FenceNext {
        self.phase = Phase::Resetting;
        self.issue(self.lead, FenceCommand::ResetUnit, now)
    }

    /// The type to take the reservation with.
    fn kind(&self, held: Option<Holder>) -> ReservationType {
        let asked = match self.order.protection {
            Protection::Required(kind) => kind,
            Protection::NotAsked => None,
        };
        let kept = held.map(|h| h.kind).filter(|k| k.registrants_only() && !k.all_registrants());
        asked.or(kept).unwrap_or(ReservationType::WriteExclusiveRegistrantsOnly)
    }

    fn refuse(&mut self, why: FenceRefusal) -> FenceNext {
        self.end(FenceEnd::Refused(why))
    }

    fn end(&mut self, end: FenceEnd) -> FenceNext {
        self.phase = Phase::Over;
        FenceNext::End(end)
    }
}

enum Read {
    Whole(Sight),
    Half(Sight),
    OtherWay,
    Barred,
    Refused(NoAnswer),
    Nothing(NoAnswer),
}

fn illegal(s: Sense) -> bool {
    s.key == SenseKey::ILLEGAL_REQUEST
}

const fn told(r: FenceReply<'_>) -> Told {
    match r {
        FenceReply::Good => Told::Good,
        FenceReply::Conflict => Told::Conflict,
        FenceReply::Refused(why) => Told::Refused(why),
        FenceReply::Unknown(why) => Told::Open(why),
        // A reply to another command than was sent says nothing about this one.
        FenceReply::FullStatus(_) | FenceReply::Keys(_) | FenceReply::Reservation(_) => {
            Told::Open(NoAnswer::Malformed)
        }
    }
}

#[cfg(test)]
mod tests;
