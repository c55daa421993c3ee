//! Faults on purpose: what goes wrong with which commands, and how often.
//!
//! Pure and deterministic: chance comes from a seed that is part of the state. Kept in the unit's file, so
//! that every process meets the same faults. Must never cost anything where there is none.

use serde::{Deserialize, Serialize};

use super::attention::Attention;
use super::pr::power::Memory;
use super::spec::InitiatorName;
use crate::codec::Cdb;

#[cfg(test)]
mod tests;

/// How many faults a unit keeps at a time.
pub const MAX_FAULTS: usize = 64;
/// The longest delay in ms: ten minutes.
pub const MAX_DELAY_MS: u32 = 600_000;

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "effect")]
pub enum Effect {
    /// The command waits so long in the target before it is executed, whether its sender still waits or not.
    Delay {
        /// How long.
        ms: u32,
    },
    /// It is lost on its way: never executed, and nobody says so.
    DropCommand,
    /// It is executed, and its answer is lost.
    DropAnswer,
    /// The transport reports a failure.
    TransportError {
        /// Linux host byte (DID_*).
        host: u16,
        /// Whether the command had been executed.
        executed: Executed,
    },
    /// BUSY; not executed.
    Busy,
    /// TASK SET FULL; not executed.
    TaskSetFull,
    /// A unit attention comes instead.
    Attention {
        /// Which.
        what: Attention,
    },
    /// The logical unit is reset just before.
    Reset,
    /// Power is lost and comes back just before.
    PowerLoss {
        /// What becomes of reservations that were to be kept.
        memory: Memory,
    },
}

/// Whether a command whose transport failed was executed. The sender cannot tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Executed {
    /// It was.
    Yes,
    /// It was not.
    No,
}

/// Which commands a fault concerns; none of all stands for any.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Filter {
    /// Whose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator: Option<InitiatorName>,
    /// Which operation code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opcode: Option<u8>,
    /// Which service action (byte 1, bits 0 to 4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_action: Option<u8>,
}

/// Chance that repeats itself: the same seed, the same commands, the same faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Chance {
    /// How many of a million matching commands are hit, in the long run.
    pub per_million: u32,
    /// The seed; moves on with every matching command.
    pub seed: u64,
}

/// A fault to be added.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewFault {
    /// What goes wrong.
    pub effect: Effect,
    /// For which commands.
    pub filter: Filter,
    /// How often, then the fault is gone; none: until it is cleared.
    pub times: Option<u32>,
    /// For every matching command, or by chance.
    pub chance: Option<Chance>,
}

/// A fault in force.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// Names it.
    pub id: u32,
    /// What goes wrong.
    #[serde(flatten)]
    pub effect: Effect,
    /// For which commands.
    #[serde(flatten)]
    pub filter: Filter,
    /// How many times more; none: until it is cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<u32>,
    /// By which chance, if by any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance: Option<Chance>,
}

/// All faults of a unit, oldest first.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Faults {
    added: u32,
    list: Vec<Fault>,
}

/// Why a fault was not added.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FaultError {
    /// There are enough.
    #[error("there are {MAX_FAULTS} faults already: clear some")]
    TooMany,
    /// More than ten minutes.
    #[error("a delay of {0} ms: use 1 to {MAX_DELAY_MS}")]
    Delay(u32),
    /// Never, or more often than always.
    #[error("a chance of {0} in a million: use 1 to 1000000")]
    Chance(u32),
    /// Never.
    #[error("a fault that happens 0 times: use 1 or more")]
    Never,
}

impl Faults {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them, in the order in which they are tried.
    #[must_use]
    pub fn list(&self) -> &[Fault] {
        &self.list
    }

    /// Adds one; returns its id.
    ///
    /// # Errors
    /// [`FaultError`]; nothing was added.
    pub fn add(&mut self, new: NewFault) -> Result<u32, FaultError> {
        let NewFault { effect, filter, times, chance } = new;
        match (effect, chance, times) {
            (Effect::Delay { ms }, ..) if ms == 0 || ms > MAX_DELAY_MS => return Err(FaultError::Delay(ms)),
            (_, Some(c), _) if c.per_million == 0 || c.per_million > MILLION => {
                return Err(FaultError::Chance(c.per_million));
            }
            (.., Some(0)) => return Err(FaultError::Never),
            _ if self.list.len() >= MAX_FAULTS => return Err(FaultError::TooMany),
            _ => {}
        }
        self.added = self.added.wrapping_add(1);
        self.list.push(Fault { id: self.added, effect, filter, left: times, chance });
        Ok(self.added)
    }

    /// Removes one, or all; returns how many went.
    pub fn clear(&mut self, id: Option<u32>) -> usize {
        let before = self.list.len();
        self.list.retain(|f| id.is_some_and(|id| f.id != id));
        before - self.list.len()
    }

    /// What goes wrong with a command of `initiator`, if anything: the oldest fault that matches and whose
    /// chance has it. It counts as happened.
    pub fn strike(&mut self, initiator: &InitiatorName, cdb: &Cdb) -> Option<Effect> {
        let at = self
            .list
            .iter_mut()
            .position(|f| f.filter.matches(initiator, cdb) && f.chance.as_mut().is_none_or(Chance::draw))?;
        let fault = self.list.get_mut(at)?;
        let effect = fault.effect;
        fault.left = fault.left.map(|n| n.saturating_sub(1));
        if fault.left == Some(0) {
            self.list.remove(at);
        }
        Some(effect)
    }
}

impl Filter {
    fn matches(&self, initiator: &InitiatorName, cdb: &Cdb) -> bool {
        self.initiator.as_ref().is_none_or(|i| i == initiator)
            && self.opcode.is_none_or(|o| o == cdb.opcode())
            && self.service_action.is_none_or(|a| a == cdb.service_action())
    }
}

const MILLION: u32 = 1_000_000;

impl Chance {
    /// SplitMix64: one addition and two multiplications, good enough to be unfair at random.
    fn draw(&mut self) -> bool {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (u128::from(z) * u128::from(MILLION)) >> 64 < u128::from(self.per_million)
    }
}
