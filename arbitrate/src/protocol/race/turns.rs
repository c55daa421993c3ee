//! What happens on one device: its life is driven, and its turn to seize comes.

use super::end::{RaceEnd, RaceNote, Standing};
use super::seat::{Heard, Luck, Play, Seat, SeatNext, Wanted};
use super::{Phase, Race, RaceStep};
use crate::protocol::challenger::{
    ChallengeEnd, ChallengeNote, ChallengeSetup, Challenger, Cleanup, Refusal,
};
use crate::protocol::defender::{DefenceEnd, DefenceNote, DefenceSetup, Defender, FirstLease, HeldTenure};
use crate::protocol::rules::Rule;
use crate::protocol::wire::{Command, Event, Next, NoAnswer, Reply, Step};
use crate::time::Instant;

/// How often in a row a target may lose its memory before its device is given up for this attempt.
const FORGETS: u8 = 3;

pub(super) fn next_of<E>(next: Next<E>) -> SeatNext {
    match next {
        Next::Issue { command, deadline } => SeatNext::Issue { command, deadline },
        Next::Wait(until) => SeatNext::Wait(until),
        Next::End(_) => SeatNext::Idle,
    }
}

/// A device whose every thread is stuck was not heard, though the command is known not to have been sent.
const fn heard(r: Reply<'_>) -> Heard {
    match r {
        Reply::Unknown(_) | Reply::Refused(NoAnswer::DeviceLost) => Heard::No,
        _ => Heard::Yes,
    }
}

impl Race {
    /// Tells the life on device `i` what happened there.
    pub(super) fn on_device(&mut self, i: usize, event: Event<'_>, now: Instant, out: &mut RaceStep) {
        let Some(seat) = self.seats.get_mut(i) else { return };
        match (seat.next, event) {
            (SeatNext::Issue { command, .. }, Event::Reply(r)) => {
                seat.heard = heard(r);
                // Somebody removed the key this device is being left with.
                if seat.wanted != Wanted::Yes
                    && matches!(seat.play, Play::Challenging(_))
                    && matches!((command, r), (Command::Out(_), Reply::Conflict))
                {
                    seat.luck = Luck::Lost;
                }
            }
            (SeatNext::Wait(_), Event::Wake) => {}
            // Nothing was asked for that this could be the answer to.
            _ => return,
        }
        match &mut seat.play {
            Play::Empty => {}
            Play::Challenging(c) => {
                let step = c.handle(event, now);
                self.after_challenge(i, step, now, out);
            }
            Play::Defending(d) => {
                let step = d.handle(event, now);
                self.after_defence(i, &step, now, out);
            }
        }
    }

    /// A fresh life for device `i`.
    pub(super) fn on_found(&mut self, i: usize, setup: ChallengeSetup, now: Instant, out: &mut RaceStep) {
        let owning = matches!(self.phase, Phase::Owning { without: None });
        let wanted = owning || self.phase == Phase::Racing;
        let Some(seat) = self.seats.get_mut(i).filter(|s| s.next == SeatNext::Find) else { return };
        if !wanted {
            seat.next = SeatNext::Idle;
            seat.asked = false;
            return;
        }
        seat.standing = Standing::Challenging;
        let mut challenger = Challenger::new(setup).gated();
        if owning && !self.setup.rules.keep(Rule::RechallengeBeforeCounting) {
            let first = FirstLease::Until(now + self.setup.timing.lease());
            return self.defend(i, &challenger, first, now, out);
        }
        let step = challenger.start(now);
        seat.play = Play::Challenging(challenger);
        self.after_challenge(i, step, now, out);
    }

    /// Device `i` cannot be found.
    pub(super) fn on_missing(&mut self, i: usize, now: Instant, out: &mut RaceStep) {
        let retry_at = now + self.setup.timing.window();
        if let Some(seat) = self.seats.get_mut(i).filter(|s| s.next == SeatNext::Find) {
            seat.vacate(Standing::Missing, retry_at);
            out.tell(RaceNote::Settled(i, Standing::Missing));
        }
    }

    pub(super) fn after_challenge(
        &mut self,
        i: usize,
        step: Step<ChallengeNote, ChallengeEnd>,
        now: Instant,
        out: &mut RaceStep,
    ) {
        for n in &step.notes {
            out.tell(RaceNote::Challenge(i, *n));
        }
        if let Next::End(end) = step.next {
            return self.challenge_over(i, end, now, out);
        }
        let seat = &mut self.seats[i];
        let Play::Challenging(c) = &mut seat.play else { return };
        if seat.wanted == Wanted::No
            && matches!(step.next, Next::Wait(_))
            && let Some(step) = c.recall(now)
        {
            return self.after_challenge(i, step, now, out);
        }
        seat.next = if c.is_ready() { SeatNext::Idle } else { next_of(step.next) };
    }

    fn challenge_over(&mut self, i: usize, end: ChallengeEnd, now: Instant, out: &mut RaceStep) {
        let racing = self.phase == Phase::Racing;
        let retry_at = now + self.setup.timing.window();
        let seat = &mut self.seats[i];
        let standing = match end {
            ChallengeEnd::Won { .. } => {
                let Play::Challenging(c) = std::mem::replace(&mut seat.play, Play::Empty) else { return };
                seat.forgot = 0;
                return self.defend(i, &c, FirstLease::FromTick, now, out);
            }
            ChallengeEnd::TargetForgot if seat.forgot + 1 < FORGETS && seat.wanted == Wanted::Yes => {
                seat.forgot += 1;
                seat.vacate(Standing::Failed(end), retry_at);
                seat.next = SeatNext::Find;
                return;
            }
            ChallengeEnd::Defended { .. } | ChallengeEnd::Overtaken { .. } => {
                seat.luck = Luck::Lost;
                Standing::Lost(end)
            }
            ChallengeEnd::Refused { why: Refusal::Cancelled, cleanup: Cleanup::Proven }
                if seat.luck == Luck::Lost =>
            {
                Standing::Lost(ChallengeEnd::Defended { holder: None })
            }
            _ => Standing::Failed(end),
        };
        seat.forgot = 0;
        if racing && seat.luck == Luck::Lost && seat.wanted == Wanted::Yes {
            self.fallen = true;
        }
        seat.vacate(standing, retry_at);
        out.tell(RaceNote::Settled(i, standing));
    }

