//! What the kernel tells unasked: links and addresses that change (rtnetlink(7), multicast groups).
//!
//! A message is a hint that it is time to look; what stands is read, never put together from messages, so a lost
//! or unreadable one costs nothing but another look. Only what a look cannot show is taken from a message: that
//! neighbours must be told anew.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoBond, InfoData, InfoKind, LinkAttribute, LinkEvent, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_sys::{Socket, protocols::NETLINK_ROUTE};
use pnet_base::MacAddr;

use super::SystemError;
use super::netlink::Netlink;
use crate::frame::LinkIndex;
use crate::watch::{Port, Sight};

/// RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR.
const GROUPS: [u32; 3] = [1, 5, 9];
/// Room for a burst: a thousand links that change at once.
const ROOM: usize = 1 << 20;

/// What a burst of messages says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// Something changed, or may have: look.
    pub look: bool,
    /// Links whose neighbours must be told anew.
    pub failovers: Vec<LinkIndex>,
    /// Messages were lost or not understood, and why; the look makes up for them.
    pub lost: Option<String>,
}

/// A netlink socket that listens.
pub struct Monitor {
    socket: Socket,
}

impl Monitor {
    /// Opens it and begins to listen.
    ///
    /// # Errors
    /// [`SystemError::Call`].
    pub fn open() -> Result<Self, SystemError> {
        let open = || -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            socket.set_non_blocking(true)?;
            socket.set_rx_buf_sz(ROOM)?;
            for group in GROUPS {
                socket.add_membership(group)?;
            }
            Ok(socket)
        };
        let socket =
            open().map_err(|e| SystemError::call("listening for changes of links and addresses", e))?;
        Ok(Self { socket })
    }

    /// Takes all that waits.
    ///
    /// # Errors
    /// [`SystemError::Call`] where the socket is of no use any more.
    pub fn take(&self) -> Result<Notice, SystemError> {
        let mut notice = Notice::default();
        loop {
            match self.socket.recv_from_full() {
                Ok((data, from)) if from.port_number() == 0 => read(&data, &mut notice),
                // Only the kernel's word counts: any process may send to our port.
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(notice),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => {
                    notice.look = true;
                    notice.lost = Some("more changes at once than the socket holds".into());
                }
                Err(e) => return Err(SystemError::call("hearing of changes", e)),
            }
        }
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// One datagram of the kernel's.
fn read(data: &[u8], notice: &mut Notice) {
    notice.look = true;
    let mut rest = data;
    while !rest.is_empty() {
        let m = match NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest) {
            Ok(m) => m,
            Err(e) => {
                notice.lost = Some(format!("a message was not understood: {e}"));
                return;
            }
        };
        if let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) = &m.payload
            && asks_for_announcements(link)
        {
            notice.failovers.push(LinkIndex(link.header.index));
        }
        let len = (m.header.length as usize).next_multiple_of(4);
        // At least a header was read.
        rest = rest.get(len.max(16)..).unwrap_or_default();
    }
}

/// NETDEV_BONDING_FAILOVER and NETDEV_NOTIFY_PEERS: the kernel's own word that neighbours must be told anew.
fn asks_for_announcements(link: &LinkMessage) -> bool {
    link.attributes
        .iter()
        .any(|a| matches!(a, LinkAttribute::Event(LinkEvent::BondingFailover | LinkEvent::NotifyPeers)))
}

impl Netlink {
    /// What a watch looks at: links and addresses, and no more, since it looks often.
    ///
    /// # Errors
    /// [`SystemError`].
    pub fn sight(&mut self) -> Result<Sight, SystemError> {
        let dump = self.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()), "reading the links")?;
        let links = dump.iter().filter_map(|m| match m {
            RouteNetlinkMessage::NewLink(m) => Some(port(m)),
            _ => None,
        });
        Ok(Sight { links: links.collect(), addresses: self.addresses()? })
    }
}

