//! The announcements of one link under way: a campaign, and another if nobody answered.

use std::net::IpAddr;
use std::time::Duration;

use super::{Report, Why};
use crate::campaign::{Campaign, Next as Step, Received};
use crate::frame::{Frame, LinkIndex};
use crate::identity::LinkName;
use crate::plan::Speaker;

/// Between two campaigns of a link: a link that flaps ten times a second is not answered ten times.
const GAP: Duration = Duration::from_millis(250);

/// What a link has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Say {
    Send(LinkIndex, Frame),
    /// Its addresses are to be announced: whom do they ask?
    Begin(Why),
    Tell(Report),
    Wait(Duration),
    Nothing,
}

/// The announcements of one link.
#[derive(Clone, Debug)]
pub(super) struct Speech {
    pub(super) link: LinkIndex,
    pub(super) name: LinkName,
    due: Option<(Duration, Why)>,
    /// [`Say::Begin`] was said and not answered yet.
    awaiting: bool,
    campaign: Option<Campaign>,
    began: Option<Duration>,
    told: bool,
    /// Campaigns in a row that nobody answered.
    unheard: u32,
    /// What was told of the last one: the same is not told again because it was tried again.
    last: Option<(usize, Vec<IpAddr>)>,
}

impl Speech {
    pub(super) const fn new(link: LinkIndex, name: LinkName) -> Self {
        Self {
            link,
            name,
            due: None,
            awaiting: false,
            campaign: None,
            began: None,
            told: true,
            unheard: 0,
            last: None,
        }
    }

    /// Something happened: announce, soon.
    pub(super) fn want(&mut self, why: Why, now: Duration) {
        let at = self.began.map_or(now, |b| (b + GAP).max(now));
        match self.due {
            Some((earlier, _)) if earlier <= at => {}
            _ => self.due = Some((at, why)),
        }
        (self.unheard, self.last) = (0, None);
    }

    /// No carrier: what is said reaches nobody.
    pub(super) fn silence(&mut self) {
        (self.due, self.campaign, self.told) = (None, None, true);
    }

    pub(super) const fn awaits_speakers(&self) -> bool {
        self.awaiting
    }

    /// The answer to [`Say::Begin`].
    pub(super) fn begin(&mut self, speakers: &[Speaker], now: Duration) {
        self.awaiting = false;
        self.campaign = Some(Campaign::new(speakers));
        (self.began, self.told) = (Some(now), false);
    }

    pub(super) fn heard(&mut self, link: LinkIndex, frame: Received, now: Duration) {
        if let (Some(c), Some(began)) = (&mut self.campaign, self.began)
            && link == self.link
        {
            c.heard(link, frame, now.saturating_sub(began));
        }
    }

    pub(super) fn next(&mut self, now: Duration) -> Say {
        if let Some((at, why)) = self.due
            && at <= now
        {
            self.due = None;
            // Whatever nobody answered so far is asked again.
            self.campaign = None;
            self.awaiting = true;
            return Say::Begin(why);
        }
        let due = self.due.map(|(at, _)| at);
        let (Some(c), Some(began)) = (&mut self.campaign, self.began) else {
            return due.map_or(Say::Nothing, Say::Wait);
        };
        let step = c.next(now.saturating_sub(began));
        if let Step::Send(link, frame) = step {
            return Say::Send(link, frame);
        }
        if !self.told && c.settled() {
            self.told = true;
            let asked = c.questions().len();
            let mut unheard: Vec<IpAddr> =
                c.questions().iter().filter(|q| q.receipt.is_none()).map(|q| q.neighbour).collect();
            if asked > 0 && unheard.len() == asked {
                let pause = Duration::from_secs((10 << self.unheard.min(3)).min(60));
                self.unheard += 1;
                self.due.get_or_insert((now + pause, Why::Unheard));
            } else {
                self.unheard = 0;
            }
            unheard.sort_unstable();
            unheard.dedup();
            if self.last.replace((asked, unheard.clone())).as_ref() != Some(&(asked, unheard.clone())) {
                return Say::Tell(Report::Settled { link: self.name.clone(), asked, unheard });
            }
            return self.next(now);
        }
        match (step, due) {
            (Step::Wait(until), None) => Say::Wait(began + until),
            (Step::Wait(until), Some(at)) => Say::Wait((began + until).min(at)),
            (_, at) => {
                self.campaign = None;
                at.map_or(Say::Nothing, Say::Wait)
            }
        }
    }
}
