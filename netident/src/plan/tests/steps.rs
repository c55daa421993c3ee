//! Golden replays: a plan's steps in words, done one after the other on a model of a host, and undone from
//! wherever they stopped.

use super::*;
use crate::host::{Macvlan, Marks, OtherRoute, SeenMacvlan, Sysctl, Which, Whole};
use crate::identity::MacMode;

const VRRP4: MacAddr = MacAddr(0, 0, 0x5e, 0, 1, 10);

fn seen(host: &mut Host, link: &str, values: [i32; 2]) {
    for (which, value) in [Which::ArpIgnore, Which::ArpAnnounce].into_iter().zip(values) {
        host.around.sysctls.push((Sysctl::of(which, link).unwrap(), value));
    }
}

fn ready() -> Host {
    let mut h = host();
    seen(&mut h, "eth0", [0, 0]);
    seen(&mut h, "eth1", [0, 0]);
    seen(&mut h, "all", [0, 0]);
    h.around.others.push((default_route(), Whole::Yes));
    for which in [Which::ArpFilter, Which::RpFilter] {
        h.around.sysctls.push((Sysctl::of(which, "all").unwrap(), 0));
    }
    h
}

fn default_route() -> OtherRoute {
    OtherRoute {
        destination: net("0.0.0.0/0"),
        via: Some("192.0.2.1".parse().unwrap()),
        source: None,
        metric: 0,
        link: ETH0,
        protocol: 3,
        scope: 0,
        onlink: false,
    }
}

fn with_mac(addresses: &[&str], mac: &str) -> Identity {
    Identity::new(addresses.iter().map(|a| a.parse().unwrap()).collect(), Some(mac.parse().unwrap())).unwrap()
}

/// What a kernel does with a step.
fn perform(h: &mut Host, step: &Step) {
    let link = |h: &mut Host, i: LinkIndex, f: &dyn Fn(&mut SeenMacvlan)| {
        h.around.macvlans.iter_mut().filter(|m| m.is.index == i).for_each(f);
    };
    match *step {
        Step::Add { link, net, .. } => {
            h.addresses.push(Held { ours: true, ..held(link, &net.to_string()) });
        }
        Step::Remove { link, net } => h.addresses.retain(|a| a.link != link || a.net != net),
        Step::Sysctl { sysctl, from, to } => {
            let (_, value) = h.around.sysctls.iter_mut().find(|(s, _)| *s == sysctl).unwrap();
            assert_eq!(*value, from);
            *value = to;
        }
        Step::Create(is) => {
            h.around.macvlans.push(SeenMacvlan { is, ours: false, up: false });
            let Macvlan { index, name, mac, .. } = is;
            h.links.push(Link { index, name: name.to_string(), mac: Some(mac), ..h.links[0].clone() });
        }
        Step::Mark(m) => link(h, m.index, &|m| m.ours = true),
        Step::Tune { .. } => {}
        Step::Up(m) => link(h, m.index, &|m| m.up = true),
        Step::Down(m) => link(h, m.index, &|m| m.up = false),
        Step::Delete(m) => {
            h.around.macvlans.retain(|o| o.is.index != m.index);
            h.links.retain(|l| l.index != m.index);
            h.addresses.retain(|a| a.link != m.index);
        }
        Step::Mac { link, from, to } => {
            let l = h.links.iter_mut().find(|l| l.index == link).unwrap();
            assert_eq!(l.mac, Some(from));
            l.mac = Some(to);
        }
        Step::AddRoute(r) => h.around.routes.push(r),
        Step::RemoveRoute(r) => h.around.routes.retain(|o| !o.is_at(&r)),
        Step::SwapRoute { old, new } => {
            h.around.others.retain(|(o, _)| *o != old);
            h.around.routes.push(new);
        }
        Step::RestoreRoute { old, new } => {
            h.around.routes.retain(|o| !o.is_at(&new));
            h.around.others.push((old, Whole::Yes));
        }
    }
}