fn port(m: &LinkMessage) -> Port {
    let flags = m.header.flags;
    let mut port = Port {
        index: LinkIndex(m.header.index),
        name: String::new(),
        mac: None,
        carrier: flags.contains(LinkFlags::Up) && flags.contains(LinkFlags::LowerUp),
        ups: None,
        active: None,
        master: None,
        lower: None,
    };
    let (mut below, mut stacked) = (None, false);
    for a in &m.attributes {
        match a {
            LinkAttribute::IfName(n) => port.name.clone_from(n),
            LinkAttribute::Address(b) => {
                if let [a, b, c, d, e, f] = b[..] {
                    port.mac = Some(MacAddr(a, b, c, d, e, f)).filter(|m| *m != MacAddr::zero());
                }
            }
            LinkAttribute::CarrierUpCount(n) => port.ups = Some(*n),
            LinkAttribute::Controller(n) => port.master = Some(LinkIndex(*n)),
            LinkAttribute::Link(n) => below = Some(LinkIndex(*n)),
            LinkAttribute::LinkInfo(info) => {
                stacked |= info.iter().any(is_stacked);
                port.active = info.iter().find_map(active_port);
            }
            _ => {}
        }
    }
    // A veth names its other end, which may even be a number of another namespace: that carries nothing.
    port.lower = below.filter(|_| stacked);
    port
}

fn is_stacked(info: &LinkInfo) -> bool {
    matches!(info, LinkInfo::Kind(InfoKind::Vlan | InfoKind::MacVlan | InfoKind::MacVtap | InfoKind::IpVlan))
}

fn active_port(info: &LinkInfo) -> Option<LinkIndex> {
    let LinkInfo::Data(InfoData::Bond(all)) = info else { return None };
    all.iter().find_map(|b| match b {
        InfoBond::ActivePort(n) if *n != 0 => Some(LinkIndex(*n)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_core::NetlinkHeader;

    fn bytes(attributes: Vec<LinkAttribute>) -> Vec<u8> {
        let mut m = LinkMessage::default();
        m.header.index = 7;
        m.header.flags = LinkFlags::Up | LinkFlags::LowerUp;
        m.attributes = attributes;
        let inner = NetlinkPayload::from(RouteNetlinkMessage::NewLink(m));
        let mut m = NetlinkMessage::new(NetlinkHeader::default(), inner);
        m.finalize();
        let mut bytes = vec![0; m.buffer_len()];
        m.serialize(&mut bytes);
        bytes
    }

    fn noticed(data: &[u8]) -> Notice {
        let mut notice = Notice::default();
        read(data, &mut notice);
        notice
    }

    #[test]
    fn a_bonds_change_and_a_call_for_announcements_are_told() {
        for event in [LinkEvent::BondingFailover, LinkEvent::NotifyPeers] {
            let data = bytes(vec![LinkAttribute::IfName("bond0".into()), LinkAttribute::Event(event)]);
            assert_eq!(noticed(&data).failovers, [LinkIndex(7)], "{event:?}");
        }
        let other = bytes(vec![LinkAttribute::Event(LinkEvent::Features)]);
        assert_eq!(noticed(&other), Notice { look: true, ..Notice::default() });
    }

    #[test]
    fn what_is_not_understood_is_made_up_for_by_a_look() {
        let mut data = bytes(vec![LinkAttribute::IfName("eth0".into())]);
        // An attribute longer than its message.
        data[32..34].copy_from_slice(&200u16.to_ne_bytes());
        let notice = noticed(&data);
        assert!(notice.look && notice.lost.is_some(), "{notice:?}");
        for len in 0..data.len() {
            let _ = noticed(&data[..len]);
        }
    }

    #[test]
    fn a_port_tells_what_carries_it() {
        let info = |kind| LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind)]);
        let of = |attributes| {
            let mut m = LinkMessage::default();
            m.header.flags = LinkFlags::Up | LinkFlags::LowerUp;
            m.attributes = attributes;
            port(&m)
        };
        assert_eq!(of(vec![LinkAttribute::Link(3), info(InfoKind::Vlan)]).lower, Some(LinkIndex(3)));
        assert_eq!(of(vec![LinkAttribute::Link(3), info(InfoKind::Veth)]).lower, None);
        let bond = LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Bond),
            LinkInfo::Data(InfoData::Bond(vec![InfoBond::ActivePort(4)])),
        ]);
        let port = of(vec![bond, LinkAttribute::CarrierUpCount(9), LinkAttribute::Controller(2)]);
        assert_eq!((port.active, port.ups, port.master), (Some(LinkIndex(4)), Some(9), Some(LinkIndex(2))));
    }
}
