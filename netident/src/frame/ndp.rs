//! Neighbour solicitations and advertisements (RFC 4861 sections 4.3, 4.4, 7.1) over Ethernet.

use std::net::Ipv6Addr;

use pnet_base::MacAddr;
use pnet_packet::ethernet::{EtherTypes, EthernetPacket, MutableEthernetPacket};
use pnet_packet::icmpv6::{Icmpv6Packet, checksum};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv6::{Ipv6Packet, MutableIpv6Packet};

use super::{ETHERNET, Frame, FrameError, blank, need};

const IPV6: usize = 40;
/// Type, code, checksum, flags or reserved, target.
const MESSAGE: usize = 24;
const OPTION: usize = 8;
/// A neighbour discovery message with another hop limit came through a router: it is dropped.
const HOP_LIMIT: u8 = 255;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const SOURCE_LINK_LAYER_ADDRESS: u8 = 1;
const TARGET_LINK_LAYER_ADDRESS: u8 = 2;
const OVERRIDE: u8 = 0x20;
const SOLICITED: u8 = 0x40;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// "Who has `target`?" with the asker's MAC unless it only probes.
    Solicitation {
        /// Whom it asks for.
        target: Ipv6Addr,
        /// Source link-layer address option.
        source_mac: Option<MacAddr>,
    },
    /// "`target` is at this MAC".
    Advertisement {
        /// Whose MAC it tells.
        target: Ipv6Addr,
        /// Target link-layer address option.
        target_mac: Option<MacAddr>,
        /// Whether it answers a solicitation.
        solicited: bool,
        /// Whether it overrides what a receiver knows.
        override_: bool,
    },
}

/// One neighbour discovery frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ndp {
    /// Destination of the Ethernet frame.
    pub to: MacAddr,
    /// Source of the Ethernet frame.
    pub from: MacAddr,
    /// Source of the packet; unspecified in a probe.
    pub source: Ipv6Addr,
    /// Destination of the packet.
    pub destination: Ipv6Addr,
    /// What it says.
    pub message: Message,
}

/// The solicited-node multicast address of `ip` (RFC 4291 section 2.7.1).
#[must_use]
pub const fn solicited_node(ip: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = ip.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | a as u16, u16::from_be_bytes([b, c]))
}

/// The Ethernet address a multicast address maps to (RFC 2464 section 7).
#[must_use]
pub const fn multicast_mac(ip: Ipv6Addr) -> MacAddr {
    let [.., a, b, c, d] = ip.octets();
    MacAddr(0x33, 0x33, a, b, c, d)
}

impl Ndp {
    /// An unsolicited advertisement to all nodes: `ip` is at `mac`, whatever you knew (RFC 4861 7.2.6).
    #[must_use]
    pub const fn unsolicited(mac: MacAddr, ip: Ipv6Addr) -> Self {
        Self {
            to: multicast_mac(ALL_NODES),
            from: mac,
            source: ip,
            destination: ALL_NODES,
            message: Message::Advertisement {
                target: ip,
                target_mac: Some(mac),
                solicited: false,
                override_: true,
            },
        }
    }

    /// A question asked from `ip`: whoever is asked learns where `ip` is, from every state of its cache,
    /// and the answer is the receipt.
    #[must_use]
    pub const fn question(mac: MacAddr, ip: Ipv6Addr, neighbour: Ipv6Addr) -> Self {
        let destination = solicited_node(neighbour);
        Self {
            to: multicast_mac(destination),
            from: mac,
            source: ip,
            destination,
            message: Message::Solicitation { target: neighbour, source_mac: Some(mac) },
        }
    }

    /// A probe: asks who has `ip` without claiming it (RFC 4862 section 5.4.2).
    #[must_use]
    pub const fn probe(mac: MacAddr, ip: Ipv6Addr) -> Self {
        let asked = Self::question(mac, ip, ip);
        let message = Message::Solicitation { target: ip, source_mac: None };
        Self { source: Ipv6Addr::UNSPECIFIED, message, ..asked }
    }

    /// Whether this frame, received by a host that probes `ip` with `own` MAC, says that another has the
    /// address or is probing for it at the same time (RFC 4862 sections 5.4.3, 5.4.4).
    #[must_use]
    pub fn conflicts_with_probe(&self, own: MacAddr, ip: Ipv6Addr) -> bool {
        let about_it = match self.message {
            Message::Advertisement { target, .. } => target == ip,
            Message::Solicitation { target, .. } => target == ip && self.source.is_unspecified(),
        };
        self.from != own && (about_it || self.source == ip)
    }

