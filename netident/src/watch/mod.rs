//! Watching over an identity that stands here: what goes wrong, and what is done about it. Pure.
//!
//! ```text
//!             not seen yet
//!                  | first sight
//!      +-----------+------------------+---------------------------+
//!      v                              v                           v
//!   HERE ---- removed by another --> MISSING     +---------- DAD FAILED (or tentative: waited for)
//!    ^  \                             | put-back |  always
//!    |   \ claim by another MAC       v          v
//!    |    -> told; one defence     ASKED FOR: three probes in 60 ms
//!    |       in 10 s at most          | silence           | an answer
//!    |                                v                   v
//!    +------ announced, asked <--- RESTORED          told, left alone, asked again later
//!
//!   HERE: carrier back, failover of a bond, another MAC -> announced and asked again, all of the link
//!         every 60 to 100 s                             -> announced once (switch tables age before caches do)
//!         nobody answered                               -> announced and asked again after 10, 20, 40, 60, 60 s ...
//! ```
//!
//! Invariants: at most one defence of an address in [`DEFEND_INTERVAL`] (RFC 5227 section 2.4 c: two hosts that both
//! insist must not storm the link); **an address is never put on a link before the link was asked for another owner**;
//! an own MAC, of whatever link of this host, is no conflict. Must never read a clock, send, or look at the host: it is
//! told what netlink showed, and says what to do. It knows nothing of leases or fencing: it runs where the identity
//! belongs; a release tells it beforehand ([`Event::Released`]), and what is released is not put back.

mod addresses;
mod claim;
mod links;
mod machine;
mod repair;
mod rhythm;
mod speech;

use std::net::IpAddr;
use std::time::Duration;

use pnet_base::MacAddr;

use crate::campaign::Received;
use crate::frame::{Frame, LinkIndex};
use crate::host::Held;
use crate::identity::{Address, LinkName};
use crate::plan::Speaker;

pub use claim::claimed_by;
pub use machine::Watch;
pub use rhythm::{REFRESH_MOST, REFRESH_SOONEST};

/// Between two defences of an address (DEFEND_INTERVAL, RFC 5227 section 1.1).
pub const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

/// A release that was told and does not come within this time was given up.
pub const RELEASE_COMES: Duration = Duration::from_secs(10);

/// What becomes of an address that another tool removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It is told.
    Report,
    /// It is told and put back, unless another host answers for it.
    PutBack,
}

/// How an identity is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What becomes of an address that another tool removed.
    pub missing: Missing,
    /// Spreads the refreshes of hosts that start together; nothing else depends on it.
    pub seed: u64,
}

/// What is known of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The kernel's number.
    pub index: LinkIndex,
    /// Its name.
    pub name: String,
    /// Its MAC, where it has one of six bytes.
    pub mac: Option<MacAddr>,
    /// It is up and has a carrier.
    pub carrier: bool,
    /// How often it got a carrier since it was made: a flap between two looks shows here.
    pub ups: Option<u32>,
    /// The port of a bond that carries its traffic, where it is a bond with one.
    pub active: Option<LinkIndex>,
    /// The bridge or bond it is a port of.
    pub master: Option<LinkIndex>,
    /// The link it is made on: of a VLAN or a macvlan.
    pub lower: Option<LinkIndex>,
}

/// What netlink shows: all links, all addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// Links.
    pub links: Vec<Port>,
    /// Addresses.
    pub addresses: Vec<Held>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The host was looked at, after a change or after changes may have been missed.
    Seen(Sight),
    /// The kernel says that neighbours must be told anew: a bond changed its active port, a virtual machine moved.
    Failover(LinkIndex),
    /// This address is about to be released: its going is no loss.
    Released(Address),
    /// A frame was received.
    Frame(LinkIndex, Received),
    /// An [`Action::Restore`] came to its end: read back, or why not.
    Restored(Address, Result<(), String>),
    /// An [`Action::Announce`] is answered: who speaks, and whom each asks.
    Speakers(Vec<Speaker>),
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this on that link.
    Send(LinkIndex, Frame),
    /// Find out whom these addresses must ask, and hand it back as [`Event::Speakers`].
    Announce(Vec<Address>),
    /// Put this address back, or remove it and add it anew where it failed; hand back [`Event::Restored`].
    Restore(Address),
    /// Tell this upward.
    Report(Report),
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// This.
    Do(Action),
    /// Nothing until then, unless something happens.
    Wait(Duration),
}

/// Why a link's addresses are announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The watch begins.
    Start,
    /// The carrier came back.
    Carrier,
    /// A bond changed its active port, or the kernel asked for it.
    Failover,
    /// The link has another MAC.
    NewMac,
    /// An address was put back.
    PutBack,
    /// An address that had failed duplicate address detection stands again.
    Repaired,
    /// Another tool put an address on.
    Returned,
    /// Nobody answered the last time.
    Unheard,
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defence {
    /// An announcement went out against it.
    Sent,
    /// The last defence is less than [`DEFEND_INTERVAL`] ago: nothing was sent.
    Held,
}

/// What is told upward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// It stands, and is watched.
    Watching(Address, MacAddr),
    /// Another MAC claims it.
    Conflict {
        /// The address.
        address: Address,
        /// Who claims it.
        by: MacAddr,
        /// How often since this was last told.
        claims: u32,
        /// What was done.
        defence: Defence,
    },
    /// The other MAC has been silent for two minutes.
    Quiet(Address, MacAddr),
    /// The addresses of a link are announced again.
    Announcing(LinkName, Why),
    /// The announcement's questions are answered or given up.
    Settled {
        /// The link.
        link: LinkName,
        /// Neighbours that were asked, from all addresses.
        asked: usize,
        /// Those that did not answer.
        unheard: Vec<IpAddr>,
    },
    /// A link has no carrier any more.
    CarrierLost(LinkName),
    /// A link is gone.
    LinkGone(LinkName),
    /// An address is not there any more, or never was.
    Missing(Address),
    /// Another tool put it on (again).
    Returned(Address),
    /// It was released, as was told before: it is not put back.
    Released(Address),
    /// Duplicate address detection failed: the kernel does not use the address.
    DadFailed(Address),
    /// It was put back, and read back.
    Restored(Address),
    /// It was not put back; it is tried again later.
    NotRestored {
        /// The address.
        address: Address,
        /// What came back.
        why: String,
        /// After which time it is tried again.
        again: Duration,
    },
}

#[cfg(test)]
mod tests;
