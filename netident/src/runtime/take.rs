//! Taking an identity on this host.

use super::{Announced, Announcer, Failure, Level, Undone};
use crate::host::Host;
use crate::identity::Identity;
use crate::plan::{self, Step, TakePlan};
use crate::system::netlink::{Batch, Netlink};
use crate::system::packet::PacketSocket;

/// An identity that stands here, and who has confirmed it.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Whether anything had to be changed.
    pub level: Level,
    /// Who was asked and who answered.
    pub announced: Announced,
}

/// A take made ready: the changes serialised, every frame built, the sockets open. What is left is one system call for
/// all addresses and one for each frame.
pub struct Prepared<'a> {
    plan: TakePlan,
    batch: Batch,
    announcer: Announcer<'a>,
}

impl<'a> Prepared<'a> {
    /// Makes it ready; nothing is changed or sent. `socket` must listen already.
    ///
    /// # Errors
    /// [`Failure::Obstacle`].
    pub fn new(
        netlink: &mut Netlink,
        socket: &'a PacketSocket,
        host: &Host,
        identity: &Identity,
    ) -> Result<Self, Failure> {
        let plan = plan::take(host, identity)?;
        let batch = netlink.prepare(&plan.steps);
        let announcer = Announcer::new(socket, &plan.speakers);
        Ok(Self { plan, batch, announcer })
    }

    /// Adds what is missing in one batch, announces and asks as soon as it is acknowledged, reads back. Where the
    /// kernel refuses one address the others are removed again. `netlink` and `host` are those it was made ready with.
    /// The announcer is for those who stay for the repeats.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn fire(mut self, netlink: &mut Netlink, host: &Host) -> Result<(Taken, Announcer<'a>), Failure> {
        let (plan, mut announcer) = (self.plan, self.announcer);
        let level = if plan.steps.is_empty() { Level::AlreadySo } else { Level::Done };
        netlink.submit(&mut self.batch)?;
        if let Some((at, source)) = self.batch.ends().enumerate().find_map(|(i, e)| e.err().map(|e| (i, e))) {
            return Err(undo(netlink, host, &plan, at, source));
        }
        let announced = announcer.until_settled()?.clone();
        read_back(netlink, host, &plan)?;
        if let Some(&(ip, by)) = announced.claims.first() {
            return Err(Failure::Conflict { ip, by });
        }
        Ok((Taken { level, announced }, announcer))
    }
}

/// Takes `identity`, at once: [`Prepared::new`] and [`Prepared::fire`].
///
/// # Errors
/// [`Failure`].
pub fn take(
    netlink: &mut Netlink,
    socket: &PacketSocket,
    host: &Host,
    identity: &Identity,
) -> Result<Taken, Failure> {
    Prepared::new(netlink, socket, host, identity)?.fire(netlink, host).map(|(taken, _)| taken)
}

fn undo(
    netlink: &mut Netlink,
    host: &Host,
    plan: &TakePlan,
    failed: usize,
    source: std::io::Error,
) -> Failure {
    let (Step::Add { link, net, .. } | Step::Remove { link, net }) = plan.steps[failed];
    let added = |s: &&Step| match s {
        Step::Remove { link, net } => host.holding(net.addr()).all(|h| h.link != *link),
        Step::Add { .. } => false,
    };
    // Only what stands now and did not stand before.
    let stands = netlink.addresses().unwrap_or_default();
    let steps: Vec<Step> = plan
        .undo
        .iter()
        .filter(added)
        .filter(|s| matches!(s, Step::Remove { link, net } if stands.iter().any(|h| h.link == *link && h.net == *net && h.ours)))
        .copied()
        .collect();
    let undone = if steps.is_empty() {
        Undone::Nothing
    } else {
        let removed = netlink.change(&steps).is_ok_and(|ends| ends.iter().all(Result::is_ok));
        let left = |h: &crate::host::Held| {
            steps.iter().any(|s| matches!(s, Step::Remove { link, net } if h.link == *link && h.net == *net))
        };
        let gone = netlink.addresses().is_ok_and(|now| !now.iter().any(left));
        if removed && gone { Undone::All } else { Undone::NotAll }
    };
    Failure::Refused { net, link: host.name(link).to_owned(), source, undone }
}

fn read_back(netlink: &mut Netlink, host: &Host, plan: &TakePlan) -> Result<(), Failure> {
    let now = netlink.addresses()?;
    for step in &plan.steps {
        let Step::Add { link, net, .. } = *step else { continue };
        let shown = match now.iter().find(|h| h.link == link && h.net == net) {
            None => "is not there",
            Some(h) if h.dadfailed => "failed duplicate address detection",
            Some(h) if h.tentative => "is tentative",
            Some(_) => continue,
        };
        return Err(Failure::NotSo { net, link: host.name(link).to_owned(), shown });
    }
    Ok(())
}
