//! Is the embedded disk equal to a real target? One seeded sequence of commands goes through three nexuses of
//! both; status, sense and data are compared byte for byte.
//!
//! | module | is |
//! |---|---|
//! | [`mod@generate`] | a seed made into thousands of steps |
//! | [`step`] | one command or reset on one nexus; the end it came to |
//! | [`target`] | what steps run on: three devices, or the embedded unit in memory |
//! | [`compare`] | the first step whose ends differ |
//! | [`recording`] | a sequence and its ends as a file |
//! | [`shrink`] | a failing sequence made short |
//! | [`table`] | the deviations as a document |
//!
//! Invariant: the steps depend on the seed alone, never on an answer, so any part of a sequence can be run by
//! itself. Must never call two ends equal because one of them did not arrive: a lost answer is an error.

mod besides;
pub mod compare;
pub mod generate;
mod memory;
pub mod recording;
mod rng;
pub mod shrink;
pub mod step;
pub mod table;
pub mod target;
