//! A logical unit and the paths this host has to it.
//!
//! | module | is |
//! |---|---|
//! | `sysfs` | which device files could be paths: dm-multipath's slaves, SCSI disks of the same name |
//! | `ports` | `sim:PATH?as=NAME&port=1+2`: an embedded unit over several target ports, a nexus each |
//! | `ask` | who a path says it is |
//! | [`failover`] | one device of several paths, for the commands of a defence |
//!
//! sysfs only proposes: its pages are as old as the last scan, and a LUN may have been mapped anew since.
//! Invariant: whatever is called a path here has itself named the logical unit (VPD 83h). Registers
//! nothing.

mod ask;
pub mod failover;
mod ports;
mod sysfs;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::ScsiDevice;
use super::open::{OpenError, open};
use super::sim::SCHEME;
use crate::clock::now;
use crate::codec::vpd::LuIdentity;

pub use ask::{Unnamed, ask, target_port};

/// The most paths of one logical unit.
pub const MAX_PATHS: usize = 32;

/// How long one path may take to say who it is.
const ASK_TIMEOUT: Duration = Duration::from_secs(3);

/// One path, as [`open`] takes it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PathSpec(String);

/// A logical unit and its paths on this host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unit {
    /// Its name by VPD 83h, said by every one of its paths.
    pub name: String,
    /// What it was asked for as.
    pub asked: Asked,
    /// The paths that named it, the one asked for first. Never empty.
    pub paths: Vec<PathSpec>,
    /// What could be further paths but did not say so.
    pub doubtful: Vec<Doubtful>,
}

/// Whether the name given means one path or all of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Asked {
    /// One path: a SCSI disk, an embedded unit over one port.
    ForOnePath,
    /// All of them: a dm-multipath device, an embedded unit over several ports.
    ForAll,
}

/// Something that could be a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Doubtful {
    /// Its name.
    pub path: PathSpec,
    /// Why it is not counted.
    pub why: String,
}

/// What may be paths of the unit asked for, before any was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidates {
    /// What the name given means.
    pub asked: Asked,
    /// In the order to try them.
    pub paths: Vec<PathSpec>,
}

impl PathSpec {
    /// A path by its name; whether it is one is told by asking it.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Opens it.
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(&self) -> Result<Box<dyn ScsiDevice>, OpenError> {
        open(&self.0)
    }

    /// Opens it and lets it say who it is.
    ///
    /// # Errors
    /// [`OpenError::Unnamed`] where it does not say, or as [`open`].
    pub fn identify(&self) -> Result<(Box<dyn ScsiDevice>, LuIdentity), OpenError> {
        let mut device = self.open()?;
        let identity = ask(device.as_mut(), now() + ASK_TIMEOUT)
            .map_err(|why| OpenError::Unnamed { name: self.0.clone(), why: why.to_string() })?;
        Ok((device, identity))
    }
}

impl fmt::Display for PathSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What could be paths of `spec`, by its notation or by sysfs; asks none of them and opens nothing.
///
/// # Errors
/// [`OpenError`] says what the name stands for and what to name instead.
pub fn candidates(spec: &str) -> Result<Candidates, OpenError> {
    if spec.starts_with(SCHEME) {
        return Ok(ports::expand(spec));
    }
    sysfs::Host { sysfs: Path::new("/sys"), dev: Path::new("/dev") }.candidates(Path::new(spec))
}

/// Finds all paths of the logical unit that `spec` names: a dm-multipath device, any disk that is one of
/// its paths, or an embedded unit. Each was asked who it is.
///
/// # Errors
/// [`OpenError`] says what the name stands for and what to name instead. A path that does not answer is
/// an error only where none does, or where `spec` names just that one.
pub fn resolve(spec: &str) -> Result<Unit, OpenError> {
    let found = candidates(spec)?;
    let mut unit: Option<Unit> = None;
    let mut doubtful = Vec::new();
    let mut first_error = None;
    for path in found.paths.into_iter().take(MAX_PATHS) {
        let name = match path.identify() {
            Ok((_, identity)) => identity.to_string(),
            // The disk named is the one whose unit is meant: another cannot stand in for it.
            Err(e) if unit.is_none() && found.asked == Asked::ForOnePath => return Err(e),
            Err(e) => {
                doubtful.push(Doubtful { path, why: e.to_string() });
                first_error.get_or_insert(e);
                continue;
            }
        };
        match &mut unit {
            None => {
                let paths = vec![path];
                unit = Some(Unit { name, asked: found.asked, paths, doubtful: Vec::new() });
            }
            Some(u) if u.name == name => u.paths.push(path),
            Some(u) => {
                doubtful.push(Doubtful { path, why: format!("it is {name}, not {}", u.name) });
            }
        }
    }
    match (unit, first_error) {
        (Some(mut unit), _) => {
            unit.doubtful = doubtful;
            Ok(unit)
        }
        (None, Some(e)) => Err(e),
        (None, None) => Err(OpenError::NoPaths(spec.to_owned())),
    }
}
