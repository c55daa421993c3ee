//! The floor of a one-shot move: one address, two frames, nothing looked at, nothing proven. `tools/bench/identity` only.
//!
//!     bare_probe LINK-INDEX MAC ADDRESS/PREFIX

#![allow(clippy::unwrap_used, clippy::panic, reason = "a measuring tool stops where it cannot measure")]

use std::net::IpAddr;

use netident::frame::LinkIndex;
use netident::frame::arp::Arp;
use netident::frame::ndp::Ndp;
use netident::plan::{PrefixRoute, Step};
use netident::system::netlink::Netlink;
use netident::system::packet::PacketSocket;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, index, mac, net] = &arguments[..] else { panic!("bare_probe LINK-INDEX MAC ADDRESS/PREFIX") };
    let (link, net) = (LinkIndex(index.parse().unwrap()), net.parse::<ipnet::IpNet>().unwrap());
    let mac = mac.parse().unwrap();
    let socket = PacketSocket::open().unwrap();
    let mut netlink = Netlink::open().unwrap();
    let step = Step::Add { link, net, prefix_route: PrefixRoute::Leave };
    let frames = match net.addr() {
        IpAddr::V4(ip) => {
            vec![Arp::gratuitous_request(mac, ip).emit(), Arp::gratuitous_reply(mac, ip).emit()]
        }
        IpAddr::V6(ip) => vec![Ndp::unsolicited(mac, ip).emit()],
    };
    netlink.change(&[step]).unwrap().into_iter().for_each(|end| end.unwrap());
    for frame in frames {
        socket.send(link, &frame).unwrap();
    }
}
