//! One half of an area, as it was read: how much of it is whole, and what it says.

use arrayvec::ArrayVec;

use super::{LogRecord, MOST_UNITS, Part, Place, RECORD_LEN};
use crate::codec::DecodeError;
use crate::codec::quorum::{ClusterUuid, Epoch, UNIT};

/// Copies of a record.
const COPIES: usize = RECORD_LEN / UNIT;

/// A generation: its checkpoint and the entries that follow.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    bytes: &'a [u8],
    uuid: ClusterUuid,
    /// The epoch it was written in.
    pub epoch: Epoch,
    /// Which of that epoch.
    pub generation: u32,
    /// The sequence of its checkpoint.
    pub from: u64,
    /// Parts of the checkpoint.
    pub parts: u8,
    /// Records, parts included.
    pub len: u32,
    /// Records of which one copy is damaged or missing.
    pub damaged_copies: u32,
}

/// Why a half says nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unusable {
    /// Nothing of this cluster was written there.
    #[error("nothing was written here")]
    Empty,
    /// Something stands there and no record can be read: a first record cut short, as far as one can tell.
    #[error("no record can be read: {0}")]
    Unreadable(DecodeError),
    /// Its checkpoint is not complete: it was never confirmed, and what it was to replace still stands.
    #[error("the checkpoint of {} is not complete: it was never confirmed", generation(.0))]
    Unfinished(Place),
    /// Both copies of a record that was confirmed are damaged, since later ones are there.
    #[error("both copies of record {} of {} are damaged, and later records are there: it was confirmed, and it is lost", .0.index, generation(.0))]
    Hole(Place),
    /// A record is not what the one before it promises.
    #[error("record {} of {} contradicts the one before it", .0.index, generation(.0))]
    Contradiction(Place),
}

fn generation(place: &Place) -> String {
    format!("epoch {}, generation {}", place.epoch.0, place.generation)
}

/// The segment that counts among those of all halves: the newest. `None` on a device without any.
///
/// # Errors
/// The [`Unusable::Hole`] or [`Unusable::Contradiction`] of a half that is as new or newer: confirmed records are
/// lost there, and an older state must not pass for the last one.
pub fn newest_of<'a>(
    halves: impl IntoIterator<Item = Result<Segment<'a>, Unusable>>,
) -> Result<Option<Segment<'a>>, Unusable> {
    let mut best: Option<Segment<'a>> = None;
    let mut lost: Option<(Place, Unusable)> = None;
    for half in halves {
        match half {
            Ok(s) if best.is_none_or(|b| b.begins() < s.begins()) => best = Some(s),
            Err(e @ (Unusable::Hole(p) | Unusable::Contradiction(p))) => {
                let at = Place { index: 0, ..p };
                lost = lost.filter(|(l, _)| *l > at).or(Some((at, e)));
            }
            _ => {}
        }
    }
    match lost {
        Some((at, why)) if best.is_none_or(|b| b.begins() <= at) => Err(why),
        _ => Ok(best),
    }
}

/// The units of a half, each parsed once: sealing is checked over every byte, and a takeover waits for it.
struct Half<'a> {
    units: ArrayVec<Option<LogRecord<'a>>, MOST_UNITS>,
    /// Where the newest generation in it begins: what is older was there before the half was used again.
    begins: Place,
}

impl<'a> Half<'a> {
    fn parse(bytes: &'a [u8], uuid: ClusterUuid) -> Result<Self, Unusable> {
        let (mut units, mut newest, mut damage) = (ArrayVec::new(), None, None);
        for unit in bytes.chunks_exact(UNIT).take(MOST_UNITS) {
            let record = LogRecord::parse(unit, uuid).unwrap_or_else(|e| {
                damage = Some(e);
                None
            });
            newest = newest.max(record.map(|r| Place { index: 0, ..r.place }));
            units.push(record);
        }
        let begins = newest.ok_or(damage.map_or(Unusable::Empty, Unusable::Unreadable))?;
        Ok(Self { units, begins })
    }

    fn place(&self, index: u32) -> Place {
        Place { index, ..self.begins }
    }

    fn records(&self) -> u32 {
        u32::try_from(self.units.len() / COPIES).unwrap_or(u32::MAX)
    }

