//! What steps run on: three real devices, or the embedded unit in memory.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use arbitrate::clock::now;
use arbitrate::codec::block::{BlockIo, CAPACITY_10_LEN, Capacity10, ReadCapacity, TestUnitReady};
use arbitrate::codec::pr::{Aptpl, FullStatus, KeysView, PrOut, read_full_status_cdb, read_keys_cdb};
use arbitrate::codec::{Cdb, Status};
use arbitrate::device::sim::{Answer, LogicalUnit, Medium, NexusId, Personality, Profile, Reply, Welcome};
use arbitrate::device::{Data, Delivery, Escalate, Request, ResetScope, ScsiDevice};
use arbitrate::key::Key;

use crate::generate::{BLOCK, BLOCKS_USED};
use crate::memory::Memory;
use crate::step::{End, NEXUSES, Step, What};

/// Something that executes steps.
pub trait Target {
    /// Executes one.
    ///
    /// # Errors
    /// The target did not answer: nothing is known and nothing can be compared.
    fn run(&mut self, step: &Step) -> Result<End>;
}

/// Long enough for a busy emulated machine; a command that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than a target takes; worth a line.
const SLOW: Duration = Duration::from_secs(2);
/// What is registered before and after a sequence.
const KEY: Key = Key::from_u64(0x5e7);
/// Unit attentions that may wait for a nexus before this is given up.
const ATTENTIONS: usize = 16;

/// Three nexuses of one real logical unit.
pub struct Real {
    devices: Vec<Box<dyn ScsiDevice>>,
    /// Blocks of the unit.
    pub blocks: u32,
}

/// Where both sides begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Start {
    /// PRGENERATION of the target, which only counts up.
    pub generation: u32,
    /// Blocks of the unit.
    pub blocks: u32,
    /// The TransportIDs of the nexuses.
    pub initiators: Vec<String>,
}

impl Start {
    /// A unit as the lab has it, for tests without one.
    #[must_use]
    pub fn example() -> Self {
        let initiators = (1..=NEXUSES).map(|n| format!("iqn.2026-11.lab.palisade:n{n},i,0x00023d00000{n}"));
        Self { generation: 7, blocks: 131_072, initiators: initiators.collect() }
    }
}

impl Real {
    /// Three devices of one logical unit.
    ///
    /// # Errors
    /// Not three of them, or one that does not answer.
    pub fn new(devices: Vec<Box<dyn ScsiDevice>>) -> Result<Self> {
        ensure!(devices.len() == NEXUSES, "{} devices: name {NEXUSES}, one for each nexus", devices.len());
        let mut real = Self { devices, blocks: 0 };
        real.wipe()?;
        let end = real.command(0, ReadCapacity::Ten.cdb(), &[], CAPACITY_10_LEN)?;
        let End::Answered { status: Status::GOOD, data, .. } = &end else { bail!("READ CAPACITY: {end}") };
        let capacity = Capacity10::parse(data)?;
        ensure!(capacity.block_len_bytes == 512, "blocks of {} bytes: 512 wanted", capacity.block_len_bytes);
        real.blocks = capacity.last_lba + 1;
        Ok(real)
    }

    /// Takes away every reservation, registration and unit attention, and writes zeros to the blocks in use.
    ///
    /// # Errors
    /// The target did not do as told.
    pub fn restart(&mut self) -> Result<Start> {
        self.wipe()?;
        let initiators = self.initiators(KEY)?;
        self.clear(KEY)?;
        let zeros = vec![0; usize::from(BLOCKS_USED) * BLOCK];
        self.good(0, Cdb::new([0x2a, 0, 0, 0, 0, 0, 0, 0, BLOCKS_USED, 0]), &zeros, 0)?;
        let [b0, b1, b2, b3] = self.blocks.saturating_sub(2).to_be_bytes();
        self.good(0, Cdb::new([0x2a, 0, b0, b1, b2, b3, 0, 0, 2, 0]), &zeros[..2 * BLOCK], 0)?;
        let keys = self.good(0, read_keys_cdb(64), &[], 64)?;
        let view = KeysView::parse(&keys)?;
        ensure!(view.is_empty(), "CLEAR left registrations");
        Ok(Start { generation: view.generation().0, blocks: self.blocks, initiators })
    }

    /// Takes away what an earlier run, or anybody, left.
    fn wipe(&mut self) -> Result<()> {
        self.run(&Step { nexus: 0, what: What::Reset })?;
        (0..NEXUSES).try_for_each(|nexus| self.settle(nexus))?;
        self.clear(KEY)
    }

    fn clear(&mut self, key: Key) -> Result<()> {
        // On LIO a registration made with ALL_TG_PT is changed with ALL_TG_PT only.
        let register = PrOut::register_and_ignore(key, Aptpl::No).for_all_target_ports();
        for c in [register, PrOut::clear(key)] {
            self.good(0, c.basic_cdb(), &c.list.emit(), 0)?;
        }
        (0..NEXUSES).try_for_each(|nexus| self.settle(nexus))
    }

    /// Registers every nexus with `key` and reads who they are.
    fn initiators(&mut self, key: Key) -> Result<Vec<String>> {
        let mut names: Vec<String> = Vec::new();
        for nexus in 0..NEXUSES {
            let register = PrOut::register_and_ignore(key, Aptpl::No);
            self.good(nexus, register.basic_cdb(), &register.list.emit(), 0)?;
            let status = FullStatus::parse(&self.good(nexus, read_full_status_cdb(4096), &[], 4096)?)?;
            let all: Vec<String> = status.registrations.iter().map(|r| r.transport_id.to_string()).collect();
            let new: Vec<&String> = all.iter().filter(|name| !names.contains(name)).collect();
            let [name] = new[..] else { bail!("nexus {}: not a new one among {all:?}", nexus + 1) };
            names.push(name.clone());
        }
        Ok(names)
    }

