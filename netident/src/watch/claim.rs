//! Who claims an address, and how often that is answered (RFC 5227 section 2.4, RFC 4862 section 5.4).

use std::net::IpAddr;
use std::time::Duration;

use pnet_base::MacAddr;

use super::{DEFEND_INTERVAL, Defence};
use crate::campaign::{Received, Voice};
use crate::frame::Frame;
use crate::frame::arp::Arp;
use crate::frame::ndp::{Message, Ndp};

/// Rivals kept apart; a further one takes the place of the one that was silent longest.
const RIVALS: usize = 8;
/// A rival silent for this long is gone: longer than the longest refresh of a host that watches too.
pub(super) const QUIET: Duration = Duration::from_secs(120);

const _: () = assert!(QUIET.as_secs() > super::rhythm::REFRESH_MOST.as_secs());

/// Which MAC says by this frame that it has `ip`. A probe says nothing: it names no sender.
#[must_use]
pub fn claimed_by(frame: Received, ip: IpAddr) -> Option<MacAddr> {
    match (frame, ip) {
        (Received::Arp(a), IpAddr::V4(ip)) if a.sender == ip => Some(a.sender_mac),
        (Received::Ndp(n), IpAddr::V6(ip)) => match n.message {
            Message::Advertisement { target, target_mac, .. } if target == ip => {
                Some(target_mac.unwrap_or(n.from))
            }
            Message::Solicitation { source_mac, .. } if n.source == ip => Some(source_mac.unwrap_or(n.from)),
            _ => (n.source == ip).then_some(n.from),
        },
        _ => None,
    }
}

/// The one announcement that defends an address.
pub(super) fn defence(v: Voice) -> Frame {
    match v.ip {
        IpAddr::V4(ip) => Arp::gratuitous_request(v.mac, ip).emit(),
        IpAddr::V6(ip) => Ndp::unsolicited(v.mac, ip).emit(),
    }
}

#[derive(Clone, Copy, Debug)]
struct Rival {
    mac: MacAddr,
    last: Duration,
    /// Claims not told yet.
    untold: u32,
}

/// The claims of others to one address.
#[derive(Clone, Debug, Default)]
pub(super) struct Rivals {
    all: Vec<Rival>,
    defended: Option<Duration>,
}

/// A claim that is worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) claims: u32,
    pub(super) defence: Defence,
}

impl Rivals {
    /// Takes a claim by `mac`; what to tell of it, if anything. [`Defence::Sent`] obliges the caller to send one.
    pub(super) fn claim(&mut self, mac: MacAddr, now: Duration) -> Option<Told> {
        let defence = match self.defended {
            Some(at) if now.saturating_sub(at) < DEFEND_INTERVAL => Defence::Held,
            _ => Defence::Sent,
        };
        if defence == Defence::Sent {
            self.defended = Some(now);
        }
        let known = self.all.iter().position(|r| r.mac == mac);
        let at = known.unwrap_or_else(|| self.admit(mac, now));
        let rival = self.all.get_mut(at)?;
        rival.last = now;
        rival.untold = rival.untold.saturating_add(1);
        // A storm of claims is not a storm of reports.
        let tell = known.is_none() || defence == Defence::Sent;
        tell.then(|| Told { claims: std::mem::take(&mut rival.untold), defence })
    }

    /// A rival that has been silent for [`QUIET`]; it is forgotten.
    pub(super) fn quiet(&mut self, now: Duration) -> Option<MacAddr> {
        let at = self.all.iter().position(|r| now.saturating_sub(r.last) >= QUIET)?;
        Some(self.all.swap_remove(at).mac)
    }

    /// When [`Rivals::quiet`] may have something to say.
    pub(super) fn due(&self) -> Option<Duration> {
        self.all.iter().map(|r| r.last + QUIET).min()
    }

    fn admit(&mut self, mac: MacAddr, now: Duration) -> usize {
        let new = Rival { mac, last: now, untold: 0 };
        if self.all.len() < RIVALS {
            self.all.push(new);
            return self.all.len() - 1;
        }
        let oldest = (0..self.all.len()).min_by_key(|i| self.all[*i].last).unwrap_or(0);
        self.all[oldest] = new;
        oldest
    }
}
