//! From what a host looks like and an identity to what must be changed. Pure.
//!
//! Invariant: a plan changes nothing that is not part of the identity; what would take others along is an
//! [`Obstacle`]. Must never look at the host again: the caller reads, plans, changes, and reads back.

mod place;
mod release;
mod step;
mod take;
mod undo;
mod words;

use ipnet::IpNet;

use crate::campaign::Voice;

pub use release::{ReleasePlan, given_back, release, release_recorded};
pub use step::{Need, PrefixRoute, Step, undo_of};
pub use take::{TakePlan, probing, take};
pub use undo::needed;

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
    /// The name of a macvlan to be made is that of another link.
    #[error("a link {0} is there already and is not the macvlan of this identity: rename or delete it")]
    NameTaken(String),
    /// A sysctl that would be needed is not known.
    #[error("{0} could not be read: without it a virtual MAC cannot be set up safely")]
    Unread(String),
    /// A sysctl of all links that no link can be exempted from.
    #[error(
        "{sysctl} is {value}: a virtual MAC on a macvlan cannot work with it; `sysctl {sysctl}={good}`, or `--mac-mode link`"
    )]
    Sysctl {
        /// Which.
        sysctl: String,
        /// What it is.
        value: i32,
        /// What it would have to be.
        good: i32,
    },
    /// A route stands that could not be put back as it was.
    #[error(
        "a route to {destination} with metric {metric} is there that could not be put back as it is (several routers, \
         a lifetime, or metrics of its own): give yours another metric, the lower wins"
    )]
    RouteThere {
        /// Where it leads.
        destination: IpNet,
        /// Its metric.
        metric: u32,
    },
    /// A link cannot be given back its MAC.
    #[error(
        "{link} has the virtual MAC {mac}, and nothing tells which one it had before: `ip link set {link} address OLD`"
    )]
    MacUnknown {
        /// The link.
        link: String,
        /// The MAC.
        mac: pnet_base::MacAddr,
    },
}

/// An address that will speak, and whom it asks.
pub type Speaker = (Voice, Vec<std::net::IpAddr>);

#[cfg(test)]
mod tests;
