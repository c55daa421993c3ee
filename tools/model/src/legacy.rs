//! Legacy mode: nodes that contend for one disk by RESERVE(6) and resets.
//!
//! The nodes run [`arbitrate::protocol::LegacyChallenger`] and [`arbitrate::protocol::LegacyDefender`],
//! the disk is the embedded [`LogicalUnit`], unit attentions and all. Time is as everywhere in this crate.

use std::sync::Arc;
use std::time::Duration;

use arbitrate::codec::pr::KeysView;
use arbitrate::device::ResetScope;
use arbitrate::device::sim::access::Access;
use arbitrate::device::sim::{Answer, LogicalUnit};
use arbitrate::protocol::{
    Command, Event, LegacyChallenger, LegacyDefenceEnd, LegacyDefenceSetup, LegacyDefender, LegacyEnd,
    LegacySetup, Next, NoAnswer, Reply, Rules, Timing,
};
use arbitrate::time::Instant;
use stateright::{Model, Property};

use crate::config::Units;
use crate::node::nexus;

/// How often each thing may happen in one run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Credits {
    /// A command whose caller is told Unknown at its deadline, and which may be executed later.
    pub delay: u8,
    /// A command that is executed and whose answer never comes.
    pub lose: u8,
    /// A node stands still, as long as it likes.
    pub pause: u8,
    /// A reset by somebody else.
    pub reset: u8,
    /// Faults of all kinds together.
    pub total: u8,
}

/// One system to explore.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Whether node 0 owns the disk at the beginning; otherwise it challenges as well.
    pub owner: bool,
    /// How many nodes there are.
    pub nodes: usize,
    /// The timing.
    pub timing: Timing,
    /// How long one command may take.
    pub command_timeout: u64,
    /// The rules kept.
    pub rules: Rules,
    /// What may go wrong.
    pub credits: Credits,
    /// Challengers begin no later.
    pub begin_by: u8,
    /// When exploration ends.
    pub horizon: u8,
    /// What is asked.
    pub ask: Ask,
}

/// What is asked of a system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask {
    /// One lease, and that a live owner stays.
    All,
    /// One lease.
    OneLease,
}

