//! An embedded logical unit: `sim:PATH?as=NAME[&port=N]`.
//!
//! | module | is |
//! |---|---|
//! | [`pr`] | the persistent-reservation state machine |
//! | [`access`] | which commands a reservation lets through |
//! | [`mod@unit`] | the whole unit: unit attentions, SPC-2 reservations, resets |
//!
//! All of these are pure: the model checker explores the structs that the programs run.

pub mod access;
mod answer;
mod attention;
mod nexus;
pub mod pr;
mod profile;
mod spec;
pub mod unit;

pub use answer::Answer;
pub use attention::Attention;
pub use nexus::NexusId;
pub use profile::{MAX_NEXUSES, NexusName, Profile, ProfileError, TooManyNexuses};
pub use spec::{InitiatorName, SCHEME, SimSpec, SpecError, TargetPort};
pub use unit::{LogicalUnit, Welcome};
