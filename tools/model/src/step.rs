//! Takes one step: applies an [`Action`] to a [`State`].
//!
//! Must never judge what a protocol does: it hands over events and notes what became of them.

use std::sync::Arc;

use arbitrate::codec::Sense;
use arbitrate::codec::pr::{KeysView, OutAction};
use arbitrate::device::classify::Class;
use arbitrate::device::retry::{Effect, Verdict, judge};
use arbitrate::device::sim::Answer as Status;
use arbitrate::device::sim::access::Access;
use arbitrate::device::sim::pr::power::Memory;
use arbitrate::key::{Key, Stance};
use arbitrate::protocol::{ChallengeEnd, Command, DefenceEnd, Event, Next, NoAnswer, Reply};
use arbitrate::time::Instant;

use crate::action::Action;
use crate::config::{Cache, Config, Power, Repeats};
use crate::node::{Answer, Ending, Link, Role, Write, challenger, defender, key, nexus};
use crate::state::{Breach, Orphan, State};

impl State {
    /// The state after `action`.
    pub fn take(&mut self, c: &Config, action: Action) {
        match action {
            Action::Advance => self.advance(c),
            Action::Begin(n) => self.begin_challenge(c, n),
            Action::BeginAgain(n) => self.begin_again(c, n),
            Action::Wake(n) => self.feed(c, n, Event::Wake),
            Action::Deliver(n) => {
                self.execute(c, n);
                self.settle(n);
                self.take_answer(c, n);
            }
            Action::Execute(n) => self.execute(c, n),
            Action::Take(n) => self.take_answer(c, n),
            Action::TimeOut(n) => self.time_out(c, n),
            Action::DeliverOrphan(i) => {
                let o = self.fabric.remove(i);
                let before = self.target.holder();
                // If a unit attention eats it, nobody is left who would send it again.
                let _ = self.run(c, o.node, o.command);
                let seizes = matches!(o.command, Command::Out(out) if !matches!(out.action, OutAction::Register | OutAction::Release));
                self.late_seizure |= seizes && self.target.holder() != before;
            }
            Action::IssueWrite(n) => {
                self.credits.write -= 1;
                self.nodes[n].write = Write::Fabric(self.nodes[n].life);
            }
            Action::WriteArrives(n) => self.write_arrives(n),
            Action::WriteLands(n) => self.write_lands(n),
            Action::Resume(n) => self.nodes[n].paused = false,
            Action::Release(n) => {
                self.credits.release -= 1;
                self.credits.total -= 1;
                self.protected &= !matches!(self.nodes[n].role, Role::Defender(_));
                self.feed(c, n, Event::Release);
            }
            Action::Late(_)
            | Action::SlowAnswer(_)
            | Action::Delay(_)
            | Action::LoseAnswer(_)
            | Action::Pause(_)
            | Action::Crash(_)
            | Action::Clear
            | Action::Reset
            | Action::ResetAborting
            | Action::LosePower => self.fail(c, action),
        }
    }

    fn fail(&mut self, c: &Config, action: Action) {
        self.credits.total -= 1;
        match action {
            Action::Late(n) => {
                self.credits.late -= 1;
                self.nodes[n].late = true;
                self.blame(c, n);
            }
            Action::SlowAnswer(n) => {
                self.credits.late -= 1;
                self.nodes[n].late = true;
                self.blame(c, n);
                self.execute(c, n);
            }
            Action::Delay(n) => {
                self.credits.delay -= 1;
                self.blame(c, n);
                self.abandon(n);
            }
            Action::LoseAnswer(n) => {
                self.credits.lose -= 1;
                self.blame(c, n);
                self.execute(c, n);
                if let Link::Answered(_, deadline) = self.nodes[n].link {
                    self.nodes[n].link = Link::Silent(deadline);
                }
            }
            Action::Pause(n) => {
                self.credits.pause -= 1;
                self.nodes[n].paused = true;
                self.nodes[n].faults = c.tolerance + 1;
            }
            Action::Crash(n) => self.crash(c, n),
            Action::Clear => {
                self.credits.clear -= 1;
                self.wiped = true;
                self.protected = false;
                self.target.clear();
            }
            Action::LosePower => self.lose_power(c),
            Action::Reset => self.reset(),
            Action::ResetAborting => {
                self.reset();
                for n in 0..self.nodes.len() {
                    if let Link::Sent(_, deadline) = self.nodes[n].link {
                        self.blame(c, n);
                        self.nodes[n].link = Link::Silent(deadline);
                    }
                }
            }
            _ => {}
        }
    }

