//! Making a moved address known: announcements, and questions whose answers are receipts. Pure.
//!
//! ```text
//!   0 ms   per address: gratuitous request and reply, or an unsolicited advertisement
//!          then per neighbour a question asked *from* the address: it updates the neighbour's cache from every
//!          state, and its answer proves that the neighbour sends to us now
//!   then   an unanswered question again after 20, 40, 80, 160 and 160 ms; an announcement again at 50, 150, 350,
//!          750 ms, 1.9 s (past the second for which old kernels lock an entry), 4 s and 8 s
//! ```
//!
//! All frames are built at the beginning: [`Campaign::next`] allocates nothing.
//!
//! Invariant: a neighbour counts as confirmed only by an answer to the address's own MAC. Must never send,
//! or read a clock: times are since the addresses were acknowledged by the kernel.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;
use std::time::Duration;

use arrayvec::ArrayVec;
use pnet_base::MacAddr;

use crate::frame::arp::{Arp, Operation};
use crate::frame::ndp::{Message, Ndp};
use crate::frame::{Frame, LinkIndex};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// When an announcement is repeated, ms after the first.
const REPEATS_MS: [u64; 7] = [50, 150, 350, 750, 1900, 4000, 8000];
/// How long an answer is waited for before the question is asked again; after the last, it is given up.
const PATIENCE_MS: [u64; 6] = [20, 40, 80, 160, 160, 160];
/// Frames that announce an address, at the most.
const PARTS: usize = 2;
/// Frames a link may be sent in a millisecond: a burst, not a flood.
const BURST: u32 = 64;
const BURST_SPAN: Duration = Duration::from_millis(1);

/// One address that speaks: where, by which MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Voice {
    /// The link.
    pub link: LinkIndex,
    /// The MAC it is at now.
    pub mac: MacAddr,
    /// The address.
    pub ip: IpAddr,
}

/// A neighbour's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The neighbour's MAC.
    pub mac: MacAddr,
    /// From the first question to the answer.
    pub after: Duration,
}

/// One neighbour asked from one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The address asked from.
    pub voice: Voice,
    /// Who was asked.
    pub neighbour: IpAddr,
    /// How often.
    pub asked: u32,
    /// When first.
    first: Duration,
    /// Its answer.
    pub receipt: Option<Receipt>,
    /// No answer is waited for any more.
    given_up: bool,
}

impl Question {
    /// When it was answered, since the addresses were acknowledged by the kernel.
    #[must_use]
    pub fn confirmed_at(&self) -> Option<Duration> {
        self.receipt.map(|r| self.first + r.after)
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send this on that link.
    Send(LinkIndex, Frame),
    /// Nothing until then, unless something is heard.
    Wait(Duration),
    /// All is said.
    Done,
}

/// What something heard means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing to do with this campaign.
    Nothing,
    /// A neighbour answered for the first time.
    Confirmed,
    /// Another MAC claims an address of ours.
    Claimed {
        /// The address.
        ip: IpAddr,
        /// Who claims it.
        by: MacAddr,
    },
}

/// A frame that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// ARP.
    Arp(Arp),
    /// Neighbour discovery.
    Ndp(Ndp),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Duty {
    Announce { voice: usize, round: usize, part: usize },
    Ask { question: usize },
}

/// All that is said for some addresses.
#[derive(Clone, Debug)]
pub struct Campaign {
    voices: Vec<Voice>,
    questions: Vec<Question>,
    /// Built beforehand: what each voice announces, what each question asks.
    announcements: Vec<ArrayVec<Frame, PARTS>>,
    askings: Vec<Frame>,
    /// By time, then in the order they were laid down.
    due: BinaryHeap<Reverse<(Duration, usize, Duty)>>,
    laid: usize,
    pace: Vec<Pace>,
}

#[derive(Clone, Copy, Debug)]
struct Pace {
    link: LinkIndex,
    since: Duration,
    sent: u32,
}

