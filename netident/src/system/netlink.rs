//! Route netlink (rtnetlink(7)): reads a [`Host`], changes addresses.
//!
//! The one module that knows the netlink crates. Every request is acknowledged by the kernel; a batch goes out in one
//! datagram. Must never guess: an answer that is not understood is an error.

mod batch;
mod links;

use std::io;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;
use netlink_packet_core::{
    NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol,
};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use std::os::fd::AsFd;

pub use batch::Batch;

use super::{SystemError, sysctl};
use crate::frame::LinkIndex;
use crate::host::{Held, Host, Link, Marks, Neighbour, Route};
use crate::plan::{PrefixRoute, Step};

/// IFA_PROTO of addresses this program put there (a number the kernel leaves to user space; `ip -d addr` shows it).
pub const OURS: u8 = 0x50;

const PATIENCE_MS: u16 = 1000;
/// A dump that the kernel says was torn by a change is read again this often.
const DUMPS: u8 = 5;

/// A netlink socket.
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// Opens it.
    ///
    /// # Errors
    /// [`SystemError::Call`].
    pub fn open() -> Result<Self, SystemError> {
        let open = || -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            socket.set_ext_ack(true)?;
            socket.set_cap_ack(true)?;
            socket.set_netlink_get_strict_chk(true)?;
            Ok(socket)
        };
        let socket = open().map_err(|e| SystemError::call("opening a netlink socket", e))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// What the host looks like now: IPv4 and IPv6.
    ///
    /// # Errors
    /// [`SystemError`].
    pub fn host(&mut self) -> Result<Host, SystemError> {
        let all = self.address_messages()?;
        let mut host = Host { addresses: all.iter().filter_map(held).collect(), ..Host::default() };
        if !all.iter().any(is_marked) {
            host.around.marks = Marks::Lost;
        }
        self.read_links(&mut host)?;
        for m in self.dump(RouteNetlinkMessage::GetRoute(RouteMessage::default()), "reading the routes")? {
            if let RouteNetlinkMessage::NewRoute(m) = m {
                host.routes.extend(route(&m));
                host.around.routes.extend(links::own_route(&m));
                host.around.others.extend(links::other_route(&m));
            }
        }
        let all = NeighbourMessage::default();
        for m in self.dump(RouteNetlinkMessage::GetNeighbour(all), "reading the neighbours")? {
            if let RouteNetlinkMessage::NewNeighbour(m) = m {
                host.neighbours.extend(neighbour(&m));
            }
        }
        Ok(host)
    }

    fn read_links(&mut self, host: &mut Host) -> Result<(), SystemError> {
        host.around.sysctls.extend(sysctl::of_link("all"));
        // The kernel takes the larger of the link's value and that of `all`; a read costs as much as a netlink call.
        let all = sysctl_is_on("all", "promote_secondaries");
        let dump = self.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()), "reading the links")?;
        for m in dump {
            let RouteNetlinkMessage::NewLink(m) = m else { continue };
            let link = link(&m, all);
            if link.mac.is_some() {
                host.around.sysctls.extend(sysctl::of_link(&link.name));
            }
            host.around.macvlans.extend(links::macvlan(&m));
            host.around.made_with.extend(links::made_with(&m));
            host.links.push(link);
        }
        Ok(())
    }

    /// The addresses that stand on this host.
    ///
    /// # Errors
    /// [`SystemError`].
    pub fn addresses(&mut self) -> Result<Vec<Held>, SystemError> {
        Ok(self.address_messages()?.iter().filter_map(held).collect())
    }

    fn address_messages(&mut self) -> Result<Vec<AddressMessage>, SystemError> {
        let all = AddressMessage::default();
        let dump = self.dump(RouteNetlinkMessage::GetAddress(all), "reading the addresses")?;
        let addresses = dump.into_iter().filter_map(|m| match m {
            RouteNetlinkMessage::NewAddress(m) => Some(m),
            _ => None,
        });
        Ok(addresses.collect())
    }

    /// Changes all of `steps`, sent at once, in order. What came of each, in the same order. The kernel goes on
    /// after one that it refuses; [`Step::Sysctl`] and [`Step::Tune`] are not netlink's, and refused.
    ///
    /// # Errors
    /// [`SystemError`] where the kernel's answers were not to be had: then any of the steps may have been done.
    pub fn change(&mut self, steps: &[Step]) -> Result<Vec<io::Result<()>>, SystemError> {
        let Some(mut batch) = self.prepare(steps) else {
            let why = io::Error::from(io::ErrorKind::Unsupported);
            return Err(SystemError::call(batch::DOING, why));
        };
        self.submit(&mut batch)?;
        Ok(batch.ends().collect())
    }

    fn append(&mut self, batch: &mut Vec<u8>, message: RouteNetlinkMessage, flags: u16) {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags | NLM_F_REQUEST;
        header.sequence_number = self.sequence;
        let mut m = NetlinkMessage::new(header, NetlinkPayload::from(message));
        m.finalize();
        let start = batch.len();
        batch.resize(start + m.buffer_len().next_multiple_of(4), 0);
        m.serialize(&mut batch[start..]);
    }

    fn send(&self, batch: &[u8], doing: &str) -> Result<(), SystemError> {
        self.socket
            .send_to(batch, &SocketAddr::new(0, 0), 0)
            .map(drop)
            .map_err(|e| SystemError::call(doing, e))
    }

    /// The messages of one datagram.
    fn receive(&self, doing: &str) -> Result<Vec<NetlinkMessage<RouteNetlinkMessage>>, SystemError> {
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        let ready = nix::poll::poll(&mut fds, PollTimeout::from(PATIENCE_MS));
        if ready.map_err(|e| SystemError::call(doing, e.into()))? == 0 {
            return Err(SystemError::Silent(doing.to_owned()));
        }
        let (data, _) = self.socket.recv_from_full().map_err(|e| SystemError::call(doing, e))?;
        let mut messages = Vec::new();
        let mut rest = &data[..];
        while !rest.is_empty() {
            let m = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(|e| SystemError::Answer { doing: doing.to_owned(), why: e.to_string() })?;
            let len = (m.header.length as usize).next_multiple_of(4);
            messages.push(m);
            // At least a header was read.
            rest = rest.get(len.max(16)..).unwrap_or_default();
        }
        Ok(messages)
    }

    pub(super) fn dump(
        &mut self,
        what: RouteNetlinkMessage,
        doing: &str,
    ) -> Result<Vec<RouteNetlinkMessage>, SystemError> {
        for _ in 0..DUMPS {
            if let Some(all) = self.dump_once(what.clone(), doing)? {
                return Ok(all);
            }
        }
        let why = format!("it changed {DUMPS} times while it was read");
        Err(SystemError::Answer { doing: doing.to_owned(), why })
    }

    /// `None` where the kernel says that a change tore it.
    fn dump_once(
        &mut self,
        what: RouteNetlinkMessage,
        doing: &str,
    ) -> Result<Option<Vec<RouteNetlinkMessage>>, SystemError> {
        let mut request = Vec::new();
        self.append(&mut request, what, NLM_F_DUMP);
        self.send(&request, doing)?;
        let (mut all, mut torn) = (Vec::new(), false);
        loop {
            for m in self.receive(doing)? {
                if m.header.sequence_number != self.sequence {
                    continue;
                }
                torn |= m.header.flags & NLM_F_DUMP_INTR != 0;
                match m.payload {
                    NetlinkPayload::Done(_) => return Ok((!torn).then_some(all)),
                    NetlinkPayload::Error(e) => return Err(SystemError::call(doing, e.to_io())),
                    NetlinkPayload::InnerMessage(m) => all.push(m),
                    _ => {}
                }
            }
        }
    }
}

