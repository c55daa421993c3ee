//! What two looks at the links tell: carriers that went and came, bonds that changed over, MACs that changed.

use super::{Port, Why};
use crate::frame::LinkIndex;

/// What became of a link between two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Gone,
    CarrierLost,
    Announce(Why),
}

/// What became of `old`, now shown as `new`; the gravest.
pub(super) fn change(old: &Port, new: Option<&Port>) -> Option<Change> {
    let Some(new) = new else { return Some(Change::Gone) };
    if old.carrier && !new.carrier {
        return Some(Change::CarrierLost);
    }
    if !new.carrier {
        return None;
    }
    let flapped = matches!((old.ups, new.ups), (Some(a), Some(b)) if a != b);
    if !old.carrier || flapped {
        return Some(Change::Announce(Why::Carrier));
    }
    if old.mac != new.mac {
        return Some(Change::Announce(Why::NewMac));
    }
    (old.active != new.active && new.active.is_some()).then_some(Change::Announce(Why::Failover))
}

/// The links whose neighbours are reached through `below`, itself included: what is a port of a bridge or bond
/// carries it, what a VLAN or macvlan is made on carries that.
pub(super) fn above(ports: &[Port], below: LinkIndex) -> Vec<LinkIndex> {
    let mut all = vec![below];
    let mut at = 0;
    while let Some(&link) = all.get(at) {
        at += 1;
        let master = ports.iter().find(|p| p.index == link).and_then(|p| p.master);
        let upper = ports.iter().filter(|p| p.lower == Some(link)).map(|p| p.index);
        for next in master.into_iter().chain(upper) {
            // Never twice, so a ring of links comes to an end.
            if !all.contains(&next) {
                all.push(next);
            }
        }
    }
    all
}
