//! The command line: arguments in, one report out, as text or JSON.

mod args;
mod fencing;
mod file;
mod mac;
mod output;
mod preflight;
mod show;
mod stamp;
mod usage;
mod verbs;
mod watch;

use std::process::ExitCode;

use clap::Parser;

/// How a command ended. Stable: scripts depend on the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done and confirmed, or already so.
    Confirmed = 0,
    /// Refused, or failed; what was changed is undone or named.
    Error = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The identity, or a part of it, does not stand here.
    NotHere = 3,
    /// Done, but no neighbour confirmed it.
    Unconfirmed = 4,
    /// Somebody else answers for an address.
    Conflict = 10,
}

impl Exit {
    fn outcome(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Unconfirmed => "unknown",
            _ => "refused",
        }
    }
}

/// Parses, runs, prints.
pub(crate) fn run() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => return usage::end(&e, std::env::args_os()),
    };
    let out = output::Output { json: cli.json };
    let (command, end) = match &cli.command {
        args::Command::Show(a) => ("show", show::show(a)),
        args::Command::Plan(a) => ("plan", verbs::plan(a)),
        args::Command::Probe(a) if a.preflight => ("probe", preflight::preflight(&a.identity)),
        args::Command::Probe(a) => ("probe", verbs::probe(a)),
        args::Command::Take(a) => ("take", verbs::take(a)),
        args::Command::Release(a) => ("release", verbs::release(a)),
        args::Command::Watch(a) => ("watch", watch::watch(a, cli.json)),
        args::Command::Announce(a) => ("announce", verbs::announce(a)),
    };
    let exit = out.finish(command, end);
    ExitCode::from(exit as u8)
}
