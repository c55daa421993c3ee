//! What this program has changed on this host, in a file that outlives it.
//!
//! One file a network namespace, in the runtime folder. It is written, by renaming, *before* the first change, and an
//! entry leaves it only when reading the host back has shown that nothing of it stands. Whoever holds the ledger
//! holds its lock: nobody else of this program changes the namespace meanwhile, so an entry that is still pending when
//! the ledger is opened belongs to a process that died, and is undone.
//!
//! It need not outlive the machine: what it undoes does not either. So it is not flushed to a disk, and one of an
//! earlier boot is void. Must never be guessed at: one that cannot be read is an error.

mod kept;
mod record;
mod text;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

use super::Undone;
use super::rollback::roll_back;
use crate::system::clock::now;
use crate::system::netlink::Netlink;
use crate::system::{SystemError, hint, sysctl};

pub use kept::Kept;
pub use record::Record;

/// Where ledgers are kept unless told otherwise: a folder that is empty after a boot.
pub const FOLDER: &str = "/run/netident";
/// How long another process of this program is waited for; an unanswered question takes 0.62 s of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What went wrong with the ledger. Nothing was changed, unless said otherwise.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A file or the folder could not be used.
    #[error(
        "{path}: {doing}: {source}{}; what is changed must be recorded first (--runtime-dir names another folder)",
        hint(.source)
    )]
    File {
        /// Which.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What came back.
        source: io::Error,
    },
    /// The file makes no sense.
    #[error("{path} cannot be understood: {why}; look at it, undo by hand what it names, then remove it")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another process has it.
    #[error("{path}: another netident has been changing this host for {} s; see `fuser {}`", PATIENCE.as_secs(), .path.display())]
    Busy {
        /// The lock file.
        path: PathBuf,
    },
    /// A link has the virtual MAC of another identity.
    #[error(
        "its link has the virtual MAC of {name}, and a link has one: release that first, or use a macvlan"
    )]
    MacOfAnother {
        /// The other's addresses.
        name: String,
    },
    /// The namespace or the boot could not be told.
    #[error(transparent)]
    System(#[from] SystemError),
}

/// The ledger of this network namespace, locked.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    boot: String,
    records: Vec<Record>,
    lock: (PathBuf, Flock<File>),
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // Namespaces come and go: the lock of one of which nothing is recorded goes too, while it is still held.
        if self.records.is_empty() {
            let _ = fs::remove_file(&self.lock.0);
        }
    }
}

impl Ledger {
    /// Opens it, waiting for another process that has it for at most ten seconds.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn open(folder: &Path) -> Result<Self, LedgerError> {
        let file = |doing| {
            let path = folder.to_owned();
            move |source| LedgerError::File { path, doing, source }
        };
        DirBuilder::new().recursive(true).mode(0o755).create(folder).map_err(file("making the folder"))?;
        let namespace = sysctl::namespace()?;
        let lock = folder.join(format!("netns-{namespace}.lock"));
        let path = folder.join(format!("netns-{namespace}.json"));
        let lock = (lock.clone(), locked(lock)?);
        // Of a process that died while it wrote: what it would have replaced is in force.
        let _ = fs::remove_file(path.with_extension("new"));
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map_err(|source| SystemError::Call { doing: "telling which boot this is".into(), source })?;
        let boot = boot.trim().to_owned();
        let records = match fs::read_to_string(&path) {
            Ok(text) => {
                text::read(&text, &boot).map_err(|why| LedgerError::Unreadable { path: path.clone(), why })?
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(LedgerError::File { path, doing: "reading it", source }),
        };
        Ok(Self { path, boot, records, lock })
    }

    /// What is recorded.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Undoes every take that was cut short; one line for each, with what became of it.
    ///
    /// # Errors
    /// [`LedgerError`] where that could not be written down.
    pub fn repair(&mut self, netlink: &mut Netlink) -> Result<Vec<(String, Undone)>, LedgerError> {
        let mut told = Vec::new();
        for record in &mut self.records {
            if record.pending.is_empty() {
                continue;
            }
            let undone = roll_back(netlink, &record.pending);
            told.push((record.name(), undone));
            if undone != Undone::NotAll {
                record.forget_pending();
            }
        }
        if !told.is_empty() {
            self.records.retain(|r| !r.is_void());
            self.save()?;
        }
        Ok(told)
    }

    /// Writes it as a whole, or not at all; an empty one goes away.
    fn save(&self) -> Result<(), LedgerError> {
        let failed = |doing| move |source| LedgerError::File { path: self.path.clone(), doing, source };
        if self.records.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("removing it")(e)),
                _ => Ok(()),
            };
        }
        let text = text::write(&self.records, &self.boot);
        let new = self.path.with_extension("new");
        let write = || -> io::Result<()> {
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&new)?;
            file.write_all(text.as_bytes())?;
            fs::rename(&new, &self.path)
        };
        write().map_err(failed("writing it"))
    }
}

/// The lock, of the file that has this name now: the one that had it before may have been removed meanwhile.
fn locked(path: PathBuf) -> Result<Flock<File>, LedgerError> {
    let end = now() + PATIENCE;
    while let Some(left) = end.checked_sub(now()).filter(|d| !d.is_zero()) {
        let lock = lock_of(&path, left)?;
        let held = lock.metadata().map(|m| m.ino()).ok();
        if held.is_some() && held == fs::metadata(&path).map(|m| m.ino()).ok() {
            return Ok(lock);
        }
    }
    Err(LedgerError::Busy { path })
}

/// A lock on the file, waited for in a thread of its own: it blocks there, and the deadline is kept here.
fn lock_of(path: &Path, patience: Duration) -> Result<Flock<File>, LedgerError> {
    let failed = |source| LedgerError::File { path: path.to_owned(), doing: "locking it", source };
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = match Flock::lock(file.map_err(failed)?, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => return Ok(lock),
        Err((file, nix::errno::Errno::EWOULDBLOCK)) => file,
        Err((_, e)) => return Err(failed(e.into())),
    };
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        // Nobody listens after the deadline; the lock is then dropped, and the process ends anyway.
        let _ = tell.send(Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, e)| e));
    });
    match told.recv_timeout(patience) {
        Ok(Ok(lock)) => Ok(lock),
        Ok(Err(e)) => Err(failed(e.into())),
        Err(_) => Err(LedgerError::Busy { path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_nothing_is_left_of_an_empty_one() {
        let folder = std::env::temp_dir().join(format!("netident-ledger-{}", std::process::id()));
        let count = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|s| {
            for _ in 0..8 {
                s.spawn(|| {
                    for _ in 0..20 {
                        let ledger = Ledger::open(&folder).unwrap();
                        assert_eq!(count.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0, "alone");
                        count.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(ledger);
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir(&folder).unwrap();
    }

    #[test]
    fn one_that_makes_no_sense_and_a_folder_that_cannot_be_are_errors() {
        let folder = std::env::temp_dir().join(format!("netident-broken-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("netns-{}.json", sysctl::namespace().unwrap()));
        fs::write(&path, "{").unwrap();
        let e = Ledger::open(&folder).unwrap_err();
        assert!(e.to_string().contains("cannot be understood"), "{e}");
        let e = Ledger::open(&path.join("below")).unwrap_err();
        assert!(matches!(e, LedgerError::File { .. }) && e.to_string().contains("--runtime-dir"), "{e}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
