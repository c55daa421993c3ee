//! One path's registrar beside a defender, a challenger and an administrator, on the emulator's own state.

use super::*;
use crate::codec::pr::{Abort, Preempt};
use crate::device::sim::pr::Reservations;
use crate::device::sim::{Answer, NexusId};
use crate::protocol::testbed::{A, B, KIND, settled};
use crate::protocol::timing::Profile;
use std::time::Duration;

mod exact;

const HOLDER: NexusId = NexusId(1);
const PATH: NexusId = NexusId(2);
const OTHER: NexusId = NexusId(3);
const STEP: Duration = Duration::from_millis(200);

/// The device, the clock, the owner's lease, and the one path.
struct World {
    unit: Reservations,
    now: Instant,
    life: Life,
    own: Key,
    path: PathRegistrar,
    next: PathNext,
    /// A command on its way: executed or not, as the world likes.
    under_way: Option<(PathCommand, Option<Told>)>,
    notes: Vec<PathNote>,
    /// A REGISTER was sent without a valid lease.
    sent_without_lease: bool,
}

/// What the target said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    Keys,
    Good,
    Conflict,
    Unknown,
}

impl World {
    fn new(role: Role, ghosts: &[Key]) -> Self {
        let own = settled(A, 5);
        let mut unit = Reservations::default();
        register(&mut unit, HOLDER, own);
        assert_eq!(unit.pr_out(HOLDER, &PrOut::reserve(own, KIND)), Answer::Good);
        let setup = PathSetup {
            key: own,
            ghosts: ghosts.iter().copied().collect(),
            aptpl: Aptpl::No,
            timing: Timing::profile(Profile::Lab),
            kind: KIND,
            role,
            check: SECOND,
        };
        let mut w = Self {
            unit,
            now: Instant::from_nanos(1_000_000_000),
            life: Life::Waiting,
            own,
            path: PathRegistrar::new(setup),
            next: PathNext::Wait(Instant::default()),
            under_way: None,
            notes: Vec::new(),
            sent_without_lease: false,
        };
        w.tick();
        w
    }

    /// The path itself took the reservation, and another is registered besides.
    fn holding(broken: Option<Broken>) -> Self {
        let mut w = Self::new(Role::Holder, &[]);
        let own = w.own;
        register(&mut w.unit, PATH, own);
        let p = Preempt { own, victim: own, kind: KIND, abort: Abort::No };
        assert_eq!(w.unit.pr_out(PATH, &PrOut::preempt(p)), Answer::Good);
        register(&mut w.unit, HOLDER, own);
        w.path.broken = broken;
        w.tick();
        w
    }

    /// A tick of the defender, as far as its outcome matters here.
    fn tick(&mut self) {
        if matches!(self.life, Life::Over | Life::Leaving) {
            return;
        }
        let held = self.unit.read_reservation().holder.is_some_and(|h| h.key == self.own);
        let there = self.unit.keys().any(|k| k == self.own);
        let lease = self.path.setup.timing.spec().window - self.path.setup.timing.spec().margin;
        self.life = if held && there {
            Life::Owning(Lease { from: self.now, until: self.now + lease })
        } else {
            Life::Over
        };
    }

    fn leased(&self) -> bool {
        matches!(self.life, Life::Owning(l) if self.now < l.until)
    }

    fn pass(&mut self, d: Duration) {
        self.now = self.now + d;
        if let Life::Owning(l) = self.life
            && self.now >= l.until
        {
            self.life = Life::Over;
        }
    }

    /// Lets the registrar go on, as its thread does.
    fn go(&mut self) {
        if self.under_way.is_some() {
            return;
        }
        if matches!(self.next, PathNext::Wait(_)) {
            self.hand(PathEvent::Wake);
        }
        if let PathNext::Issue { command, deadline } = self.next {
            // As the runtime does.
            if !self.path.may_send(&command, deadline, self.life, self.now) {
                self.hand(PathEvent::Reply(Reply::Refused(NoAnswer::Local(110))));
                return;
            }
            if let PathCommand::Out(out) = command {
                self.sent_without_lease |= !out.list.target.is_zero() && !self.leased();
            }
            self.under_way = Some((command, None));
        }
    }

