//! A DNS name that leads to an identity, and the server that is told.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use hickory_proto::rr::Name;

/// The port of DNS.
pub const PORT: u16 = 53;
/// How long resolvers may keep the addresses, s, if nothing else is said: a name that moves must be asked for again.
pub const TTL_S: u32 = 30;
/// The longest time to live, s (RFC 2181 section 8).
const LONGEST_TTL_S: u32 = i32::MAX as u32;

/// What is no name to move, or cannot be moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a host's name.
    #[error("'{text}' is not a host's name: {why}; write db.example.com")]
    Form {
        /// What was written.
        text: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Not an address of a server.
    #[error(
        "'{0}' is not a name server's address: write 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53; \
         not a name, since nothing may have to be resolved in a failover"
    )]
    Server(String),
    /// The name is not in the zone.
    #[error("{name} is not below the zone {zone}: the server would refuse it")]
    NotInZone {
        /// The name.
        name: String,
        /// The zone.
        zone: String,
    },
    /// A time to live that no record can have.
    #[error("{0} s is no time to live: 0 to 2147483647")]
    Ttl(u32),
    /// Neither a word nor addresses.
    #[error(
        "'{0}' is not what the name may lead to before: write any, absent, or addresses with commas between"
    )]
    Expect(String),
}

/// A name of ASCII letters, digits, hyphens and underscores, in lower case and with its final dot.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DnsName(Name);

impl DnsName {
    /// As the DNS library knows it.
    #[must_use]
    pub const fn wire(&self) -> &Name {
        &self.0
    }

    /// The name without its first label.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0.base_name())
    }

    /// Whether this name is `other` or stands below it.
    #[must_use]
    pub fn is_below(&self, other: &Self) -> bool {
        other.0.zone_of(&self.0)
    }
}

impl FromStr for DnsName {
    type Err = NameError;

    fn from_str(s: &str) -> Result<Self, NameError> {
        let refuse = |why| Err(NameError::Form { text: s.to_owned(), why });
        let bare = s.strip_suffix('.').unwrap_or(s);
        if !bare.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
            return refuse(
                "only ASCII letters, digits, '-', '_' and '.' (a name in another script: its xn-- form)",
            );
        }
        if bare.split('.').any(|label| label.is_empty() || label.len() > 63) {
            return refuse("each part has 1 to 63 letters");
        }
        match Name::from_ascii(bare.to_ascii_lowercase()) {
            Ok(mut name) => {
                name.set_fqdn(true);
                Ok(Self(name))
            }
            Err(_) => refuse("it is longer than 255 bytes"),
        }
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DnsName({})", self.0)
    }
}

/// What the name must lead to before it is moved (RFC 2136 section 2.4); otherwise the server refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expect {
    /// Whatever it does.
    #[default]
    Any,
    /// To no address of the families that are moved.
    Absent,
    /// To exactly these addresses.
    Exactly(Vec<IpAddr>),
}

impl FromStr for Expect {
    type Err = NameError;

    fn from_str(s: &str) -> Result<Self, NameError> {
        match s {
            "any" => Ok(Self::Any),
            "absent" => Ok(Self::Absent),
            _ => s
                .split(',')
                .map(|a| a.trim().parse().map_err(|_| NameError::Expect(s.to_owned())))
                .collect::<Result<_, _>>()
                .map(Self::Exactly),
        }
    }
}

/// What becomes of the name when the identity is released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRelease {
    /// It stays: whoever takes the identity replaces it.
    #[default]
    Keep,
    /// The identity's addresses are removed from it, and no others.
    Remove,
}

/// Where a name is kept: all that an update needs but the addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// The name.
    pub name: DnsName,
    /// Its zone.
    pub zone: DnsName,
    /// The zone's primary server.
    pub server: SocketAddr,
    /// The key the update is signed with: a file.
    pub key_file: PathBuf,
    /// Time to live of the addresses, s.
    pub ttl_s: u32,
    /// What must be so before.
    pub expect: Expect,
    /// What a release does.
    pub on_release: OnRelease,
}

impl Naming {
    /// A name at a server, in its parent as zone, whatever it leads to now, kept at a release.
    #[must_use]
    pub fn new(name: DnsName, server: SocketAddr, key_file: PathBuf) -> Self {
        let zone = name.parent();
        let (expect, on_release) = (Expect::default(), OnRelease::default());
        Self { name, zone, server, key_file, ttl_s: TTL_S, expect, on_release }
    }

    /// Checks that the parts fit together.
    ///
    /// # Errors
    /// [`NameError::NotInZone`] and [`NameError::Ttl`].
    pub fn checked(self) -> Result<Self, NameError> {
        if !self.name.is_below(&self.zone) {
            let (name, zone) = (self.name.to_string(), self.zone.to_string());
            return Err(NameError::NotInZone { name, zone });
        }
        if self.ttl_s > LONGEST_TTL_S {
            return Err(NameError::Ttl(self.ttl_s));
        }
        Ok(self)
    }
}

/// Reads a server's address, with or without a port.
///
/// # Errors
/// [`NameError::Server`].
pub fn server(s: &str) -> Result<SocketAddr, NameError> {
    s.parse::<SocketAddr>()
        .or_else(|_| s.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT)))
        .map_err(|_| NameError::Server(s.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_lower_case_and_belong_to_a_zone() {
        let name: DnsName = "DB.Example.com".parse().unwrap();
        assert_eq!(name.to_string(), "db.example.com.");
        assert_eq!(name, "db.example.com.".parse().unwrap());
        assert_eq!(name.parent().to_string(), "example.com.");
        let naming = Naming::new(name, server("192.0.2.53").unwrap(), "k".into());
        assert_eq!(naming.zone.to_string(), "example.com.");
        assert!(naming.clone().checked().is_ok());
        let elsewhere = Naming { zone: "example.net".parse().unwrap(), ..naming.clone() };
        assert!(matches!(elsewhere.checked(), Err(NameError::NotInZone { .. })));
        assert_eq!(Naming { ttl_s: 1 << 31, ..naming }.checked(), Err(NameError::Ttl(1 << 31)));
    }

    #[test]
    fn what_is_no_name_is_refused_in_words() {
        let label = "a".repeat(64);
        let long = vec!["a".repeat(63); 4].join(".");
        for (text, why) in [
            ("", "1 to 63"),
            ("a..b", "1 to 63"),
            (label.as_str(), "1 to 63"),
            (long.as_str(), "255"),
            ("dß.example.com", "xn--"),
            ("a b.example.com", "ASCII"),
            ("a\\046b.example.com", "ASCII"),
        ] {
            let e = text.parse::<DnsName>().unwrap_err();
            assert!(e.to_string().contains(why), "{text}: {e}");
        }
    }

    #[test]
    fn servers_and_expectations_are_read() {
        assert_eq!(server("192.0.2.53").unwrap().port(), 53);
        assert_eq!(server("[2001:db8::53]:5353").unwrap().port(), 5353);
        assert_eq!(server("2001:db8::53").unwrap().port(), 53);
        assert!(server("ns.example.com").is_err());
        assert_eq!("any".parse(), Ok(Expect::Any));
        assert_eq!("absent".parse(), Ok(Expect::Absent));
        let both = vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        assert_eq!("192.0.2.1, 2001:db8::1".parse(), Ok(Expect::Exactly(both)));
        assert!("192.0.2.1,x".parse::<Expect>().is_err());
    }
}
