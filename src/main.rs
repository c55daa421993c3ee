//! `palisade`: what ties arbitration, network identity and service groups together.
//!
//! So far `demo`, which shows arbitration at work on an embedded disk, `heartbeat`, which measures the loop that tells
//! when to arbitrate, and `quorum`, which makes a disk a cluster's.

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
    /// Quorum devices: format one, show what stands on one
    Quorum(cli::quorum::QuorumArgs),
}

fn main() -> ExitCode {
    let end = match Cli::parse().command {
        Command::Demo { profile } => demo::run(&profile),
        Command::Heartbeat(args) => cli::heartbeat::run(&args),
        Command::Quorum(args) => return ExitCode::from(cli::quorum::run(&args).code()),
    };
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("palisade: {e:#}");
            ExitCode::FAILURE
        }
    }
}