impl Campaign {
    /// Announces `voices` and asks, from each, the neighbours named beside it. Everything is due at once.
    #[must_use]
    pub fn new(voices: &[(Voice, Vec<IpAddr>)]) -> Self {
        let mut all = Self {
            voices: voices.iter().map(|(v, _)| *v).collect(),
            questions: Vec::new(),
            announcements: voices.iter().map(|(v, _)| announcements(v)).collect(),
            askings: Vec::new(),
            due: BinaryHeap::new(),
            laid: 0,
            pace: Vec::new(),
        };
        for (voice, (v, _)) in voices.iter().enumerate() {
            for part in 0..all.announcements[voice].len() {
                all.lay(Duration::ZERO, Duty::Announce { voice, round: 0, part });
            }
            if !all.pace.iter().any(|p| p.link == v.link) {
                all.pace.push(Pace { link: v.link, since: Duration::ZERO, sent: 0 });
            }
        }
        // Round-robin: the first neighbour of each address before the second of any.
        let most = voices.iter().map(|(_, n)| n.len()).max().unwrap_or(0);
        for i in 0..most {
            for (v, neighbours) in voices {
                let Some(&neighbour) = neighbours.get(i) else { continue };
                let Some(frame) = asking(v, neighbour) else { continue };
                all.askings.push(frame);
                let question = all.questions.len();
                all.questions.push(Question {
                    voice: *v,
                    neighbour,
                    asked: 0,
                    first: Duration::ZERO,
                    receipt: None,
                    given_up: false,
                });
                all.lay(Duration::ZERO, Duty::Ask { question });
            }
        }
        all
    }

    /// Everything asked so far.
    #[must_use]
    pub fn questions(&self) -> &[Question] {
        &self.questions
    }

    /// Whether no answer is waited for any more: each neighbour answered or was given up.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.questions.iter().all(|q| q.receipt.is_some() || q.given_up)
    }

    /// What to do at `now`.
    pub fn next(&mut self, now: Duration) -> Next {
        while let Some(Reverse((at, _, duty))) = self.due.peek().copied() {
            if at > now {
                return Next::Wait(at);
            }
            let answered = match duty {
                Duty::Ask { question } => self.questions.get(question).is_none_or(|q| q.receipt.is_some()),
                Duty::Announce { .. } => false,
            };
            if answered {
                self.due.pop();
                continue;
            }
            let Some(voice) = self.voice_of(duty) else {
                self.due.pop();
                continue;
            };
            if let Some(free) = self.held_back(voice.link, now) {
                return Next::Wait(free);
            }
            self.due.pop();
            match self.perform(duty, now) {
                Some(frame) => return Next::Send(voice.link, frame),
                None => continue,
            }
        }
        Next::Done
    }

    /// Takes a frame received on `link` at `now`.
    pub fn heard(&mut self, link: LinkIndex, frame: Received, now: Duration) -> Heard {
        for v in self.voices.iter().filter(|v| v.link == link) {
            if let Some(by) = claim(frame, v) {
                return Heard::Claimed { ip: v.ip, by };
            }
        }
        let mut heard = Heard::Nothing;
        for q in self.questions.iter_mut().filter(|q| q.voice.link == link && q.receipt.is_none()) {
            if let Some(mac) = answer(frame, q) {
                q.receipt = Some(Receipt { mac, after: now.saturating_sub(q.first) });
                heard = Heard::Confirmed;
            }
        }
        heard
    }

    fn lay(&mut self, at: Duration, duty: Duty) {
        self.due.push(Reverse((at, self.laid, duty)));
        self.laid += 1;
    }

    fn voice_of(&self, duty: Duty) -> Option<Voice> {
        match duty {
            Duty::Announce { voice, .. } => self.voices.get(voice).copied(),
            Duty::Ask { question } => self.questions.get(question).map(|q| q.voice),
        }
    }

    /// When `link` may be sent to again, if not now; counts a frame otherwise.
    fn held_back(&mut self, link: LinkIndex, now: Duration) -> Option<Duration> {
        let p = self.pace.iter_mut().find(|p| p.link == link)?;
        if now >= p.since + BURST_SPAN {
            (p.since, p.sent) = (now, 0);
        }
        if p.sent >= BURST {
            return Some(p.since + BURST_SPAN);
        }
        p.sent += 1;
        None
    }

    /// The frame, and lays down what follows; `None` where a question is given up.
    fn perform(&mut self, duty: Duty, now: Duration) -> Option<Frame> {
        match duty {
            Duty::Announce { voice, round, part } => {
                if let Some(ms) = REPEATS_MS.get(round) {
                    self.lay(MS(*ms), Duty::Announce { voice, round: round + 1, part });
                }
                self.announcements.get(voice)?.get(part).cloned()
            }
            Duty::Ask { question } => {
                let q = self.questions.get_mut(question)?;
                let Some(patience) = PATIENCE_MS.get(q.asked as usize) else {
                    q.given_up = true;
                    return None;
                };
                if q.asked == 0 {
                    q.first = now;
                }
                q.asked += 1;
                self.lay(now + MS(*patience), duty);
                self.askings.get(question).cloned()
            }
        }
    }
}

