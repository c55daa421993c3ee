//! One peer: which of its links are silent, and what that makes of it. Pure, as in BFD (RFC 5880 section
//! 6.8.4): it is missed when nothing came on *any* link for its interval times its multiplier.
//!
//! ```text
//!            heard on every link
//!   Unheard ------> Up <---> Degraded        one link silent, another not
//!                   |  ^         |
//!    one missed     v  |         v
//!                  Late ----> Suspect ----> Down
//!                   (heard)     |  ^          |
//!                               +--+----------+--> Up    heard `rise` times in a row
//!   Left   said goodbye; nothing but a new life ends it
//! ```
//!
//! All silence is counted on the [`super::awake`] clock. Must never judge before everything that arrived
//! was given to it.

mod evidence;
mod link;
mod rules;

use std::time::Duration;

use arbitrate::time::Instant;
use arrayvec::ArrayVec;

pub use evidence::{Arrival, Evidence, LAST, LinkEvidence};
pub use link::Link;
pub use rules::{Rules, RulesError};

use super::awake::AwakeTime;
use super::wire::Pace;

/// Links between two nodes, at most.
pub const MOST_LINKS: usize = 8;

/// What a peer is, as far as can be heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Not heard since this life of ours, or of the peer's, began.
    Unheard,
    /// Heard in time on every link.
    Up,
    /// Heard in time, but not on every link.
    Degraded,
    /// A datagram is missing.
    Late,
    /// Silent for its detection time: probe it on every network, look at its slot.
    Suspect,
    /// Silent for longer than `dead`: ask the disk.
    Down,
    /// Said goodbye.
    Left,
}

/// A change of a peer's state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// What it was.
    pub from: State,
    /// What it is.
    pub to: State,
    /// For how long nothing was heard, awake time.
    pub silent: Duration,
    /// The limit this was held against.
    pub limit: Duration,
}

/// The detector of one peer.
#[derive(Clone, Debug)]
pub struct Detector {
    rules: Rules,
    own: Pace,
    peer: Pace,
    links: ArrayVec<Link, MOST_LINKS>,
    state: State,
    /// When its first datagram came: a link that never spoke is silent since then.
    began: AwakeTime,
    /// The end of our own stall, while it extends the present silence.
    grace: Option<AwakeTime>,
}

impl Detector {
    /// A detector for a peer on `links` links, judged at our own pace `own`.
    #[must_use]
    pub fn new(rules: Rules, own: Pace, links: usize) -> Self {
        Self {
            rules,
            own,
            peer: own,
            links: (0..links.min(MOST_LINKS)).map(|_| Link::default()).collect(),
            state: State::Unheard,
            began: AwakeTime::default(),
            grace: None,
        }
    }

    /// A new life of the peer: nothing is known of it yet.
    pub fn reborn(&mut self) {
        *self = Self::new(self.rules, self.own, self.links.len());
    }

    /// A datagram that is new came on link `link`.
    pub fn heard(&mut self, link: usize, at: AwakeTime, arrival: Arrival, pace: Pace) {
        if self.state == State::Left {
            return;
        }
        self.peer = pace;
        let interval = pace.towards(self.own);
        if self.state == State::Unheard {
            self.began = at;
        }
        let within = self.fixed_limit();
        if let Some(l) = self.links.get_mut(link) {
            l.heard(at, arrival, interval, within);
        }
        self.grace = None;
    }

    /// The peer leaves on purpose: its silence is no news.
    pub fn goodbye(&mut self) -> Option<Change> {
        self.become_(State::Left, Duration::ZERO, Duration::ZERO)
    }

    /// This node itself was stalled until `now`: the silence of everybody is extended by one limit, once a
    /// silence. Without that "once", a node that stalls again and again would never notice anything.
    pub fn excused(&mut self, now: AwakeTime) {
        if self.grace.is_none() {
            self.grace = Some(now);
        }
        for l in &mut self.links {
            l.disturbed();
        }
    }

    /// What the peer is at `now`, after everything that arrived was heard.
    pub fn judge(&mut self, now: AwakeTime) -> Option<Change> {
        if matches!(self.state, State::Unheard | State::Left) && self.last_heard().is_none() {
            return None;
        }
        if self.state == State::Left {
            return None;
        }
        let limit = self.limit();
        let silent = self.silent(now);
        let interval = self.peer.towards(self.own);
        let missing = self.judge_links(now, limit);
        let to = if silent >= self.rules.dead {
            State::Down
        } else if silent >= limit {
            if self.state == State::Down { State::Down } else { State::Suspect }
        } else if matches!(self.state, State::Suspect | State::Down) && !self.risen() {
            self.state
        } else if silent > interval + interval / 2 + self.margin() {
            State::Late
        } else if missing {
            State::Degraded
        } else {
            State::Up
        };
        self.become_(to, silent, limit)
    }

    /// When the next judgement would find it suspect or down, if nothing came before.
    #[must_use]
    pub fn due(&self) -> Option<AwakeTime> {
        let limit = match self.state {
            State::Up | State::Degraded | State::Late => self.limit().min(self.rules.dead),
            State::Suspect => self.rules.dead,
            State::Unheard | State::Down | State::Left => return None,
        };
        Some(self.silent_since() + limit)
    }

    /// The state as of the last judgement.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// For how long nothing was heard on any link, our own stalls and grace taken off.
    #[must_use]
    pub fn silent(&self, now: AwakeTime) -> Duration {
        now.since(self.silent_since())
    }

    fn silent_since(&self) -> AwakeTime {
        self.last_heard().unwrap_or(self.began).max(self.grace.unwrap_or_default())
    }

    /// After which silence the peer is suspected: interval × multiplier, and the margin for its jitter.
    #[must_use]
    pub fn limit(&self) -> Duration {
        let fixed = self.fixed_limit();
        (fixed + self.margin()).min(self.rules.ceiling.max(fixed))
    }

    /// The links, by number.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The peer's pace, as it last announced it.
    #[must_use]
    pub const fn pace(&self) -> Pace {
        self.peer
    }

    fn fixed_limit(&self) -> Duration {
        self.peer.detection(self.own)
    }

    fn margin(&self) -> Duration {
        let jitter = self.links.iter().map(Link::jitter).min().unwrap_or_default();
        jitter * u32::from(self.rules.jitter_factor)
    }

    fn last_heard(&self) -> Option<AwakeTime> {
        self.links.iter().filter_map(Link::last).max()
    }

    fn risen(&self) -> bool {
        self.links.iter().any(|l| l.run() >= self.rules.rise)
    }

    fn judge_links(&mut self, now: AwakeTime, limit: Duration) -> bool {
        let (began, grace, rise) = (self.began, self.grace.unwrap_or_default(), self.rules.rise);
        let mut missing = false;
        for l in &mut self.links {
            missing |= l.judge(now, began.max(grace), limit, rise);
        }
        missing
    }

    fn become_(&mut self, to: State, silent: Duration, limit: Duration) -> Option<Change> {
        let from = std::mem::replace(&mut self.state, to);
        (from != to).then_some(Change { from, to, silent, limit })
    }

    /// What the judgement rests on.
    #[must_use]
    pub fn evidence(&self, now: Instant) -> Evidence {
        Evidence::of(&self.links, now)
    }
}

#[cfg(test)]
mod tests;
