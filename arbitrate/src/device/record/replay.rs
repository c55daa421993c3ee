//! A recording, read again and run against another device: where do the two first part?
//!
//! Compared are status, sense (key and codes, whatever its format), data and residual. Who a device says it
//! is (INQUIRY, REPORT LUNS) is not compared beyond the status, and READ FULL STATUS without its TransportIDs
//! and ports: another device has others. Must never guess: what the recording does not tell (a command
//! without an answer) is said.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead};
use std::time::Duration;

use super::line::{Answer, Command, Delivery, Line, LineError, NexusLine, Reset, ResetEnd};
use crate::clock::now;
use crate::codec::block::{Capacity10, Capacity16};
use crate::codec::opcode::{self, INQUIRY, READ_CAPACITY_10, READ_CAPACITY_16, SERVICE_ACTION_IN_16};
use crate::codec::pr::{FullStatus, InAction, PERSISTENT_RESERVE_IN};
use crate::codec::vpd::{PAGE_SERIAL, UnitSerialNumber};
use crate::codec::{Cdb, Sense, Status};
use crate::device::{Data, Escalate, Request, ScsiDevice};

/// REPORT LUNS (SPC-4 6.33).
const REPORT_LUNS: u8 = 0xa0;

/// A recording, checked as a whole; each line with its number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    lines: Vec<(usize, Line)>,
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line that is none.
    #[error("line {number}: {why}")]
    Line {
        /// Its number, from 1.
        number: usize,
        /// What is wrong.
        why: LineError,
    },
    /// A line about a nexus that no line before it introduced.
    #[error("line {number}: nexus '{nexus}' was never opened in this recording: is its beginning missing?")]
    UnknownNexus {
        /// The line's number, from 1.
        number: usize,
        /// The nexus.
        nexus: String,
    },
    /// Nothing in it.
    #[error("it holds no line at all")]
    Empty,
}

/// What is believed of a command that was sent and has no answer in the recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unanswered {
    /// It was executed.
    Executed,
    /// It was not.
    NotExecuted,
}

/// What came of a replay.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Replayed {
    /// Commands sent again.
    pub commands: usize,
    /// Resets done again.
    pub resets: usize,
    /// Commands that were not executed in the recording (not sent, BUSY, TASK SET FULL): passed over.
    pub passed_over: usize,
    /// Commands without an answer, treated as was believed of them.
    pub unanswered: usize,
    /// Where the two first part.
    pub difference: Option<Difference>,
}

/// Where a recording and a device part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Line of the recording, from 1.
    pub line: usize,
    /// By which nexus.
    pub nexus: String,
    /// What was done.
    pub what: String,
    /// What differs.
    pub field: &'static str,
    /// In the recording.
    pub recorded: String,
    /// On the device.
    pub replayed: String,
}

impl Script {
    /// Reads and checks a recording.
    ///
    /// # Errors
    /// [`ReadError`], with the number of the line.
    pub fn read(from: impl BufRead) -> Result<Self, ReadError> {
        let mut lines = Vec::new();
        let mut known = std::collections::BTreeSet::new();
        for (i, text) in from.lines().enumerate() {
            let number = i + 1;
            let line = Line::parse(&text?).map_err(|why| ReadError::Line { number, why })?;
            if let Line::Nexus(n) = &line {
                known.insert(n.nexus.clone());
            } else if !known.contains(line.nexus()) {
                return Err(ReadError::UnknownNexus { number, nexus: line.nexus().to_owned() });
            }
            lines.push((number, line));
        }
        if lines.is_empty() { Err(ReadError::Empty) } else { Ok(Self { lines }) }
    }

    fn answers(&self) -> impl Iterator<Item = (Cdb, &[u8])> {
        self.lines.iter().filter_map(|(_, l)| match l {
            Line::Command(c) if c.answer.status == Some(Status::GOOD.0) => {
                c.cdb().map(|cdb| (cdb, c.answer.data.as_slice()))
            }
            _ => None,
        })
    }

    /// Number and length of the blocks, where the recording tells (READ CAPACITY).
    #[must_use]
    pub fn capacity(&self) -> Option<(u64, u32)> {
        self.answers().find_map(|(cdb, data)| match cdb.opcode() {
            READ_CAPACITY_10 => {
                let c = Capacity10::parse(data).ok()?;
                Some((c.blocks()?, c.block_len_bytes))
            }
            SERVICE_ACTION_IN_16 if cdb.service_action() == READ_CAPACITY_16 => {
                let c = Capacity16::parse(data).ok()?;
                Some((c.blocks(), c.block_len_bytes))
            }
            _ => None,
        })
    }

    /// The serial number, where the recording tells (INQUIRY, page 80h).
    #[must_use]
    pub fn serial(&self) -> Option<String> {
        self.answers().find_map(|(cdb, data)| {
            let b = cdb.as_bytes();
            let asked = cdb.opcode() == INQUIRY && b.get(1) == Some(&1) && b.get(2) == Some(&PAGE_SERIAL);
            UnitSerialNumber::parse(data).ok().filter(|_| asked).map(|s| s.to_string())
        })
    }

