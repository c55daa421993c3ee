//! The fencing path allocates nothing (design section 10): a defender's ticks, defence included.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is a failure")]

mod counting;

use counting::allocations;
use std::time::Duration;

use arbitrate::codec::pr::{
    Generation, Holder, KeysView, OutAction, PERSISTENT_RESERVE_OUT, ReadReservation, ReservationType,
};
use arbitrate::codec::{Sense, SenseKey, Status};
use arbitrate::device::{
    Completion, Data, Delivery, Escalate, Request, ResetError, ResetScope, ScsiDevice, SenseBytes,
};
use arbitrate::key::{ClusterId, Incarnation, Key, KeyParts, NodeNumber, Stance};
use arbitrate::protocol::{
    DefenceEnd, DefenceNote, DefenceSetup, Defender, Event, FirstLease, LegacyDefenceEnd, LegacyDefenceNote,
    LegacyDefenceSetup, LegacyDefender, Profile, Rules, Step, Timing,
};
use arbitrate::runtime::crew;
use arbitrate::runtime::drive;
use arbitrate::runtime::executor::{Executor, Sent, Unobserved};
use arbitrate::runtime::pacer::{Pacer, Woke};
use arbitrate::time::Instant;

fn key(node: u32, stance: Stance) -> Key {
    let (cluster, node) = (ClusterId::of_name("t"), NodeNumber::new(node).unwrap());
    KeyParts { cluster, node, stance, incarnation: Incarnation::new(1).unwrap() }.key()
}

/// A target with two canned answers to READ KEYS: challenged, and not. Prepared beforehand, so that it
/// allocates nothing either.
struct Canned {
    challenged: Vec<u8>,
    calm: Vec<u8>,
    reservation: Vec<u8>,
    /// A challenge stands until it is preempted; a new one comes every fourth tick.
    challenge: bool,
    ticks: u64,
    preempts: u64,
    attention: bool,
}

impl ScsiDevice for Canned {
    fn name(&self) -> &str {
        "canned"
    }

    fn execute(&mut self, r: Request<'_>) -> Completion {
        let took = Duration::from_micros(20);
        if std::mem::take(&mut self.attention) {
            let sense = Sense::new(SenseKey::UNIT_ATTENTION, 0x2a, 0x05).emit_fixed();
            return Completion {
                delivery: Delivery::Answered(Status::CHECK_CONDITION),
                sense: SenseBytes::new(&sense),
                residual: 0,
                took,
            };
        }
        if r.cdb.opcode() == PERSISTENT_RESERVE_OUT {
            assert_eq!(r.cdb.service_action(), OutAction::Preempt as u8);
            self.challenge = false;
            self.preempts += 1;
            return Completion::answered(Status::GOOD, 0, took);
        }
        let Data::In(buf) = r.data else { panic!("a read has a buffer") };
        let answer = match (r.cdb.service_action(), self.challenge) {
            (0, true) => &self.challenged,
            (0, false) => &self.calm,
            _ => &self.reservation,
        };
        buf[..answer.len()].copy_from_slice(answer);
        let residual = u32::try_from(buf.len() - answer.len()).unwrap();
        Completion::answered(Status::GOOD, residual, took)
    }

    fn reset(&mut self, _: ResetScope, _: Escalate, _: Instant) -> Result<(), ResetError> {
        Err(ResetError::Unsupported)
    }

    fn own_transport_id(&self) -> Option<Vec<u8>> {
        None
    }
}

/// Time passes by being waited for.
struct Virtual {
    now: Instant,
    stop_after: Instant,
}

impl Pacer for Virtual {
    fn now(&self) -> Instant {
        self.now
    }
    fn wait(&mut self, until: Instant) -> Woke {
        self.now = until.max(self.now);
        if self.now >= self.stop_after { Woke::Stop } else { Woke::Time }
    }
    fn pause(&mut self, d: Duration) {
        self.now = self.now + d;
    }
}

