//! The file of an embedded unit.
//!
//! | offset | bytes | holds |
//! |---|---|---|
//! | 0 | 16 | `PALISADE-SIM-002` |
//! | 4 Ki | 2 × 64 | the heads of both slots |
//! | 64 Ki | 128 Ki | slot 0: state as JSON |
//! | 192 Ki | 128 Ki | slot 1: state as JSON |
//! | 320 Ki | 8 × 64 Ki | data of commands that a fault holds back |
//! | 1 Mi | | the blocks, sparse |
//!
//! Version 001 is the same without faults and commands held back: it is read as 002, and becomes it when it
//! is opened for use, so that a program that knows 001 only does not pass faults over.
//!
//! A head is, big-endian: sequence number (8), length of the state in bytes (4), 4 zeros, FNV-1a 64 of
//! the state (8), FNV-1a 64 of the preceding 24 bytes (8), zeros. State number n lives in slot n mod 2,
//! and the whole head with the larger number names the state in force.
//!
//! Invariant: the state in force is never written to. A new one goes into the other slot, then that
//! slot's head is written: a process killed at any moment leaves one of the two. (Against a crash of the
//! whole machine nothing is promised: nothing is synced, as a lesson or a test needs speed.) Must never
//! believe a slot whose checksum does not fit.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use super::faults::Faults;
use super::profile::{MAX_NEXUSES, Profile};
use super::tasks::{MAX_TASKS, Task, Tasks};
use super::unit::LogicalUnit;
use crate::device::MAX_TRANSFER;

/// How a file of ours begins, whatever its version.
const FAMILY: &[u8; 13] = b"PALISADE-SIM-";
const MAGIC: &[u8; 16] = b"PALISADE-SIM-002";
const MAGIC_001: &[u8; 16] = b"PALISADE-SIM-001";
const HEADS_AT: u64 = 4096;
const HEAD: usize = 64;
const SLOTS_AT: [u64; 2] = [64 * 1024, 192 * 1024];
/// Where the data of held-back commands is, one area of [`MAX_TRANSFER`] each.
const DATA_AT: u64 = 320 * 1024;
const _: () = assert!(DATA_AT + (MAX_TASKS * MAX_TRANSFER) as u64 <= BLOCKS_AT);
/// Bytes a state may have. 256 nexuses, 128 registrations, every attention that commands cause pending,
/// faults and held-back commands need about 90 Ki. One that is larger is not stored.
pub(super) const SLOT: usize = 128 * 1024;
/// Where the blocks begin.
pub(super) const BLOCKS_AT: u64 = 1024 * 1024;

/// All that is kept of a unit besides its blocks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) profile: Profile,
    pub(super) unit: LogicalUnit,
    #[serde(default)]
    pub(super) faults: Faults,
    #[serde(default)]
    pub(super) tasks: Tasks,
}

impl State {
    pub(super) fn new(profile: Profile, unit: LogicalUnit) -> Self {
        Self { profile, unit, faults: Faults::default(), tasks: Tasks::default() }
    }

    /// No faults, and no command that one holds back.
    pub(super) fn is_calm(&self) -> bool {
        self.faults.is_empty() && self.tasks.is_empty()
    }
}

/// Names one state: two that differ have different heads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) sequence: u64,
    length: u32,
    checksum: u64,
}

/// Why there is no state to be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is no embedded disk (it does not begin with PALISADE-SIM)")]
    NotOurs,
    #[error("it is an embedded disk of another version of this program")]
    OtherVersion,
    #[error("both copies of its state are damaged")]
    BothDamaged,
    #[error("its state is not one a unit can be in: {0}")]
    Unsound(String),
}

/// A state that was not stored.
#[derive(Debug)]
pub(super) enum WriteError {
    /// The old state is in force.
    Nothing(io::Error),
    /// Old or new: the head may have been written.
    Unknown(io::Error),
}

/// Where a state is stored: the file, or what a test puts in its place to see the order of the writes.
pub(super) trait Store {
    fn put(&self, b: &[u8], at: u64) -> io::Result<()>;
}

impl Store for File {
    fn put(&self, b: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(b, at)
    }
}

/// Checks that the file is ours.
pub(super) fn check_magic(file: &File) -> Result<(), ReadError> {
    let mut magic = [0; MAGIC.len()];
    match file.read_exact_at(&mut magic, 0) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(ReadError::NotOurs),
        Err(e) => Err(e.into()),
        Ok(()) if magic == *MAGIC || magic == *MAGIC_001 => Ok(()),
        Ok(()) if magic.starts_with(FAMILY) => Err(ReadError::OtherVersion),
        Ok(()) => Err(ReadError::NotOurs),
    }
}

/// Makes an older file one of this version; the lock is held.
pub(super) fn raise_version(file: &File) -> io::Result<()> {
    let mut magic = [0; MAGIC.len()];
    file.read_exact_at(&mut magic, 0)?;
    if magic == *MAGIC_001 { file.write_all_at(MAGIC, 0) } else { Ok(()) }
}

/// Keeps what was sent with a command that is held back.
pub(super) fn write_data(file: &File, t: &Task, sent: &[u8]) -> io::Result<()> {
    file.write_all_at(sent, data_at(t))
}

/// What was sent with a command that was held back; none if it is no longer that.
pub(super) fn read_data(file: &File, t: &Task) -> io::Result<Option<Vec<u8>>> {
    let mut b = vec![0; usize::try_from(t.sent).unwrap_or(usize::MAX).min(MAX_TRANSFER)];
    file.read_exact_at(&mut b, data_at(t))?;
    Ok((fnv(&b) == t.sum).then_some(b))
}

