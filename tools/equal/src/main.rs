//! `equal`: compares a real target, through three nexuses, with the embedded disk.

mod options;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use arbitrate::device::sim::Personality;
use arbitrate::device::sim::personality::Deviation;
use palisade_equal::compare::{Difference, Trace, record, replay};
use palisade_equal::recording::Recording;
use palisade_equal::shrink::shrink;
use palisade_equal::step::Step;
use palisade_equal::target::{Embedded, Real};
use palisade_equal::{recording, table};

use crate::options::{Options, Verb, parse};

/// Differences were found.
const DIFFERS: u8 = 1;
/// Nothing was learnt.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)).and_then(|verb| match verb {
        Verb::Help => {
            print!("{}", options::HELP);
            Ok(ExitCode::SUCCESS)
        }
        Verb::Table => {
            print!("{}", table::markdown());
            Ok(ExitCode::SUCCESS)
        }
        Verb::Run(options) => run(&options),
        Verb::Check(options) => check(&options),
    }) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("equal: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

/// Holds a recording against the embedded disk.
fn check(options: &Options) -> Result<ExitCode> {
    let recordings = recording::read(&options.text()?)?;
    ensure!(!recordings.is_empty(), "no recording in it");
    for (i, (start, trace)) in recordings.iter().enumerate() {
        println!("recording {}: {} steps", i + 1, trace.len());
        if let Some(difference) = replay(&mut Embedded::new(options.personality, start)?, trace)? {
            println!("DIFFERENT at {difference}");
            return Ok(ExitCode::from(DIFFERS));
        }
    }
    println!("equal, personality {}", options.personality);
    if options.rows && !every_row_shows(&recordings)? {
        return Ok(ExitCode::from(DIFFERS));
    }
    Ok(ExitCode::SUCCESS)
}

fn run(options: &Options) -> Result<ExitCode> {
    let mut real = Real::new(options.open()?)?;
    let mut traces = Vec::new();
    let start = real.restart()?;
    for (name, steps) in options.sequences(&start)? {
        println!("{name}: {} steps", steps.len());
        let start = real.restart()?;
        let trace = record(&mut real, &steps)?;
        options.save(&(start.clone(), trace.clone()))?;
        if let Some(difference) = replay(&mut Embedded::new(options.personality, &start)?, &trace)? {
            report(&mut real, options, &steps, &difference)?;
            return Ok(ExitCode::from(DIFFERS));
        }
        println!("{name}: equal, personality {}", options.personality);
        traces.push((start, trace));
    }
    if options.rows && !every_row_shows(&traces)? {
        return Ok(ExitCode::from(DIFFERS));
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what differs and the shortest sequence found that shows it.
fn report(real: &mut Real, options: &Options, steps: &[Step], first: &Difference) -> Result<()> {
    println!("DIFFERENT at {first}");
    let failing = steps.iter().take(first.at + 1).cloned().collect();
    let short = shrink(failing, &mut |steps| Ok(once(real, options.personality, steps)?.1.is_some()))?;
    let (trace, again) = once(real, options.personality, &short)?;
    println!("the shortest sequence found, {} steps; `equal replay FILE` runs it again:", short.len());
    for (step, end) in &trace {
        println!("{step}\n# {}: {end}", step.name());
    }
    match again {
        Some(difference) => println!("DIFFERENT at {difference}"),
        None => println!("this time it did not differ: the target is not the same every time"),
    }
    Ok(())
}

/// One run from the beginning.
fn once(real: &mut Real, personality: Personality, steps: &[Step]) -> Result<(Trace, Option<Difference>)> {
    let start = real.restart()?;
    let trace = record(real, steps)?;
    let difference = replay(&mut Embedded::new(personality, &start)?, &trace)?;
    Ok((trace, difference))
}

/// Whether each row of the table is true of the target: an embedded unit without it must differ.
fn every_row_shows(traces: &[Recording]) -> Result<bool> {
    let mut all = true;
    for row in Deviation::ALL {
        let personality = Personality::LIO.without(*row);
        let mut shown = None;
        for (start, trace) in traces {
            shown = replay(&mut Embedded::new(personality, start)?, trace)?;
            if shown.is_some() {
                break;
            }
        }
        match &shown {
            Some(d) => println!("row {}: shown by step {}, {}", row.name, d.at, d.step.name()),
            None => println!(
                "row {}: NOT SHOWN by any step: the target has no such way, or no step asks",
                row.name
            ),
        }
        all &= shown.is_some();
    }
    Ok(all)
}
