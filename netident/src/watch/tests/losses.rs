use super::*;

fn without(bed: &mut Bed, net: &str) {
    let net = net.parse().unwrap();
    bed.change(|sight| sight.addresses.retain(|h| h.net != net));
}

fn is_not_restored(r: &Report) -> bool {
    matches!(r, Report::NotRestored { .. })
}

#[test]
fn an_address_removed_by_another_is_told_and_left() {
    let mut bed = Bed::settled(Missing::Report);
    without(&mut bed, "192.0.2.10/24");
    bed.run(s(300));
    assert_eq!(bed.told[0].1, Report::Missing(address("192.0.2.10/24@eth0")));
    assert_eq!((bed.told.len(), bed.restores.len(), bed.count("request 192.0.2.10")), (1, 0, 0));
    assert!(bed.count("advertise 2001:db8::10") > 2, "the other goes on");
}

#[test]
fn it_is_put_back_after_nobody_answered_for_it_and_then_announced() {
    let mut bed = Bed::settled(Missing::PutBack);
    without(&mut bed, "192.0.2.10/24");
    let lost = bed.now;
    bed.run(ms(200));
    assert_eq!(bed.restores, [(lost + ms(60), address("192.0.2.10/24@eth0"))]);
    assert_eq!(bed.count("probe 192.0.2.10"), 3);
    let stages: Vec<&Report> = bed.told.iter().map(|(_, r)| r).collect();
    assert!(
        matches!(
            stages[..],
            [
                Report::Missing(_),
                Report::Restored(_),
                Report::Announcing(_, Why::PutBack),
                Report::Settled { .. }
            ]
        ),
        "{stages:?}"
    );
    assert!(bed.count("request 192.0.2.10") > 0);
}

#[test]
fn it_is_never_put_back_under_another_owner() {
    let mut bed = Bed::settled(Missing::PutBack);
    without(&mut bed, "192.0.2.10/24");
    let owner = Arp { operation: Operation::Reply, ..Arp::question(OTHER, VIP, VIP) };
    bed.run_with(bed.now + s(300), |bed, words| {
        if words == "probe 192.0.2.10" {
            bed.arp(owner);
        }
    });
    assert_eq!(bed.restores, []);
    let Report::NotRestored { why, .. } = &bed.told[1].1 else { panic!("{:?}", bed.told) };
    assert!(why.contains(&OTHER.to_string()), "{why}");
    // 0, 1, 3, 7, 15, 31, 63, 123, 183, 243 s and a little.
    assert_eq!(bed.reports(is_not_restored), 10);
}

#[test]
fn of_two_hosts_that_put_back_at_once_neither_does() {
    let mut bed = Bed::settled(Missing::PutBack);
    without(&mut bed, "192.0.2.10/24");
    bed.run_with(bed.now + ms(500), |bed, words| {
        if words == "probe 192.0.2.10" {
            bed.arp(Arp::probe(OTHER, VIP));
        }
    });
    assert_eq!((bed.restores.len(), bed.reports(is_not_restored)), (0, 1));
}

#[test]
fn a_tool_that_removes_it_again_and_again_is_not_fought_without_end() {
    let mut bed = Bed::settled(Missing::PutBack);
    let end = bed.now + s(300);
    while bed.now < end {
        without(&mut bed, "192.0.2.10/24");
        bed.run_with(bed.now + ms(100), |_, _| {});
    }
    assert_eq!(bed.restores.len(), 10, "{:?}", bed.restores);
}

#[test]
fn one_that_stood_for_a_minute_is_put_back_at_once_again() {
    let mut bed = Bed::settled(Missing::PutBack);
    for _ in 0..3 {
        without(&mut bed, "192.0.2.10/24");
        bed.run(ms(100));
        bed.run(s(61));
    }
    assert_eq!(bed.restores.len(), 3);
    assert!(bed.restores.windows(2).all(|w| w[1].0 - w[0].0 < s(62)));
}

