//! Releasing an identity.

use super::{Obstacle, Step};
use crate::host::{Held, Host};
use crate::identity::Identity;

/// What releasing an identity takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleasePlan {
    /// Changes; empty where nothing of it stands here.
    pub steps: Vec<Step>,
}

/// Plans to release `identity` on `host`. A link that is gone holds nothing.
///
/// # Errors
/// [`Obstacle::TakesOthersAlong`] where the kernel would remove more than was asked.
pub fn release(host: &Host, identity: &Identity) -> Result<ReleasePlan, Obstacle> {
    let mut steps = Vec::new();
    for address in identity.addresses() {
        let Some(link) = host.link(&address.link) else { continue };
        for held in host.holding(address.ip()).filter(|h| h.link == link.index) {
            let others = secondaries(host, held);
            // Those that are released too may go along.
            let strangers: Vec<String> = others
                .filter(|o| !identity.addresses().iter().any(|a| a.ip() == o.net.addr()))
                .map(|o| o.net.to_string())
                .collect();
            if !link.promote_secondaries && !strangers.is_empty() {
                return Err(Obstacle::TakesOthersAlong {
                    net: held.net,
                    link: link.name.clone(),
                    others: strangers.join(", "),
                });
            }
            steps.push(Step::Remove { link: held.link, net: held.net });
        }
    }
    // The last first: a secondary that is named here is removed before the address it hangs on.
    steps.reverse();
    Ok(ReleasePlan { steps })
}

/// The addresses that hang on `first`, if it is the first of its subnet; IPv4 alone knows this.
fn secondaries<'h>(host: &'h Host, first: &'h Held) -> impl Iterator<Item = &'h Held> {
    host.addresses.iter().filter(move |h| {
        !first.secondary
            && h.secondary
            && h.link == first.link
            && h.net.addr().is_ipv4()
            && h.net.trunc() == first.net.trunc()
    })
}
