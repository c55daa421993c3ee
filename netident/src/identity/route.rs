//! Routes that come and go with an identity.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

use super::{IdentityError, LinkName};

/// A route that prefers an address of the identity as its source:
/// `default via 192.0.2.1 src 192.0.2.10 metric 50 @eth0`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WantedRoute {
    /// Where it leads.
    pub destination: IpNet,
    /// By which router; none where the destination is on the link.
    pub via: Option<IpAddr>,
    /// The preferred source.
    pub source: IpAddr,
    /// Its metric: of several routes to one place, the lowest wins.
    pub metric: Option<u32>,
    /// On which link.
    pub link: LinkName,
}

impl FromStr for WantedRoute {
    type Err = IdentityError;

    fn from_str(s: &str) -> Result<Self, IdentityError> {
        let refuse = |why| IdentityError::Route { text: s.to_owned(), why };
        let form = || refuse("write 'DESTINATION via ROUTER src ADDRESS @LINK', 'metric N' if need be");
        let (words, link) = s.rsplit_once('@').ok_or_else(form)?;
        let mut words = words.split_whitespace();
        let destination = words.next().ok_or_else(form)?;
        let (mut via, mut source, mut metric) = (None, None, None);
        while let Some(key) = words.next() {
            let value = words.next().ok_or_else(form)?;
            match key {
                "via" if via.is_none() => via = Some(value.parse().map_err(|_| form())?),
                "src" if source.is_none() => source = Some(value.parse::<IpAddr>().map_err(|_| form())?),
                "metric" if metric.is_none() => metric = Some(value.parse().map_err(|_| form())?),
                _ => return Err(form()),
            }
        }
        let source = source.ok_or_else(|| refuse("it needs a 'src': one of the identity's addresses"))?;
        let destination = match (destination, source) {
            ("default", IpAddr::V4(_)) => IpNet::new(Ipv4Addr::UNSPECIFIED.into(), 0).map_err(|_| form())?,
            ("default", IpAddr::V6(_)) => IpNet::new(Ipv6Addr::UNSPECIFIED.into(), 0).map_err(|_| form())?,
            (net, _) => net.parse().map_err(|_| form())?,
        };
        if destination != destination.trunc() {
            return Err(refuse("its destination has bits behind its prefix"));
        }
        let v4 = destination.addr().is_ipv4();
        if source.is_ipv4() != v4 || via.is_some_and(|v: IpAddr| v.is_ipv4() != v4) {
            return Err(refuse("it mixes IPv4 and IPv6"));
        }
        Ok(Self { destination, via, source, metric, link: link.trim().parse()? })
    }
}

impl fmt::Display for WantedRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.destination.prefix_len() {
            0 => f.write_str("default")?,
            _ => write!(f, "{}", self.destination)?,
        }
        if let Some(via) = self.via {
            write!(f, " via {via}")?;
        }
        write!(f, " src {}", self.source)?;
        if let Some(metric) = self.metric {
            write!(f, " metric {metric}")?;
        }
        write!(f, " @{}", self.link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_reads_as_it_prints() {
        for text in [
            "default via 192.0.2.1 src 192.0.2.10 @eth0",
            "198.51.100.0/24 via 192.0.2.1 src 192.0.2.10 metric 50 @eth0",
            "2001:db8:1::/48 src 2001:db8::10 @eth0",
            "default via fe80::1 src 2001:db8::10 @eth0",
        ] {
            assert_eq!(text.parse::<WantedRoute>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_route_is_refused_in_words() {
        for (text, why) in [
            ("default via 192.0.2.1 src 192.0.2.10", "@LINK"),
            ("default via 192.0.2.1 @eth0", "'src'"),
            ("default via fe80::1 src 192.0.2.10 @eth0", "mixes"),
            ("2001:db8::/64 src 192.0.2.10 @eth0", "mixes"),
            ("192.0.2.1/24 src 192.0.2.10 @eth0", "bits behind"),
            ("default via src 192.0.2.10 @eth0", "DESTINATION"),
            ("default src 192.0.2.10 src 192.0.2.11 @eth0", "DESTINATION"),
            ("default src 192.0.2.10 metric x @eth0", "DESTINATION"),
            ("default src 192.0.2.10 @", "empty"),
        ] {
            let e = text.parse::<WantedRoute>().unwrap_err();
            assert!(e.to_string().contains(why), "{text}: {e}");
        }
    }
}
