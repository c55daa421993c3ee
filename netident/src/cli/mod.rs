//! The command line: arguments in, one report out, as text or JSON.

mod args;
mod fencing;
mod file;
mod mac;
mod name;
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
    /// The addresses are as asked, but the name's server refused to change it.
    NameRefused = 5,
    /// The addresses are as asked, but it is not known where the name leads.
    NameUnknown = 6,
    /// Somebody else answers for an address.
    Conflict = 10,
}

impl Exit {
    fn outcome(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Unconfirmed | Self::NameUnknown => "unknown",
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
    let mut rest = None;
    let (command, end) = match &cli.command {
        args::Command::Show(a) => ("show", show::show(a)),
        args::Command::Plan(a) => ("plan", verbs::plan(a)),
        args::Command::Probe(a) if a.preflight => ("probe", preflight::preflight(&a.identity)),
        args::Command::Probe(a) => ("probe", verbs::probe(a)),
        args::Command::Take(a) => ("take", verbs::take(a, &mut rest)),
        args::Command::Release(a) => ("release", verbs::release(a)),
        args::Command::Watch(a) => ("watch", watch::watch(a, cli.json)),
        args::Command::Dns(a) => ("dns", name::dns(a)),
        args::Command::Announce(a) => ("announce", verbs::announce(a)),
    };
    let mut exit = out.finish(command, end);
    if let Some(Err(e)) = rest.map(verbs::repeated) {
        exit = e.exit;
        // The report is printed: JSON on standard output stays one object.
        output::Output { json: false }.finish(command, Err(e));
    }
    ExitCode::from(exit as u8)
}