#[test]
fn a_hundred_ticks_with_defences_and_unit_attentions_allocate_nothing() {
    let me = key(1, Stance::Settled);
    let other = key(2, Stance::Challenging);
    let holder = Holder { key: me, kind: ReservationType::WriteExclusiveRegistrantsOnly };
    let mut device = Canned {
        challenged: KeysView::emit(Generation(7), &[me, other]),
        calm: KeysView::emit(Generation(8), &[me]),
        reservation: ReadReservation { generation: Generation(8), holder: Some(holder) }.emit(),
        challenge: false,
        ticks: 0,
        preempts: 0,
        attention: false,
    };
    let timing = Timing::profile(Profile::Classic);
    let setup = DefenceSetup {
        key: me,
        cluster: ClusterId::of_name("t"),
        kind: holder.kind,
        aptpl: arbitrate::codec::pr::Aptpl::No,
        timing,
        watchdog: None,
        first: FirstLease::FromTick,
        tenure: None,
        rules: Rules::default(),
    };
    let start = Instant::from_nanos(1_000_000_000);
    let mut confirmed = 0u64;
    // Each round is its own defence of one tick, so that the device can be prepared in between.
    let mut during = 0;
    for round in 0..100u64 {
        device.challenge = round % 4 == 1;
        device.attention = round % 5 == 2;
        device.ticks += 1;
        let mut unobserved = Unobserved;
        let mut on = Executor::new(&mut device, &mut unobserved);
        let mut pacer = Virtual { now: start, stop_after: start + Duration::from_secs(1000) };
        let mut defender = Defender::new(setup.clone(), start);
        let before = allocations();
        let lease = drive::first_lease(&mut defender, &mut on, &mut pacer, &mut |_, note| {
            confirmed += u64::from(matches!(note, DefenceNote::Confirmed { .. }));
        });
        during += allocations() - before;
        assert!(lease.is_ok(), "round {round}: {lease:?}");
    }
    assert_eq!(confirmed, 100);
    assert_eq!(device.preempts, 25, "the challenges were defended");
    assert_eq!(during, 0, "the fencing path allocated");
}

#[test]
fn the_end_of_a_lease_allocates_nothing_either() {
    struct Silent;
    impl ScsiDevice for Silent {
        fn name(&self) -> &str {
            "silent"
        }
        fn execute(&mut self, _: Request<'_>) -> Completion {
            Completion::unanswered(Delivery::Outstanding, Duration::ZERO)
        }
        fn reset(&mut self, _: ResetScope, _: Escalate, _: Instant) -> Result<(), ResetError> {
            Err(ResetError::Unsupported)
        }
        fn own_transport_id(&self) -> Option<Vec<u8>> {
            None
        }
    }
    let start = Instant::from_nanos(1_000_000_000);
    let mut defender = Defender::new(
        DefenceSetup {
            key: key(1, Stance::Settled),
            cluster: ClusterId::of_name("t"),
            kind: ReservationType::WriteExclusiveRegistrantsOnly,
            aptpl: arbitrate::codec::pr::Aptpl::No,
            timing: Timing::profile(Profile::Classic),
            watchdog: None,
            first: FirstLease::Until(start + Duration::from_secs(6)),
            tenure: None,
            rules: Rules::default(),
        },
        start,
    );
    let (mut device, mut unobserved) = (Silent, Unobserved);
    let mut on = Executor::new(&mut device, &mut unobserved);
    let mut pacer = Virtual { now: start, stop_after: start + Duration::from_secs(1000) };
    let before = allocations();
    let end = drive::defence(&mut defender, &mut on, &mut pacer, &mut |_, _| {});
    assert_eq!(allocations() - before, 0);
    assert!(matches!(end, DefenceEnd::Expired { .. }), "{end:?}");
    assert_eq!(pacer.now, start + Duration::from_secs(6), "it ended with the lease, not before or after");
}

/// A disk of legacy mode: RESERVE(6) is GOOD, but for a unit attention before every third.
struct Old {
    sent: u64,
}

impl ScsiDevice for Old {
    fn name(&self) -> &str {
        "old"
    }
    fn execute(&mut self, _: Request<'_>) -> Completion {
        self.sent += 1;
        let took = Duration::from_micros(20);
        if !self.sent.is_multiple_of(3) {
            return Completion::answered(Status::GOOD, 0, took);
        }
        let sense = Sense::new(SenseKey::UNIT_ATTENTION, 0x29, 0x03).emit_fixed();
        Completion {
            delivery: Delivery::Answered(Status::CHECK_CONDITION),
            sense: SenseBytes::new(&sense),
            residual: 0,
            took,
        }
    }
    fn reset(&mut self, _: ResetScope, _: Escalate, _: Instant) -> Result<(), ResetError> {
        Err(ResetError::Unsupported)
    }
    fn own_transport_id(&self) -> Option<Vec<u8>> {
        None
    }
}

