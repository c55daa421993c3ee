//! What is measured, part by part.

use std::path::PathBuf;
use std::time::Duration;

use arbitrate::clock;
use arbitrate::codec::pr::{Abort, Aptpl, PrOut, ReservationType};
use arbitrate::device::ScsiDevice;
use arbitrate::device::sim::SCHEME;
use arbitrate::key::{ClusterId, Incarnation, Key, KeyParts, NodeNumber, Stance};
use arbitrate::protocol::fence::{
    Drain, FenceEnd, FenceOrder, Holders, How, Protection, SilentPaths, Victim, Way,
};
use arbitrate::protocol::{ChallengeNote, Command, DefenceNote, FedWatchdog, Profile, Reply, Rules, Timing};
use arbitrate::runtime::contest::{Audience, Contest, ContestEnd};
use arbitrate::runtime::executor::{Executor, Unobserved};
use arbitrate::runtime::fence::{FenceCrew, Member};
use arbitrate::runtime::lives::LivesFile;
use arbitrate::runtime::pacer::{Pacer, SystemPacer, Woke};
use arbitrate::runtime::store::Place;
use arbitrate::time::Instant;

use crate::cli::exit::Exit;
use crate::cli::output::Failure;
use crate::cli::words;

const CLUSTER: &str = "arbitrate-bench";
const KIND: ReservationType = ReservationType::WriteExclusiveRegistrantsOnly;

/// What every part needs.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) device: &'a str,
    pub(super) count: u32,
    pub(super) timeout: Duration,
}

type Times = Result<Vec<Duration>, Failure>;

