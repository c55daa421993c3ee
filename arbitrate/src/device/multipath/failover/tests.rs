//! Which path a command goes over when paths fail, hang, come back and are added.

use std::sync::atomic::AtomicU8;

use super::*;
use crate::codec::Status;
use crate::codec::pr::{PrOut, read_keys_cdb};
use crate::device::TransportError;
use crate::key::Key;

const FINE: u8 = 0;
const DEAD: u8 = 1;

/// A path that works or not, and remembers what came over it.
struct Path {
    state: Arc<AtomicU8>,
    seen: Arc<AtomicU32>,
}

struct Watch {
    state: Arc<AtomicU8>,
    seen: Arc<AtomicU32>,
}

impl Watch {
    fn new() -> Self {
        Self { state: Arc::default(), seen: Arc::default() }
    }
    fn path(&self) -> Handle {
        Box::new(Path { state: Arc::clone(&self.state), seen: Arc::clone(&self.seen) })
    }
    fn set(&self, state: u8) {
        self.state.store(state, Ordering::Release);
    }
    fn seen(&self) -> u32 {
        self.seen.load(Ordering::Acquire)
    }
}

impl ScsiDevice for Path {
    fn name(&self) -> &'static str {
        "path"
    }
    fn execute(&mut self, _: Request<'_>) -> Completion {
        self.seen.fetch_add(1, Ordering::AcqRel);
        if self.state.load(Ordering::Acquire) == FINE {
            return Completion::answered(Status::GOOD, 0, Duration::ZERO);
        }
        let lost = TransportError { host: 1, driver: 0, errno: 0 };
        Completion::unanswered(Delivery::Lost(lost), Duration::ZERO)
    }
    fn reset(&mut self, _: ResetScope, _: Escalate, _: Instant) -> Result<(), ResetError> {
        Err(ResetError::Unsupported)
    }
    fn own_transport_id(&self) -> Option<Vec<u8>> {
        None
    }
}

fn read(d: &mut Failover) -> Class {
    let mut buf = [0; 8];
    let deadline = now() + Duration::from_secs(1);
    classify(&d.execute(Request { cdb: read_keys_cdb(8), data: Data::In(&mut buf), deadline }))
}

fn change(d: &mut Failover) -> Class {
    let out = PrOut::clear(Key::from_u64(1));
    let deadline = now() + Duration::from_secs(1);
    classify(&d.execute(Request { cdb: out.basic_cdb(), data: Data::Out(&out.list.emit()), deadline }))
}

fn two() -> (Failover, Watch, Watch) {
    let (a, b) = (Watch::new(), Watch::new());
    (Failover::new("u", vec![a.path(), b.path()]), a, b)
}

#[test]
fn a_read_goes_over_the_next_path_at_once() {
    let (mut d, a, b) = two();
    assert_eq!(read(&mut d), Class::Good);
    a.set(DEAD);
    assert_eq!(read(&mut d), Class::Good);
    assert_eq!((a.seen(), b.seen()), (2, 1));
    assert_eq!(read(&mut d), Class::Good);
    assert_eq!((a.seen(), b.seen()), (2, 2), "the dead path is left alone");
}

#[test]
fn a_change_is_sent_once_and_the_next_one_elsewhere() {
    let (mut d, a, b) = two();
    a.set(DEAD);
    assert!(matches!(change(&mut d), Class::TransportLost(_)));
    assert_eq!((a.seen(), b.seen()), (1, 0), "it may have been executed");
    assert_eq!(change(&mut d), Class::Good);
    assert_eq!((a.seen(), b.seen()), (1, 1));
}

#[test]
fn where_all_are_dead_each_is_tried_again() {
    let (mut d, a, b) = two();
    a.set(DEAD);
    b.set(DEAD);
    assert!(matches!(read(&mut d), Class::TransportLost(_)));
    a.set(FINE);
    b.set(FINE);
    assert_eq!(read(&mut d), Class::Good);
}

#[test]
fn a_path_with_a_command_that_never_came_back_is_passed_by() {
    let (mut d, a, b) = two();
    d.paths.slots[0].outstanding.fetch_add(1, Ordering::AcqRel);
    assert_eq!(read(&mut d), Class::Good);
    assert_eq!((a.seen(), b.seen()), (0, 1));
}

#[test]
fn a_path_that_joins_is_used_once_it_is_usable() {
    let (mut d, a, b) = two();
    let c = Watch::new();
    let paths = d.paths();
    assert!(paths.join(2, &mut || Some(c.path())));
    a.set(DEAD);
    b.set(DEAD);
    assert!(matches!(read(&mut d), Class::TransportLost(_)));
    assert_eq!(c.seen(), 0, "nothing says yet that it may be used");
    paths.set_usable(2, true);
    assert_eq!(read(&mut d), Class::Good);
    assert_eq!(c.seen(), 1);
}

#[test]
fn a_release_goes_over_the_first_path() {
    let (mut d, a, b) = two();
    a.set(DEAD);
    assert_eq!(read(&mut d), Class::Good);
    a.set(FINE);
    d.paths().set_usable(0, true);
    assert_eq!(read(&mut d), Class::Good);
    assert_eq!((a.seen(), b.seen()), (1, 2), "without need nothing is changed back");
    d.paths().leave();
    assert_eq!(change(&mut d), Class::Good);
    assert_eq!((a.seen(), b.seen()), (2, 2));
}