    fn lose_power(&mut self, c: &Config) {
        self.credits.power -= 1;
        if c.cache == Cache::Lies {
            self.target.lose_writes(&Self::begin(c).target);
        }
        match c.power {
            Power::Keeps => self.target.lose_power(Memory::Kept),
            Power::Lies => self.target.forget_all(),
            Power::Fails => {
                self.wiped = true;
                self.target.lose_power(Memory::Failed);
            }
            Power::Forgets => {
                self.wiped = true;
                self.protected = false;
                return self.target.lose_power(Memory::Kept);
            }
        }
        self.drop_accepted();
    }

    fn reset(&mut self) {
        self.credits.reset -= 1;
        self.target.reset();
        self.drop_accepted();
    }

    /// What the target had accepted and not yet written is gone.
    fn drop_accepted(&mut self) {
        for n in self.nodes.iter_mut().filter(|n| matches!(n.write, Write::Accepted(_))) {
            n.write = Write::None;
        }
    }

    fn blame(&mut self, c: &Config, n: usize) {
        let node = &mut self.nodes[n];
        node.faults = (node.faults + 1).min(c.tolerance + 1);
    }

    fn advance(&mut self, c: &Config) {
        self.now += 1;
        for n in 0..self.nodes.len() {
            self.nodes[n].late = false;
            if !self.has_ghost(c, n) {
                self.nodes[n].ghost_until = None;
            }
        }
    }

    fn crash(&mut self, c: &Config, n: usize) {
        self.credits.crash -= 1;
        self.abandon(n);
        let now = self.time(c, n);
        let node = &mut self.nodes[n];
        node.ghost_until = node.lease_until(now).or(node.ghost_until);
        node.role = Role::Down;
        node.link = Link::Idle;
        node.paused = false;
        node.late = false;
        node.faults = 0;
    }

    /// Leaves the node's command in the fabric.
    fn abandon(&mut self, n: usize) {
        if let Link::Sent(command, deadline) = self.nodes[n].link {
            if matches!(command, Command::Out(_) | Command::WriteRecord(..)) {
                self.fabric.push(Orphan { node: n, command });
            }
            self.nodes[n].link = Link::Silent(deadline);
        }
    }

    fn time_out(&mut self, c: &Config, n: usize) {
        self.abandon(n);
        let mut under_way = self.fabric.iter().filter(|o| o.node == n);
        if c.repeats == Repeats::Unanswered
            && let (Some(Orphan { command: command @ Command::Out(_), .. }), None) =
                (under_way.next().copied(), under_way.next())
        {
            let deadline = self.time(c, n) + std::time::Duration::from_nanos(c.command_timeout);
            return self.nodes[n].link = Link::Sent(command, deadline);
        }
        self.feed(c, n, Event::Reply(Reply::Unknown(NoAnswer::Outstanding)));
    }

    fn begin_again(&mut self, c: &Config, n: usize) {
        self.credits.again -= 1;
        let node = &mut self.nodes[n];
        // A host that was booted again has nothing under way: its nexus was lost with it.
        if node.role == Role::Down {
            node.write = Write::None;
            self.fabric.retain(|o| o.node != n);
        }
        self.nodes[n].life += 1;
        self.nodes[n].held = false;
        self.nodes[n].faults = 0;
        self.begin_challenge(c, n);
    }

    fn begin_challenge(&mut self, c: &Config, n: usize) {
        let registered = self.target.key_of(nexus(n));
        let Some(mut machine) = challenger(c, n, self.nodes[n].life, registered) else { return };
        let step = machine.start(self.time(c, n));
        self.nodes[n].role = Role::Challenger(Arc::new(machine));
        self.follow_challenge(c, n, step.next);
    }

    /// Runs the node's command at the target.
    fn execute(&mut self, c: &Config, n: usize) {
        if let Link::Sent(command, deadline) = self.nodes[n].link {
            let answer = self.run(c, n, command);
            self.nodes[n].link = Link::Answered(answer, deadline);
        }
    }

