//! What a node's heartbeat tells its daemon.

use arbitrate::key::Incarnation;

use crate::heartbeat::awake::Stall;
use crate::heartbeat::detect::Change;
use crate::heartbeat::wire::Member;

/// Something the daemon must know. Small: it travels through a preallocated ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A peer's state changed.
    Changed {
        /// Whose.
        peer: Member,
        /// From what to what, and why.
        change: Change,
    },
    /// A peer's life was admitted: it returned our nonce.
    Admitted {
        /// Whose.
        peer: Member,
        /// Which.
        incarnation: Incarnation,
    },
    /// This node was not scheduled in time: it suspects itself and blames nobody.
    Stalled(Stall),
    /// This node is in time again.
    Punctual,
}
