//! Small files that must survive a crash, and the lock that says one process at a time.
//!
//! Two folders: *state* survives a reboot (incarnations), *runtime* does not (handovers). A file is
//! replaced whole (new file, fsync, rename, fsync of the folder) or not at all. Never used between a
//! lost heartbeat and a proven fence.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::key::{ClusterId, NodeNumber};

/// Why a small file could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Reading or writing failed.
    #[error(
        "{doing} {path}: {source}. The folder must exist on a local disk and be writable by this user; --state-dir and --runtime-dir choose others"
    )]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which path.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
    /// The content is not what this program writes.
    #[error(
        "{path} is damaged: {why}. Nothing was changed; look at it, and remove it only if no other program of this node is at work"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Another process of this node works on the same device.
    #[error("another process of this node is working on this device (it holds {path}); end it first")]
    Busy {
        /// The lock file.
        path: PathBuf,
    },
}

/// The folder of one node of one cluster, for one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    dir: PathBuf,
    device: String,
}

impl Place {
    /// Below `root`, for this node and the device with this identity.
    #[must_use]
    pub fn new(root: &Path, cluster: ClusterId, node: NodeNumber, identity: &str) -> Self {
        Self { dir: root.join(format!("{cluster}-{node}")), device: file_name(identity) }
    }

    /// Below `root`, for what all nodes that run on this host share.
    #[must_use]
    pub fn of_host(root: &Path, name: &str) -> Self {
        Self { dir: root.join("host"), device: file_name(name) }
    }

    fn path(&self, what: &str) -> PathBuf {
        self.dir.join(format!("{}.{what}", self.device))
    }

    fn make(&self) -> Result<(), StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)
            .map_err(|e| io_error("creating", &self.dir, e))
    }

    /// Takes the lock `what`, which ends with the process.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if another process has it.
    pub fn lock(&self, what: &str) -> Result<Lock, StoreError> {
        self.make()?;
        let path = self.path(what);
        let f = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|e| io_error("opening", &path, e))?;
        match Flock::lock(f, FlockArg::LockExclusiveNonblock) {
            Ok(held) => Ok(Lock { _held: held }),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(StoreError::Busy { path }),
            Err((_, e)) => Err(io_error("locking", &path, e.into())),
        }
    }

    /// Reads the record `what`; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be read or understood.
    pub fn read<T: DeserializeOwned>(&self, what: &str) -> Result<Option<T>, StoreError> {
        let path = self.path(what);
        let text = match fs::read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|e| io_error("reading", &path, e))?,
        };
        serde_json::from_slice(&text).map(Some).map_err(|e| StoreError::Damaged { path, why: e.to_string() })
    }

    /// Replaces the record `what`, durably.
    ///
    /// # Errors
    /// [`StoreError`] where it could not be made durable; the old record is then still whole.
    pub fn write<T: Serialize>(&self, what: &str, record: &T) -> Result<(), StoreError> {
        self.make()?;
        let path = self.path(what);
        let new = self.path(&format!("{what}.new"));
        let put = || -> io::Result<()> {
            let mut f = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
            f.write_all(&serde_json::to_vec(record)?)?;
            f.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(&self.dir)?.sync_all()
        };
        put().map_err(|e| io_error("writing", &path, e))
    }

    /// Removes the record `what`; that there is none is as good.
    ///
    /// # Errors
    /// [`StoreError`] where it could not be removed.
    pub fn remove(&self, what: &str) -> Result<(), StoreError> {
        let path = self.path(what);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error("removing", &path, e)),
            _ => Ok(()),
        }
    }
}

/// A lock held until it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    _held: Flock<File>,
}

/// `name` with everything replaced that a file name should not hold.
fn file_name(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    name.chars().map(|c| if fits(c) { c } else { '_' }).collect()
}

fn io_error(doing: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { doing, path: path.to_owned(), source }
}

/// The kernel's id of this boot.
///
/// # Errors
/// [`StoreError::Io`] without a readable /proc.
pub fn boot_id() -> Result<String, StoreError> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    fs::read_to_string(path).map(|s| s.trim().to_owned()).map_err(|e| io_error("reading", path, e))
}