fn request(step: &Step) -> Option<(RouteNetlinkMessage, u16)> {
    Some(match *step {
        Step::Add { link, net, prefix_route } => {
            let mut flags = AddressFlags::Permanent;
            if net.addr().is_ipv6() {
                flags |= AddressFlags::Nodad;
            }
            if prefix_route == PrefixRoute::Leave {
                flags |= AddressFlags::Noprefixroute;
            }
            let mut m = address(link, net);
            m.attributes.push(AddressAttribute::Flags(flags));
            m.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(OURS)));
            if let IpNet::V4(v4) = net
                && v4.prefix_len() < 31
            {
                m.attributes.push(AddressAttribute::Broadcast(v4.broadcast()));
            }
            (RouteNetlinkMessage::NewAddress(m), NLM_F_CREATE | NLM_F_EXCL)
        }
        Step::Remove { link, net } => (RouteNetlinkMessage::DelAddress(address(link, net)), 0),
        Step::Create(m) => links::create(m),
        Step::Mark(m) => links::mark(m),
        Step::Up(m) => links::set_up(m, true),
        Step::Down(m) => links::set_up(m, false),
        Step::Delete(m) => links::delete(m),
        Step::Mac { link, to, .. } => links::set_mac(link, to),
        Step::AddRoute(r) => links::add_route(r),
        Step::RemoveRoute(r) => links::remove_route(r),
        Step::SwapRoute { new, .. } => links::swap_route(new),
        Step::RestoreRoute { old, .. } => links::restore_route(old),
        Step::Sysctl { .. } | Step::Tune { .. } => return None,
    })
}

