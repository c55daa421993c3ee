//! The watch over an embedded unit whose ports come and go.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::*;
use crate::codec::pr::{PrOut, ReservationType};
use crate::device::multipath::failover::Failover;
use crate::device::sim::{CreateOptions, SimDevice};
use crate::device::{Data, Request};
use crate::protocol::{Lease, Profile};

const PATIENCE: Duration = Duration::from_secs(30);

struct Stage {
    dir: tempfile::TempDir,
    key: Key,
    ports: Arc<Mutex<Vec<PathSpec>>>,
    board: Arc<Board>,
    paths: Arc<Paths>,
    told: Receiver<Told>,
    watching: Option<Watching>,
    seen: Vec<Told>,
}

fn spec(dir: &tempfile::TempDir, port: u16) -> PathSpec {
    PathSpec::new(format!("sim:{}?as=a&port={port}", dir.path().join("disk").display()))
}

impl Stage {
    /// Node a holds the unit through port 1; its other ports are `ports`.
    fn new(ports: &[u16]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        SimDevice::create(&dir.path().join("disk"), &CreateOptions::default()).unwrap();
        let key = Key::from_u64(0xc1_0100_0005);
        let mut holder = spec(&dir, 1).open().unwrap();
        let kind = ReservationType::WriteExclusiveRegistrantsOnly;
        for out in [PrOut::register(Key::default(), key, Aptpl::No), PrOut::reserve(key, kind)] {
            send(holder.as_mut(), &out);
        }
        let unit = spec(&dir, 1).identify().unwrap().1.to_string();
        let timing = Timing::profile(Profile::Fast);
        let ports: Vec<PathSpec> = ports.iter().map(|p| spec(&dir, *p)).collect();
        let ports = Arc::new(Mutex::new(ports));
        let board = Arc::new(Board::new(timing));
        let device = Failover::new(&unit, vec![holder]);
        let paths = device.paths();
        let (tell, told) = channel();
        let source = Arc::clone(&ports);
        let watch = Watch {
            unit,
            holder: spec(&dir, 1),
            source: Box::new(move || source.lock().unwrap().clone()),
            key,
            ghosts: Vec::new(),
            aptpl: Aptpl::No,
            timing,
            kind,
            paths: Arc::clone(&paths),
            board: Arc::clone(&board),
            tell,
            ring: Box::new(|| {}),
        };
        let watching = Some(watch.start().unwrap());
        Self { dir, key, ports, board, paths, told, watching, seen: Vec::new() }
    }

    fn keys(&self) -> usize {
        SimDevice::show(&self.dir.path().join("disk")).unwrap().unit.reservations().keys().len()
    }

    /// Ticks until `what` is told of `port`.
    fn until(&mut self, port: u16, what: &What) {
        let (path, end) = (spec(&self.dir, port), now() + PATIENCE);
        while now() < end {
            if let Ok(t) = self.told.recv_timeout(Duration::from_millis(20)) {
                let found = t.path == path && t.what == *what;
                self.seen.push(t);
                if found {
                    return;
                }
            }
            if self.board.running() {
                self.lease_a_while();
            }
        }
        panic!("{what:?} was never told: {:#?}", self.seen);
    }

    /// A lease from now on, as a tick begun now gives it.
    /// Leases until so many paths are registered.
    fn until_keys(&self, paths: usize, end: Instant) {
        while self.keys() < paths && now() < end {
            self.lease_a_while();
            self.board.wait(now() + Duration::from_millis(20));
        }
    }

    fn lease_a_while(&self) {
        let spec = Timing::profile(Profile::Fast).spec();
        let from = now();
        self.board.confirmed(Lease { from, until: from + (spec.window - spec.margin) });
    }
}

fn send(device: &mut dyn ScsiDevice, out: &PrOut) {
    let deadline = now() + PATIENCE;
    let done = device.execute(Request { cdb: out.basic_cdb(), data: Data::Out(&out.list.emit()), deadline });
    assert_eq!(crate::device::classify::classify(&done), crate::device::classify::Class::Good);
}

fn holders(device: &mut dyn ScsiDevice) -> Option<Key> {
    let mut deaf = crate::runtime::executor::Unobserved;
    let mut on = crate::runtime::executor::Executor::new(device, &mut deaf);
    let mut pacer = crate::runtime::pacer::SystemPacer::deaf();
    let read = crate::protocol::Command::ReadReservation;
    match on.run(&read, now() + PATIENCE, &mut pacer) {
        crate::protocol::Reply::Reservation(r) => r.holder.map(|h| h.key),
        r => panic!("{r:?}"),
    }
}

