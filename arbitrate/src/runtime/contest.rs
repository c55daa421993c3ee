//! A whole challenge on one device: ghosts, fresh incarnation, the challenge itself, the first lease.
//!
//! Puts together what the protocols need to know before they begin and what follows a victory. Must
//! never call a device owned before a tick of the defender confirmed it.

use std::time::Duration;

use crate::codec::pr::{Aptpl, KeysView, ReservationType};
use crate::codec::quorum::Formatted;
use crate::key::{ClusterId, Incarnation, Key, NodeNumber};
use crate::protocol::{
    ChallengeEnd, ChallengeNote, ChallengeSetup, Challenger, Cleanup, Command, DefenceEnd, DefenceNote,
    DefenceSetup, Defender, FedWatchdog, FirstLease, HeldTenure, Lease, Lives, Refusal, Reply, Rules, Timing,
};
use crate::runtime::drive;
use crate::runtime::executor::Executor;
use crate::runtime::lives::{LivesError, LivesFile};
use crate::runtime::pacer::{Pacer, Woke};
use crate::time::Instant;

/// How often a challenge begins again because the target lost its memory.
const ATTEMPTS: u8 = 3;

/// What a contest is about.
#[derive(Clone, Debug)]
pub struct Contest {
    /// The cluster.
    pub cluster: ClusterId,
    /// This node.
    pub node: NodeNumber,
    /// The type to reserve.
    pub kind: ReservationType,
    /// The timing.
    pub timing: Timing,
    /// How long one command may take before its outcome is Unknown.
    pub command_timeout: Duration,
    /// Whether the target offers persistence through power loss.
    pub aptpl: Aptpl,
    /// The key that READ FULL STATUS shows registered under this nexus's own TransportID.
    pub nexus_key: Option<Key>,
    /// How the device is formatted, where it is.
    pub formatted: Option<Formatted>,
    /// Every rule, outside of tests.
    pub rules: Rules,
}

/// How a contest ended.
#[derive(Debug)]
pub enum ContestEnd {
    /// Won, and confirmed by a tick: the defence to go on with.
    Owned {
        /// The defender, its first tick done.
        defender: Box<Defender>,
        /// The first lease.
        lease: Lease,
        /// Whom it was taken from.
        from: Option<Key>,
    },
    /// Won, but the first tick did not confirm it.
    NotConfirmed {
        /// The key that won.
        key: Key,
        /// How the defence ended.
        end: DefenceEnd,
    },
    /// Not won.
    Not(ChallengeEnd),
}

/// Hears what happens during a contest.
pub trait Audience {
    /// A note of the challenge.
    fn challenge(&mut self, at: Instant, note: &ChallengeNote);
    /// A note of the first tick.
    fn defence(&mut self, at: Instant, note: &DefenceNote);
    /// The moment before the command that may make this node the owner. Returns the watchdog that is
    /// armed from here on, where there is one.
    fn before_ownership(&mut self) -> Option<FedWatchdog>;
    /// That command did not make it the owner: another window is waited, or the challenge withdrawn.
    fn not_owning(&mut self) {}
}

impl Contest {
    /// As [`Contest::run`], `delay` later, for the node's weight; a signal meanwhile withdraws it.
    ///
    /// # Errors
    /// As [`Contest::run`].
    pub fn run_after(
        &self,
        delay: Duration,
        lives: &mut LivesFile,
        on: &mut Executor<'_>,
        pacer: &mut dyn Pacer,
        audience: &mut dyn Audience,
    ) -> Result<ContestEnd, LivesError> {
        if !delay.is_zero() && pacer.wait(pacer.now() + delay) == Woke::Stop {
            let (why, cleanup) = (Refusal::Cancelled, Cleanup::NotNeeded);
            return Ok(ContestEnd::Not(ChallengeEnd::Refused { why, cleanup }));
        }
        self.run(lives, on, pacer, audience)
    }

    /// Challenges, up to three times where the target loses its memory meanwhile.
    ///
    /// # Errors
    /// [`LivesError`] where no fresh incarnation could be made durable; then nothing was sent.
    pub fn run(
        &self,
        lives: &mut LivesFile,
        on: &mut Executor<'_>,
        pacer: &mut dyn Pacer,
        audience: &mut dyn Audience,
    ) -> Result<ContestEnd, LivesError> {
        for _ in 1..ATTEMPTS {
            match self.once(lives, on, pacer, audience)? {
                ContestEnd::Not(ChallengeEnd::TargetForgot) => {}
                end => return Ok(end),
            }
        }
        self.once(lives, on, pacer, audience)
    }

