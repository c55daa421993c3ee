//! Taking an identity on this host.

use std::net::IpAddr;

use pnet_base::MacAddr;

use super::carry::{Stopped, carry, carry_ready};
use super::ledger::LedgerError;
use super::rollback::roll_back;
use super::{Announced, Announcer, Failure, Keep, Level, Moment, Undone, Unkept};
use crate::host::Host;
use crate::identity::Identity;
use crate::plan::{self, Step, TakePlan};
use crate::system::netlink::{Batch, Netlink};
use crate::system::packet::PacketSocket;
use crate::system::{SystemError, sysctl};

/// An identity that stands here, and who has confirmed it.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Whether anything had to be changed.
    pub level: Level,
    /// Who was asked and who answered.
    pub announced: Announced,
    /// What was changed.
    pub steps: Vec<Step>,
}

/// A take made ready: the changes serialised, every frame built, the sockets open. Where all changes are netlink's,
/// what is left is one system call for them and one for each frame.
pub struct Prepared<'h, 's> {
    host: &'h Host,
    identity: &'h Identity,
    socket: &'s PacketSocket,
    plan: TakePlan,
    batch: Option<Batch>,
    announcer: Announcer<'s>,
}

impl<'h, 's> Prepared<'h, 's> {
    /// Makes it ready; nothing is changed or sent. `socket` must listen already.
    ///
    /// # Errors
    /// [`Failure::Obstacle`].
    pub fn new(
        netlink: &mut Netlink,
        socket: &'s PacketSocket,
        host: &'h Host,
        identity: &'h Identity,
    ) -> Result<Self, Failure> {
        let plan = plan::take(host, identity)?;
        let batch = netlink.prepare(&plan.steps);
        let announcer = Announcer::new(socket, &plan.speakers);
        Ok(Self { host, identity, socket, plan, batch, announcer })
    }

    /// Lets `keep` know what undoes it, carries out the plan, announces and asks at once, reads back. `netlink` is
    /// the one it was made ready with. Whatever goes wrong on the way, a signal included, what was changed is
    /// undone again and that is read back. The announcer is for those who stay for the repeats.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn fire(self, netlink: &mut Netlink, keep: &mut dyn Keep) -> Result<(Taken, Announcer<'s>), Failure> {
        let Self { host, identity, socket, plan, mut batch, mut announcer } = self;
        if plan.steps.is_empty() {
            let announced = announcer.until_settled()?.clone();
            return match announced.claims.first() {
                Some(&(ip, by)) => Err(Failure::Conflict { ip, by }),
                None => Ok((Taken { level: Level::AlreadySo, announced, steps: plan.steps }, announcer)),
            };
        }
        keep.promise(&plan)?;
        match establish(netlink, &mut announcer, &plan, batch.as_mut(), keep) {
            Ok(announced) => Ok((Taken { level: Level::Done, announced, steps: plan.steps }, announcer)),
            Err(cause) => {
                let undone = roll_back(netlink, &plan.undo);
                if undone != Undone::NotAll {
                    // Should that fail, the next take or release undoes what is undone already.
                    let _ = keep.undone();
                }
                let speakers = plan::given_back(host, identity, &plan.undo);
                if !speakers.is_empty() {
                    // Whoever heard the virtual MAC for these learns the right one again; the failure is told anyway.
                    let _ = Announcer::new(socket, &speakers).until_settled();
                }
                Err(cause.failure(host, undone))
            }
        }
    }
}

/// Takes `identity`, keeping nothing of what undoes it: see [`take_kept`].
///
/// # Errors
/// [`Failure`].
pub fn take(
    netlink: &mut Netlink,
    socket: &PacketSocket,
    host: &Host,
    identity: &Identity,
) -> Result<Taken, Failure> {
    take_kept(netlink, socket, host, identity, &mut Unkept)
}

/// Takes `identity`, at once: [`Prepared::new`] and [`Prepared::fire`].
///
/// # Errors
/// [`Failure`].
pub fn take_kept(
    netlink: &mut Netlink,
    socket: &PacketSocket,
    host: &Host,
    identity: &Identity,
    keep: &mut dyn Keep,
) -> Result<Taken, Failure> {
    Prepared::new(netlink, socket, host, identity)?.fire(netlink, keep).map(|(taken, _)| taken)
}

