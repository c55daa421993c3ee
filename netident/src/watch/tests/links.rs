use super::*;
use crate::watch::links::{Change, above, change};

#[test]
fn a_carrier_that_comes_back_brings_a_whole_campaign_of_questions() {
    let mut bed = Bed::settled(Missing::Report);
    bed.asks = vec![ROUTER.into()];
    bed.change(|sight| sight.links[0].carrier = false);
    bed.rest();
    assert_eq!(bed.told.last().unwrap().1, Report::CarrierLost("eth0".parse().unwrap()));
    assert_eq!(bed.sent, []);
    bed.change(|sight| (sight.links[0].carrier, sight.links[0].ups) = (true, Some(2)));
    let answer =
        Arp { to: OWN, target_mac: OWN, operation: Operation::Reply, ..Arp::question(OTHER, ROUTER, VIP) };
    bed.run_with(bed.now + s(9), |bed, words| {
        if words == "ask 192.0.2.1" {
            bed.arp(answer);
        }
    });
    assert_eq!(bed.announced(Why::Carrier), 1);
    assert_eq!((bed.count("request 192.0.2.10"), bed.count("ask 192.0.2.1")), (8, 1), "{:?}", bed.sent);
    let settled = Report::Settled { link: "eth0".parse().unwrap(), asked: 1, unheard: vec![] };
    assert!(bed.told.iter().any(|(_, r)| *r == settled), "{:?}", bed.told);
}

#[test]
fn a_flap_between_two_looks_is_seen_by_the_kernels_count() {
    let mut bed = Bed::settled(Missing::Report);
    bed.change(|sight| sight.links[0].ups = Some(2));
    bed.rest();
    assert_eq!(bed.announced(Why::Carrier), 1);
}

#[test]
fn a_look_without_a_change_says_nothing() {
    let mut bed = Bed::settled(Missing::Report);
    bed.change(|_| {});
    bed.rest();
    assert_eq!((bed.told.len(), bed.sent.len()), (0, 0));
}

#[test]
fn a_link_that_flaps_ten_times_a_second_is_answered_four_times() {
    let mut bed = Bed::settled(Missing::Report);
    let began = bed.now;
    for i in 0..10u32 {
        bed.run_with(began + ms(100) * i, |_, _| {});
        bed.change(|sight| sight.links[0].ups = Some(i + 2));
    }
    bed.run_with(began + ms(999), |_, _| {});
    assert_eq!(bed.announced(Why::Carrier), 4);
}

#[test]
fn nothing_goes_on_being_said_into_a_dead_link() {
    let mut bed = Bed::with(Rules { missing: Missing::Report, seed: 1 }, healthy());
    bed.run(ms(10));
    bed.change(|sight| sight.links[0].carrier = false);
    bed.clear();
    bed.run(s(300));
    assert_eq!(bed.sent, []);
}

#[test]
fn another_mac_and_a_failover_are_announced() {
    let mut bed = Bed::settled(Missing::Report);
    bed.change(|sight| sight.links[0].mac = Some(THIRD));
    bed.rest();
    assert_eq!(bed.announced(Why::NewMac), 1);
    bed.run(s(1));
    bed.watch.handle(Event::Failover(LINK), bed.now);
    bed.rest();
    assert_eq!(bed.announced(Why::Failover), 1);
    bed.watch.handle(Event::Failover(LinkIndex(99)), bed.now);
    bed.run(s(1));
    assert_eq!(bed.announced(Why::Failover), 1, "another link's is not ours");
}

#[test]
fn a_change_of_a_link_is_judged_by_its_gravest() {
    let bond = Port { active: Some(LinkIndex(1)), ..eth0() };
    for (what, new, want) in [
        ("the same", Some(bond.clone()), None),
        ("gone", None, Some(Change::Gone)),
        ("dead", Some(Port { carrier: false, ..bond.clone() }), Some(Change::CarrierLost)),
        (
            "another active port",
            Some(Port { active: Some(LinkIndex(2)), ..bond.clone() }),
            Some(Change::Announce(Why::Failover)),
        ),
        ("no active port for a moment", Some(Port { active: None, ..bond.clone() }), None),
        ("flapped", Some(Port { ups: Some(3), ..bond.clone() }), Some(Change::Announce(Why::Carrier))),
        ("no count", Some(Port { ups: None, ..bond.clone() }), None),
        ("another MAC", Some(Port { mac: Some(OTHER), ..bond.clone() }), Some(Change::Announce(Why::NewMac))),
    ] {
        assert_eq!(change(&bond, new.as_ref()), want, "{what}");
    }
    let dead = Port { carrier: false, ..bond.clone() };
    assert_eq!(change(&dead, Some(&bond)), Some(Change::Announce(Why::Carrier)));
    assert_eq!(change(&dead, Some(&dead)), None);
}

