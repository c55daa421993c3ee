//! Golden tables of fences by node `a` of node `b`, and properties over the emulator.

use super::*;
use crate::codec::pr::{
    Aptpl, FullStatus, FullStatusView, KeysView, OutAction, RegisteredPort, Registration, TransportId,
};
use crate::device::sim::pr::Reservations;
use crate::device::sim::{Answer, InitiatorName, NexusId};
use crate::key::{NodeNumber, Stance};
use crate::protocol::testbed::{A, B, C, CLUSTER, KIND, STEP, key, settled};

mod admit;
mod admit_exact;
mod exact;
mod golden;
mod paths;
mod properties;
mod refusals;
mod unknown;

/// What becomes of one command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// Executed, answered.
    Answered,
    /// Executed, and the answer lost.
    AnswerLost,
    /// Not executed; its caller can't know.
    Lost,
    /// Refused by the target.
    Refused(NoAnswer),
}

/// A logical unit, its paths and all that was sent. Nexus 1, 2, 3 are nodes `a`, `b`, `c`; node `a`'s
/// further paths are nexuses 11, 12, …
#[derive(Clone, Default, Debug)]
struct Bed {
    unit: Reservations,
    now: Instant,
    sent: Vec<String>,
    no_full_status: bool,
    /// What a reset does: nothing here but to be asked.
    resets: u32,
    /// How often the fence was told something: a bound, so that no test is without end.
    turns: u32,
}

impl Bed {
    fn join(&mut self, nexus: u8, key: Key) {
        let old = self.unit.key_of(NexusId(nexus)).unwrap_or_default();
        self.out(nexus, PrOut::register(old, key, Aptpl::No));
    }

    fn out(&mut self, nexus: u8, out: PrOut) {
        assert_eq!(self.unit.pr_out(NexusId(nexus), &out), Answer::Good, "{out:?}");
    }

    /// Node `a` is registered; node `b` holds.
    fn held_by_victim() -> Self {
        let mut bed = Self::default();
        bed.join(A, settled(A, 1));
        bed.join(B, settled(B, 1));
        bed.out(B, PrOut::reserve(settled(B, 1), KIND));
        bed
    }

    fn full_status(&self) -> Vec<u8> {
        let name: InitiatorName = "x".parse().unwrap();
        let id: TransportId = name.transport_id();
        let registrations = self
            .unit
            .registrations()
            .map(|r| Registration {
                key: r.key,
                holds: self.unit.kind().filter(|_| self.unit.is_holder(r.nexus)),
                port: RegisteredPort::One(1),
                transport_id: id.clone(),
            })
            .collect();
        FullStatus { generation: self.unit.generation(), registrations }.emit()
    }

