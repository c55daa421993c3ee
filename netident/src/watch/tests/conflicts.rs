use super::*;

fn defences(bed: &Bed) -> usize {
    bed.count("request 192.0.2.10")
}

#[test]
fn a_claim_is_told_and_answered_with_one_announcement() {
    let mut bed = Bed::settled(Missing::Report);
    bed.arp(Arp::gratuitous_reply(OTHER, VIP));
    bed.rest();
    assert_eq!(
        bed.told,
        [(
            bed.now,
            Report::Conflict {
                address: address("192.0.2.10/24@eth0"),
                by: OTHER,
                claims: 1,
                defence: Defence::Sent
            }
        )]
    );
    assert_eq!(bed.sent, [(bed.now, LINK, "request 192.0.2.10".to_owned())], "a request alone: RFC 5227 2.4");
}

#[test]
fn two_claims_in_ten_seconds_are_defended_once_and_the_count_is_told_later() {
    let mut bed = Bed::settled(Missing::Report);
    let began = bed.now;
    for at in [0, 1, 4, 9] {
        bed.run_with(began + s(at), |_, _| {});
        bed.arp(Arp::gratuitous_request(OTHER, VIP));
        bed.rest();
    }
    assert_eq!((defences(&bed), bed.reports(is_conflict)), (1, 1), "{:?}", bed.told);
    bed.run_with(began + DEFEND_INTERVAL, |_, _| {});
    bed.arp(Arp::gratuitous_request(OTHER, VIP));
    bed.rest();
    assert_eq!(defences(&bed), 2);
    let Some((_, Report::Conflict { claims: 4, defence: Defence::Sent, .. })) = bed.told.last() else {
        panic!("{:?}", bed.told)
    };
}

#[test]
fn a_storm_of_claims_is_no_storm_of_ours() {
    let mut bed = Bed::settled(Missing::Report);
    let began = bed.now;
    for i in 0..20_000u64 {
        bed.run_with(began + ms(i), |_, _| {});
        bed.arp(Arp::gratuitous_request(OTHER, VIP));
        bed.rest();
    }
    assert_eq!((defences(&bed), bed.reports(is_conflict)), (2, 2));
}

#[test]
fn a_second_rival_is_told_at_once_and_not_defended_against_at_once() {
    let mut bed = Bed::settled(Missing::Report);
    for rival in [OTHER, THIRD] {
        bed.arp(Arp::gratuitous_request(rival, VIP));
        bed.rest();
    }
    assert_eq!((defences(&bed), bed.reports(is_conflict)), (1, 2));
    assert!(matches!(bed.told[1].1, Report::Conflict { by: THIRD, defence: Defence::Held, .. }));
}

#[test]
fn each_address_has_its_own_defence() {
    let mut bed = Bed::settled(Missing::Report);
    bed.arp(Arp::gratuitous_request(OTHER, VIP));
    bed.ndp(Ndp::unsolicited(OTHER, VIP6));
    bed.rest();
    assert_eq!((defences(&bed), bed.count("advertise 2001:db8::10")), (1, 1));
}

#[test]
fn every_frame_that_claims_is_a_claim() {
    for arp in [
        Arp::gratuitous_request(OTHER, VIP),
        Arp::gratuitous_reply(OTHER, VIP),
        Arp::question(OTHER, VIP, ROUTER),
        Arp { operation: Operation::Reply, to: OWN, ..Arp::question(OTHER, VIP, ROUTER) },
    ] {
        assert_eq!(claimed_by(Received::Arp(arp), VIP.into()), Some(OTHER), "{arp:?}");
    }
    let bare = Message::Advertisement { target: VIP6, target_mac: None, solicited: false, override_: true };
    for ndp in [
        Ndp::unsolicited(OTHER, VIP6),
        Ndp::question(OTHER, VIP6, "2001:db8::1".parse().unwrap()),
        Ndp { message: bare, ..Ndp::unsolicited(OTHER, VIP6) },
    ] {
        assert_eq!(claimed_by(Received::Ndp(ndp), VIP6.into()), Some(OTHER), "{ndp:?}");
    }
}

#[test]
fn what_claims_nothing_is_no_conflict() {
    let mut bed = Bed::settled(Missing::Report);
    // By its own MAC, looped back; a probe; a question about it; about another address.
    bed.arp(Arp::gratuitous_request(OWN, VIP));
    bed.arp(Arp::probe(OTHER, VIP));
    bed.arp(Arp::question(OTHER, ROUTER, VIP));
    bed.arp(Arp::gratuitous_request(OTHER, ROUTER));
    bed.ndp(Ndp::unsolicited(OWN, VIP6));
    bed.ndp(Ndp::probe(OTHER, VIP6));
    bed.ndp(Ndp::question(OTHER, "2001:db8::1".parse().unwrap(), VIP6));
    // The same address on another link is another address.
    bed.watch.handle(Event::Frame(LinkIndex(8), Received::Arp(Arp::gratuitous_request(OTHER, VIP))), bed.now);
    bed.rest();
    assert_eq!((bed.told.len(), bed.sent.len()), (0, 0), "{:?} {:?}", bed.told, bed.sent);
}

#[test]
fn another_link_of_this_host_on_the_same_wire_is_no_rival() {
    let mut bed = Bed::settled(Missing::Report);
    bed.change(|sight| {
        sight.links.push(Port { index: LinkIndex(8), name: "eth1".into(), mac: Some(THIRD), ..eth0() });
    });
    bed.arp(Arp::gratuitous_request(THIRD, VIP));
    bed.rest();
    assert_eq!(bed.reports(is_conflict), 0);
    bed.arp(Arp::gratuitous_request(OTHER, VIP));
    bed.rest();
    assert_eq!(bed.reports(is_conflict), 1);
}

#[test]
fn a_claim_to_what_does_not_stand_here_is_not_contested() {
    let mut bed = Bed::settled(Missing::Report);
    bed.change(|sight| sight.addresses.clear());
    bed.rest();
    bed.clear();
    bed.arp(Arp::gratuitous_request(OTHER, VIP));
    bed.rest();
    assert_eq!((bed.told.len(), bed.sent.len()), (0, 0));
}

#[test]
fn a_rival_that_falls_silent_is_told_once() {
    let mut bed = Bed::settled(Missing::Report);
    bed.arp(Arp::gratuitous_request(OTHER, VIP));
    let claimed = bed.now;
    bed.run(s(600));
    let quiet: Vec<_> = bed.told.iter().filter(|(_, r)| matches!(r, Report::Quiet(_, OTHER))).collect();
    assert_eq!(quiet.len(), 1);
    assert_eq!(quiet[0].0, claimed + s(120));
    bed.clear();
    bed.arp(Arp::gratuitous_request(OTHER, VIP));
    bed.rest();
    assert_eq!(bed.reports(is_conflict), 1, "and again where it comes back");
}
