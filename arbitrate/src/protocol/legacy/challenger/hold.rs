//! The hold: from the first RESERVE(6) to a whole window without a break, or back to nothing.

use super::*;

/// Unit attentions met in one tick at the most: a target queues one a kind.
const ATTENTIONS: u8 = 16;
/// How often RELEASE(6) is sent where it does not end GOOD.
const RELEASES: u8 = 3;

/// One RESERVE(6) under way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Tick {
    s: Instant,
    due: Instant,
    attentions: u8,
}

/// Why the hold is given up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum GivenUp {
    Cancelled,
    Restless,
    Refused(NoAnswer),
    Unanswered(NoAnswer),
}

impl LegacyChallenger {
    pub(super) fn begin_hold(&mut self, now: Instant) -> Out {
        self.hold = Hold::Never;
        self.give_up = Some(now + self.setup.timing.window() * HOLD_WINDOWS);
        self.reserve(Tick { s: now, due: now, attentions: 0 }).note(LegacyNote::Reserving)
    }

    fn reserve(&mut self, tick: Tick) -> Out {
        self.phase = Phase::Holding(tick);
        let deadline = tick.s + self.setup.timing.tick_budget();
        Step::new(Next::Issue { command: Command::Reserve6, deadline })
    }

    pub(super) fn hold_tick(&mut self, due: Instant, now: Instant) -> Out {
        let late = now.since(due) >= self.setup.timing.tick_budget();
        let due = if late { now } else { due };
        let next = self.reserve(Tick { s: now, due, attentions: 0 });
        // Asleep over a tick: what happened meanwhile without a unit attention is not known.
        if late && self.break_hold() { next.note(LegacyNote::HoldBroken) } else { next }
    }

    pub(super) fn on_hold(&mut self, tick: Tick, r: Reply<'_>, now: Instant) -> Out {
        match r {
            Reply::Good => self.held(tick, now),
            Reply::Conflict => {
                let met = if self.hold == Hold::Never { Met::AfterWindow } else { Met::WhileHolding };
                self.conflict(met, now)
            }
            Reply::Attention(sense) => self.on_attention(sense, tick, now),
            Reply::Unknown(why) => self.unanswered(why, tick, now),
            Reply::Refused(why) => match (self.hold, why) {
                // It will never be accepted: the target knows no RESERVE(6).
                (Hold::Never, NoAnswer::Sense(s)) if s.key == SenseKey::ILLEGAL_REQUEST => {
                    self.refused(LegacyRefusal::Target(why), now)
                }
                _ => self.missed(GivenUp::Refused(why), tick, now).after(LegacyNote::Unanswered(why)),
            },
            Reply::Keys(_) | Reply::Reservation(_) | Reply::Head(_) => {
                self.unanswered(NoAnswer::Malformed, tick, now)
            }
        }
    }

    /// What came back may have been a unit attention, and nobody heard it: somebody's reset, at which a
    /// live owner lost the disk just now. Before anything succeeded the window begins anew, so that the
    /// owner has it whole. It is not looked at first: that would take an attention still waiting, which a
    /// RESERVE(6) executed late had better run into.
    fn unanswered(&mut self, why: NoAnswer, tick: Tick, now: Instant) -> Out {
        self.strays.add(why, now);
        let never = self.hold == Hold::Never && self.setup.rules.keep(Rule::LegacySilenceRestartsWindow);
        let next = if !never {
            self.missed(GivenUp::Unanswered(why), tick, now)
        } else if self.windows >= WINDOWS {
            self.give_back(GivenUp::Unanswered(why), now)
        } else {
            self.open_window(now)
        };
        next.after(LegacyNote::Unanswered(why))
    }

