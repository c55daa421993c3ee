//! Steps carried out, in order, up to the first that is refused.
//!
//! Steps of netlink that follow each other go out in one datagram; the kernel does the rest of a batch even if it
//! refuses one of it, so whoever calls this undoes by what is seen afterwards, not by what was reached.

use std::io;

use super::keep::{Keep, Moment};
use crate::plan::Step;
use crate::system::netlink::{Batch, Netlink};
use crate::system::signals::Caught;
use crate::system::{SystemError, sysctl};

/// Why not all steps were carried out.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The kernel refused one.
    Refused(Box<Step>, io::Error),
    /// A signal asks for an end.
    Signal(Caught),
    /// The kernel could not be asked.
    System(SystemError),
}

impl From<SystemError> for Stopped {
    fn from(e: SystemError) -> Self {
        Self::System(e)
    }
}

/// Carries out `steps`.
pub(super) fn carry(netlink: &mut Netlink, steps: &[Step], keep: &mut dyn Keep) -> Result<(), Stopped> {
    let mut at = 0;
    while let Some(step) = steps.get(at) {
        let len = if by_file(step).is_some() || keep.one_by_one() {
            1
        } else {
            steps[at..].iter().take_while(|s| by_file(s).is_none()).count()
        };
        for (step, end) in steps[at..at + len].iter().zip(perform(netlink, &steps[at..at + len])?) {
            end.map_err(|e| Stopped::Refused(Box::new(*step), e))?;
        }
        at += len;
        if let Some(signal) = keep.passed(Moment::Steps(at)) {
            return Err(Stopped::Signal(signal));
        }
    }
    Ok(())
}

/// Carries out `steps`, which were made ready as `batch`, in one go.
pub(super) fn carry_ready(
    netlink: &mut Netlink,
    steps: &[Step],
    batch: &mut Batch,
    keep: &mut dyn Keep,
) -> Result<(), Stopped> {
    netlink.submit(batch)?;
    if let Some((step, e)) = steps.iter().zip(batch.ends()).find_map(|(s, end)| Some((*s, end.err()?))) {
        return Err(Stopped::Refused(Box::new(step), e));
    }
    keep.passed(Moment::Steps(steps.len())).map_or(Ok(()), |signal| Err(Stopped::Signal(signal)))
}

/// Carries out one step; what the kernel said. For undoing, which goes on whatever became of one.
pub(super) fn carry_one(netlink: &mut Netlink, step: Step) -> io::Result<()> {
    match perform(netlink, &[step]) {
        Ok(ends) => ends.into_iter().collect(),
        Err(SystemError::Call { source, .. }) => Err(source),
        Err(e) => Err(io::Error::other(e)),
    }
}

fn perform(netlink: &mut Netlink, steps: &[Step]) -> Result<Vec<io::Result<()>>, SystemError> {
    if let [step] = steps
        && let Some((sysctl, to)) = by_file(step)
    {
        return Ok(vec![write(sysctl, to)]);
    }
    netlink.change(steps)
}

fn write(what: crate::host::Sysctl, to: i32) -> io::Result<()> {
    match sysctl::write(what, to) {
        // A kernel without IPv6 has nothing to be switched off.
        Err(e) if e.kind() == io::ErrorKind::NotFound && what.which.names().0 == "ipv6" && to == 1 => Ok(()),
        end => end,
    }
}

/// The sysctl and its value, if the step is a file's.
const fn by_file(step: &Step) -> Option<(crate::host::Sysctl, i32)> {
    match *step {
        Step::Sysctl { sysctl, to, .. } | Step::Tune { sysctl, to } => Some((sysctl, to)),
        _ => None,
    }
}
