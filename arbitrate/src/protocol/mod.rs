//! Who owns a disk: pure state machines (design section 6).
//!
//! A protocol takes an [`Event`] and the time, and returns a [`Step`]: the one thing to do next, and
//! what there is to tell. It never reads a clock, sleeps, allocates, or touches a device. The structs
//! here are the ones the model checker explores and the ones [`crate::runtime`] drives.

mod challenger;
mod defender;
pub mod fence;
mod keys;
mod legacy;
mod race;
pub mod registrar;
mod rules;
#[cfg(test)]
mod testbed;
mod timing;
mod wire;
mod words;

pub use challenger::{ChallengeEnd, ChallengeNote, ChallengeSetup, Challenger, Cleanup, Doubt, Refusal};
pub use defender::{
    DefenceEnd, DefenceNote, DefenceSetup, Defender, Deposition, FedWatchdog, FirstLease, HeldTenure, Lease,
    Miss,
};
pub use keys::{Lives, MAX_LIVES};
pub use legacy::{
    Found, Hold, Left, LegacyChallenger, LegacyDefenceEnd, LegacyDefenceNote, LegacyDefenceSetup,
    LegacyDefender, LegacyDoubt, LegacyEnd, LegacyNote, LegacyRefusal, LegacySetup, Met, Stray,
};
pub use race::{
    Configured, MAX_DEVICES, Race, RaceEnd, RaceEvent, RaceNote, RaceSetup, RaceStep, Roster, RosterError,
    SeatNext, Standing, Weight,
};
pub use rules::{Rule, Rules};
pub use timing::{Profile, Timing, TimingError, TimingSpec, WATCHDOG_GRANULARITY};
pub use wire::{Command, Event, Next, NoAnswer, Reply, Step};
