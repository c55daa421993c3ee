//! An embedded logical unit: `sim:PATH?as=NAME[&port=N]`.
//!
//! | module | is |
//! |---|---|
//! | [`pr`] | the persistent-reservation state machine |
//! | [`access`] | which commands a reservation lets through |
//! | [`mod@unit`] | the whole unit: unit attentions, SPC-2 reservations, resets, every command |
//! | [`faults`] | what goes wrong on purpose, and when |
//! | [`SimDevice`] | the unit in a file, shared by processes |
//!
//! All but the last are pure: the model checker explores the structs that the programs run.
//!
//! # Where the standards leave room, or targets differ
//! This is what the personality `spc` does. What LIO does otherwise is the table in [`personality`]; a unit made
//! with the personality `lio` is held equal to LIO, byte for byte.
//! - A waiting unit attention goes ahead of RESERVATION CONFLICT, as on LIO; SAM-5 5.3.3 would let the
//!   conflict go ahead of all but the 29h ones.
//! - A nexus never seen before hears no power-on attention, unless the unit was made so ([`Welcome`]).
//! - CRH is 0: while anybody is registered, SPC-2 RESERVE and RELEASE conflict for everybody. While
//!   anybody holds an SPC-2 reservation, PERSISTENT RESERVE IN and OUT conflict for everybody, its holder
//!   included.
//! - RELEASE with another type than the one in force is 26/04.
//! - REGISTER of key 0 by a nexus that is not registered is GOOD and does not count in PRGENERATION.
//! - PREEMPT that names the preempter's own key removes the preempter, too, unless it names a holder's
//!   key.
//! - The preempted are told REGISTRATIONS PREEMPTED (2A/05), as the standard says.
//! - SYNCHRONIZE CACHE conflicts like a write.
//! - Commands are executed one at a time, each as a whole. PREEMPT AND ABORT, resets and power loss abort
//!   those that a fault holds back; their senders are told nothing (TAS 0).
//! - PRGENERATION is 0 after power loss whatever APTPL says (SPC-4 6.15.2).
//! - REGISTER with SPEC_I_PT where a listed nexus is registered already is 26/00 and registers nobody
//!   (SPC-4 table 67).
//! - ALL_TG_PT covers the target ports that somebody used before, and compares RESERVATION KEY at each of
//!   them. READ FULL STATUS tells one descriptor a nexus with ALL_TG_PT 0.
//! - TransportIDs are accepted in the form this unit's initiators have; those need not have been seen.
//! - While reservations are lost (see [`pr::power`]) a waiting unit attention is still told first.
//!
//! # Example
//! ```
//! use arbitrate::codec::pr::{Aptpl, PrOut};
//! use arbitrate::device::classify::{Class, classify};
//! use arbitrate::device::sim::{CreateOptions, SimDevice};
//! use arbitrate::device::{Data, Request, ScsiDevice};
//! use arbitrate::key::Key;
//! use arbitrate::time::Instant;
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("disk.img");
//! SimDevice::create(&path, &CreateOptions::default())?;
//! let mut disk = SimDevice::open(&format!("sim:{}?as=node-1", path.display()))?;
//!
//! let register = PrOut::register(Key::default(), "a1".parse()?, Aptpl::No);
//! let done = disk.execute(Request {
//!     cdb: register.basic_cdb(),
//!     data: Data::Out(&register.list.emit()),
//!     deadline: Instant::from_nanos(u64::MAX),
//! });
//! assert_eq!(classify(&done), Class::Good);
//! assert_eq!(SimDevice::show(&path)?.unit.reservations().keys().len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod access;
mod answer;
mod attention;
mod cache;
mod commands;
mod disk;
mod error;
pub mod faults;
mod file;
mod inject;
mod lock;
mod make;
mod medium;
mod nexus;
pub mod personality;
pub mod pr;
mod profile;
mod reply;
mod spec;
mod tasks;
#[cfg(test)]
mod tests;
mod trouble;
pub mod unit;

pub use answer::Answer;
pub use attention::Attention;
pub use disk::SimDevice;
pub use error::SimError;
pub use inject::Happening;
pub use make::{CreateOptions, Existing, Snapshot, Waiting};
pub use nexus::NexusId;
pub use personality::Personality;
pub use profile::{MAX_NEXUSES, NexusName, Profile, ProfileError, TooManyNexuses};
pub use reply::{Medium, Reply};
pub use spec::{InitiatorName, SCHEME, SimSpec, SpecError, TargetPort};
pub use unit::{LogicalUnit, Welcome};