fn data_at(t: &Task) -> u64 {
    DATA_AT + u64::from(t.area) * MAX_TRANSFER as u64
}

/// The state in force, or `None` if that is still `known`: then one small read was all.
pub(super) fn read(
    file: &File,
    known: Option<Head>,
    buffer: &mut Vec<u8>,
) -> Result<Option<(Head, State)>, ReadError> {
    let mut heads = heads(file)?;
    heads.sort_unstable_by_key(|h| std::cmp::Reverse(h.map_or(0, |h| h.sequence)));
    if heads[0].is_some() && heads[0] == known {
        return Ok(None);
    }
    for head in heads.into_iter().flatten() {
        if let Some(state) = slot(file, head, buffer)? {
            return Ok(Some((head, state)));
        }
    }
    Err(ReadError::BothDamaged)
}

fn heads(file: &File) -> Result<[Option<Head>; 2], ReadError> {
    let mut b = [0; 2 * HEAD];
    match file.read_exact_at(&mut b, HEADS_AT) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Err(ReadError::BothDamaged),
        other => other?,
    }
    let (chunks, _) = b.as_chunks::<HEAD>();
    let parse = |i: usize| chunks.get(i).and_then(Head::parse).filter(|h| h.slot() == i);
    Ok([parse(0), parse(1)])
}

/// The state a head names, unless the slot is damaged.
fn slot(file: &File, head: Head, buffer: &mut Vec<u8>) -> Result<Option<State>, ReadError> {
    let Some(length) = usize::try_from(head.length).ok().filter(|n| *n <= SLOT) else { return Ok(None) };
    buffer.clear();
    buffer.resize(length, 0);
    match file.read_exact_at(buffer, SLOTS_AT[head.slot()]) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    if fnv(buffer) != head.checksum {
        return Ok(None);
    }
    // Past the checksum this is what somebody wrote on purpose. Falling back would lose registrations
    // silently, so it is an error.
    let state: State = serde_json::from_slice(buffer).map_err(|e| ReadError::Unsound(e.to_string()))?;
    state.profile.check().map_err(|e| ReadError::Unsound(e.to_string()))?;
    let named = state.profile.nexuses().len();
    let sound = state.unit.is_sound() && state.tasks.is_sound(named);
    if !sound || state.unit.known() > named || named > MAX_NEXUSES {
        return Err(ReadError::Unsound("a holder that is not registered, or the like".to_owned()));
    }
    Ok(Some(state))
}

/// Stores `state` as the successor of `head`.
pub(super) fn write(
    file: &impl Store,
    head: Head,
    state: &State,
    buffer: &mut Vec<u8>,
) -> Result<Head, WriteError> {
    buffer.clear();
    serde_json::to_writer(&mut *buffer, state).map_err(|e| WriteError::Nothing(e.into()))?;
    let next = Head {
        sequence: head.sequence.saturating_add(1),
        length: u32::try_from(buffer.len()).unwrap_or(u32::MAX),
        checksum: fnv(buffer),
    };
    if buffer.len() > SLOT {
        return Err(WriteError::Nothing(io::ErrorKind::FileTooLarge.into()));
    }
    file.put(buffer, SLOTS_AT[next.slot()]).map_err(WriteError::Nothing)?;
    let at = HEADS_AT + if next.slot() == 0 { 0 } else { HEAD as u64 };
    file.put(&next.emit(), at).map_err(WriteError::Unknown)?;
    Ok(next)
}

/// Lays out a new file. Both slots are filled, so that a full file system can't stop a later state.
pub(super) fn format(file: &File, state: &State) -> io::Result<()> {
    file.write_all_at(&vec![0; 2 * SLOT], SLOTS_AT[0])?;
    let none = Head { sequence: 0, length: 0, checksum: 0 };
    match write(file, none, state, &mut Vec::new()) {
        Ok(_) => {}
        Err(WriteError::Nothing(e) | WriteError::Unknown(e)) => return Err(e),
    }
    file.set_len(BLOCKS_AT + state.profile.bytes())?;
    file.write_all_at(MAGIC, 0)
}

impl Head {
    /// Which slot this state lives in.
    fn slot(self) -> usize {
        usize::from(!self.sequence.is_multiple_of(2))
    }

    fn parse(b: &[u8; HEAD]) -> Option<Self> {
        let word = |at: usize| b[at..].first_chunk().map(|w| u64::from_be_bytes(*w));
        let length = b[8..].first_chunk().map(|w| u32::from_be_bytes(*w))?;
        let head = Self { sequence: word(0)?, length, checksum: word(16)? };
        (word(24)? == fnv(&b[..24])).then_some(head)
    }

    fn emit(self) -> [u8; HEAD] {
        let mut b = [0; HEAD];
        b[..8].copy_from_slice(&self.sequence.to_be_bytes());
        b[8..12].copy_from_slice(&self.length.to_be_bytes());
        b[16..24].copy_from_slice(&self.checksum.to_be_bytes());
        let sum = fnv(&b[..24]);
        b[24..32].copy_from_slice(&sum.to_be_bytes());
        b
    }
}

/// FNV-1a, 64 bits: tells torn from whole, and one serial number from another; nobody defends against
/// forgery here.
pub(super) fn fnv(b: &[u8]) -> u64 {
    b.iter().fold(0xcbf2_9ce4_8422_2325, |h, v| (h ^ u64::from(*v)).wrapping_mul(0x0100_0000_01b3))
}
