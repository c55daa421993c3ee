//! States made by hand: what no course of events with three devices meets, or not often enough.

use super::bed::{Bed, WINDOW};
use super::*;
use crate::codec::pr::OutAction;
use crate::protocol::challenger::Challenger;
use crate::protocol::defender::{DefenceEnd, Deposition};
use crate::protocol::wire::{Command, Next, NoAnswer, Reply, Step};

const SECOND: Duration = Duration::from_secs(1);

fn holding_all(seed: u64) -> Bed {
    let mut bed = Bed::new(1, seed);
    bed.start(0, Weight::MAX);
    assert!(bed.run_until(WINDOW * 2, |b| b.owns(0) && b.race(0).leases(b.now) == 3));
    let waits = |b: &Bed| (0..3).all(|d| matches!(b.race(0).next(d), SeatNext::Wait(_)));
    assert!(bed.run_until(SECOND, waits));
    bed
}

/// A race whose device 0 is being seized, and whose device 1 waits for its turn.
fn seizing(seed: u64) -> (Race, Instant) {
    let mut bed = Bed::new(1, seed);
    bed.owned_by_the_dead();
    bed.start(0, Weight::MAX);
    let ready = |s: &Seat| matches!(&s.play, Play::Challenging(c) if c.is_ready());
    assert!(
        bed.run_until(WINDOW + SECOND, |b| b.race(0).seats[0].is_being_seized()
            && ready(&b.race(0).seats[1]))
    );
    (bed.race(0).clone(), bed.now)
}

#[test]
fn a_device_passed_while_it_was_silent_waits_for_the_one_being_seized() {
    let (mut race, now) = seizing(31);
    // As it is where the first one was silent, was passed, and has its window behind it only now.
    race.seats.swap(0, 1);
    let before = race.clone();
    let out = race.handle(RaceEvent::Wake, now);
    assert_eq!((out, race), (RaceStep::default(), before));
}

#[test]
fn an_owner_looks_for_empty_devices_and_not_for_one_that_waits_for_its_turn() {
    let bed = holding_all(32);
    let mut race = bed.race(0).clone();
    race.setup.configured = Configured::new(5).unwrap();
    let (other, _) = seizing(33);
    race.seats.extend(other.seats.into_iter().take(2));
    assert_eq!(race.next(4), SeatNext::Idle);
    let out = race.handle(RaceEvent::Wake, bed.now);
    assert_eq!((race.next(4), out.actions.len()), (SeatNext::Idle, 0));
    race.seats[4] = Seat::new();
    race.handle(RaceEvent::Wake, bed.now);
    assert_eq!(race.next(4), SeatNext::Find);
}

/// Two of three lost to others: told as defended, where the race ends because others were faster.
#[test]
fn only_who_was_outrun_by_a_majority_is_told_it_was_defended() {
    let bed = Bed::new(1, 34);
    let given_back = |end, lost: usize| {
        let mut race = Race::new(bed.setup(0, 1));
        race.phase = Phase::GivingBack(end);
        for s in race.seats.iter_mut().take(lost) {
            (s.asked, s.luck) = (true, Luck::Lost);
        }
        race.handle(RaceEvent::Wake, bed.now);
        race.end()
    };
    assert_eq!(given_back(RaceEnd::Outrun, 2), Some(RaceEnd::Defended));
    assert_eq!(given_back(RaceEnd::Outrun, 1), Some(RaceEnd::Outrun));
    for end in [RaceEnd::NoMajority, RaceEnd::Withdrawn, RaceEnd::Released, RaceEnd::Deposed] {
        assert_eq!(given_back(end, 2), Some(end));
    }
}

/// A beat that has come is its own device's.
#[test]
fn a_beat_that_has_come_moves_no_other_and_one_to_come_moves_all() {
    let bed = holding_all(35);
    let mut race = bed.race(0).clone();
    let beat = race.seats[0].beat.unwrap();
    assert_eq!([0, 1, 2].map(|d| race.seats[d].beat), [Some(beat); 3]);
    let sooner = beat - Duration::from_millis(100);
    let Play::Defending(d) = &mut race.seats[0].play else { panic!() };
    d.sooner(sooner).unwrap();
    (race.seats[0].beat, race.seats[0].next) = (Some(sooner), SeatNext::Wait(sooner));

    let mut come = race.clone();
    come.align(sooner);
    assert_eq!(come, race, "it is due now");
    race.align(sooner - Duration::from_nanos(1));
    assert_eq!([0, 1, 2].map(|d| race.seats[d].beat), [Some(sooner); 3]);
    assert_eq!([0, 1, 2].map(|d| race.next(d)), [SeatNext::Wait(sooner); 3]);
}

/// The tick that confirmed leaves its next beat, and one under way has none.
#[test]
fn a_beat_is_that_of_the_last_confirmation_until_its_tick_begins() {
    let bed = holding_all(36);
    let mut race = bed.race(0).clone();
    let SeatNext::Wait(at) = race.next(1) else { panic!() };
    assert_eq!(race.seats[1].beat, Some(at));
    race.handle(RaceEvent::Device(1, Event::Wake), at);
    assert!(race.seats[1].is_busy());
    assert_eq!(race.seats[1].beat, None);
}