fn address(link: LinkIndex, net: IpNet) -> AddressMessage {
    let mut m = AddressMessage::default();
    m.header.family = if net.addr().is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    m.header.prefix_len = net.prefix_len();
    m.header.flags = AddressHeaderFlags::empty();
    m.header.index = link.0;
    m.attributes.push(AddressAttribute::Local(net.addr()));
    m.attributes.push(AddressAttribute::Address(net.addr()));
    m
}

/// Whether it bears anybody's mark.
fn is_marked(m: &AddressMessage) -> bool {
    m.attributes.iter().any(|a| matches!(a, AddressAttribute::Protocol(_)))
}

fn held(m: &AddressMessage) -> Option<Held> {
    let (mut local, mut address) = (None, None);
    let mut flags = AddressFlags::from_bits_retain(u32::from(m.header.flags.bits()));
    let mut ours = false;
    for a in &m.attributes {
        match a {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => address = Some(*ip),
            AddressAttribute::Flags(f) => flags = *f,
            AddressAttribute::Protocol(p) => ours = u8::from(*p) == OURS,
            _ => {}
        }
    }
    // On a point-to-point link the ADDRESS is the other end.
    let net = IpNet::new(local.or(address)?, m.header.prefix_len).ok()?;
    Some(Held {
        link: LinkIndex(m.header.index),
        net,
        secondary: net.addr().is_ipv4() && flags.contains(AddressFlags::Secondary),
        tentative: flags.contains(AddressFlags::Tentative),
        dadfailed: flags.contains(AddressFlags::Dadfailed),
        ours,
    })
}

fn link(m: &LinkMessage, all_promote: bool) -> Link {
    let (mut name, mut mac) = (String::new(), None);
    for a in &m.attributes {
        match a {
            LinkAttribute::IfName(n) => name.clone_from(n),
            LinkAttribute::Address(b) => mac = links::mac_of(b),
            _ => {}
        }
    }
    Link {
        index: LinkIndex(m.header.index),
        mac,
        up: m.header.flags.contains(LinkFlags::Up),
        carrier: m.header.flags.contains(LinkFlags::LowerUp),
        promote_secondaries: all_promote || sysctl_is_on(&name, "promote_secondaries"),
        name,
    }
}

fn sysctl_is_on(link: &str, what: &str) -> bool {
    let path = Path::new("/proc/sys/net/ipv4/conf").join(link).join(what);
    std::fs::read_to_string(path).is_ok_and(|s| s.trim() != "0")
}

fn route(m: &RouteMessage) -> Option<Route> {
    if m.header.table != RouteHeader::RT_TABLE_MAIN || m.header.kind != RouteType::Unicast {
        return None;
    }
    let zero: IpAddr = match m.header.address_family {
        AddressFamily::Inet => std::net::Ipv4Addr::UNSPECIFIED.into(),
        AddressFamily::Inet6 => std::net::Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let (mut destination, mut gateway, mut link) = (zero, None, None);
    for a in &m.attributes {
        match a {
            RouteAttribute::Destination(d) => destination = ip_of(d)?,
            RouteAttribute::Gateway(g) => gateway = ip_of(g),
            RouteAttribute::Oif(i) => link = Some(LinkIndex(*i)),
            _ => {}
        }
    }
    let destination = IpNet::new(destination, m.header.destination_prefix_length).ok()?;
    Some(Route { destination, gateway, link: link? })
}

fn ip_of(a: &RouteAddress) -> Option<IpAddr> {
    match a {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}

/// A neighbour that is worth asking; not what needs no ARP.
fn neighbour(m: &NeighbourMessage) -> Option<Neighbour> {
    if matches!(m.header.state, NeighbourState::Noarp | NeighbourState::None) {
        return None;
    }
    m.attributes
        .iter()
        .find_map(|a| match a {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) if !ip.is_multicast() => {
                Some((*ip).into())
            }
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) if !ip.is_multicast() => {
                Some((*ip).into())
            }
            _ => None,
        })
        .map(|ip| Neighbour { link: LinkIndex(m.header.ifindex), ip })
}
