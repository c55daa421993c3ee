//! The watch itself: events and time in, actions out.

use std::collections::VecDeque;
use std::time::Duration;

use super::addresses::{Standing, Ward, own, port};
use super::claim::{claimed_by, defence};
use super::links::{Change, above, change};
use super::rhythm::Chance;
use super::speech::{self, Speech};
use super::{Action, Event, Missing, Next, Port, Report, Rules, Sight, Why, repair};
use crate::campaign::Received;
use crate::frame::arp::Arp;
use crate::frame::{Frame, LinkIndex};
use crate::identity::{Identity, VirtualMac};
use crate::plan::Speaker;

/// Looked at again by then, whatever happens.
const IDLE: Duration = Duration::from_secs(3600);

/// Watches over one identity.
#[derive(Clone, Debug)]
pub struct Watch {
    rules: Rules,
    mac: Option<VirtualMac>,
    wards: Vec<Ward>,
    speeches: Vec<Speech>,
    sight: Sight,
    chance: Chance,
    out: VecDeque<Action>,
}

impl Watch {
    /// Watches over `identity`; says nothing before the first [`Event::Seen`].
    #[must_use]
    pub fn new(identity: &Identity, rules: Rules) -> Self {
        Self {
            rules,
            mac: identity.mac(),
            wards: identity.addresses().iter().cloned().map(Ward::new).collect(),
            speeches: Vec::new(),
            sight: Sight::default(),
            chance: Chance::new(rules.seed),
            out: VecDeque::new(),
        }
    }

    /// Whether nothing of the identity is on this host, whatever its state.
    #[must_use]
    pub fn nothing_here(&self) -> bool {
        self.wards.iter().all(|w| matches!(w.standing, Standing::Missing | Standing::Unknown))
    }

    /// The name of a link, for people.
    #[must_use]
    pub fn name(&self, link: LinkIndex) -> &str {
        port(&self.sight, link).map_or("a link that is gone", |p| p.name.as_str())
    }

    /// Takes something that happened at `now`.
    pub fn handle(&mut self, event: Event, now: Duration) {
        match event {
            Event::Seen(sight) => self.seen(sight, now),
            Event::Failover(link) => self.announce_above(link, Why::Failover, now),
            Event::Frame(link, frame) => self.heard(link, frame, now),
            Event::Restored(address, end) => {
                let Some(w) = self.wards.iter_mut().find(|w| w.address == address) else { return };
                match end {
                    Ok(()) => {
                        w.repair.succeeded(now);
                        w.restored = true;
                    }
                    Err(why) => {
                        let again = w.repair.failed(now);
                        self.tell(Report::NotRestored { address, why, again });
                    }
                }
            }
            Event::Released(address) => {
                if let Some(w) = self.wards.iter_mut().find(|w| w.address == address) {
                    w.releasing = Some(now);
                    w.released |= w.standing == Standing::Missing;
                    w.repair.stop();
                }
            }
            Event::Speakers(speakers) => self.speak(&speakers, now),
        }
    }

    /// What to do at `now`.
    pub fn next(&mut self, now: Duration) -> Next {
        let mut until = now + IDLE;
        for i in 0..self.speeches.len() {
            if !self.out.is_empty() {
                break;
            }
            let say = self.speeches[i].next(now);
            self.said(i, say, &mut until, now);
        }
        for i in 0..self.wards.len() {
            if !self.out.is_empty() {
                break;
            }
            self.care(i, &mut until, now);
        }
        match self.out.pop_front() {
            Some(action) => Next::Do(action),
            None => Next::Wait(until),
        }
    }

    fn tell(&mut self, report: Report) {
        self.out.push_back(Action::Report(report));
    }

    fn said(&mut self, speech: usize, say: speech::Say, until: &mut Duration, now: Duration) {
        match say {
            speech::Say::Nothing => {}
            speech::Say::Wait(at) => *until = at.min(*until),
            speech::Say::Send(link, frame) => self.out.push_back(Action::Send(link, frame)),
            speech::Say::Tell(report) => self.tell(report),
            speech::Say::Begin(why) => {
                let (link, name) = (self.speeches[speech].link, self.speeches[speech].name.clone());
                let mut all = Vec::new();
                for w in self.wards.iter_mut().filter(|w| w.voice().is_some_and(|v| v.link == link)) {
                    // The campaign says all that the next refresh would.
                    w.refresh = now + self.chance.refresh();
                    all.push(w.address.clone());
                }
                if !all.is_empty() {
                    if why != Why::Unheard {
                        self.tell(Report::Announcing(name, why));
                    }
                    self.out.push_back(Action::Announce(all));
                }
            }
        }
    }

    /// What one address needs at `now`.
    fn care(&mut self, i: usize, until: &mut Duration, now: Duration) {
        let w = &mut self.wards[i];
        match w.repair.next(w.asks_from(&self.sight), now) {
            repair::Say::Nothing => {}
            repair::Say::Wait(at) => *until = at.min(*until),
            repair::Say::Send(link, frame) => return self.out.push_back(Action::Send(link, frame)),
            repair::Say::Restore => return self.out.push_back(Action::Restore(w.address.clone())),
            repair::Say::Taken(by) => {
                let (address, again) = (w.address.clone(), w.repair.failed(now));
                let why = format!("{by} answers for it: two owners would be worse than none");
                return self.tell(Report::NotRestored { address, why, again });
            }
        }
        if let Some(mac) = w.rivals.quiet(now) {
            let address = w.address.clone();
            return self.tell(Report::Quiet(address, mac));
        }
        *until = w.rivals.due().unwrap_or(*until).min(*until);
        let Some(voice) = w.voice() else { return };
        if w.refresh > now {
            *until = w.refresh.min(*until);
            return;
        }
        w.refresh = now + self.chance.refresh();
        // Sent by the link that carries the address, so that a macvlan speaks with its own MAC.
        if port(&self.sight, voice.link).is_some_and(|p| p.carrier) {
            for frame in refresh(voice) {
                self.out.push_back(Action::Send(voice.link, frame));
            }
        }
    }

