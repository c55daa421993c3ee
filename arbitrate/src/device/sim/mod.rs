//! An embedded logical unit: `sim:PATH?as=NAME[&port=N]`.
//!
//! | module | is |
//! |---|---|
//! | [`pr`] | the persistent-reservation state machine |
//! | [`access`] | which commands a reservation lets through |
//! | [`mod@unit`] | the whole unit: unit attentions, SPC-2 reservations, resets, every command |
//! | [`SimDevice`] | the unit in a file, shared by processes |
//!
//! All but the last are pure: the model checker explores the structs that the programs run.

pub mod access;
mod answer;
mod attention;
mod clock;
mod commands;
mod disk;
mod error;
mod file;
mod lock;
mod make;
mod medium;
mod nexus;
pub mod pr;
mod profile;
mod reply;
mod spec;
#[cfg(test)]
mod tests;
pub mod unit;

pub use answer::Answer;
pub use attention::Attention;
pub use disk::SimDevice;
pub use error::SimError;
pub use make::{CreateOptions, Existing, Snapshot};
pub use nexus::NexusId;
pub use profile::{MAX_NEXUSES, NexusName, Profile, ProfileError, TooManyNexuses};
pub use reply::{Medium, Reply};
pub use spec::{InitiatorName, SCHEME, SimSpec, SpecError, TargetPort};
pub use unit::{LogicalUnit, Welcome};
