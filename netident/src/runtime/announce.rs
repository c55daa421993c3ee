//! A campaign on a real socket.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use pnet_base::MacAddr;

use crate::campaign::{Campaign, Heard, Next, Question, Received};
use crate::frame::arp::Arp;
use crate::frame::ndp::Ndp;
use crate::plan::Speaker;
use crate::system::SystemError;
use crate::system::clock::now;
use crate::system::packet::{PacketSocket, room};

/// Whom the announcements reached, as far as it is proven.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Announced {
    /// Every neighbour asked, from every address.
    pub questions: Vec<Question>,
    /// Others that claimed an address meanwhile.
    pub claims: Vec<(IpAddr, MacAddr)>,
    /// Frames the kernel did not take, and the last reason.
    pub unsent: Option<(u32, i32)>,
}

impl Announced {
    /// Whether anybody was asked and nobody answered.
    #[must_use]
    pub fn unheard(&self) -> bool {
        !self.questions.is_empty() && self.questions.iter().all(|q| q.receipt.is_none())
    }
}

/// Runs a campaign.
pub struct Announcer<'a> {
    socket: &'a PacketSocket,
    campaign: Campaign,
    began: Duration,
    report: Announced,
    unsent: u32,
}

impl<'a> Announcer<'a> {
    /// Prepares everything; nothing is sent before [`Announcer::until_settled`].
    #[must_use]
    pub fn new(socket: &'a PacketSocket, speakers: &[Speaker]) -> Self {
        let (campaign, report) = (Campaign::new(speakers), Announced::default());
        Self { socket, campaign, began: Duration::ZERO, report, unsent: 0 }
    }

    /// Announces and asks, beginning now, until every neighbour answered or was given up.
    ///
    /// # Errors
    /// [`SystemError::Call`] where the socket cannot be waited for.
    pub fn until_settled(&mut self) -> Result<&Announced, SystemError> {
        self.began = now();
        self.run(|c, next| c.settled() && !matches!(next, Next::Send(..)))
    }

    /// Goes on until all is said, repeats included.
    ///
    /// # Errors
    /// As [`Announcer::until_settled`].
    pub fn to_the_end(&mut self) -> Result<&Announced, SystemError> {
        self.run(|_, _| false)
    }

    fn run(&mut self, enough: fn(&Campaign, &Next) -> bool) -> Result<&Announced, SystemError> {
        loop {
            let at = self.elapsed();
            let next = self.campaign.next(at);
            if enough(&self.campaign, &next) || next == Next::Done {
                break;
            }
            match next {
                Next::Send(link, frame) => {
                    if let Err(e) = self.socket.send(link, &frame) {
                        self.unsent += 1;
                        self.report.unsent = Some((self.unsent, e.raw_os_error().unwrap_or(0)));
                    }
                }
                Next::Wait(until) => {
                    self.socket.wait(until.saturating_sub(at)).map_err(failed)?;
                    self.hear()?;
                }
                Next::Done => {}
            }
        }
        self.report.questions = self.campaign.questions().to_vec();
        Ok(&self.report)
    }

    fn elapsed(&self) -> Duration {
        now().saturating_sub(self.began)
    }

    fn hear(&mut self) -> Result<(), SystemError> {
        let mut buf = room();
        while let Some((link, len)) = self.socket.receive(&mut buf).map_err(failed)? {
            let Some(received) = received(&buf[..len.min(buf.len())]) else { continue };
            let at = self.elapsed();
            if let Heard::Claimed { ip, by } = self.campaign.heard(link, received, at)
                && !self.report.claims.contains(&(ip, by))
            {
                self.report.claims.push((ip, by));
            }
        }
        Ok(())
    }
}

/// What a frame says, if it is one that is understood.
pub(super) fn received(frame: &[u8]) -> Option<Received> {
    match (Arp::parse(frame), Ndp::parse(frame)) {
        (Ok(a), _) => Some(Received::Arp(a)),
        (_, Ok(n)) => Some(Received::Ndp(n)),
        _ => None,
    }
}

fn failed(e: io::Error) -> SystemError {
    SystemError::Call { doing: "listening for answers".into(), source: e }
}
