//! From a list of undo steps and what a host looks like to those of them that are still to be done. Pure.
//!
//! Invariant: what was changed by somebody else since is left alone, so the list may be carried out after any part
//! of the take it belongs to, any number of times; when nothing is left of it, the undoing is proven.

use super::Step;
use crate::host::{Held, Host, Macvlan, Marks, OtherRoute, OwnRoute};

/// Those of `undo` that `host` still needs, in order.
#[must_use]
pub fn needed(host: &Host, undo: &[Step]) -> Vec<Step> {
    undo.iter().filter(|s| is_needed(host, s, undo)).copied().collect()
}

fn is_needed(host: &Host, step: &Step, all: &[Step]) -> bool {
    match *step {
        Step::Remove { link, net } => {
            let ours = |h: &Held| h.ours || host.around.marks == Marks::Lost;
            host.addresses.iter().any(|h| h.link == link && h.net == net && ours(h))
        }
        Step::Sysctl { sysctl, from, .. } => host.around.value(sysctl) == Some(from),
        Step::Mac { link, from, .. } => host.links.iter().any(|l| l.index == link && l.mac == Some(from)),
        // Not while it carries addresses that another identity put there.
        Step::Delete(m) => stands(host, &m) && !bears_others(host, &m, all),
        Step::Down(m) => {
            let up = host.around.macvlan(m.index).is_some_and(|seen| seen.up);
            up && stands(host, &m) && !bears_others(host, &m, all)
        }
        Step::RemoveRoute(r) => host.around.routes.iter().any(|o| o.is_at(&r)),
        Step::RestoreRoute { old, new } => is_missed(host, &old, &new),
        // No step of these undoes anything.
        Step::Add { .. }
        | Step::Create(_)
        | Step::Mark(_)
        | Step::Tune { .. }
        | Step::Up(_)
        | Step::AddRoute(_)
        | Step::SwapRoute { .. } => false,
    }
}

/// Whether `old` must be put back: `new` stands in its place, or nothing does (the kernel removes a route along with
/// the address it prefers). On a link that is down it would be gone anyway.
fn is_missed(host: &Host, old: &OtherRoute, new: &OwnRoute) -> bool {
    let up = host.links.iter().any(|l| l.index == old.link && l.up);
    let same = |destination, metric| destination == old.destination && metric == old.metric;
    let taken = host.around.others.iter().any(|(o, _)| same(o.destination, o.metric))
        || host.around.routes.iter().any(|o| !o.is_at(new) && same(o.destination, o.metric));
    up && !taken
}

/// Whether this very macvlan is there: number, name, MAC and base.
fn stands(host: &Host, m: &Macvlan) -> bool {
    host.around.macvlan(m.index).is_some_and(|seen| seen.is == *m)
}

/// Whether a macvlan carries an address that `steps` do not remove; link-local ones are the kernel's own.
pub(super) fn bears_others(host: &Host, m: &Macvlan, steps: &[Step]) -> bool {
    let removed = |h: &Held| {
        steps.iter().any(|s| matches!(s, Step::Remove { link, net } if *link == h.link && *net == h.net))
    };
    let own = |h: &Held| matches!(h.net.addr(), std::net::IpAddr::V6(ip) if ip.is_unicast_link_local());
    host.addresses.iter().any(|h| h.link == m.index && !own(h) && !removed(h))
}
