//! What lies between a node and the unit: how long a command is under way, and what becomes of it.

use std::fmt;
use std::time::Duration;

use arbitrate::codec::{Cdb, Sense, SenseKey, Status, opcode};
use arbitrate::device::sim::Reply;
use arbitrate::device::{Completion, Delivery, SenseBytes, TransportError};

use crate::chance::Chance;
use crate::judge::Issued;

/// A command as it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) cdb: Cdb,
    pub(crate) out: Vec<u8>,
    /// Bytes of room for its answer.
    pub(crate) room: usize,
    /// Bytes of its data phase, either way.
    pub(crate) asked: usize,
    /// A write of the application, issued then.
    pub(crate) write_issued: Option<Issued>,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", opcode::name(&self.cdb))?;
        let key =
            |at: usize| self.out.get(at..at + 8).map(|b| b.iter().map(|v| format!("{v:02x}")).collect());
        match (self.write_issued, key(0), key(8)) {
            (None, Some::<String>(own), Some::<String>(target)) => write!(f, " {own} {target}"),
            _ => Ok(()),
        }
    }
}

/// What becomes of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    /// Nanoseconds until it reaches the unit; never.
    pub(crate) arrives_after: Option<u64>,
    /// Whether the unit executes it then.
    pub(crate) executed: bool,
    /// What is answered, whatever the unit says.
    pub(crate) instead: Option<Completion>,
    /// Nanoseconds until the answer reaches the node; never.
    pub(crate) answered_after: Option<u64>,
    /// Nanoseconds until the host gives it up where it brings no answer.
    pub(crate) forgotten_after: u64,
}

/// How it is between a node and the unit just now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Weather {
    /// A command is answered.
    Fair,
    /// Something becomes of it.
    Foul,
    /// Nothing arrives.
    Cut,
}

/// A command under way.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) node: usize,
    pub(crate) load: Load,
    pub(crate) fate: Fate,
    pub(crate) answer: Option<(Completion, Vec<u8>)>,
    /// Its caller has given up.
    pub(crate) stuck: bool,
    /// A write the unit has accepted, not yet on the medium.
    pub(crate) accepted: bool,
}

impl Fate {
    /// Draws one. A window in nanoseconds is the measure of what is long.
    pub(crate) fn draw(c: &mut Chance, window: u64, reads: bool, weather: Weather) -> Self {
        let there = c.between(20_000, 2_000_000);
        let back = c.between(20_000, 2_000_000);
        let forgotten_after = c.between(window, window * 5);
        let plain = Self {
            arrives_after: Some(there),
            executed: true,
            instead: None,
            answered_after: Some(back),
            forgotten_after,
        };
        let never = Self { arrives_after: None, ..plain };
        match weather {
            Weather::Cut => return never,
            Weather::Fair => return plain,
            Weather::Foul => {}
        }
        let refused = |c| Self { executed: false, instead: Some(c), ..plain };
        let late = Some(c.between(0, window * 3));
        match c.place(12) {
            0 | 1 => Self { arrives_after: late, ..plain },
            2 => Self { answered_after: late, ..plain },
            3 => never,
            4 | 5 => Self { answered_after: None, ..plain },
            6 => refused(broken()),
            7 => Self { instead: Some(broken()), ..plain },
            8 => refused(Completion::answered(Status::BUSY, 0, Duration::ZERO)),
            9 => refused(Completion::answered(Status::TASK_SET_FULL, 0, Duration::ZERO)),
            10 => refused(attention(c)),
            // GOOD, and not a byte of what was asked for; of what was sent, no answer.
            _ if reads => {
                Self { instead: Some(Completion::answered(Status::GOOD, u32::MAX, Duration::ZERO)), ..plain }
            }
            _ => Self { answered_after: None, ..plain },
        }
    }
}

fn broken() -> Completion {
    Completion::unanswered(Delivery::Lost(TransportError { host: 1, driver: 0, errno: 0 }), Duration::ZERO)
}

/// A unit attention that says nothing about reservations.
fn attention(c: &mut Chance) -> Completion {
    let (asc, ascq) = [(0x29, 0), (0x29, 7), (0x2a, 9), (0x3f, 0x0e)][c.place(4)];
    let sense = Sense::new(SenseKey::UNIT_ATTENTION, asc, ascq);
    Completion {
        sense: SenseBytes::new(&sense.emit_fixed()),
        ..Completion::answered(Status::CHECK_CONDITION, 0, Duration::ZERO)
    }
}

/// The unit's reply as a transport delivers it.
pub(crate) fn completion(reply: &Reply, asked: usize) -> Completion {
    let residual = u32::try_from(asked.saturating_sub(reply.moved)).unwrap_or(u32::MAX);
    let sense = reply.answer.sense().map_or(SenseBytes::EMPTY, |s| SenseBytes::new(&s.emit_fixed()));
    Completion { sense, ..Completion::answered(reply.answer.status(), residual, Duration::ZERO) }
}
