//! What `fence`, `unfence` and `clear-stale` are told.

use arbitrate::key::Key;
use clap::{Args, ValueEnum};

use crate::cli::args::{Consent, Node};

/// What else ends the victim's queued commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DrainArg {
    /// PREEMPT AND ABORT alone
    None,
    /// A LOGICAL UNIT RESET besides; it also hits everybody else's commands
    Reset,
}

/// A type that keeps everybody out who is not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeepOut {
    /// Write Exclusive, Registrants Only: the victim may still read
    #[value(alias = "5")]
    Wero,
    /// Exclusive Access, Registrants Only
    #[value(alias = "6")]
    Earo,
}

/// Checks that can be overridden, each by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Check {
    /// The victim is registered on none of the devices
    Unregistered,
    /// The reservation is held by a key of another cluster or tool
    Holder,
    /// A path gives no answer when it is read back on
    SilentPaths,
    /// The victim's keys had gone before: whether what it had queued was aborted then is not known here
    Queued,
}

#[derive(Args, Debug)]
#[command(after_help = crate::cli::status::help("fence", "\
FENCING A SECOND TIME\n  A node that was fenced has no key left, so nothing shows whether an abort ended what it had queued:\n  \
a repeated fence ends 3, never 0 and never 1. Keep the receipt of the one that ended 0; or add\n  \
--force unregistered --drain reset, which proves it anew, or, with that receipt in hand,\n  \
--force unregistered --force queued.\n\nEXAMPLES\n  arbitrate fence --cluster prod --node 2 --as-node 1 --yes /dev/sdb /dev/sdc\n  \
arbitrate fence --cluster prod --node 2 --dry-run /dev/sdb"))]
pub(crate) struct Fence {
    /// The devices, all of which the victim must be kept out of
    #[arg(required = true, value_name = "DEVICE")]
    pub(crate) devices: Vec<String>,
    /// The cluster's name; its hash stands in every key
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: String,
    /// The node to fence, 1 to 255: every key of it, of whatever life
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) node: u8,
    #[command(flatten)]
    pub(crate) who: Who,
    #[command(flatten)]
    pub(crate) paths: AllPaths,
    /// Type of the reservation that must be in force; without it, the one in force, or wero where there
    /// is none
    #[arg(long = "type", value_enum)]
    pub(crate) kind: Option<KeepOut>,
    /// What ends commands of the victim that the target has queued, besides the abort
    #[arg(long, value_enum, default_value_t = DrainArg::None)]
    pub(crate) drain: DrainArg,
    /// The key expected to hold the reservation; another holder is refused
    #[arg(long, value_name = "KEY")]
    pub(crate) holder: Option<Key>,
    /// After how long whatever is not proven is unknown; at least twice --timeout-ms [default: 10000, with
    /// --drain reset 40000, and never less than three times --timeout-ms]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub(crate) deadline_ms: Option<u64>,
    /// Override one check by its name
    #[arg(long, value_name = "CHECK", value_enum)]
    pub(crate) force: Vec<Check>,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// Who this host is on the devices. Without either, what READ FULL STATUS shows under this host's own
/// TransportID.
#[derive(Args, Debug)]
pub(crate) struct Who {
    /// This host's own node number
    #[arg(long, value_name = "N", conflicts_with = "key", value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) as_node: Option<u8>,
    /// The key this host is registered with, 1 to 16 hex digits
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<Key>,
}

/// Which paths are meant.
#[derive(Args, Debug)]
pub(crate) struct AllPaths {
    /// Every path of this host to the unit, found by identity, and not just the one named; implied for a
    /// dm-multipath device and for sim:PATH?as=NAME&port=1+2
    #[arg(long)]
    pub(crate) paths: bool,
}

#[derive(Args, Debug)]
#[command(after_help = crate::cli::status::help("unfence", "\
EXAMPLES\n  arbitrate unfence --cluster prod --node 2 /dev/sdb /dev/sdc"))]
pub(crate) struct Unfence {
    /// The devices to register this node on again
    #[arg(required = true, value_name = "DEVICE")]
    pub(crate) devices: Vec<String>,
    #[command(flatten)]
    pub(crate) node: Node,
    #[command(flatten)]
    pub(crate) paths: AllPaths,
    /// End what this node may still have queued on the devices by a LOGICAL UNIT RESET first
    #[arg(long, value_enum, default_value_t = DrainArg::None)]
    pub(crate) drain: DrainArg,
    /// Override one check by its name
    #[arg(long, value_name = "CHECK", value_enum)]
    pub(crate) force: Vec<UnfenceCheck>,
    /// Show the commands and send nothing that changes the device
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Checks of `unfence` that can be overridden, each by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum UnfenceCheck {
    /// Commands of this node's earlier life, in this very boot, may still be queued
    Queued,
}

#[derive(Args, Debug)]
#[command(after_help = crate::cli::status::help("clear-stale", "\
EXAMPLES\n  arbitrate clear-stale --cluster prod /dev/sdb\n  \
arbitrate clear-stale --cluster prod --as-node 1 --down 2 --remove 811c9dc502000007 --yes /dev/sdb"))]
pub(crate) struct ClearStale {
    /// The devices
    #[arg(required = true, value_name = "DEVICE")]
    pub(crate) devices: Vec<String>,
    /// The cluster's name; keys of others are shown as foreign
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: String,
    #[command(flatten)]
    pub(crate) who: Who,
    /// A key to remove; none is removed that is not named
    #[arg(long, value_name = "KEY")]
    pub(crate) remove: Vec<Key>,
    /// A node you have proven to be down (powered off, or fenced otherwise); only keys of such are removed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) down: Vec<u8>,
    /// Override one check by its name
    #[arg(long, value_name = "CHECK", value_enum)]
    pub(crate) force: Vec<StaleCheck>,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// Checks of `clear-stale` that can be overridden, each by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StaleCheck {
    /// The key is of another cluster or another tool
    Foreign,
}

impl Fence {
    pub(crate) fn forced(&self, c: Check) -> bool {
        self.force.contains(&c)
    }
}
