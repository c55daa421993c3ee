//! What must hold in every state, and what must be seen in some.
//!
//! The second kind keeps the first honest: a model in which nothing happens breaks nothing.

use stateright::Property;

use crate::node::{Ending, Role};
use crate::state::{Breach, State};
use crate::system::System;

/// Never two valid leases.
pub const ONE_LEASE: &str = "at most one valid lease at any instant";
/// A deposed node's write is refused.
pub const STALE_REFUSED: &str = "a deposed node's write is never accepted";
/// PREEMPT AND ABORT leaves no write behind.
pub const STALE_ABORTED: &str = "no accepted write of a deposed node lands after the victory";
/// A live defender stays.
pub const LIVE_STAYS: &str = "a live defender is never deposed";
/// Winning means having held.
pub const WON_HELD: &str = "who ends as winner has held the reservation";

/// A life and the one before it on the same host are two.
pub const GHOST_OVER: &str = "no lease beside that of an earlier life";
/// A holder takes nothing from itself.
pub const NO_SELF_PREEMPT: &str = "nobody preempts itself";

/// Somebody won.
pub const WINS: &str = "a challenge is won";
/// Somebody was defended against.
pub const DEFENDED: &str = "a challenge is defended";
/// A holder was deposed.
pub const DEPOSED: &str = "a defender is deposed";
/// A second node got a lease.
pub const CHANGES_HANDS: &str = "a lease changes hands";
/// A given-up PREEMPT or RESERVE took the reservation.
pub const LATE_SEIZURE: &str = "a seizure is executed after its caller gave up";

/// A clean-release mark spared the window.
pub const SPARED: &str = "a challenge is won before a window is over";

/// All properties.
#[must_use]
pub fn all() -> Vec<Property<System>> {
    vec![
        Property::always(ONE_LEASE, |m: &System, s: &State| s.leases(m.config()) <= 1),
        Property::always(STALE_REFUSED, |_, s: &State| s.breach != Some(Breach::StaleWriteAccepted)),
        Property::always(STALE_ABORTED, |_, s: &State| s.breach != Some(Breach::StaleWriteLanded)),
        Property::always(LIVE_STAYS, |_, s: &State| s.breach != Some(Breach::LiveDefenderLost)),
        Property::always(WON_HELD, |_, s: &State| s.breach != Some(Breach::FalseVictory)),
        Property::always(GHOST_OVER, |m: &System, s: &State| {
            (0..s.nodes.len()).all(|n| !(s.has_lease(m.config(), n) && s.has_ghost(m.config(), n)))
        }),
        Property::always(NO_SELF_PREEMPT, |_, s: &State| s.breach != Some(Breach::SelfPreempt)),
        Property::sometimes(WINS, |m: &System, s: &State| {
            newcomer(m, s).is_some_and(|n| matches!(s.nodes[n].role, Role::Defender(_)))
        }),
        Property::sometimes(DEFENDED, |_, s: &State| ended(s, Ending::Defended)),
        Property::sometimes(DEPOSED, |_, s: &State| ended(s, Ending::Deposed)),
        Property::sometimes(CHANGES_HANDS, |m: &System, s: &State| {
            newcomer(m, s).is_some_and(|n| s.has_lease(m.config(), n))
        }),
        Property::sometimes(LATE_SEIZURE, |_, s: &State| s.late_seizure),
        Property::sometimes(SPARED, |_, s: &State| s.spared),
    ]
}

/// The node that took the device from its first owner.
fn newcomer(m: &System, s: &State) -> Option<usize> {
    s.owner.filter(|_| s.owner != m.first_owner()).map(|(n, _)| n)
}

fn ended(s: &State, how: Ending) -> bool {
    s.nodes.iter().any(|n| n.role == Role::Over(how))
}
