//! A tick over several paths allocates nothing (design section 10), not even when it changes paths.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is a failure")]

mod counting;

use counting::allocations;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arbitrate::clock::now;
use arbitrate::codec::Status;
use arbitrate::codec::pr::read_keys_cdb;
use arbitrate::device::classify::{Class, classify};
use arbitrate::device::multipath::failover::Failover;
use arbitrate::device::{
    Completion, Data, Delivery, Escalate, Request, ResetError, ResetScope, ScsiDevice, TransportError,
};
use arbitrate::protocol::{Lease, Profile, Timing};
use arbitrate::runtime::paths::Board;
use arbitrate::time::Instant;

struct Path(Arc<AtomicBool>);

impl ScsiDevice for Path {
    fn name(&self) -> &'static str {
        "path"
    }
    fn execute(&mut self, _: Request<'_>) -> Completion {
        if self.0.load(Ordering::Acquire) {
            let lost = TransportError { host: 1, driver: 0, errno: 0 };
            return Completion::unanswered(Delivery::Lost(lost), Duration::ZERO);
        }
        Completion::answered(Status::GOOD, 0, Duration::ZERO)
    }
    fn reset(&mut self, _: ResetScope, _: Escalate, _: Instant) -> Result<(), ResetError> {
        Err(ResetError::Unsupported)
    }
    fn own_transport_id(&self) -> Option<Vec<u8>> {
        None
    }
}

#[test]
fn a_tick_over_a_failing_path_allocates_nothing() {
    let dead: [Arc<AtomicBool>; 3] = std::array::from_fn(|_| Arc::default());
    let path = |n: usize| Box::new(Path(Arc::clone(&dead[n]))) as Box<dyn ScsiDevice>;
    let mut unit = Failover::new("unit", vec![path(0), path(1)]);
    let board = Board::new(Timing::profile(Profile::Fast));
    let paths = unit.paths();
    // One that joins, made ready beside the tick.
    assert!(paths.join(2, &mut || Some(path(2))));
    paths.set_usable(2, true);
    let before = allocations();
    for n in 0..3 {
        let mut buf = [0; 8];
        let deadline = now() + Duration::from_secs(1);
        let done = unit.execute(Request { cdb: read_keys_cdb(8), data: Data::In(&mut buf), deadline });
        assert_eq!(classify(&done), Class::Good);
        let from = now();
        board.confirmed(Lease { from, until: from + Duration::from_secs(1) });
        if let Some(d) = dead.get(n).filter(|_| n < 2) {
            d.store(true, Ordering::Release);
        }
    }
    assert_eq!(allocations(), before);
    assert_eq!(paths.current(), 2, "both of the first paths were left");
}
