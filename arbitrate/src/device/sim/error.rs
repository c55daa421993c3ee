//! Why an embedded unit can't be opened, made or shown, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::faults::FaultError;
use super::file::ReadError;
use super::profile::{ProfileError, TooManyNexuses};
use super::spec::SpecError;

/// What went wrong with an embedded unit.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The name does not parse.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The options of a new unit contradict themselves.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// No number left for another nexus.
    #[error(transparent)]
    TooManyNexuses(#[from] TooManyNexuses),
    /// A fault that cannot be.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// There is no such file.
    #[error("{}: no such file: an embedded disk is created before it is used", .0.display())]
    Missing(PathBuf),
    /// There is such a file.
    #[error("{}: exists already and is left as it is: remove it first, or name another file", .0.display())]
    Exists(PathBuf),
    /// Somebody else's file: left alone.
    #[error("{}: {why}; it was left as it is", .path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// How that shows.
        why: String,
    },
    /// Ours, but damaged.
    #[error(
        "{}: {why}: registrations and reservation are lost; the blocks stand untouched from offset 1 MiB on: \
         save them if they matter, then create the disk anew",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is.
        why: String,
    },
    /// Somebody holds the lock and does not let go.
    #[error("{}: locked by another process for {waited:?}: is one stopped?", .path.display())]
    Locked {
        /// The file.
        path: PathBuf,
        /// For how long we tried.
        waited: Duration,
    },
    /// The file system said no.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl SimError {
    pub(super) fn of_read(path: &Path, e: ReadError) -> Self {
        let path = path.to_owned();
        match e {
            ReadError::Io(source) => Self::Io { path, source },
            ReadError::NotOurs | ReadError::OtherVersion => Self::NotOurs { path, why: e.to_string() },
            ReadError::BothDamaged | ReadError::Unsound(_) => Self::Damaged { path, why: e.to_string() },
        }
    }
}

/// Adds the path to an error of the file system.
pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> SimError + '_ {
    |source| SimError::Io { path: path.to_owned(), source }
}
