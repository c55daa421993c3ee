//! Asking whether an address is free before it is taken (RFC 5227 section 2.1, RFC 4862 section 5.4). Pure.
//!
//! Invariant: an address counts as free only after every probe was sent and the last wait has passed without a
//! claim, and without another that probes for it at the same time (RFC 5227 counts that as a conflict; two hosts
//! that both ignored it would both take the address). Must never claim: a probe names no sender.

use std::net::IpAddr;
use std::time::Duration;

use pnet_base::MacAddr;

use crate::campaign::{Next, Received, Voice};
use crate::frame::Frame;
use crate::frame::arp::Arp;
use crate::frame::ndp::Ndp;

/// How thoroughly an address is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Before the first probe.
    pub first: Duration,
    /// Probes.
    pub number: u32,
    /// Between two.
    pub between: Duration,
    /// After the last.
    pub last: Duration,
}

impl Pace {
    /// RFC 5227 section 1.1: PROBE_WAIT, PROBE_NUM, PROBE_MIN to PROBE_MAX, ANNOUNCE_WAIT. `random` of 0 to 255
    /// spreads the hosts that start together.
    #[must_use]
    pub fn rfc5227(random: u8) -> Self {
        let share = |d: Duration| d * u32::from(random) / 255;
        let second = Duration::from_secs(1);
        Self { first: share(second), number: 3, between: second + share(second), last: 2 * second }
    }

    /// Three probes in 60 ms: for a failover. Misses an owner that answers later than that.
    #[must_use]
    pub const fn fast() -> Self {
        let gap = Duration::from_millis(20);
        Self { first: Duration::ZERO, number: 3, between: gap, last: gap }
    }

    /// From the first probe to the verdict.
    #[must_use]
    pub fn takes(self) -> Duration {
        self.first + self.between * self.number.saturating_sub(1) + self.last
    }
}

/// What probing one address found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nobody claimed it.
    Free,
    /// This MAC claims it, or probes for it too.
    Taken(MacAddr),
}

/// Probes several addresses at once.
#[derive(Clone, Debug)]
pub struct Prober {
    pace: Pace,
    /// The address, and who claimed it.
    all: Vec<(Voice, Option<MacAddr>)>,
    /// Rounds sent, and the address next in the round under way.
    round: u32,
    at: usize,
}

impl Prober {
    /// Probes for `voices`, each from its link's MAC.
    #[must_use]
    pub fn new(voices: impl IntoIterator<Item = Voice>, pace: Pace) -> Self {
        Self { pace, all: voices.into_iter().map(|v| (v, None)).collect(), round: 0, at: 0 }
    }

    /// What to do `now` after the beginning; done as soon as every address is known to be taken.
    pub fn next(&mut self, now: Duration) -> Next {
        if self.all.iter().all(|(_, taken)| taken.is_some()) {
            return Next::Done;
        }
        let due = self.pace.first + self.pace.between * self.round;
        if self.round >= self.pace.number {
            let end = self.pace.takes();
            return if now >= end { Next::Done } else { Next::Wait(end) };
        }
        if now < due {
            return Next::Wait(due);
        }
        let voice = self.all[self.at].0;
        self.at += 1;
        if self.at == self.all.len() {
            (self.round, self.at) = (self.round + 1, 0);
        }
        Next::Send(voice.link, frame(voice))
    }

    /// Takes a frame received on a link.
    pub fn heard(&mut self, link: crate::frame::LinkIndex, frame: Received) {
        for (v, taken) in self.all.iter_mut().filter(|(v, _)| v.link == link) {
            let by = match (frame, v.ip) {
                (Received::Arp(a), IpAddr::V4(ip)) if a.conflicts_with_probe(v.mac, ip) => a.sender_mac,
                (Received::Ndp(n), IpAddr::V6(ip)) if n.conflicts_with_probe(v.mac, ip) => n.from,
                _ => continue,
            };
            taken.get_or_insert(by);
        }
    }

    /// The verdict on each address, once [`Next::Done`] was said.
    pub fn found(&self) -> impl Iterator<Item = (IpAddr, Found)> {
        self.all.iter().map(|(v, taken)| (v.ip, taken.map_or(Found::Free, Found::Taken)))
    }
}

fn frame(v: Voice) -> Frame {
    match v.ip {
        IpAddr::V4(ip) => Arp::probe(v.mac, ip).emit(),
        IpAddr::V6(ip) => Ndp::probe(v.mac, ip).emit(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::LinkIndex;
    use std::net::Ipv4Addr;

    const OWN: MacAddr = MacAddr(2, 0, 0, 0, 0, 0xa);
    const OTHER: MacAddr = MacAddr(2, 0, 0, 0, 0, 0xb);
    const LINK: LinkIndex = LinkIndex(7);
    const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);

    fn ms(v: u64) -> Duration {
        Duration::from_millis(v)
    }

    fn prober(pace: Pace) -> Prober {
        let voice = |ip: IpAddr| Voice { link: LINK, mac: OWN, ip };
        Prober::new([voice(VIP.into()), voice("2001:db8::10".parse().unwrap())], pace)
    }

    /// When each frame goes out and when it is over; `meanwhile` is called before each wait ends.
    fn run(p: &mut Prober, mut meanwhile: impl FnMut(&mut Prober, Duration)) -> (Vec<u64>, Duration) {
        let (mut now, mut sent) = (Duration::ZERO, Vec::new());
        loop {
            match p.next(now) {
                Next::Send(..) => sent.push(u64::try_from(now.as_millis()).unwrap()),
                Next::Wait(until) => {
                    assert!(until > now);
                    meanwhile(p, now);
                    now = until;
                }
                Next::Done => return (sent, now),
            }
        }
    }

    fn verdicts(p: &Prober) -> Vec<Found> {
        p.found().map(|(_, f)| f).collect()
    }

    #[test]
    fn silence_means_free_and_no_sooner_than_the_last_wait() {
        let mut p = prober(Pace::fast());
        let (sent, end) = run(&mut p, |_, _| {});
        assert_eq!((sent, end), (vec![0, 0, 20, 20, 40, 40], ms(60)));
        assert_eq!(verdicts(&p), [Found::Free, Found::Free]);
        let (sent, end) = run(&mut prober(Pace::rfc5227(0)), |_, _| {});
        assert_eq!((sent, end), (vec![0, 0, 1000, 1000, 2000, 2000], ms(4000)));
        assert_eq!(Pace::rfc5227(255).takes(), ms(7000));
    }

    #[test]
    fn an_owner_a_rival_and_a_late_answer_are_conflicts() {
        let owner = Arp { operation: crate::frame::arp::Operation::Reply, ..Arp::question(OTHER, VIP, VIP) };
        for (why, arp, at) in
            [("owner", owner, ms(0)), ("rival", Arp::probe(OTHER, VIP), ms(0)), ("late", owner, ms(40))]
        {
            let mut p = prober(Pace::fast());
            run(&mut p, |p, now| {
                if now == at {
                    p.heard(LINK, Received::Arp(arp));
                }
            });
            assert_eq!(verdicts(&p), [Found::Taken(OTHER), Found::Free], "{why}");
        }
    }

    #[test]
    fn own_frames_and_other_links_are_no_conflict() {
        let mut p = prober(Pace::fast());
        p.heard(LINK, Received::Arp(Arp::probe(OWN, VIP)));
        p.heard(LinkIndex(8), Received::Arp(Arp::probe(OTHER, VIP)));
        run(&mut p, |_, _| {});
        assert_eq!(verdicts(&p), [Found::Free, Found::Free]);
    }
}
