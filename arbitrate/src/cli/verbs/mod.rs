//! The verbs that change something: look, ask, send, read back.
//!
//! Only a read-back earns exit 0. A verb never says more than the device showed.

mod act;
pub(crate) use act::{Shown, hex, look};
mod legacy;
mod line;
mod pr;
mod raw;
mod reset;

pub(crate) use legacy::{release as legacy_release, reserve as legacy_reserve};
pub(crate) use pr::{
    clear, move_registration, preempt, register, release, replace_lost, reserve, unregister,
};
pub(crate) use raw::run as raw;
pub(crate) use reset::run as reset;
