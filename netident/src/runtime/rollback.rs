//! Undoing, proven by reading back.

use super::Undone;
use super::carry::carry_one;
use crate::plan::{Step, needed};
use crate::system::netlink::Netlink;

/// Undoes what is seen of `undo`, and looks again until a look shows nothing of it, twice at the most: a route or
/// an address may go along with another.
pub(super) fn roll_back(netlink: &mut Netlink, undo: &[Step]) -> Undone {
    const TRIES: u8 = 2;
    let mut end = Undone::Nothing;
    for _ in 0..TRIES {
        let Ok(host) = netlink.host() else { return Undone::NotAll };
        let steps = needed(&host, undo);
        if steps.is_empty() {
            return end;
        }
        for step in steps {
            // What it came to is seen by reading back, and only by that.
            let _ = carry_one(netlink, step);
        }
        end = Undone::All;
    }
    match netlink.host() {
        Ok(host) if needed(&host, undo).is_empty() => Undone::All,
        _ => Undone::NotAll,
    }
}
