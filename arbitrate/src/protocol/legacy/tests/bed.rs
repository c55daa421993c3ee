//! A logical unit and a clock for golden timelines.

use std::time::Duration;

use super::super::*;
use crate::codec::pr::{Aptpl, KeysView, PrOut};
use crate::codec::{Sense, SenseKey};
use crate::device::ResetScope;
use crate::device::sim::access::Access;
use crate::device::sim::{Answer, LogicalUnit, NexusId};
use crate::key::Key;
use crate::protocol::timing::{Profile, Timing};
use crate::protocol::wire::{Command, Event, Next, NoAnswer, Reply, Step};
use crate::protocol::{Rules, testbed};
use crate::time::Instant;

pub(super) use testbed::{A, B, C, STEP, at};

/// What becomes of one command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// Executed, answered.
    Answered,
    /// Executed, and the answer lost.
    AnswerLost,
    /// Not executed; its caller can't know.
    Lost,
    /// BUSY: not executed.
    Busy,
    /// The target does not know it, or the transport does not offer it.
    Unsupported,
}

/// The unit, the clock, and all that was sent.
#[derive(Default)]
pub(super) struct Bed {
    pub(super) unit: LogicalUnit,
    pub(super) now: Instant,
    pub(super) sent: Vec<String>,
}

impl Bed {
    /// Knows all nodes; `who` holds the reservation.
    pub(super) fn held_by(who: u8) -> Self {
        let mut bed = Self::free();
        assert_eq!(bed.unit.reserve(NexusId(who)), Answer::Good);
        bed
    }

    /// Knows all nodes; nobody holds it.
    pub(super) fn free() -> Self {
        let mut bed = Self::default();
        bed.unit.introduce(NexusId(C));
        bed
    }

    /// A reset by somebody else.
    pub(super) fn reset(&mut self) {
        self.unit.reset();
    }

    /// `who` reserves, however many attentions it meets.
    pub(super) fn reserve(&mut self, who: u8) {
        while let Answer::Check(_) = self.unit.reserve(NexusId(who)) {}
        assert_eq!(self.unit.reserved_by(), Some(NexusId(who)));
    }

    /// `who` registers a key.
    pub(super) fn register(&mut self, who: u8, key: u64) {
        let out = PrOut::register(Key::default(), Key::from_u64(key), Aptpl::No);
        assert_eq!(self.unit.pr_out(NexusId(who), &out), Answer::Good);
    }

    pub(super) fn holder(&self) -> Option<u8> {
        self.unit.reserved_by().map(|n| n.0)
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
        self.now = if matches!(fate, Fate::AnswerLost | Fate::Lost) { deadline } else { issued + STEP };
        let executed = matches!(fate, Fate::Answered | Fate::AnswerLost);
        let told = if executed { execute(&mut self.unit, NexusId(who), command) } else { Told::Good };
        let unsupported = Sense::new(SenseKey::ILLEGAL_REQUEST, 0x20, 0);
        let reply = match fate {
            Fate::Answered => told.reply(),
            Fate::AnswerLost | Fate::Lost => Reply::Unknown(NoAnswer::Outstanding),
            Fate::Busy => Reply::Refused(NoAnswer::Busy(8)),
            Fate::Unsupported => Reply::Refused(NoAnswer::Sense(unsupported)),
        };
        let said = match reply {
            Reply::Keys(v) if v.is_empty() => "none",
            Reply::Keys(_) => "keys",
            Reply::Reservation(_) | Reply::Head(_) => "",
            Reply::Good => "good",
            Reply::Attention(_) => "unit attention",
            Reply::Conflict => "conflict",
            Reply::Refused(_) => "refused",
            Reply::Unknown(_) => "unknown",
        };
        let at = issued.since(Instant::default()).as_secs_f64();
        self.sent.push(format!("{at:.2} {}: {said}", words(command)));
        handle(Event::Reply(reply), self.now)
    }
}

/// What the unit says; owns its bytes.
pub(super) enum Told {
    Keys(Vec<u8>),
    Good,
    Conflict,
    Attention(Sense),
}

impl Told {
    pub(super) fn reply(&self) -> Reply<'_> {
        match self {
            Self::Keys(b) => Reply::Keys(KeysView::parse(b).unwrap()),
            Self::Good => Reply::Good,
            Self::Conflict => Reply::Conflict,
            Self::Attention(s) => Reply::Attention(*s),
        }
    }
}

/// Executes as target and runtime together do: attentions are consumed, but for RESERVE.
pub(super) fn execute(unit: &mut LogicalUnit, nexus: NexusId, command: Command) -> Told {
    loop {
        let answer = match command {
            Command::ReadKeys => match unit.begin(nexus, Access::ReservationIn) {
                Ok(()) => {
                    let pr = unit.reservations();
                    return Told::Keys(KeysView::emit(pr.generation(), &pr.keys().collect::<Vec<_>>()));
                }
                Err(a) => a,
            },
            Command::TestUnitReady => unit.begin(nexus, Access::Ask).err().unwrap_or(Answer::Good),
            Command::Reserve6 => unit.reserve(nexus),
            Command::Release6 => unit.release(nexus),
            Command::Reset(_) => {
                unit.reset();
                Answer::Good
            }
            other => panic!("not of legacy mode: {other:?}"),
        };
        match answer {
            Answer::Good => return Told::Good,
            Answer::Conflict => return Told::Conflict,
            Answer::Check(s) if command == Command::Reserve6 => return Told::Attention(s),
            Answer::Check(s) => assert_eq!(s.key, SenseKey::UNIT_ATTENTION),
        }
    }
}