/// One that answers a PREEMPT or REGISTER with CONFLICT, while it is being left, has been taken.
#[test]
fn a_conflict_is_bad_luck_only_on_a_challenge_that_is_being_left() {
    let mut bed = Bed::new(1, 37);
    bed.start(0, Weight::MAX);
    let writing = |b: &Bed| matches!(b.race(0).next(0), SeatNext::Issue { command: Command::Out(_), .. });
    let luck_after = |bed: &Bed, wanted, reply: Reply<'_>| {
        let mut race = bed.race(0).clone();
        race.seats[0].wanted = wanted;
        race.handle(RaceEvent::Device(0, Event::Reply(reply)), bed.now);
        race.seats[0].luck
    };
    assert!(bed.run_until(SECOND, writing));
    assert!(matches!(bed.race(0).seats[0].play, Play::Challenging(_)));
    assert_eq!(luck_after(&bed, Wanted::No, Reply::Conflict), Luck::Lost);
    assert_eq!(luck_after(&bed, Wanted::No, Reply::Good), Luck::Open);
    assert_eq!(luck_after(&bed, Wanted::Yes, Reply::Conflict), Luck::Open);
    // The defence of what was won: its own reads tell.
    assert!(bed.run_until(WINDOW + SECOND, |b| b.owns(0)));
    bed.tell(0, RaceEvent::Release);
    assert!(bed.run_until(SECOND, writing), "the RELEASE");
    assert!(matches!(bed.race(0).seats[0].play, Play::Defending(_)));
    assert_eq!(luck_after(&bed, Wanted::Leaving, Reply::Conflict), Luck::Open);
}

/// A race that holds everything, prepared so, and device 1 deposed.
fn deposed(prepare: impl Fn(&mut Race)) -> Race {
    let bed = holding_all(38);
    let mut race = bed.race(0).clone();
    prepare(&mut race);
    let end = DefenceEnd::Deposed { how: Deposition::KeyGone };
    race.after_defence(1, &Step::new(Next::End(end)), bed.now, &mut RaceStep::default());
    assert!(matches!(race.standing(1), Standing::Ended(_)));
    race
}

#[test]
fn a_device_deposed_fells_the_attempt_it_was_wanted_in_and_no_other() {
    let racing = |r: &mut Race| (r.phase, r.fallen) = (Phase::Racing, false);
    assert!(deposed(racing).fallen);
    let left = deposed(|r| (racing(r), r.seats[1].wanted = Wanted::Leaving).0);
    assert!(!left.fallen, "it was being given back");
    assert!(!deposed(|_| {}).fallen, "an owner: no attempt");
    let twice = deposed(|r| (racing(r), r.fallen = true, r.seats[1].wanted = Wanted::No).0);
    assert!(twice.fallen, "felled by another before");
}

#[test]
fn an_owner_deposed_on_one_device_gives_nothing_else_back() {
    let race = deposed(|_| {});
    assert_eq!(race.phase, Phase::Owning { without: None });
    assert!([0, 2].iter().all(|d| race.seats[*d].wanted == Wanted::Yes));
}

/// To leave is said once: a clean end under way is neither begun again nor hurried.
#[test]
fn leaving_a_device_that_is_being_given_back_changes_nothing() {
    let mut bed = holding_all(39);
    bed.tell(0, RaceEvent::Release);
    let mut race = bed.race(0).clone();
    assert!(race.seats[0].is_busy() && race.seats[0].wanted == Wanted::Leaving);
    let before = race.clone();
    race.leave(0, bed.now, &mut RaceStep::default());
    assert_eq!(race, before);
}

/// A tick under way ends first; then the device is given back, however the tick ended.
#[test]
fn a_device_left_in_the_middle_of_a_tick_is_given_back_after_it() {
    let bed = holding_all(41);
    let mut race = bed.race(0).clone();
    let SeatNext::Wait(at) = race.next(1) else { panic!() };
    race.handle(RaceEvent::Device(1, Event::Wake), at);
    race.leave(1, at, &mut RaceStep::default());
    assert!(race.seats[1].is_busy() && race.seats[1].wanted == Wanted::No);
    race.handle(RaceEvent::Device(1, Event::Reply(Reply::Unknown(NoAnswer::Outstanding))), at);
    assert_eq!(race.seats[1].wanted, Wanted::Leaving);
    let SeatNext::Issue { command: Command::Out(out), .. } = race.next(1) else {
        panic!("{:?}", race.next(1))
    };
    assert_eq!(out.action, OutAction::Release);
}

/// A challenge is told to leave whatever it is at: gated ones most of all.
#[test]
fn a_challenge_that_waits_for_its_turn_is_withdrawn_at_once_when_it_is_left() {
    let (mut race, now) = seizing(40);
    race.leave(1, now, &mut RaceStep::default());
    assert!(matches!(race.next(1), SeatNext::Issue { command: Command::Out(_), .. }), "{:?}", race.next(1));
    assert!(!matches!(&race.seats[1].play, Play::Challenging(c) if Challenger::is_ready(c)));
}