    /// From the moment it holds under its settled key a node can be challenged like any holder; what went
    /// wrong before is no excuse for losing it.
    fn settle(&mut self, n: usize) {
        let settled = key(n, self.nodes[n].life, Stance::Settled);
        if matches!(self.nodes[n].role, Role::Challenger(_))
            && matches!(self.nodes[n].link, Link::Answered(Answer::Good, _))
            && self.target.holder().is_some_and(|h| h.key == settled)
        {
            self.nodes[n].faults = 0;
        }
    }

    fn take_answer(&mut self, c: &Config, n: usize) {
        let Link::Answered(answer, deadline) = std::mem::replace(&mut self.nodes[n].link, Link::Idle) else {
            return;
        };
        let reply = match &answer {
            Answer::Attention(command, sense) => return self.send_again(c, n, *command, *sense, deadline),
            Answer::Head(head) => Reply::Head(*head),
            Answer::Keys(bytes) => match KeysView::parse(bytes) {
                Ok(view) => Reply::Keys(view),
                Err(_) => Reply::Unknown(NoAnswer::Malformed),
            },
            Answer::Reservation(r) => Reply::Reservation(*r),
            Answer::Good => Reply::Good,
            Answer::Conflict => Reply::Conflict,
            Answer::Refused(why) => Reply::Refused(*why),
        };
        self.feed(c, n, Event::Reply(reply));
    }

    /// A unit attention came in place of the command; the one retry policy says what comes then. A unit
    /// has a few kinds of them, never as many as the policy bears for one command.
    fn send_again(&mut self, c: &Config, n: usize, command: Command, sense: Sense, deadline: Instant) {
        let effect = match command {
            Command::ReadKeys | Command::ReadReservation | Command::ReadHead(_) => Effect::Reads,
            _ => Effect::Changes,
        };
        match judge(&Class::UnitAttention(sense), effect, 0) {
            Verdict::Again(_) if self.time(c, n) < deadline => {
                self.nodes[n].link = Link::Sent(command, deadline);
            }
            _ => self.feed(c, n, Event::Reply(Reply::Refused(NoAnswer::Restless))),
        }
    }

    fn run(&mut self, c: &Config, n: usize, command: Command) -> Answer {
        if let Some(sense) = self.target.attention(nexus(n)) {
            return Answer::Attention(command, sense);
        }
        let access = match command {
            Command::ReadKeys | Command::ReadReservation => Access::ReservationIn,
            Command::ReadHead(_) => Access::Read,
            Command::WriteRecord(..) => Access::Write,
            // Has its own way in.
            _ => Access::Identify,
        };
        match self.target.begin(nexus(n), access) {
            Ok(()) => {}
            Err(Status::Check(sense)) => return Answer::Refused(NoAnswer::Sense(sense)),
            Err(_) => return Answer::Conflict,
        }
        let out = match command {
            Command::ReadKeys => {
                return Answer::Keys(KeysView::emit(self.target.generation(), &self.target.keys()));
            }
            Command::ReadReservation => return Answer::Reservation(self.target.reservation()),
            Command::ReadHead(_) => {
                return self.target.head().map_or(Answer::Refused(NoAnswer::Malformed), Answer::Head);
            }
            Command::WriteRecord(_, record) => {
                self.target.record(record);
                return Answer::Good;
            }
            Command::Out(out) => out,
            // Legacy mode is not explored here: nothing that runs here asks for it.
            Command::TestUnitReady | Command::Reserve6 | Command::Release6 | Command::Reset(_) => {
                return Answer::Refused(NoAnswer::Malformed);
            }
        };
        if out.action == OutAction::PreemptAndAbort && out.list.own == out.list.target {
            self.breach = Some(Breach::SelfPreempt);
        }
        let (status, aborted) = self.target.pr_out(nexus(n), &out);
        let holder = self.target.holder().map(|h| h.key);
        for (i, node) in self.nodes.iter_mut().enumerate() {
            if c.aborts && aborted.contains(&nexus(i)) && matches!(node.write, Write::Accepted(_)) {
                node.write = Write::None;
            }
            let mine = |stance| holder == Some(key(i, node.life, stance));
            if mine(Stance::Challenging) || mine(Stance::Settled) {
                node.held = true;
                if self.owner != Some((i, node.life)) {
                    self.owner = Some((i, node.life));
                    self.protected = true;
                }
            }
        }
        match status {
            Status::Good => Answer::Good,
            Status::Conflict => Answer::Conflict,
            Status::Check(sense) => Answer::Refused(NoAnswer::Sense(sense)),
        }
    }

