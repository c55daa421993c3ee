//! A device that writes down what it is asked and what it answers: one JSON line a command.
//!
//! Opt-in, and not for the fencing path: it allocates and writes a file with every command, after the
//! answer came. Invariant: what the device answers is handed on unchanged, whatever becomes of the line; a
//! line that could not be written is counted ([`Recording::lost`]).
//!
//! Lines of several nexuses and processes may go to one file: each is one append. They stand in the order
//! in which the commands ended.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    Completion, Data, Delivery, Escalate, Request, ResetError, ResetScope, ScsiDevice, TransportError,
};
use crate::clock::now;
use crate::time::Instant;

pub mod line;
pub mod replay;
#[cfg(test)]
mod tests;

use line::{Answer, Command, Line, NexusLine, Reset, ResetEnd, Scope};

/// A file that is recorded to.
#[derive(Debug)]
pub struct Recording {
    file: File,
    lost: AtomicU64,
}

/// A device, recorded.
pub struct Recorder {
    inner: Box<dyn ScsiDevice>,
    to: Arc<Recording>,
}

impl Recording {
    /// Opens a file to append to, and makes it if there is none.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self { file, lost: AtomicU64::new(0) })
    }

    /// How many lines could not be written.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn put(&self, line: &Line) {
        let written = serde_json::to_vec(line).map_err(io::Error::from).and_then(|mut b| {
            b.push(b'\n');
            // One write, so that lines of different processes don't mix.
            (&self.file).write_all(&b)
        });
        if written.is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Recorder {
    /// Records `inner` from now on; its name and TransportID are the first line.
    #[must_use]
    pub fn new(inner: Box<dyn ScsiDevice>, to: Arc<Recording>) -> Self {
        to.put(&Line::Nexus(NexusLine {
            nexus: inner.name().to_owned(),
            transport_id: inner.own_transport_id(),
            at_ns: now().as_nanos(),
        }));
        Self { inner, to }
    }
}

impl ScsiDevice for Recorder {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn execute(&mut self, request: Request<'_>) -> Completion {
        let at = now();
        let Request { cdb, mut data, deadline } = request;
        let again = match &mut data {
            Data::None => Data::None,
            Data::In(b) => Data::In(b),
            Data::Out(b) => Data::Out(b),
        };
        let completion = self.inner.execute(Request { cdb, data: again, deadline });
        let (out, room, got) = match data {
            Data::None => (&[][..], 0, &[][..]),
            Data::Out(b) => (b, 0, &[][..]),
            Data::In(b) => {
                let residual = usize::try_from(completion.residual).unwrap_or(usize::MAX);
                let answered = matches!(completion.delivery, Delivery::Answered(_));
                let got = if answered { b.len().saturating_sub(residual) } else { 0 };
                (&[][..], b.len(), &b[..got])
            }
        };
        self.to.put(&Line::Command(Command {
            nexus: self.inner.name().to_owned(),
            at_ns: at.as_nanos(),
            cdb: cdb.as_bytes().to_vec(),
            out: out.to_vec(),
            room,
            answer: Answer::of(&completion, got),
            // The device's own measure where it has one; a crew's handle leaves that to its caller.
            us: u64::try_from(completion.took.max(now().since(at)).as_micros()).unwrap_or(u64::MAX),
        }));
        completion
    }

    fn reset(&mut self, scope: ResetScope, escalate: Escalate, deadline: Instant) -> Result<(), ResetError> {
        let at = now();
        let end = self.inner.reset(scope, escalate, deadline);
        self.to.put(&Line::Reset(Reset {
            nexus: self.inner.name().to_owned(),
            at_ns: at.as_nanos(),
            scope: Scope::from(scope),
            escalate: escalate == Escalate::Yes,
            end: ResetEnd::from(end),
            us: u64::try_from(now().since(at).as_micros()).unwrap_or(u64::MAX),
        }));
        end
    }

    fn unguarded(&self) -> Vec<Box<dyn ScsiDevice>> {
        let wrap = |inner| Box::new(Self { inner, to: Arc::clone(&self.to) }) as Box<dyn ScsiDevice>;
        self.inner.unguarded().into_iter().map(wrap).collect()
    }

    fn own_transport_id(&self) -> Option<Vec<u8>> {
        self.inner.own_transport_id()
    }
}

impl Answer {
    /// What came back, with the data that was transferred.
    #[must_use]
    pub fn of(c: &Completion, data: &[u8]) -> Self {
        let none = TransportError { host: 0, driver: 0, errno: 0 };
        let (delivery, status, t) = match c.delivery {
            Delivery::Answered(s) => (line::Delivery::Answered, Some(s.0), none),
            Delivery::NotSent(errno) => (line::Delivery::NotSent, None, TransportError { errno, ..none }),
            Delivery::Lost(t) => (line::Delivery::Lost, None, t),
            Delivery::Outstanding => (line::Delivery::Outstanding, None, none),
            Delivery::DeviceLost => (line::Delivery::DeviceLost, None, none),
        };
        Self {
            delivery,
            status,
            host: t.host,
            driver: t.driver,
            errno: t.errno,
            sense: c.sense.as_slice().to_vec(),
            data: data.to_vec(),
            residual: c.residual,
        }
    }
}
