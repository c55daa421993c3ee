//! When an identity that stands says so again, so that no switch forgets it. Pure.
//!
//! A switch forgets a MAC that sent nothing for its ageing time (300 s usually, less by choice), long before its
//! neighbours' caches do: from then on frames for it are flooded, or lost where that is filtered. What is sent by
//! an address on a macvlan leaves with the MAC of the link below, so a virtual MAC must speak by itself.
//!
//! Must never read a clock or send; times are since the identity stood.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use crate::campaign::{Next, Voice};
use crate::frame::arp::Arp;
use crate::frame::ndp::Ndp;
use crate::frame::{Frame, LinkIndex};

/// Between two rounds, at least.
pub const SHORTEST: Duration = Duration::from_secs(60);
/// Added to it, at most: two owners that started together drift apart.
pub const JITTER: Duration = Duration::from_secs(40);

const _: () = assert!(SHORTEST.as_secs() + JITTER.as_secs() < 300, "the usual ageing time of a switch");

/// The rounds of an identity.
#[derive(Clone, Debug)]
pub struct Refresh {
    voices: Vec<Voice>,
    /// Frames of the round under way.
    round: VecDeque<(LinkIndex, Frame)>,
    due: Duration,
}

impl Refresh {
    /// Of these voices; the first round is one interval from 0. `random` of 0 to 255 makes the jitter.
    #[must_use]
    pub fn new(voices: impl IntoIterator<Item = Voice>, random: u8) -> Self {
        Self { voices: voices.into_iter().collect(), round: VecDeque::new(), due: interval(random) }
    }

    /// What to do at `now`; `random` of 0 to 255 places the round after the one that begins.
    pub fn next(&mut self, now: Duration, random: u8) -> Next {
        if self.voices.is_empty() {
            return Next::Done;
        }
        if self.round.is_empty() && now >= self.due {
            self.round = round(&self.voices).into();
            // From now, not from when it was due: after a pause, not one round for each that was missed.
            self.due = now + interval(random);
        }
        match self.round.pop_front() {
            Some((link, frame)) => Next::Send(link, frame),
            None => Next::Wait(self.due),
        }
    }

    /// The next round begins with the next call: after a link came back, say.
    pub fn hurry(&mut self) {
        self.due = Duration::ZERO;
    }
}

/// One frame an address, from its MAC, to everybody: a gratuitous request, or an unsolicited advertisement.
#[must_use]
pub fn round(voices: &[Voice]) -> Vec<(LinkIndex, Frame)> {
    voices
        .iter()
        .map(|v| {
            let frame = match v.ip {
                IpAddr::V4(ip) => Arp::gratuitous_request(v.mac, ip).emit(),
                IpAddr::V6(ip) => Ndp::unsolicited(v.mac, ip).emit(),
            };
            (v.link, frame)
        })
        .collect()
}

fn interval(random: u8) -> Duration {
    SHORTEST + JITTER * u32::from(random) / 255
}

#[cfg(test)]
mod tests {
    use super::*;
    use pnet_base::MacAddr;

    const MAC: MacAddr = MacAddr(0, 0, 0x5e, 0, 1, 10);
    const LINK: LinkIndex = LinkIndex(0x4000);

    fn voices() -> [Voice; 2] {
        ["192.0.2.10", "2001:db8::10"].map(|ip| Voice { link: LINK, mac: MAC, ip: ip.parse().unwrap() })
    }

    fn s(v: u64) -> Duration {
        Duration::from_secs(v)
    }

    #[test]
    fn each_round_speaks_once_for_each_address_from_the_virtual_mac() {
        let mut r = Refresh::new(voices(), 0);
        assert_eq!(r.next(s(0), 0), Next::Wait(s(60)), "the campaign has just spoken");
        for _ in 0..2 {
            let Next::Send(link, frame) = r.next(s(60), 255) else { panic!() };
            assert_eq!((link, &frame[6..12]), (LINK, &[0, 0, 0x5e, 0, 1, 10][..]));
        }
        assert_eq!(r.next(s(60), 0), Next::Wait(s(160)), "60 s and the whole jitter");
    }

    #[test]
    fn a_long_pause_brings_one_round_and_a_hurry_brings_it_at_once() {
        let mut r = Refresh::new(voices(), 0);
        let sends = |r: &mut Refresh, at| {
            let mut n = 0;
            while matches!(r.next(at, 0), Next::Send(..)) {
                n += 1;
            }
            n
        };
        assert_eq!(sends(&mut r, s(100_000)), 2);
        assert_eq!(sends(&mut r, s(100_001)), 0);
        r.hurry();
        assert_eq!(sends(&mut r, s(100_002)), 2);
        assert_eq!(Refresh::new([], 0).next(s(0), 0), Next::Done);
    }
}