    /// The command reaches the target.
    fn execute(&mut self) {
        let Some((command, told @ None)) = &mut self.under_way else { return };
        *told = Some(match command {
            PathCommand::ReadKeys => Told::Keys,
            PathCommand::Standing if self.unit.key_of(PATH) == Some(self.own) => Told::Good,
            PathCommand::Standing => Told::Conflict,
            PathCommand::Out(out) => match self.unit.pr_out(PATH, out) {
                Answer::Good => Told::Good,
                _ => Told::Conflict,
            },
        });
    }

    fn answer(&mut self) {
        let Some((_, Some(told))) = self.under_way else { return };
        self.under_way = None;
        let bytes = KeysView::emit(self.unit.generation(), &self.unit.keys().collect::<Vec<_>>());
        self.hand(PathEvent::Reply(match told {
            Told::Keys => Reply::Keys(KeysView::parse(&bytes).unwrap()),
            Told::Good => Reply::Good,
            Told::Conflict => Reply::Conflict,
            Told::Unknown => Reply::Unknown(NoAnswer::Outstanding),
        }));
    }

    fn hand(&mut self, e: PathEvent<'_>) {
        let step = self.path.handle(e, self.life, self.now);
        self.next = step.next;
        self.notes.extend(step.note);
    }

    /// Time and commands go on without trouble.
    fn run(&mut self, d: Duration) {
        let end = self.now + d;
        while self.now < end {
            self.go();
            self.execute();
            self.answer();
            self.tick();
            self.pass(STEP);
        }
    }

    /// Until the registrar has ended.
    fn finish(&mut self) -> PathEnd {
        for _ in 0..500 {
            self.go();
            self.execute();
            self.answer();
            if let PathNext::End(end) = self.next {
                return end;
            }
            self.pass(STEP);
        }
        panic!("no end: {:?} {:?}", self.path, self.life)
    }

    fn take(&mut self) {
        let p = Preempt { own: settled(B, 1), victim: self.own, kind: KIND, abort: Abort::Yes };
        register(&mut self.unit, OTHER, settled(B, 1));
        let _ = self.unit.pr_out(OTHER, &PrOut::preempt(p));
    }

    fn clear(&mut self) {
        register(&mut self.unit, OTHER, settled(B, 1));
        let _ = self.unit.pr_out(OTHER, &PrOut::clear(settled(B, 1)));
    }

    fn on_path(&self) -> Option<Key> {
        self.unit.key_of(PATH)
    }
}

