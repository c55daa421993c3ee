//! What the lab needs of the host: where things lie, whether all is there, and what to do when it is not.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};

use crate::closure::find_program;
use crate::guest::Guest;
use crate::setup::Setup;

const INSTALL: &str =
    "run tools/install-test-deps as root, or set PALISADE_LAB=off to leave the lab's tests out";

/// The lab's parts, found and ready to boot machines.
#[derive(Clone, Debug)]
pub struct Lab {
    cache: PathBuf,
    pub(crate) qemu: PathBuf,
    pub(crate) release: String,
}

impl Lab {
    /// Finds the lab.
    ///
    /// `None` only where `PALISADE_LAB=off` says so: the test then has not run, and says that on stderr.
    ///
    /// # Errors
    /// A part is missing (the message names the command that installs it), or `PALISADE_LAB=off` under `CI=true`,
    /// where a test left out would pass for one that succeeded.
    pub fn open() -> Result<Option<Self>> {
        if left_out(env::var("PALISADE_LAB").ok().as_deref(), env::var("CI").ok().as_deref())? {
            eprintln!("lab: NOT RUN, since PALISADE_LAB=off: this test has shown nothing");
            return Ok(None);
        }
        let cache = cache();
        let kernel = cache.join("kernel");
        let release = fs::read_to_string(kernel.join("release"))
            .with_context(|| format!("the lab has no kernel in {}: {INSTALL}", kernel.display()))?;
        let qemu = required("qemu-system-x86_64")?;
        Ok(Some(Self { cache, qemu, release: release.trim().to_owned() }))
    }

    /// Boots a machine and sets up its disks. Prints how long that took.
    ///
    /// # Errors
    /// The machine did not come up; the message holds what it said last.
    pub fn boot(&self, setup: &Setup) -> Result<Guest> {
        Guest::boot(self, setup)
    }

    pub(crate) fn vmlinux(&self) -> PathBuf {
        self.cache.join("kernel/vmlinux")
    }

    pub(crate) fn modules(&self) -> PathBuf {
        self.cache.join("kernel/lib/modules").join(&self.release)
    }

    /// A folder below the cache, made if need be.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.cache.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
        Ok(folder)
    }
}

/// Whether the lab is switched off, from the values of `PALISADE_LAB` and `CI`.
fn left_out(lab: Option<&str>, ci: Option<&str>) -> Result<bool> {
    match (lab, ci) {
        (Some("off"), Some("true")) => bail!("PALISADE_LAB=off is not accepted under CI=true"),
        (Some("off"), _) => Ok(true),
        (None | Some("" | "on"), _) => Ok(false),
        (Some(other), _) => bail!("PALISADE_LAB={other}: neither on nor off"),
    }
}

/// A program the lab cannot do without.
pub(crate) fn required(program: &str) -> Result<PathBuf> {
    find_program(program).with_context(|| format!("the lab needs {program}: {INSTALL}"))
}

/// The root of the workspace this was built from.
pub(crate) fn workspace() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest).to_owned()
}

/// The same places as in `tools/install-test-deps`. A relative folder counts from the workspace.
fn cache() -> PathBuf {
    let named = |variable| env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = named("PALISADE_LAB_CACHE")
        .unwrap_or_else(|| named("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()).join("lab"));
    workspace().join(cache)
}

/// Holds `file` for this process alone until dropped: tests run in many processes at a time.
pub(crate) fn lock(file: &Path) -> Result<Flock<File>> {
    let opened = File::create(file).with_context(|| format!("{}", file.display()))?;
    Flock::lock(opened, FlockArg::LockExclusive)
        .map_err(|(_, errno)| errno)
        .with_context(|| format!("lock {}", file.display()))
}

/// Where this workspace keeps locks of its own.
pub(crate) fn lock_folder() -> Result<PathBuf> {
    let folder = cache();
    fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_off_outside_ci_leaves_the_lab_out() {
        assert!(left_out(Some("off"), None).unwrap());
        assert!(left_out(Some("off"), Some("true")).is_err());
        assert!(left_out(Some("Off"), None).is_err());
        assert!(!left_out(None, Some("true")).unwrap());
    }
}
