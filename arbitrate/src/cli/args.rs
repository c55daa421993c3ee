//! The command line, defined once: help, manual and completions come from here.

use std::path::PathBuf;

use arbitrate::codec::pr::ReservationType;
use arbitrate::device::sim::Personality;
use arbitrate::key::Key;
use clap::{Args, Parser, Subcommand, ValueEnum};

#[derive(Parser, Debug)]
#[command(
    name = "arbitrate",
    version,
    about = "Who owns a shared disk: SCSI reservations, challenge and defence",
    after_help = super::status::all("\
DEVICE\n  /dev/sgN, /dev/sdX (its sg node is used), or sim:PATH?as=NAME[&port=N], an embedded disk in a file;\n  for challenge and defend a dm-multipath device too, or port=1+2: all its paths\n\n\
EXAMPLES\n  arbitrate inspect /dev/sdb\n  arbitrate challenge /dev/sdb --cluster prod --node 2\n  \
arbitrate defend /dev/sdb --cluster prod --node 2 --acquire")
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args, Debug)]
pub(crate) struct Globals {
    /// One JSON object on standard output (a line each for long-running commands), failure included
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show every command sent to a device, on standard error
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    /// How long one command may take before its outcome is unknown [default: 3000; for challenge and
    /// defend: what the timing profile says]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub(crate) timeout_ms: Option<u64>,
    /// Append every command and answer to this file as JSON lines (for `replay`); costs a write a command
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Who owns the disk, who is registered, what it is: identity, capabilities, every key decoded
    Inspect(Device),
    /// The registered keys (READ KEYS)
    Keys(Device),
    /// The reservation in force (READ RESERVATION)
    Reservation(Device),
    /// What the target's persistent reservations offer (REPORT CAPABILITIES)
    Capabilities(Device),
    /// Every registration with its initiator and target port (READ FULL STATUS)
    FullStatus(Device),
    /// Register a key on this nexus, or replace one (REGISTER)
    Register(Register),
    /// Remove this nexus's registration (REGISTER with key 0)
    Unregister(OwnKey),
    /// Take the reservation (RESERVE)
    Reserve(Reserve),
    /// Give the reservation up (RELEASE)
    Release(Reserve),
    /// Remove the reservation and every registration (CLEAR)
    Clear(Destructive),
    /// Remove another's registrations, and take its reservation if it holds it (PREEMPT)
    Preempt(Preempt),
    /// Register another nexus and move the reservation to it (REGISTER AND MOVE)
    Move(Move),
    /// Reserve where a reservation was lost (REPLACE LOST RESERVATION)
    ReplaceLost(Reserve),
    /// SPC-2 reservations of old disks
    #[command(subcommand)]
    Legacy(Legacy),
    /// Reset a logical unit, target, bus or host adapter
    Reset(Reset),
    /// Challenge the owner of a disk, and own it only if nobody defends it
    Challenge(Challenge),
    /// Own a disk and defend it, until told to stop or deposed
    Defend(Defend),
    /// Measure READ KEYS, ticks, challenges and fences on a device
    Bench(crate::cli::bench::args::Bench),
    /// Fence a node: remove its registrations from every device and prove that it is kept out
    Fence(crate::cli::fence::args::Fence),
    /// Register this node on its devices again, under a fresh life
    Unfence(crate::cli::fence::args::Unfence),
    /// Show who is registered and may be dead; remove those who are
    ClearStale(crate::cli::fence::args::ClearStale),
    /// Qualify an array over two of its paths before it is trusted with fencing
    Verify(super::verify::Verify),
    /// Send one command as it is, or with --batch many
    Raw(Raw),
    /// Embedded disks
    #[command(subcommand)]
    Sim(Sim),
    /// Run a recording against an embedded disk and show the first difference
    Replay(super::replay::ReplayArgs),
    /// What an exit code means and what to do next
    Explain {
        /// The code; all of them without one
        code: Option<u8>,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Device {
    /// The device
    pub(crate) device: String,
}

#[derive(Args, Debug)]
pub(crate) struct Consent {
    /// Do it without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Show the commands in hex and in words, and send nothing that changes the device
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Args, Debug)]
pub(crate) struct OwnKey {
    /// The device
    pub(crate) device: String,
    /// The key this nexus is registered with, 1 to 16 hex digits
    #[arg(long)]
    pub(crate) key: Key,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Args, Debug)]
