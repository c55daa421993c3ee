//! One address that is watched: where it stands, who else claims it, when it speaks next.

use std::time::Duration;

use pnet_base::MacAddr;

use super::claim::Rivals;
use super::repair::Repair;
use super::{Port, RELEASE_COMES, Sight};
use crate::campaign::Voice;
use crate::identity::{Address, VirtualMac};

/// How an address stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not looked at yet.
    Unknown,
    /// It is there and in use.
    Here(Voice),
    /// It is there, and duplicate address detection goes on, or its link has no MAC: not ours to judge.
    Waiting,
    /// Duplicate address detection failed.
    Failed,
    /// It is not there.
    Missing,
}

/// One address.
#[derive(Clone, Debug)]
pub(super) struct Ward {
    pub(super) address: Address,
    pub(super) standing: Standing,
    pub(super) rivals: Rivals,
    pub(super) repair: Repair,
    /// When a release of it was told.
    pub(super) releasing: Option<Duration>,
    /// It is gone by a release: nothing puts it back until it stands again.
    pub(super) released: bool,
    /// The caller put it back; the next look tells.
    pub(super) restored: bool,
    /// When it is announced although nothing happened.
    pub(super) refresh: Duration,
}

impl Ward {
    pub(super) fn new(address: Address) -> Self {
        Self {
            address,
            standing: Standing::Unknown,
            rivals: Rivals::default(),
            repair: Repair::new(),
            releasing: None,
            released: false,
            restored: false,
            refresh: Duration::MAX,
        }
    }

    /// Where it stands by what is seen: on the link of its name, or on one with the identity's MAC.
    pub(super) fn look(&self, sight: &Sight, mac: Option<VirtualMac>) -> Standing {
        let carries = |p: &Port| {
            p.name == self.address.link.as_str()
                || mac.is_some_and(|m| p.mac.is_some() && p.mac == m.at(self.address.ip()))
        };
        let held = sight.addresses.iter().filter(|h| h.net.addr() == self.address.ip());
        let found = held.filter_map(|h| Some((h, port(sight, h.link)?))).find(|(_, p)| carries(p));
        match found {
            None => Standing::Missing,
            Some((h, _)) if h.dadfailed => Standing::Failed,
            Some((h, p)) => match p.mac {
                Some(mac) if !h.tentative => {
                    Standing::Here(Voice { link: p.index, mac, ip: self.address.ip() })
                }
                _ => Standing::Waiting,
            },
        }
    }

    /// From where it may be asked for while it does not stand: its link, if somebody can be reached there.
    pub(super) fn asks_from(&self, sight: &Sight) -> Option<Voice> {
        let port = sight.links.iter().find(|p| p.name == self.address.link.as_str() && p.carrier)?;
        Some(Voice { link: port.index, mac: port.mac?, ip: self.address.ip() })
    }

    /// Whether a release of it was told and may still come.
    pub(super) fn is_being_released(&self, now: Duration) -> bool {
        self.releasing.is_some_and(|at| now.saturating_sub(at) < RELEASE_COMES)
    }

    /// Its voice, where it stands.
    pub(super) const fn voice(&self) -> Option<Voice> {
        match self.standing {
            Standing::Here(v) => Some(v),
            _ => None,
        }
    }
}

/// The link of that number.
pub(super) fn port(sight: &Sight, link: crate::frame::LinkIndex) -> Option<&Port> {
    sight.links.iter().find(|p| p.index == link)
}

/// Whether a MAC is one of this host's.
pub(super) fn own(sight: &Sight, mac: MacAddr) -> bool {
    sight.links.iter().any(|p| p.mac == Some(mac))
}
