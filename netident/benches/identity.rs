//! What moving an address costs before and behind the system calls, in ns: frames, plans, a campaign's steps.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run may stop")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use netident::campaign::{Campaign, Next, Received, Voice};
use netident::dns::{Change, Family, Goal, Key, query, update};
use netident::frame::LinkIndex;
use netident::frame::arp::{Arp, Operation};
use netident::frame::ndp::Ndp;
use netident::host::{Held, Host, Link, Neighbour, Route};
use netident::identity::Identity;
use netident::identity::name::{Naming, server};
use netident::plan;
use pnet_base::MacAddr;

const MAC: MacAddr = MacAddr(2, 0, 0, 0, 0, 0xa);
const THEIRS: MacAddr = MacAddr(2, 0, 0, 0, 0, 1);
const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10);
const GATEWAY6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const LINK: LinkIndex = LinkIndex(2);

fn frames(c: &mut Criterion) {
    let mut group = c.benchmark_group("frame");
    group.bench_function("build ARP", |b| b.iter(|| Arp::question(black_box(MAC), VIP, GATEWAY).emit()));
    group.bench_function("build NS", |b| b.iter(|| Ndp::question(black_box(MAC), VIP6, GATEWAY6).emit()));
    let (arp, ns) = (Arp::question(MAC, VIP, GATEWAY).emit(), Ndp::question(MAC, VIP6, GATEWAY6).emit());
    group.bench_function("read ARP", |b| b.iter(|| Arp::parse(black_box(&arp)).unwrap()));
    group.bench_function("read NS", |b| b.iter(|| Ndp::parse(black_box(&ns)).unwrap()));
    group.finish();
}

/// A host with a router and a hundred neighbours, and an identity of `n` addresses.
fn scene(n: u8) -> (Host, Identity) {
    let link = Link {
        index: LINK,
        name: "eth0".into(),
        mac: Some(MAC),
        up: true,
        carrier: true,
        promote_secondaries: true,
    };
    let net = |s: &str| s.parse().unwrap();
    let held = Held {
        link: LINK,
        net: net("192.0.2.4/24"),
        secondary: false,
        tentative: false,
        dadfailed: false,
        ours: false,
    };
    let host = Host {
        links: vec![link],
        addresses: vec![held],
        routes: vec![
            Route { destination: net("0.0.0.0/0"), gateway: Some(GATEWAY.into()), link: LINK },
            Route { destination: net("192.0.2.0/24"), gateway: None, link: LINK },
        ],
        neighbours: (100..200)
            .map(|i| Neighbour { link: LINK, ip: Ipv4Addr::new(192, 0, 2, i).into() })
            .collect(),
        ..Host::default()
    };
    let addresses = (0..n).map(|i| format!("192.0.2.{}/24@eth0", 10 + i).parse().unwrap()).collect();
    (host, Identity::new(addresses, None).unwrap())
}

fn plans(c: &mut Criterion) {
    let mut group = c.benchmark_group("plan");
    for n in [1, 64] {
        let (host, identity) = scene(n);
        group.bench_function(format!("take {n}"), |b| {
            b.iter(|| plan::take(black_box(&host), &identity).unwrap());
        });
    }
    group.finish();
}

fn campaigns(c: &mut Criterion) {
    let mut group = c.benchmark_group("campaign");
    let voice = Voice { link: LINK, mac: MAC, ip: VIP.into() };
    let speakers = vec![(voice, vec![IpAddr::from(GATEWAY)])];
    group.bench_function("made ready, 1 address", |b| b.iter(|| Campaign::new(black_box(&speakers))));
    let fresh = Campaign::new(&speakers);
    group.bench_function("the first three frames", |b| {
        b.iter_batched_ref(
            || fresh.clone(),
            |c| {
                for _ in 0..3 {
                    assert!(matches!(c.next(Duration::ZERO), Next::Send(..)));
                }
            },
            BatchSize::SmallInput,
        );
    });
    let answer = Received::Arp(Arp {
        to: MAC,
        target_mac: MAC,
        operation: Operation::Reply,
        ..Arp::question(THEIRS, GATEWAY, VIP)
    });
    group.bench_function("an answer heard", |b| {
        b.iter_batched_ref(
            || fresh.clone(),
            |c| c.heard(LINK, answer, Duration::from_millis(1)),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn names(c: &mut Criterion) {
    let mut group = c.benchmark_group("name");
    let key = Key::parse("hmac-sha256:k:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").unwrap();
    let naming = Naming::new("db.example.com".parse().unwrap(), server("192.0.2.53").unwrap(), "k".into());
    let change = Change::new(&naming, [VIP.into(), VIP6.into()], Goal::Leads);
    group.bench_function("update, signed", |b| b.iter(|| update(black_box(&change), &key, 7, 1).unwrap()));
    group.bench_function("query, signed", |b| {
        b.iter(|| query(black_box(&naming.name), Family::V4, &key, 7, 1).unwrap());
    });
    group.finish();
}

criterion_group!(benches, frames, plans, campaigns, names);
criterion_main!(benches);
