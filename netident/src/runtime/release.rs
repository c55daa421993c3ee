//! Releasing an identity from this host.

use super::carry::carry_one;
use super::{Announced, Announcer, Failure, Keep, Level, Undone, Unkept};
use crate::host::Host;
use crate::identity::Identity;
use crate::plan::{self, Step};
use crate::system::netlink::Netlink;
use crate::system::packet::PacketSocket;

/// An identity that does not stand here any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// Whether anything had to be changed.
    pub level: Level,
}

/// Releases `identity`, of which nothing is recorded: see [`release_kept`].
///
/// # Errors
/// [`Failure`]: the first thing that went wrong.
pub fn release(netlink: &mut Netlink, host: &Host, identity: &Identity) -> Result<Released, Failure> {
    release_kept(netlink, host, identity, &mut Unkept)
}

/// Releases `identity`: removes what stands of it, puts back what `keep` recorded, and reads back that nothing of it
/// is left. Goes on after a failure, so that as little as possible stays; takes no signal into account.
///
/// # Errors
/// [`Failure`]: the first thing that went wrong.
pub fn release_kept(
    netlink: &mut Netlink,
    host: &Host,
    identity: &Identity,
    keep: &mut dyn Keep,
) -> Result<Released, Failure> {
    let recorded = keep.recorded();
    let plan = plan::release_recorded(host, identity, &recorded)?;
    if !plan.steps.is_empty() {
        let ends = carried(netlink, &plan.steps, keep)?;
        prove(netlink, host, identity, &recorded, &plan.steps, ends)?;
        if !plan.speakers.is_empty() {
            tell(&plan.speakers)?;
        }
    }
    match plan.stays {
        Some(obstacle) => Err(obstacle.into()),
        None => {
            keep.released()?;
            let level = if plan.steps.is_empty() { Level::AlreadySo } else { Level::Done };
            Ok(Released { level })
        }
    }
}

/// Addresses alone go in one datagram; else one by one, each whatever became of the others.
fn carried(
    netlink: &mut Netlink,
    steps: &[Step],
    keep: &mut dyn Keep,
) -> Result<Vec<std::io::Result<()>>, Failure> {
    if steps.iter().all(|s| matches!(s, Step::Remove { .. })) && !keep.one_by_one() {
        return Ok(netlink.change(steps)?);
    }
    let mut ends = Vec::new();
    for (n, step) in steps.iter().enumerate() {
        ends.push(carry_one(netlink, *step));
        let _ = keep.passed(super::Moment::Steps(n + 1));
    }
    Ok(ends)
}

/// What would still have to be done must be nothing: a secondary may have gone along with its first, a route with its
/// address. That it is gone is what counts.
fn prove(
    netlink: &mut Netlink,
    before: &Host,
    identity: &Identity,
    recorded: &[Step],
    steps: &[Step],
    ends: Vec<std::io::Result<()>>,
) -> Result<(), Failure> {
    let now = netlink.host()?;
    let left = plan::release_recorded(&now, identity, recorded)?.steps;
    let Some(first) = left.first() else { return Ok(()) };
    let undone = Undone::WentOn;
    let end = steps.iter().zip(ends).find(|(s, _)| *s == first).map(|(_, end)| end);
    Err(match (end, *first) {
        (Some(Err(source)), step) => Failure::refused(before, step, source, undone),
        (_, Step::Remove { link, net }) => {
            Failure::NotSo { net, link: before.name(link).to_owned(), shown: "is still there", undone }
        }
        (_, step) => Failure::StepNotSo { step: step.words(before), shown: "it is still to be done", undone },
    })
}

/// Announces what stays on a link that has its own MAC again. Nobody's answer is needed for a release.
fn tell(speakers: &[plan::Speaker]) -> Result<Announced, Failure> {
    let socket = PacketSocket::open()?;
    socket.listen()?;
    Ok(Announcer::new(&socket, speakers).until_settled()?.clone())
}