    fn heard(&mut self, link: LinkIndex, frame: Received, now: Duration) {
        for s in &mut self.speeches {
            s.heard(link, frame, now);
        }
        for w in &mut self.wards {
            w.repair.heard(link, frame);
            let Some(voice) = w.voice().filter(|v| v.link == link) else { continue };
            let Some(by) = claimed_by(frame, voice.ip).filter(|by| !own(&self.sight, *by)) else { continue };
            let Some(told) = w.rivals.claim(by, now) else { continue };
            if told.defence == super::Defence::Sent {
                self.out.push_back(Action::Send(link, defence(voice)));
            }
            let address = w.address.clone();
            self.out.push_back(Action::Report(Report::Conflict {
                address,
                by,
                claims: told.claims,
                defence: told.defence,
            }));
        }
    }

    fn seen(&mut self, sight: Sight, now: Duration) {
        let before = std::mem::replace(&mut self.sight, sight);
        // Where the addresses stand comes first: who is announced depends on it.
        for i in 0..self.wards.len() {
            self.ward_seen(i, now);
        }
        for old in &before.links {
            match change(old, port(&self.sight, old.index)) {
                None => {}
                Some(Change::Announce(why)) => self.announce_above(old.index, why, now),
                Some(gone) => self.silenced(old, gone),
            }
        }
    }

    fn ward_seen(&mut self, i: usize, now: Duration) {
        let w = &mut self.wards[i];
        let (old, new) = (w.standing, w.look(&self.sight, self.mac));
        w.standing = new;
        let address = w.address.clone();
        match new {
            Standing::Here(voice) => {
                w.repair.stop();
                w.released = false;
                if !matches!(old, Standing::Here(_)) {
                    w.releasing = None;
                }
                let why = match old {
                    Standing::Here(before) if before == voice => return,
                    Standing::Here(_) => Why::NewMac,
                    _ if std::mem::take(&mut w.restored) => {
                        let why = w.repair.why;
                        self.tell(Report::Restored(address));
                        why
                    }
                    Standing::Unknown => {
                        self.tell(Report::Watching(address, voice.mac));
                        Why::Start
                    }
                    _ => {
                        self.tell(Report::Returned(address));
                        Why::Returned
                    }
                };
                self.want(voice.link, why, now);
            }
            Standing::Failed => {
                w.restored = false;
                if !w.is_being_released(now) {
                    w.repair.begin(Why::Repaired, now);
                }
                if old != new {
                    self.tell(Report::DadFailed(address));
                }
            }
            Standing::Missing => {
                w.restored = false;
                w.released |= w.is_being_released(now);
                match self.rules.missing {
                    Missing::PutBack if !w.released => w.repair.begin(Why::PutBack, now),
                    Missing::PutBack | Missing::Report => w.repair.stop(),
                }
                if old != new {
                    let released = w.released;
                    self.tell(if released { Report::Released(address) } else { Report::Missing(address) });
                }
            }
            Standing::Waiting | Standing::Unknown => w.repair.stop(),
        }
    }

    /// A link that says nothing any more: told if it matters to the identity.
    fn silenced(&mut self, old: &Port, change: Change) {
        for s in self.speeches.iter_mut().filter(|s| s.link == old.index) {
            s.silence();
        }
        let named = self.wards.iter().find(|w| w.address.link.as_str() == old.name);
        if let Some(name) = named.map(|w| w.address.link.clone()) {
            self.tell(match change {
                Change::Gone => Report::LinkGone(name),
                _ => Report::CarrierLost(name),
            });
        }
    }

    fn announce_above(&mut self, link: LinkIndex, why: Why, now: Duration) {
        for link in above(&self.sight.links, link) {
            self.want(link, why, now);
        }
    }

    /// The addresses on `link` are to be announced, if there are any.
    fn want(&mut self, link: LinkIndex, why: Why, now: Duration) {
        let Some(w) = self.wards.iter().find(|w| w.voice().is_some_and(|v| v.link == link)) else { return };
        let name = w.address.link.clone();
        let at = self.speeches.iter().position(|s| s.link == link).unwrap_or_else(|| {
            self.speeches.push(Speech::new(link, name));
            self.speeches.len() - 1
        });
        self.speeches[at].want(why, now);
    }

    /// Whoever is not named among `speakers` speaks all the same, and asks nobody.
    fn speak(&mut self, speakers: &[Speaker], now: Duration) {
        for s in self.speeches.iter_mut().filter(|s| s.awaits_speakers()) {
            let voices = self.wards.iter().filter_map(Ward::voice).filter(|v| v.link == s.link);
            let asks = |v| speakers.iter().find(|(w, _)| *w == v).map_or(Vec::new(), |(_, n)| n.clone());
            let own: Vec<Speaker> = voices.map(|v| (v, asks(v))).collect();
            s.begin(&own, now);
        }
    }
}

/// The frames of a refresh: some devices take only requests, some only replies.
fn refresh(v: crate::campaign::Voice) -> Vec<Frame> {
    match v.ip {
        std::net::IpAddr::V4(ip) => {
            vec![Arp::gratuitous_request(v.mac, ip).emit(), Arp::gratuitous_reply(v.mac, ip).emit()]
        }
        std::net::IpAddr::V6(_) => vec![defence(v)],
    }
}
