//! A logical unit and a clock for golden timelines: what a protocol sends, when, and what comes back.
//!
//! The unit is the emulator's own state machine; every command takes [`STEP`].

use std::time::Duration;

use crate::codec::pr::{Aptpl, KeysView, OutAction, PrOut, ReservationType};
use crate::codec::quorum::{BlockLen, ClusterUuid, Formatted, Head, Mark, Record, Tenure};
use crate::device::sim::access::{Access, Verdict};
use crate::device::sim::pr::Reservations;
use crate::device::sim::{Answer, NexusId};
use crate::key::{ClusterId, Incarnation, Key, KeyParts, NodeNumber, Stance};
use crate::protocol::{Command, Event, Next, NoAnswer, Reply};
use crate::time::Instant;

/// How long every command takes.
pub(super) const STEP: Duration = Duration::from_millis(10);
/// The type reserved.
pub(super) const KIND: ReservationType = ReservationType::WriteExclusiveRegistrantsOnly;
pub(super) const CLUSTER: ClusterId = ClusterId::from_u32(0xc1);
/// How a formatted device of the tests is formatted.
pub(super) const FORMATTED: Formatted =
    Formatted { uuid: ClusterUuid([7; 16]), block_len: BlockLen::SMALLEST };
/// Nodes `a`, `b`, `c`, by number and nexus.
pub(super) const A: u8 = 1;
pub(super) const B: u8 = 2;
pub(super) const C: u8 = 3;

/// What becomes of one command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// Executed, answered.
    Answered,
    /// Executed, and the answer lost.
    AnswerLost,
    /// Not executed; its caller can't know.
    Lost,
    /// Refused by the target.
    Refused,
    /// RESERVATION CONFLICT, whatever the unit would say.
    Conflict,
}

/// The unit, the clock, and all that was sent.
#[derive(Default)]
pub(super) struct Bed {
    pub(super) unit: Reservations,
    pub(super) now: Instant,
    pub(super) sent: Vec<String>,
    /// A formatted device's tenures and mark.
    pub(super) tenures: [Option<Tenure>; 2],
    pub(super) mark: Option<Mark>,
}

impl Bed {
    /// A unit that node `who` holds under `key`.
    pub(super) fn held_by(who: u8, key: Key) -> Self {
        let mut bed = Self::default();
        bed.join(who, key);
        bed.out(who, PrOut::reserve(key, KIND));
        bed
    }

    /// Registers `key` on the nexus of `who`, in place of whatever was there.
    pub(super) fn join(&mut self, who: u8, key: Key) {
        let old = self.unit.key_of(NexusId(who)).unwrap_or_default();
        self.out(who, PrOut::register(old, key, Aptpl::No));
    }

    /// A command of somebody else's, executed at once.
    pub(super) fn out(&mut self, who: u8, out: PrOut) {
        assert_eq!(self.unit.pr_out(NexusId(who), &out), Answer::Good, "{out:?}");
    }

    /// The holder's key.
    pub(super) fn holder(&self) -> Option<Key> {
        self.unit.read_reservation().holder.map(|h| h.key)
    }

