use super::*;
use crate::frame::arp::{Arp, Operation};
use crate::frame::ndp::{Message, Ndp};
use pnet_base::MacAddr;
use std::net::{Ipv4Addr, Ipv6Addr};

const OWN: MacAddr = MacAddr(2, 0, 0, 0, 0, 0xa);
const OTHER: MacAddr = MacAddr(2, 0, 0, 0, 0, 0xb);
const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const STRANGER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 99);
const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10);
const NEIGHBOUR6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const STRANGER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 1, 0x10);

/// What the kernel does with a program: bytes kept of a frame that came in this way.
fn run(program: &[Instruction], frame: &[u8], packet_type: u32, tagged: bool) -> u32 {
    let (mut a, mut pc) = (0u32, 0usize);
    loop {
        let (code, if_true, if_false, k) = program[pc];
        pc += 1;
        let at = k as usize;
        let load = |n: usize| frame.get(at..at + n).map(|b| b.iter().fold(0, |a, b| a << 8 | u32::from(*b)));
        let loaded = match code {
            LD_B if k == PACKET_TYPE => Some(packet_type),
            LD_B if k == VLAN_TAG_PRESENT => Some(u32::from(tagged)),
            LD_W => load(4),
            LD_H => load(2),
            LD_B => load(1),
            JUMP => {
                pc += at;
                continue;
            }
            JUMP_IF_EQUAL => {
                pc += usize::from(if a == k { if_true } else { if_false });
                continue;
            }
            RETURN => return k,
            other => panic!("{other:#x}"),
        };
        // A load beyond the frame ends the program with a drop.
        let Some(value) = loaded else { return DROP };
        a = value;
    }
}

fn passes(program: &[Instruction], frame: &[u8]) -> bool {
    run(program, frame, 1, false) == KEEP
}

fn ours() -> Vec<Instruction> {
    concerning(&[Ipv4Addr::new(198, 51, 100, 5).into(), VIP6.into(), VIP.into()]).unwrap()
}

#[test]
fn claims_probes_and_answers_concerning_our_addresses_pass() {
    let answer =
        Arp { operation: Operation::Reply, to: OWN, target_mac: OWN, ..Arp::question(OTHER, NEIGHBOUR, VIP) };
    let answer6 = Ndp {
        to: OWN,
        from: OTHER,
        source: NEIGHBOUR6,
        destination: VIP6,
        message: Message::Advertisement {
            target: NEIGHBOUR6,
            target_mac: Some(OTHER),
            solicited: true,
            override_: true,
        },
    };
    for (what, frame) in [
        ("gratuitous request", Arp::gratuitous_request(OTHER, VIP).emit()),
        ("gratuitous reply", Arp::gratuitous_reply(OTHER, VIP).emit()),
        ("question from it", Arp::question(OTHER, VIP, NEIGHBOUR).emit()),
        ("question about it, and answers to us", answer.emit()),
        ("probe", Arp::probe(OTHER, VIP).emit()),
        ("advertisement", Ndp::unsolicited(OTHER, VIP6).emit()),
        ("solicitation from it", Ndp::question(OTHER, VIP6, NEIGHBOUR6).emit()),
        ("probe", Ndp::probe(OTHER, VIP6).emit()),
        ("answer to us", answer6.emit()),
    ] {
        assert!(passes(&ours(), &frame), "{what}");
    }
}

#[test]
fn everything_else_is_dropped() {
    let mut echo = Ndp::unsolicited(OTHER, VIP6).emit();
    echo[54] = 128;
    let mut udp = Ndp::unsolicited(OTHER, VIP6).emit();
    udp[20] = 17;
    let mut ipv4 = Arp::gratuitous_request(OTHER, VIP).emit();
    ipv4[13] = 0;
    for (what, frame) in [
        ("another's ARP", Arp::gratuitous_request(OTHER, STRANGER).emit()),
        ("a question between others", Arp::question(OTHER, STRANGER, NEIGHBOUR).emit()),
        ("another's advertisement: the same last word", Ndp::unsolicited(OTHER, STRANGER6).emit()),
        ("a solicitation between others", Ndp::question(OTHER, STRANGER6, NEIGHBOUR6).emit()),
        ("an echo request", echo),
        ("UDP", udp),
        ("IPv4", ipv4),
    ] {
        assert!(!passes(&ours(), &frame), "{what}");
    }
    let claim = Arp::gratuitous_request(OTHER, VIP).emit();
    assert_eq!(run(&ours(), &claim, OUTGOING, false), DROP, "what we sent ourselves");
    assert_eq!(run(&ours(), &claim, 1, true), DROP, "another VLAN's");
    for len in 0..32 {
        assert!(!passes(&ours(), &claim[..len]), "cut before the sender, after {len} bytes");
    }
}

#[test]
fn many_addresses_fit_and_too_many_are_refused() {
    let v4 = |n: u16| Ipv4Addr::new(10, 0, n.to_be_bytes()[0], n.to_be_bytes()[1]);
    let v6 = |n: u16| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n);
    let all: Vec<IpAddr> = (1..=64).flat_map(|n| [v4(n).into(), v6(n).into()]).collect();
    let program = concerning(&all).unwrap();
    for n in 1..=64 {
        assert!(passes(&program, &Arp::gratuitous_request(OTHER, v4(n)).emit()), "{n}");
        assert!(passes(&program, &Ndp::unsolicited(OTHER, v6(n)).emit()), "{n}");
    }
    assert!(!passes(&program, &Arp::gratuitous_request(OTHER, v4(65)).emit()));
    assert!(!passes(&program, &Ndp::unsolicited(OTHER, v6(65)).emit()));
    let many: Vec<IpAddr> = (0..400).map(|n| v6(n).into()).collect();
    assert_eq!(concerning(&many), None);
}
