//! What an operator of the embedded unit does from outside: add faults, end them, pull the plug.

use std::fs::OpenOptions;
use std::path::Path;

use super::attention::Attention;
use super::cache::Cache;
use super::disk::{SimDevice, lock, open_file};
use super::error::{SimError, at};
use super::faults::NewFault;
use super::file::State;
use super::lock::LockedFile;
use super::nexus::NexusId;
use super::pr::power::Memory;
use super::spec::InitiatorName;
use super::unit::LogicalUnit;
use crate::device::Delivery;

/// Something that happens to a unit now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Happening {
    /// A LOGICAL UNIT RESET.
    Reset,
    /// Power is lost and comes back.
    PowerLoss(Memory),
    /// A unit attention for one initiator at every port it used, or for all.
    Attention {
        /// Which.
        what: Attention,
        /// Whose.
        initiator: Option<InitiatorName>,
    },
}

impl SimDevice {
    /// Adds a fault; every process that uses the unit meets it from its next command on. Returns its id.
    ///
    /// # Errors
    /// [`SimError`].
    pub fn inject(path: &Path, fault: NewFault) -> Result<u32, SimError> {
        edit(path, |state, _| Ok(state.faults.add(fault)?))
    }

    /// Ends a fault, or all of them; returns how many there were. Commands that wait go on waiting.
    ///
    /// # Errors
    /// [`SimError`].
    pub fn mend(path: &Path, id: Option<u32>) -> Result<usize, SimError> {
        edit(path, |state, _| Ok(state.faults.clear(id)))
    }

    /// Lets something happen to the unit.
    ///
    /// # Errors
    /// [`SimError`].
    pub fn happen(path: &Path, what: &Happening) -> Result<(), SimError> {
        edit(path, |state, unit| {
            match what {
                Happening::Reset => unit.reset(),
                Happening::PowerLoss(memory) => unit.lose_power(*memory),
                Happening::Attention { what, initiator } => {
                    for (n, name) in state.profile.nexuses().iter().enumerate() {
                        let theirs = initiator.as_ref().is_none_or(|i| *i == name.initiator);
                        if let Some(n) = u8::try_from(n).ok().filter(|_| theirs) {
                            unit.reservations_mut().establish_attention(NexusId(n), *what);
                        }
                    }
                    return Ok(());
                }
            }
            // Whatever waited is gone (SAM-5 6.3).
            state.tasks.abort_all();
            Ok(())
        })
    }
}

/// Changes the state under the lock, after the commands that were due before.
fn edit<R>(
    path: &Path,
    f: impl FnOnce(&mut State, &mut LogicalUnit) -> Result<R, SimError>,
) -> Result<R, SimError> {
    let file = open_file(path, OpenOptions::new().read(true).write(true))?;
    let mut locked = LockedFile::new(file);
    let held = lock(&mut locked, path)?;
    let failed = |d| at(path)(delivery_error(d));
    let mut cache = Cache::read(&held).map_err(|e| SimError::of_read(path, e))?;
    super::file::raise_version(&held).map_err(at(path))?;
    cache.run_due(&held).map_err(failed)?;
    let before = cache.begin();
    let result = f(&mut cache.state, &mut cache.scratch)?;
    cache.commit(&held, before).map_err(failed)?;
    locked.release(held);
    Ok(result)
}

fn delivery_error(d: Delivery) -> std::io::Error {
    match d {
        Delivery::NotSent(errno) => std::io::Error::from_raw_os_error(errno),
        Delivery::Lost(t) if t.errno != 0 => std::io::Error::from_raw_os_error(t.errno),
        _ => std::io::Error::other("it was not stored"),
    }
}
