//! Whose a key is, seen from one node.

use arrayvec::ArrayVec;

use crate::key::{ClusterId, Incarnation, Key, NodeNumber, Stance};

/// How many keys of earlier lives of this node are remembered per device; a life has two, and a process
/// may have reserved some lives it never began.
pub const MAX_LIVES: usize = 32;

/// What this node knows of itself: enough to tell its ghosts from an impostor.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Lives {
    cluster: ClusterId,
    node: NodeNumber,
    ghosts: ArrayVec<Key, MAX_LIVES>,
}

/// Whose a key found on a device is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owner {
    /// A proven earlier life of this very node.
    Ghost,
    /// Another node of this cluster.
    Peer(NodeNumber, Stance, Incarnation),
    /// This node's number in a life this host knows nothing of.
    Impostor,
    /// Another cluster, or another tool.
    Foreign,
}

impl Lives {
    /// A node and the keys of its earlier lives that are proven its own (state folder, or the own
    /// TransportID in READ FULL STATUS); of more than [`MAX_LIVES`] the last ones.
    #[must_use]
    pub fn new(cluster: ClusterId, node: NodeNumber, ghosts: &[Key]) -> Self {
        let from = ghosts.len().saturating_sub(MAX_LIVES);
        Self { cluster, node, ghosts: ghosts[from..].iter().copied().collect() }
    }

    /// The cluster.
    #[must_use]
    pub const fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// The node.
    #[must_use]
    pub const fn node(&self) -> NodeNumber {
        self.node
    }

    /// The ghosts, oldest first.
    #[must_use]
    pub fn ghosts(&self) -> &[Key] {
        &self.ghosts
    }

    pub(super) fn owner(&self, key: Key) -> Owner {
        if self.ghosts.contains(&key) {
            return Owner::Ghost;
        }
        match key.parts_in(self.cluster) {
            None => Owner::Foreign,
            Some(p) if p.node == self.node => Owner::Impostor,
            Some(p) => Owner::Peer(p.node, p.stance, p.incarnation),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_ghosts_the_last_ones_are_kept_in_their_order() {
        let all: Vec<Key> = (1..=40).map(Key::from_u64).collect();
        let node = NodeNumber::new(1).unwrap();
        let lives = |n| Lives::new(ClusterId::from_u32(0xc1), node, &all[..n]);
        assert_eq!(lives(0).ghosts(), []);
        assert_eq!(lives(MAX_LIVES).ghosts(), &all[..MAX_LIVES]);
        assert_eq!(lives(40).ghosts(), &all[40 - MAX_LIVES..]);
    }
}
