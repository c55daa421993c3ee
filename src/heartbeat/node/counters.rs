//! Datagrams counted: what is dropped is never answered, so these numbers are all that tells of it.

/// Why a datagram was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dropped {
    /// Length, magic, version or a field.
    Malformed,
    /// Another cluster's.
    ForeignCluster,
    /// The MAC is not that of a key we accept.
    Forged,
    /// Our own, come back.
    Reflected,
    /// For another node.
    NotForUs,
    /// Came on another link than it names.
    OtherLink,
    /// A number that is no peer of ours.
    Stranger,
    /// Of a life before the one admitted.
    OldLife,
    /// Of a life not admitted yet: it has to return our nonce first.
    NotAdmitted,
    /// Received before, or too old to tell.
    Replayed,
    /// Announces a pace the rules do not allow.
    Pace,
}

/// How many kinds of drops there are.
const KINDS: usize = 11;

impl Dropped {
    /// Every kind, in the order of the counters.
    pub const ALL: [Self; KINDS] = [
        Self::Malformed,
        Self::ForeignCluster,
        Self::Forged,
        Self::Reflected,
        Self::NotForUs,
        Self::OtherLink,
        Self::Stranger,
        Self::OldLife,
        Self::NotAdmitted,
        Self::Replayed,
        Self::Pace,
    ];
}

/// Counts since the node's life began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Datagrams that counted.
    pub accepted: u64,
    /// Own stalls.
    pub stalls: u64,
    dropped: [u64; KINDS],
}

impl Counters {
    pub(super) fn drop(&mut self, why: Dropped) {
        self.dropped[why as usize] += 1;
    }

    /// How many were dropped for this reason.
    #[must_use]
    pub const fn dropped(&self, why: Dropped) -> u64 {
        self.dropped[why as usize]
    }
}
