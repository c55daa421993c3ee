//! Links of our own, MACs and routes: what is sent, and what is seen of them.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoMacVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, MacVlanMode,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RoutePreference, RouteProtocol,
    RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use pnet_base::MacAddr;

use super::{OURS, ip_of};
use crate::frame::LinkIndex;
use crate::host::{ALIAS, Macvlan, Name, OtherRoute, OwnRoute, SeenMacvlan, Whole};

/// A macvlan, down, with that number.
pub(super) fn create(m: Macvlan) -> (RouteNetlinkMessage, u16) {
    let mut message = of(m.index);
    message.attributes = vec![
        LinkAttribute::IfName(m.name.to_string()),
        LinkAttribute::Link(m.base.0),
        LinkAttribute::Address(bytes(m.mac)),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::MacVlan),
            LinkInfo::Data(InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Bridge)])),
        ]),
    ];
    (RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)
}

/// Its alias.
pub(super) fn mark(m: Macvlan) -> (RouteNetlinkMessage, u16) {
    let mut message = of(m.index);
    message.attributes = vec![LinkAttribute::IfAlias(format!("{ALIAS}{} on link {}", m.mac, m.base.0))];
    (RouteNetlinkMessage::SetLink(message), 0)
}

/// Up, or down.
pub(super) fn set_up(m: Macvlan, up: bool) -> (RouteNetlinkMessage, u16) {
    let mut message = of(m.index);
    message.header.change_mask = LinkFlags::Up;
    message.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
    (RouteNetlinkMessage::SetLink(message), 0)
}

/// Gone.
pub(super) fn delete(m: Macvlan) -> (RouteNetlinkMessage, u16) {
    (RouteNetlinkMessage::DelLink(of(m.index)), 0)
}

/// Another MAC.
pub(super) fn set_mac(link: LinkIndex, mac: MacAddr) -> (RouteNetlinkMessage, u16) {
    let mut message = of(link);
    message.attributes = vec![LinkAttribute::Address(bytes(mac))];
    (RouteNetlinkMessage::SetLink(message), 0)
}

fn of(index: LinkIndex) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index.0;
    message
}

fn bytes(MacAddr(a, b, c, d, e, f): MacAddr) -> Vec<u8> {
    vec![a, b, c, d, e, f]
}

/// A route, added.
pub(super) fn add_route(r: OwnRoute) -> (RouteNetlinkMessage, u16) {
    (RouteNetlinkMessage::NewRoute(route(r)), NLM_F_CREATE | NLM_F_EXCL)
}

/// A route, removed, whatever source it prefers by now.
pub(super) fn remove_route(r: OwnRoute) -> (RouteNetlinkMessage, u16) {
    (RouteNetlinkMessage::DelRoute(route(OwnRoute { source: None, ..r })), 0)
}

/// A route of ours in the place of another's.
pub(super) fn swap_route(r: OwnRoute) -> (RouteNetlinkMessage, u16) {
    (RouteNetlinkMessage::NewRoute(route(r)), NLM_F_CREATE | NLM_F_REPLACE)
}

/// Another's route, put back: in the place of ours, or where nothing is.
pub(super) fn restore_route(old: OtherRoute) -> (RouteNetlinkMessage, u16) {
    let OtherRoute { destination, via, metric, link, .. } = old;
    let mut m = route(OwnRoute { destination, via, source: old.source, metric, link });
    m.header.protocol = old.protocol.into();
    m.header.scope = old.scope.into();
    m.header.flags = if old.onlink { RouteFlags::Onlink } else { RouteFlags::empty() };
    (RouteNetlinkMessage::NewRoute(m), NLM_F_CREATE | NLM_F_REPLACE)
}

fn route(r: OwnRoute) -> RouteMessage {
    let mut m = RouteMessage::default();
    m.header.address_family =
        if r.destination.addr().is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    m.header.destination_prefix_length = r.destination.prefix_len();
    m.header.table = RouteHeader::RT_TABLE_MAIN;
    m.header.protocol = RouteProtocol::Other(OURS);
    m.header.kind = RouteType::Unicast;
    m.header.scope = match (r.via, r.destination.addr()) {
        (None, IpAddr::V4(_)) => RouteScope::Link,
        _ => RouteScope::Universe,
    };
    if r.destination.prefix_len() > 0 {
        m.attributes.push(RouteAttribute::Destination(address(r.destination.addr())));
    }
    m.attributes.push(RouteAttribute::Oif(r.link.0));
    if let Some(via) = r.via {
        m.attributes.push(RouteAttribute::Gateway(address(via)));
    }
    m.attributes.extend(r.source.map(|s| RouteAttribute::PrefSource(address(s))));
    if r.metric != 0 {
        m.attributes.push(RouteAttribute::Priority(r.metric));
    }
    m
}