    /// The frame's bytes.
    #[must_use]
    pub fn emit(&self) -> Frame {
        let (kind, flags, target, option) = match self.message {
            Message::Solicitation { target, source_mac } => {
                (SOLICITATION, 0, target, source_mac.map(|m| (SOURCE_LINK_LAYER_ADDRESS, m)))
            }
            Message::Advertisement { target, target_mac, solicited, override_ } => {
                let flags = if solicited { SOLICITED } else { 0 } | if override_ { OVERRIDE } else { 0 };
                (ADVERTISEMENT, flags, target, target_mac.map(|m| (TARGET_LINK_LAYER_ADDRESS, m)))
            }
        };
        let payload: u16 = if option.is_some() { 32 } else { 24 };
        let mut frame = blank(ETHERNET + IPV6 + usize::from(payload));
        if let Some(mut e) = MutableEthernetPacket::new(&mut frame) {
            e.set_destination(self.to);
            e.set_source(self.from);
            e.set_ethertype(EtherTypes::Ipv6);
        }
        if let Some(mut ip) = MutableIpv6Packet::new(&mut frame[ETHERNET..]) {
            ip.set_version(6);
            ip.set_payload_length(payload);
            ip.set_next_header(IpNextHeaderProtocols::Icmpv6);
            ip.set_hop_limit(HOP_LIMIT);
            ip.set_source(self.source);
            ip.set_destination(self.destination);
        }
        let body = &mut frame[ETHERNET + IPV6..];
        body[0] = kind;
        body[4] = flags;
        body[8..MESSAGE].copy_from_slice(&target.octets());
        if let Some((code, MacAddr(a, b, c, d, e, f))) = option {
            body[MESSAGE..].copy_from_slice(&[code, 1, a, b, c, d, e, f]);
        }
        let sum = Icmpv6Packet::new(body).map_or(0, |p| checksum(&p, &self.source, &self.destination));
        body[2..4].copy_from_slice(&sum.to_be_bytes());
        frame
    }

    /// Reads a frame, and drops what RFC 4861 section 7.1 says must be dropped.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn parse(frame: &[u8]) -> Result<Self, FrameError> {
        need(frame, ETHERNET + IPV6 + MESSAGE)?;
        let other = FrameError::Other("neighbour discovery");
        let e = EthernetPacket::new(frame).ok_or(other)?;
        let ip = Ipv6Packet::new(&frame[ETHERNET..]).ok_or(other)?;
        if e.get_ethertype() != EtherTypes::Ipv6
            || ip.get_version() != 6
            || ip.get_next_header() != IpNextHeaderProtocols::Icmpv6
        {
            return Err(other);
        }
        // What is behind the packet is padding.
        let end = ETHERNET + IPV6 + usize::from(ip.get_payload_length());
        let body =
            frame.get(ETHERNET + IPV6..end).ok_or(FrameError::Short { got: frame.len(), need: end })?;
        need(body, MESSAGE)?;
        if !matches!(body[0], SOLICITATION | ADVERTISEMENT) {
            return Err(other);
        }
        let (source, destination) = (ip.get_source(), ip.get_destination());
        if ip.get_hop_limit() != HOP_LIMIT {
            return Err(FrameError::Invalid("its hop limit is not 255: it came through a router"));
        }
        if body[1] != 0 {
            return Err(FrameError::Invalid("its code is not 0"));
        }
        let sum = Icmpv6Packet::new(body).map_or(0, |p| checksum(&p, &source, &destination));
        if body[2..4] != sum.to_be_bytes() {
            return Err(FrameError::Invalid("its checksum is wrong"));
        }
        let mut octets = [0; 16];
        octets.copy_from_slice(&body[8..MESSAGE]);
        let target = Ipv6Addr::from(octets);
        if target.is_multicast() {
            return Err(FrameError::Invalid("its target is a multicast address"));
        }
        let message = if body[0] == SOLICITATION {
            let source_mac = link_layer_address(&body[MESSAGE..], SOURCE_LINK_LAYER_ADDRESS)?;
            Message::Solicitation { target, source_mac }
        } else {
            Message::Advertisement {
                target,
                target_mac: link_layer_address(&body[MESSAGE..], TARGET_LINK_LAYER_ADDRESS)?,
                solicited: body[4] & SOLICITED != 0,
                override_: body[4] & OVERRIDE != 0,
            }
        };
        Ok(Self { to: e.get_destination(), from: e.get_source(), source, destination, message })
    }
}

