//! ARP for IPv4 over Ethernet (RFC 826), with the announcements and probes of RFC 5227.

use std::net::Ipv4Addr;

use pnet_base::MacAddr;
use pnet_packet::Packet;
use pnet_packet::arp::{ArpHardwareTypes, ArpOperation, ArpPacket, MutableArpPacket};
use pnet_packet::ethernet::{EtherTypes, EthernetPacket, MutableEthernetPacket};

use super::{BROADCAST, ETHERNET, Frame, FrameError, blank, need};

const ARP: usize = 28;

/// Request or reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// 1.
    Request,
    /// 2.
    Reply,
}

/// One ARP frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Arp {
    /// Destination of the Ethernet frame.
    pub to: MacAddr,
    /// Source of the Ethernet frame.
    pub from: MacAddr,
    /// Request or reply.
    pub operation: Operation,
    /// Sender hardware address.
    pub sender_mac: MacAddr,
    /// Sender protocol address.
    pub sender: Ipv4Addr,
    /// Target hardware address.
    pub target_mac: MacAddr,
    /// Target protocol address.
    pub target: Ipv4Addr,
}

impl Arp {
    /// A gratuitous request: "who has `ip`, tell `ip`". Receivers update what they know of `ip`, whatever
    /// the age of their entry (RFC 5227 section 3).
    #[must_use]
    pub const fn gratuitous_request(mac: MacAddr, ip: Ipv4Addr) -> Self {
        Self { operation: Operation::Request, target_mac: BROADCAST, ..Self::gratuitous_reply(mac, ip) }
    }

    /// A gratuitous reply. The target MAC is the own one: with another, Linux ignores the frame where its
    /// entry is younger than a second.
    #[must_use]
    pub const fn gratuitous_reply(mac: MacAddr, ip: Ipv4Addr) -> Self {
        Self {
            to: BROADCAST,
            from: mac,
            operation: Operation::Reply,
            sender_mac: mac,
            sender: ip,
            target_mac: mac,
            target: ip,
        }
    }

    /// A question asked from `ip`: "who has `neighbour`, tell `ip`". Whoever hears it learns where `ip` is,
    /// and the answer is the receipt.
    #[must_use]
    pub const fn question(mac: MacAddr, ip: Ipv4Addr, neighbour: Ipv4Addr) -> Self {
        Self {
            to: BROADCAST,
            from: mac,
            operation: Operation::Request,
            sender_mac: mac,
            sender: ip,
            target_mac: MacAddr(0, 0, 0, 0, 0, 0),
            target: neighbour,
        }
    }

    /// A probe: asks who has `ip` without claiming it (RFC 5227 section 2.1.1).
    #[must_use]
    pub const fn probe(mac: MacAddr, ip: Ipv4Addr) -> Self {
        Self::question(mac, Ipv4Addr::UNSPECIFIED, ip)
    }

    /// Whether this frame, received by a host that probes `ip` with `own` MAC, says that another has the
    /// address or is probing for it at the same time (RFC 5227 section 2.1.1).
    #[must_use]
    pub fn conflicts_with_probe(&self, own: MacAddr, ip: Ipv4Addr) -> bool {
        let claims = self.sender == ip;
        let probes_too =
            self.operation == Operation::Request && self.sender.is_unspecified() && self.target == ip;
        self.sender_mac != own && (claims || probes_too)
    }

    /// The frame's bytes.
    #[must_use]
    pub fn emit(&self) -> Frame {
        let mut frame = blank(ETHERNET + ARP);
        if let Some(mut e) = MutableEthernetPacket::new(&mut frame) {
            e.set_destination(self.to);
            e.set_source(self.from);
            e.set_ethertype(EtherTypes::Arp);
        }
        if let Some(mut a) = MutableArpPacket::new(&mut frame[ETHERNET..]) {
            a.set_hardware_type(ArpHardwareTypes::Ethernet);
            a.set_protocol_type(EtherTypes::Ipv4);
            a.set_hw_addr_len(6);
            a.set_proto_addr_len(4);
            a.set_operation(ArpOperation(match self.operation {
                Operation::Request => 1,
                Operation::Reply => 2,
            }));
            a.set_sender_hw_addr(self.sender_mac);
            a.set_sender_proto_addr(self.sender);
            a.set_target_hw_addr(self.target_mac);
            a.set_target_proto_addr(self.target);
        }
        frame
    }

