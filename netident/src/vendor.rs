//! What a MAC says about its card, as far as it is known without a registry of half a million lines. Pure.
//!
//! Only prefixes that tell something at a failover: addresses that move, and virtual machines. For any other the prefix
//! itself is told, to be looked up.

use pnet_base::MacAddr;

/// Prefixes, and what they say.
const KNOWN: &[(&[u8], &str)] = &[
    (&[0x00, 0x00, 0x5e, 0x00, 0x01], "VRRP or CARP, IPv4"),
    (&[0x00, 0x00, 0x5e, 0x00, 0x02], "VRRP, IPv6"),
    (&[0x00, 0x00, 0x0c, 0x07, 0xac], "HSRP"),
    (&[0x00, 0x00, 0x0c, 0x9f], "HSRP version 2"),
    (&[0x00, 0x07, 0xb4, 0x00], "GLBP"),
    (&[0x52, 0x54, 0x00], "virtual machine, QEMU/KVM"),
    (&[0x00, 0x50, 0x56], "virtual machine, VMware"),
    (&[0x00, 0x0c, 0x29], "virtual machine, VMware"),
    (&[0x00, 0x05, 0x69], "virtual machine, VMware"),
    (&[0x00, 0x1c, 0x14], "virtual machine, VMware"),
    (&[0x00, 0x15, 0x5d], "virtual machine, Hyper-V"),
    (&[0x00, 0x16, 0x3e], "virtual machine, Xen"),
    (&[0x08, 0x00, 0x27], "virtual machine, VirtualBox"),
];

/// What is known of whoever has this MAC.
#[must_use]
pub fn vendor(mac: MacAddr) -> String {
    let MacAddr(a, b, c, d, e, f) = mac;
    let bytes = [a, b, c, d, e, f];
    if let Some((_, words)) = KNOWN.iter().find(|(prefix, _)| bytes.starts_with(prefix)) {
        return (*words).to_owned();
    }
    // IEEE 802c: the second bit of the first byte.
    if a & 2 != 0 {
        return "locally administered: made by software, not by a vendor".to_owned();
    }
    format!("vendor's prefix {a:02x}-{b:02x}-{c:02x}, not looked up")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_mac_tells() {
        for (mac, words) in [
            ("00:00:5e:00:01:0a", "VRRP or CARP"),
            ("00:00:5e:00:02:0a", "IPv6"),
            ("52:54:00:12:34:56", "QEMU"),
            ("00:50:56:00:00:01", "VMware"),
            ("02:00:00:00:00:01", "locally administered"),
            ("ae:00:00:00:00:01", "locally administered"),
            ("00:1b:21:00:00:01", "00-1b-21"),
            ("00:00:5e:00:03:0a", "00-00-5e"),
        ] {
            let said = vendor(mac.parse().unwrap());
            assert!(said.contains(words), "{mac}: {said}");
        }
    }
}