/// The first link-layer address option of this kind. An option of length 0 makes the frame invalid.
fn link_layer_address(mut options: &[u8], kind: u8) -> Result<Option<MacAddr>, FrameError> {
    let mut found = None;
    while let [code, units, rest @ ..] = options {
        let len = usize::from(*units) * OPTION;
        if len == 0 || len > options.len() {
            return Err(FrameError::Invalid("an option's length"));
        }
        if *code == kind
            && found.is_none()
            && let [a, b, c, d, e, f, ..] = *rest
        {
            found = Some(MacAddr(a, b, c, d, e, f));
        }
        options = &options[len..];
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAC: MacAddr = MacAddr(2, 0, 0, 0, 0, 0xa);
    const VIP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10);
    const GATEWAY: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0x12, 0x3456);

    #[rustfmt::skip]
    #[test]
    fn every_field_of_an_unsolicited_advertisement() {
        let frame = Ndp::unsolicited(MAC, VIP).emit();
        assert_eq!(frame[..54], [
            0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0xa, 0x86, 0xdd, // to all nodes, from the own MAC, IPv6
            0x60, 0, 0, 0, 0, 32, 58, 255,                          // version 6, 32 bytes of ICMPv6, hop limit 255
            0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, // from the VIP
            0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,          // to all nodes
        ]);
        assert_eq!(frame[54..56], [136, 0]);
        assert_eq!(frame[58..], [
            0x20, 0, 0, 0,                                                 // override, neither router nor solicited
            0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, // target: the VIP
            2, 1, 2, 0, 0, 0, 0, 0xa,                                      // target link-layer address
        ]);
    }

    #[test]
    fn a_question_goes_to_the_solicited_node() {
        let q = Ndp::question(MAC, VIP, GATEWAY);
        assert_eq!(q.destination, "ff02::1:ff12:3456".parse::<Ipv6Addr>().unwrap());
        assert_eq!(q.to, MacAddr(0x33, 0x33, 0xff, 0x12, 0x34, 0x56));
        assert_eq!(q.message, Message::Solicitation { target: GATEWAY, source_mac: Some(MAC) });
    }

    #[test]
    fn a_probe_meets_an_owner_a_rival_and_nobody() {
        let (other, own) = (MacAddr(2, 0, 0, 0, 0, 0xb), MAC);
        assert!(Ndp::unsolicited(other, VIP).conflicts_with_probe(own, VIP), "an owner's announcement");
        assert!(Ndp::question(other, VIP, GATEWAY).conflicts_with_probe(own, VIP), "an owner's question");
        assert!(Ndp::probe(other, VIP).conflicts_with_probe(own, VIP), "a simultaneous probe");
        assert!(!Ndp::probe(own, VIP).conflicts_with_probe(own, VIP), "the own probe, looped back");
        assert!(!Ndp::question(other, GATEWAY, VIP).conflicts_with_probe(own, VIP), "a question about it");
    }

    #[test]
    fn what_must_be_dropped_is_dropped() {
        let good = Ndp::unsolicited(MAC, VIP).emit();
        for (at, to, why) in [
            (21, 254, "hop limit"),
            (55, 1, "code"),
            (60, 1, "checksum"),
            (62, 0xff, "checksum"),
            (79, 0, "checksum"),
        ] {
            let mut frame = good.clone();
            frame[at] = to;
            let e = Ndp::parse(&frame).unwrap_err();
            assert!(e.to_string().contains(why), "byte {at}: {e}");
        }
        assert!(matches!(Ndp::parse(&good[..80]), Err(FrameError::Short { .. })));
        assert!(matches!(link_layer_address(&[2, 0, 0, 0, 0, 0, 0, 0], 2), Err(FrameError::Invalid(_))));
        assert!(matches!(link_layer_address(&[2, 2, 0, 0, 0, 0, 0, 0], 2), Err(FrameError::Invalid(_))));
    }

    proptest! {
        #[test]
        fn what_is_emitted_is_read_back(mac in any::<[u8; 6]>(), ip in any::<u128>(), n in any::<u128>()) {
            let [a, b, c, d, e, f] = mac;
            let mac = MacAddr(a, b, c, d, e, f);
            let (ip, n) = (Ipv6Addr::from(ip), Ipv6Addr::from(n));
            prop_assume!(!ip.is_multicast() && !n.is_multicast());
            for ndp in [Ndp::unsolicited(mac, ip), Ndp::question(mac, ip, n), Ndp::probe(mac, ip)] {
                prop_assert_eq!(Ndp::parse(&ndp.emit()), Ok(ndp));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..120),
            at in 0usize..86,
            to in any::<u8>(),
        ) {
            let _ = Ndp::parse(&bytes);
            let mut frame = Ndp::unsolicited(MAC, VIP).emit();
            frame[at] = to;
            let _ = Ndp::parse(&frame);
        }
    }
}
