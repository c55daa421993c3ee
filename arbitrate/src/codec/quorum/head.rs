//! The head: whose tenure it is, and whether it ended cleanly.
//!
//! A node that wins writes a new [`Tenure`] before it believes; a node that gives the device back says so
//! in a [`Mark`] that names its tenure. So a mark of the *last* tenure says: nobody has believed since.
//! A mark of an earlier one says nothing, however late it was written.

use super::seal::{Kind, Opened, open, seal};
use super::{ClusterUuid, UNIT, Units};
use crate::codec::DecodeError;
use crate::codec::bytes::be64;
use crate::key::Key;

/// Bytes of the head: two tenures and the mark.
pub const HEAD_LEN: usize = 3 * UNIT;

const TENURE: Kind = Kind { letters: *b"TENU", name: "tenure" };
const MARK: Kind = Kind { letters: *b"MARK", name: "clean-release mark" };

/// Counts the tenures of a device: one more at every change of its owner.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Epoch(pub u64);

/// Who owns the device, or owned it last.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tenure {
    /// Which.
    pub epoch: Epoch,
    /// The settled key it is held under; 0 after formatting.
    pub key: Key,
}

/// Says that a tenure ended cleanly: its holder had stopped believing when this was written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Mark {
    /// The tenure that ended.
    pub of: Tenure,
}

/// One unit to write.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Record {
    /// A tenure begins.
    Tenure(Tenure),
    /// It ended cleanly.
    Mark(Mark),
}

/// The head as it was read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Head {
    /// The last tenure.
    pub tenure: Tenure,
    /// The mark, of whatever tenure; none where there is none or it is damaged.
    pub mark: Option<Mark>,
    /// A tenure's place holds something unreadable: there may have been a later one.
    pub damaged: bool,
}

impl Tenure {
    /// Before anybody owned the device.
    pub const NONE: Self = Self { epoch: Epoch(0), key: Key::from_u64(0) };

    fn body(self) -> [u8; 16] {
        let mut b = [0; 16];
        b[..8].copy_from_slice(&self.epoch.0.to_be_bytes());
        b[8..].copy_from_slice(&self.key.as_u64().to_be_bytes());
        b
    }

    fn parse(b: &[u8]) -> Result<Self, DecodeError> {
        let key = Key::from_u64(be64(b, 8, TENURE.name)?);
        Ok(Self { epoch: Epoch(be64(b, 0, TENURE.name)?), key })
    }
}

impl Record {
    /// Where it is written.
    #[must_use]
    pub const fn units(self) -> Units {
        match self {
            Self::Tenure(t) => Units::tenure(t.epoch),
            Self::Mark(_) => Units::MARK,
        }
    }

    /// The unit.
    #[must_use]
    pub fn emit(self, uuid: ClusterUuid) -> [u8; UNIT] {
        match self {
            Self::Tenure(t) => seal(TENURE, uuid, &t.body()),
            Self::Mark(m) => seal(MARK, uuid, &m.of.body()),
        }
    }
}

impl Head {
    /// Reads the three units of [`Units::HEAD`].
    ///
    /// # Errors
    /// [`DecodeError`] where no tenure can be read, and where one is another cluster's.
    pub fn parse(b: &[u8], uuid: ClusterUuid) -> Result<Self, DecodeError> {
        let mut tenures = [None; 2];
        let mut damaged = false;
        let mut why = DecodeError::Short { what: TENURE.name, have: 0, need: UNIT };
        for (i, place) in tenures.iter_mut().enumerate() {
            match unit(TENURE, b, i * UNIT, uuid)? {
                Read::Blank => {}
                Read::Damaged(e) => (damaged, why) = (true, e),
                Read::Whole(t) => *place = Some(t),
            }
        }
        let mark = match unit(MARK, b, 2 * UNIT, uuid)? {
            Read::Whole(of) => Some(Mark { of }),
            Read::Blank | Read::Damaged(_) => None,
        };
        let head = Self::of(tenures, mark).ok_or(why)?;
        Ok(Self { damaged: head.damaged || damaged, ..head })
    }

    /// The head that whole units make: the tenures in both places, and the mark. `None` where there is no
    /// tenure.
    #[must_use]
    pub fn of(tenures: [Option<Tenure>; 2], mark: Option<Mark>) -> Option<Self> {
        let [even, odd] = tenures;
        let misplaced = |t: Option<Tenure>, parity| t.is_some_and(|t| t.epoch.0 % 2 != parity);
        let damaged = misplaced(even, 0) || misplaced(odd, 1);
        let tenure = [even, odd].into_iter().flatten().max_by_key(|t| t.epoch)?;
        Some(Self { tenure, mark, damaged })
    }

    /// Whether the last tenure ended cleanly and nobody has believed since.
    #[must_use]
    pub fn released(&self) -> bool {
        !self.damaged && self.mark == Some(Mark { of: self.tenure })
    }

    /// The tenure that follows, under `key`. Where the other place is damaged it may have held the
    /// epoch after this one: then two are left out, so that it is that place which is written.
    #[must_use]
    pub fn next(&self, key: Key) -> Tenure {
        let step = if self.damaged { 3 } else { 1 };
        Tenure { epoch: Epoch(self.tenure.epoch.0.saturating_add(step)), key }
    }
}

enum Read {
    Blank,
    Damaged(DecodeError),
    Whole(Tenure),
}

fn unit(kind: Kind, b: &[u8], at: usize, uuid: ClusterUuid) -> Result<Read, DecodeError> {
    let Some(b) = b.get(at..at + UNIT) else {
        return Err(DecodeError::Short { what: kind.name, have: b.len(), need: at + UNIT });
    };
    match open(kind, b) {
        Ok(Opened::Blank) => Ok(Read::Blank),
        Ok(Opened::Whole(whose, body)) if whose == uuid => Ok(Read::Whole(Tenure::parse(body)?)),
        Ok(Opened::Whole(other, _)) => {
            let [a, b, c, d, ..] = other.0;
            let value = u64::from(u32::from_be_bytes([a, b, c, d]));
            Err(DecodeError::Value { what: "UUID of another cluster", value })
        }
        Err(e) => Ok(Read::Damaged(e)),
    }
}
