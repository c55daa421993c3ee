//! READ RESERVATION (SPC-4 6.15.3).

use serde::Serialize;

use super::types::{Generation, InAction, ReservationType, Scope};
use crate::codec::bytes::{be32, be64, u8_at};
use crate::codec::{Cdb, DecodeError};
use crate::key::Key;

/// Bytes of a READ RESERVATION answer with a reservation in it.
pub const READ_RESERVATION_LEN: u16 = 24;

/// READ RESERVATION.
#[must_use]
pub const fn read_reservation_cdb() -> Cdb {
    super::pr_in_cdb(InAction::ReadReservation, READ_RESERVATION_LEN)
}

/// Who holds a reservation, and of what type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
pub struct Holder {
    /// The holder's key; 0 for the types all registrants hold (SPC-4 6.15.3.2).
    pub key: Key,
    /// The type.
    pub kind: ReservationType,
}

/// A READ RESERVATION answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
pub struct ReadReservation {
    /// PRGENERATION when the answer was made.
    pub generation: Generation,
    /// The reservation, if there is one.
    pub holder: Option<Holder>,
}

impl ReadReservation {
    const WHAT: &'static str = "READ RESERVATION data";

    /// Reads the bytes the target really returned.
    ///
    /// # Errors
    /// [`DecodeError`] for missing bytes, another length than 0 or 16, or an undefined type or scope.
    pub fn parse(b: &[u8]) -> Result<Self, DecodeError> {
        let generation = Generation(be32(b, 0, Self::WHAT)?);
        let holder = match be32(b, 4, Self::WHAT)? {
            0 => None,
            16 => {
                let key = Key::from_u64(be64(b, 8, Self::WHAT)?);
                let scope_type = u8_at(b, 21, Self::WHAT)?;
                if scope_type >> 4 != Scope::LogicalUnit as u8 {
                    return Err(DecodeError::Value {
                        what: "reservation scope",
                        value: u64::from(scope_type >> 4),
                    });
                }
                Some(Holder { key, kind: ReservationType::from_code(scope_type & 0x0f)? })
            }
            n => {
                let claimed = usize::try_from(n).unwrap_or(usize::MAX);
                return Err(DecodeError::Length { what: Self::WHAT, claimed });
            }
        };
        Ok(Self { generation, holder })
    }

    /// Writes the answer (the emulator's side): 8 bytes, or 24 with a reservation.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let mut b = self.generation.0.to_be_bytes().to_vec();
        match self.holder {
            None => b.extend_from_slice(&0u32.to_be_bytes()),
            Some(h) => {
                b.extend_from_slice(&16u32.to_be_bytes());
                b.extend_from_slice(&h.key.as_u64().to_be_bytes());
                b.extend_from_slice(&[0, 0, 0, 0, 0, h.kind as u8, 0, 0]);
            }
        }
        b
    }
}