/// Every kind of step: IPv4 and IPv6 on macvlans, a route beside the default one and one in its place. And the same
/// on the link itself.
fn everything() -> [(&'static str, Identity); 3] {
    let route = |i: Identity| {
        let routes = ["default via 192.0.2.1 src 192.0.2.10 metric 50 @eth0", "default src 192.0.2.10 @eth0"];
        i.with_routes(routes.iter().map(|r| r.parse().unwrap()).collect()).unwrap()
    };
    let both = ["192.0.2.10/24@eth0", "2001:db8::10/64@eth0"];
    [
        ("macvlan", route(with_mac(&both, "vrrp:10"))),
        ("link", route(with_mac(&both, "02:00:00:00:00:0f").with_mode(MacMode::Link).unwrap())),
        ("none", route(identity(&both))),
    ]
}

#[test]
fn a_virtual_mac_on_a_macvlan_step_by_step() {
    let (h, (_, vip)) = (ready(), everything()[0].clone());
    let words: Vec<_> = take(&h, &vip).unwrap().steps.iter().map(|s| s.words(&h)).collect();
    assert_eq!(
        words,
        [
            "set net.ipv4.conf.eth0.arp_ignore from 0 to 1",
            "set net.ipv4.conf.eth0.arp_announce from 0 to 2",
            "make macvlan nid4-10-2 with MAC 00:00:5e:00:01:0a on eth0",
            "mark nid4-10-2 as this program's",
            "set net.ipv6.conf.nid4-10-2.disable_ipv6 to 1",
            "set net.ipv4.conf.nid4-10-2.arp_ignore to 1",
            "set net.ipv4.conf.nid4-10-2.arp_filter to 0",
            "set net.ipv4.conf.nid4-10-2.rp_filter to 0",
            "set net.ipv4.conf.nid4-10-2.promote_secondaries to 1",
            "set nid4-10-2 up",
            "make macvlan nid6-10-2 with MAC 00:00:5e:00:02:0a on eth0",
            "mark nid6-10-2 as this program's",
            "set net.ipv6.conf.nid6-10-2.disable_ipv6 to 0",
            "set net.ipv6.conf.nid6-10-2.addr_gen_mode to 1",
            "set net.ipv6.conf.nid6-10-2.accept_ra to 0",
            "set net.ipv6.conf.nid6-10-2.accept_dad to 0",
            "set net.ipv4.conf.nid6-10-2.arp_ignore to 8",
            "set nid6-10-2 up",
            "add 192.0.2.10/24 on ?, beside the route its subnet has",
            "add 2001:db8::10/64 on ?, with a route to its subnet",
            "add the route to 0.0.0.0/0 via 192.0.2.1 src 192.0.2.10 metric 50 on eth0",
            "replace the route to 0.0.0.0/0 via 192.0.2.1 metric 0 on eth0 by the route to 0.0.0.0/0 src \
             192.0.2.10 metric 0 on eth0",
        ]
    );
}

#[test]
fn a_virtual_mac_on_the_link_step_by_step_and_its_other_addresses_are_announced() {
    let (h, (_, vip)) = (ready(), everything()[1].clone());
    let plan = take(&h, &vip).unwrap();
    assert_eq!(plan.steps[0].words(&h), "change the MAC of eth0 from 02:00:00:00:00:0a to 02:00:00:00:00:0f");
    assert_eq!(plan.steps.len(), 5);
    let speak: Vec<_> = plan.speakers.iter().map(|(v, _)| (v.ip.to_string(), v.mac.5)).collect();
    let all = ["192.0.2.10", "2001:db8::10", "192.0.2.2", "2001:db8::2"];
    assert_eq!(speak, all.map(|ip| (ip.to_owned(), 0x0f)));
    assert_eq!(asked(&plan, 2), ["192.0.2.1"], "the router must learn of the host's own address");
}

#[test]
fn voices_stand_on_the_macvlan_and_ask_whom_the_link_knows() {
    let plan = take(&ready(), &with_mac(&["192.0.2.10/24@eth0"], "vrrp:10")).unwrap();
    let (voice, _) = &plan.speakers[0];
    assert_eq!((voice.mac, voice.link), (VRRP4, LinkIndex(0x4000)));
    assert_eq!(asked(&plan, 0), ["192.0.2.1", "192.0.2.7"]);
}

#[test]
fn undone_from_every_step_leaves_the_host_as_it_was() {
    for (name, vip) in everything() {
        let before = ready();
        let plan = take(&before, &vip).unwrap();
        for n in 0..=plan.steps.len() {
            let mut h = before.clone();
            plan.steps[..n].iter().for_each(|s| perform(&mut h, s));
            assert!(n == 0 || h != before, "{name} {n}");
            // An undoing may itself be cut short, anywhere, and begun again.
            let half = h.clone();
            for m in 0..=needed(&half, &plan.undo).len() {
                let mut h = half.clone();
                needed(&h, &plan.undo)[..m].iter().for_each(|s| perform(&mut h, s));
                needed(&h, &plan.undo).iter().for_each(|s| perform(&mut h, s));
                assert_eq!(h, before, "{name}: stopped before step {n} of {}, undoing {m}", plan.steps.len());
                assert_eq!(needed(&h, &plan.undo), [], "{name}: nothing is left to be undone");
            }
        }
    }
}

#[test]
fn taken_whole_it_is_already_so_and_released_whole_it_is_gone() {
    for (name, vip) in everything() {
        let before = ready();
        let plan = take(&before, &vip).unwrap();
        let mut h = before.clone();
        plan.steps.iter().for_each(|s| perform(&mut h, s));
        assert_eq!(take(&h, &vip).unwrap().steps, [], "{name}");
        for step in release_recorded(&h, &vip, &plan.undo).unwrap().steps {
            perform(&mut h, &step);
        }
        assert_eq!(h, before, "{name}");
    }
}

#[test]
fn without_a_record_all_goes_but_what_nobody_knows() {
    for (name, vip) in everything() {
        let mut h = ready();
        take(&h, &vip).unwrap().steps.iter().for_each(|s| perform(&mut h, s));
        h.around.made_with.clear();
        let plan = release(&h, &vip).unwrap();
        assert_eq!(plan.stays.is_some(), name == "link", "{name}");
        plan.steps.iter().for_each(|s| perform(&mut h, s));
        assert_eq!((h.around.macvlans.len(), h.around.routes.len(), h.addresses.len()), (0, 0, 2), "{name}");
        if name == "link" {
            h.around.made_with.push((ETH0, MAC));
            let plan = release(&h, &vip).unwrap();
            let words: Vec<_> = plan.steps.iter().map(|s| s.words(&h)).collect();
            assert_eq!(words, ["change the MAC of eth0 from 02:00:00:00:00:0f to 02:00:00:00:00:0a"]);
            assert_eq!(plan.speakers.len(), 2, "the host's own addresses are announced again");
        }
    }
}

#[test]
fn what_another_did_meanwhile_is_left_alone() {
    let (before, (_, vip)) = (ready(), everything()[0].clone());
    let plan = take(&before, &vip).unwrap();
    let mut h = before.clone();
    plan.steps.iter().for_each(|s| perform(&mut h, s));
    // Somebody set a sysctl, and put an address of his own on the macvlan.
    let ignore = Sysctl::of(Which::ArpIgnore, "eth0").unwrap();
    h.around.sysctls.iter_mut().find(|(s, _)| *s == ignore).unwrap().1 = 2;
    h.addresses.push(held(LinkIndex(0x4000), "192.0.2.99/24"));
    let words: Vec<_> = needed(&h, &plan.undo).iter().map(|s| s.words(&h)).collect();
    assert!(
        !words.iter().any(|w| w.contains("arp_ignore") || w.contains("delete macvlan nid4")),
        "{words:?}"
    );
    assert!(words.iter().any(|w| w == "delete macvlan nid6-10-2"), "{words:?}");
    let words: Vec<_> =
        release_recorded(&h, &vip, &plan.undo).unwrap().steps.iter().map(|s| s.words(&h)).collect();
    assert!(!words.iter().any(|w| w.contains("delete macvlan nid4")), "{words:?}");
    // An address that stands, but not by this program, is not removed by an undoing.
    h.addresses.iter_mut().for_each(|a| a.ours = false);
    let removes =
        |h: &Host| needed(h, &plan.undo).iter().filter(|s| matches!(s, Step::Remove { .. })).count();
    assert_eq!(removes(&h), 0);
    // Where the kernel keeps no marks, the record is believed: for the addresses that it names, and no others.
    h.around.marks = Marks::Lost;
    assert_eq!(removes(&h), 2);
}

#[test]
fn a_macvlan_left_half_made_is_finished() {
    let vip = with_mac(&["192.0.2.10/24@eth0"], "vrrp:10");
    let mut h = ready();
    let steps = take(&h, &vip).unwrap().steps;
    let created = steps.iter().position(|s| matches!(s, Step::Create(_))).unwrap();
    steps[..=created].iter().for_each(|s| perform(&mut h, s));
    let rest = take(&h, &vip).unwrap().steps;
    assert_eq!(rest, steps[created + 1..]);
}

#[test]
fn sysctls_that_forbid_it_and_a_name_that_is_taken_are_obstacles() {
    let vip = with_mac(&["192.0.2.10/24@eth0"], "vrrp:10");
    let set = |which, value| {
        let mut h = ready();
        let all = Sysctl::of(which, "all").unwrap();
        h.around.sysctls.iter_mut().find(|(s, _)| *s == all).unwrap().1 = value;
        take(&h, &vip)
    };
    for (which, value) in [(Which::ArpIgnore, 8), (Which::ArpFilter, 1)] {
        let e = set(which, value).unwrap_err();
        assert!(matches!(e, Obstacle::Sysctl { .. }) && e.to_string().contains("--mac-mode link"), "{e}");
    }
    let steps = set(Which::ArpIgnore, 1).unwrap().steps;
    assert!(!matches!(steps[0], Step::Sysctl { sysctl, .. } if sysctl.which == Which::ArpIgnore), "as it is");
    let rp = set(Which::RpFilter, 1).unwrap().steps;
    assert!(rp.iter().any(|s| matches!(s, Step::Tune { sysctl, to: 2 } if sysctl.which == Which::RpFilter)));
    assert!(matches!(take(&host(), &vip), Err(Obstacle::Unread(_))), "never guessed");
    let mut h = ready();
    h.links.push(Link { index: LinkIndex(9), name: "nid4-10-2".into(), ..h.links[0].clone() });
    assert!(matches!(take(&h, &vip), Err(Obstacle::NameTaken(_))));
}

#[test]
fn a_route_that_could_not_be_put_back_is_not_replaced_and_one_put_there_since_is_left() {
    let vip = identity(&["192.0.2.10/24@eth0"])
        .with_routes(vec!["default via 192.0.2.1 src 192.0.2.10 @eth0".parse().unwrap()])
        .unwrap();
    let mut h = ready();
    h.around.others[0].1 = Whole::No;
    assert!(matches!(take(&h, &vip), Err(Obstacle::RouteThere { .. })));
    h.around.others = vec![(default_route(), Whole::Yes), (default_route(), Whole::Yes)];
    assert!(matches!(take(&h, &vip), Err(Obstacle::RouteThere { .. })), "which of two?");
    let before = ready();
    let plan = take(&before, &vip).unwrap();
    let mut h = before.clone();
    plan.steps.iter().for_each(|s| perform(&mut h, s));
    // The kernel took our route away along with the address: the other's is missed all the same.
    h.around.routes.clear();
    assert!(needed(&h, &plan.undo).iter().any(|s| matches!(s, Step::RestoreRoute { .. })));
    // Or left it without its source, as IPv6 does: found all the same, and taken anew.
    let mut lame = before.clone();
    plan.steps.iter().for_each(|s| perform(&mut lame, s));
    lame.around.routes.iter_mut().for_each(|r| r.source = None);
    assert!(needed(&lame, &plan.undo).iter().any(|s| matches!(s, Step::RestoreRoute { .. })));
    let again = take(&lame, &vip).unwrap().steps;
    assert!(matches!(again[..], [Step::RemoveRoute(_), Step::AddRoute(_)]), "{again:?}");
    // An administrator set one of his own meanwhile.
    h.around.others.push((OtherRoute { metric: 0, protocol: 4, ..default_route() }, Whole::Yes));
    assert!(!needed(&h, &plan.undo).iter().any(|s| matches!(s, Step::RestoreRoute { .. })));
}