pub(crate) struct Register {
    /// The device
    pub(crate) device: String,
    /// The key to register, 1 to 16 hex digits
    #[arg(long)]
    pub(crate) key: Key,
    /// The key this nexus is registered with now, to replace it
    #[arg(long, conflicts_with = "ignore_existing", value_name = "KEY")]
    pub(crate) existing: Option<Key>,
    /// Replace whatever key is registered on this nexus (REGISTER AND IGNORE EXISTING KEY)
    #[arg(long)]
    pub(crate) ignore_existing: bool,
    /// Ask the target to keep registrations through power loss (APTPL)
    #[arg(long)]
    pub(crate) aptpl: bool,
    /// Register on all target ports (ALL_TG_PT)
    #[arg(long)]
    pub(crate) all_target_ports: bool,
    /// Register these initiators too (SPEC_I_PT): iqn.…[,i,0xISID], sas:HEX, fcp:HEX, …
    #[arg(long, value_name = "ID", num_args = 1.., conflicts_with = "ignore_existing")]
    pub(crate) transport_id: Vec<String>,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Args, Debug)]
pub(crate) struct Reserve {
    /// The device
    pub(crate) device: String,
    /// The key this nexus is registered with, 1 to 16 hex digits
    #[arg(long)]
    pub(crate) key: Key,
    /// The reservation's type
    #[arg(long = "type", value_enum, default_value_t = TypeArg::WriteExclusiveRegistrantsOnly)]
    pub(crate) kind: TypeArg,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Args, Debug)]
pub(crate) struct Destructive {
    /// The device
    pub(crate) device: String,
    /// The key this nexus is registered with, 1 to 16 hex digits
    #[arg(long)]
    pub(crate) key: Key,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Args, Debug)]
pub(crate) struct Preempt {
    /// The device
    pub(crate) device: String,
    /// The key this nexus is registered with, 1 to 16 hex digits
    #[arg(long)]
    pub(crate) key: Key,
    /// The key whose registrations are removed; refused unless it is registered
    #[arg(long, value_name = "KEY")]
    pub(crate) holder: Key,
    /// Abort the commands of the preempted as well (PREEMPT AND ABORT)
    #[arg(long)]
    pub(crate) abort: bool,
    /// Type of the reservation that results
    #[arg(long = "type", value_enum, default_value_t = TypeArg::WriteExclusiveRegistrantsOnly)]
    pub(crate) kind: TypeArg,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Args, Debug)]
pub(crate) struct Move {
    /// The device
    pub(crate) device: String,
    /// The key this nexus holds the reservation with
    #[arg(long)]
    pub(crate) key: Key,
    /// The key to register for the other nexus
    #[arg(long, value_name = "KEY")]
    pub(crate) new_key: Key,
    /// The other initiator
    #[arg(long, value_name = "ID")]
    pub(crate) transport_id: String,
    /// Relative target port identifier the other nexus uses
    #[arg(long, value_name = "N")]
    pub(crate) target_port: u16,
    /// Unregister this nexus afterwards (UNREG)
    #[arg(long)]
    pub(crate) unregister: bool,
    /// Ask the target to keep registrations through power loss (APTPL)
    #[arg(long)]
    pub(crate) aptpl: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Legacy {
    /// RESERVE(6)
    Reserve(LegacyArgs),
    /// RELEASE(6)
    Release(LegacyArgs),
}

#[derive(Args, Debug)]
pub(crate) struct LegacyArgs {
    /// The device
    pub(crate) device: String,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Args, Debug)]
