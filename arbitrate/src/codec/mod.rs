//! Bytes to typed values and back: CDBs, parameter data, sense.
//!
//! Pure: no I/O, no clock. A decoder checks every bound, believes no length the device claims beyond
//! the bytes it was given, and returns a [`DecodeError`] instead of a guess. Names follow SPC-4, SBC-3.

pub mod asc;
pub mod block;
mod bytes;
pub mod cdb;
pub mod command;
mod error;
pub mod inquiry;
pub mod opcode;
pub mod pr;
pub mod quorum;
mod request;
pub mod reserve;
pub mod sense;
pub mod status;
#[cfg(test)]
mod tests;
mod text;
pub mod vpd;

pub use cdb::Cdb;
pub use command::Command;
pub use error::DecodeError;
pub use request::RequestError;
pub use sense::{Sense, SenseKey};
pub use status::Status;
pub use text::Text;
