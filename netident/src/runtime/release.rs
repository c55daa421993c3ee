//! Releasing an identity from this host.

use super::{Failure, Level, Undone};
use crate::host::Host;
use crate::identity::Identity;
use crate::plan::{self, Step};
use crate::system::netlink::Netlink;

/// An identity that does not stand here any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// Whether anything had to be changed.
    pub level: Level,
}

/// Releases `identity`: removes what stands of it and reads back that it is gone. Goes on after a failure, so
/// that as little as possible stays.
///
/// # Errors
/// [`Failure`]: the first thing that went wrong.
pub fn release(netlink: &mut Netlink, host: &Host, identity: &Identity) -> Result<Released, Failure> {
    let steps = plan::release(host, identity)?.steps;
    if steps.is_empty() {
        return Ok(Released { level: Level::AlreadySo });
    }
    let ends = netlink.change(&steps)?;
    let now = netlink.addresses()?;
    for (step, end) in steps.iter().zip(ends) {
        let (Step::Add { link, net, .. } | Step::Remove { link, net }) = *step;
        // A secondary may have gone along with its first: that it is gone is what counts.
        if !now.iter().any(|h| h.link == link && h.net == net) {
            continue;
        }
        let link = host.name(link).to_owned();
        return Err(match end {
            Err(source) => Failure::Refused { net, link, source, undone: Undone::Nothing },
            Ok(()) => Failure::NotSo { net, link, shown: "is still there" },
        });
    }
    Ok(Released { level: Level::Done })
}
