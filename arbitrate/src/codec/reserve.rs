//! RESERVE and RELEASE of SPC-2, 6 and 10 bytes (SPC-2 7.16, 7.17, 7.21, 7.22).
//!
//! Only the reservation of a whole logical unit for the nexus that asks: third-party and extent
//! reservations were withdrawn, and a request for one must never pass as a request for the other.

use super::opcode::{RELEASE_6, RELEASE_10, RESERVE_6, RESERVE_10};
use super::request::open;
use super::{Cdb, RequestError};

/// Take or give up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verb {
    /// RESERVE.
    Reserve,
    /// RELEASE.
    Release,
}

/// Length of the CDB.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Form {
    /// 6 bytes: what every target understands.
    Six,
    /// 10 bytes.
    Ten,
}

/// One RESERVE or RELEASE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Spc2Reserve {
    /// Take or give up.
    pub verb: Verb,
    /// Length of the CDB.
    pub form: Form,
}

impl Spc2Reserve {
    /// The CDB; there is no data.
    #[must_use]
    pub const fn cdb(self) -> Cdb {
        match (self.verb, self.form) {
            (Verb::Reserve, Form::Six) => Cdb::new([RESERVE_6, 0, 0, 0, 0, 0]),
            (Verb::Release, Form::Six) => Cdb::new([RELEASE_6, 0, 0, 0, 0, 0]),
            (Verb::Reserve, Form::Ten) => Cdb::new([RESERVE_10, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (Verb::Release, Form::Ten) => Cdb::new([RELEASE_10, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        }
    }

    /// Reads a CDB.
    ///
    /// # Errors
    /// [`RequestError`] for another command and for a third-party or extent reservation.
    pub fn parse(cdb: &Cdb) -> Result<Self, RequestError> {
        const THIRD_PARTY: u8 = 0x10;
        const LONG_ID: u8 = 0x02;
        const EXTENT: u8 = 0x01;
        let (verb, form, len, name) = match cdb.opcode() {
            RESERVE_6 => (Verb::Reserve, Form::Six, 6, "RESERVE(6)"),
            RELEASE_6 => (Verb::Release, Form::Six, 6, "RELEASE(6)"),
            RESERVE_10 => (Verb::Reserve, Form::Ten, 10, "RESERVE(10)"),
            RELEASE_10 => (Verb::Release, Form::Ten, 10, "RELEASE(10)"),
            other => return Err(RequestError::OpCode(other)),
        };
        let b = open(cdb, cdb.opcode(), len, name)?;
        let refused = match form {
            Form::Six => THIRD_PARTY | EXTENT,
            Form::Ten => THIRD_PARTY | LONG_ID | EXTENT,
        };
        if b[1] & refused != 0 {
            return Err(RequestError::CdbField { what: "third-party or extent reservation", byte: 1 });
        }
        Ok(Self { verb, form })
    }
}
