//! A fence of 1, 8 and 64 devices on which every command takes 5 ms, and of one that takes none.
//!
//! What is measured is `FenceCrew::fence`: from the decision to the receipt.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run may stop")]

use std::time::Duration;

use arbitrate::codec::Status;
use arbitrate::codec::pr::{
    Abort, FullStatus, Generation, PERSISTENT_RESERVE_OUT, RegisteredPort, Registration, ReservationType,
};
use arbitrate::device::sim::InitiatorName;
use arbitrate::device::{Completion, Data, Delivery, Escalate, Request, ResetError, ResetScope, ScsiDevice};
use arbitrate::key::{ClusterId, Incarnation, Key, KeyParts, NodeNumber, Stance};
use arbitrate::protocol::fence::{
    Drain, FenceEnd, FenceOrder, Holders, How, Protection, SilentPaths, Victim, Way,
};
use arbitrate::runtime::fence::{FenceCrew, Member};
use arbitrate::time::Instant;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

fn key(n: u32) -> Key {
    let (cluster, node) = (ClusterId::of_name("bench"), NodeNumber::new(n).unwrap());
    KeyParts { cluster, node, stance: Stance::Settled, incarnation: Incarnation::new(1).unwrap() }.key()
}

/// Takes `delay` for every command. Its victim is there again after each fence.
struct Slow {
    delay: Duration,
    held: Vec<u8>,
    fenced: Vec<u8>,
    preempted: bool,
}

impl Slow {
    fn new(delay: Duration) -> Self {
        let name: InitiatorName = "x".parse().unwrap();
        let look = |keys: &[Key]| {
            let registrations = keys
                .iter()
                .map(|k| Registration {
                    key: *k,
                    holds: (*k == key(1)).then_some(ReservationType::WriteExclusiveRegistrantsOnly),
                    port: RegisteredPort::One(1),
                    transport_id: name.transport_id(),
                })
                .collect();
            FullStatus { generation: Generation(3), registrations }.emit()
        };
        Self { delay, held: look(&[key(1), key(2)]), fenced: look(&[key(1)]), preempted: false }
    }
}

impl ScsiDevice for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn execute(&mut self, r: Request<'_>) -> Completion {
        if !self.delay.is_zero() {
            std::thread::sleep(self.delay);
        }
        if r.cdb.opcode() == PERSISTENT_RESERVE_OUT {
            self.preempted = true;
            return Completion::answered(Status::GOOD, 0, self.delay);
        }
        let Data::In(buf) = r.data else { return Completion::unanswered(Delivery::DeviceLost, self.delay) };
        let answer = if self.preempted { &self.fenced } else { &self.held };
        // The read-back ends a fence; the next one finds the victim registered again.
        self.preempted = false;
        buf[..answer.len()].copy_from_slice(answer);
        let residual = u32::try_from(buf.len() - answer.len()).unwrap();
        Completion::answered(Status::GOOD, residual, self.delay)
    }

    fn reset(&mut self, _: ResetScope, _: Escalate, _: Instant) -> Result<(), ResetError> {
        Err(ResetError::Unsupported)
    }

    fn own_transport_id(&self) -> Option<Vec<u8>> {
        None
    }
}

fn fence(c: &mut Criterion) {
    let cluster = ClusterId::of_name("bench");
    let order = FenceOrder {
        cluster,
        victim: Victim::Node(cluster, NodeNumber::new(2).unwrap()),
        protection: Protection::Required(None),
        abort: Abort::Yes,
        drain: Drain::AbortOnly,
        holders: Holders::Cluster,
        silent_paths: SilentPaths::NotProven,
        command_timeout: Duration::from_secs(3),
        budget: Duration::from_secs(10),
    };
    let mut group = c.benchmark_group("fence");
    group.sample_size(20);
    for (name, delay, devices) in [
        ("instant commands", Duration::ZERO, &[1usize, 64][..]),
        ("5 ms a command", Duration::from_millis(5), &[1, 8, 64]),
    ] {
        for n in devices {
            let members = (0..*n)
                .map(|_| Member {
                    paths: vec![Box::new(Slow::new(delay))],
                    own: Some(key(1)),
                    way: Way::FullStatus,
                })
                .collect();
            let mut crew = FenceCrew::prepare(members, || {}).unwrap();
            group.bench_with_input(BenchmarkId::new(name, n), n, |b, _| {
                b.iter(|| {
                    let reports = crew.fence(&order);
                    assert!(reports.iter().all(|r| r.end == FenceEnd::Confirmed(How::Done)));
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, fence);
criterion_main!(benches);
