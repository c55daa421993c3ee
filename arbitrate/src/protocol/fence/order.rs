//! What a fence is told before it begins: whom, on what, and what counts as proof.

use std::time::Duration;

use arrayvec::ArrayVec;

use crate::codec::pr::{Abort, ReservationType};
use crate::key::{ClusterId, Key, NodeNumber};

/// Different keys of one victim that are removed from one logical unit; a node has one a life.
pub const MAX_VICTIMS: usize = 16;
/// Paths of one logical unit.
pub const MAX_PATHS: usize = 16;

/// Whose registrations are to go.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Victim {
    /// Every key of this node, of whatever incarnation and stance.
    Node(ClusterId, NodeNumber),
    /// These keys and no others.
    Keys(ArrayVec<Key, MAX_VICTIMS>),
}

/// Whether a reservation has to keep the victim out, or the registrations are merely leftovers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protection {
    /// A reservation must be in force at the end; where there is none, one of this type is taken.
    /// `None`: of the type in force, or Write Exclusive, Registrants Only.
    Required(Option<ReservationType>),
    /// None is asked for and none is taken.
    NotAsked,
}

/// What ends commands of the victim that the target still has queued.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Drain {
    /// PREEMPT AND ABORT alone.
    AbortOnly,
    /// A LOGICAL UNIT RESET besides: it also hits the commands of everybody else.
    Reset,
}

/// Who may hold the reservation that is to keep the victim out. A holder outside the cluster may
/// release it at any moment, and nobody here would know.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Holders {
    /// This node, or another node of the cluster.
    Cluster,
    /// Exactly this key; after this fence took the reservation from it, this node.
    Only(Key),
    /// Whoever does.
    Anybody,
}

/// What a path is worth that gives no answer when it is read back on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SilentPaths {
    /// The fence is not proven.
    NotProven,
    /// One path that proves it is enough.
    Accepted,
}

/// One fence, the same for every device.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FenceOrder {
    /// The cluster whose keys are told apart.
    pub cluster: ClusterId,
    /// Whom.
    pub victim: Victim,
    /// What must keep the victim out.
    pub protection: Protection,
    /// Whether the victim's commands are aborted with its registration.
    pub abort: Abort,
    /// What else ends them.
    pub drain: Drain,
    /// Who may hold the reservation.
    pub holders: Holders,
    /// What a silent path is worth.
    pub silent_paths: SilentPaths,
    /// How long one command may take before its outcome is Unknown.
    pub command_timeout: Duration,
    /// How long the whole fence may take before whatever is not proven is Unknown.
    pub budget: Duration,
}

/// How one logical unit is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Way {
    /// READ FULL STATUS: registrations, holder and type in one answer, one round trip.
    FullStatus,
    /// READ KEYS, then READ RESERVATION, where the target does not know the former.
    KeysAndReservation,
}

/// One logical unit to fence on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FenceUnit {
    /// The key this node is registered with there; without one it can see, and change nothing.
    pub own: Option<Key>,
    /// How many paths there are, numbered from 0; 1 to [`MAX_PATHS`].
    pub paths: usize,
    /// How to look first; a target that refuses READ FULL STATUS is looked at the other way.
    pub way: Way,
}

impl Victim {
    /// Whether `key` is one of the victim's.
    #[must_use]
    pub fn owns(&self, key: Key) -> bool {
        match self {
            Self::Node(cluster, node) => key.parts_in(*cluster).is_some_and(|p| p.node == *node),
            Self::Keys(keys) => keys.contains(&key),
        }
    }
}
