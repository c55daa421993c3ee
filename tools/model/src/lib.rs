//! A model of nodes that challenge and defend one disk, explored state by state.
//!
//! Nothing of the protocols is written down a second time here: the nodes run the very
//! [`arbitrate::protocol::Challenger`] and [`arbitrate::protocol::Defender`] that the programs run, and
//! the disk is the embedded unit's own persistent-reservation state machine. This crate adds what stands
//! between them and around them: time, a fabric that delays and loses, and what befalls nodes.
//!
//! | module | is |
//! |---|---|
//! | [`config`] | who is there at the beginning, and how much may go wrong |
//! | [`target`] | the logical unit, reduced to what a protocol can tell apart |
//! | [`node`] | one node: its protocol and the one command it waits for |
//! | [`state`] | everything at one instant |
//! | [`action`] | what can happen next |
//! | [`system`] | the model itself |
//! | [`properties`] | what must hold, and what must be seen to happen |
//! | [`data`] | a data device, its host, and who fences that host |
//! | [`legacy`] | legacy mode: RESERVE(6) and resets |
//! | [`race`] | the same for a race over three devices |
//! | [`run`] | running the checker and reading its result |
//!
//! Must never be linked into a program: it turns on the feature `teeth` of [`arbitrate`], with which a
//! test can break a safety rule on purpose. Cargo unifies features over all packages of one build, so the
//! tests of this crate are run by themselves: `cargo nextest run -p palisade-model`.

pub mod action;
pub mod config;
pub mod data;
pub mod legacy;
pub mod node;
pub mod properties;
pub mod race;
pub mod run;
pub mod state;
mod step;
pub mod system;
pub mod target;
