//! A race on embedded disks, of which one swallows commands for a while.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::codec::pr::{Aptpl, ReservationType};
use crate::device::{Completion, Escalate, Request, ResetError, ResetScope, ScsiDevice};
use crate::key::{ClusterId, Incarnation, Key, NodeNumber};
use crate::protocol::{
    ChallengeSetup, Configured, Lives, RaceEnd, RaceSetup, Rules, Standing, Timing, TimingSpec, Weight,
};

const DEVICES: usize = 3;
const PATIENCE: Duration = Duration::from_secs(60);

/// A handle whose commands end only while the gate is open.
struct Swallows {
    inner: Box<dyn ScsiDevice>,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
    /// Somebody is stuck.
    stuck: AtomicBool,
}

impl Gate {
    fn set(&self, closed: bool) {
        *self.closed.lock().unwrap() = closed;
        self.opened.notify_all();
    }
}

impl ScsiDevice for Swallows {
    fn name(&self) -> &str {
        self.inner.name()
    }
    fn execute(&mut self, r: Request<'_>) -> Completion {
        let mut closed = self.gate.closed.lock().unwrap();
        while *closed {
            self.gate.stuck.store(true, Ordering::Release);
            closed = self.gate.opened.wait(closed).unwrap();
        }
        drop(closed);
        self.inner.execute(r)
    }
    fn reset(&mut self, _: ResetScope, _: Escalate, _: Instant) -> Result<(), ResetError> {
        Err(ResetError::Unsupported)
    }
    fn own_transport_id(&self) -> Option<Vec<u8>> {
        None
    }
}

struct Finder {
    path: PathBuf,
    gate: Arc<Gate>,
    life: u32,
    ghosts: Vec<Key>,
}

fn timing() -> Timing {
    let ms = Duration::from_millis;
    let spec = TimingSpec {
        tick: ms(300),
        tick_budget: ms(300),
        margin: ms(1000),
        window: ms(2000),
        watchdog: None,
    };
    Timing::new(spec).unwrap()
}

impl Scout for Finder {
    fn find(&mut self) -> Option<Found> {
        let spec = format!("sim:{}?as=me", self.path.display());
        self.life += 1;
        let setup = ChallengeSetup {
            lives: Lives::new(ClusterId::of_name("t"), NodeNumber::new(1).unwrap(), &self.ghosts),
            incarnation: Incarnation::new(self.life).unwrap(),
            nexus_ghost: self.ghosts.last().copied(),
            kind: ReservationType::WriteExclusiveRegistrantsOnly,
            aptpl: Aptpl::No,
            timing: timing(),
            command_timeout: Duration::from_millis(300),
            mark: None,
            rules: Rules::default(),
        };
        let life = crate::protocol::Challenger::new(setup.clone());
        self.ghosts.extend([life.flagged_key(), life.settled_key()]);
        let handle = || -> Box<dyn ScsiDevice> {
            let inner = crate::device::open::open(&spec).unwrap();
            Box::new(Swallows { inner, gate: Arc::clone(&self.gate) })
        };
        Some(Found { devices: (0..3).map(|_| handle()).collect(), setup })
    }
}

struct Teller(Sender<RaceNote>);

impl Hearer for Teller {
    fn note(&mut self, _: Instant, note: &RaceNote) {
        let _ = self.0.send(*note);
    }
    fn sent(&mut self, _: usize, _: &Sent) {}
    fn attention(&mut self, _: usize, _: Sense) {}
}

/// Keeps the time of the whole until told to end.
fn keep_time(all: &Arc<Coordinator<Teller>>) -> std::thread::JoinHandle<()> {
    let all = Arc::clone(all);
    std::thread::spawn(move || {
        use nix::poll::{PollFd, PollFlags, PollTimeout};
        loop {
            all.hush();
            let (due, end) = all.look(|race, _| (race.due(now()), race.end()));
            if end.is_some() {
                return;
            }
            let left = due.map_or(PATIENCE, |d| d.since(now()));
            if left.is_zero() {
                all.tell(RaceEvent::Wake);
                continue;
            }
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let _ = nix::poll::poll(&mut [PollFd::new(all.bell(), PollFlags::POLLIN)], timeout);
        }
    })
}

fn await_note(notes: &Receiver<RaceNote>, like: impl Fn(&RaceNote) -> bool) -> RaceNote {
    loop {
        let note = notes.recv_timeout(PATIENCE).expect("it never came");
        if like(&note) {
            return note;
        }
    }
}

#[test]
fn a_device_that_swallows_commands_holds_up_no_other_and_returns_under_a_new_key() {
    let dir = tempfile::tempdir().unwrap();
    let gates: Vec<Arc<Gate>> = (0..DEVICES).map(|_| Arc::default()).collect();
    let race = Race::new(RaceSetup {
        configured: Configured::new(DEVICES).unwrap(),
        timing: timing(),
        weight: Weight::HEAVIEST,
        seed: 1,
        attempts: 1,
        watchdog: None,
        rules: Rules::default(),
    });
    let (tell, notes) = channel();
    let all = Coordinator::new(race, Teller(tell)).unwrap();
    for (i, gate) in gates.iter().enumerate() {
        let path = dir.path().join(format!("d{i}"));
        let small = crate::device::sim::CreateOptions { blocks: 64, ..Default::default() };
        crate::device::sim::SimDevice::create(&path, &small).unwrap();
        let finder = Finder { path, gate: Arc::clone(gate), life: 0, ghosts: Vec::new() };
        all.attend(i, finder, Start::Find, || {}).unwrap();
    }
    let keeper = keep_time(&all);
    for _ in 0..DEVICES {
        await_note(&notes, |n| matches!(n, RaceNote::Settled(_, Standing::Held)));
    }
    let before = all.look(|race, _| race.key(0)).unwrap();

    gates[0].set(true);
    await_note(&notes, |n| matches!(n, RaceNote::Settled(0, Standing::Ended(_))));
    assert!(gates[0].stuck.load(Ordering::Acquire));
    assert!(all.look(|race, _| race.owns(now())).is_some(), "the other two are a majority");
    await_note(&notes, |n| matches!(n, RaceNote::Settled(0, Standing::Missing)));
    await_note(&notes, |n| matches!(n, RaceNote::Confirmed { .. }));

    gates[0].set(false);
    await_note(&notes, |n| matches!(n, RaceNote::Settled(0, Standing::Held)));
    assert_ne!(all.look(|race, _| race.key(0)).unwrap(), before, "a fresh life");

    all.tell(RaceEvent::Release);
    keeper.join().unwrap();
    assert_eq!(all.look(|race, _| race.end()), Some(RaceEnd::Released));
}
