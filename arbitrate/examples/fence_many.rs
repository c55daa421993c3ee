//! Fences of 1, 8 and 64 devices on which every command takes a while: `fence_many [ROUNDS]`.
//!
//! What is measured is `FenceCrew::fence`: from the decision to the receipt (docs/bench-fencing.md).

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run may stop")]

use std::time::Duration;

use arbitrate::clock;
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

/// The median of `rounds` fences of `n` devices, each taking `delay` for every command.
fn fence(n: usize, delay: Duration, rounds: usize) -> Duration {
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
    let members = (0..n)
        .map(|_| Member {
            paths: vec![Box::new(Slow::new(delay)) as Box<dyn ScsiDevice>],
            own: Some(key(1)),
            way: Way::FullStatus,
        })
        .collect();
    let mut crew = FenceCrew::prepare(members, || {}).unwrap();
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let decided = clock::now();
            let reports = crew.fence(&order);
            assert!(reports.iter().all(|r| r.end == FenceEnd::Confirmed(How::Done)));
            clock::now().since(decided)
        })
        .collect();
    times.sort_unstable();
    times[rounds / 2]
}

fn main() {
    let rounds = std::env::args().nth(1).map_or(21, |n| n.parse().unwrap());
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    println!("{:>14}{:>10}{:>14}{:>12}", "ms a command", "devices", "median, ms", "x one");
    for delay in [0, 1, 5, 20] {
        let delay = Duration::from_millis(delay);
        let one = fence(1, delay, rounds);
        for n in [1, 8, 64] {
            let t = if n == 1 { one } else { fence(n, delay, rounds) };
            let times = t.as_secs_f64() / one.as_secs_f64();
            println!("{:>14}{n:>10}{:>14.3}{times:>12.2}", delay.as_millis(), ms(t));
        }
    }
}