impl Config {
    /// These nodes, every rule kept, nothing going wrong.
    #[must_use]
    pub fn new(owner: bool, nodes: usize, units: Units, begin_by: u8, horizon: u8) -> Self {
        Self {
            owner,
            nodes,
            timing: units.unchecked(),
            command_timeout: units.budget,
            rules: Rules::SOUND,
            credits: Credits::default(),
            begin_by,
            horizon,
            ask: Ask::All,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Role {
    Idle,
    Challenger(Arc<LegacyChallenger>),
    Defender(Arc<LegacyDefender>),
    Over,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Link {
    Idle,
    Wait(Instant),
    Sent(Command, Instant),
    Silent(Instant),
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Node {
    role: Role,
    link: Link,
    paused: bool,
    /// It was paused, or an answer to it was late or lost.
    harmed: bool,
}

/// Everything.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    now: u8,
    unit: LogicalUnit,
    nodes: Vec<Node>,
    fabric: Vec<(usize, Command)>,
    credits: Credits,
    won: bool,
    defended: bool,
    /// An owner that did all in time lost the disk.
    robbed: bool,
}

/// One step. Nodes are counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// One unit of time passes. Only when nobody healthy has anything to do.
    Advance,
    /// A node begins its challenge.
    Begin(usize),
    /// The time waited for has come, the command is executed and answered, or its deadline is past.
    Step(usize),
    /// A command given up by its caller is executed after all.
    DeliverOrphan(usize),
    /// Fault: the command stays in the fabric.
    Delay(usize),
    /// Fault: the answer is lost.
    Lose(usize),
    /// Fault: the node stands still.
    Pause(usize),
    /// It goes on.
    Resume(usize),
    /// Fault: somebody resets the unit.
    Reset,
}

/// Never two valid leases.
pub const ONE_LEASE: &str = "legacy: at most one valid lease at any instant";
/// A live owner stays.
pub const LIVE_STAYS: &str = "legacy: a live owner is never robbed";
/// Somebody wins.
pub const WINS: &str = "legacy: a challenge is won";
/// Somebody is defended against.
pub const DEFENDED: &str = "legacy: a challenge is defended";

/// One system, as the checker takes it.
#[derive(Clone, Debug)]
pub struct System(pub Config);

impl State {
    fn begin(c: &Config) -> Self {
        let mut s = Self {
            now: 0,
            unit: LogicalUnit::default(),
            nodes: Vec::new(),
            fabric: Vec::new(),
            credits: c.credits,
            won: false,
            defended: false,
            robbed: false,
        };
        s.unit.introduce(nexus(c.nodes - 1));
        for _ in 0..c.nodes {
            s.nodes.push(Node { role: Role::Idle, link: Link::Idle, paused: false, harmed: false });
        }
        if c.owner {
            let _ = s.unit.reserve(nexus(0));
            let spec = c.timing.spec();
            let until = s.time() + (spec.window - spec.margin);
            s.defend(c, 0, until);
        }
        s
    }

    fn time(&self) -> Instant {
        Instant::from_nanos(u64::from(self.now))
    }

    fn leases(&self) -> usize {
        let valid = |n: &&Node| matches!(&n.role, Role::Defender(d) if d.lease(self.time()).is_some());
        self.nodes.iter().filter(valid).count()
    }

    fn due(&self, n: usize) -> bool {
        match self.nodes[n].link {
            Link::Idle => false,
            Link::Wait(t) | Link::Silent(t) => self.time() >= t,
            Link::Sent(..) => true,
        }
    }

    fn enabled(&self, c: &Config, out: &mut Vec<Action>) {
        if self.robbed && c.ask == Ask::All {
            return;
        }
        let left = self.credits;
        let can = |credit: u8| credit > 0 && left.total > 0;
        let mut time_may_pass = true;
        for (n, node) in self.nodes.iter().enumerate() {
            if node.role == Role::Idle && self.now <= c.begin_by {
                out.push(Action::Begin(n));
            }
            if node.paused {
                out.push(Action::Resume(n));
                continue;
            }
            if !self.due(n) {
                continue;
            }
            time_may_pass = false;
            out.push(Action::Step(n));
            if matches!(node.link, Link::Sent(..)) && can(left.delay) {
                out.push(Action::Delay(n));
            }
            if matches!(node.link, Link::Sent(..)) && can(left.lose) {
                out.push(Action::Lose(n));
            }
            if can(left.pause) {
                out.push(Action::Pause(n));
            }
        }
        out.extend((0..self.fabric.len()).map(Action::DeliverOrphan));
        if can(left.reset) {
            out.push(Action::Reset);
        }
        if time_may_pass && self.now < c.horizon {
            out.push(Action::Advance);
        }
    }

    fn take(&mut self, c: &Config, action: Action) {
        match action {
            Action::Advance => self.now += 1,
            Action::Begin(n) => {
                let mut m = LegacyChallenger::new(LegacySetup {
                    scope: ResetScope::LogicalUnit,
                    timing: c.timing,
                    command_timeout: Duration::from_nanos(c.command_timeout),
                    reset_timeout: Duration::from_nanos(c.command_timeout),
                    rules: c.rules,
                });
                let next = m.start(self.time()).next;
                self.nodes[n].role = Role::Challenger(Arc::new(m));
                self.follow_challenge(c, n, next);
            }
            Action::Step(n) => self.step(c, n),
            Action::DeliverOrphan(i) => {
                let (n, command) = self.fabric.remove(i);
                self.orphan(n, command);
            }
            Action::Resume(n) => self.nodes[n].paused = false,
            Action::Delay(n) => {
                self.credits.delay -= 1;
                self.silence(n, true);
            }
            Action::Lose(n) => {
                self.credits.lose -= 1;
                if let Link::Sent(command, _) = self.nodes[n].link {
                    self.orphan(n, command);
                }
                self.silence(n, false);
            }
            Action::Pause(n) => {
                self.credits.pause -= 1;
                self.credits.total -= 1;
                self.nodes[n].paused = true;
                self.nodes[n].harmed = true;
            }
            Action::Reset => {
                self.credits.reset -= 1;
                self.credits.total -= 1;
                self.unit.reset();
            }
        }
    }

    /// The command brings no answer; `stays` in the fabric or is gone.
    fn silence(&mut self, n: usize, stays: bool) {
        self.credits.total -= 1;
        self.nodes[n].harmed = true;
        if let Link::Sent(command, deadline) = self.nodes[n].link {
            let changes = matches!(command, Command::Reserve6 | Command::Release6 | Command::Reset(_));
            if stays && changes {
                self.fabric.push((n, command));
            }
            self.nodes[n].link = Link::Silent(deadline);
        }
    }

    /// Executed, and nobody hears of it: where a unit attention eats it, it is not sent again.
    fn orphan(&mut self, n: usize, command: Command) {
        let _ = match command {
            Command::Reserve6 => self.unit.reserve(nexus(n)),
            Command::Release6 => self.unit.release(nexus(n)),
            Command::Reset(_) => {
                self.unit.reset();
                Answer::Good
            }
            _ => self.unit.begin(nexus(n), Access::Ask).err().unwrap_or(Answer::Good),
        };
    }

    fn step(&mut self, c: &Config, n: usize) {
        let command = match self.nodes[n].link {
            Link::Idle => return,
            Link::Wait(_) => return self.feed(c, n, Event::Wake),
            Link::Silent(_) => {
                return self.feed(c, n, Event::Reply(Reply::Unknown(NoAnswer::Outstanding)));
            }
            Link::Sent(command, _) => command,
        };
        // All but RESERVE(6) are sent again after a unit attention.
        if command != Command::Reserve6 && !matches!(command, Command::Reset(_)) {
            while self.unit.request_sense(nexus(n)).is_some() {}
        }
        let mut bytes = Vec::new();
        let answer = match command {
            Command::ReadKeys => match self.unit.begin(nexus(n), Access::ReservationIn) {
                Ok(()) => {
                    let pr = self.unit.reservations();
                    bytes = KeysView::emit(pr.generation(), &pr.keys().collect::<Vec<_>>());
                    Answer::Good
                }
                Err(a) => a,
            },
            Command::TestUnitReady => self.unit.begin(nexus(n), Access::Ask).err().unwrap_or(Answer::Good),
            Command::Reserve6 => self.unit.reserve(nexus(n)),
            Command::Release6 => self.unit.release(nexus(n)),
            Command::Reset(_) => {
                self.unit.reset();
                Answer::Good
            }
            _ => return self.feed(c, n, Event::Reply(Reply::Refused(NoAnswer::Malformed))),
        };
        let reply = match answer {
            Answer::Good if command == Command::ReadKeys => {
                KeysView::parse(&bytes).map_or(Reply::Unknown(NoAnswer::Malformed), Reply::Keys)
            }
            Answer::Good => Reply::Good,
            Answer::Conflict => Reply::Conflict,
            Answer::Check(sense) if command == Command::Reserve6 => Reply::Attention(sense),
            Answer::Check(sense) => Reply::Refused(NoAnswer::Sense(sense)),
        };
        self.feed(c, n, Event::Reply(reply));
    }

    fn feed(&mut self, c: &Config, n: usize, event: Event<'_>) {
        let now = self.time();
        match &mut self.nodes[n].role {
            Role::Challenger(m) => {
                let next = Arc::make_mut(m).handle(event, now).next;
                self.follow_challenge(c, n, next);
            }
            Role::Defender(m) => {
                let next = Arc::make_mut(m).handle(event, now).next;
                self.follow_defence(n, next);
            }
            Role::Idle | Role::Over => {}
        }
    }

    fn follow_challenge(&mut self, c: &Config, n: usize, next: Next<LegacyEnd>) {
        match next {
            Next::Issue { command, deadline } => self.nodes[n].link = Link::Sent(command, deadline),
            Next::Wait(until) => self.nodes[n].link = Link::Wait(until),
            Next::End(LegacyEnd::Won { lease, .. }) => {
                self.won = true;
                self.defend(c, n, lease.until);
            }
            Next::End(end) => {
                self.defended |= matches!(end, LegacyEnd::Defended { .. });
                self.over(n);
            }
        }
    }

    fn defend(&mut self, c: &Config, n: usize, until: Instant) {
        let now = self.time();
        let setup = LegacyDefenceSetup { until, timing: c.timing, watchdog: None, rules: c.rules };
        let mut d = LegacyDefender::new(setup, now);
        let next = d.start(now).next;
        self.nodes[n].role = Role::Defender(Arc::new(d));
        self.follow_defence(n, next);
    }

    fn follow_defence(&mut self, n: usize, next: Next<LegacyDefenceEnd>) {
        match next {
            Next::Issue { command, deadline } => self.nodes[n].link = Link::Sent(command, deadline),
            Next::Wait(until) => self.nodes[n].link = Link::Wait(until),
            Next::End(_) => {
                self.robbed |= !self.nodes[n].harmed;
                self.over(n);
            }
        }
    }

    fn over(&mut self, n: usize) {
        self.nodes[n].role = Role::Over;
        self.nodes[n].link = Link::Idle;
    }
}

impl Model for System {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::begin(&self.0)]
    }

    fn actions(&self, s: &State, out: &mut Vec<Action>) {
        s.enabled(&self.0, out);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        next.take(&self.0, action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_LEASE, |_, s: &State| s.leases() <= 1),
            Property::always(LIVE_STAYS, |m: &Self, s: &State| !s.robbed || m.0.ask == Ask::OneLease),
            Property::sometimes(WINS, |_, s: &State| s.won),
            Property::sometimes(DEFENDED, |_, s: &State| s.defended),
        ]
    }
}
