//! Who answers for an address: asked without claiming it, and every answer told. Pure.
//!
//! Invariant: the whole time is waited for even after an answer, since a second one is what matters most: two hosts
//! have the address.

use std::time::Duration;

use pnet_base::MacAddr;

use crate::campaign::{Next, Received, Voice};
use crate::frame::LinkIndex;
use crate::frame::arp::Arp;
use crate::frame::ndp::Ndp;
use crate::watch::claimed_by;

/// When each address is asked for, ms.
const ASKED_MS: [u64; 3] = [0, 100, 250];
/// When no answer is waited for any more.
const END: Duration = Duration::from_millis(500);
/// Answers kept for an address.
const ANSWERS: usize = 8;

/// One that answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its MAC.
    pub mac: MacAddr,
    /// From the first question to its answer.
    pub after: Duration,
}

#[derive(Clone, Debug)]
struct Asked {
    voice: Voice,
    first: Option<Duration>,
    answers: Vec<Answer>,
}

/// Asks for several addresses at once.
#[derive(Clone, Debug)]
pub struct Lookup {
    all: Vec<Asked>,
    round: usize,
    at: usize,
}

impl Lookup {
    /// Asks for `voices`' addresses, each from its link's MAC.
    #[must_use]
    pub fn new(voices: impl IntoIterator<Item = Voice>) -> Self {
        let all = voices.into_iter().map(|voice| Asked { voice, first: None, answers: Vec::new() }).collect();
        Self { all, round: 0, at: 0 }
    }

    /// What to do `now` after the beginning.
    pub fn next(&mut self, now: Duration) -> Next {
        if self.all.is_empty() {
            return Next::Done;
        }
        let Some(due) = ASKED_MS.get(self.round).copied().map(Duration::from_millis) else {
            return if now >= END { Next::Done } else { Next::Wait(END) };
        };
        if now < due {
            return Next::Wait(due);
        }
        let asked = &mut self.all[self.at];
        asked.first.get_or_insert(now);
        let voice = asked.voice;
        self.at += 1;
        if self.at == self.all.len() {
            (self.round, self.at) = (self.round + 1, 0);
        }
        // A probe names no sender: whoever hears it learns nothing wrong.
        let frame = match voice.ip {
            std::net::IpAddr::V4(ip) => Arp::probe(voice.mac, ip).emit(),
            std::net::IpAddr::V6(ip) => Ndp::probe(voice.mac, ip).emit(),
        };
        Next::Send(voice.link, frame)
    }

    /// Takes a frame received on a link.
    pub fn heard(&mut self, link: LinkIndex, frame: Received, now: Duration) {
        for a in self.all.iter_mut().filter(|a| a.voice.link == link) {
            let Some(mac) = claimed_by(frame, a.voice.ip).filter(|m| *m != a.voice.mac) else { continue };
            if a.answers.len() < ANSWERS && !a.answers.iter().any(|b| b.mac == mac) {
                let after = now.saturating_sub(a.first.unwrap_or(now));
                a.answers.push(Answer { mac, after });
            }
        }
    }

    /// Each address and who answered for it, once [`Next::Done`] was said.
    pub fn answers(&self) -> impl Iterator<Item = (Voice, &[Answer])> {
        self.all.iter().map(|a| (a.voice, a.answers.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::arp::Operation;
    use std::net::Ipv4Addr;

    const LINK: LinkIndex = LinkIndex(7);
    const OWN: MacAddr = MacAddr(2, 0, 0, 0, 0, 0xa);
    const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);

    fn owner(last: u8) -> Received {
        let mac = MacAddr(2, 0, 0, 0, 0, last);
        Received::Arp(Arp {
            operation: Operation::Reply,
            to: OWN,
            ..Arp::question(mac, VIP, Ipv4Addr::UNSPECIFIED)
        })
    }

    fn run(lookup: &mut Lookup, mut hear: impl FnMut(&mut Lookup, Duration)) -> Vec<u128> {
        let (mut now, mut sent) = (Duration::ZERO, vec![]);
        loop {
            match lookup.next(now) {
                Next::Send(link, frame) => {
                    assert_eq!((link, Arp::parse(&frame).unwrap()), (LINK, Arp::probe(OWN, VIP)));
                    sent.push(now.as_millis());
                }
                Next::Wait(until) => {
                    hear(lookup, now);
                    now = until;
                }
                Next::Done => return sent,
            }
        }
    }

    fn lookup() -> Lookup {
        Lookup::new([Voice { link: LINK, mac: OWN, ip: VIP.into() }])
    }

    #[test]
    fn two_owners_are_both_told_and_each_once() {
        let mut l = lookup();
        let sent = run(&mut l, |l, now| {
            l.heard(LINK, owner(0xb), now + Duration::from_millis(1));
            if now.as_millis() >= 250 {
                l.heard(LINK, owner(0xc), now);
            }
        });
        assert_eq!(sent, [0, 100, 250]);
        let all: Vec<_> = l.answers().flat_map(|(_, a)| a.to_vec()).collect();
        let found: Vec<_> = all.iter().map(|a| (a.mac.5, a.after.as_millis())).collect();
        assert_eq!(found, [(0xb, 1), (0xc, 250)]);
    }

    #[test]
    fn oneself_another_link_and_another_prober_are_no_answer() {
        let mut l = lookup();
        run(&mut l, |l, now| {
            l.heard(LINK, Received::Arp(Arp::gratuitous_reply(OWN, VIP)), now);
            l.heard(LinkIndex(8), owner(0xb), now);
            l.heard(LINK, Received::Arp(Arp::probe(MacAddr(2, 0, 0, 0, 0, 0xb), VIP)), now);
        });
        assert!(l.answers().all(|(_, a)| a.is_empty()));
    }
}