    fn once(
        &self,
        lives: &mut LivesFile,
        on: &mut Executor<'_>,
        pacer: &mut dyn Pacer,
        audience: &mut dyn Audience,
    ) -> Result<ContestEnd, LivesError> {
        let mut challenger = Challenger::new(self.fresh_life(lives, on, pacer)?);
        let mut watchdog = None;
        audience.not_owning();
        let end = drive::challenge(&mut challenger, on, pacer, &mut |at, note| {
            let owner_next = match note {
                ChallengeNote::Preempting(_) | ChallengeNote::Reserving => true,
                // An own ghost held the reservation: nothing was preempted.
                ChallengeNote::TakingFlagOff { .. } => watchdog.is_none(),
                _ => false,
            };
            if owner_next {
                watchdog = audience.before_ownership();
            }
            if matches!(note, ChallengeNote::Observed { .. } | ChallengeNote::StandingDown) {
                watchdog = None;
                audience.not_owning();
            }
            audience.challenge(at, note);
        });
        let ChallengeEnd::Won { key, from, .. } = end else { return Ok(ContestEnd::Not(end)) };
        let setup = DefenceSetup {
            key,
            cluster: self.cluster,
            kind: self.kind,
            aptpl: self.aptpl,
            timing: self.timing,
            watchdog,
            first: FirstLease::FromTick,
            tenure: self.formatted.zip(challenger.tenure()).map(|(on, tenure)| HeldTenure { on, tenure }),
            rules: self.rules,
        };
        let mut defender = Box::new(Defender::new(setup, pacer.now()));
        let first = drive::first_lease(&mut defender, on, pacer, &mut |at, note| audience.defence(at, note));
        Ok(match first {
            Ok(lease) => ContestEnd::Owned { defender, lease, from },
            Err(end) => ContestEnd::NotConfirmed { key, end },
        })
    }

    /// Takes a fresh incarnation and says what a challenge begins from.
    ///
    /// # Errors
    /// [`LivesError`] where no fresh incarnation could be made durable; then nothing was sent.
    pub fn fresh_life(
        &self,
        lives: &mut LivesFile,
        on: &mut Executor<'_>,
        pacer: &mut dyn Pacer,
    ) -> Result<ChallengeSetup, LivesError> {
        let ghosts = self.ghosts(&lives.keys());
        let deadline = pacer.now() + self.command_timeout;
        let present = match on.run(&Command::ReadKeys, deadline, pacer) {
            Reply::Keys(v) => self.present(v, &ghosts),
            // The challenger's own survey meets the same and says it in its words.
            _ => Present::default(),
        };
        let incarnation = lives.fresh(present.newest)?;
        Ok(ChallengeSetup {
            lives: Lives::new(self.cluster, self.node, &ghosts),
            incarnation,
            // A peer's key on this nexus is no ghost: REGISTER meets it and is refused.
            nexus_ghost: self.nexus_key.filter(|k| ghosts.contains(k)).or(present.ghost),
            kind: self.kind,
            aptpl: self.aptpl,
            timing: self.timing,
            command_timeout: self.command_timeout,
            mark: self.formatted,
            rules: self.rules,
        })
    }

    /// Keys of earlier lives of this node that are proven its own: recorded on this host, or standing
    /// under this nexus's own TransportID (design section 5). Only keys of this node's number: a
    /// foreign key on this nexus is no ghost.
    fn ghosts(&self, recorded: &[Key]) -> Vec<Key> {
        let ours = |k: &Key| k.parts_in(self.cluster).is_some_and(|p| p.node == self.node);
        let mut all = recorded.to_vec();
        if let Some(k) = self.nexus_key.filter(|k| ours(k) && !recorded.contains(k)) {
            all.push(k);
        }
        all
    }

    fn present(&self, keys: KeysView<'_>, ghosts: &[Key]) -> Present {
        let own = keys.iter().filter_map(|k| k.parts_in(self.cluster)).filter(|p| p.node == self.node);
        Present {
            newest: own.map(|p| p.incarnation).max(),
            ghost: ghosts.iter().rev().copied().find(|g| keys.contains(*g)),
        }
    }
}

/// What of this node stands on the device already.
#[derive(Default)]
struct Present {
    newest: Option<Incarnation>,
    ghost: Option<Key>,
}

#[cfg(test)]
mod tests;
