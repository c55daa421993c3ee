//! A data device, its host, and the node that fences that host.
//!
//! The fencing node runs [`arbitrate::protocol::Fencer`]; the device is the embedded unit's. The host is
//! what design section 6 asks of it, step by step, each step at any time: REGISTER on the data device,
//! *then* look at the quorum device, only then issue writes; a restart takes a new life while writes of
//! the old one may still be queued. There is no clock here: everything may be late.

use std::sync::Arc;
use std::time::Duration;

use arbitrate::codec::pr::{Abort, Aptpl, KeysView, PrOut};
use arbitrate::device::sim::Answer;
use arbitrate::key::{Key, NodeNumber, Stance};
use arbitrate::protocol::NoAnswer;
use arbitrate::protocol::fence::{
    Drain, FenceCommand, FenceEnd, FenceEvent, FenceNext, FenceOrder, FenceReply, FenceUnit, Fencer, Holders,
    Protection, SilentPaths, Victim, Way,
};
use arbitrate::time::Instant;
use stateright::{Model, Property};

use crate::config::Attentions;
use crate::node::{CLUSTER, KIND, key, nexus};
use crate::target::Target;

const HOST: usize = 0;
const FENCER: usize = 1;
/// How many writes of the host may be under way.
const WRITES: usize = 2;

/// A rule that is kept, or broken on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// All of them.
    All,
    /// The host looks at the quorum device before it registers, and not after.
    LookAfterRegistering,
    /// The host's new life registers with writes of the old one still queued.
    DrainBeforeRegistering,
    /// The fence names the key the log knows, not every key of the node.
    EveryKeyOfTheNode,
    /// PREEMPT without abort.
    Abort,
    /// The fence asks for no reservation.
    Reservation,
    /// The host's quorum key goes only after the fence.
    EvictionFirst,
}

/// One system to explore.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// What is broken.
    pub broken: Keep,
    /// Whether the host holds the reservation at the beginning; otherwise nobody does.
    pub host_holds: bool,
    /// How many writes the host issues.
    pub writes: u8,
    /// How often it restarts.
    pub restarts: u8,
    /// How many of the fencer's commands get no answer: executed, later, or never.
    pub unanswered: u8,
}

/// How far the host has come in this life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Host {
    /// Not registered by this life.
    Out,
    /// Looked at the quorum device, and may register. Only where that rule is broken.
    Looked,
    /// Registered.
    Registered,
    /// Its key and placement were seen on the quorum device: it writes.
    Active,
    /// They were not.
    Barred,
}

/// The fencing node.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Fence {
    /// Has not begun.
    Idle,
    /// The host's quorum key is removed, and that was read back.
    Evicted,
    /// Fencing; what is to be done next.
    Running(Arc<Fencer>, FenceNext),
    /// The fence is confirmed, the host evicted: the group is placed elsewhere.
    Placed,
    /// It failed.
    Failed,
}

/// Where a write is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Write {
    /// In a queue or in the fabric.
    Queued,
    /// Accepted by the target, not yet on the medium.
    Accepted,
}

/// Everything.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    target: Target,
    now: u64,
    life: u8,
    host: Host,
    /// The host's key is on the quorum device.
    member: bool,
    writes: Vec<Write>,
    fence: Fence,
    /// The fencer's commands that were given up.
    fabric: Vec<PrOut>,
    left: (u8, u8, u8),
    /// The target accepted a write of the host after the group was placed elsewhere.
    accepted: bool,
    /// A write landed then.
    landed: bool,
}

/// One step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The host registers on the data device.
    Register,
    /// The host looks at the quorum device.
    Look,
    /// The host issues a write.
    Issue,
    /// A queued write reaches the target.
    Arrive,
    /// An accepted one reaches the medium.
    Land,
    /// The host's program restarts; what it had queued goes on.
    Restart,
    /// The host's quorum key is removed and read back absent.
    Evict,
    /// The fence begins.
    Begin,
    /// The fence does the next thing, and is answered.
    Step,
    /// The same, and the answer is lost.
    LoseAnswer,
    /// The command stays in the fabric, its caller gives it up.
    Delay,
    /// Such a command is executed after all.
    DeliverOrphan(usize),
}

/// No write of a fenced host is accepted.
pub const REFUSED: &str = "no write of the host is accepted once its group is placed elsewhere";
/// None lands.
pub const ABORTED: &str = "no write of the host lands once its group is placed elsewhere";
/// The fence succeeds.
pub const PLACED: &str = "the group is placed elsewhere";
/// It succeeds though an answer was lost.
pub const PLACED_IN_DOUBT: &str = "the group is placed elsewhere after an answer was lost";
/// A later life registers after the fence.
pub const BACK: &str = "a later life of the host registers after the fence";

