//! The command line: reads what the operator wants, calls the library, says what came of it.
//!
//! Decides nothing about disks: whatever may be believed of one comes from the library.

mod args;
mod bench;
mod challenge;
mod consent;
mod defend;
mod ends;
mod exit;
mod explain;
mod fence;
mod joining;
mod legacy;
mod node;
mod output;
mod parse;
mod paths;
mod profile_file;
mod quorum;
mod recording;
mod replay;
mod session;
mod show;
mod sim;
mod status;
mod timeline;
mod verbs;
mod verify;
mod words;

use std::process::ExitCode;

use args::{Command, Legacy, Sim};
use output::{Outcome, Output};

/// Parses, runs, prints; the exit code is one of [`exit::TABLE`].
pub(crate) fn run() -> ExitCode {
    let cli = match parse::command_line() {
        Ok(cli) => cli,
        Err(exit) => return ExitCode::from(exit.code()),
    };
    let given = &cli.globals;
    let out = Output { json: given.json, verbose: given.verbose };
    let timeout = given.timeout_ms.map(std::time::Duration::from_millis);
    if let Some(Err(f)) = given.record.as_deref().map(|file| recording::begin(file, out)) {
        return ExitCode::from(out.finish("record", Err(f)).code());
    }
    let (name, end) = dispatch(&cli.command, session::Options { out, timeout });
    recording::end(out);
    ExitCode::from(out.finish(name, end).code())
}

fn dispatch(command: &Command, with: session::Options) -> (&'static str, Outcome) {
    match command {
        Command::Inspect(a) => ("inspect", show::inspect(a, with)),
        Command::Keys(a) => ("keys", show::keys(a, with)),
        Command::Reservation(a) => ("reservation", show::reservation(a, with)),
        Command::Capabilities(a) => ("capabilities", show::capabilities(a, with)),
        Command::FullStatus(a) => ("full-status", show::full_status(a, with)),
        Command::Register(a) => ("register", verbs::register(a, with)),
        Command::Unregister(a) => ("unregister", verbs::unregister(a, with)),
        Command::Reserve(a) => ("reserve", verbs::reserve(a, with)),
        Command::Release(a) => ("release", verbs::release(a, with)),
        Command::Clear(a) => ("clear", verbs::clear(a, with)),
        Command::Preempt(a) => ("preempt", verbs::preempt(a, with)),
        Command::Move(a) => ("move", verbs::move_registration(a, with)),
        Command::ReplaceLost(a) => ("replace-lost", verbs::replace_lost(a, with)),
        Command::Legacy(Legacy::Reserve(a)) => ("legacy reserve", verbs::legacy_reserve(a, with)),
        Command::Legacy(Legacy::Release(a)) => ("legacy release", verbs::legacy_release(a, with)),
        Command::Reset(a) => ("reset", verbs::reset(a, with)),
        Command::Challenge(a) => ("challenge", challenge::run(a, with)),
        Command::Defend(a) => ("defend", defend::run(a, with)),
        Command::Bench(a) => ("bench", bench::run(a, with)),
        Command::Fence(a) => ("fence", fence::fence(a, with)),
        Command::Unfence(a) => ("unfence", fence::unfence(a, with)),
        Command::ClearStale(a) => ("clear-stale", fence::clear_stale(a, with)),
        Command::Verify(a) => ("verify", verify::run(a, with)),
        Command::Raw(a) => ("raw", verbs::raw(a, with)),
        Command::Sim(Sim::Create { path, size_mib, personality }) => {
            ("sim create", show::sim_create(path, *size_mib, *personality))
        }
        Command::Sim(Sim::Show { path }) => ("sim show", show::sim_show(path)),
        Command::Sim(Sim::Fault(a)) => ("sim fault", sim::fault(a)),
        Command::Replay(a) => ("replay", replay::run(a)),
        Command::Explain { code } => ("explain", explain::run(*code)),
    }
}