    /// Runs it on the devices that `open` gives for its nexuses, each asked for once and when the recording
    /// comes to it, up to the first difference.
    ///
    /// # Errors
    /// What `open` says.
    pub fn replay<E>(
        &self,
        unanswered: Unanswered,
        mut open: impl FnMut(&NexusLine) -> Result<Box<dyn ScsiDevice>, E>,
    ) -> Result<Replayed, E> {
        let mut devices = BTreeMap::new();
        let mut done = Replayed::default();
        for (line, l) in &self.lines {
            // Not before: who is known decides who is told of a reset, and what ALL_TG_PT covers.
            if let Line::Nexus(n) = l
                && !devices.contains_key(n.nexus.as_str())
            {
                devices.insert(n.nexus.as_str(), open(n)?);
            }
            // Checked when it was read.
            let Some(device) = devices.get_mut(l.nexus()) else { continue };
            let parted = match l {
                Line::Nexus(_) => None,
                Line::Command(c) => command(c, device.as_mut(), unanswered, &mut done),
                Line::Reset(r) => reset(r, device.as_mut(), &mut done),
            };
            if let Some(Parted { what, field, recorded, replayed }) = parted {
                let nexus = l.nexus().to_owned();
                done.difference = Some(Difference { line: *line, nexus, what, field, recorded, replayed });
                break;
            }
        }
        Ok(done)
    }
}

struct Parted {
    what: String,
    field: &'static str,
    recorded: String,
    replayed: String,
}

/// How long a command may take: a disk with faults may swallow it.
const PATIENCE: Duration = Duration::from_secs(30);

fn command(
    c: &Command,
    device: &mut dyn ScsiDevice,
    unanswered: Unanswered,
    done: &mut Replayed,
) -> Option<Parted> {
    let cdb = c.cdb()?;
    let busy = [Status::BUSY, Status::TASK_SET_FULL, Status::ACA_ACTIVE].map(|s| Some(s.0));
    match c.answer.delivery {
        Delivery::NotSent | Delivery::DeviceLost => {
            done.passed_over += 1;
            return None;
        }
        Delivery::Answered if busy.contains(&c.answer.status) => {
            done.passed_over += 1;
            return None;
        }
        Delivery::Lost | Delivery::Outstanding => {
            done.unanswered += 1;
            if unanswered == Unanswered::NotExecuted {
                return None;
            }
        }
        Delivery::Answered => {}
    }
    let mut room = vec![0; c.room];
    let data = match (c.room, c.out.as_slice()) {
        (0, []) => Data::None,
        (0, out) => Data::Out(out),
        _ => Data::In(&mut room),
    };
    let completion = device.execute(Request { cdb, data, deadline: now() + PATIENCE });
    done.commands += 1;
    if c.answer.delivery != Delivery::Answered {
        return None;
    }
    let residual = usize::try_from(completion.residual).unwrap_or(usize::MAX);
    let got = room.get(..c.room.saturating_sub(residual)).unwrap_or_default();
    let (field, recorded, replayed) = differ(&cdb, &c.answer, &Answer::of(&completion, got))?;
    Some(Parted { what: format!("{} [{cdb:?}]", opcode::name(&cdb)), field, recorded, replayed })
}

fn reset(r: &Reset, device: &mut dyn ScsiDevice, done: &mut Replayed) -> Option<Parted> {
    if r.end == ResetEnd::Unsupported {
        done.passed_over += 1;
        return None;
    }
    let escalate = if r.escalate { Escalate::Yes } else { Escalate::No };
    let end = ResetEnd::from(device.reset(r.scope.into(), escalate, now() + PATIENCE));
    done.resets += 1;
    // Whether one that failed did anything is not known.
    (r.end == ResetEnd::Done && end != r.end).then(|| Parted {
        what: format!("reset of {:?}", r.scope),
        field: "end",
        recorded: format!("{:?}", r.end),
        replayed: format!("{end:?}"),
    })
}

/// What differs first, and how.
fn differ(cdb: &Cdb, was: &Answer, is: &Answer) -> Option<(&'static str, String, String)> {
    if was.delivery != is.delivery || was.status != is.status {
        return Some(("status", status(was), status(is)));
    }
    let (a, b) = (sense(was), sense(is));
    if a != b {
        return Some(("sense", a, b));
    }
    if matches!(cdb.opcode(), INQUIRY | REPORT_LUNS) {
        return None;
    }
    if cdb.opcode() == PERSISTENT_RESERVE_IN
        && cdb.service_action() == InAction::ReadFullStatus as u8
        && let (Ok(a), Ok(b)) = (FullStatus::parse(&was.data), FullStatus::parse(&is.data))
    {
        let (a, b) = (registrations(&a), registrations(&b));
        return (a != b).then_some(("registrations", a, b));
    }
    if was.data != is.data {
        return Some(("data", Bytes(&was.data).to_string(), Bytes(&is.data).to_string()));
    }
    (was.residual != is.residual).then(|| ("residual", was.residual.to_string(), is.residual.to_string()))
}

fn status(a: &Answer) -> String {
    match a.status {
        // With its sense: that is what a reader asks next.
        Some(s) if a.sense.is_empty() => Status(s).to_string(),
        Some(s) => format!("{}, {}", Status(s), sense(a)),
        None => format!("{:?} (host {:#04x}, errno {})", a.delivery, a.host, a.errno),
    }
}

fn sense(a: &Answer) -> String {
    if a.sense.is_empty() {
        return "none".to_owned();
    }
    Sense::parse(&a.sense).map_or_else(|_| Bytes(&a.sense).to_string(), |s| s.to_string())
}

/// Keys and holders, without the TransportIDs and ports.
fn registrations(s: &FullStatus) -> String {
    let mut all: Vec<String> = s
        .registrations
        .iter()
        .map(|r| match r.holds {
            Some(kind) => format!("{} holds {}", r.key, kind.name()),
            None => r.key.to_string(),
        })
        .collect();
    all.sort();
    format!("generation {}: {}", s.generation, all.join(", "))
}

/// The bytes in hex; of many, the first.
struct Bytes<'a>(&'a [u8]);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        for b in self.0.iter().take(SHOWN) {
            write!(f, "{b:02x}")?;
        }
        let more = self.0.len().saturating_sub(SHOWN);
        if more > 0 { write!(f, "... and {more} bytes more") } else { Ok(()) }
    }
}