const fn address(ip: IpAddr) -> RouteAddress {
    match ip {
        IpAddr::V4(ip) => RouteAddress::Inet(ip),
        IpAddr::V6(ip) => RouteAddress::Inet6(ip),
    }
}

/// The route, if it is one of ours in the main table.
pub(super) fn own_route(m: &RouteMessage) -> Option<OwnRoute> {
    if u8::from(m.header.protocol) != OURS || m.header.table != RouteHeader::RT_TABLE_MAIN {
        return None;
    }
    let zero: IpAddr = match m.header.address_family {
        AddressFamily::Inet => std::net::Ipv4Addr::UNSPECIFIED.into(),
        _ => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let (mut destination, mut via, mut source, mut link, mut metric) = (zero, None, None, None, 0);
    for a in &m.attributes {
        match a {
            RouteAttribute::Destination(d) => destination = ip_of(d)?,
            RouteAttribute::Gateway(g) => via = ip_of(g),
            RouteAttribute::PrefSource(s) => source = ip_of(s),
            RouteAttribute::Oif(i) => link = Some(LinkIndex(*i)),
            RouteAttribute::Priority(p) => metric = *p,
            _ => {}
        }
    }
    let destination = IpNet::new(destination, m.header.destination_prefix_length).ok()?;
    Some(OwnRoute { destination, via, source, metric, link: link? })
}

/// A route of somebody else's in the main table.
pub(super) fn other_route(m: &RouteMessage) -> Option<(OtherRoute, Whole)> {
    let h = &m.header;
    if u8::from(h.protocol) == OURS || h.table != RouteHeader::RT_TABLE_MAIN || h.kind != RouteType::Unicast {
        return None;
    }
    let zero: IpAddr = match h.address_family {
        AddressFamily::Inet => std::net::Ipv4Addr::UNSPECIFIED.into(),
        AddressFamily::Inet6 => std::net::Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let lives = matches!(h.protocol, RouteProtocol::Ra | RouteProtocol::IcmpRedirect);
    let mut whole = if lives || h.tos != 0 || h.source_prefix_length != 0 { Whole::No } else { Whole::Yes };
    let (mut destination, mut via, mut source, mut link, mut metric) = (zero, None, None, LinkIndex(0), 0);
    for a in &m.attributes {
        match a {
            RouteAttribute::Destination(d) => destination = ip_of(d)?,
            RouteAttribute::Gateway(g) => via = ip_of(g),
            RouteAttribute::PrefSource(s) => source = ip_of(s),
            RouteAttribute::Oif(i) => link = LinkIndex(*i),
            RouteAttribute::Priority(p) => metric = *p,
            RouteAttribute::Table(_) | RouteAttribute::Preference(RoutePreference::Medium) => {}
            RouteAttribute::CacheInfo(c) if c.expires == 0 => {}
            _ => whole = Whole::No,
        }
    }
    let destination = IpNet::new(destination, h.destination_prefix_length).ok()?;
    let (protocol, scope) = (h.protocol.into(), h.scope.into());
    let onlink = h.flags.contains(RouteFlags::Onlink);
    Some((OtherRoute { destination, via, source, metric, link, protocol, scope, onlink }, whole))
}

/// The macvlan, if the link is one.
pub(super) fn macvlan(m: &LinkMessage) -> Option<SeenMacvlan> {
    let (mut name, mut mac, mut base, mut ours, mut is) = (Name::new(), None, None, false, false);
    for a in &m.attributes {
        match a {
            LinkAttribute::IfName(n) => name = Name::from(n).ok()?,
            LinkAttribute::Address(b) => mac = mac_of(b),
            LinkAttribute::Link(l) => base = Some(LinkIndex(*l)),
            LinkAttribute::IfAlias(alias) => ours = alias.starts_with(ALIAS),
            LinkAttribute::LinkInfo(infos) => {
                is |= infos.iter().any(|i| matches!(i, LinkInfo::Kind(InfoKind::MacVlan)));
            }
            _ => {}
        }
    }
    let index = LinkIndex(m.header.index);
    let up = m.header.flags.contains(LinkFlags::Up);
    is.then_some(SeenMacvlan { is: Macvlan { index, name, base: base?, mac: mac? }, ours, up })
}

/// The MAC a card was made with, where the kernel knows it.
pub(super) fn made_with(m: &LinkMessage) -> Option<(LinkIndex, MacAddr)> {
    m.attributes.iter().find_map(|a| match a {
        LinkAttribute::PermAddress(b) => Some((LinkIndex(m.header.index), mac_of(b)?)),
        _ => None,
    })
}

/// A MAC of six bytes that are not all zero.
pub(super) fn mac_of(bytes: &[u8]) -> Option<MacAddr> {
    let [a, b, c, d, e, f] = *bytes else { return None };
    Some(MacAddr(a, b, c, d, e, f)).filter(|m| *m != MacAddr::zero())
}