    fn held(&mut self, tick: Tick, now: Instant) -> Out {
        let t = self.setup.timing;
        let since = match self.hold {
            Hold::Since(since) => since,
            Hold::Never | Hold::Broken => now,
        };
        self.hold = Hold::Since(since);
        let until = since + t.window();
        // A late answer would leave too little of the lease, and come too late to feed a watchdog.
        let in_time = now < tick.s + t.tick_budget();
        if (tick.s >= until && in_time) || !self.setup.rules.keep(Rule::LegacyHold) {
            let from = if self.setup.rules.keep(Rule::LeaseFromIssue) { tick.s } else { now };
            let lease = Lease { from, until: from + t.lease() };
            return self.end(LegacyEnd::Won { lease, held_since: since });
        }
        if self.too_long(now) {
            return self.give_back(GivenUp::Restless, now);
        }
        let next = tick.due + t.tick();
        // The last one at the end of the hold, not a moment before it.
        let last = tick.s < until && next + t.tick_budget() >= until;
        let due = if last { until } else { next }.max(now);
        self.phase = Phase::HoldPause { due };
        Step::new(Next::Wait(due)).note(LegacyNote::Holding { since, until })
    }

    /// A reset, or what may have been one: this RESERVE was not executed.
    fn on_attention(&mut self, sense: Sense, tick: Tick, now: Instant) -> Out {
        let note = LegacyNote::Attention(sense);
        if self.hold == Hold::Never && self.setup.rules.keep(Rule::LegacyResetRestartsWindow) {
            // A live owner has lost the disk just now: it gets its window.
            return if self.windows >= WINDOWS {
                self.refused(LegacyRefusal::Restless, now)
            } else {
                self.look(Look::Reset, now)
            }
            .after(note);
        }
        let broken = self.setup.rules.keep(Rule::LegacyHoldUnbroken) && self.break_hold();
        let next = if self.too_long(now) || tick.attentions >= ATTENTIONS {
            self.give_back(GivenUp::Restless, now)
        } else {
            self.reserve(Tick { s: now, attentions: tick.attentions + 1, ..tick })
        };
        let next = if broken { next.after(LegacyNote::HoldBroken) } else { next };
        next.after(note)
    }

    /// No success in this tick: held or not, it is not known without a break.
    fn missed(&mut self, why: GivenUp, tick: Tick, now: Instant) -> Out {
        let broken = self.break_hold();
        if self.too_long(now) {
            return self.give_back(why, now);
        }
        let t = self.setup.timing;
        let due = (now + t.tick_budget()).min(tick.due + t.tick()).max(now);
        self.phase = Phase::HoldPause { due };
        let next = Step::new(Next::Wait(due));
        if broken { next.note(LegacyNote::HoldBroken) } else { next }
    }

    /// Whether there was anything to break.
    fn break_hold(&mut self) -> bool {
        let held = matches!(self.hold, Hold::Since(_));
        if held {
            self.hold = Hold::Broken;
        }
        held
    }

    fn too_long(&self, now: Instant) -> bool {
        self.give_up.is_some_and(|end| now >= end)
    }

    pub(super) fn give_back(&mut self, why: GivenUp, now: Instant) -> Out {
        self.release(why, 1, now).note(LegacyNote::Releasing)
    }

    pub(super) fn release(&mut self, why: GivenUp, tries: u8, now: Instant) -> Out {
        self.phase = Phase::Releasing { why, tries };
        Step::new(Next::Issue { command: Command::Release6, deadline: now + self.setup.timing.tick() })
    }

    pub(super) fn on_released(&mut self, why: GivenUp, tries: u8, r: Reply<'_>, now: Instant) -> Out {
        if r != Reply::Good && tries < RELEASES {
            let resume = now + self.setup.timing.tick_budget();
            self.phase = Phase::ReleasePause { why, tries: tries + 1, resume };
            return Step::new(Next::Wait(resume));
        }
        let given = r == Reply::Good && self.strays.at(now) == Stray::None;
        let left = if given { Left::Released } else { Left::MayHold };
        let refused = |why| LegacyEnd::Refused { why, left };
        let end = match why {
            GivenUp::Cancelled => refused(LegacyRefusal::Cancelled),
            GivenUp::Restless => refused(LegacyRefusal::Restless),
            GivenUp::Refused(why) => refused(LegacyRefusal::Target(why)),
            GivenUp::Unanswered(why) => LegacyEnd::Unknown { doubt: LegacyDoubt::Seizure, why },
        };
        self.end(end)
    }
}
