//! Making an embedded unit, and looking at one without taking part.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::disk::{SimDevice, open_file};
use super::error::{SimError, at};
use super::faults::Fault;
use super::file::{self, Head, ReadError, State};
use super::personality::Personality;
use super::profile::{NexusName, Profile};
use super::spec::{InitiatorName, TargetPort};
use super::tasks::Task;
use super::unit::{LogicalUnit, Welcome};
use crate::codec::opcode;

/// What a new unit is to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateOptions {
    /// Number of blocks.
    pub blocks: u64,
    /// Bytes in a block: 512 or 4096.
    pub block_size: u32,
    /// Serial number, 1 to 32 printable characters; none: 16 random hex digits.
    pub serial: Option<String>,
    /// What a nexus never seen before is told first.
    pub welcome: Welcome,
    /// How it behaves where targets differ.
    pub personality: Personality,
    /// Whether an embedded disk of that name may be replaced.
    pub existing: Existing,
}

/// What becomes of an embedded disk that stands where a new one is to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Existing {
    /// It stays, and creating fails.
    #[default]
    Keep,
    /// It is replaced. Whoever has it open keeps using the old one: another disk from then on.
    Replace,
}

impl Default for CreateOptions {
    /// 64 MiB in blocks of 512 bytes; sparse, so it costs 300 KiB.
    fn default() -> Self {
        Self {
            blocks: 131_072,
            block_size: 512,
            serial: None,
            welcome: Welcome::Silent,
            personality: Personality::SPC,
            existing: Existing::Keep,
        }
    }
}

/// A unit as [`SimDevice::show`] found it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Snapshot {
    /// Counts the changes of the state.
    pub sequence: u64,
    /// Identity, size, nexuses.
    pub profile: Profile,
    /// Reservations.
    pub unit: LogicalUnit,
    /// What is to go wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// Commands that a fault holds back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delayed: Vec<Waiting>,
}

/// A command that a fault holds back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Waiting {
    /// Whose.
    pub initiator: InitiatorName,
    /// At which target port.
    pub port: TargetPort,
    /// Its name.
    pub command: &'static str,
    /// The time left until it is due, 0 once it is: the next access executes it.
    pub due_in_ms: u64,
}

impl Snapshot {
    fn of(head: Head, state: State) -> Self {
        let now = crate::clock::now();
        let waiting = |t: &Task| {
            let NexusName { initiator, port } = state.profile.name(t.nexus)?.clone();
            let due_in_ms = u64::try_from(t.due().since(now).as_millis()).unwrap_or(u64::MAX);
            Some(Waiting { initiator, port, command: opcode::name(&t.cdb), due_in_ms })
        };
        let delayed = state.tasks.list().iter().filter_map(waiting).collect();
        let faults = state.faults.list().to_vec();
        let State { profile, unit, .. } = state;
        Self { sequence: head.sequence, profile, unit, faults, delayed }
    }
}

impl SimDevice {
    /// Makes a new unit. It appears under its name whole or not at all.
    ///
    /// # Errors
    /// [`SimError`]; a file that is not an embedded disk is never replaced.
    pub fn create(path: &Path, options: &CreateOptions) -> Result<(), SimError> {
        let serial = match &options.serial {
            Some(s) => s.clone(),
            None => random_serial().map_err(at(path))?,
        };
        let profile = Profile::new(&serial, options.blocks, options.block_size)?;
        let unit = LogicalUnit::new(options.welcome).with_personality(options.personality);
        let state = State::new(profile, unit);
        if fs::symlink_metadata(path).is_ok() {
            if options.existing == Existing::Keep {
                return Err(SimError::Exists(path.to_owned()));
            }
            open_file(path, OpenOptions::new().read(true))?;
        }
        let draft = draft_path(path).map_err(at(path))?;
        let made = make(&draft, &state).and_then(|()| match options.existing {
            // Unlike rename, this refuses a name that somebody took meanwhile.
            Existing::Keep => fs::hard_link(&draft, path),
            Existing::Replace => fs::rename(&draft, path),
        });
        // After a rename there is nothing left to remove.
        let _ = fs::remove_file(&draft);
        match made {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(SimError::Exists(path.to_owned())),
            other => other.map_err(at(path)),
        }
    }

    /// What the unit holds now. Takes no lock: a stopped process cannot hide its reservation.
    ///
    /// # Errors
    /// [`SimError`].
    pub fn show(path: &Path) -> Result<Snapshot, SimError> {
        /// Two commands that change the state within one read of ours are needed to spoil it.
        const TRIES: u8 = 100;
        let file = open_file(path, OpenOptions::new().read(true))?;
        let mut last = ReadError::BothDamaged;
        for _ in 0..TRIES {
            match file::read(&file, None, &mut Vec::new()) {
                Ok(Some((head, state))) => return Ok(Snapshot::of(head, state)),
                Ok(None) => {}
                Err(ReadError::Io(e)) => return Err(at(path)(e)),
                Err(e) => last = e,
            }
        }
        Err(SimError::of_read(path, last))
    }
}

fn make(draft: &Path, state: &State) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(draft)?;
    file::format(&file, state)?;
    file.sync_all()
}

/// A name beside `path` that nobody else uses.
fn draft_path(path: &Path) -> io::Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".new-{}", random_serial()?));
    Ok(PathBuf::from(name))
}

fn random_serial() -> io::Result<String> {
    let mut b = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut b)?;
    Ok(format!("{:016x}", u64::from_be_bytes(b)))
}
