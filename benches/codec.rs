//! What encoding and decoding cost, in ns: the commands and answers of one tick and of a seizure.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run may stop")]

use std::hint::black_box;

use arbitrate::codec::pr::{
    Abort, Aptpl, FullStatusView, Generation, Holder, KeysView, PrOut, PrOutRequest, Preempt,
    ReadReservation, RegisteredPort, Registration, ReservationType, TransportId, read_keys_cdb,
};
use arbitrate::codec::{Cdb, Sense};
use arbitrate::key::Key;
use criterion::{Criterion, criterion_group, criterion_main};

const KIND: ReservationType = ReservationType::WriteExclusiveRegistrantsOnly;
const OWN: Key = Key::from_u64(0x811c_9dc5_0200_0007);

fn keys(n: u64) -> Vec<Key> {
    (1..=n).map(Key::from_u64).collect()
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    group.bench_function("READ KEYS", |b| b.iter(|| read_keys_cdb(black_box(1032))));
    group.bench_function("REGISTER", |b| {
        b.iter(|| {
            let out = PrOut::register(black_box(Key::default()), black_box(OWN), Aptpl::Yes);
            (out.basic_cdb(), out.list.emit())
        });
    });
    group.bench_function("PREEMPT AND ABORT", |b| {
        b.iter(|| {
            let out = PrOut::preempt(Preempt {
                own: black_box(OWN),
                victim: black_box(Key::from_u64(1)),
                kind: KIND,
                abort: Abort::Yes,
            });
            (out.basic_cdb(), out.list.emit())
        });
    });
    group.finish();
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    for n in [3, 128] {
        let answer = KeysView::emit(Generation(7), &keys(n));
        let last = Key::from_u64(n);
        group.bench_function(format!("READ KEYS, {n} keys, one looked for"), |b| {
            b.iter(|| KeysView::parse(black_box(&answer)).unwrap().contains(last));
        });
    }
    let holder = Holder { key: OWN, kind: KIND };
    let answer = ReadReservation { generation: Generation(7), holder: Some(holder) }.emit();
    group.bench_function("READ RESERVATION", |b| {
        b.iter(|| ReadReservation::parse(black_box(&answer)).unwrap());
    });
    let answer = full_status();
    group.bench_function("READ FULL STATUS, 3 iSCSI registrants", |b| {
        b.iter(|| FullStatusView::parse(black_box(&answer)).unwrap().iter().count());
    });
    let out = PrOut::register(Key::default(), OWN, Aptpl::Yes);
    let (cdb, list): (Cdb, _) = (out.basic_cdb(), out.list.emit());
    group.bench_function("a REGISTER, as a target does", |b| {
        b.iter(|| PrOutRequest::parse(black_box(&cdb), black_box(&list)).unwrap());
    });
    // Fixed format, UNIT ATTENTION, 2A/05 REGISTRATIONS PREEMPTED.
    let sense = [0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x2a, 5, 0, 0, 0, 0];
    group.bench_function("sense", |b| b.iter(|| Sense::parse(black_box(&sense)).unwrap()));
    group.finish();
}

fn full_status() -> Vec<u8> {
    let registrations = (1..=3)
        .map(|n| Registration {
            key: Key::from_u64(n),
            holds: (n == 1).then_some(KIND),
            port: RegisteredPort::One(1),
            transport_id: format!("iqn.2026-01.example:node{n}").parse::<TransportId>().unwrap(),
        })
        .collect();
    arbitrate::codec::pr::FullStatus { generation: Generation(7), registrations }.emit()
}

criterion_group!(benches, encode, decode);
criterion_main!(benches);