fn register(unit: &mut Reservations, nexus: NexusId, key: Key) {
    let old = unit.key_of(nexus).unwrap_or_default();
    if old != key {
        assert_eq!(unit.pr_out(nexus, &PrOut::register(old, key, Aptpl::No)), Answer::Good);
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_further_path_is_registered_and_used_after_the_next_tick() {
    let mut w = World::new(Role::Further, &[]);
    // READ KEYS, the question, REGISTER, the question again.
    for _ in 0..4 {
        w.go();
        w.execute();
        w.answer();
    }
    assert_eq!(w.on_path(), Some(w.own));
    assert!(!w.path.usable(), "no tick has confirmed since");
    w.pass(STEP);
    w.run(SECOND * 3);
    assert!(w.path.usable());
    assert!(w.notes.contains(&PathNote::Registered), "{:?}", w.notes);
}

#[test]
fn a_path_registered_already_is_left_as_it_is() {
    let mut w = World::new(Role::Further, &[]);
    let own = w.own;
    register(&mut w.unit, PATH, own);
    let before = w.unit.generation();
    w.run(SECOND * 3);
    assert!(w.path.usable());
    assert_eq!(w.unit.generation(), before, "no PERSISTENT RESERVE OUT was needed");
}

#[test]
fn a_ghost_on_the_path_is_re_keyed_and_nobody_elses_key_is() {
    let ghost = settled(A, 4);
    let mut w = World::new(Role::Further, &[settled(A, 3), ghost]);
    register(&mut w.unit, PATH, ghost);
    w.run(SECOND * 4);
    assert_eq!(w.on_path(), Some(w.own));
    assert!(w.path.usable());

    let mut w = World::new(Role::Further, &[]);
    register(&mut w.unit, PATH, Key::from_u64(0x11));
    w.run(SECOND * 4);
    assert_eq!(w.on_path(), Some(Key::from_u64(0x11)), "never overwritten");
    assert!(!w.path.usable());
    assert!(w.notes.contains(&PathNote::Taken), "{:?}", w.notes);
}

#[test]
fn a_ghost_on_another_path_stays_there() {
    let ghost = settled(A, 4);
    let mut w = World::new(Role::Further, &[ghost]);
    register(&mut w.unit, NexusId(9), ghost);
    w.run(SECOND * 4);
    assert_eq!((w.on_path(), w.unit.key_of(NexusId(9))), (Some(w.own), Some(ghost)));
    assert!(w.path.usable());
}

#[test]
fn a_lost_registration_is_told_and_made_again_while_the_lease_is_valid() {
    let mut w = World::new(Role::Further, &[]);
    w.run(SECOND * 3);
    let own = w.own;
    assert_eq!(w.unit.pr_out(PATH, &PrOut::register(own, Key::default(), Aptpl::No)), Answer::Good);
    w.run(SECOND * 5);
    assert!(w.notes.contains(&PathNote::Lost), "{:?}", w.notes);
    assert_eq!(w.on_path(), Some(own));
    assert!(w.path.usable());
}

#[test]
fn a_path_that_dies_is_not_usable_and_comes_back() {
    let mut w = World::new(Role::Further, &[]);
    w.run(SECOND * 3);
    while !matches!(w.under_way, Some((PathCommand::Standing, None))) {
        w.pass(STEP);
        w.tick();
        w.go();
    }
    w.under_way = Some((PathCommand::Standing, Some(Told::Unknown)));
    w.answer();
    assert!(!w.path.usable());
    w.run(SECOND * 3);
    assert!(w.path.usable());
    assert_eq!(w.notes.iter().filter(|n| matches!(n, PathNote::Down(_) | PathNote::Back)).count(), 2);
}

#[test]
fn leaving_takes_the_key_off_a_further_path_and_leaves_the_holders() {
    let mut w = World::new(Role::Further, &[]);
    w.run(SECOND * 3);
    w.life = Life::Leaving;
    assert_eq!(w.finish(), PathEnd::Withdrawn);
    assert_eq!(w.on_path(), None);

    let mut w = World::new(Role::Holder, &[]);
    w.life = Life::Leaving;
    assert_eq!(w.finish(), PathEnd::Left);
    assert!(!w.notes.contains(&PathNote::Sweeping), "nothing was left elsewhere");
}

#[test]
fn the_last_path_takes_the_reservation_over_from_a_nexus_that_is_gone() {
    let mut w = World::new(Role::Further, &[]);
    w.run(SECOND * 3);
    w.life = Life::Leaving;
    w.path.is_last();
    assert_eq!(w.path.whereabouts(), Whereabouts::Open);
    let begun = w.now;
    // The holder's nexus answers no more: its registration and the reservation stay.
    assert_eq!(w.finish(), PathEnd::Left);
    assert!(w.notes.contains(&PathNote::Sweeping), "{:?}", w.notes);
    assert_eq!(w.path.whereabouts(), Whereabouts::Taken);
    assert!(w.now < begun + SECOND, "before any other path gives up waiting for it");
    assert_eq!((w.unit.key_of(HOLDER), w.on_path()), (None, Some(w.own)));
    assert_eq!(w.unit.pr_out(PATH, &PrOut::release(w.own, KIND)), Answer::Good);
    assert!(w.unit.read_reservation().holder.is_none(), "its RELEASE releases");
}

/// However often its answer is lost: only a PREEMPT answered with GOOD, and a read, tell the others.
#[test]
fn a_take_over_without_an_answer_is_tried_again() {
    let mut w = World::new(Role::Further, &[]);
    w.run(SECOND * 3);
    w.life = Life::Leaving;
    w.path.is_last();
    while w.notes.iter().filter(|n| **n == PathNote::Sweeping).count() < 2 {
        w.go();
        w.execute();
        if let Some((PathCommand::Out(_), Some(told))) = &mut w.under_way {
            *told = Told::Unknown;
        }
        w.answer();
        assert_eq!(w.path.whereabouts(), Whereabouts::Open);
        w.pass(STEP);
    }
    assert_eq!(w.finish(), PathEnd::Left);
    assert_eq!(w.path.whereabouts(), Whereabouts::Taken);
}

/// What was answered with GOOD is not told unless the read after it shows it.
#[test]
fn a_take_over_that_no_read_shows_is_not_told() {
    let mut w = World::new(Role::Further, &[]);
    w.run(SECOND * 3);
    let own = w.own;
    w.life = Life::Leaving;
    w.path.is_last();
    let end = loop {
        w.go();
        w.execute();
        // Somebody registers the same key elsewhere, again and again.
        register(&mut w.unit, HOLDER, own);
        w.answer();
        if let PathNext::End(end) = w.next {
            break end;
        }
        assert_eq!(w.path.whereabouts(), Whereabouts::Open);
        w.pass(STEP);
    };
    assert_eq!(end, PathEnd::Left);
    assert_eq!(w.path.whereabouts(), Whereabouts::Open);
}

/// The path that took the reservation does not answer when the stop comes, and does soon after: its
/// registration must not go, and the reservation with it, while the lease is valid.
#[test]
fn the_holders_path_goes_after_the_reservation_has_gone_elsewhere() {
    let mut w = World::holding(None);
    w.life = Life::Leaving;
    w.path.is_not_last(Whereabouts::Open);
    for _ in 0..10 {
        w.go();
        assert_eq!(w.under_way, None, "nothing is sent");
        w.pass(STEP);
    }
    let p = Preempt { own: w.own, victim: w.own, kind: KIND, abort: Abort::No };
    assert_eq!(w.unit.pr_out(HOLDER, &PrOut::preempt(p)), Answer::Good);
    w.path.is_not_last(Whereabouts::Taken);
    assert_eq!(w.finish(), PathEnd::Withdrawn);
    assert!(!w.notes.contains(&PathNote::Withdrawing), "it was removed, and read back, by the other");
    assert!(w.unit.read_reservation().holder.is_some());
}

#[test]
fn a_holders_path_that_waits_in_vain_leaves_the_reservation_standing() {
    let mut w = World::holding(None);
    w.life = Life::Leaving;
    w.path.is_not_last(Whereabouts::Open);
    let begun = w.now;
    assert_eq!(w.finish(), PathEnd::Left);
    assert!(w.now <= begun + w.path.setup.timing.window() + STEP, "bounded");
    assert!(w.unit.read_reservation().holder.is_some(), "what the defender reads back says so");
}

#[test]
fn without_the_order_the_reservation_goes_under_a_valid_lease() {
    let mut w = World::holding(Some(Broken::GoesFirst));
    w.life = Life::Leaving;
    w.path.is_not_last(Whereabouts::Open);
    let _ = w.finish();
    assert!(w.unit.read_reservation().holder.is_none(), "what the next tick would call deposed");
}

/// Another path waits as well: its nexus may be the one that holds, logged in anew. But it has a REGISTER
/// to undo maybe, and goes in time.
#[test]
fn a_further_path_waits_for_the_last_one_and_goes_in_time() {
    let mut w = World::new(Role::Further, &[]);
    w.run(SECOND * 3);
    w.life = Life::Leaving;
    w.path.is_not_last(Whereabouts::Open);
    w.go();
    assert_eq!(w.under_way, None);
    let begun = w.now;
    assert_eq!(w.finish(), PathEnd::Withdrawn);
    assert!(w.now < begun + w.path.setup.timing.window());
    assert_eq!(w.on_path(), None);

    let mut w = World::new(Role::Further, &[]);
    w.run(SECOND * 3);
    w.path.doubt = true;
    w.life = Life::Leaving;
    w.path.is_not_last(Whereabouts::Taken);
    w.go();
    assert!(matches!(w.under_way, Some((PathCommand::Out(_), _))), "a REGISTER may come yet");
}

#[test]
fn an_unknown_register_is_not_repeated_until_something_settles_it() {
    let mut w = World::new(Role::Further, &[]);
    while !matches!(w.under_way, Some((PathCommand::Out(_), None))) {
        w.go();
        if matches!(w.under_way, Some((PathCommand::Out(_), _))) {
            break;
        }
        w.execute();
        w.answer();
    }
    let late = w.under_way;
    w.under_way = late.map(|(c, _)| (c, Some(Told::Unknown)));
    w.answer();
    assert!(w.path.open());
    let sent = w.notes.len();
    w.run(SECOND * 5);
    assert!(!w.notes[sent..].iter().any(|n| matches!(n, PathNote::Registering { .. })), "{:?}", w.notes);
    assert_eq!(w.on_path(), None);

    // It comes through after all: seen, and believed after a tick.
    let Some((PathCommand::Out(out), _)) = late else { panic!("{late:?}") };
    assert_eq!(w.unit.pr_out(PATH, &out), Answer::Good);
    w.run(SECOND * 4);
    assert!(w.path.usable() && !w.path.open());
}

#[test]
fn a_nexus_reset_ends_the_doubt() {
    let mut w = World::new(Role::Further, &[]);
    w.path.doubt = true;
    w.run(SECOND * 3);
    assert_eq!(w.on_path(), None);
    w.path.nexus_reset();
    w.run(SECOND * 4);
    assert_eq!(w.on_path(), Some(w.own));
}

#[test]
fn a_register_that_overtakes_the_deposition_is_undone() {
    let mut w = World::new(Role::Further, &[]);
    while !matches!(w.under_way, Some((PathCommand::Out(_), None))) {
        w.go();
        if !matches!(w.under_way, Some((PathCommand::Out(_), None))) {
            w.execute();
            w.answer();
        }
    }
    // An administrator clears the device: no lease holds that off. The REGISTER comes just after.
    w.clear();
    w.execute();
    assert_eq!(w.on_path(), Some(w.own), "re-admitted");
    w.answer();
    w.tick();
    assert_eq!(w.life, Life::Over);
    assert_eq!(w.finish(), PathEnd::Withdrawn);
    assert_eq!(w.on_path(), None);
}

/// A small generator; any sequence will do, as long as it is the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// What is wrong after a random life, if anything.
fn wrong(seed: u64, broken: Option<Broken>) -> Option<&'static str> {
    let mut w = World::new(Role::Further, &[settled(A, 4)]);
    w.path.broken = broken;
    let mut dice = Dice(seed);
    let mut deposed = false;
    let mut believed = false;
    for _ in 0..40 {
        match dice.roll(12) {
            0..=2 => w.go(),
            3..=5 => w.execute(),
            6..=7 => w.answer(),
            8 => w.tick(),
            // A challenger's window never ends while a lease is valid.
            9 if !w.leased() && !deposed => {
                w.take();
                deposed = true;
            }
            // An administrator asks nobody.
            10 if dice.roll(8) == 0 && !deposed => {
                w.clear();
                deposed = true;
            }
            _ => w.pass(STEP),
        }
        // Believed registered, this life's key then removed from the path by nobody but its deposer.
        believed |= w.path.usable() && deposed && w.on_path() == Some(w.own) && w.leased();
    }
    w.pass(SECOND * 60);
    if w.life != Life::Over {
        w.life = Life::Over;
    }
    if !deposed {
        w.take();
    }
    let end = w.finish();
    if w.sent_without_lease {
        return Some("a REGISTER was sent without a lease");
    }
    if w.on_path() == Some(w.own) && end != PathEnd::Unproven {
        return Some("a deposed life stands registered, and nobody was told");
    }
    believed.then_some("a re-admitted path was taken for registered")
}

#[test]
fn no_order_of_events_leaves_a_deposed_life_registered() {
    for seed in 0..20_000 {
        assert_eq!(wrong(seed, None), None, "seed {seed}");
    }
}

#[test]
fn each_rule_is_needed() {
    let found =
        |b| (0..20_000).filter_map(|seed| wrong(seed, Some(b))).collect::<std::collections::BTreeSet<_>>();
    assert!(found(Broken::RegistersWhenever).contains("a REGISTER was sent without a lease"));
    let believing = found(Broken::BelievesGood);
    assert!(believing.contains("a deposed life stands registered, and nobody was told"), "{believing:?}");
}