#[test]
fn what_the_kernel_refuses_is_told_and_tried_again() {
    let mut bed = Bed::settled(Missing::PutBack);
    bed.restore = |_| Err("no".into());
    without(&mut bed, "192.0.2.10/24");
    bed.run(ms(100));
    let Some((_, Report::NotRestored { why, again, .. })) = bed.told.last() else { panic!() };
    assert_eq!((why.as_str(), *again), ("no", s(1)));
    bed.restore = |_| Ok(());
    bed.run(s(2));
    assert_eq!(bed.reports(|r| matches!(r, Report::Restored(_))), 1);
}

#[test]
fn a_restore_is_believed_only_when_it_is_seen() {
    let mut bed = Bed::settled(Missing::PutBack);
    without(&mut bed, "192.0.2.10/24");
    bed.run(ms(50));
    // The kernel said yes; a look still shows nothing.
    bed.watch.handle(Event::Restored(address("192.0.2.10/24@eth0"), Ok(())), bed.now);
    bed.change(|_| {});
    bed.rest();
    assert_eq!(bed.reports(|r| matches!(r, Report::Restored(_))), 0);
}

#[test]
fn without_a_carrier_nobody_could_object_so_nothing_is_put_back_before() {
    let mut bed = Bed::settled(Missing::PutBack);
    bed.change(|sight| {
        sight.links[0].carrier = false;
        sight.addresses.remove(1);
    });
    bed.run(s(100));
    assert_eq!((bed.restores.len(), bed.count("probe 2001:db8::10")), (0, 0));
    bed.change(|sight| sight.links[0].carrier = true);
    bed.run(ms(100));
    assert_eq!(bed.restores.len(), 1);
}

#[test]
fn another_tool_that_puts_it_back_is_told_and_it_is_announced() {
    let mut bed = Bed::settled(Missing::Report);
    without(&mut bed, "192.0.2.10/24");
    bed.run(s(5));
    bed.change(|sight| sight.addresses.push(held("192.0.2.10/24")));
    bed.rest();
    assert_eq!(bed.reports(|r| matches!(r, Report::Returned(_))), 1);
    assert_eq!(bed.announced(Why::Returned), 1);
}

#[test]
fn a_failed_address_is_repaired_whatever_the_rule() {
    for missing in [Missing::Report, Missing::PutBack] {
        let mut bed = Bed::settled(missing);
        bed.change(|sight| sight.addresses[1].dadfailed = true);
        bed.run(ms(200));
        assert_eq!(bed.told[0].1, Report::DadFailed(address("2001:db8::10/64@eth0")));
        assert_eq!(bed.restores.len(), 1);
        assert_eq!(bed.announced(Why::Repaired), 1, "{:?}", bed.told);
    }
}

#[test]
fn a_failed_address_whose_owner_lives_is_left_alone() {
    let mut bed = Bed::settled(Missing::PutBack);
    bed.change(|sight| sight.addresses[1].dadfailed = true);
    bed.run_with(bed.now + s(20), |bed, words| {
        if words == "probe 2001:db8::10" {
            bed.ndp(Ndp::unsolicited(OTHER, VIP6));
        }
    });
    assert_eq!(bed.restores, []);
    assert!(bed.reports(is_not_restored) > 1);
}

#[test]
fn an_address_under_detection_is_waited_for() {
    let mut bed = Bed::settled(Missing::PutBack);
    bed.change(|sight| sight.addresses[1].tentative = true);
    bed.run(s(2));
    assert_eq!((bed.told.len(), bed.restores.len()), (0, 0));
    bed.change(|sight| sight.addresses[1].tentative = false);
    bed.rest();
    assert_eq!(bed.announced(Why::Returned), 1);
}

#[test]
fn one_that_was_never_there_is_told_at_the_beginning() {
    let mut bed = Bed::with(
        Rules { missing: Missing::Report, seed: 1 },
        Sight { addresses: vec![held("192.0.2.10/24")], ..healthy() },
    );
    bed.rest();
    assert!(matches!(&bed.told[1].1, Report::Missing(a) if a.ip() == IpAddr::from(VIP6)), "{:?}", bed.told);
}