impl Run<'_> {
    fn failed(&self, what: &str, answer: String) -> Failure {
        let next = "look with `arbitrate inspect`; keys of this benchmark go with `arbitrate clear`";
        Failure::new(Exit::Refused, format!("measuring {what} on {}", self.device), answer, next)
    }

    fn one(&self, on: &mut Executor<'_>, c: &Command, what: &str) -> Result<(), Failure> {
        match on.run(c, clock::now() + self.timeout, &mut SystemPacer::deaf()) {
            Reply::Good | Reply::Keys(_) | Reply::Reservation(_) => Ok(()),
            other => Err(self.failed(what, words::no_answer(other.why()))),
        }
    }

    fn many(&self, device: &mut dyn ScsiDevice, what: &str, commands: &[Command]) -> Times {
        let mut unobserved = Unobserved;
        let mut on = Executor::new(device, &mut unobserved);
        let mut times = Vec::new();
        for c in commands {
            self.one(&mut on, c, what)?;
        }
        for _ in 0..self.count {
            let began = clock::now();
            for c in commands {
                self.one(&mut on, c, what)?;
            }
            times.push(clock::now().since(began));
        }
        Ok(times)
    }

    pub(super) fn read_keys(&self, device: &mut dyn ScsiDevice) -> Times {
        self.many(device, "READ KEYS", &[Command::ReadKeys])
    }

    pub(super) fn tick(&self, device: &mut dyn ScsiDevice) -> Times {
        self.many(device, "a tick", &[Command::ReadKeys, Command::ReadReservation])
    }

    /// Challenges for the free device; what is measured is everything but the waiting.
    pub(super) fn challenge(&self, device: &mut dyn ScsiDevice) -> Times {
        const WHAT: &str = "a challenge";
        let folder = Folder::new();
        let (cluster, node) = (ClusterId::of_name(CLUSTER), node(1));
        let place = Place::new(&folder.0, cluster, node, "bench");
        let mut lives =
            LivesFile::open(place, cluster, node).map_err(|e| self.failed(WHAT, e.to_string()))?;
        // A real disk may be slow; the window is waited and not counted.
        let profile = if self.device.starts_with(SCHEME) { Profile::Fast } else { Profile::Classic };
        let contest = Contest {
            cluster,
            node,
            kind: KIND,
            timing: Timing::profile(profile),
            command_timeout: self.timeout,
            aptpl: Aptpl::No,
            nexus_key: None,
            formatted: None,
            rules: Rules::default(),
        };
        let mut unobserved = Unobserved;
        let mut on = Executor::new(device, &mut unobserved);
        let mut times = Vec::new();
        for _ in 0..(self.count / 100).max(3) {
            let mut pacer = Waited { inner: SystemPacer::deaf(), waited: Duration::ZERO };
            let began = clock::now();
            let end = contest
                .run(&mut lives, &mut on, &mut pacer, &mut Silent)
                .map_err(|e| self.failed(WHAT, e.to_string()))?;
            times.push(clock::now().since(began).saturating_sub(pacer.waited));
            let ContestEnd::Owned { defender, .. } = end else {
                return Err(self.failed(WHAT, "it was not won: somebody else uses this device".into()));
            };
            self.unregister(&mut on, defender.key())?;
        }
        Ok(times)
    }

    /// Fences `victim`, which registers again under a new key before each: from the decision to the
    /// receipt, the threads' hand-over included.
    pub(super) fn fence(&self, device: Box<dyn ScsiDevice>, victim: &mut dyn ScsiDevice) -> Times {
        const WHAT: &str = "a fence";
        let cluster = ClusterId::of_name(CLUSTER);
        let key = |n: u8, life: u32| key(cluster, n, life);
        let own = key(1, 1).ok_or_else(|| self.failed(WHAT, "no key".into()))?;
        let mut device = device;
        let mut quiet = Unobserved;
        {
            let mut on = Executor::new(device.as_mut(), &mut quiet);
            let out = PrOut::register(Key::default(), own, Aptpl::No);
            self.one(&mut on, &Command::Out(out), WHAT)?;
            self.one(&mut on, &Command::Out(PrOut::reserve(own, KIND)), WHAT)?;
        }
        let member = Member { paths: vec![device], own: Some(own), way: Way::FullStatus };
        let mut crew =
            FenceCrew::prepare(vec![member], || {}).map_err(|e| self.failed(WHAT, e.to_string()))?;
        let order = FenceOrder {
            cluster,
            victim: Victim::Node(cluster, node(2)),
            protection: Protection::Required(None),
            abort: Abort::Yes,
            drain: Drain::AbortOnly,
            holders: Holders::Cluster,
            silent_paths: SilentPaths::NotProven,
            command_timeout: self.timeout,
            budget: self.timeout * 4,
        };
        let mut times = Vec::new();
        let mut noise = Unobserved;
        let mut on = Executor::new(victim, &mut noise);
        for life in 1..=self.count {
            let fresh = key(2, life).ok_or_else(|| self.failed(WHAT, "no key".into()))?;
            self.one(&mut on, &Command::Out(PrOut::register(Key::default(), fresh, Aptpl::No)), WHAT)?;
            let decided = clock::now();
            let end = crew.fence(&order).first().map(|r| r.end);
            times.push(clock::now().since(decided));
            if end != Some(FenceEnd::Confirmed(How::Done)) {
                return Err(self.failed(WHAT, format!("it was not proven: {end:?}")));
            }
        }
        Ok(times)
    }

    /// Takes this benchmark's own key off again.
    pub(super) fn tidy(&self, device: &mut dyn ScsiDevice) -> Result<(), Failure> {
        let Some(own) = key(ClusterId::of_name(CLUSTER), 1, 1) else { return Ok(()) };
        let mut unobserved = Unobserved;
        self.unregister(&mut Executor::new(device, &mut unobserved), own)
    }

    fn unregister(&self, on: &mut Executor<'_>, key: Key) -> Result<(), Failure> {
        let out = PrOut::register(key, Key::default(), Aptpl::No);
        self.one(on, &Command::Out(out), "giving the device back")
    }
}

fn node(n: u8) -> NodeNumber {
    // 1 and 2 are numbers of nodes; the fallback is never reached.
    NodeNumber::new(u32::from(n)).unwrap_or_else(|_| node(1))
}

fn key(cluster: ClusterId, n: u8, life: u32) -> Option<Key> {
    let incarnation = Incarnation::new(life).ok()?;
    Some(KeyParts { cluster, node: node(n), stance: Stance::Settled, incarnation }.key())
}

/// A folder that goes with the benchmark.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("arbitrate-bench-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What could not be removed is a few bytes in the folder for such.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Real time that counts what was waited.
struct Waited {
    inner: SystemPacer,
    waited: Duration,
}

impl Pacer for Waited {
    fn now(&self) -> Instant {
        self.inner.now()
    }
    fn wait(&mut self, until: Instant) -> Woke {
        let began = self.now();
        let woke = self.inner.wait(until);
        self.waited += self.now().since(began);
        woke
    }
    fn pause(&mut self, d: Duration) {
        self.inner.pause(d);
    }
}

struct Silent;

impl Audience for Silent {
    fn challenge(&mut self, _: Instant, _: &ChallengeNote) {}
    fn defence(&mut self, _: Instant, _: &DefenceNote) {}
    fn before_ownership(&mut self) -> Option<FedWatchdog> {
        None
    }
}
