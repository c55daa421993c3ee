//! The watchdog at a clean end, and what is stopped where a defence cannot begin.

use super::*;
use crate::cli::defend::ring;
use arbitrate::protocol::{LegacyDefenceNote, Profile, Timing};

fn desk(watchdog: Option<Watchdog>) -> Desk {
    Desk { writer: ring::pair(false).unwrap().0, watchdog, owning: true, board: None }
}

#[test]
fn the_watchdog_is_disarmed_when_the_clean_end_begins_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let tell: [fn(&mut Desk, bool); 2] = [
        |desk, releasing| {
            let missed = DefenceNote::Missed {
                why: arbitrate::protocol::Miss::Refused(arbitrate::protocol::NoAnswer::Outstanding),
                stop_at: clock::now(),
            };
            Listener::<DefenceNote>::note(
                desk,
                clock::now(),
                if releasing { &DefenceNote::Releasing } else { &missed },
            );
        },
        |desk, releasing| {
            let missed = LegacyDefenceNote::Missed {
                why: arbitrate::protocol::Miss::Refused(arbitrate::protocol::NoAnswer::Outstanding),
                stop_at: clock::now(),
            };
            let note = if releasing { &LegacyDefenceNote::Releasing } else { &missed };
            Listener::<LegacyDefenceNote>::note(desk, clock::now(), note);
        },
    ];
    for (i, tell) in tell.into_iter().enumerate() {
        let path = dir.path().join(i.to_string());
        let mut desk = desk(Some(Watchdog::stand_in(&path, Duration::from_secs(5)).unwrap()));
        tell(&mut desk, false);
        assert!(desk.watchdog.is_some());
        assert_eq!(std::fs::read(&path).unwrap(), b"", "neither fed nor disarmed");
        tell(&mut desk, true);
        assert!(desk.watchdog.is_none());
        assert_eq!(std::fs::read(&path).unwrap(), b"V");
    }
}

#[test]
fn a_defence_without_threads_stops_what_depends_on_it_and_leaves_the_watchdog_armed() {
    let dir = tempfile::tempdir().unwrap();
    let (ran, dog) = (dir.path().join("ran"), dir.path().join("dog"));
    let prepared = Prepared::spawn(&format!("echo $PALISADE_REASON > {}", ran.display())).ok().unwrap();
    let contest = contest();
    let key = Key::from_u64(7);
    let until = clock::now() + Duration::from_secs(60);
    let defender = taken_over(&contest, key, until, None);
    let watched = Watched { pacer: Box::new(SystemPacer::deaf()), watching: None };
    let end = keep(
        defender,
        Err(std::io::Error::other("no more threads")),
        desk(Some(Watchdog::stand_in(&dog, Duration::from_secs(5)).unwrap())),
        watched,
        Some(prepared),
        Duration::from_secs(60),
    );
    let KeeperEnd::NoThreads(e, stopped) = end else { panic!("it began") };
    assert_eq!((e.to_string().as_str(), stopped.as_str()), ("no more threads", "--on-deposed ended well"));
    assert_eq!(std::fs::read_to_string(ran).unwrap(), "expired\n");
    assert!(!std::fs::read(dog).unwrap().contains(&b'V'), "armed: it was not this defence that began");
}

fn contest() -> Contest {
    Contest {
        cluster: arbitrate::key::ClusterId::of_name("t"),
        node: arbitrate::key::NodeNumber::new(1).unwrap(),
        kind: arbitrate::codec::pr::ReservationType::WriteExclusiveRegistrantsOnly,
        timing: Timing::profile(Profile::Classic),
        command_timeout: Duration::from_secs(3),
        aptpl: arbitrate::codec::pr::Aptpl::No,
        nexus_key: None,
        formatted: None,
        rules: Rules::default(),
    }
}