    /// Device `i` is won: it is defended from here on, or given back where it is no longer wanted.
    fn defend(&mut self, i: usize, c: &Challenger, first: FirstLease, now: Instant, out: &mut RaceStep) {
        let s = c.setup();
        let setup = DefenceSetup {
            key: c.settled_key(),
            cluster: s.lives.cluster(),
            kind: s.kind,
            aptpl: s.aptpl,
            timing: self.setup.timing,
            // Fed for the majority, not for one device.
            watchdog: None,
            tenure: s.mark.zip(c.tenure()).map(|(on, tenure)| HeldTenure { on, tenure }),
            first,
            rules: self.setup.rules,
        };
        let mut defender = Defender::new(setup, now);
        let seat = &mut self.seats[i];
        let event = match seat.wanted {
            Wanted::Yes => Event::Wake,
            Wanted::No | Wanted::Leaving if !self.setup.rules.keep(Rule::GiveBackWhatWasWon) => Event::Wake,
            Wanted::No | Wanted::Leaving => Event::Release,
        };
        if event == Event::Release {
            seat.wanted = Wanted::Leaving;
        } else {
            seat.wanted = Wanted::Yes;
            seat.standing = Standing::Held;
            out.tell(RaceNote::Settled(i, Standing::Held));
        }
        let step = defender.handle(event, now);
        seat.play = Play::Defending(defender);
        self.after_defence(i, &step, now, out);
    }

    pub(super) fn after_defence(
        &mut self,
        i: usize,
        step: &Step<DefenceNote, DefenceEnd>,
        now: Instant,
        out: &mut RaceStep,
    ) {
        let seat = &mut self.seats[i];
        let next = next_of(step.next);
        for n in &step.notes {
            if let (DefenceNote::Confirmed { .. }, SeatNext::Wait(at)) = (n, next) {
                seat.beat = Some(at);
            }
            out.tell(RaceNote::Defence(i, *n));
        }
        // The beat of a tick under way is past: nobody else is to keep it.
        seat.beat = seat.beat.filter(|_| matches!(next, SeatNext::Wait(_)));
        seat.next = next;
        match step.next {
            Next::End(end) => {
                let standing = Standing::Ended(end);
                if matches!(end, DefenceEnd::Deposed { .. }) {
                    seat.luck = Luck::Lost;
                    self.fallen |= self.phase == Phase::Racing && seat.wanted == Wanted::Yes;
                }
                seat.vacate(standing, now + self.setup.timing.window());
                out.tell(RaceNote::Settled(i, standing));
                if matches!(end, DefenceEnd::Deposed { .. })
                    && matches!(self.phase, Phase::Owning { .. })
                    && !self.setup.rules.keep(Rule::DepositionPerDevice)
                {
                    self.give_all_back(RaceEnd::Deposed, now, out);
                }
            }
            Next::Wait(_) if seat.wanted == Wanted::No => self.give_back(i, now, out),
            Next::Wait(_) | Next::Issue { .. } => {}
        }
    }

    /// Ends the life on device `i` cleanly: now, or as soon as what is outstanding has ended.
    pub(super) fn leave(&mut self, i: usize, now: Instant, out: &mut RaceStep) {
        let seat = &mut self.seats[i];
        let busy = seat.is_busy();
        match &mut seat.play {
            Play::Empty => {}
            Play::Challenging(c) => {
                seat.wanted = Wanted::No;
                if let Some(step) = c.recall(now) {
                    self.after_challenge(i, step, now, out);
                }
            }
            Play::Defending(_) if seat.wanted == Wanted::Leaving => {}
            Play::Defending(_) => {
                seat.wanted = Wanted::No;
                if !busy {
                    self.give_back(i, now, out);
                }
            }
        }
    }

    fn give_back(&mut self, i: usize, now: Instant, out: &mut RaceStep) {
        let seat = &mut self.seats[i];
        if let Play::Defending(d) = &mut seat.play {
            seat.wanted = Wanted::Leaving;
            let step = d.handle(Event::Release, now);
            self.after_defence(i, &step, now, out);
        }
    }

    /// Gives leave to the next device in the order, if its turn has come.
    pub(super) fn open_gates(&mut self, now: Instant, out: &mut RaceStep) {
        for i in 0..self.seats.len() {
            if !self.is_turn_of(i) {
                continue;
            }
            if let Play::Challenging(c) = &mut self.seats[i].play {
                let step = c.proceed(now);
                self.after_challenge(i, step, now, out);
            }
        }
    }

    fn is_turn_of(&self, i: usize) -> bool {
        let ready = matches!(&self.seats[i].play, Play::Challenging(c) if c.is_ready());
        if !ready || !self.setup.rules.keep(Rule::SeizeInOrder) {
            return ready;
        }
        self.seats[..i].iter().all(Seat::lets_others_pass) && !self.seats.iter().any(Seat::is_being_seized)
    }
}
