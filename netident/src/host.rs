//! What a host looks like: links, addresses, routes, neighbours. Read by [`crate::system`], judged by [`crate::plan`].
//!
//! Pure data. Only what a decision needs is kept.

mod around;

pub use around::{
    ALIAS, Around, Macvlan, Marks, Name, OtherRoute, OwnRoute, SeenMacvlan, Sysctl, Which, Whole,
};

use std::net::IpAddr;

use ipnet::IpNet;
use pnet_base::MacAddr;

use crate::frame::LinkIndex;
use crate::identity::LinkName;

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number.
    pub index: LinkIndex,
    /// Its name.
    pub name: String,
    /// Its MAC, where it has one of six bytes.
    pub mac: Option<MacAddr>,
    /// Administratively up (IFF_UP).
    pub up: bool,
    /// It has a carrier (IFF_LOWER_UP).
    pub carrier: bool,
    /// Removing a subnet's first address keeps the others (sysctl `promote_secondaries`).
    pub promote_secondaries: bool,
}

/// An address that stands on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The link.
    pub link: LinkIndex,
    /// The address and its prefix.
    pub net: IpNet,
    /// Another address of its subnet came first (IFA_F_SECONDARY); IPv4 only.
    pub secondary: bool,
    /// Duplicate address detection has not ended (IFA_F_TENTATIVE).
    pub tentative: bool,
    /// Duplicate address detection found another owner (IFA_F_DADFAILED): the address is of no use.
    pub dadfailed: bool,
    /// It was put there by this program (IFA_PROTO).
    pub ours: bool,
}

/// A route of the main table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it leads.
    pub destination: IpNet,
    /// By which router; a connected subnet has none.
    pub gateway: Option<IpAddr>,
    /// On which link.
    pub link: LinkIndex,
}

/// What the kernel knows of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The link.
    pub link: LinkIndex,
    /// Its address.
    pub ip: IpAddr,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Links.
    pub links: Vec<Link>,
    /// Addresses.
    pub addresses: Vec<Held>,
    /// Routes of the main table.
    pub routes: Vec<Route>,
    /// Neighbours.
    pub neighbours: Vec<Neighbour>,
    /// What else of an identity is seen.
    pub around: Around,
}

impl Host {
    /// The link of that name.
    #[must_use]
    pub fn link(&self, name: &LinkName) -> Option<&Link> {
        self.links.iter().find(|l| l.name == name.as_str())
    }

    /// Where this host holds an address.
    pub fn holding(&self, ip: IpAddr) -> impl Iterator<Item = &Held> {
        self.addresses.iter().filter(move |h| h.net.addr() == ip)
    }

    /// The name of a link, for people.
    #[must_use]
    pub fn name(&self, index: LinkIndex) -> &str {
        self.links.iter().find(|l| l.index == index).map_or("?", |l| l.name.as_str())
    }
}
