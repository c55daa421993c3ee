//! The filter of a watch's packet socket, as data: what concerns our addresses passes, everything else is dropped in
//! the kernel.
//!
//! Classic BPF (the kernel's Documentation/networking/filter.rst) over the frame with its Ethernet header, as SOCK_RAW
//! delivers it. Passed are
//! - ARP whose sender or target is one of the addresses: claims, probes, answers to our questions;
//! - neighbour solicitations and advertisements whose source, destination or target is one of them.
//!
//! Dropped first: what this host sent itself, and what carries a VLAN tag (it comes again, without, on the VLAN's link;
//! the same address on another VLAN is another address). Pure: the packet socket attaches it.

use std::net::IpAddr;

/// One instruction: code, jump if true, jump if false, operand.
pub type Instruction = (u16, u8, u8, u32);

/// Load a word, half-word, byte from a fixed place.
const LD_W: u16 = 0x20;
const LD_H: u16 = 0x28;
const LD_B: u16 = 0x30;
const JUMP: u16 = 0x05;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Where the kernel keeps what is not in the frame: SKF_AD_OFF, a negative offset.
const ANCILLARY: u32 = 0u32.wrapping_sub(0x1000);
const PACKET_TYPE: u32 = ANCILLARY + 4;
const VLAN_TAG_PRESENT: u32 = ANCILLARY + 48;
const OUTGOING: u32 = 4;

const ARP_SENDER: u32 = 28;
const ARP_TARGET: u32 = 38;
const SOURCE: u32 = 22;
const DESTINATION: u32 = 38;
const ND_TARGET: u32 = 62;

const DROP: u32 = 0;
/// Bytes kept of what passes.
const KEEP: u32 = 256;
/// The kernel takes no longer program (BPF_MAXINSNS).
const LONGEST: usize = 4096;

/// The filter for `addresses`; `None` where it would be longer than the kernel takes (some 160 IPv6 addresses).
#[must_use]
pub fn concerning(addresses: &[IpAddr]) -> Option<Vec<Instruction>> {
    let arp = section(addresses, IpAddr::is_ipv4, &[ARP_SENDER, ARP_TARGET]);
    let nd = section(addresses, IpAddr::is_ipv6, &[SOURCE, DESTINATION, ND_TARGET]);
    let over_arp = u32::try_from(arp.len()).ok()?;
    let mut all = vec![
        (LD_B, 0, 0, PACKET_TYPE),
        (JUMP_IF_EQUAL, 2, 0, OUTGOING),
        (LD_B, 0, 0, VLAN_TAG_PRESENT),
        (JUMP_IF_EQUAL, 1, 0, 0),
        (RETURN, 0, 0, DROP),
        (LD_H, 0, 0, 12),
        (JUMP_IF_EQUAL, 8, 0, 0x0806), // ARP: the section behind these
        (JUMP_IF_EQUAL, 0, 6, 0x86dd), // not IPv6: drop
        (LD_B, 0, 0, 20),              // next header
        (JUMP_IF_EQUAL, 0, 4, 58),     // not ICMPv6: drop
        (LD_B, 0, 0, 54),              // type
        (JUMP_IF_EQUAL, 1, 0, 135),    // neighbour solicitation
        (JUMP_IF_EQUAL, 0, 1, 136),    // neighbour advertisement
        (JUMP, 0, 0, 1 + over_arp),    // farther than a conditional jump reaches
        (RETURN, 0, 0, DROP),
    ];
    all.extend(arp);
    all.extend(nd);
    (all.len() <= LONGEST).then_some(all)
}

/// Keeps a frame that has one of the addresses at one of these places; drops it otherwise.
fn section(addresses: &[IpAddr], family: fn(&IpAddr) -> bool, places: &[u32]) -> Vec<Instruction> {
    let mut all = Vec::new();
    for ip in addresses.iter().filter(|ip| family(ip)) {
        let words: Vec<u32> = match ip {
            IpAddr::V4(v4) => vec![u32::from(*v4)],
            IpAddr::V6(v6) => {
                v6.octets().chunks(4).map(|c| c.iter().fold(0, |n, b| n << 8 | u32::from(*b))).collect()
            }
        };
        for place in places {
            // The last word first: it tells addresses of one subnet apart.
            for (n, word) in words.iter().enumerate().rev() {
                let offset = place + 4 * u32::try_from(n).unwrap_or(0);
                all.push((LD_W, 0, 0, offset));
                // Over what is left of this comparison: two instructions a word, and the return.
                all.push((JUMP_IF_EQUAL, 0, u8::try_from(2 * n + 1).unwrap_or(u8::MAX), *word));
            }
            all.push((RETURN, 0, 0, KEEP));
        }
    }
    all.push((RETURN, 0, 0, DROP));
    all
}

#[cfg(test)]
mod tests;
