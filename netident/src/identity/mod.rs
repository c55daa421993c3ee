//! What moves between hosts: addresses on links, a virtual MAC, a name.
//!
//! Only an identity that could stand on a host can be built: no multicast or broadcast address, no link
//! name the kernel would refuse. Whether it can stand on *this* host is for the plan to say.

mod address;
mod link;
mod mac;
pub mod name;
mod route;

pub use address::Address;
pub use link::LinkName;
pub use mac::{MacMode, VirtualMac};
pub use route::WantedRoute;

/// Something that is no part of an identity: what was written, what is wrong with it, what is right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not of the form `ADDRESS/PREFIX@LINK`.
    #[error("'{0}' is not an address on a link: write 192.0.2.10/24@eth0 or 2001:db8::10/64@eth0")]
    Form(String),
    /// A prefix longer than the address.
    #[error(
        "'{text}': an address of its family has {most} bits, so a prefix has no more; write /{most} or less"
    )]
    Prefix {
        /// What was written.
        text: String,
        /// Bits of an address of the family.
        most: u8,
    },
    /// An address no host can own.
    #[error("{address} is {what}: a host cannot own it")]
    NotAHost {
        /// The address.
        address: String,
        /// What it is instead.
        what: &'static str,
    },
    /// A link name the kernel would refuse.
    #[error("'{name}' is not a link name: {why}")]
    Link {
        /// The name.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Not a MAC address, or not one a host can own.
    #[error("'{text}' is not a MAC this host could take: {why}")]
    Mac {
        /// What was written.
        text: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A virtual MAC that cannot be that of an address.
    #[error("{mac} is no MAC for {address}: {why}")]
    MacOf {
        /// The MAC.
        mac: String,
        /// The address.
        address: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Not a route, or not one of this identity.
    #[error("'{text}' is no route of this identity: {why}")]
    Route {
        /// What was written.
        text: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The same address twice.
    #[error("{0} is named twice")]
    Twice(String),
    /// Nothing to move.
    #[error("an identity needs at least one address: write --address 192.0.2.10/24@eth0")]
    Empty,
}

/// A network identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    addresses: Vec<Address>,
    mac: Option<VirtualMac>,
    mode: MacMode,
    routes: Vec<WantedRoute>,
    naming: Option<name::Naming>,
}

impl Identity {
    /// An identity of these addresses, with a MAC of its own (on a macvlan) or the links' own ones.
    ///
    /// # Errors
    /// [`IdentityError::Empty`], [`IdentityError::Twice`], and [`IdentityError::MacOf`] for a VRRP MAC of the
    /// other family.
    pub fn new(addresses: Vec<Address>, mac: Option<VirtualMac>) -> Result<Self, IdentityError> {
        if addresses.is_empty() {
            return Err(IdentityError::Empty);
        }
        for (i, a) in addresses.iter().enumerate() {
            if addresses[..i].iter().any(|b| b.ip() == a.ip() && b.link == a.link) {
                return Err(IdentityError::Twice(a.to_string()));
            }
            if let Some(mac) = mac.filter(|m| m.at(a.ip()).is_none()) {
                let why = "it is the VRRP MAC of the other family; write vrrp:VRID for both";
                return Err(IdentityError::MacOf { mac: mac.to_string(), address: a.to_string(), why });
            }
        }
        Ok(Self { addresses, mac, mode: MacMode::default(), routes: Vec::new(), naming: None })
    }

    /// The same with its MAC elsewhere.
    ///
    /// # Errors
    /// [`IdentityError::MacOf`] where one link would need two MACs.
    pub fn with_mode(mut self, mode: MacMode) -> Result<Self, IdentityError> {
        if let (MacMode::Link, Some(mac)) = (mode, self.mac) {
            for (i, a) in self.addresses.iter().enumerate() {
                let other = |b: &&Address| b.link == a.link && mac.at(b.ip()) != mac.at(a.ip());
                if self.addresses[..i].iter().any(|b| other(&b)) {
                    let why = "the link would need two MACs; use a macvlan, or one locally administered MAC";
                    return Err(IdentityError::MacOf { mac: mac.to_string(), address: a.to_string(), why });
                }
            }
        }
        self.mode = mode;
        Ok(self)
    }

    /// The same with routes that come and go with it.
    ///
    /// # Errors
    /// [`IdentityError::Route`] where the preferred source is no address of the identity, or a route is named
    /// twice.
    pub fn with_routes(mut self, routes: Vec<WantedRoute>) -> Result<Self, IdentityError> {
        for (i, r) in routes.iter().enumerate() {
            let refuse = |why| Err(IdentityError::Route { text: r.to_string(), why });
            if !self.addresses.iter().any(|a| a.ip() == r.source) {
                return refuse("its 'src' must be one of the identity's addresses");
            }
            if routes[..i].iter().any(|o| o.destination == r.destination && o.metric == r.metric) {
                return refuse("another one leads there with the same metric");
            }
        }
        self.routes = routes;
        Ok(self)
    }

    /// The addresses, in the order they are taken.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// One of its addresses alone with the routes that prefer it, all else the same.
    #[must_use]
    pub fn alone(&self, address: &Address) -> Self {
        let routes = self.routes.iter().filter(|r| r.source == address.ip()).cloned().collect();
        Self { addresses: vec![address.clone()], routes, ..self.clone() }
    }

    /// The same, and a name that leads to it.
    #[must_use]
    pub fn named(mut self, naming: Option<name::Naming>) -> Self {
        self.naming = naming;
        self
    }

    /// The name that leads to it, if one is told.
    #[must_use]
    pub const fn naming(&self) -> Option<&name::Naming> {
        self.naming.as_ref()
    }

    /// The MAC that moves along, if one does.
    #[must_use]
    pub const fn mac(&self) -> Option<VirtualMac> {
        self.mac
    }

    /// Where that MAC stands.
    #[must_use]
    pub const fn mode(&self) -> MacMode {
        self.mode
    }

    /// Routes that come and go with it.
    #[must_use]
    pub fn routes(&self) -> &[WantedRoute] {
        &self.routes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_not_empty_and_names_nothing_twice() {
        let a: Address = "192.0.2.10/24@eth0".parse().unwrap();
        let again: Address = "192.0.2.10/25@eth0".parse().unwrap();
        let elsewhere: Address = "192.0.2.10/24@eth1".parse().unwrap();
        assert_eq!(Identity::new(vec![], None), Err(IdentityError::Empty));
        assert!(matches!(Identity::new(vec![a.clone(), again], None), Err(IdentityError::Twice(_))));
        assert_eq!(Identity::new(vec![a, elsewhere], None).unwrap().addresses().len(), 2);
    }

    #[test]
    fn a_mac_fits_its_addresses_and_a_link_has_one() {
        let both: Vec<Address> =
            ["192.0.2.10/24@eth0", "2001:db8::10/64@eth0"].iter().map(|a| a.parse().unwrap()).collect();
        let of = |mac: &str| Identity::new(both.clone(), Some(mac.parse().unwrap()));
        assert!(matches!(of("00:00:5e:00:01:0a"), Err(IdentityError::MacOf { .. })));
        assert!(matches!(of("vrrp:10").unwrap().with_mode(MacMode::Link), Err(IdentityError::MacOf { .. })));
        assert!(of("02:00:00:00:00:0a").unwrap().with_mode(MacMode::Link).is_ok());
        assert!(of("vrrp:10").unwrap().with_mode(MacMode::Macvlan).is_ok());
    }

    #[test]
    fn a_route_prefers_an_address_of_its_identity_and_is_named_once() {
        let a: Address = "192.0.2.10/24@eth0".parse().unwrap();
        let with = |routes: &[&str]| {
            let routes = routes.iter().map(|r| r.parse().unwrap()).collect();
            Identity::new(vec![a.clone()], None).unwrap().with_routes(routes)
        };
        let good = "default via 192.0.2.1 src 192.0.2.10 @eth0";
        assert_eq!(with(&[good]).unwrap().routes().len(), 1);
        assert!(with(&["default via 192.0.2.1 src 192.0.2.11 @eth0"]).is_err());
        assert!(with(&[good, good]).is_err());
    }
}