    fn write_arrives(&mut self, n: usize) {
        let Write::Fabric(life) = self.nodes[n].write else { return };
        // The kernel sends it again.
        if self.target.attention(nexus(n)).is_some() {
            return;
        }
        if !self.target.admits_write(nexus(n)) {
            self.nodes[n].write = Write::None;
            return;
        }
        if self.protected && self.deposed(n, life) {
            self.breach = Some(Breach::StaleWriteAccepted);
        }
        // What is accepted while nobody holds is followed no further: whoever RESERVEs next preempts
        // nobody and aborts nothing.
        let held = self.target.holder().is_some();
        self.nodes[n].write = if held { Write::Accepted(life) } else { Write::None };
    }

    fn write_lands(&mut self, n: usize) {
        let Write::Accepted(life) = self.nodes[n].write else { return };
        if self.protected && self.deposed(n, life) {
            self.breach = Some(Breach::StaleWriteLanded);
        }
        self.nodes[n].write = Write::None;
    }

    /// Whether another life has held the device since.
    fn deposed(&self, n: usize, life: u8) -> bool {
        self.owner.is_some_and(|o| o != (n, life))
    }

    fn feed(&mut self, c: &Config, n: usize, event: Event<'_>) {
        let now = self.time(c, n);
        match &mut self.nodes[n].role {
            Role::Challenger(m) => {
                let step = Arc::make_mut(m).handle(event, now);
                self.follow_challenge(c, n, step.next);
            }
            Role::Defender(m) => {
                let step = Arc::make_mut(m).handle(event, now);
                self.follow_defence(c, n, step.next);
            }
            Role::Idle | Role::Down | Role::Over(_) => {}
        }
    }

    fn follow_challenge(&mut self, c: &Config, n: usize, next: Next<ChallengeEnd>) {
        let ending = match next {
            Next::Issue { command, deadline } => return self.nodes[n].link = Link::Sent(command, deadline),
            Next::Wait(until) => return self.nodes[n].link = Link::Wait(until),
            Next::End(ChallengeEnd::Won { key, .. }) => return self.won(c, n, key),
            Next::End(ChallengeEnd::Defended { .. }) => Ending::Defended,
            Next::End(ChallengeEnd::Overtaken { .. }) => Ending::Overtaken,
            Next::End(ChallengeEnd::Refused { .. }) => Ending::Refused,
            Next::End(ChallengeEnd::TargetForgot) => Ending::Forgot,
            Next::End(ChallengeEnd::Unreachable(_) | ChallengeEnd::Unknown { .. }) => Ending::Unknown,
        };
        self.over(n, ending);
    }

    fn won(&mut self, c: &Config, n: usize, key: Key) {
        if !self.nodes[n].held {
            self.breach = Some(Breach::FalseVictory);
        }
        let now = self.time(c, n);
        let node = &mut self.nodes[n];
        let tenure = match &node.role {
            Role::Challenger(m) => m.tenure(),
            _ => None,
        };
        node.role = Role::Defender(Arc::new(defender(c, key, tenure, now)));
        node.link = Link::Wait(now);
        let since_begin = std::time::Duration::from_nanos(u64::from(self.now) * c.unit);
        self.spared |= since_begin < c.challengers.spec().window;
    }

    fn follow_defence(&mut self, c: &Config, n: usize, next: Next<DefenceEnd>) {
        let ending = match next {
            Next::Issue { command, deadline } => return self.nodes[n].link = Link::Sent(command, deadline),
            Next::Wait(until) => return self.nodes[n].link = Link::Wait(until),
            Next::End(DefenceEnd::Deposed { .. }) => Ending::Deposed,
            Next::End(DefenceEnd::Expired { .. }) => Ending::Expired,
            Next::End(DefenceEnd::Released | DefenceEnd::ReleaseUnproven) => Ending::Released,
        };
        let live = self.nodes[n].faults <= c.tolerance && !self.wiped;
        if live && ending != Ending::Released {
            self.breach = Some(Breach::LiveDefenderLost);
        }
        self.over(n, ending);
    }

    fn over(&mut self, n: usize, ending: Ending) {
        let node = &mut self.nodes[n];
        node.role = Role::Over(ending);
        node.link = Link::Idle;
        node.faults = 0;
    }
}
