//! `palisade-lab`: a developer's hands in the lab. Boots a guest, runs commands in it, ends it.

mod options;

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use palisade_lab::{Guest, Lab, Setup};

use crate::options::{Commands, Options, parse};

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("palisade-lab: {error:#} (see palisade-lab --help)");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(status) => ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX)),
        Err(error) => {
            eprintln!("palisade-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The status of the last command.
fn run(options: &Options) -> Result<i32> {
    let lab = Lab::open()?.context("PALISADE_LAB=off: no lab to run in")?;
    let mut setup = Setup::new(options.layout).processors(options.processors);
    if let Some(watchdog) = options.watchdog {
        setup = setup.watchdog(watchdog);
    }
    for program in &options.programs {
        setup = setup.program(program);
    }
    for (here, there) in &options.files {
        setup = setup.file(here, there.clone());
    }
    let guest = lab.boot(&setup)?;
    for node in guest.nodes() {
        let disks: Vec<_> = node.disks.iter().map(|disk| format!("{} ({})", disk.block, disk.sg)).collect();
        eprintln!("lab: {} = {} {}", node.name, node.initiator, disks.join(" "));
    }
    let mut status = 0;
    match &options.commands {
        Commands::Given(command) => status = execute(&guest, command, options)?,
        Commands::Lines => {
            for line in io::stdin().lock().lines() {
                let line = line?;
                if !line.trim().is_empty() {
                    eprintln!("lab# {line}");
                    status = execute(&guest, &line, options)?;
                }
            }
        }
    }
    Ok(status)
}

fn execute(guest: &Guest, command: &str, options: &Options) -> Result<i32> {
    let mut stdout = io::stdout().lock();
    let mut broken = false;
    let output = guest.stream(command, options.timeout, |piece| {
        // The reader of our output has left: the command may still end in peace.
        broken |= stdout.write_all(piece).and_then(|()| stdout.flush()).is_err();
    })?;
    if output.status != 0 {
        eprintln!("lab: status {}", output.status);
    }
    Ok(output.status)
}
