//! One node: its protocol, and the one thing it waits for.
//!
//! Invariant: a node has either a command outstanding or a time to wait for, as the protocols ask for it,
//! unless it is idle, down, or done.

use std::sync::Arc;

use arbitrate::codec::Sense;
use arbitrate::codec::pr::{ReadReservation, ReservationType};
use arbitrate::codec::quorum::{BlockLen, ClusterUuid, Formatted, Head, Tenure};
use arbitrate::device::sim::NexusId;
use arbitrate::key::{ClusterId, Incarnation, Key, KeyParts, NodeNumber, Stance};
use arbitrate::protocol::{
    ChallengeSetup, Challenger, Command, DefenceSetup, Defender, FirstLease, HeldTenure, Lives, NoAnswer,
};
use arbitrate::time::Instant;

use crate::config::{Config, Head as HeadStart};

/// The reservation's type, as the programs have it by default.
pub const KIND: ReservationType = ReservationType::WriteExclusiveRegistrantsOnly;
/// The cluster.
pub const CLUSTER: ClusterId = ClusterId::from_u32(0xc1);

/// What a node is doing.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// Has not begun.
    Idle,
    /// Crashed.
    Down,
    /// Challenges.
    Challenger(Arc<Challenger>),
    /// Defends.
    Defender(Arc<Defender>),
    /// Its protocol has ended.
    Over(Ending),
}

/// How a protocol ended, as far as it matters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ending {
    /// The challenge was defended.
    Defended,
    /// Another challenger took it.
    Overtaken,
    /// The challenge was refused, or withdrawn.
    Refused,
    /// The challenge ended open.
    Unknown,
    /// The target had lost its memory.
    Forgot,
    /// The defender was deposed.
    Deposed,
    /// The defender's lease ran out.
    Expired,
    /// The defender gave the device back.
    Released,
}

/// What a node waits for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Link {
    /// Nothing.
    Idle,
    /// A time.
    Wait(Instant),
    /// A command that has not reached the target.
    Sent(Command, Instant),
    /// A command the target has executed; its answer is there.
    Answered(Answer, Instant),
    /// A command that will bring no answer before its deadline.
    Silent(Instant),
}

/// An answer on its way to the node.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Answer {
    /// To READ KEYS: the parameter data.
    Keys(Vec<u8>),
    /// To READ RESERVATION.
    Reservation(ReadReservation),
    /// To READ of the head.
    Head(Head),
    /// A unit attention in the command's place.
    Attention(Command, Sense),
    /// GOOD.
    Good,
    /// RESERVATION CONFLICT.
    Conflict,
    /// Refused by the target.
    Refused(NoAnswer),
}

/// Where a write of the application is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Write {
    /// There is none.
    None,
    /// Under way, issued by this life of the node.
    Fabric(u8),
    /// Accepted by the target and not yet on the medium.
    Accepted(u8),
}

/// One node.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    /// What it does.
    pub role: Role,
    /// What it waits for.
    pub link: Link,
    /// Which life it is in; also its incarnation.
    pub life: u8,
    /// What went wrong with it in this life, or since it holds under its settled key.
    pub faults: u8,
    /// It stands still.
    pub paused: bool,
    /// It is late in this unit of time.
    pub late: bool,
    /// This life has held the reservation at some time.
    pub held: bool,
    /// Its application's write.
    pub write: Write,
    /// Until when the lease of a life that crashed would have lasted.
    pub ghost_until: Option<Instant>,
}

impl Node {
    /// A node that does nothing.
    #[must_use]
    pub const fn new(role: Role, life: u8) -> Self {
        Self {
            role,
            link: Link::Idle,
            life,
            faults: 0,
            paused: false,
            late: false,
            held: false,
            write: Write::None,
            ghost_until: None,
        }
    }

    /// Whether the node runs and may act in this unit of time.
    #[must_use]
    pub const fn awake(&self) -> bool {
        !self.paused && !self.late
    }

    /// Whether something of this node is due: a healthy node lets no time pass then.
    #[must_use]
    pub fn due(&self, now: Instant) -> bool {
        match &self.link {
            Link::Idle => false,
            Link::Wait(t) | Link::Silent(t) => now >= *t,
            Link::Sent(..) | Link::Answered(..) => true,
        }
    }

    /// Until when it holds a lease that is valid now.
    #[must_use]
    pub fn lease_until(&self, now: Instant) -> Option<Instant> {
        match &self.role {
            Role::Defender(d) => d.lease(now).map(|l| l.until),
            _ => None,
        }
    }

    /// Whether it holds a valid lease.
    #[must_use]
    pub fn has_lease(&self, now: Instant) -> bool {
        self.lease_until(now).is_some()
    }
}

/// The nexus of node `n`, counted from 0.
#[must_use]
pub fn nexus(n: usize) -> NexusId {
    NexusId(u8::try_from(n).unwrap_or(u8::MAX - 1))
}

/// The key of a life of node `n`.
#[must_use]
pub fn key(n: usize, life: u8, stance: Stance) -> Key {
    let parts = |node, incarnation| KeyParts { cluster: CLUSTER, node, stance, incarnation };
    match (NodeNumber::new(u32::try_from(n + 1).unwrap_or(0)), Incarnation::new(u32::from(life))) {
        (Ok(node), Ok(incarnation)) => parts(node, incarnation).key(),
        _ => Key::default(),
    }
}

/// A challenge by life `life` of node `n`, which finds `registered` on its nexus.
#[must_use]
pub fn challenger(c: &Config, n: usize, life: u8, registered: Option<Key>) -> Option<Challenger> {
    let node = NodeNumber::new(u32::try_from(n + 1).ok()?).ok()?;
    let ghosts: Vec<_> =
        (1..life).flat_map(|l| [key(n, l, Stance::Challenging), key(n, l, Stance::Settled)]).collect();
    Some(Challenger::new(ChallengeSetup {
        nexus_ghost: registered.filter(|k| ghosts.contains(k)),
        lives: Lives::new(CLUSTER, node, &ghosts),
        incarnation: Incarnation::new(u32::from(life)).ok()?,
        kind: KIND,
        aptpl: c.aptpl(),
        timing: c.challengers,
        command_timeout: std::time::Duration::from_nanos(c.command_timeout),
        mark: formatted(c),
        rules: c.rules,
    }))
}

/// How the device is formatted, where it is.
fn formatted(c: &Config) -> Option<Formatted> {
    let on = Formatted { uuid: ClusterUuid([7; 16]), block_len: BlockLen::SMALLEST };
    (c.head != HeadStart::Unformatted).then_some(on)
}

/// A defence under `key`, of this tenure, that begins at `now`.
#[must_use]
pub fn defender(c: &Config, key: Key, tenure: Option<Tenure>, now: Instant) -> Defender {
    let setup = DefenceSetup {
        key,
        cluster: CLUSTER,
        kind: KIND,
        aptpl: c.aptpl(),
        timing: c.timing,
        watchdog: None,
        first: FirstLease::FromTick,
        tenure: formatted(c).zip(tenure).map(|(on, tenure)| HeldTenure { on, tenure }),
        rules: c.rules,
    };
    Defender::new(setup, now)
}