pub(crate) struct Reset {
    /// The device
    pub(crate) device: String,
    /// What to reset
    #[arg(long, value_enum)]
    pub(crate) scope: ScopeArg,
    /// Let the kernel go on to the next larger scope if this one fails
    #[arg(long)]
    pub(crate) escalate: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// Who this node is and where its small files are.
#[derive(Args, Debug)]
pub(crate) struct Node {
    /// The cluster's name; its hash stands in every key
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: String,
    /// This node's number in the cluster, 1 to 255
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) node: u8,
    /// Timing: classic (3 s tick, 7 s window), lab (1 s, 6 s), fast (200 ms, 600 ms) or a TOML file
    #[arg(long, value_name = "classic|lab|fast|FILE", default_value = "classic")]
    pub(crate) profile: String,
    /// Reserve as Exclusive Access, Registrants Only: the loser cannot even read
    #[arg(long)]
    pub(crate) exclusive_access: bool,
    /// Folder that survives a reboot [default: /var/lib/palisade for root, else below the home folder]
    #[arg(long, env = "PALISADE_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Folder that does not survive a reboot [default: /run/palisade for root, else the user's]
    #[arg(long, env = "PALISADE_RUNTIME_DIR", value_name = "DIR")]
    pub(crate) runtime_dir: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = super::status::help("challenge", "\
EXAMPLES\n  arbitrate challenge /dev/sdb --cluster prod --node 2\n  \
arbitrate challenge /dev/sdb --cluster prod --node 2 --dry-run"))]
pub(crate) struct Challenge {
    /// The device
    pub(crate) device: String,
    #[command(flatten)]
    pub(crate) quorum: super::quorum::args::Quorum,
    #[command(flatten)]
    pub(crate) node: Node,
    #[command(flatten)]
    pub(crate) paths: super::paths::PathsArg,
    #[command(flatten)]
    pub(crate) legacy: super::legacy::LegacyMode,
    /// Show the plan and send nothing that changes the device
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Args, Debug)]
#[command(after_help = super::status::help("defend", "\
EXAMPLES\n  arbitrate defend /dev/sdb --cluster prod --node 2 --acquire --on-deposed 'systemctl stop app'"))]
pub(crate) struct Defend {
    /// The device
    pub(crate) device: String,
    #[command(flatten)]
    pub(crate) quorum: super::quorum::args::Quorum,
    #[command(flatten)]
    pub(crate) node: Node,
    #[command(flatten)]
    pub(crate) paths: super::paths::PathsArg,
    #[command(flatten)]
    pub(crate) legacy: super::legacy::LegacyMode,
    /// Challenge first; without it, take over what a `challenge` of this host has just won
    #[arg(long)]
    pub(crate) acquire: bool,
    /// Run by /bin/sh when ownership ends unasked; PALISADE_REASON says why
    #[arg(long, value_name = "CMD")]
    pub(crate) on_deposed: Option<String>,
    /// Feed this watchdog with every confirmed tick
    #[arg(long, value_name = "PATH")]
    pub(crate) watchdog: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reports: super::defend::quiet::Reports,
}

#[derive(Args, Debug)]
pub(crate) struct Raw {
    /// The device
    pub(crate) device: String,
    /// The command, hex digits; blanks allowed
    #[arg(long, value_name = "HEX", required_unless_present = "batch")]
    pub(crate) cdb: Option<String>,
    /// Read up to LEN bytes
    #[arg(long = "in", value_name = "LEN", conflicts_with = "out")]
    pub(crate) read: Option<usize>,
    /// Send these bytes: hex digits, or @FILE
    #[arg(long, value_name = "HEX|@FILE")]
    pub(crate) out: Option<String>,
    /// Read JSON lines {"cdb":HEX,"out":HEX,"in":LEN} or {"reset":SCOPE} and answer each with one
    #[arg(long, conflicts_with_all = ["cdb", "read", "out"])]
    pub(crate) batch: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Sim {
    /// Make an embedded disk
    Create {
        /// The file
        path: PathBuf,
        /// Its size in MiB
        #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
        size_mib: u32,
        /// How it behaves where targets differ: spc, as the standards say, or lio, as Linux's LIO target
        #[arg(long, default_value_t, value_name = "spc|lio")]
        personality: Personality,
    },
    /// Show the whole state of an embedded disk
    Show {
        /// The file
        path: PathBuf,
    },
    /// Let things go wrong: delays, lost commands and answers, BUSY, resets, power loss
    Fault(super::sim::FaultArgs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScopeArg {
    Lun,
    Target,
    Bus,
    Host,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TypeArg {
    #[value(name = "we", alias = "1")]
    WriteExclusive,
    #[value(name = "ea", alias = "3")]
    ExclusiveAccess,
    #[value(name = "wero", alias = "5")]
    WriteExclusiveRegistrantsOnly,
    #[value(name = "earo", alias = "6")]
    ExclusiveAccessRegistrantsOnly,
    #[value(name = "wear", alias = "7")]
    WriteExclusiveAllRegistrants,
    #[value(name = "eaar", alias = "8")]
    ExclusiveAccessAllRegistrants,
}

impl TypeArg {
    pub(crate) const fn kind(self) -> ReservationType {
        match self {
            Self::WriteExclusive => ReservationType::WriteExclusive,
            Self::ExclusiveAccess => ReservationType::ExclusiveAccess,
            Self::WriteExclusiveRegistrantsOnly => ReservationType::WriteExclusiveRegistrantsOnly,
            Self::ExclusiveAccessRegistrantsOnly => ReservationType::ExclusiveAccessRegistrantsOnly,
            Self::WriteExclusiveAllRegistrants => ReservationType::WriteExclusiveAllRegistrants,
            Self::ExclusiveAccessAllRegistrants => ReservationType::ExclusiveAccessAllRegistrants,
        }
    }
}