/// Why a take that had begun did not come to its end.
enum Cause {
    Stopped(Stopped),
    NotSo(Box<Step>, &'static str),
    Claimed(IpAddr, MacAddr),
    Ledger(LedgerError),
}

impl From<Stopped> for Cause {
    fn from(s: Stopped) -> Self {
        Self::Stopped(s)
    }
}

impl From<SystemError> for Cause {
    fn from(e: SystemError) -> Self {
        Self::Stopped(Stopped::System(e))
    }
}

fn establish(
    netlink: &mut Netlink,
    announcer: &mut Announcer<'_>,
    plan: &TakePlan,
    batch: Option<&mut Batch>,
    keep: &mut dyn Keep,
) -> Result<Announced, Cause> {
    let stop = |signal| match signal {
        Some(signal) => Err(Cause::Stopped(Stopped::Signal(signal))),
        None => Ok(()),
    };
    stop(keep.passed(Moment::Promised))?;
    match batch {
        Some(batch) if !keep.one_by_one() => carry_ready(netlink, &plan.steps, batch, keep)?,
        _ => carry(netlink, &plan.steps, keep)?,
    }
    let announced = announcer.until_settled()?.clone();
    stop(keep.passed(Moment::Announced))?;
    read_back(netlink, &plan.steps)?;
    if let Some(&(ip, by)) = announced.claims.first() {
        return Err(Cause::Claimed(ip, by));
    }
    stop(keep.passed(Moment::ReadBack))?;
    keep.stands().map_err(Cause::Ledger)?;
    // From here on the identity stands: a signal ends the process later, not the identity.
    let _ = keep.passed(Moment::Stands);
    Ok(announced)
}

impl Cause {
    fn failure(self, host: &Host, undone: Undone) -> Failure {
        match self {
            Self::Stopped(Stopped::Refused(step, source)) => Failure::refused(host, *step, source, undone),
            Self::Stopped(Stopped::Signal(signal)) => Failure::Interrupted { signal, undone },
            Self::Stopped(Stopped::System(source)) => Failure::Broken { source, undone },
            Self::Claimed(ip, by) => Failure::Contested { ip, by, undone },
            Self::Ledger(source) => Failure::Unrecorded { source, undone },
            Self::NotSo(step, shown) => match *step {
                Step::Add { link, net, .. } => {
                    Failure::NotSo { net, link: host.name(link).to_owned(), shown, undone }
                }
                other => Failure::StepNotSo { step: other.words(host), shown, undone },
            },
        }
    }
}

fn read_back(netlink: &mut Netlink, steps: &[Step]) -> Result<(), Cause> {
    let only_addresses = steps.iter().all(|s| matches!(s, Step::Add { .. } | Step::Remove { .. }));
    let now = if only_addresses {
        Host { addresses: netlink.addresses()?, ..Host::default() }
    } else {
        netlink.host()?
    };
    match steps.iter().find_map(|s| Some((*s, wrong(&now, s)?))) {
        Some((step, shown)) => Err(Cause::NotSo(Box::new(step), shown)),
        None => Ok(()),
    }
}

/// What reading back shows instead of what a step was to do.
fn wrong(now: &Host, step: &Step) -> Option<&'static str> {
    let unless = |so: bool, shown| (!so).then_some(shown);
    match *step {
        Step::Add { link, net, .. } => match now.addresses.iter().find(|h| h.link == link && h.net == net) {
            None => Some("is not there"),
            Some(h) if h.dadfailed => Some("failed duplicate address detection"),
            Some(h) if h.tentative => Some("is tentative"),
            Some(_) => None,
        },
        Step::Create(m) | Step::Mark(m) | Step::Up(m) => match now.around.macvlan(m.index) {
            None => Some("it is not there"),
            Some(seen) => unless(seen.is == m && seen.ours && seen.up, "it is down, or another"),
        },
        Step::Sysctl { sysctl, to, .. } => {
            unless(now.around.value(sysctl) == Some(to), "it has another value")
        }
        Step::Tune { sysctl, to } => {
            // The kernel may have none of IPv6.
            unless(sysctl::read(sysctl).is_none_or(|v| v == to), "it has another value")
        }
        Step::Mac { link, to, .. } => {
            unless(now.links.iter().any(|l| l.index == link && l.mac == Some(to)), "it has another MAC")
        }
        Step::AddRoute(r) | Step::SwapRoute { new: r, .. } => {
            unless(now.around.routes.contains(&r), "it is not there")
        }
        Step::Remove { .. }
        | Step::Down(_)
        | Step::Delete(_)
        | Step::RemoveRoute(_)
        | Step::RestoreRoute { .. } => None,
    }
}
