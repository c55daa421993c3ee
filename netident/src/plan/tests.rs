mod steps;

use super::*;
use crate::frame::LinkIndex;
use crate::host::{Held, Host, Link, Neighbour, Route};
use crate::identity::{Address, Identity};
use pnet_base::MacAddr;

const ETH0: LinkIndex = LinkIndex(2);
const ETH1: LinkIndex = LinkIndex(3);
const MAC: MacAddr = MacAddr(2, 0, 0, 0, 0, 0xa);

fn net(s: &str) -> IpNet {
    s.parse().unwrap()
}

fn held(link: LinkIndex, s: &str) -> Held {
    Held { link, net: net(s), secondary: false, tentative: false, dadfailed: false, ours: false }
}

fn identity(addresses: &[&str]) -> Identity {
    let all: Vec<Address> = addresses.iter().map(|a| a.parse().unwrap()).collect();
    Identity::new(all, None).unwrap()
}

fn host() -> Host {
    let link = |index, name: &str| Link {
        index,
        name: name.into(),
        mac: Some(MAC),
        up: true,
        carrier: true,
        promote_secondaries: false,
    };
    let route = |destination, gateway: Option<&str>| Route {
        destination: net(destination),
        gateway: gateway.map(|g| g.parse().unwrap()),
        link: ETH0,
    };
    let neighbour = |ip: &str| Neighbour { link: ETH0, ip: ip.parse().unwrap() };
    Host {
        links: vec![link(ETH0, "eth0"), link(ETH1, "eth1")],
        addresses: vec![held(ETH0, "192.0.2.2/24"), held(ETH0, "2001:db8::2/64")],
        routes: vec![
            route("192.0.2.0/24", None),
            route("0.0.0.0/0", Some("192.0.2.1")),
            route("::/0", Some("fe80::1")),
        ],
        neighbours: vec![
            neighbour("192.0.2.7"),
            neighbour("192.0.2.1"),
            neighbour("198.51.100.7"),
            neighbour("2001:db8::7"),
        ],
        ..Host::default()
    }
}

fn asked(plan: &TakePlan, n: usize) -> Vec<String> {
    plan.speakers[n].1.iter().map(ToString::to_string).collect()
}

#[test]
fn an_address_of_a_known_subnet_is_added_beside_its_route_and_asks_router_and_neighbours() {
    let plan = take(&host(), &identity(&["192.0.2.10/24@eth0"])).unwrap();
    let step = Step::Add { link: ETH0, net: net("192.0.2.10/24"), prefix_route: PrefixRoute::Leave };
    assert_eq!(plan.steps, [step]);
    assert_eq!(plan.undo, [Step::Remove { link: ETH0, net: net("192.0.2.10/24") }]);
    assert_eq!(asked(&plan, 0), ["192.0.2.1", "192.0.2.7"]);
    assert_eq!(plan.speakers[0].0.mac, MAC);
}

#[test]
fn a_new_subnet_gets_its_route_and_ipv6_asks_its_link_local_router() {
    let plan = take(&host(), &identity(&["203.0.113.5/24@eth1", "2001:db8::10/64@eth0"])).unwrap();
    assert!(matches!(plan.steps[0], Step::Add { prefix_route: PrefixRoute::Make, .. }));
    assert_eq!(asked(&plan, 0), [""; 0]);
    assert_eq!(asked(&plan, 1), ["fe80::1", "2001:db8::7"]);
    assert_eq!(plan.undo[0], Step::Remove { link: ETH0, net: net("2001:db8::10/64") }, "the last first");
}

#[test]
fn what_stands_is_left_and_announced_and_what_failed_is_revived() {
    let mut h = host();
    h.addresses.push(held(ETH0, "192.0.2.10/24"));
    let plan = take(&h, &identity(&["192.0.2.10/24@eth0"])).unwrap();
    assert_eq!((plan.steps.len(), plan.speakers.len()), (0, 1));
    h.addresses[2].dadfailed = true;
    let plan = take(&h, &identity(&["192.0.2.10/24@eth0"])).unwrap();
    assert!(matches!(plan.steps[..], [Step::Remove { .. }, Step::Add { .. }]));
}

#[test]
fn obstacles_are_named() {
    let vip = identity(&["192.0.2.10/24@eth0"]);
    let broken = |change: fn(&mut Host)| {
        let mut h = host();
        change(&mut h);
        take(&h, &vip).unwrap_err()
    };
    assert_eq!(broken(|h| h.links.clear()), Obstacle::NoLink("eth0".into()));
    assert_eq!(broken(|h| h.links[0].up = false), Obstacle::Down("eth0".into()));
    assert_eq!(broken(|h| h.links[0].carrier = false), Obstacle::NoCarrier("eth0".into()));
    assert_eq!(broken(|h| h.links[0].mac = None), Obstacle::NoMac("eth0".into()));
    let e = broken(|h| h.addresses.push(held(ETH1, "192.0.2.10/24")));
    assert!(e.to_string().contains("stands on eth1"), "{e}");
    let e = broken(|h| h.addresses.push(held(ETH0, "192.0.2.10/32")));
    assert!(matches!(e, Obstacle::OtherPrefix { .. }), "{e}");
}

#[test]
fn release_removes_what_stands_and_nothing_else() {
    let vip = identity(&["192.0.2.10/24@eth0", "2001:db8::10/64@eth0", "192.0.2.11/24@gone"]);
    assert_eq!(release(&host(), &vip).unwrap().steps, []);
    let mut h = host();
    h.addresses.extend([
        held(ETH0, "192.0.2.10/24"),
        held(ETH0, "2001:db8::10/64"),
        held(ETH1, "192.0.2.10/24"),
    ]);
    let steps = release(&h, &vip).unwrap().steps;
    assert_eq!(steps.len(), 2);
    assert!(steps.iter().all(|s| matches!(s, Step::Remove { link: ETH0, .. })));
}

#[test]
fn release_refuses_to_take_others_along() {
    let mut h = host();
    h.addresses = vec![held(ETH0, "192.0.2.10/24"), Held { secondary: true, ..held(ETH0, "192.0.2.2/24") }];
    let e = release(&h, &identity(&["192.0.2.10/24@eth0"])).unwrap_err();
    assert!(e.to_string().contains("192.0.2.2/24"), "{e}");
    let both = identity(&["192.0.2.10/24@eth0", "192.0.2.2/24@eth0"]);
    assert_eq!(release(&h, &both).unwrap().steps.len(), 2, "both go");
    h.links[0].promote_secondaries = true;
    assert_eq!(release(&h, &identity(&["192.0.2.10/24@eth0"])).unwrap().steps.len(), 1);
}
