//! One nexus under test: commands by name, answers in words.

use std::time::Duration;

use crate::codec::Sense;
use crate::codec::block::{Access, BlockIo, Extent, Fua};
use crate::codec::pr::{FullStatus, Generation, Holder, PrOut};
use crate::device::classify::Class;
use crate::device::retry::Effect;
use crate::key::Key;
use crate::protocol::{Command, Reply};
use crate::runtime::executor::{Ended, Executor};
use crate::runtime::identify;
use crate::runtime::pacer::{Pacer, SystemPacer};

/// One nexus.
pub struct Side<'a> {
    /// What the operator calls it.
    pub name: String,
    /// Where its commands go.
    pub on: Executor<'a>,
    /// How long one command may take.
    pub timeout: Duration,
    pub(super) pacer: SystemPacer,
    /// Unit attentions told since they were last asked for.
    attentions: Vec<Sense>,
}

/// What became of a command under test.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    Good,
    Conflict,
    Other(Class),
}

impl<'a> Side<'a> {
    /// A nexus that commands are sent over.
    #[must_use]
    pub fn new(name: impl Into<String>, on: Executor<'a>, timeout: Duration) -> Self {
        Self { name: name.into(), on, timeout, pacer: SystemPacer::deaf(), attentions: Vec::new() }
    }

    fn fate(&mut self, ended: &Ended) -> Fate {
        self.attentions.extend(ended.attentions.iter().copied());
        match ended.class {
            Class::Good => Fate::Good,
            Class::Conflict => Fate::Conflict,
            other => Fate::Other(other),
        }
    }

    /// The unit attentions told over this nexus since the last call.
    pub(super) fn heard(&mut self) -> Vec<Sense> {
        // A command that hears them and changes nothing.
        let deadline = self.pacer.now() + self.timeout;
        let ready = crate::codec::block::TestUnitReady.cdb();
        let ended = self.on.write(ready, &[], Effect::Reads, deadline, &mut self.pacer);
        let _ = self.fate(&ended);
        std::mem::take(&mut self.attentions)
    }

    pub(super) fn out(&mut self, out: &PrOut) -> Fate {
        let deadline = self.pacer.now() + self.timeout;
        let list = out.list.emit();
        let ended = self.on.write(out.basic_cdb(), &list, Effect::Changes, deadline, &mut self.pacer);
        self.fate(&ended)
    }

    /// A PERSISTENT RESERVE OUT that must end GOOD.
    pub(super) fn must(&mut self, out: &PrOut) -> Result<(), String> {
        match self.out(out) {
            Fate::Good => Ok(()),
            other => Err(format!("{} over {} ended {}", out.action.name(), self.name, other.words())),
        }
    }

    /// One that must meet a conflict.
    pub(super) fn must_conflict(&mut self, out: &PrOut, what: &str) -> Result<(), String> {
        match self.out(out) {
            Fate::Conflict => Ok(()),
            other => {
                Err(format!("{} {what} ended {}, not RESERVATION CONFLICT", out.action.name(), other.words()))
            }
        }
    }

    pub(super) fn keys(&mut self) -> Result<(Generation, Vec<Key>), String> {
        let deadline = self.pacer.now() + self.timeout;
        match self.on.run(&Command::ReadKeys, deadline, &mut self.pacer) {
            Reply::Keys(v) => Ok((v.generation(), v.iter().collect())),
            other => Err(format!("READ KEYS over {} brought {other:?}", self.name)),
        }
    }

    pub(super) fn holder(&mut self) -> Result<Option<Holder>, String> {
        let deadline = self.pacer.now() + self.timeout;
        match self.on.run(&Command::ReadReservation, deadline, &mut self.pacer) {
            Reply::Reservation(r) => Ok(r.holder),
            other => Err(format!("READ RESERVATION over {} brought {other:?}", self.name)),
        }
    }

    pub(super) fn full_status(&mut self) -> Result<FullStatus, Class> {
        identify::full_status(&mut self.on, self.timeout, &mut self.pacer)
    }

    pub(super) fn write(&mut self, lba: u64, data: &[u8], block_size: u32) -> Fate {
        let blocks = u32::try_from(data.len()).unwrap_or(0) / block_size.max(1);
        let io = BlockIo { access: Access::Write, extent: Extent::new(lba, blocks), fua: Fua::No };
        let deadline = self.pacer.now() + self.timeout;
        let ended = self.on.write(io.cdb(), data, Effect::Changes, deadline, &mut self.pacer);
        self.fate(&ended)
    }

    /// Whether a read is let through.
    pub(super) fn try_read(&mut self, lba: u64, blocks: u32, block_size: u32) -> (Fate, Vec<u8>) {
        let io = BlockIo { access: Access::Read, extent: Extent::new(lba, blocks), fua: Fua::No };
        let len = usize::try_from(u64::from(blocks) * u64::from(block_size)).unwrap_or(usize::MAX);
        let deadline = self.pacer.now() + self.timeout;
        let (ended, data) = self.on.read(io.cdb(), len, deadline, &mut self.pacer);
        let data = data.to_vec();
        (self.fate(&ended), data)
    }

    pub(super) fn read(&mut self, lba: u64, blocks: u32, block_size: u32) -> Result<Vec<u8>, String> {
        let len = usize::try_from(u64::from(blocks) * u64::from(block_size)).unwrap_or(usize::MAX);
        match self.try_read(lba, blocks, block_size) {
            (Fate::Good, data) if data.len() == len => Ok(data),
            (Fate::Good, data) => {
                Err(format!("READ of block {lba} over {} brought {} of {len} bytes", self.name, data.len()))
            }
            (other, _) => Err(format!("READ of block {lba} over {} ended {}", self.name, other.words())),
        }
    }
}

impl Fate {
    pub(super) fn words(self) -> String {
        match self {
            Self::Good => "GOOD".into(),
            Self::Conflict => "RESERVATION CONFLICT".into(),
            Self::Other(Class::Illegal(s) | Class::NotReady(s) | Class::Failed(s)) => {
                format!("CHECK CONDITION, {s}")
            }
            Self::Other(c) => format!("{c:?}"),
        }
    }

    /// Refused as something the target does not know: not executed.
    pub(super) const fn unsupported(self) -> bool {
        matches!(self, Self::Other(Class::Illegal(_)))
    }
}
