//! One change to a host, and what undoes it.

use ipnet::IpNet;
use pnet_base::MacAddr;

use crate::frame::LinkIndex;
use crate::host::{Macvlan, OtherRoute, OwnRoute, Sysctl};

/// One change to the host.
///
/// ```text
///   take      Sysctl* (base)  Create  Mark  Tune*  Up  | Mac | Add*  AddRoute* SwapRoute*
///   release   RemoveRoute* RestoreRoute*  Remove*  Down  Delete      | Mac | Sysctl* (base)
/// ```
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
    /// Change a sysctl of a link that is not ours.
    Sysctl {
        /// Which.
        sysctl: Sysctl,
        /// What it is.
        from: i32,
        /// What it becomes.
        to: i32,
    },
    /// Make a macvlan with a virtual MAC; it stays down.
    Create(Macvlan),
    /// Give it the alias by which a leftover is recognised.
    Mark(Macvlan),
    /// Set a sysctl of a link of our own; it goes with the link.
    Tune {
        /// Which.
        sysctl: Sysctl,
        /// What it becomes.
        to: i32,
    },
    /// Set our own link up.
    Up(Macvlan),
    /// Set our own link down.
    Down(Macvlan),
    /// Delete our own link.
    Delete(Macvlan),
    /// Change the MAC of a link that is not ours.
    Mac {
        /// The link.
        link: LinkIndex,
        /// What it is.
        from: MacAddr,
        /// What it becomes.
        to: MacAddr,
    },
    /// Add a route.
    AddRoute(OwnRoute),
    /// Remove a route.
    RemoveRoute(OwnRoute),
    /// Put a route of ours in the place of another's: same destination, same metric.
    SwapRoute {
        /// The other's.
        old: OtherRoute,
        /// Ours.
        new: OwnRoute,
    },
    /// Put the other's back.
    RestoreRoute {
        /// The other's.
        old: OtherRoute,
        /// Ours.
        new: OwnRoute,
    },
}

impl Step {
    /// What undoes it. `None` for what needs no undoing: what goes with a link of our own, and the removal of
    /// something that was of no use.
    #[must_use]
    pub const fn undo(self) -> Option<Self> {
        match self {
            Self::Add { link, net, .. } => Some(Self::Remove { link, net }),
            Self::Sysctl { sysctl, from, to } => Some(Self::Sysctl { sysctl, from: to, to: from }),
            Self::Create(m) => Some(Self::Delete(m)),
            Self::Up(m) => Some(Self::Down(m)),
            Self::Mac { link, from, to } => Some(Self::Mac { link, from: to, to: from }),
            Self::AddRoute(r) => Some(Self::RemoveRoute(r)),
            Self::SwapRoute { old, new } => Some(Self::RestoreRoute { old, new }),
            Self::Mark(_)
            | Self::Tune { .. }
            | Self::Remove { .. }
            | Self::Down(_)
            | Self::Delete(_)
            | Self::RemoveRoute(_)
            | Self::RestoreRoute { .. } => None,
        }
    }
}

/// What an identity rests on besides its own: not to be put back while it stands, whoever changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A sysctl of the link below a macvlan.
    Sysctl(Sysctl),
    /// The virtual MAC of a link.
    Mac(LinkIndex),
}

impl Need {
    /// Whether `step` changes it.
    #[must_use]
    pub fn is_touched_by(self, step: &Step) -> bool {
        match (self, step) {
            (Self::Sysctl(need), Step::Sysctl { sysctl, .. }) => need == *sysctl,
            (Self::Mac(need), Step::Mac { link, .. }) => need == *link,
            _ => false,
        }
    }
}

/// What undoes `steps`, the last first.
#[must_use]
pub fn undo_of(steps: &[Step]) -> Vec<Step> {
    steps.iter().rev().filter_map(|s| s.undo()).collect()
}

/// Whether the kernel makes a route to the subnet along with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixRoute {
    /// It does.
    Make,
    /// It does not (IFA_F_NOPREFIXROUTE).
    Leave,
}
