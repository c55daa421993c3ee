//! Bytes to typed values and back: CDBs, parameter data, sense.
//!
//! Pure: no I/O, no clock. A decoder checks every bound, believes no length the device claims beyond
//! the bytes it was given, and returns a [`DecodeError`] instead of a guess. Names follow SPC-4, SBC-3.

mod bytes;
pub mod cdb;
mod error;
pub mod pr;
pub mod sense;
pub mod status;

pub use cdb::Cdb;
pub use error::DecodeError;
pub use sense::{Sense, SenseKey};
pub use status::Status;
