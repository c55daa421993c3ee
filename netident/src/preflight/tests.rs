use super::*;
use crate::frame::LinkIndex;
use crate::host::{Held, Link};
use pnet_base::MacAddr;

const MAC: MacAddr = MacAddr(2, 0, 0, 0, 0, 0xa);

fn link(index: u32, name: &str) -> Link {
    Link {
        index: LinkIndex(index),
        name: name.into(),
        mac: Some(MAC),
        up: true,
        carrier: true,
        promote_secondaries: true,
    }
}

fn port(index: u32, name: &str) -> Port {
    Port {
        index: LinkIndex(index),
        name: name.into(),
        mac: Some(MAC),
        carrier: true,
        ups: None,
        active: None,
        master: None,
        lower: None,
    }
}

fn held(index: u32, net: &str) -> Held {
    Held {
        link: LinkIndex(index),
        net: net.parse().unwrap(),
        secondary: false,
        tentative: false,
        dadfailed: false,
        ours: false,
    }
}

fn settings(link: &str) -> Settings {
    Settings {
        link: link.into(),
        arp_ignore: Some(0),
        arp_announce: Some(2),
        rp_filter: Some(2),
        promote_secondaries: Some(1),
        disable_ipv6: Some(0),
        accept_dad: Some(1),
        dad_transmits: Some(1),
        optimistic_dad: Some(0),
        keep_addr_on_down: Some(1),
    }
}

/// A host in no trap.
fn healthy() -> Observed {
    Observed {
        host: Host {
            links: vec![link(2, "eth0"), link(3, "eth1")],
            addresses: vec![held(2, "192.0.2.3/24"), held(3, "198.51.100.3/24")],
            ..Host::default()
        },
        ports: vec![port(2, "eth0"), port(3, "eth1")],
        macvlans: vec![],
        settings: vec![settings("eth0"), settings("eth1")],
        nonlocal_bind4: Some(0),
        nonlocal_bind6: Some(0),
        table4: Some(Table { entries: 100, soft: 512, hard: 1024 }),
        table6: Some(Table { entries: 100, soft: 512, hard: 1024 }),
        net_admin: Some(true),
        net_raw: Some(true),
    }
}

fn identity() -> Identity {
    let all = ["192.0.2.10/24@eth0", "2001:db8::10/64@eth0"];
    Identity::new(all.iter().map(|a| a.parse().unwrap()).collect(), None).unwrap()
}

/// The one finding that does not pass, of a healthy host with this change.
fn only(change: impl FnOnce(&mut Observed)) -> Finding {
    let mut o = healthy();
    change(&mut o);
    let all = judge(&o, &identity());
    let bad: Vec<&Finding> = all.iter().filter(|f| f.verdict != Verdict::Pass).collect();
    assert_eq!(bad.len(), 1, "{bad:#?}");
    bad[0].clone()
}

#[test]
fn a_host_in_no_trap_passes_everything() {
    let all = judge(&healthy(), &identity());
    assert_eq!(worst(&all), Verdict::Pass, "{all:#?}");
    assert!(all.len() >= 17 && all.iter().all(|f| f.mend.is_none()), "{all:#?}");
}

type Change = fn(&mut Observed);