#[test]
fn a_hundred_ticks_of_legacy_mode_with_resets_allocate_nothing() {
    let start = Instant::from_nanos(1_000_000_000);
    let timing = Timing::profile(Profile::Classic);
    let until = start + Duration::from_secs(6);
    let setup = LegacyDefenceSetup { until, timing, watchdog: None, rules: Rules::default() };
    let mut defender = LegacyDefender::new(setup, start);
    let (mut device, mut unobserved) = (Old { sent: 0 }, Unobserved);
    let mut on = Executor::new(&mut device, &mut unobserved);
    let mut pacer = Virtual { now: start, stop_after: start + Duration::from_secs(300) };
    let (mut confirmed, mut attentions) = (0u64, 0u64);
    let before = allocations();
    let end = drive::run(&mut defender, &mut on, &mut pacer, &mut |_, note| match note {
        LegacyDefenceNote::Confirmed { .. } => confirmed += 1,
        LegacyDefenceNote::Attention(_) => attentions += 1,
        _ => {}
    });
    assert_eq!(allocations() - before, 0, "the fencing path allocated");
    assert_eq!(end, LegacyDefenceEnd::Released);
    assert!(confirmed >= 100 && attentions >= 30, "{confirmed} {attentions}");
}

#[test]
fn a_race_over_three_devices_allocates_nothing_after_it_was_made() {
    use arbitrate::protocol::{
        Command, Configured, DefenceSetup, Race, RaceEvent, RaceNote, RaceSetup, Reply, SeatNext, Weight,
    };
    let me = key(1, Stance::Settled);
    let holder = Holder { key: me, kind: ReservationType::WriteExclusiveRegistrantsOnly };
    let calm = KeysView::emit(Generation(8), &[me]);
    let challenged = KeysView::emit(Generation(8), &[me, key(2, Stance::Challenging)]);
    let start = Instant::from_nanos(1_000_000_000);
    let setup = RaceSetup {
        configured: Configured::new(3).unwrap(),
        timing: Timing::profile(Profile::Classic),
        weight: Weight::HEAVIEST,
        seed: 1,
        attempts: 1,
        watchdog: None,
        rules: Rules::default(),
    };
    let defence = DefenceSetup {
        key: me,
        cluster: ClusterId::of_name("t"),
        kind: holder.kind,
        aptpl: arbitrate::codec::pr::Aptpl::No,
        timing: setup.timing,
        watchdog: None,
        tenure: None,
        first: FirstLease::Until(start + Duration::from_secs(6)),
        rules: Rules::default(),
    };
    let held = [(0, defence.clone()), (1, defence.clone()), (2, defence)];
    let mut race = Race::taking_over(setup, &held, start);
    let (mut confirmed, mut ended) = (0u64, 0u64);
    let before = allocations();
    let mut now = start;
    for turn in 0..3000u32 {
        // After a while the third device falls silent, and at last the second, too.
        for i in 0..3 {
            now = now + Duration::from_micros(300);
            let silent = (i == 2 && turn > 500) || (i == 1 && turn > 1000);
            let event = match race.next(i) {
                SeatNext::Wait(at) => {
                    now = now.max(at);
                    RaceEvent::Device(i, Event::Wake)
                }
                SeatNext::Issue { deadline, .. } if silent => {
                    now = now.max(deadline);
                    let unknown = Reply::Unknown(arbitrate::protocol::NoAnswer::Outstanding);
                    RaceEvent::Device(i, Event::Reply(unknown))
                }
                SeatNext::Issue { command, .. } => RaceEvent::Device(
                    i,
                    Event::Reply(match command {
                        Command::ReadKeys if turn % 7 == 3 => {
                            Reply::Keys(KeysView::parse(&challenged).unwrap())
                        }
                        Command::ReadKeys => Reply::Keys(KeysView::parse(&calm).unwrap()),
                        Command::ReadReservation => Reply::Reservation(ReadReservation {
                            generation: Generation(8),
                            holder: Some(holder),
                        }),
                        _ => Reply::Good,
                    }),
                ),
                SeatNext::Find => RaceEvent::Missing(i),
                SeatNext::Idle => RaceEvent::Wake,
            };
            for n in &race.handle(event, now).notes {
                confirmed += u64::from(matches!(n, RaceNote::Confirmed { .. }));
                ended += u64::from(matches!(n, RaceNote::OwnershipEnded { .. }));
            }
        }
    }
    let during = allocations() - before;
    assert!(confirmed > 50, "{confirmed}");
    assert_eq!(ended, 1, "the second silent device ended it");
    assert_eq!(during, 0, "the fencing path allocated");
}