fn words(c: Command) -> String {
    match c {
        Command::ReadKeys => "READ KEYS".to_owned(),
        Command::TestUnitReady => "TEST UNIT READY".to_owned(),
        Command::Reserve6 => "RESERVE".to_owned(),
        Command::Release6 => "RELEASE".to_owned(),
        Command::Reset(scope) => format!("RESET {scope:?}"),
        other => panic!("not of legacy mode: {other:?}"),
    }
}

pub(super) fn classic() -> Timing {
    Timing::profile(Profile::Classic)
}

pub(super) fn setup(rules: Rules) -> LegacySetup {
    LegacySetup {
        scope: ResetScope::LogicalUnit,
        timing: classic(),
        command_timeout: Duration::from_millis(500),
        reset_timeout: Duration::from_secs(15),
        rules,
    }
}

/// A protocol under way at one node.
pub(super) struct Run<M, N, E> {
    pub(super) machine: M,
    pub(super) who: u8,
    pub(super) next: Next<E>,
    pub(super) notes: Vec<N>,
    handle: fn(&mut M, Event<'_>, Instant) -> Step<N, E>,
}

pub(super) type Challenge = Run<LegacyChallenger, LegacyNote, LegacyEnd>;
pub(super) type Defence = Run<LegacyDefender, LegacyDefenceNote, LegacyDefenceEnd>;

pub(super) fn challenge(bed: &Bed, who: u8) -> Challenge {
    challenge_with(bed, who, Rules::SOUND)
}

pub(super) fn challenge_with(bed: &Bed, who: u8, rules: Rules) -> Challenge {
    challenge_by(bed, who, setup(rules))
}

pub(super) fn challenge_by(bed: &Bed, who: u8, setup: LegacySetup) -> Challenge {
    let mut machine = LegacyChallenger::new(setup);
    let step = machine.start(bed.now);
    Run { machine, who, next: step.next, notes: step.notes.to_vec(), handle: LegacyChallenger::handle }
}

/// A defence by `a` with a lease until then.
pub(super) fn defence(bed: &Bed, until: f64) -> Defence {
    defence_with(bed, until, None)
}

pub(super) fn defence_with(bed: &Bed, until: f64, watchdog: Option<crate::protocol::FedWatchdog>) -> Defence {
    let setup = LegacyDefenceSetup { until: at(until), timing: classic(), watchdog, rules: Rules::SOUND };
    let mut machine = LegacyDefender::new(setup, bed.now);
    let step = machine.start(bed.now);
    Run { machine, who: A, next: step.next, notes: step.notes.to_vec(), handle: LegacyDefender::handle }
}

impl<M, N: Clone, E: Copy + std::fmt::Debug> Run<M, N, E> {
    /// One command, or one wait.
    pub(super) fn turn(&mut self, bed: &mut Bed, fate: Fate) {
        let Self { machine, who, next, notes, handle } = self;
        let step = bed.turn(*who, *next, fate, |event, now| handle(machine, event, now));
        *next = step.next;
        notes.extend(step.notes.iter().cloned());
    }

    /// An event at once, whatever is being waited for.
    pub(super) fn event(&mut self, bed: &Bed, event: Event<'_>) {
        let step = (self.handle)(&mut self.machine, event, bed.now);
        self.next = step.next;
        self.notes.extend(step.notes.iter().cloned());
    }

    /// Answers commands until `wanted` is next.
    pub(super) fn up_to(&mut self, bed: &mut Bed, wanted: impl Fn(&Next<E>) -> bool) {
        for _ in 0..60 {
            if wanted(&self.next) {
                return;
            }
            self.turn(bed, Fate::Answered);
        }
        panic!("never came: {:?}", bed.sent);
    }

    /// Answers commands until it waits; until when.
    pub(super) fn up_to_wait(&mut self, bed: &mut Bed) -> Instant {
        self.up_to(bed, |n| matches!(n, Next::Wait(_)));
        let Next::Wait(until) = self.next else { unreachable!() };
        until
    }

    /// Answers everything to the end.
    pub(super) fn end(&mut self, bed: &mut Bed) -> E {
        self.end_with(bed, |_| Fate::Answered)
    }

    /// To the end, with a fate for each command.
    pub(super) fn end_with(&mut self, bed: &mut Bed, fate: impl Fn(Command) -> Fate) -> E {
        for _ in 0..200 {
            let fate = match self.next {
                Next::End(end) => return end,
                Next::Issue { command, .. } => fate(command),
                Next::Wait(_) => Fate::Answered,
            };
            self.turn(bed, fate);
        }
        panic!("no end: {:?}", bed.sent);
    }
}

pub(super) fn asks<E>(command: Command) -> impl Fn(&Next<E>) -> bool {
    move |n| matches!(n, Next::Issue { command: c, .. } if *c == command)
}
