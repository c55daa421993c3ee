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
        if env::var("PALISADE_LAB").is_ok_and(|value| value == "off") {
            if env::var("CI").is_ok_and(|value| value == "true") {
                bail!("PALISADE_LAB=off is not accepted under CI=true");
            }
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