#[test]
fn what_rests_on_a_port_is_announced_with_it() {
    let named = |index, name: &str| Port { index: LinkIndex(index), name: name.into(), ..eth0() };
    let ports = [
        Port { master: Some(LinkIndex(3)), ..named(1, "eth0") },
        Port { master: Some(LinkIndex(3)), ..named(2, "eth1") },
        named(3, "bond0"),
        Port { lower: Some(LinkIndex(3)), ..named(4, "bond0.100") },
        Port { lower: Some(LinkIndex(4)), ..named(5, "macvlan") },
        named(6, "other"),
    ];
    assert_eq!(above(&ports, LinkIndex(1)), [1, 3, 4, 5].map(LinkIndex));
    assert_eq!(above(&ports, LinkIndex(6)), [LinkIndex(6)]);
    // A ring comes to an end.
    let ring = [
        Port { lower: Some(LinkIndex(2)), ..named(1, "a") },
        Port { lower: Some(LinkIndex(1)), ..named(2, "b") },
    ];
    assert_eq!(above(&ring, LinkIndex(1)).len(), 2);
}

#[test]
fn a_bonds_failover_announces_the_addresses_of_the_vlan_on_it() {
    let on_a_bond = |active| {
        let bond =
            Port { index: LinkIndex(3), name: "bond0".into(), active: Some(LinkIndex(active)), ..eth0() };
        Sight {
            links: vec![bond, Port { lower: Some(LinkIndex(3)), ..eth0() }],
            addresses: healthy().addresses,
        }
    };
    let mut bed = Bed::with(Rules { missing: Missing::Report, seed: 1 }, on_a_bond(1));
    bed.run(s(9));
    bed.clear();
    bed.see(on_a_bond(2));
    bed.rest();
    assert_eq!(bed.announced(Why::Failover), 1, "{:?}", bed.told);
}

#[test]
fn nobody_who_answers_is_told_once_and_asked_again_ever_more_slowly() {
    let mut bed = Bed::settled(Missing::Report);
    bed.asks = vec![ROUTER.into()];
    bed.change(|sight| sight.links[0].ups = Some(2));
    bed.run(s(300));
    assert_eq!(bed.reports(|r| matches!(r, Report::Settled { .. })), 1, "{:?}", bed.told);
    let asked: Vec<u64> = bed
        .sent
        .iter()
        .filter(|(.., w)| w == "ask 192.0.2.1")
        .map(|(t, ..)| (*t - s(1009)).as_secs())
        .collect();
    let mut rounds = asked;
    rounds.dedup_by(|b, a| *b - *a < 2);
    assert_eq!(rounds, [0, 10, 31, 71, 132, 193, 253], "10, 20, 40, 60, 60 s apart");
}

#[test]
fn a_link_that_is_gone_is_told() {
    let mut bed = Bed::settled(Missing::PutBack);
    bed.see(Sight::default());
    bed.run(s(300));
    assert_eq!(bed.reports(|r| matches!(r, Report::LinkGone(_))), 1);
    assert_eq!(bed.reports(|r| matches!(r, Report::Missing(_))), 2);
    assert_eq!((bed.sent.len(), bed.restores.len()), (0, 0), "nothing can be done without it");
}

#[test]
fn every_address_is_announced_even_where_nobody_is_known_to_ask() {
    let mut bed = Bed::with(Rules { missing: Missing::Report, seed: 1 }, healthy());
    loop {
        match bed.watch.next(bed.now) {
            // The host could not be looked at.
            Next::Do(Action::Announce(_)) => bed.watch.handle(Event::Speakers(vec![]), bed.now),
            Next::Do(Action::Send(_, frame)) => bed.sent.push((bed.now, LINK, words(&frame))),
            Next::Do(_) => {}
            Next::Wait(_) => break,
        }
    }
    assert_eq!((bed.count("request 192.0.2.10"), bed.count("advertise 2001:db8::10")), (1, 1));
}
