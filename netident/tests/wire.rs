//! What is on the wire, field by field, and what it does to those who hear it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where its bed breaks")]

mod common;

use std::net::{Ipv4Addr, Ipv6Addr};

use common::wire::{Ear, Reaction, act, bytes};
use common::{A, B, CLIENT, MORE, Net, Port, ROUTER};
use netident::frame::arp::{Arp, Operation};
use netident::frame::ndp::{Message, Ndp};

const BOTH: &str = "--address 192.0.2.10/24@eth0 --address 2001:db8::10/64@eth0";
const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10);
const ALL: [u8; 6] = [0xff; 6];

/// ARP over Ethernet, written out (RFC 826).
fn arp(to: [u8; 6], from: [u8; 6], operation: u8, target_mac: [u8; 6], target: [u8; 4]) -> Vec<u8> {
    [&to[..], &from, &[8, 6, 0, 1, 8, 0, 6, 4, 0, operation], &from, &[192, 0, 2, 10], &target_mac, &target]
        .concat()
}

/// 2001:db8::N.
fn documentation(n: u8) -> [u8; 16] {
    let mut ip = [0; 16];
    ip[..4].copy_from_slice(&[0x20, 1, 0x0d, 0xb8]);
    ip[15] = n;
    ip
}

/// Neighbour discovery over IPv6 over Ethernet, written out (RFC 4861 sections 4.3, 4.4), its checksum summed here.
fn ndp(to: [u8; 6], from: [u8; 6], destination: [u8; 16], kind: u8, flags: u8, target: u8) -> Vec<u8> {
    let source = documentation(0x10);
    let option = if kind == 136 { 2 } else { 1 };
    let mut body =
        [&[kind, 0, 0, 0, flags, 0, 0, 0][..], &documentation(target), &[option, 1], &from].concat();
    let pseudo = [&source[..], &destination, &[0, 0, 0, 32, 0, 0, 0, 58], &body].concat();
    let mut sum: u32 = pseudo.chunks(2).map(|p| u32::from(p[0]) << 8 | u32::from(p[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    body[2..4].copy_from_slice(&(!u16::try_from(sum).unwrap()).to_be_bytes());
    [&to[..], &from, &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255], &source, &destination, &body].concat()
}

#[test]
fn every_field_of_every_frame_and_no_frame_more() {
    let Some(net) = Net::build() else { return };
    let (ear, mac) = (Ear::open(&net, CLIENT), bytes(&net.mac(A)));
    let (code, end) = net.json(A, &format!("take --repeat {BOTH}"));
    assert_eq!(code, 0, "{end}");
    let sent: Vec<Vec<u8>> = ear.all().into_iter().filter(|f| f[6..12] == mac).collect();
    let mut solicited = [0; 16];
    solicited[..2].copy_from_slice(&[0xff, 2]);
    solicited[11..].copy_from_slice(&[1, 0xff, 0, 0, 1]);
    let mut nodes = [0; 16];
    nodes[..2].copy_from_slice(&[0xff, 2]);
    nodes[15] = 1;
    let vip = [192, 0, 2, 10];
    let request = arp(ALL, mac, 1, ALL, vip);
    let reply = arp(ALL, mac, 2, mac, vip);
    let advertisement = ndp([0x33, 0x33, 0, 0, 0, 1], mac, nodes, 136, 0x20, 0x10);
    let question = arp(ALL, mac, 1, [0; 6], [192, 0, 2, 1]);
    let solicitation = ndp([0x33, 0x33, 0xff, 0, 0, 1], mac, solicited, 135, 0, 1);
    let round = [request, reply, advertisement];
    let first: Vec<Vec<u8>> = round.iter().cloned().chain([question, solicitation]).collect();
    assert_eq!(sent[..5], first);
    // Seven repeats of the announcements; what was answered is not asked again, and nothing begins anew. (The
    // kernel's own questions, from its own addresses, are not ours.)
    let own = |f: &&Vec<u8>| {
        Arp::parse(f).is_ok_and(|a| a.sender == VIP && a.to == netident::frame::BROADCAST)
            || Ndp::parse(f).is_ok_and(|n| n.source == VIP6)
    };
    let rest: Vec<&Vec<u8>> = sent[5..].iter().filter(own).collect();
    assert_eq!(rest.len(), 21);
    for repeat in rest.chunks(3) {
        assert!(round.iter().zip(repeat).all(|(a, b)| a == *b), "{repeat:?}");
    }
}

/// The client's entry of a VIP, before A's is moved to B.
fn set(net: &Net, vip: &str, state: &str) {
    let old = net.mac(A);
    match state {
        "absent" => {}
        "failed" => drop(net.ip(CLIENT, &format!("neigh replace {vip} dev eth0 nud failed"))),
        nud => drop(net.ip(CLIENT, &format!("neigh replace {vip} lladdr {old} dev eth0 nud {nud}"))),
    }
}

#[test]
fn the_clients_cache_follows_from_every_state_if_the_client_is_asked() {
    for (vip, client, address) in [
        ("192.0.2.10", "192.0.2.2", "--address 192.0.2.10/24@eth0"),
        ("2001:db8::10", "2001:db8::2", "--address 2001:db8::10/64@eth0"),
    ] {
        for state in ["reachable", "stale", "failed", "absent"] {
            let Some(net) = Net::build() else { return };
            set(&net, vip, state);
            net.ip(B, &format!("neigh replace {client} lladdr {} dev eth0 nud stale", net.mac(CLIENT)));
            let (code, end) = net.json(B, &format!("take {address}"));
            assert_eq!(code, 0, "{end}");
            let asked = end["questions"].as_array().unwrap().iter().find(|q| q["neighbour"] == client);
            assert_eq!(asked.unwrap()["mac"], net.mac(CLIENT), "{end}");
            let known = net.neighbour(CLIENT, vip);
            assert!(known.contains(&net.mac(B)), "{vip}, {state}: {known}");
        }
    }
}

/// The same without the question to the client: what the announcements alone can do, and cannot.
#[test]
fn announcements_alone_leave_some_caches_behind() {
    for (vip, address, state, follows) in [
        ("192.0.2.10", "--address 192.0.2.10/24@eth0", "reachable", true),
        ("192.0.2.10", "--address 192.0.2.10/24@eth0", "absent", false),
        ("2001:db8::10", "--address 2001:db8::10/64@eth0", "reachable", true),
        ("2001:db8::10", "--address 2001:db8::10/64@eth0", "failed", false),
        ("2001:db8::10", "--address 2001:db8::10/64@eth0", "absent", false),
    ] {
        let Some(net) = Net::build() else { return };
        set(&net, vip, state);
        let (code, end) = net.json(B, &format!("take {address}"));
        assert_eq!(code, 0, "{end}");
        let known = net.neighbour(CLIENT, vip);
        assert_eq!(known.contains(&net.mac(B)), follows, "{vip}, {state}: {known}");
    }
}

#[test]
fn a_switch_that_drops_for_300_ms_delays_the_confirmation_and_no_more() {
    let Some(net) = Net::build() else { return };
    // It hears the frames at the port, before the bridge drops them.
    let ear = Ear::open(&net, ROUTER);
    let mut switch = net.switch(B);
    switch.set(Port::Drops);
    let (code, end) = std::thread::scope(|s| {
        let take = s.spawn(|| net.json(B, &format!("take {BOTH}")));
        // The fifth question is asked after 300 ms.
        for _ in 0..5 {
            ear.next(|f| {
                Arp::parse(f).is_ok_and(|a| a.sender == VIP && a.target == Ipv4Addr::new(192, 0, 2, 1))
            });
        }
        switch.set(Port::Forwards);
        take.join().unwrap()
    });
    assert_eq!(code, 0, "{end}");
    for q in end["questions"].as_array().unwrap() {
        assert!(q["mac"] == net.mac(ROUTER) && q["asked"].as_u64().unwrap() >= 5, "{end}");
    }
}

fn is_probe(frame: &[u8]) -> bool {
    Arp::parse(frame).is_ok_and(|a| a.sender.is_unspecified() && a.target == VIP)
        || Ndp::parse(frame).is_ok_and(|n| {
            n.source.is_unspecified()
                && matches!(n.message, Message::Solicitation { target, .. } if target == VIP6)
        })
}

const CASES: [(&str, bool); 2] = [("192.0.2.10/24@eth0", false), ("2001:db8::10/64@eth0", true)];

/// B probes before it takes, while somebody in A reacts to each probe, told its number from 1.
fn meets(address: &str, react: impl Fn(u32, pnet_base::MacAddr) -> Reaction + Send + 'static) {
    let Some(net) = Net::build() else { return };
    let [a, b, c, d, e, f] = bytes(&net.mac(A));
    let (mac, probes) = (pnet_base::MacAddr(a, b, c, d, e, f), std::sync::atomic::AtomicU32::new(0));
    let _actor = act(&net, A, move |frame, _| {
        if !is_probe(frame) {
            return Reaction::Silence;
        }
        react(1 + probes.fetch_add(1, std::sync::atomic::Ordering::Relaxed), mac)
    });
    // Its last wait is 2 s long: an actor that is scheduled late is heard all the same.
    let (code, text) = net.netident(B, &format!("take --check rfc5227 --address {address}"));
    assert!(code == 10 && text.contains(&net.mac(A)), "{address}: {text}");
    assert!(!net.stands(B, address.split('/').next().unwrap()), "{address}");
}

#[test]
fn a_probe_finds_an_owner_that_answers_only_the_last_probe() {
    std::thread::scope(|s| {
        for (address, v6) in CASES {
            s.spawn(move || {
                meets(address, move |number, mac| match number {
                    3 if v6 => Reaction::Say(Ndp::unsolicited(mac, VIP6).emit().to_vec()),
                    3 => {
                        let owner = Arp { operation: Operation::Reply, ..Arp::question(mac, VIP, VIP) };
                        Reaction::Say(owner.emit().to_vec())
                    }
                    _ => Reaction::Silence,
                });
            });
        }
    });
}

#[test]
fn a_probe_finds_another_that_probes_too() {
    std::thread::scope(|s| {
        for (address, v6) in CASES {
            s.spawn(move || {
                meets(address, move |_, mac| {
                    let rival = if v6 { Ndp::probe(mac, VIP6).emit() } else { Arp::probe(mac, VIP).emit() };
                    Reaction::Say(rival.to_vec())
                });
            });
        }
    });
}

#[test]
fn sixty_four_addresses_on_four_links_are_taken_confirmed_and_released() {
    let Some(net) = Net::build() else { return };
    net.more_links(B);
    let subnets = [("eth0", "192.0.2")].into_iter().chain(MORE);
    let all: Vec<String> = subnets
        .flat_map(|(link, subnet)| (100..116).map(move |n| format!("--address {subnet}.{n}/24@{link}")))
        .collect();
    let all = all.join(" ");
    let (code, end) = net.json(B, &format!("take {all}"));
    assert_eq!(code, 0, "{end}");
    let questions = end["questions"].as_array().unwrap();
    assert_eq!(questions.len(), 64);
    assert!(questions.iter().all(|q| !q["mac"].is_null()), "{end}");
    let stands = net.ip(B, "-o -4 addr show");
    assert!(stands.contains(".100/") && stands.contains(".115/"), "{stands}");
    let (code, end) = net.json(B, &format!("release {all}"));
    assert_eq!(code, 0, "{end}");
    let left = net.ip(B, "-o -4 addr show");
    assert!(!left.contains(".100/") && !left.contains(".115/"), "{left}");
    for (_, subnet) in MORE {
        assert!(left.contains(&format!("{subnet}.4/24")), "the host's own addresses stay: {left}");
    }
}
