//! Commands per second of the embedded unit in its file, lock and state check included.

use std::hint::black_box;

use arbitrate::codec::pr::{Aptpl, PrOut, ReservationType, read_keys_cdb, read_reservation_cdb};
use arbitrate::codec::{Cdb, Status};
use arbitrate::device::sim::{CreateOptions, SimDevice};
use arbitrate::device::{Data, Delivery, Request, ScsiDevice};
use arbitrate::key::Key;
use arbitrate::time::Instant;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const TEST_UNIT_READY: Cdb = Cdb::new([0; 6]);
/// WRITE(10) of 8 blocks at LBA 8.
const WRITE: Cdb = Cdb::new([0x2a, 0, 0, 0, 0, 8, 0, 0, 8, 0]);
const REGISTRANTS: u64 = 16;

fn good(d: &mut SimDevice, cdb: Cdb, data: Data<'_>) {
    let done = d.execute(Request { cdb, data, deadline: Instant::from_nanos(u64::MAX) });
    assert_eq!(black_box(done).delivery, Delivery::Answered(Status::GOOD));
}

fn pr_out(d: &mut SimDevice, c: &PrOut) {
    good(d, c.basic_cdb(), Data::Out(&c.list.emit()));
}

fn commands(c: &mut Criterion) {
    let Ok(dir) = tempfile::tempdir() else { return };
    let path = dir.path().join("disk.img");
    let open = |n: u64| SimDevice::open(&format!("sim:{}?as=n{n}", path.display()));
    if SimDevice::create(&path, &CreateOptions::default()).is_err() {
        return;
    }
    for n in 2..=REGISTRANTS {
        let Ok(mut d) = open(n) else { return };
        pr_out(&mut d, &PrOut::register(Key::default(), Key::from_u64(n), Aptpl::No));
    }
    let Ok(mut d) = open(1) else { return };
    let own = Key::from_u64(1);
    pr_out(&mut d, &PrOut::register(Key::default(), own, Aptpl::No));

    let mut group = c.benchmark_group("sim");
    group.throughput(Throughput::Elements(1));
    group.bench_function("test_unit_ready", |b| b.iter(|| good(&mut d, TEST_UNIT_READY, Data::None)));
    let mut keys = [0; 8192];
    group.bench_function("read_keys", |b| b.iter(|| good(&mut d, read_keys_cdb(8192), Data::In(&mut keys))));
    let mut holder = [0; 24];
    group.bench_function("read_reservation", |b| {
        b.iter(|| good(&mut d, read_reservation_cdb(), Data::In(&mut holder)));
    });
    let block = [0x5a; 4096];
    group.bench_function("write_4k", |b| b.iter(|| good(&mut d, WRITE, Data::Out(&block))));
    group.throughput(Throughput::Elements(2));
    // Type 1: a type with registrants would fill up the others' unit attentions.
    group.bench_function("reserve_release", |b| {
        b.iter(|| {
            pr_out(&mut d, &PrOut::reserve(own, ReservationType::WriteExclusive));
            pr_out(&mut d, &PrOut::release(own, ReservationType::WriteExclusive));
        });
    });
    group.finish();
}

criterion_group!(benches, commands);
criterion_main!(benches);
