//! From what a host looks like and an identity to what must be changed. Pure.
//!
//! Invariant: a plan changes nothing that is not part of the identity; what would take others along is an
//! [`Obstacle`]. Must never look at the host again: the caller reads, plans, changes, and reads back.

mod release;
mod take;

use ipnet::IpNet;

use crate::campaign::Voice;
use crate::frame::LinkIndex;

pub use release::{ReleasePlan, release};
pub use take::{TakePlan, take};

/// One change to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Put an address on a link; never with duplicate address detection, which takes seconds and fails for
    /// ever against a half-dead owner.
    Add {
        /// The link.
        link: LinkIndex,
        /// The address and its prefix.
        net: IpNet,
        /// The subnet has its route already; a second one would go away with this address.
        prefix_route: PrefixRoute,
    },
    /// Take an address off a link.
    Remove {
        /// The link.
        link: LinkIndex,
        /// The address and its prefix.
        net: IpNet,
    },
}

/// Whether the kernel makes a route to the subnet along with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixRoute {
    /// It does.
    Make,
    /// It does not (IFA_F_NOPREFIXROUTE).
    Leave,
}

/// Why an identity cannot be taken or released here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// No such link.
    #[error("there is no link {0} on this host; `ip -br link` lists them")]
    NoLink(String),
    /// The link is down.
    #[error("link {0} is down: nothing sent there arrives; `ip link set {0} up`")]
    Down(String),
    /// No carrier.
    #[error("link {0} has no carrier: cable, switch port or bond; nothing sent there arrives")]
    NoCarrier(String),
    /// No Ethernet address.
    #[error("link {0} has no Ethernet address: a network identity needs neighbours")]
    NoMac(String),
    /// The address stands on another link of this host.
    #[error("{ip} stands on {there} of this host already, not on {wanted}; release it there first")]
    Elsewhere {
        /// The address.
        ip: std::net::IpAddr,
        /// Where it stands.
        there: String,
        /// Where it was to stand.
        wanted: String,
    },
    /// The address stands there with another prefix.
    #[error("{there} stands on {link} already, with another prefix than {wanted}; one of the two is wrong")]
    OtherPrefix {
        /// What stands there.
        there: IpNet,
        /// What was to stand there.
        wanted: IpNet,
        /// The link.
        link: String,
    },
    /// Removing it would remove others.
    #[error(
        "{net} was the first of its subnet on {link}: the kernel would remove {others} along with it; \
         `sysctl net.ipv4.conf.{link}.promote_secondaries=1` keeps them"
    )]
    TakesOthersAlong {
        /// The address.
        net: IpNet,
        /// The link.
        link: String,
        /// The others, in words.
        others: String,
    },
    /// A virtual MAC needs a macvlan, which is not built yet.
    #[error("a virtual MAC cannot be moved by this version")]
    VirtualMac,
}

/// An address that will speak, and whom it asks.
pub type Speaker = (Voice, Vec<std::net::IpAddr>);

#[cfg(test)]
mod tests;
