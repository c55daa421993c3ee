//! Plans carried out on this host, and read back.
//!
//! Must never call done what was not read back: every change is followed by a look at the host.

mod announce;
mod name;
mod probe;
mod release;
mod take;

use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use pnet_base::MacAddr;

use crate::plan::Obstacle;
use crate::system::SystemError;

pub use announce::{Announced, Announcer};
pub use name::{Named, load_key, rename};
pub use probe::probe;
pub use release::{Released, release};
pub use take::{Prepared, Taken, take};

/// How far an identity's addresses came to stand, or to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Changed, and read back.
    Done,
    /// It was so before; nothing was changed.
    AlreadySo,
}

/// Why nothing is, or not all, as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The plan met an obstacle; nothing was changed.
    #[error(transparent)]
    Obstacle(#[from] Obstacle),
    /// The kernel refused a change; what was done before is undone again.
    #[error("{net} on {link}: {source}; {undone}")]
    Refused {
        /// The address.
        net: IpNet,
        /// The link.
        link: String,
        /// What came back.
        source: io::Error,
        /// What became of the rest.
        undone: Undone,
    },
    /// The kernel said yes, and reading back showed otherwise.
    #[error("{net} on {link}: the kernel said yes, but reading back shows it {shown}")]
    NotSo {
        /// The address.
        net: IpNet,
        /// The link.
        link: String,
        /// What reading back showed.
        shown: &'static str,
    },
    /// Another host claims an address.
    #[error("{ip} is claimed by {by}: another host has it, or is about to")]
    Conflict {
        /// The address.
        ip: IpAddr,
        /// Who claims it.
        by: MacAddr,
    },
    /// The kernel could not be asked.
    #[error(transparent)]
    System(#[from] SystemError),
}

/// What became of the changes before one that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undone {
    /// There were none.
    Nothing,
    /// All are undone, and read back.
    All,
    /// Some still stand: look with `netident show`.
    NotAll,
}

impl std::fmt::Display for Undone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing was changed",
            Self::All => "what was changed before is undone again",
            Self::NotAll => {
                "NOT all that was changed before could be undone: `netident show` tells what stands"
            }
        })
    }
}