const REGISTERED: What = What::Note(PathNote::Registered);

#[test]
fn a_path_that_appears_later_is_registered_before_it_is_used() {
    let mut s = Stage::new(&[1]);
    s.lease_a_while();
    assert_eq!(s.keys(), 1);
    s.ports.lock().unwrap().push(spec(&s.dir, 2));
    s.until(2, &What::Found);
    assert!(!s.paths.usable(1), "not yet registered");
    s.until(2, &REGISTERED);
    assert_eq!(s.keys(), 2);
    let limit = now() + PATIENCE;
    while !s.paths.usable(1) && now() < limit {
        s.board.wait(limit);
    }
    assert!(s.paths.usable(1));
}

#[test]
fn without_a_lease_nothing_is_registered() {
    let mut s = Stage::new(&[1, 2]);
    let path = spec(&s.dir, 2);
    let end = now() + Duration::from_secs(1);
    while now() < end {
        if let Ok(t) = s.told.recv_timeout(Duration::from_millis(50)) {
            assert!(!(t.path == path && matches!(t.what, What::Note(_))), "{t:?}");
            s.seen.push(t);
        }
    }
    assert_eq!(s.keys(), 1);
    s.until(2, &REGISTERED);
}

#[test]
fn another_units_disk_is_no_path() {
    let mut s = Stage::new(&[1]);
    let other = s.dir.path().join("other");
    SimDevice::create(&other, &CreateOptions::default()).unwrap();
    let other = PathSpec::new(format!("sim:{}?as=a", other.display()));
    s.ports.lock().unwrap().push(other.clone());
    let told = s.told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(told.path, other);
    assert!(matches!(&told.what, What::NotAPath(why) if why.contains("naa.")), "{told:?}");
    s.seen.push(told);
}

#[test]
fn a_clean_end_takes_every_further_path_off_first() {
    let mut s = Stage::new(&[1, 2, 3]);
    s.until(2, &REGISTERED);
    let end = now() + PATIENCE;
    s.until_keys(3, end);
    assert_eq!(s.keys(), 3);
    s.paths.leave();
    s.board.leave();
    while !s.board.all_ended() && now() < end {
        s.board.wait(end);
    }
    assert_eq!(s.keys(), 1, "the holder's is the defender's to give back");
    assert_eq!(s.watching.take().unwrap().finish(now() + PATIENCE), []);
}

/// A stop at a moment when the path that took the reservation does not answer, while another does.
#[test]
fn a_clean_end_over_another_path_never_lets_the_reservation_go() {
    let mut s = Stage::new(&[1, 2, 3]);
    s.until(2, &REGISTERED);
    let end = now() + PATIENCE;
    s.until_keys(3, end);
    let mut watch = spec(&s.dir, 9).open().unwrap();
    let held = holders(watch.as_mut());
    assert!(held.is_some());
    // Its own thread may say at any moment that it answers.
    while s.paths.last().is_none_or(|l| l == 0) && now() < end {
        s.paths.set_usable(0, false);
        s.paths.leave();
    }
    // It answers again by now: what it is told to do, it does.
    s.paths.set_usable(0, true);
    s.board.leave();
    while !s.board.all_ended() && now() < end {
        assert_eq!(holders(watch.as_mut()), held, "held until the defender itself gives it back");
        s.board.wait(now() + Duration::from_millis(1));
    }
    assert_eq!(holders(watch.as_mut()), held);
    assert_eq!(s.keys(), 1);
    let mut last = spec(&s.dir, 2).open().unwrap();
    send(last.as_mut(), &PrOut::release(s.key, ReservationType::WriteExclusiveRegistrantsOnly));
    assert_eq!(holders(watch.as_mut()), None, "it is the path that stays which holds");
    assert_eq!(s.watching.take().unwrap().finish(now() + PATIENCE), []);
}

#[test]
fn a_life_that_is_over_leaves_nothing_unconfirmed() {
    let mut s = Stage::new(&[1, 2]);
    s.lease_a_while();
    let path = spec(&s.dir, 2);
    // Stop right after the REGISTER was sent: whether a tick confirms in time or not, nothing is open.
    let end = now() + PATIENCE;
    while now() < end {
        let Ok(t) = s.told.recv_timeout(PATIENCE) else { break };
        let registering = t.path == path && matches!(t.what, What::Note(PathNote::Registering { .. }));
        s.seen.push(t);
        if registering {
            break;
        }
    }
    let left = s.watching.take().unwrap().finish(now() + PATIENCE);
    assert_eq!(left, []);
    assert_eq!(s.keys(), 1);
    assert!(!s.key.is_zero());
}