    /// Reads a frame; what follows the ARP packet is padding.
    ///
    /// # Errors
    /// [`FrameError`] for other protocols, other hardware and unknown operations.
    pub fn parse(frame: &[u8]) -> Result<Self, FrameError> {
        need(frame, ETHERNET + ARP)?;
        let other = FrameError::Other("ARP for IPv4 over Ethernet");
        let e = EthernetPacket::new(frame).ok_or(other)?;
        if e.get_ethertype() != EtherTypes::Arp {
            return Err(other);
        }
        let a = ArpPacket::new(e.payload()).ok_or(other)?;
        let shape =
            (a.get_hardware_type(), a.get_protocol_type(), a.get_hw_addr_len(), a.get_proto_addr_len());
        if shape != (ArpHardwareTypes::Ethernet, EtherTypes::Ipv4, 6, 4) {
            return Err(other);
        }
        let operation = match a.get_operation() {
            ArpOperation(1) => Operation::Request,
            ArpOperation(2) => Operation::Reply,
            _ => return Err(FrameError::Other("an ARP request or reply")),
        };
        Ok(Self {
            to: e.get_destination(),
            from: e.get_source(),
            operation,
            sender_mac: a.get_sender_hw_addr(),
            sender: a.get_sender_proto_addr(),
            target_mac: a.get_target_hw_addr(),
            target: a.get_target_proto_addr(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAC: MacAddr = MacAddr(2, 0, 0, 0, 0, 0xa);
    const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
    const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

    #[rustfmt::skip]
    #[test]
    fn every_field_of_a_gratuitous_request() {
        assert_eq!(Arp::gratuitous_request(MAC, VIP).emit().as_slice(), [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // to everybody
            2, 0, 0, 0, 0, 0xa,                 // from the own MAC
            8, 6,                               // ARP
            0, 1, 8, 0, 6, 4,                   // Ethernet, IPv4, their lengths
            0, 1,                               // request
            2, 0, 0, 0, 0, 0xa, 192, 0, 2, 10,  // sender: the VIP
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 192, 0, 2, 10, // target: the VIP
        ]);
    }

    #[test]
    fn reply_question_and_probe_differ_where_receivers_look() {
        let reply = Arp::gratuitous_reply(MAC, VIP).emit();
        assert_eq!(reply[20..22], [0, 2]);
        assert_eq!(reply[32..38], [2, 0, 0, 0, 0, 0xa], "target MAC is the own one");
        let question = Arp::question(MAC, VIP, GATEWAY).emit();
        assert_eq!((&question[28..32], &question[32..38]), (&[192, 0, 2, 10][..], &[0; 6][..]));
        assert_eq!(question[38..42], [192, 0, 2, 1]);
        let probe = Arp::probe(MAC, VIP).emit();
        assert_eq!((&probe[28..32], &probe[38..42]), (&[0; 4][..], &[192, 0, 2, 10][..]));
    }

    #[test]
    fn a_probe_meets_an_owner_a_rival_and_nobody() {
        let (other, own) = (MacAddr(2, 0, 0, 0, 0, 0xb), MAC);
        let answer = Arp { operation: Operation::Reply, ..Arp::question(other, VIP, GATEWAY) };
        assert!(answer.conflicts_with_probe(own, VIP), "an owner's answer");
        assert!(Arp::question(other, VIP, GATEWAY).conflicts_with_probe(own, VIP), "an owner's question");
        assert!(Arp::probe(other, VIP).conflicts_with_probe(own, VIP), "a simultaneous probe");
        assert!(!Arp::probe(own, VIP).conflicts_with_probe(own, VIP), "the own probe, looped back");
        assert!(!Arp::question(other, GATEWAY, VIP).conflicts_with_probe(own, VIP), "a question about it");
    }

    proptest! {
        #[test]
        fn what_is_emitted_is_read_back(mac in any::<[u8; 6]>(), ip in any::<u32>(), target in any::<u32>()) {
            let [a, b, c, d, e, f] = mac;
            let mac = MacAddr(a, b, c, d, e, f);
            let (ip, target) = (Ipv4Addr::from(ip), Ipv4Addr::from(target));
            for arp in [
                Arp::gratuitous_request(mac, ip),
                Arp::gratuitous_reply(mac, ip),
                Arp::question(mac, ip, target),
                Arp::probe(mac, ip),
            ] {
                prop_assert_eq!(Arp::parse(&arp.emit()), Ok(arp));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(arp) = Arp::parse(&bytes) {
                prop_assert_eq!(Arp::parse(&arp.emit()), Ok(arp));
            }
        }
    }
}