/// One system, as the checker takes it.
#[derive(Clone, Debug)]
pub struct System(pub Config);

impl State {
    fn begin(c: &Config) -> Self {
        let mut target = Target::new(Attentions::Dropped, nexus(2));
        for n in [HOST, FENCER] {
            let _ = target.pr_out(nexus(n), &PrOut::register(Key::default(), settled(n, 1), Aptpl::No));
        }
        if c.host_holds {
            let _ = target.pr_out(nexus(HOST), &PrOut::reserve(settled(HOST, 1), KIND));
        }
        Self {
            target,
            now: 0,
            life: 1,
            host: Host::Registered,
            member: true,
            writes: Vec::new(),
            fence: Fence::Idle,
            fabric: Vec::new(),
            left: (c.writes, c.restarts, c.unanswered),
            accepted: false,
            landed: false,
        }
    }

    fn enabled(&self, c: &Config, out: &mut Vec<Action>) {
        let looks_first = c.broken == Keep::LookAfterRegistering;
        match self.host {
            Host::Out if looks_first => out.push(Action::Look),
            // What an earlier life left queued is let in by registering: it is waited for.
            Host::Out if self.writes.is_empty() || c.broken == Keep::DrainBeforeRegistering => {
                out.push(Action::Register);
            }
            Host::Looked => out.push(Action::Register),
            Host::Registered => out.push(Action::Look),
            Host::Active if self.left.0 > 0 && self.writes.len() < WRITES => out.push(Action::Issue),
            Host::Out | Host::Active | Host::Barred => {}
        }
        if self.left.1 > 0 {
            out.push(Action::Restart);
        }
        if self.writes.contains(&Write::Queued) {
            out.push(Action::Arrive);
        }
        if self.writes.contains(&Write::Accepted) {
            out.push(Action::Land);
        }
        match &self.fence {
            Fence::Idle if c.broken == Keep::EvictionFirst => out.push(Action::Begin),
            Fence::Idle => out.push(Action::Evict),
            Fence::Evicted => out.push(Action::Begin),
            Fence::Running(_, next) => {
                out.push(Action::Step);
                if matches!(next, FenceNext::Issue { .. }) && self.left.2 > 0 {
                    out.push(Action::LoseAnswer);
                }
                if matches!(next, FenceNext::Issue { command: FenceCommand::Out(_), .. }) && self.left.2 > 0 {
                    out.push(Action::Delay);
                }
            }
            Fence::Placed | Fence::Failed => {}
        }
        out.extend((0..self.fabric.len()).map(Action::DeliverOrphan));
    }

    fn take(&mut self, c: &Config, action: Action) {
        match action {
            Action::Register => {
                let old = self.target.key_of(nexus(HOST)).unwrap_or_default();
                let new = settled(HOST, self.life);
                let _ = self.target.pr_out(nexus(HOST), &PrOut::register(old, new, Aptpl::No));
                let seen = self.host == Host::Looked;
                self.host = if seen { Host::Active } else { Host::Registered };
            }
            Action::Look => {
                self.host = match (self.host, self.member) {
                    (_, false) => Host::Barred,
                    (Host::Out, true) => Host::Looked,
                    (_, true) => Host::Active,
                }
            }
            Action::Issue => {
                self.left.0 -= 1;
                self.writes.push(Write::Queued);
            }
            Action::Arrive => self.arrive(),
            Action::Land => {
                self.drop_one(Write::Accepted);
                self.landed |= self.fence == Fence::Placed;
            }
            Action::Restart => {
                self.left.1 -= 1;
                self.life += 1;
                self.host = Host::Out;
            }
            Action::Evict => {
                self.member = false;
                self.fence = Fence::Evicted;
            }
            Action::Begin => self.begin_fence(c),
            Action::Step => self.step(),
            Action::LoseAnswer => {
                self.left.2 -= 1;
                if let Some(FenceCommand::Out(out)) = self.command() {
                    let _ = self.execute(&out);
                }
                self.unanswered();
            }
            Action::Delay => {
                self.left.2 -= 1;
                if let Some(FenceCommand::Out(out)) = self.command() {
                    self.fabric.push(out);
                }
                self.unanswered();
            }
            Action::DeliverOrphan(i) => {
                let out = self.fabric.remove(i);
                let _ = self.execute(&out);
            }
        }
    }

    fn drop_one(&mut self, which: Write) {
        if let Some(i) = self.writes.iter().position(|w| *w == which) {
            self.writes.remove(i);
        }
    }

    fn arrive(&mut self) {
        self.drop_one(Write::Queued);
        if self.target.admits_write(nexus(HOST)) {
            self.accepted |= self.fence == Fence::Placed;
            self.writes.push(Write::Accepted);
            self.writes.sort_unstable();
        }
    }

