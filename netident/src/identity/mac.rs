//! MAC addresses that move with an identity.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use pnet_base::MacAddr;

use super::IdentityError;

/// A MAC that moves along (RFC 9568 section 7.3 for the VRRP ones).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VirtualMac {
    /// Both VRRP ones of a VRID: each address has that of its family.
    Vrrp(u8),
    /// 00-00-5e-00-01-VRID, for IPv4.
    Vrrp4(u8),
    /// 00-00-5e-00-02-VRID, for IPv6.
    Vrrp6(u8),
    /// A locally administered unicast address.
    Local(MacAddr),
}

impl VirtualMac {
    /// The MAC of an address, on the wire; `None` where this one is of the other family alone.
    #[must_use]
    pub const fn at(self, ip: IpAddr) -> Option<MacAddr> {
        match (self, ip) {
            (Self::Vrrp(vrid) | Self::Vrrp4(vrid), IpAddr::V4(_)) => Some(MacAddr(0, 0, 0x5e, 0, 1, vrid)),
            (Self::Vrrp(vrid) | Self::Vrrp6(vrid), IpAddr::V6(_)) => Some(MacAddr(0, 0, 0x5e, 0, 2, vrid)),
            (Self::Local(mac), _) => Some(mac),
            (Self::Vrrp4(_), IpAddr::V6(_)) | (Self::Vrrp6(_), IpAddr::V4(_)) => None,
        }
    }
}

/// Where a virtual MAC stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MacMode {
    /// On a macvlan of its own, above the link: the link keeps its MAC.
    #[default]
    Macvlan,
    /// On the link itself, whose original MAC comes back with the release.
    Link,
}

impl FromStr for VirtualMac {
    type Err = IdentityError;

    /// Reads `vrrp:VRID`, a VRRP or a locally administered unicast MAC; refuses what belongs to a real card.
    fn from_str(s: &str) -> Result<Self, IdentityError> {
        let refuse = |why| Err(IdentityError::Mac { text: s.to_owned(), why });
        if let Some(vrid) = s.strip_prefix("vrrp:") {
            return match vrid.parse() {
                Ok(vrid) if vrid != 0 => Ok(Self::Vrrp(vrid)),
                _ => refuse("VRRP router ids are 1 to 255"),
            };
        }
        let Ok(mac) = s.replace('-', ":").parse::<MacAddr>() else {
            return refuse("write six hex bytes, 02:00:00:00:00:01, or vrrp:10");
        };
        match mac {
            MacAddr(0, 0, 0x5e, 0, 1, vrid) if vrid != 0 => Ok(Self::Vrrp4(vrid)),
            MacAddr(0, 0, 0x5e, 0, 2, vrid) if vrid != 0 => Ok(Self::Vrrp6(vrid)),
            MacAddr(0, 0, 0x5e, 0, 1 | 2, 0) => refuse("VRRP router ids are 1 to 255"),
            MacAddr(0, 0, 0, 0, 0, 0) => refuse("it is zero"),
            MacAddr(first, ..) if first & 1 != 0 => refuse("it is a multicast or broadcast address"),
            MacAddr(first, ..) if first & 2 == 0 => {
                refuse("it is not locally administered: the second hex digit must be 2, 6, a or e")
            }
            _ => Ok(Self::Local(mac)),
        }
    }
}

impl fmt::Display for VirtualMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vrrp(vrid) => write!(f, "vrrp:{vrid}"),
            Self::Vrrp4(vrid) => write!(f, "{}", MacAddr(0, 0, 0x5e, 0, 1, *vrid)),
            Self::Vrrp6(vrid) => write!(f, "{}", MacAddr(0, 0, 0x5e, 0, 2, *vrid)),
            Self::Local(mac) => write!(f, "{mac}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_macs_are_told_apart() {
        assert_eq!("00-00-5e-00-01-0a".parse(), Ok(VirtualMac::Vrrp4(10)));
        assert_eq!("00:00:5E:00:02:ff".parse(), Ok(VirtualMac::Vrrp6(255)));
        let local = MacAddr(2, 0, 0, 0, 0, 1);
        assert_eq!("02:00:00:00:00:01".parse(), Ok(VirtualMac::Local(local)));
        assert_eq!(VirtualMac::Vrrp4(10).to_string(), "00:00:5e:00:01:0a");
        let both: VirtualMac = "vrrp:10".parse().unwrap();
        assert_eq!(both.to_string(), "vrrp:10");
        let (v4, v6) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        assert_eq!(both.at(v4), Some(MacAddr(0, 0, 0x5e, 0, 1, 10)));
        assert_eq!(both.at(v6), Some(MacAddr(0, 0, 0x5e, 0, 2, 10)));
        assert_eq!(VirtualMac::Vrrp4(10).at(v6), None);
        assert_eq!(VirtualMac::Local(local).at(v6), Some(local));
    }

    #[test]
    fn what_no_host_should_take_is_refused_in_words() {
        for (text, why) in [
            ("02:00:00:00:00", "six hex bytes"),
            ("00:00:00:00:00:00", "zero"),
            ("ff:ff:ff:ff:ff:ff", "multicast"),
            ("01:00:5e:00:00:01", "multicast"),
            ("52:54:00:12:34:56", ""),
            ("00:16:3e:00:00:01", "locally administered"),
            ("00:00:5e:00:01:00", "1 to 255"),
            ("vrrp:0", "1 to 255"),
            ("vrrp:256", "1 to 255"),
        ] {
            let end = text.parse::<VirtualMac>();
            if why.is_empty() {
                assert!(end.is_ok(), "{text}: {end:?}");
            } else {
                assert!(end.unwrap_err().to_string().contains(why), "{text}");
            }
        }
    }
}
