//! What a challenge costs beside its window: everything but the waiting, on the embedded disk.
//!
//! Waits pass at once here (virtual time), so what is measured is the rest: files made durable,
//! commands, decisions.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run may stop")]

use std::time::Duration;

use arbitrate::clock;
use arbitrate::codec::pr::{Aptpl, ReservationType};
use arbitrate::device::sim::{CreateOptions, SimDevice};
use arbitrate::key::{ClusterId, NodeNumber};
use arbitrate::protocol::{ChallengeNote, DefenceNote, FedWatchdog, Profile, Rules, Timing};
use arbitrate::runtime::contest::{Audience, Contest, ContestEnd};
use arbitrate::runtime::executor::{Executor, Unobserved};
use arbitrate::runtime::lives::LivesFile;
use arbitrate::runtime::pacer::{Pacer, Woke};
use arbitrate::runtime::store::Place;
use arbitrate::time::Instant;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

/// Real time for commands, none for waits.
struct Hurried {
    skipped: Duration,
}

impl Pacer for Hurried {
    fn now(&self) -> Instant {
        clock::now() + self.skipped
    }
    fn wait(&mut self, until: Instant) -> Woke {
        self.skipped += until.since(self.now());
        Woke::Time
    }
    fn pause(&mut self, d: Duration) {
        self.skipped += d;
    }
}

struct Deaf;

impl Audience for Deaf {
    fn challenge(&mut self, _: Instant, _: &ChallengeNote) {}
    fn defence(&mut self, _: Instant, _: &DefenceNote) {}
    fn before_ownership(&mut self) -> Option<FedWatchdog> {
        None
    }
}

fn challenge(c: &mut Criterion) {
    let timing = Timing::profile(Profile::Classic);
    let (cluster, node) = (ClusterId::of_name("bench"), NodeNumber::new(1).unwrap());
    c.bench_function("challenge/all but the window", |b| {
        b.iter_batched(
            || {
                let dir = tempfile::tempdir().unwrap();
                let path = dir.path().join("disk");
                SimDevice::create(&path, &CreateOptions::default()).unwrap();
                let device = SimDevice::open(&format!("sim:{}?as=a", path.display())).unwrap();
                let place = Place::new(dir.path(), cluster, node, "disk");
                (dir, device, LivesFile::open(place, cluster, node).unwrap())
            },
            |(dir, mut device, mut lives)| {
                let contest = Contest {
                    cluster,
                    node,
                    kind: ReservationType::WriteExclusiveRegistrantsOnly,
                    timing,
                    command_timeout: Duration::from_secs(3),
                    aptpl: Aptpl::No,
                    nexus_key: None,
                    formatted: None,
                    rules: Rules::default(),
                };
                let mut unobserved = Unobserved;
                let mut on = Executor::new(&mut device, &mut unobserved);
                let mut pacer = Hurried { skipped: Duration::ZERO };
                let began = pacer.now();
                let end = contest.run(&mut lives, &mut on, &mut pacer, &mut Deaf).unwrap();
                assert!(matches!(end, ContestEnd::Owned { .. }), "{end:?}");
                assert!(pacer.now().since(began) >= timing.spec().window, "the window was waited");
                dir
            },
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(benches, challenge);
criterion_main!(benches);