/// What announces an address. Some devices take only requests, some only replies.
fn announcements(v: &Voice) -> ArrayVec<Frame, PARTS> {
    let mut all = ArrayVec::new();
    match v.ip {
        IpAddr::V4(ip) => {
            all.push(Arp::gratuitous_request(v.mac, ip).emit());
            all.push(Arp::gratuitous_reply(v.mac, ip).emit());
        }
        IpAddr::V6(ip) => all.push(Ndp::unsolicited(v.mac, ip).emit()),
    }
    all
}

/// The question; none where nobody would answer it: of another family, or of itself.
fn asking(v: &Voice, neighbour: IpAddr) -> Option<Frame> {
    match (v.ip, neighbour) {
        _ if neighbour == v.ip => None,
        (IpAddr::V4(ip), IpAddr::V4(n)) => Some(Arp::question(v.mac, ip, n).emit()),
        (IpAddr::V6(ip), IpAddr::V6(n)) => Some(Ndp::question(v.mac, ip, n).emit()),
        _ => None,
    }
}

/// Who claims the voice's address by this frame, if another does.
fn claim(frame: Received, v: &Voice) -> Option<MacAddr> {
    match (frame, v.ip) {
        (Received::Arp(a), IpAddr::V4(ip)) if a.sender == ip && a.sender_mac != v.mac => Some(a.sender_mac),
        (Received::Ndp(n), IpAddr::V6(ip)) => match n.message {
            Message::Advertisement { target, target_mac, .. } if target == ip => {
                target_mac.filter(|m| *m != v.mac)
            }
            Message::Solicitation { source_mac, .. } if n.source == ip => source_mac.filter(|m| *m != v.mac),
            _ => None,
        },
        _ => None,
    }
}

/// The neighbour's MAC, if this frame answers the question: sent to the voice's own MAC.
fn answer(frame: Received, q: &Question) -> Option<MacAddr> {
    match (frame, q.voice.ip, q.neighbour) {
        (Received::Arp(a), IpAddr::V4(ip), IpAddr::V4(n))
            if a.operation == Operation::Reply
                && a.sender == n
                && a.target == ip
                && a.target_mac == q.voice.mac
                && a.to == q.voice.mac =>
        {
            Some(a.sender_mac)
        }
        (Received::Ndp(m), IpAddr::V6(ip), IpAddr::V6(n)) => match m.message {
            Message::Advertisement { target, target_mac, solicited: true, .. }
                if target == n && m.destination == ip && m.to == q.voice.mac =>
            {
                Some(target_mac.unwrap_or(m.from))
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests;