/// A defence that counts what is allocated between its steps, on whatever thread leads.
struct Measured {
    inner: Defender,
    thread: Option<std::thread::ThreadId>,
    base: u64,
    steps: u64,
    allocated: u64,
}

impl drive::Machine for Measured {
    type Note = DefenceNote;
    type End = DefenceEnd;
    fn start(&mut self, now: Instant) -> Step<DefenceNote, DefenceEnd> {
        self.inner.start(now)
    }
    fn handle(&mut self, event: Event<'_>, now: Instant) -> Step<DefenceNote, DefenceEnd> {
        let thread = Some(std::thread::current().id());
        if self.thread == thread {
            self.allocated += allocations() - self.base;
            self.steps += 1;
        }
        let step = self.inner.handle(event, now);
        (self.thread, self.base) = (thread, allocations());
        step
    }
}

struct Deaf;

impl crew::Listener<DefenceNote> for Deaf {
    fn note(&mut self, _: Instant, _: &DefenceNote) {}
    fn sent(&mut self, _: &Sent) {}
    fn attention(&mut self, _: Sense) {}
}

#[test]
fn a_crew_gathered_beforehand_begins_and_runs_without_allocating() {
    let me = key(1, Stance::Settled);
    let holder = Holder { key: me, kind: ReservationType::WriteExclusiveRegistrantsOnly };
    let canned = || -> Box<dyn ScsiDevice> {
        Box::new(Canned {
            challenged: Vec::new(),
            calm: KeysView::emit(Generation(8), &[me]),
            // The reservation is another's from the beginning: deposed in the first tick, after both reads.
            reservation: ReadReservation {
                generation: Generation(8),
                holder: Some(Holder { key: key(2, Stance::Settled), ..holder }),
            }
            .emit(),
            challenge: false,
            ticks: 0,
            preempts: 0,
            attention: true,
        })
    };
    // One thread: only what follows on the same one is measured.
    let gathered = crew::gather::<Measured, Deaf>(vec![canned()], || {}).unwrap();
    let start = arbitrate::clock::now();
    let setup = DefenceSetup {
        key: me,
        cluster: ClusterId::of_name("t"),
        kind: holder.kind,
        aptpl: arbitrate::codec::pr::Aptpl::No,
        timing: Timing::profile(Profile::Classic),
        watchdog: None,
        first: FirstLease::Until(start + Duration::from_secs(6)),
        tenure: None,
        rules: Rules::default(),
    };
    let inner = Defender::new(setup, start);
    let machine = Measured { inner, thread: None, base: 0, steps: 0, allocated: 0 };
    let pacer = Virtual { now: start, stop_after: start + Duration::from_secs(1000) };
    let task = crew::Task { machine, listener: Deaf, pacer: Box::new(pacer) };
    let before = allocations();
    let (end, task) = gathered.run(task);
    assert_eq!(allocations() - before, 0, "beginning allocated, or spawned a thread");
    assert!(matches!(end, DefenceEnd::Deposed { .. }), "{end:?}");
    assert!(task.machine.steps >= 1, "from one read to the next");
    assert_eq!(task.machine.allocated, 0, "a tick allocated");
}

#[test]
fn an_incarnation_that_was_reserved_is_had_without_allocating() {
    use arbitrate::runtime::{lives::LivesFile, store::Place};
    let dir = tempfile::tempdir().unwrap();
    let (cluster, node) = (ClusterId::of_name("t"), NodeNumber::new(1).unwrap());
    let mut lives = LivesFile::open(Place::new(dir.path(), cluster, node, "d"), cluster, node).unwrap();
    lives.reserve().unwrap();
    let before = allocations();
    let first = lives.fresh(None).unwrap();
    assert_eq!(allocations() - before, 0, "a record was written");
    assert_eq!(first.get(), 1);
}

#[test]
fn the_counter_counts() {
    let before = allocations();
    drop(std::hint::black_box(vec![1u8]));
    assert_eq!(allocations() - before, 1, "or the other tests prove nothing");
}
