//! The cluster log on a quorum device: where each record lies, and the record's bytes.
//!
//! The log's units are divided into [`AREAS`] areas, one for each epoch in turn, so that a late write of a deposed
//! leader lands where nobody looks any more. An area has two halves, used in turn by *generations*: a
//! generation begins with a checkpoint, the whole state, and goes on with entries, each one step from it.
//! When a half is full the next generation begins in the other one, and the full one stays as it is until then.
//!
//! Every record is written twice, side by side, by one command: so a record that was confirmed survives the loss
//! of either copy, and a record of which no copy is whole was never confirmed, or is lost to two faults
//! (see [`Segment`], which tells the two apart where that is possible).
//!
//! Pure. Must never show a record of another epoch, generation or cluster.

mod segment;
#[cfg(test)]
mod tests;

use super::seal::{BODY, Kind, Opened, open, seal};
use super::{ClusterUuid, Epoch, UNIT, Units};
use crate::codec::DecodeError;
use crate::codec::bytes::{be16, be32, be64, u8_at};

pub use segment::{Segment, Unusable, newest_of};

/// Areas of the log; epochs that lie so far apart share one.
pub const AREAS: u32 = 8;
/// Bytes of what a record carries, at most.
pub const MAX_PAYLOAD: usize = UNIT - BODY - 4 - HEAD;
/// Bytes of both copies of a record.
pub const RECORD_LEN: usize = 2 * UNIT;

const HEAD: usize = 32;
/// Units of a half, at most: one reader holds a half in memory.
const MOST_UNITS: usize = 512;
const COPIES: u8 = 2;
const KIND: Kind = Kind { letters: *b"LOGR", name: "log record" };

/// How a device's log is divided.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Layout {
    half_units: u32,
}

/// Where a record stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// The epoch it was written in.
    pub epoch: Epoch,
    /// Which checkpoint of that epoch it belongs to.
    pub generation: u32,
    /// Its number in the generation.
    pub index: u32,
}

/// What a record is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Part {
    /// A part of the checkpoint the generation begins with.
    Checkpoint {
        /// How many parts it has, from 1.
        of: u8,
    },
    /// One step.
    Entry,
}

/// One record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogRecord<'a> {
    /// Where it stands.
    pub place: Place,
    /// How many steps led here: a checkpoint has the number of the last step in it, an entry its own.
    pub sequence: u64,
    /// What it is.
    pub part: Part,
    /// What it carries; [`MAX_PAYLOAD`] bytes at most.
    pub payload: &'a [u8],
}

impl Layout {
    /// The layout on a device of so many units; `None` where it is too small for a log.
    #[must_use]
    pub fn new(device_units: u64) -> Option<Self> {
        if device_units < super::MIN_UNITS {
            return None;
        }
        let halves = u64::from(AREAS) * 2;
        let half = device_units.saturating_sub(u64::from(Units::LOG_BEGINS)) / halves;
        // Whole records only.
        let half =
            half.min(u64::try_from(MOST_UNITS).unwrap_or(u64::MAX)) / u64::from(COPIES) * u64::from(COPIES);
        u32::try_from(half).ok().map(|half_units| Self { half_units })
    }

    /// Records a half holds.
    #[must_use]
    pub const fn records(self) -> u32 {
        self.half_units / 2
    }

    /// Bytes of a half.
    #[must_use]
    pub fn half_len(self) -> usize {
        usize::try_from(self.half_units).unwrap_or(0) * UNIT
    }

    /// The first unit of the half a generation of an epoch is written to.
    #[must_use]
    pub fn half(self, epoch: Epoch, generation: u32) -> u32 {
        let area = u32::try_from(epoch.0 % u64::from(AREAS)).unwrap_or(0);
        Units::LOG_BEGINS + (area * 2 + generation % 2) * self.half_units
    }

    /// The first unit of every half.
    pub fn halves(self) -> impl Iterator<Item = u32> {
        (0..AREAS * 2).map(move |n| Units::LOG_BEGINS + n * self.half_units)
    }

    /// Both copies of the record at `place`; `None` beyond the half.
    #[must_use]
    pub fn units(self, place: Place) -> Option<Units> {
        let fits = place.index < self.records();
        let first = self.half(place.epoch, place.generation) + place.index.checked_mul(2)?;
        fits.then_some(Units { first, count: COPIES })
    }
}

impl LogRecord<'_> {
    /// Both copies. A payload too long is refused.
    #[must_use]
    pub fn emit(&self, uuid: ClusterUuid) -> Option<[u8; RECORD_LEN]> {
        let mut body = [0; HEAD + MAX_PAYLOAD];
        let (kind, of) = match self.part {
            Part::Checkpoint { of } => (1, of),
            Part::Entry => (2, 0),
        };
        body[..8].copy_from_slice(&self.place.epoch.0.to_be_bytes());
        body[8..12].copy_from_slice(&self.place.generation.to_be_bytes());
        body[12..16].copy_from_slice(&self.place.index.to_be_bytes());
        body[16..24].copy_from_slice(&self.sequence.to_be_bytes());
        (body[24], body[25]) = (kind, of);
        let len = u16::try_from(self.payload.len()).ok()?;
        body[26..28].copy_from_slice(&len.to_be_bytes());
        body.get_mut(HEAD..HEAD + self.payload.len())?.copy_from_slice(self.payload);
        let copy = seal(KIND, uuid, &body);
        let mut both = [0; RECORD_LEN];
        both[..UNIT].copy_from_slice(&copy);
        both[UNIT..].copy_from_slice(&copy);
        Some(both)
    }
}

impl<'a> LogRecord<'a> {
    /// Reads one copy; `None` where nothing of this cluster was ever written.
    ///
    /// # Errors
    /// [`DecodeError`] for a unit that is damaged.
    pub fn parse(b: &'a [u8], uuid: ClusterUuid) -> Result<Option<Self>, DecodeError> {
        const WHAT: &str = KIND.name;
        let body = match open(KIND, b)? {
            Opened::Whole(whose, body) if whose == uuid => body,
            // Left by an earlier formatting.
            Opened::Blank | Opened::Whole(..) => return Ok(None),
        };
        let place = Place {
            epoch: Epoch(be64(body, 0, WHAT)?),
            generation: be32(body, 8, WHAT)?,
            index: be32(body, 12, WHAT)?,
        };
        let part = match (u8_at(body, 24, WHAT)?, u8_at(body, 25, WHAT)?) {
            (1, of @ 1..) => Part::Checkpoint { of },
            (2, 0) => Part::Entry,
            (kind, _) => return Err(DecodeError::Value { what: WHAT, value: u64::from(kind) }),
        };
        let len = usize::from(be16(body, 26, WHAT)?);
        let payload = body.get(HEAD..).and_then(|p| p.get(..len));
        let payload = payload.ok_or(DecodeError::Length { what: WHAT, claimed: len })?;
        Ok(Some(Self { place, sequence: be64(body, 16, WHAT)?, part, payload }))
    }
}