#[test]
fn each_trap_is_named_with_what_mends_it() {
    use Verdict::{Fail, Unknown, Warn};
    let all: &[(&str, Verdict, &str, Change)] = &[
        ("net-admin", Fail, "CAP_NET_ADMIN", |o| o.net_admin = Some(false)),
        ("net-raw", Fail, "CAP_NET_RAW", |o| o.net_raw = Some(false)),
        ("net-raw", Unknown, "", |o| o.net_raw = None),
        ("carrier", Fail, "ip link set eth0 up", |o| o.host.links[0].up = false),
        ("carrier", Fail, "cable", |o| o.host.links[0].carrier = false),
        ("carrier", Fail, "link", |o| o.host.links[0].mac = None),
        ("carrier", Fail, "ip -br link", |o| o.host.links.retain(|l| l.name != "eth0")),
        ("port-of-another", Fail, "@eth1", |o| o.ports[0].master = Some(LinkIndex(3))),
        ("dadfailed", Fail, "nodad", |o| {
            o.host.addresses.push(Held { dadfailed: true, ..held(2, "2001:db8::77/64") });
        }),
        ("second-link", Fail, "arp_ignore=1", |o| o.host.addresses.push(held(3, "192.0.2.77/24"))),
        ("second-link", Warn, "arp_announce=2", |o| {
            o.host.addresses.push(held(3, "192.0.2.77/24"));
            o.settings.iter_mut().for_each(|s| s.arp_ignore = Some(1));
        }),
        ("second-link", Unknown, "", |o| {
            o.host.addresses.push(held(3, "192.0.2.77/24"));
            o.settings[1].arp_ignore = None;
        }),
        ("macvlan-base", Fail, "net.ipv4.conf.eth1.arp_ignore=1", |o| {
            o.macvlans.push("eth0".into());
            o.ports[0].lower = Some(LinkIndex(3));
        }),
        ("plan", Fail, "plan", |o| o.host.addresses.push(held(3, "192.0.2.10/24"))),
        ("promote-secondaries", Warn, "conf.eth0.promote_secondaries=1", |o| {
            o.settings[0].promote_secondaries = Some(0);
        }),
        ("promote-secondaries", Unknown, "", |o| o.settings[0].promote_secondaries = None),
        ("arp-ignore", Fail, "conf.eth0.arp_ignore=1", |o| o.settings[0].arp_ignore = Some(8)),
        ("arp-ignore", Warn, "conf.eth0.arp_ignore=1", |o| o.settings[0].arp_ignore = Some(3)),
        ("arp-announce", Warn, "conf.eth0.arp_announce=2", |o| o.settings[0].arp_announce = Some(0)),
        ("rp-filter", Warn, "conf.eth0.rp_filter=2", |o| o.settings[0].rp_filter = Some(1)),
        ("disable-ipv6", Fail, "conf.eth0.disable_ipv6=0", |o| o.settings[0].disable_ipv6 = Some(1)),
        ("disable-ipv6", Unknown, "", |o| o.settings[0].disable_ipv6 = None),
        ("dad", Warn, "conf.eth0.accept_dad=1", |o| o.settings[0].accept_dad = Some(2)),
        ("dad", Unknown, "", |o| o.settings[0].accept_dad = None),
        ("optimistic-dad", Warn, "conf.eth0.optimistic_dad=0", |o| o.settings[0].optimistic_dad = Some(1)),
        ("keep-addr-on-down", Warn, "conf.eth0.keep_addr_on_down=1", |o| {
            o.settings[0].keep_addr_on_down = Some(0);
        }),
        ("nonlocal-bind", Warn, "net.ipv4.ip_nonlocal_bind=0", |o| o.nonlocal_bind4 = Some(1)),
        ("nonlocal-bind", Warn, "net.ipv6.ip_nonlocal_bind=0", |o| o.nonlocal_bind6 = Some(1)),
        ("neighbour-table", Fail, "net.ipv4.neigh.default.gc_thresh3=8192", |o| {
            o.table4 = Some(Table { entries: 922, soft: 512, hard: 1024 });
        }),
        ("neighbour-table", Warn, "net.ipv6.neigh.default.gc_thresh3=8192", |o| {
            o.table6 = Some(Table { entries: 512, soft: 512, hard: 1024 });
        }),
        ("neighbour-table", Unknown, "", |o| o.table4 = None),
    ];
    for (trap, verdict, mend, change) in all {
        let f = only(change);
        assert_eq!((f.trap, f.verdict), (*trap, *verdict), "{f:?}");
        assert!(f.mend.as_deref().unwrap_or_default().contains(mend), "{f:?}");
        assert!(f.why.len() > 20 && !f.what.is_empty(), "{f:?}");
    }
}

#[test]
fn a_family_that_is_not_wanted_is_not_judged() {
    let mut o = healthy();
    (o.settings[0].disable_ipv6, o.table6, o.nonlocal_bind6) = (None, None, None);
    let v4 = Identity::new(vec!["192.0.2.10/24@eth0".parse().unwrap()], None).unwrap();
    assert_eq!(worst(&judge(&o, &v4)), Verdict::Pass);
    assert_eq!(worst(&judge(&o, &identity())), Verdict::Unknown);
}

#[test]
fn a_host_of_one_link_has_no_wrong_way_round() {
    let mut o = healthy();
    o.host.links.truncate(1);
    (o.settings[0].rp_filter, o.settings[0].arp_announce) = (Some(1), Some(0));
    assert_eq!(worst(&judge(&o, &identity())), Verdict::Pass);
}

#[test]
fn a_host_route_is_answered_by_every_neighbour_or_by_none() {
    let mut o = healthy();
    o.settings[0].arp_ignore = Some(2);
    assert_eq!(worst(&judge(&o, &identity())), Verdict::Pass);
    let host = Identity::new(vec!["192.0.2.10/32@eth0".parse().unwrap()], None).unwrap();
    assert_eq!(worst(&judge(&o, &host)), Verdict::Fail);
}

#[test]
fn a_base_that_keeps_to_itself_is_no_trap() {
    let mut o = healthy();
    o.macvlans.push("eth0".into());
    o.ports[0].lower = Some(LinkIndex(3));
    o.settings[1].arp_ignore = Some(1);
    assert_eq!(worst(&judge(&o, &identity())), Verdict::Pass);
}
