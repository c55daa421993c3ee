use super::*;
use crate::frame::BROADCAST;
use std::net::{Ipv4Addr, Ipv6Addr};

const MAC: MacAddr = MacAddr(2, 0, 0, 0, 0, 0xa);
const THEIRS: MacAddr = MacAddr(2, 0, 0, 0, 0, 1);
const LINK: LinkIndex = LinkIndex(7);
const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10);
const GATEWAY6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

fn voice(ip: impl Into<IpAddr>) -> Voice {
    Voice { link: LINK, mac: MAC, ip: ip.into() }
}

fn one() -> Campaign {
    Campaign::new(&[(voice(VIP), vec![GATEWAY.into()])])
}

/// Runs it with nobody answering (or `reply` after the nth question); what was sent, and when.
fn timeline(c: &mut Campaign, mut reply: impl FnMut(&mut Campaign, &Frame, Duration)) -> Vec<(u64, String)> {
    let mut now = Duration::ZERO;
    let mut sent = Vec::new();
    loop {
        match c.next(now) {
            Next::Send(link, frame) => {
                assert_eq!(link, LINK);
                let words = match (Arp::parse(&frame), Ndp::parse(&frame)) {
                    (Ok(a), _) if a.target == a.sender => format!("announce {:?}", a.operation),
                    (Ok(a), _) => format!("ask {}", a.target),
                    (_, Ok(n)) => match n.message {
                        Message::Advertisement { target, .. } => format!("announce {target}"),
                        Message::Solicitation { target, .. } => format!("ask {target}"),
                    },
                    other => panic!("{other:?}"),
                };
                sent.push((u64::try_from(now.as_millis()).unwrap(), words));
                reply(c, &frame, now);
            }
            Next::Wait(until) => {
                assert!(until > now, "no busy waiting");
                now = until;
            }
            Next::Done => return sent,
        }
    }
}

fn answer_from_gateway() -> Arp {
    Arp { to: MAC, target_mac: MAC, operation: Operation::Reply, ..Arp::question(THEIRS, GATEWAY, VIP) }
}

#[test]
fn nobody_answers() {
    let mut c = one();
    let sent = timeline(&mut c, |_, _, _| {});
    let asks: Vec<u64> = sent.iter().filter(|(_, w)| w.starts_with("ask")).map(|(t, _)| *t).collect();
    assert_eq!(asks, [0, 20, 60, 140, 300, 460]);
    let announced: Vec<u64> = sent.iter().filter(|(_, w)| w == "announce Reply").map(|(t, _)| *t).collect();
    assert_eq!(announced, [0, 50, 150, 350, 750, 1900, 4000, 8000]);
    assert_eq!(
        sent[..3].iter().map(|(_, w)| w.as_str()).collect::<Vec<_>>(),
        ["announce Request", "announce Reply", "ask 192.0.2.1"]
    );
    assert!(c.settled());
    assert_eq!(c.questions()[0].receipt, None);
}

#[test]
fn an_answer_ends_the_asking_and_is_the_receipt() {
    let mut c = one();
    let mut asked = 0;
    let sent = timeline(&mut c, |c, frame, now| {
        if Arp::parse(frame).is_ok_and(|a| a.target == GATEWAY) {
            asked += 1;
            if asked == 2 {
                let at = now + MS(1);
                assert_eq!(c.heard(LINK, Received::Arp(answer_from_gateway()), at), Heard::Confirmed);
                assert!(c.settled());
            }
        }
    });
    assert_eq!(sent.iter().filter(|(_, w)| w.starts_with("ask")).count(), 2);
    assert_eq!(c.questions()[0].receipt, Some(Receipt { mac: THEIRS, after: MS(21) }));
}

#[test]
fn what_is_no_answer_is_no_receipt() {
    let good = answer_from_gateway();
    let mut c = one();
    for (why, arp) in [
        ("asked, not answered", Arp { operation: Operation::Request, ..good }),
        ("another's answer", Arp { sender: Ipv4Addr::new(192, 0, 2, 2), ..good }),
        ("an answer to another", Arp { target: Ipv4Addr::new(192, 0, 2, 11), ..good }),
        ("sent to the old owner's MAC", Arp { to: THEIRS, target_mac: THEIRS, ..good }),
        ("an announcement to all", Arp { to: BROADCAST, ..good }),
    ] {
        assert_eq!(c.heard(LINK, Received::Arp(arp), MS(1)), Heard::Nothing, "{why}");
    }
    assert_eq!(c.heard(LinkIndex(8), Received::Arp(good), MS(1)), Heard::Nothing, "another link");
    assert_eq!(c.heard(LINK, Received::Arp(good), MS(1)), Heard::Confirmed);
    assert_eq!(c.heard(LINK, Received::Arp(good), MS(2)), Heard::Nothing, "once");
}

#[test]
fn ipv6_is_asked_and_confirmed_the_same() {
    let mut c = Campaign::new(&[(voice(VIP6), vec![GATEWAY6.into(), GATEWAY.into()])]);
    assert_eq!(c.questions().len(), 1, "a neighbour of the other family cannot be asked");
    let answer = Ndp {
        to: MAC,
        from: THEIRS,
        source: GATEWAY6,
        destination: VIP6,
        message: Message::Advertisement {
            target: GATEWAY6,
            target_mac: Some(THEIRS),
            solicited: true,
            override_: true,
        },
    };
    let sent = timeline(&mut c, |c, frame, now| {
        if Ndp::parse(frame).is_ok_and(|n| matches!(n.message, Message::Solicitation { .. })) {
            assert_eq!(c.heard(LINK, Received::Ndp(answer), now), Heard::Confirmed);
        }
    });
    assert_eq!(sent[0].1, format!("announce {VIP6}"));
    assert_eq!(sent[1].1, format!("ask {GATEWAY6}"));
}

#[test]
fn another_that_claims_the_address_is_told() {
    let mut c = one();
    let claim = Received::Arp(Arp::gratuitous_request(THEIRS, VIP));
    assert_eq!(c.heard(LINK, claim, MS(1)), Heard::Claimed { ip: VIP.into(), by: THEIRS });
    let own = Received::Arp(Arp::gratuitous_request(MAC, VIP));
    assert_eq!(c.heard(LINK, own, MS(1)), Heard::Nothing);
    let mut c = Campaign::new(&[(voice(VIP6), vec![])]);
    let claim = Received::Ndp(Ndp::unsolicited(THEIRS, VIP6));
    assert_eq!(c.heard(LINK, claim, MS(1)), Heard::Claimed { ip: VIP6.into(), by: THEIRS });
}

#[test]
fn a_burst_is_bounded_and_addresses_take_turns() {
    let voices: Vec<(Voice, Vec<IpAddr>)> = (1..=40)
        .map(|n| {
            (
                voice(Ipv4Addr::new(192, 0, 2, 100 + n)),
                vec![GATEWAY.into(), Ipv4Addr::new(192, 0, 2, 2).into()],
            )
        })
        .collect();
    let mut c = Campaign::new(&voices);
    let sent = timeline(&mut c, |_, _, _| {});
    let at = |ms| sent.iter().filter(|(t, _)| *t == ms).count();
    assert_eq!((at(0), at(1)), (64, 64), "a burst a millisecond");
    let first: Vec<&str> =
        sent.iter().filter(|(_, w)| w.starts_with("ask")).take(41).map(|(_, w)| w.as_str()).collect();
    assert!(first[..40].iter().all(|w| *w == "ask 192.0.2.1") && first[40] == "ask 192.0.2.2");
}
