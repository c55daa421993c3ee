//! MAC addresses that move with an identity.

use std::fmt;
use std::str::FromStr;

use pnet_base::MacAddr;

use super::IdentityError;

/// A MAC that moves along (RFC 9568 section 7.3 for the VRRP ones).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VirtualMac {
    /// 00-00-5e-00-01-VRID, for IPv4.
    Vrrp4(u8),
    /// 00-00-5e-00-02-VRID, for IPv6.
    Vrrp6(u8),
    /// A locally administered unicast address.
    Local(MacAddr),
}

impl VirtualMac {
    /// The address on the wire.
    #[must_use]
    pub const fn address(self) -> MacAddr {
        match self {
            Self::Vrrp4(vrid) => MacAddr(0, 0, 0x5e, 0, 1, vrid),
            Self::Vrrp6(vrid) => MacAddr(0, 0, 0x5e, 0, 2, vrid),
            Self::Local(mac) => mac,
        }
    }
}

impl FromStr for VirtualMac {
    type Err = IdentityError;

    /// Reads a VRRP or a locally administered unicast MAC; refuses what belongs to a real card.
    fn from_str(s: &str) -> Result<Self, IdentityError> {
        let refuse = |why| Err(IdentityError::Mac { text: s.to_owned(), why });
        let Ok(mac) = s.replace('-', ":").parse::<MacAddr>() else {
            return refuse("write six hex bytes, 02:00:00:00:00:01");
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
        write!(f, "{}", self.address())
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
