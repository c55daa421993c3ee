//! `fence`, `unfence`, `clear-stale`: whose registrations stand on which devices.
//!
//! Success only where every device has proven it; otherwise each says for itself confirmed, refused or
//! unknown.

pub(super) mod args;
mod order;
mod receipt;
mod said;
mod stale;
mod unfence;
mod unit;

pub(super) use order::run as fence;
pub(super) use stale::run as clear_stale;
pub(super) use unfence::run as unfence;