    /// Sends what `next` asks for from `who` and gives the reply to `handle`, or waits and wakes it.
    pub(super) fn turn<E: Copy + std::fmt::Debug, R>(
        &mut self,
        who: u8,
        next: Next<E>,
        fate: Fate,
        handle: impl FnOnce(Event<'_>, Instant) -> R,
    ) -> R {
        let (command, deadline) = match next {
            Next::Issue { command, deadline } => (command, deadline),
            Next::Wait(until) => {
                self.now = self.now.max(until);
                return handle(Event::Wake, self.now);
            }
            Next::End(e) => panic!("over: {e:?}"),
        };
        let issued = self.now;
        let executed = matches!(fate, Fate::Answered | Fate::AnswerLost);
        let answered = matches!(fate, Fate::Answered | Fate::Refused | Fate::Conflict);
        self.now = if answered { issued + STEP } else { deadline };
        let bytes = KeysView::emit(self.unit.generation(), &self.unit.keys().collect::<Vec<_>>());
        let reply = match command {
            _ if !executed => Reply::Good,
            Command::ReadKeys => Reply::Keys(KeysView::parse(&bytes).unwrap()),
            Command::ReadReservation => Reply::Reservation(self.unit.read_reservation()),
            Command::ReadHead(_) => self.head().map_or(Reply::Unknown(NoAnswer::Malformed), Reply::Head),
            Command::WriteRecord(_, r) => self.write(who, r),
            Command::Out(out) => match self.unit.pr_out(NexusId(who), &out) {
                Answer::Good => Reply::Good,
                Answer::Conflict => Reply::Conflict,
                Answer::Check(s) => Reply::Refused(NoAnswer::Sense(s)),
            },
            other => panic!("not of persistent mode: {other:?}"),
        };
        let reply = match fate {
            Fate::Answered => reply,
            Fate::AnswerLost | Fate::Lost => Reply::Unknown(NoAnswer::Outstanding),
            Fate::Refused => Reply::Refused(NoAnswer::Busy(8)),
            Fate::Conflict => Reply::Conflict,
        };
        let said = match reply {
            Reply::Keys(_) | Reply::Reservation(_) | Reply::Head(_) => "",
            Reply::Good => ": good",
            Reply::Conflict => ": conflict",
            Reply::Refused(_) => ": refused",
            Reply::Unknown(_) => ": unknown",
            Reply::Attention(_) => ": unit attention",
        };
        self.sent.push(format!("{:.2} {}{said}", seconds(issued), words(&command)));
        handle(Event::Reply(reply), self.now)
    }

    /// A unit that nobody holds, formatted, `last` having been its last tenure.
    pub(super) fn formatted(last: Tenure, mark: Option<Mark>) -> Self {
        let mut bed = Self { mark, ..Self::default() };
        bed.record(Record::Tenure(last));
        bed
    }

    /// Writes a record, whoever does.
    pub(super) fn record(&mut self, r: Record) {
        match r {
            Record::Tenure(t) => self.tenures[usize::from(!t.epoch.0.is_multiple_of(2))] = Some(t),
            Record::Mark(m) => self.mark = Some(m),
        }
    }

    /// The head, as READ would tell it.
    pub(super) fn head(&self) -> Option<Head> {
        Head::of(self.tenures, self.mark)
    }

    fn write(&mut self, who: u8, r: Record) -> Reply<'static> {
        if self.unit.check_access(NexusId(who), Access::Write) != Verdict::Admitted {
            return Reply::Conflict;
        }
        self.record(r);
        Reply::Good
    }

    /// The changing commands sent so far; forgets all.
    pub(super) fn changes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sent).into_iter().filter(|l| !l.contains(" READ ")).collect()
    }
}

/// A key of ours.
pub(super) fn key(node: u8, incarnation: u32, stance: Stance) -> Key {
    let node = NodeNumber::new(u32::from(node)).unwrap();
    let incarnation = Incarnation::new(incarnation).unwrap();
    KeyParts { cluster: CLUSTER, node, stance, incarnation }.key()
}

/// A settled key.
pub(super) fn settled(node: u8, incarnation: u32) -> Key {
    key(node, incarnation, Stance::Settled)
}

/// A flagged key.
pub(super) fn flagged(node: u8, incarnation: u32) -> Key {
    key(node, incarnation, Stance::Challenging)
}

pub(super) fn at(seconds: f64) -> Instant {
    Instant::default() + Duration::from_secs_f64(seconds)
}

fn seconds(t: Instant) -> f64 {
    t.since(Instant::default()).as_secs_f64()
}

/// `a1` for a settled key, `a1!` for a flagged one.
fn name(k: Key) -> String {
    match k.parts_in(CLUSTER) {
        None => k.as_u64().to_string(),
        Some(p) => {
            let flag = if p.stance == Stance::Challenging { "!" } else { "" };
            format!("{}{}{flag}", char::from(b'a' + p.node.get() - 1), p.incarnation)
        }
    }
}

fn words(c: &Command) -> String {
    let out = match c {
        Command::ReadKeys => return "READ KEYS".to_owned(),
        Command::ReadReservation => return "READ RESERVATION".to_owned(),
        Command::Out(out) => out,
        Command::ReadHead(_) => return "READ HEAD".to_owned(),
        Command::WriteRecord(_, Record::Tenure(t)) => {
            return format!("WRITE tenure {} {}", t.epoch.0, name(t.key));
        }
        Command::WriteRecord(_, Record::Mark(m)) => return format!("WRITE mark {}", m.of.epoch.0),
        other => panic!("not of persistent mode: {other:?}"),
    };
    let action = out.action.name();
    let (own, target) = (name(out.list.own), name(out.list.target));
    match out.action {
        OutAction::Reserve | OutAction::Release => format!("{action} {own}"),
        _ => format!("{action} {own} {target}"),
    }
}
