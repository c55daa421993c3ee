//! One address on one link.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::{IdentityError, LinkName};

/// An address with its prefix length, on a link: `192.0.2.10/24@eth0`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// The address and the length of its prefix.
    pub net: IpNet,
    /// The link it stands on.
    pub link: LinkName,
}

impl Address {
    /// The address alone.
    #[must_use]
    pub const fn ip(&self) -> IpAddr {
        match self.net {
            IpNet::V4(n) => IpAddr::V4(n.addr()),
            IpNet::V6(n) => IpAddr::V6(n.addr()),
        }
    }
}

impl FromStr for Address {
    type Err = IdentityError;

    fn from_str(s: &str) -> Result<Self, IdentityError> {
        let form = || IdentityError::Form(s.to_owned());
        let (net, link) = s.split_once('@').ok_or_else(form)?;
        let net: IpNet = net.parse().map_err(|_| too_long(net).unwrap_or_else(form))?;
        if let Some(what) = not_a_host(net) {
            return Err(IdentityError::NotAHost { address: net.to_string(), what });
        }
        Ok(Self { net, link: link.parse()? })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.net, self.link)
    }
}

/// The error for a prefix that is longer than its address, as of the other family.
fn too_long(net: &str) -> Option<IdentityError> {
    let (ip, prefix) = net.split_once('/')?;
    let most = if ip.parse::<IpAddr>().ok()?.is_ipv4() { 32 } else { 128 };
    let prefix: u32 = prefix.parse().ok()?;
    (prefix > u32::from(most)).then(|| IdentityError::Prefix { text: net.to_owned(), most })
}

/// What an address is that no single host may own, if it is such.
fn not_a_host(net: IpNet) -> Option<&'static str> {
    match net {
        IpNet::V4(n) => {
            let ip = n.addr();
            // A /31 has no broadcast address (RFC 3021), a /32 is a host by itself.
            let has_ends = n.prefix_len() < 31;
            if ip.is_unspecified() || ip.octets()[0] == 0 {
                Some("unspecified")
            } else if ip.is_loopback() {
                Some("a loopback address")
            } else if ip.is_multicast() {
                Some("a multicast address")
            } else if ip.is_broadcast() || (has_ends && ip == n.broadcast()) {
                Some("a broadcast address")
            } else if ip.octets()[0] >= 240 {
                Some("reserved")
            } else if has_ends && ip == n.network() {
                Some("the address of the subnet itself")
            } else {
                None
            }
        }
        IpNet::V6(n) => {
            let ip = n.addr();
            if ip.is_unspecified() {
                Some("unspecified")
            } else if ip.is_loopback() {
                Some("a loopback address")
            } else if ip.is_multicast() {
                Some("a multicast address")
            } else if ip.to_ipv4_mapped().is_some() {
                Some("an IPv4 address in IPv6 clothes")
            } else if n.prefix_len() < 127 && ip == n.network() {
                Some("the Subnet-Router anycast address")
            } else {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_as_it_prints() {
        for text in ["192.0.2.10/24@eth0", "2001:db8::10/64@bond0", "192.0.2.0/31@e", "192.0.2.1/32@e"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_no_host_can_own_is_refused_in_words() {
        for (text, what) in [
            ("0.0.0.0/24@e", "unspecified"),
            ("127.0.0.1/8@e", "loopback"),
            ("224.0.0.1/24@e", "multicast"),
            ("255.255.255.255/32@e", "broadcast"),
            ("192.0.2.255/24@e", "broadcast"),
            ("192.0.2.0/24@e", "subnet itself"),
            ("240.0.0.1/24@e", "reserved"),
            ("::/64@e", "unspecified"),
            ("::1/128@e", "loopback"),
            ("ff02::1/64@e", "multicast"),
            ("::ffff:192.0.2.1/128@e", "IPv4"),
            ("2001:db8::/64@e", "anycast"),
        ] {
            let e = text.parse::<Address>().unwrap_err();
            assert!(
                matches!(e, IdentityError::NotAHost { .. }) && e.to_string().contains(what),
                "{text}: {e}"
            );
        }
        for (text, most) in [("192.0.2.10/64@e", "32 bits"), ("2001:db8::1/129@e", "128 bits")] {
            let e = text.parse::<Address>().unwrap_err();
            assert!(matches!(e, IdentityError::Prefix { .. }) && e.to_string().contains(most), "{text}: {e}");
        }
        for text in ["192.0.2.10/24", "192.0.2.10@eth0", "192.0.2.10/33@e", "x/24@e", "192.0.2.10/24@"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
