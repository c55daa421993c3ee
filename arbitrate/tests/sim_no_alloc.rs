//! An embedded disk without faults costs a tick no memory, and one with faults for somebody else's
//! commands answers the same.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is a failure")]

mod counting;

use arbitrate::codec::pr::{
    Aptpl, PrOut, READ_RESERVATION_LEN, ReservationType, read_keys_cdb, read_reservation_cdb,
};
use arbitrate::codec::{Cdb, Status};
use arbitrate::device::sim::faults::{Effect, Filter, NewFault};
use arbitrate::device::sim::{CreateOptions, SimDevice};
use arbitrate::device::{Data, Delivery, Request, ScsiDevice};
use arbitrate::key::Key;
use arbitrate::time::Instant;
use counting::allocations;

fn good(d: &mut SimDevice, cdb: Cdb, data: Data<'_>) {
    let c = d.execute(Request { cdb, data, deadline: Instant::from_nanos(u64::MAX) });
    assert_eq!(c.delivery, Delivery::Answered(Status::GOOD));
}

/// Allocations of a hundred ticks and writes.
fn ticks(d: &mut SimDevice) -> u64 {
    let (mut keys, mut holder) = ([0; 1032], [0; READ_RESERVATION_LEN as usize]);
    let write = Cdb::new([0x2a, 0, 0, 0, 0, 1, 0, 0, 1, 0]);
    let before = allocations();
    for _ in 0..100 {
        good(d, read_keys_cdb(1032), Data::In(&mut keys));
        good(d, read_reservation_cdb(), Data::In(&mut holder));
        good(d, write, Data::Out(&[0x5a; 512]));
    }
    allocations() - before
}

#[test]
fn ticks_allocate_nothing_while_there_is_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk");
    SimDevice::create(&path, &CreateOptions::default()).unwrap();
    let mut d = SimDevice::open(&format!("sim:{}?as=a", path.display())).unwrap();
    let k = Key::from_u64(1);
    for c in [
        PrOut::register(Key::default(), k, Aptpl::Yes),
        PrOut::reserve(k, ReservationType::WriteExclusiveRegistrantsOnly),
    ] {
        good(&mut d, c.basic_cdb(), Data::Out(&c.list.emit()));
    }
    assert_eq!(ticks(&mut d), 0);
    // The counter counts: a fault of commands that nobody sends makes each look at it.
    let filter = Filter { opcode: Some(0xee), ..Filter::default() };
    let fault = NewFault { effect: Effect::Busy, filter, times: None, chance: None };
    SimDevice::inject(&path, fault).unwrap();
    assert!(ticks(&mut d) > 0);
    assert_eq!(SimDevice::mend(&path, None).unwrap(), 1);
    // Once to read the state that was changed.
    ticks(&mut d);
    assert_eq!(ticks(&mut d), 0);
}
