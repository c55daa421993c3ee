//! A disk that is, or is to be, a quorum device: who it is, how large, who is registered; its units.
//!
//! One command after another on the calling thread, each with a deadline. Must never decide what may be
//! written where.

use std::time::Duration;

use arbitrate::codec::block::{Access, BlockIo, Extent, Fua};
use arbitrate::codec::quorum::{BlockLen, UNIT, Units};
use arbitrate::codec::{Cdb, DecodeError};
use arbitrate::device::ScsiDevice;
use arbitrate::device::classify::Class;
use arbitrate::device::open::{OpenError, open};
use arbitrate::device::retry::Effect;
use arbitrate::key::Key;
use arbitrate::protocol::{Command, NoAnswer, Reply};
use arbitrate::runtime::executor::{Executor, Unobserved};
use arbitrate::runtime::identify::{self, identify};
use arbitrate::runtime::pacer::{Pacer, SystemPacer};

use super::content::{BEGINNING, Content, END, look};

/// Units one command moves.
const MOST_UNITS: u8 = 16;

/// Why a disk could not be looked at or used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// It could not be opened; nothing was sent.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A command that reads did not bring what it should.
    #[error("{command}: {class}")]
    Unread {
        /// Which.
        command: &'static str,
        /// What came instead.
        class: Class,
    },
    /// Keys or reservation could not be read.
    #[error("{command}: {why}")]
    NoReservations {
        /// Which.
        command: &'static str,
        /// What came instead.
        why: NoAnswer,
    },
    /// An answer or unit that makes no sense.
    #[error("{command}: {error}")]
    Nonsense {
        /// Which command.
        command: &'static str,
        /// Why.
        error: DecodeError,
    },
    /// It is too small.
    #[error("it has {have} blocks of {block_len} bytes; a quorum device needs {} bytes", BEGINNING)]
    TooSmall {
        /// Blocks.
        have: u64,
        /// Bytes of each.
        block_len: u32,
    },
    /// A WRITE that may or may not have been executed, or was in part.
    #[error("WRITE of units {first} to {last}: {class}")]
    Unwritten {
        /// The first unit.
        first: u32,
        /// The last.
        last: u32,
        /// What came back.
        class: Class,
    },
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The logical unit's best name (VPD 83h).
    pub identity: String,
    /// Vendor and product.
    pub product: String,
    /// Blocks.
    pub blocks: u64,
    /// Their length.
    pub block_len: BlockLen,
    /// Bytes.
    pub bytes: u64,
    /// Keys registered.
    pub keys: Vec<Key>,
    /// Whether a persistent reservation is in force.
    pub reserved: bool,
    /// What stands on it.
    pub content: Content,
}

/// A disk, open.
pub struct Disk {
    device: Box<dyn ScsiDevice>,
    /// For one command.
    timeout: Duration,
}

impl Disk {
    /// Opens it. Each command gets `timeout`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(spec: &str, timeout: Duration) -> Result<Self, OpenError> {
        Ok(Self::new(open(spec)?, timeout))
    }

    /// Takes an open one.
    #[must_use]
    pub fn new(device: Box<dyn ScsiDevice>, timeout: Duration) -> Self {
        Self { device, timeout }
    }

    /// Looks at it; sends nothing that changes anything.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn survey(&mut self) -> Result<Survey, DiskError> {
        let timeout = self.timeout;
        let mut unobserved = Unobserved;
        let mut on = Executor::new(self.device.as_mut(), &mut unobserved);
        let mut pacer = SystemPacer::deaf();
        let who = identify(&mut on, timeout, &mut pacer)
            .map_err(|e| DiskError::Unread { command: e.command, class: e.class })?;
        let (keys, reserved) = registrations(&mut on, timeout, &mut pacer)?;
        let (blocks, block_len, block_bytes) = capacity(&mut on, timeout, &mut pacer)?;
        let bytes = blocks.saturating_mul(u64::from(block_bytes));
        let mut beginning = vec![0; BEGINNING];
        read(&mut on, 0, block_bytes, &mut beginning, timeout, &mut pacer)?;
        let (from, len) = end_of(bytes);
        let mut end = vec![0; len];
        read(&mut on, from / u64::from(block_bytes), block_bytes, &mut end, timeout, &mut pacer)?;
        let content = look(&beginning, &end, bytes);
        Ok(Survey {
            identity: who.name,
            product: who.product,
            blocks,
            block_len,
            bytes,
            keys,
            reserved,
            content,
        })
    }

    /// Reads its first [`BEGINNING`] bytes.
    ///
    /// # Errors
    /// [`DiskError::Unread`].
    pub fn beginning(&mut self, block_len: BlockLen) -> Result<Vec<u8>, DiskError> {
        let mut unobserved = Unobserved;
        let mut on = Executor::new(self.device.as_mut(), &mut unobserved);
        let mut into = vec![0; BEGINNING];
        read(&mut on, 0, block_len.bytes(), &mut into, self.timeout, &mut SystemPacer::deaf())?;
        Ok(into)
    }

    /// Writes whole units, to the medium, from unit `first` on.
    ///
    /// # Errors
    /// [`DiskError::Unwritten`]: how much of it was written is then open.
    pub fn write(&mut self, first: u32, block_len: BlockLen, data: &[u8]) -> Result<(), DiskError> {
        let mut unobserved = Unobserved;
        let mut on = Executor::new(self.device.as_mut(), &mut unobserved);
        let mut pacer = SystemPacer::deaf();
        let mut at = first;
        for part in data.chunks(usize::from(MOST_UNITS) * UNIT) {
            let count = u8::try_from(part.len() / UNIT).unwrap_or(MOST_UNITS);
            let units = Units { first: at, count };
            let deadline = pacer.now() + self.timeout;
            let ended = on.write(units.write_cdb(block_len), part, Effect::Changes, deadline, &mut pacer);
            let last = at + u32::from(count) - 1;
            if ended.class != Class::Good {
                return Err(DiskError::Unwritten { first: at, last, class: ended.class });
            }
            at = last + 1;
        }
        Ok(())
    }
}

