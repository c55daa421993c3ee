//! Plans carried out on this host, and read back.
//!
//! Must never call done what was not read back: every change is followed by a look at the host.

mod announce;
mod carry;
mod keep;
pub mod ledger;
mod lookup;
mod name;
mod probe;
mod refresh;
mod refusal;
mod release;
mod rollback;
mod take;
mod watch;

use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use pnet_base::MacAddr;

use crate::host::Host;
use crate::plan::{Obstacle, Step};
use crate::system::SystemError;
use crate::system::signals::Caught;

pub use announce::{Announced, Announcer};
pub use keep::{Keep, Moment, Unkept};
pub use lookup::lookup;
pub use name::{Named, load_key, rename};
pub use probe::probe;
pub use refresh::refresh;
pub use release::{Released, release, release_kept};
pub use take::{Prepared, Taken, take, take_kept};
pub use watch::{Ended, News, watch};

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
    #[error("{net} on {link}: {}; {undone}", refusal::reason(.net, .link, .source))]
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
    /// The kernel refused another change; what was done before is undone again.
    #[error("to {step}: {source}{}; {undone}", step_hint(.source))]
    StepRefused {
        /// What was to be done, in words.
        step: String,
        /// What came back.
        source: io::Error,
        /// What became of the rest.
        undone: Undone,
    },
    /// The kernel said yes, and reading back showed otherwise.
    #[error("to {step}: the kernel said yes, but reading back shows that {shown}; {undone}")]
    StepNotSo {
        /// What was to be done, in words.
        step: String,
        /// What reading back showed.
        shown: &'static str,
        /// What became of the changes.
        undone: Undone,
    },
    /// Another host claimed an address when it was announced.
    #[error("{ip} is claimed by {by}: another host has it; {undone}")]
    Contested {
        /// The address.
        ip: IpAddr,
        /// Who claims it.
        by: MacAddr,
        /// What became of the changes here.
        undone: Undone,
    },
    /// A signal asked for an end before the identity stood.
    #[error("{signal} came before the identity stood; {undone}")]
    Interrupted {
        /// Which.
        signal: Caught,
        /// What became of the changes.
        undone: Undone,
    },
    /// The kernel could not be asked any more.
    #[error("{source}; {undone}")]
    Broken {
        /// What went wrong.
        source: SystemError,
        /// What became of the changes.
        undone: Undone,
    },
    /// What undoes a change could not be recorded, or the record not be read; nothing was changed after that.
    #[error(transparent)]
    Ledger(#[from] ledger::LedgerError),
    /// That the identity stands could not be recorded.
    #[error("{source}; {undone}")]
    Unrecorded {
        /// Why.
        source: ledger::LedgerError,
        /// What became of the changes.
        undone: Undone,
    },
    /// The kernel said yes, and reading back showed otherwise.
    #[error("{net} on {link}: the kernel said yes, but reading back shows it {shown}; {undone}")]
    NotSo {
        /// The address.
        net: IpNet,
        /// The link.
        link: String,
        /// What reading back showed.
        shown: &'static str,
        /// What became of the changes.
        undone: Undone,
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

impl Failure {
    fn refused(host: &Host, step: Step, source: io::Error, undone: Undone) -> Self {
        match step {
            Step::Add { link, net, .. } | Step::Remove { link, net } => {
                Self::Refused { net, link: host.name(link).to_owned(), source, undone }
            }
            _ => Self::StepRefused { step: step.words(host), source, undone },
        }
    }
}

/// What an errno means for a link or a route.
fn step_hint(e: &io::Error) -> &'static str {
    match e.raw_os_error() {
        Some(libc::EBUSY) => " (its driver changes the MAC only while the link is down: use a macvlan)",
        Some(libc::EEXIST) => " (one like it is there already; a route may need another metric)",
        Some(libc::EOPNOTSUPP) => " (this kernel or driver cannot do it)",
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => " (its router is not reachable on that link)",
        _ => "",
    }
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
    /// A release undoes nothing: it went on with the rest.
    WentOn,
}

impl std::fmt::Display for Undone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing was changed",
            Self::All => "what was changed before is undone again",
            Self::NotAll => {
                "NOT all that was changed before could be undone: `netident show` tells what stands"
            }
            Self::WentOn => "the release went on with the rest",
        })
    }
}