#[test]
fn an_address_on_a_link_with_the_identitys_mac_is_its_own() {
    let vrrp: crate::identity::VirtualMac = "00:00:5e:00:01:0a".parse().unwrap();
    let identity = Identity::new(vec![address("192.0.2.10/24@eth0")], Some(vrrp)).unwrap();
    let mut watch = Watch::new(&identity, Rules { missing: Missing::Report, seed: 1 });
    let macvlan = Port {
        index: LinkIndex(9),
        name: "vrrp.10".into(),
        mac: Some(vrrp.at(VIP.into()).unwrap()),
        lower: Some(LINK),
        ..eth0()
    };
    let mut sight = Sight {
        links: vec![eth0(), macvlan],
        addresses: vec![Held { link: LinkIndex(9), ..held("192.0.2.10/24") }],
    };
    watch.handle(Event::Seen(sight.clone()), s(1));
    assert!(!watch.nothing_here());
    let (mut now, end) = (s(1), s(300));
    let mut sent = 0;
    while now < end {
        match watch.next(now) {
            Next::Do(Action::Send(link, frame)) => {
                assert_eq!(link, LinkIndex(9));
                assert_eq!(Arp::parse(&frame).unwrap().from, vrrp.at(VIP.into()).unwrap(), "by its own MAC");
                sent += 1;
            }
            Next::Do(Action::Announce(_)) => watch.handle(Event::Speakers(vec![]), now),
            Next::Do(_) => {}
            Next::Wait(until) => now = until,
        }
    }
    assert!(sent > 16 + 4, "{sent}");
    sight.addresses.clear();
    watch.handle(Event::Seen(sight), now);
    assert!(watch.nothing_here());
}

#[test]
fn what_is_released_is_not_put_back_until_it_was_taken_again() {
    let mut bed = Bed::settled(Missing::PutBack);
    bed.watch.handle(Event::Released(address("192.0.2.10/24@eth0")), bed.now);
    bed.run(s(1));
    without(&mut bed, "192.0.2.10/24");
    bed.run(s(300));
    assert_eq!(bed.told, [(s(1010), Report::Released(address("192.0.2.10/24@eth0")))]);
    assert_eq!(bed.restores, []);
    // Taken again, and lost again: that is another matter.
    bed.change(|sight| sight.addresses.push(held("192.0.2.10/24")));
    without(&mut bed, "192.0.2.10/24");
    bed.run(s(1));
    assert_eq!(bed.restores.len(), 1);
}

#[test]
fn a_release_that_never_came_leaves_the_watch_as_it_was() {
    let mut bed = Bed::settled(Missing::PutBack);
    bed.watch.handle(Event::Released(address("192.0.2.10/24@eth0")), bed.now);
    bed.run(RELEASE_COMES);
    without(&mut bed, "192.0.2.10/24");
    bed.run(s(1));
    assert_eq!(bed.restores.len(), 1);
}

#[test]
fn a_release_amid_a_repair_ends_it() {
    for state in ["missing", "failed"] {
        let mut bed = Bed::settled(Missing::PutBack);
        match state {
            "missing" => without(&mut bed, "192.0.2.10/24"),
            _ => bed.change(|sight| sight.addresses[0].dadfailed = true),
        }
        bed.run(ms(30));
        assert!(bed.count("probe 192.0.2.10") > 0, "{state}");
        bed.watch.handle(Event::Released(address("192.0.2.10/24@eth0")), bed.now);
        bed.change(|_| {});
        bed.run(ms(500));
        without(&mut bed, "192.0.2.10/24");
        bed.run(s(300));
        assert_eq!(bed.restores, [], "{state}");
    }
}

#[test]
fn silence_proves_nothing_where_the_carrier_went_while_it_was_asked() {
    let mut bed = Bed::settled(Missing::PutBack);
    without(&mut bed, "192.0.2.10/24");
    bed.run(ms(30));
    bed.change(|sight| sight.links[0].carrier = false);
    bed.run(s(10));
    assert_eq!(bed.restores, []);
    bed.clear();
    bed.change(|sight| sight.links[0].carrier = true);
    bed.run(ms(100));
    assert_eq!((bed.count("probe 192.0.2.10"), bed.restores.len()), (3, 1), "asked anew, in full");
}