/// Where the end begins, at a whole unit, and its length: the last unit may be cut short.
fn end_of(bytes: u64) -> (u64, usize) {
    let unit = u64::try_from(UNIT).unwrap_or(u64::MAX);
    let from = (bytes / unit).saturating_sub(u64::try_from(END / UNIT).unwrap_or(u64::MAX)) * unit;
    (from, usize::try_from(bytes - from).unwrap_or(END))
}

fn registrations(
    on: &mut Executor<'_>,
    timeout: Duration,
    pacer: &mut dyn Pacer,
) -> Result<(Vec<Key>, bool), DiskError> {
    let none = |command| move |why| DiskError::NoReservations { command, why };
    let deadline = pacer.now() + timeout;
    let keys = match on.run(&Command::ReadKeys, deadline, pacer) {
        Reply::Keys(k) => k.iter().collect(),
        other => return Err(none("READ KEYS")(other.why())),
    };
    let deadline = pacer.now() + timeout;
    match on.run(&Command::ReadReservation, deadline, pacer) {
        Reply::Reservation(r) => Ok((keys, r.holder.is_some())),
        other => Err(none("READ RESERVATION")(other.why())),
    }
}

fn capacity(
    on: &mut Executor<'_>,
    timeout: Duration,
    pacer: &mut dyn Pacer,
) -> Result<(u64, BlockLen, u32), DiskError> {
    const WHAT: &str = "READ CAPACITY(16)";
    let c =
        identify::capacity(on, timeout, pacer).map_err(|class| DiskError::Unread { command: WHAT, class })?;
    let block_len =
        BlockLen::new(c.block_len_bytes).map_err(|error| DiskError::Nonsense { command: WHAT, error })?;
    if !block_len.fits(c.blocks()) {
        return Err(DiskError::TooSmall { have: c.blocks(), block_len: c.block_len_bytes });
    }
    Ok((c.blocks(), block_len, c.block_len_bytes))
}

/// Fills `into` from block `from` on.
fn read(
    on: &mut Executor<'_>,
    from: u64,
    block_bytes: u32,
    into: &mut [u8],
    timeout: Duration,
    pacer: &mut dyn Pacer,
) -> Result<(), DiskError> {
    let mut lba = from;
    for part in into.chunks_mut(usize::from(MOST_UNITS) * UNIT) {
        let blocks = u32::try_from(part.len()).unwrap_or(0) / block_bytes;
        let deadline = pacer.now() + timeout;
        let (ended, data) = on.read(read_cdb(lba, blocks), part.len(), deadline, pacer);
        part.copy_from_slice(whole("READ", ended.class, data, part.len())?);
        lba += u64::from(blocks);
    }
    Ok(())
}

fn read_cdb(lba: u64, blocks: u32) -> Cdb {
    BlockIo { access: Access::Read, extent: Extent::new(lba, blocks), fua: Fua::No }.cdb()
}

/// A short answer is no answer: what was not read must not pass for zeros.
fn whole<'a>(
    command: &'static str,
    class: Class,
    data: &'a [u8],
    need: usize,
) -> Result<&'a [u8], DiskError> {
    match class {
        Class::Good if data.len() == need => Ok(data),
        Class::Good => Err(DiskError::Unread { command, class: Class::Malformed }),
        class => Err(DiskError::Unread { command, class }),
    }
}
