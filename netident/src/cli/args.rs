//! The command line, defined once.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use netident::identity::Address;

#[derive(Parser, Debug)]
#[command(
    name = "netident",
    version,
    about = "Moves a network identity between hosts, and says who has confirmed it",
    after_help = "EXIT STATUS\n  0 done and confirmed, or already so  1 error  2 usage  3 not here  \
4 done, but no neighbour confirmed it\n  5 the addresses are as asked, but the name was refused  6 the same, but it is not known where the name leads\n  10 conflict: another host answers for an address\n\n\
EXAMPLES\n  netident plan --address 192.0.2.10/24@eth0\n  netident take --address 192.0.2.10/24@eth0 --address \
2001:db8::10/64@eth0\n  netident release --file /etc/palisade/db.toml"
)]
pub(crate) struct Cli {
    /// One JSON object on standard output, failure included
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// The addresses that stand on this host, and who answers for others
    Show(super::show::Show),
    /// What `take` would change, whom it would ask; changes nothing
    Plan(Identity),
    /// Ask whether somebody has an identity's addresses, without claiming them
    Probe(Probe),
    /// Take an identity: addresses, announcements, and questions whose answers prove that it arrived
    Take(Take),
    /// Release an identity, and read back that it is gone
    Release(Release),
    /// Make the identity's name lead to its addresses, without touching them
    Dns(super::name::Dns),
    /// Announce an identity that stands here again, and ask who knows
    Announce(Identity),
    /// Watch over an identity that stands here: conflicts, links that flap, addresses that vanish
    Watch(super::watch::Watch),
}

/// What moves: from options, or from a file.
#[derive(Args, Debug)]
pub(crate) struct Identity {
    /// An address: ADDRESS/PREFIX@LINK; repeat it for more
    #[arg(long, short, value_name = "ADDRESS/PREFIX@LINK", required_unless_present = "file")]
    pub(crate) address: Vec<Address>,
    /// A TOML file with `address = ["192.0.2.10/24@eth0"]`, `virtual-mac`, `mac-mode`, `route`
    #[arg(long, short, value_name = "FILE", conflicts_with = "address")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) along: super::mac::Along,
    #[command(flatten)]
    pub(crate) name: super::name::Flags,
}

#[derive(Args, Debug)]
pub(crate) struct Probe {
    #[command(flatten)]
    pub(crate) identity: Identity,
    /// How thoroughly: fast (3 probes in 60 ms) or rfc5227 (4 to 7 s)
    #[arg(long, value_enum, default_value_t = Check::Rfc5227)]
    pub(crate) check: Check,
    /// Ask nobody; name the traps this host is in, before the failover and not after it
    #[arg(long)]
    pub(crate) preflight: bool,
}

/// How an address is probed before it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Check {
    /// Not at all: for an old owner that is proven to be fenced
    None,
    /// Three probes in 60 ms
    Fast,
    /// RFC 5227, 4 to 7 s
    Rfc5227,
}

#[derive(Args, Debug)]
pub(crate) struct Take {
    #[command(flatten)]
    pub(crate) identity: Identity,
    #[command(flatten)]
    pub(crate) keeping: super::mac::Keeping,
    /// Ask first whether somebody else has an address: none, fast (60 ms) or rfc5227 (4 to 7 s)
    #[arg(long, value_enum, default_value_t = Check::None)]
    pub(crate) check: Check,
    #[command(flatten)]
    pub(crate) fencing: super::fencing::Fencing,
    /// Show what would be changed; change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Stay for the repeated announcements (8 s), instead of ending when every neighbour answered
    #[arg(long)]
    pub(crate) repeat: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Release {
    #[command(flatten)]
    pub(crate) identity: Identity,
    #[command(flatten)]
    pub(crate) keeping: super::mac::Keeping,
    /// Show what would be changed; change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
