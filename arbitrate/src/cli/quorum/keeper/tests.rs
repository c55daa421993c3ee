//! A majority that comes back after a stop.

use super::*;
use crate::cli::defend::ring;
use arbitrate::codec::pr::{Aptpl, ReservationType};
use arbitrate::key::{ClusterId, Key};
use arbitrate::protocol::{Configured, DefenceSetup, FirstLease, Profile, RaceSetup, Rules, Timing, Weight};

/// A keeper whose race owns its one device for a while, and the log's end.
fn owning(prepared: Option<Prepared>) -> (Keeper, ring::Reader<Message>) {
    let timing = Timing::profile(Profile::Classic);
    let setup = RaceSetup {
        configured: Configured::new(1).unwrap(),
        timing,
        weight: Weight::HEAVIEST,
        seed: 1,
        attempts: 1,
        watchdog: None,
        rules: Rules::default(),
    };
    let now = clock::now();
    let defence = DefenceSetup {
        key: Key::from_u64(7),
        cluster: ClusterId::of_name("t"),
        kind: ReservationType::WriteExclusiveRegistrantsOnly,
        aptpl: Aptpl::No,
        timing,
        watchdog: None,
        first: FirstLease::Until(now + Duration::from_secs(3600)),
        tenure: None,
        rules: Rules::default(),
    };
    let (writer, reader) = ring::pair::<Message>(false).unwrap();
    let desk = Desk { writer, watchdog: None, owned: false, stop: None };
    let all = Coordinator::new(Race::taking_over(setup, &[(0, defence)], now), desk).unwrap();
    all.tell(RaceEvent::Wake);
    assert!(all.look(|race, _| race.owns(clock::now()).is_some()));
    let signals = SystemPacer::stopped_by_signals().unwrap();
    let margin = Duration::from_secs(60);
    (Keeper { all, signals, prepared, until: Until::End, margin }, reader)
}

#[test]
fn devices_are_given_back_where_the_stop_is_proven_and_held_where_it_is_not() {
    let (keeper, _reader) = owning(None);
    assert!(matches!(keeper.todo(None), Todo::Wait(_)));
    assert!(matches!(keeper.todo(Some(Proof::Stopped)), Todo::GiveBack));
    assert!(matches!(keeper.todo(Some(Proof::NothingNamed)), Todo::GiveBack));
    assert!(matches!(keeper.todo(Some(Proof::Open)), Todo::HoldOn(_)));
}

#[test]
fn a_majority_regained_after_a_failed_stop_is_held_and_said_once() {
    let (keeper, reader) = owning(Some(Prepared::spawn("exit 3").ok().unwrap()));
    let all = Arc::clone(&keeper.all);
    // As when ownership ended a moment ago, and a majority is valid again since.
    all.look(|_, desk| desk.stop = Some(clock::now()));
    std::thread::spawn(move || keeper.run());
    let mut said = 0;
    while said == 0 {
        reader.drain(&mut |m| said += u32::from(matches!(m, Message::HoldingOn(_))));
        reader.wait(Duration::from_secs(1));
    }
    // Another turn of the keeper: rung awake, it says nothing more and gives nothing back.
    all.tell(RaceEvent::Wake);
    reader.drain(&mut |m| said += u32::from(matches!(m, Message::HoldingOn(_))));
    assert_eq!(said, 1);
    assert!(all.look(|race, _| race.owns(clock::now()).is_some()));
    assert_eq!(all.look(|race, _| race.end()), None);
}
