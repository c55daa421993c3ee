//! Between the kernel's acknowledgement and the last of the first frames nothing is allocated.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where its bed breaks")]

mod common;
#[path = "../../arbitrate/tests/counting/mod.rs"]
mod counting;

use std::time::Duration;

use common::{B, CLIENT, Net};
use counting::allocations;
use netident::campaign::{Campaign, Next};
use netident::identity::Identity;
use netident::plan;
use netident::system::netlink::Netlink;
use netident::system::packet::PacketSocket;

#[test]
fn from_the_changes_to_the_last_frame_nothing_is_allocated() {
    let Some(net) = Net::build() else { return };
    net.ip(B, &format!("neigh replace 192.0.2.2 lladdr {} dev eth0 nud stale", net.mac(CLIENT)));
    let namespace = std::fs::File::open(format!("/run/netns/{}", net.host(B))).unwrap();
    nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
    let socket = PacketSocket::open().unwrap();
    socket.listen().unwrap();
    let mut netlink = Netlink::open().unwrap();
    let host = netlink.host().unwrap();
    let addresses = (100..116)
        .flat_map(|n| [format!("192.0.2.{n}/24@eth0"), format!("2001:db8::{n}/64@eth0")])
        .map(|a| a.parse().unwrap())
        .collect();
    let plan = plan::take(&host, &Identity::new(addresses, None).unwrap()).unwrap();
    let mut batch = netlink.prepare(&plan.steps).unwrap();
    let mut campaign = Campaign::new(&plan.speakers);

    let before = allocations();
    netlink.submit(&mut batch).unwrap();
    let mut sent = 0;
    // A later millisecond each time: the bound of a burst is not what is tested.
    for ms in 0..10 {
        while let Next::Send(link, frame) = campaign.next(Duration::from_millis(ms)) {
            socket.send(link, &frame).unwrap();
            sent += 1;
        }
    }
    let allocated = allocations() - before;

    assert!(batch.ends().all(|end| end.is_ok()));
    assert_eq!(sent, 16 * 3 + 16 * 2 + 16, "announcements; IPv4 asks router and client, IPv6 the router");
    assert_eq!(allocated, 0);
    // Teeth: the counter counts.
    assert_ne!(allocations(), {
        drop(netlink.prepare(&plan.steps));
        allocations()
    });
}
