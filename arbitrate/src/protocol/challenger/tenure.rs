//! What a formatted device adds: the clean-release mark that spares the window, and the tenure that every
//! winner writes.
//!
//! Why the mark may be believed: its writer had dropped its lease, and nobody gets a lease without having
//! written a new tenure, which voids the mark. So while the head still shows the mark of the last tenure
//! and this node holds the reservation, nobody believes and nobody else can write: the head is read
//! *again* once the reservation is held, and the own tenure is written and read back before the end.

use super::look::{Ended, Purpose};
use super::{ChallengeEnd, ChallengeNote, Challenger, Doubt, Out, Phase, Write};
use crate::codec::quorum::{Formatted, Head, Record, Tenure};
use crate::key::Key;
use crate::protocol::rules::Rule;
use crate::protocol::wire::{Command, Next, NoAnswer, Reply, Step};
use crate::time::Instant;

/// How often a tenure is begun in one challenge.
pub(super) const TENURES: u8 = 3;

/// What the head is read for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum For {
    /// Nobody holds: may the window be spared? Holds the issue of the REGISTER.
    Sparing(Instant),
    /// Before the REGISTER: only where the rule against it is broken on purpose.
    Early,
    /// Held: which tenure comes next?
    Beginning,
    /// Does the tenure stand? Holds it and how its WRITE ended.
    Proving(Tenure, Ended),
}

/// Reading the head.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Reading {
    on: Formatted,
    purpose: For,
    until: Instant,
    pub(super) resume: Instant,
}

impl Challenger {
    /// Nobody holds the reservation: the window is waited all the same, unless a mark spares it.
    pub(super) fn unheld(&mut self, registered: Instant, now: Instant) -> Out {
        match self.setup.mark {
            None => self.open_window(None, registered, now),
            Some(_) if self.clean.is_some() && !self.setup.rules.keep(Rule::MarkReadUnderKey) => {
                self.write(Write::Seize, now)
            }
            Some(on) => self.read_head(on, For::Sparing(registered), now),
        }
    }

    /// Breaks [`Rule::MarkReadUnderKey`].
    pub(super) fn read_mark_early(&mut self, now: Instant) -> Out {
        match self.setup.mark {
            None => self.register(Key::default(), now),
            Some(on) => self.read_head(on, For::Early, now),
        }
    }

    /// The reservation is held under the flagged key.
    pub(super) fn take_up(&mut self, now: Instant) -> Out {
        match self.setup.mark {
            None => self.write(Write::TakeFlagOff, now),
            Some(on) => self.read_head(on, For::Beginning, now),
        }
    }

    /// Whatever the WRITE answered, the read-back decides.
    pub(super) fn on_begun(&mut self, on: Formatted, t: Tenure, r: Reply<'_>, now: Instant) -> Out {
        let ended = Ended::of(r);
        let next = self.read_head(on, For::Proving(t, ended), now);
        match ended {
            Ended::Open(why) | Ended::Refused(why) => next.after(ChallengeNote::Unanswered(why)),
            Ended::Good | Ended::Conflict => next,
        }
    }

    fn begin_tenure(&mut self, on: Formatted, t: Tenure, now: Instant) -> Out {
        self.tenures += 1;
        self.phase = Phase::Beginning(on, t);
        let deadline = now + self.setup.command_timeout;
        let command = Command::WriteRecord(on, Record::Tenure(t));
        Step::new(Next::Issue { command, deadline }).note(ChallengeNote::TakingTenure(t))
    }

    fn read_head(&mut self, on: Formatted, purpose: For, now: Instant) -> Out {
        let until = now + self.setup.timing.window();
        self.ask_head(Reading { on, purpose, until, resume: now }, now)
    }

    pub(super) fn ask_head(&mut self, h: Reading, now: Instant) -> Out {
        self.phase = Phase::Heading(h);
        let deadline = now + self.setup.command_timeout;
        Step::new(Next::Issue { command: Command::ReadHead(h.on), deadline })
    }

    pub(super) fn on_head(&mut self, h: Reading, r: Reply<'_>, now: Instant) -> Out {
        match (h.purpose, r) {
            (For::Sparing(registered), Reply::Head(head)) => self.on_sparing(head, registered, now),
            (For::Early, Reply::Head(head)) => {
                self.clean = head.released().then_some(head);
                self.register(Key::default(), now)
            }
            // Unreadable is as good as unmarked.
            (For::Sparing(registered), _) => self.open_window(None, registered, now),
            (For::Beginning, Reply::Head(head)) => self.on_beginning(h.on, head, now),
            (For::Proving(t, ended), Reply::Head(head)) => self.on_proving(h, t, ended, head, now),
            // Barred from reading: the reservation is another's by now.
            (_, Reply::Conflict) if self.tenures < TENURES => {
                self.tenures += 1;
                self.look(Purpose::Verify, now)
            }
            (_, r) => {
                let why = match Ended::of(r) {
                    Ended::Open(why) | Ended::Refused(why) => why,
                    Ended::Conflict => NoAnswer::Barred,
                    Ended::Good => NoAnswer::Malformed,
                };
                self.head_again(h, why, now).after(ChallengeNote::Unanswered(why))
            }
        }
    }

    fn on_sparing(&mut self, head: Head, registered: Instant, now: Instant) -> Out {
        let last_only = self.setup.rules.keep(Rule::MarkOfLastTenure);
        let released = if last_only { head.released() } else { head.mark.is_some() };
        if !released {
            return self.open_window(None, registered, now);
        }
        self.holder = None;
        self.clean = Some(head);
        self.seize_or_wait(now).after(ChallengeNote::CleanlyReleased(head.tenure))
    }

    fn on_beginning(&mut self, on: Formatted, head: Head, now: Instant) -> Out {
        let changed = self.clean.take().is_some_and(|was| was != head);
        if changed && self.setup.rules.keep(Rule::MarkReadAgain) {
            // Whoever began that tenure may still believe. The reservation is ours meanwhile.
            return self.open_window(None, now, now).after(ChallengeNote::MarkChanged);
        }
        if !self.setup.rules.keep(Rule::TenureBeforeBelief) {
            return self.write(Write::TakeFlagOff, now);
        }
        self.begin_tenure(on, head.next(self.settled), now)
    }

    fn on_proving(&mut self, h: Reading, t: Tenure, ended: Ended, head: Head, now: Instant) -> Out {
        if head.tenure == t {
            self.tenure = Some(t);
            return self.write(Write::TakeFlagOff, now);
        }
        match ended {
            // It may yet be executed; the same record again would do no harm, but neither would it help.
            Ended::Open(why) => self.head_again(h, why, now),
            // Refused because the reservation is another's: the read-back says whose.
            Ended::Conflict if self.tenures < TENURES => self.look(Purpose::Verify, now),
            Ended::Conflict | Ended::Good | Ended::Refused(_) => self.no_tenure(ended.why()),
        }
    }

    fn head_again(&mut self, h: Reading, why: NoAnswer, now: Instant) -> Out {
        if now >= h.until {
            return self.no_tenure(why);
        }
        let resume = (now + self.setup.timing.tick_budget()).min(h.until);
        self.phase = Phase::HeadPause(Reading { resume, ..h });
        Step::new(Next::Wait(resume))
    }

    fn no_tenure(&mut self, why: NoAnswer) -> Out {
        self.end(ChallengeEnd::Unknown { doubt: Doubt::Tenure, why })
    }
}
