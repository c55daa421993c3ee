//! `palisade`: what ties arbitration, network identity and service groups together.
//!
//! So far two commands: `demo`, which shows arbitration at work on an embedded disk, and `heartbeat`, which
//! measures the loop that tells when to arbitrate.

mod cli;
mod demo;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "palisade", version, about = "Fencing and shared-storage arbitration for failover clusters")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show a challenge that is defended and one that is won, on an embedded disk
    Demo {
        /// The timing profile: fast, lab or classic
        #[arg(long, default_value = "classic")]
        profile: String,
    },
    /// The heartbeat loop by itself, on lab hardware
    Heartbeat(cli::heartbeat::HeartbeatArgs),
}

fn main() -> ExitCode {
    let end = match Cli::parse().command {
        Command::Demo { profile } => demo::run(&profile),
        Command::Heartbeat(args) => cli::heartbeat::run(&args),
    };
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("palisade: {e:#}");
            ExitCode::FAILURE
        }
    }
}
