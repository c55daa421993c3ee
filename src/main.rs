//! `palisade`: what ties arbitration, network identity and service groups together.
//!
//! So far one command: `demo`, which shows arbitration at work on an embedded disk.

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
}

fn main() -> ExitCode {
    let end = match Cli::parse().command {
        Command::Demo { profile } => demo::run(&profile),
    };
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("palisade: {e:#}");
            ExitCode::FAILURE
        }
    }
}
