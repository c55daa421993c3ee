//! What a heartbeat costs, in ns: MACs to choose from, one datagram out and in, a tick by number of peers.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run may stop")]

use std::hint::black_box;
use std::time::Duration;

use arbitrate::key::{ClusterId, Incarnation};
use arbitrate::time::Instant;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hmac::{Hmac, KeyInit, Mac};
use palisade::heartbeat::auth::{Key, Keys};
use palisade::heartbeat::detect::Rules;
use palisade::heartbeat::node::{Event, Node, Setup};
use palisade::heartbeat::wire::{LEN, Member, Pace, Packet};
use sha2::Sha256;
use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::Hasher;

fn node(me: u16, peers: &[Member]) -> Node {
    let setup = Setup {
        cluster: ClusterId::of_name("bench"),
        number: member(me),
        incarnation: Incarnation::FIRST,
        pace: Pace::new(10_000, 1, 3).unwrap(),
        tolerance: Duration::from_millis(7),
        rules: Rules {
            dead: Duration::from_secs(1),
            rise: 1,
            jitter_factor: 0,
            ceiling: Duration::from_secs(1),
        },
        links: 1,
    };
    Node::new(setup, Keys::single(Key::derive(1, b"bench")), peers, [1; 32], at(0), Duration::ZERO)
}

fn member(n: u16) -> Member {
    Member::new(n).unwrap()
}

/// In these benchmarks nothing happens to anybody.
fn nothing(e: Event) {
    assert_eq!(Some(e), None);
}

fn at(ms: u64) -> Instant {
    Instant::from_nanos(ms * 1_000_000)
}

fn macs(c: &mut Criterion) {
    let mut group = c.benchmark_group("MAC of 96 bytes");
    let data = [7; 96];
    group.bench_function("keyed BLAKE3", |b| b.iter(|| blake3::keyed_hash(&[1; 32], black_box(&data))));
    group.bench_function("HMAC-SHA-256", |b| {
        let keyed = Hmac::<Sha256>::new_from_slice(&[1; 32]).unwrap();
        b.iter(|| keyed.clone().chain_update(black_box(&data)).finalize());
    });
    group.bench_function("SipHash-2-4-128", |b| {
        b.iter(|| {
            let mut h = SipHasher24::new_with_key(&[1; 16]);
            h.write(black_box(&data));
            h.finish128()
        });
    });
    group.finish();
}

fn datagram(c: &mut Criterion) {
    let mut group = c.benchmark_group("datagram");
    let (mut a, mut b) = acquainted();
    let mut out = [0; LEN];
    group.bench_function("compose and seal", |bench| {
        bench.iter(|| a.compose(0, 0, at(50), black_box(&mut out)))
    });
    let keys = Keys::single(Key::derive(1, b"bench"));
    group.bench_function("verify and parse", |bench| {
        bench.iter(|| {
            let p = Packet::new(black_box(&out)).unwrap();
            assert!(keys.verify(&p));
            p.parse().unwrap()
        });
    });
    group.bench_function("out and in, with replay window and detector", |bench| {
        bench.iter(|| {
            a.compose(0, 0, at(50), &mut out);
            b.receive(0, &out, at(50), at(50), nothing);
        });
    });
    group.finish();
}

fn acquainted() -> (Node, Node) {
    let (mut a, mut b) = (node(1, &[member(2)]), node(2, &[member(1)]));
    acquaint(&mut a, 0, &mut b, 0);
    (a, b)
}

fn acquaint(a: &mut Node, at_a: usize, b: &mut Node, at_b: usize) {
    let mut out = [0; LEN];
    for ms in [10, 20, 30, 40] {
        a.compose(at_a, 0, at(ms), &mut out);
        b.receive(0, &out, at(ms), at(ms), |_| ());
        b.compose(at_b, 0, at(ms), &mut out);
        a.receive(0, &out, at(ms), at(ms), |_| ());
    }
}

/// The observer's whole work in a tick: a datagram to everybody, one from everybody, the judgement.
fn tick(c: &mut Criterion) {
    let mut group = c.benchmark_group("tick, without the system calls");
    for peers in [1_u16, 8, 64, 1_024, 10_000] {
        let numbers: Vec<Member> = (2..peers + 2).map(member).collect();
        let mut me = node(1, &numbers);
        let mut others: Vec<Node> = (2..peers + 2).map(|n| node(n, &[member(1)])).collect();
        for (i, o) in others.iter_mut().enumerate() {
            acquaint(&mut me, i, o, 0);
        }
        let mut out = [0; LEN];
        let mut ms = 50;
        group.throughput(Throughput::Elements(peers.into()));
        group.bench_function(BenchmarkId::from_parameter(peers), |b| {
            b.iter_batched(
                || {
                    let compose = |o: &mut Node| {
                        let mut d = [0; LEN];
                        o.compose(0, 0, at(50), &mut d);
                        d
                    };
                    others.iter_mut().map(compose).collect::<Vec<[u8; LEN]>>()
                },
                |incoming| {
                    ms += 10;
                    me.wake(at(ms), at(ms), Duration::ZERO, nothing);
                    for i in 0..usize::from(peers) {
                        me.compose(i, 0, at(ms), &mut out);
                    }
                    for d in &incoming {
                        me.receive(0, d, at(ms), at(ms), nothing);
                    }
                    me.judge(|_| ());
                },
                criterion::BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, macs, datagram, tick);
criterion_main!(benches);