    /// The whole copies of a record of the newest generation.
    fn copies(&self, index: u32) -> impl Iterator<Item = LogRecord<'a>> {
        let at = usize::try_from(index).map_or(usize::MAX, |i| i.saturating_mul(COPIES));
        let place = self.place(index);
        self.units.iter().skip(at).take(COPIES).flatten().filter(move |r| r.place == place).copied()
    }

    fn record(&self, index: u32) -> Option<LogRecord<'a>> {
        self.copies(index).next()
    }
}

impl<'a> Segment<'a> {
    /// Reads a half.
    ///
    /// # Errors
    /// [`Unusable`]; [`newest_of`] knows after which of them an older generation may be believed.
    pub fn read(bytes: &'a [u8], uuid: ClusterUuid) -> Result<Self, Unusable> {
        let half = Half::parse(bytes, uuid)?;
        let (records, place) = (half.records(), |index| half.place(index));
        let len = (0..records).find(|i| half.record(*i).is_none()).unwrap_or(records);
        let first = half.record(0);
        let parts = match first.map(|r| r.part) {
            Some(Part::Checkpoint { of }) if u32::from(of) <= len => of,
            Some(Part::Entry) => return Err(Unusable::Contradiction(place(0))),
            // Entries come after the whole checkpoint was confirmed.
            _ if (len..records).any(|i| half.record(i).is_some_and(|r| r.part == Part::Entry)) => {
                return Err(Unusable::Hole(place(len)));
            }
            _ => return Err(Unusable::Unfinished(place(0))),
        };
        if (len..records).any(|i| half.record(i).is_some()) {
            return Err(Unusable::Hole(place(len)));
        }
        let Place { epoch, generation, .. } = half.begins;
        let from = first.map_or(0, |r| r.sequence);
        let mut segment = Self { bytes, uuid, epoch, generation, from, parts, len, damaged_copies: 0 };
        for index in 0..len {
            segment.damaged_copies += u32::from(half.copies(index).count() == 1);
            if !half.record(index).is_some_and(|r| segment.expects(&r)) {
                return Err(Unusable::Contradiction(place(index)));
            }
        }
        Ok(segment)
    }

    /// Whether a record is what its place promises.
    fn expects(&self, r: &LogRecord<'_>) -> bool {
        let parts = u32::from(self.parts);
        let (part, sequence) = if r.place.index < parts {
            (Part::Checkpoint { of: self.parts }, Some(self.from))
        } else {
            (Part::Entry, self.from.checked_add(u64::from(r.place.index - parts) + 1))
        };
        r.part == part && Some(r.sequence) == sequence
    }

    /// The sequence of its last record.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.from + u64::from(self.len - u32::from(self.parts))
    }

    /// Where it begins: of two segments, the greater is the newer.
    #[must_use]
    pub const fn begins(&self) -> Place {
        Place { epoch: self.epoch, generation: self.generation, index: 0 }
    }

    /// Where the next entry goes.
    #[must_use]
    pub const fn next(&self) -> Place {
        Place { epoch: self.epoch, generation: self.generation, index: self.len }
    }

    /// The checkpoint, part by part.
    pub fn checkpoint(&self) -> impl Iterator<Item = &'a [u8]> {
        self.records(0..u32::from(self.parts)).map(|r| r.payload)
    }

    /// The entries after it: their sequence, and what they carry.
    pub fn entries(&self) -> impl Iterator<Item = (u64, &'a [u8])> {
        self.records(u32::from(self.parts)..self.len).map(|r| (r.sequence, r.payload))
    }

    fn records(&self, range: std::ops::Range<u32>) -> impl Iterator<Item = LogRecord<'a>> {
        let Self { bytes, uuid, epoch, generation, .. } = *self;
        range.filter_map(move |index| {
            let at = usize::try_from(index).ok()?.checked_mul(RECORD_LEN)?;
            let both = bytes.get(at..)?.get(..RECORD_LEN)?.chunks_exact(UNIT);
            let mut whole = both.filter_map(|unit| LogRecord::parse(unit, uuid).ok().flatten());
            whole.find(|r| r.place == Place { epoch, generation, index })
        })
    }
}