    fn begin_fence(&mut self, c: &Config) {
        let Ok(host) = NodeNumber::new(1) else { return };
        let logged = [settled(HOST, 1)].into_iter().collect();
        let order = FenceOrder {
            cluster: CLUSTER,
            victim: match c.broken {
                Keep::EveryKeyOfTheNode => Victim::Keys(logged),
                _ => Victim::Node(CLUSTER, host),
            },
            protection: match c.broken {
                Keep::Reservation => Protection::NotAsked,
                _ => Protection::Required(None),
            },
            abort: if c.broken == Keep::Abort { Abort::No } else { Abort::Yes },
            drain: Drain::AbortOnly,
            holders: Holders::Cluster,
            silent_paths: SilentPaths::NotProven,
            command_timeout: Duration::from_millis(100),
            // Room for an unanswered command and a few looks after it.
            budget: Duration::from_millis(500),
        };
        let unit = FenceUnit { own: Some(settled(FENCER, 1)), paths: 1, way: Way::KeysAndReservation };
        let Ok(mut fencer) = Fencer::new(&order, unit) else { return };
        let next = fencer.start(self.time());
        self.go_on(fencer, next);
    }

    fn go_on(&mut self, fencer: Fencer, next: FenceNext) {
        self.fence = match next {
            FenceNext::End(FenceEnd::Confirmed(_)) => {
                // Where the order is broken the eviction comes now.
                self.member = false;
                Fence::Placed
            }
            FenceNext::End(_) => Fence::Failed,
            next => Fence::Running(Arc::new(fencer), next),
        };
    }

    fn time(&self) -> Instant {
        Instant::from_nanos(self.now)
    }

    fn command(&self) -> Option<FenceCommand> {
        match self.fence {
            Fence::Running(_, FenceNext::Issue { command, .. }) => Some(command),
            _ => None,
        }
    }

    /// The caller gives up at the deadline.
    fn unanswered(&mut self) {
        if let Fence::Running(_, FenceNext::Issue { deadline, .. }) = self.fence {
            self.now = deadline.as_nanos();
        }
        self.tell(FenceEvent::Reply(FenceReply::Unknown(NoAnswer::Outstanding)));
    }

    fn tell(&mut self, event: FenceEvent<'_>) {
        let now = self.time();
        if let Fence::Running(fencer, _) = &self.fence {
            let mut fencer = Fencer::clone(fencer);
            let next = fencer.handle(event, now);
            self.go_on(fencer, next);
        }
    }

    fn step(&mut self) {
        let Fence::Running(_, next) = &self.fence else { return };
        let command = match *next {
            FenceNext::Issue { command, .. } => command,
            FenceNext::Wait(until) => {
                self.now = self.now.max(until.as_nanos());
                return self.tell(FenceEvent::Wake);
            }
            FenceNext::End(_) => return,
        };
        let bytes;
        let reply = match command {
            FenceCommand::ReadKeys => {
                bytes = KeysView::emit(self.target.generation(), &self.target.keys());
                KeysView::parse(&bytes).map_or(FenceReply::Unknown(NoAnswer::Malformed), FenceReply::Keys)
            }
            FenceCommand::ReadReservation => FenceReply::Reservation(self.target.reservation()),
            FenceCommand::Out(out) => match self.execute(&out) {
                Answer::Good => FenceReply::Good,
                Answer::Conflict => FenceReply::Conflict,
                Answer::Check(sense) => FenceReply::Refused(NoAnswer::Sense(sense)),
            },
            FenceCommand::ReadFullStatus | FenceCommand::ResetUnit => {
                FenceReply::Refused(NoAnswer::Malformed)
            }
        };
        self.tell(FenceEvent::Reply(reply));
    }

    /// Executes a command of the fencer; aborts what it aborts.
    fn execute(&mut self, out: &PrOut) -> Answer {
        let (answer, aborted) = self.target.pr_out(nexus(FENCER), out);
        if aborted.contains(&nexus(HOST)) {
            self.writes.retain(|w| *w != Write::Accepted);
        }
        answer
    }
}

fn settled(n: usize, life: u8) -> Key {
    key(n, life, Stance::Settled)
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
            Property::always(REFUSED, |_, s: &State| !s.accepted),
            Property::always(ABORTED, |_, s: &State| !s.landed),
            Property::sometimes(PLACED, |_, s: &State| s.fence == Fence::Placed),
            Property::sometimes(PLACED_IN_DOUBT, |m: &Self, s: &State| {
                s.fence == Fence::Placed && s.left.2 < m.0.unanswered
            }),
            Property::sometimes(BACK, |_, s: &State| {
                s.fence == Fence::Placed && s.host == Host::Registered && s.life > 1
            }),
        ]
    }
}