    /// Sends what `next` asks for and tells the fence what came back, or waits and wakes it.
    fn turn(&mut self, f: &mut Fencer, next: FenceNext, fate: Fate) -> FenceNext {
        self.turns += 1;
        assert!(self.turns < 1000, "a fence without end: {:#?}", self.sent);
        let (path, command, deadline) = match next {
            FenceNext::Issue { path, command, deadline } => (path, command, deadline),
            FenceNext::Wait(until) => {
                self.now = self.now.max(until);
                return f.handle(FenceEvent::Wake, self.now);
            }
            FenceNext::End(e) => panic!("over: {e:?}"),
        };
        // As the devices have it: nothing is sent past its deadline.
        if self.now >= deadline {
            let late = FenceReply::Refused(NoAnswer::Local(libc::ETIMEDOUT));
            return f.handle(FenceEvent::Reply(late), self.now);
        }
        let nexus = NexusId(if path == 0 { A } else { 10 + u8::try_from(path).unwrap() });
        self.now = match fate {
            Fate::Answered | Fate::Refused(_) => self.now + STEP,
            Fate::AnswerLost | Fate::Lost => deadline.max(self.now),
        };
        let status = self.full_status();
        let keys = KeysView::emit(self.unit.generation(), &self.unit.keys().collect::<Vec<_>>());
        let reply = match command {
            _ if matches!(fate, Fate::Lost | Fate::Refused(_)) => FenceReply::Good,
            FenceCommand::ReadFullStatus if self.no_full_status => {
                FenceReply::Refused(NoAnswer::Sense(Sense::new(SenseKey::ILLEGAL_REQUEST, 0x24, 0)))
            }
            FenceCommand::ReadFullStatus => FenceReply::FullStatus(FullStatusView::parse(&status).unwrap()),
            FenceCommand::ReadKeys => FenceReply::Keys(KeysView::parse(&keys).unwrap()),
            FenceCommand::ReadReservation => FenceReply::Reservation(self.unit.read_reservation()),
            FenceCommand::ResetUnit => {
                self.resets += 1;
                FenceReply::Good
            }
            FenceCommand::Out(out) => match self.unit.pr_out(nexus, &out) {
                Answer::Good => FenceReply::Good,
                Answer::Conflict => FenceReply::Conflict,
                Answer::Check(s) => FenceReply::Refused(NoAnswer::Sense(s)),
            },
        };
        let reply = match fate {
            Fate::Answered => reply,
            Fate::AnswerLost | Fate::Lost => FenceReply::Unknown(NoAnswer::Outstanding),
            Fate::Refused(why) => FenceReply::Refused(why),
        };
        let said = match reply {
            FenceReply::FullStatus(_) | FenceReply::Keys(_) | FenceReply::Reservation(_) => "",
            FenceReply::Good => ": good",
            FenceReply::Conflict => ": conflict",
            FenceReply::Refused(_) => ": refused",
            FenceReply::Unknown(_) => ": unknown",
        };
        self.sent.push(format!("{path} {}{said}", words(&command)));
        f.handle(FenceEvent::Reply(reply), self.now)
    }

    /// Runs to the end; `fate` says what becomes of each command, by its number from 0.
    fn run(&mut self, f: &mut Fencer, mut fate: impl FnMut(usize, &FenceCommand) -> Fate) -> FenceEnd {
        let mut next = f.start(self.now);
        loop {
            let fated = match &next {
                FenceNext::End(e) => return *e,
                FenceNext::Issue { command, .. } => fate(self.sent.len(), command),
                FenceNext::Wait(_) => Fate::Answered,
            };
            next = self.turn(f, next, fated);
        }
    }

    fn fence(&mut self, order: &FenceOrder, paths: usize) -> (Fencer, FenceEnd) {
        let mut f = Fencer::new(order, unit(paths)).unwrap();
        let end = self.run(&mut f, |_, _| Fate::Answered);
        (f, end)
    }
}

fn node(n: u8) -> NodeNumber {
    NodeNumber::new(u32::from(n)).unwrap()
}

/// Of node `b`.
fn order() -> FenceOrder {
    FenceOrder {
        cluster: CLUSTER,
        victim: Victim::Node(CLUSTER, node(B)),
        protection: Protection::Required(None),
        abort: Abort::Yes,
        drain: Drain::AbortOnly,
        holders: Holders::Cluster,
        silent_paths: SilentPaths::NotProven,
        command_timeout: Duration::from_secs(3),
        budget: Duration::from_secs(10),
    }
}

fn unit(paths: usize) -> FenceUnit {
    FenceUnit { own: Some(settled(A, 1)), paths, way: Way::FullStatus }
}

fn words(c: &FenceCommand) -> String {
    let name = |k: Key| match k.parts_in(CLUSTER) {
        None => k.as_u64().to_string(),
        Some(p) => {
            let flag = if p.stance == Stance::Challenging { "!" } else { "" };
            format!("{}{}{flag}", char::from(b'a' + p.node.get() - 1), p.incarnation)
        }
    };
    match c {
        FenceCommand::ReadFullStatus => "READ FULL STATUS".to_owned(),
        FenceCommand::ReadKeys => "READ KEYS".to_owned(),
        FenceCommand::ReadReservation => "READ RESERVATION".to_owned(),
        FenceCommand::ResetUnit => "LOGICAL UNIT RESET".to_owned(),
        FenceCommand::Out(o) if o.action == OutAction::Reserve => {
            format!("RESERVE {} type {}", name(o.list.own), o.kind.map_or(0, |k| k as u8))
        }
        FenceCommand::Out(o) => {
            format!("{} {} of {}", o.action.name(), name(o.list.own), name(o.list.target))
        }
    }
}