    /// Consumes the unit attentions of a nexus.
    fn settle(&mut self, nexus: usize) -> Result<()> {
        for _ in 0..ATTENTIONS {
            match self.command(nexus, TestUnitReady.cdb(), &[], 0)? {
                End::Answered { status: Status::GOOD, .. } => return Ok(()),
                end if end.is_attention() => {}
                end => bail!("TEST UNIT READY on nexus {}: {end}", nexus + 1),
            }
        }
        bail!("nexus {} has no end of unit attentions", nexus + 1)
    }

    fn good(&mut self, nexus: usize, cdb: Cdb, out: &[u8], read: usize) -> Result<Vec<u8>> {
        match self.command(nexus, cdb, out, read)? {
            End::Answered { status: Status::GOOD, data, .. } => Ok(data),
            end => bail!("{cdb:?} on nexus {}: {end}", nexus + 1),
        }
    }

    fn command(&mut self, nexus: usize, cdb: Cdb, out: &[u8], read: usize) -> Result<End> {
        let device = self.devices.get_mut(nexus).context("no such nexus")?;
        let mut buffer = vec![0; read];
        let data = match (read, out) {
            (0, []) => Data::None,
            (0, out) => Data::Out(out),
            _ => Data::In(&mut buffer),
        };
        let c = device.execute(Request { cdb, data, deadline: now() + PATIENCE });
        if c.took > SLOW {
            eprintln!("nexus {}: {cdb:?} took {:.1} s", nexus + 1, c.took.as_secs_f32());
        }
        let Delivery::Answered(status) = c.delivery else {
            bail!("nexus {}: {cdb:?} got no answer: {:?}", nexus + 1, c.delivery);
        };
        let moved = read.saturating_sub(usize::try_from(c.residual)?);
        // What comes with a refusal is not data.
        let moved = if status == Status::GOOD { moved } else { 0 };
        Ok(End::answered(status, c.sense.as_slice(), &buffer[..moved]))
    }
}

impl Target for Real {
    fn run(&mut self, step: &Step) -> Result<End> {
        match &step.what {
            What::Command { cdb, out, read } => self.command(step.nexus, *cdb, out, *read),
            What::Reset => {
                let device = self.devices.get_mut(step.nexus).context("no such nexus")?;
                device
                    .reset(ResetScope::LogicalUnit, Escalate::No, now() + PATIENCE)
                    .with_context(|| format!("LOGICAL UNIT RESET on nexus {}", step.nexus + 1))?;
                Ok(End::Reset)
            }
        }
    }
}

/// The embedded unit, in memory.
#[derive(Clone, Debug)]
pub struct Embedded {
    unit: LogicalUnit,
    profile: Profile,
    memory: Memory,
}

impl Embedded {
    /// A unit that is where the other side is.
    ///
    /// # Errors
    /// A size that cannot be.
    pub fn new(personality: Personality, start: &Start) -> Result<Self> {
        let mut profile = Profile::new("d0", u64::from(start.blocks), 512)?;
        let mut unit = LogicalUnit::new(Welcome::Silent).with_personality(personality);
        for name in &start.initiators {
            unit.introduce(profile.intern(&name.parse()?, "1".parse()?)?);
        }
        // The one thing commands cannot set: as a stored state, read back.
        let mut stored = serde_json::to_value(&unit)?;
        stored["pr"]["generation"] = start.generation.into();
        Ok(Self { unit: serde_json::from_value(stored)?, profile, memory: Memory::default() })
    }

    /// One command from a nexus that takes no part in the comparison: how a test breaks a rule.
    ///
    /// # Errors
    /// No room for another nexus.
    pub fn by_stranger(&mut self, c: &PrOut) -> Result<()> {
        let nexus = self.profile.intern(&"stranger".parse()?, "1".parse()?)?;
        let end = self.unit.execute(&mut self.profile, nexus, &c.basic_cdb(), &c.list.emit(), &mut []);
        ensure!(end.answer == Answer::Good, "{:?}", end.answer);
        Ok(())
    }

    /// Writes blocks whatever the reservation says: how a test breaks a rule.
    pub fn overwrite(&mut self, write_10: &Cdb, out: &[u8]) {
        if let Ok(io) = BlockIo::parse(write_10) {
            self.memory.write(io.extent.lba() * 512, out);
        }
    }
}

impl Target for Embedded {
    fn run(&mut self, step: &Step) -> Result<End> {
        let What::Command { cdb, out, read } = &step.what else {
            self.unit.reset();
            return Ok(End::Reset);
        };
        let nexus = NexusId(u8::try_from(step.nexus)?);
        let mut buffer = vec![0; *read];
        let mut reply = self.unit.execute(&mut self.profile, nexus, cdb, out, &mut buffer);
        match reply.medium {
            Medium::None => {}
            Medium::Read { offset } => self.memory.read(offset, &mut buffer[..reply.moved]),
            Medium::Write { offset } => self.memory.write(offset, &out[..reply.moved]),
            Medium::CompareAndWrite { offset } => {
                let (expected, new) = out[..reply.moved].split_at(reply.moved / 2);
                match self.memory.differs(offset, expected) {
                    None => self.memory.write(offset, new),
                    Some(at) => {
                        reply =
                            Reply { information: u32::try_from(at).ok(), ..Reply::ended(Answer::MISCOMPARE) };
                    }
                }
            }
        }
        let data = if *read > 0 { &buffer[..reply.moved] } else { &[] };
        Ok(End::answered(reply.answer.status(), reply.sense_bytes().as_slice(), data))
    }
}
