//! `--legacy`: challenge and defence by SPC-2 RESERVE(6) and resets.
//!
//! Decides nothing: what may be believed of a disk comes from the library.

mod challenge;
pub(super) mod ends;
mod plan;
pub(super) mod timeline;

use arbitrate::device::ResetScope;
use arbitrate::device::multipath::{Asked, candidates};
use clap::{Args, ValueEnum};

pub(super) use challenge::run as challenge;
pub(super) use plan::Plan;

use super::args;
use super::exit::Exit;
use super::output::Failure;
use super::paths::PathsArg;

/// How a disk without persistent reservations is shared.
#[derive(Args, Debug)]
pub(crate) struct LegacyMode {
    /// For disks without persistent reservations: own it by SPC-2 RESERVE(6), break in by a reset
    #[arg(long, conflicts_with = "paths")]
    pub(crate) legacy: bool,
    /// With --legacy: what is reset where another holds the disk; target and bus hit other disks and
    /// their users too [default: lun]
    #[arg(long, value_enum, requires = "legacy", value_name = "SCOPE")]
    pub(crate) reset: Option<Reset>,
}

/// The scopes a challenger may be told to reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reset {
    Lun,
    Target,
    Bus,
}

impl LegacyMode {
    pub(crate) const fn scope(&self) -> ResetScope {
        match self.reset {
            None | Some(Reset::Lun) => ResetScope::LogicalUnit,
            Some(Reset::Target) => ResetScope::Target,
            Some(Reset::Bus) => ResetScope::Bus,
        }
    }
}

/// Options that mean nothing in legacy mode are refused, not ignored.
pub(super) fn check(device: &str, node: &args::Node, paths: &PathsArg) -> Result<(), Failure> {
    let failed = |tried: &str, answer: &str, next: &str| Failure::new(Exit::Usage, tried, answer, next);
    if node.exclusive_access {
        return Err(failed(
            "--legacy --exclusive-access",
            "an SPC-2 reservation has no type: it keeps everybody else from reading and writing",
            "leave --exclusive-access out",
        ));
    }
    // What cannot be found out is not in the way: opening the device says what it is.
    let many = candidates(device).is_ok_and(|c| c.asked != Asked::ForOnePath);
    if paths.paths || many {
        return Err(failed(
            "--legacy on all paths of a unit",
            "an SPC-2 reservation belongs to one path: this host's other paths would meet the conflict themselves",
            "name one path, and let nothing on this host use another",
        ));
    }
    Ok(())
}

/// A scope in words.
pub(super) const fn scope_words(scope: ResetScope) -> &'static str {
    match scope {
        ResetScope::LogicalUnit => "the logical unit",
        ResetScope::Target => "the WHOLE TARGET, with every logical unit behind it",
        ResetScope::Bus => "the WHOLE BUS, with every device on it",
        ResetScope::Host => "the HOST ADAPTER, with every device behind it",
    }
}
