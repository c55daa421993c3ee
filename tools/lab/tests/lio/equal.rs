//! The embedded disk with the personality `lio` is equal to LIO: status, sense and data, byte for byte.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use arbitrate::device::sim::Personality;
use arbitrate::device::sim::personality::Deviation;
use palisade_equal::compare::replay;
use palisade_equal::recording;
use palisade_equal::target::Embedded;
use palisade_lab::{Guest, Lab, Layout, Setup, program};

/// Thousands of commands and a sequence made short, on a busy host.
const PATIENCE: Duration = Duration::from_secs(150);

/// These show every row of the table; the embedded disk's own tests use the same.
const SEEDS: &str = "--seed 1 --seed 2 --seed 3 --seed 4";

fn guest() -> Result<Option<Guest>> {
    let Some(lab) = Lab::open()? else { return Ok(None) };
    lab.boot(&Setup::new(Layout::iscsi()).program(program("palisade-equal", "equal")?)).map(Some)
}

/// Runs `equal` and shows what it says.
fn equal(guest: &Guest, options: &str) -> Result<()> {
    let mut disks = Vec::new();
    for node in guest.nodes() {
        disks.push(node.disks.first().context("no disk")?.block.clone());
    }
    let command = format!("exec equal run {options} --destroy {}", disks.join(" "));
    let output = guest.stream(&command, PATIENCE, |piece| eprint!("{}", String::from_utf8_lossy(piece)))?;
    ensure!(output.status == 0, "not equal, or nothing learnt: status {}, see above", output.status);
    Ok(())
}

#[test]
fn fixed_seeds_end_equally_and_every_row_of_the_table_is_true_of_lio() -> Result<()> {
    let Some(guest) = guest()? else { return Ok(()) };
    equal(&guest, &format!("{SEEDS} --commands 4000 --record /tmp/recording"))?;
    // Megabytes: more than a command of a moment hands over.
    let recorded = guest.sh("exec cat /tmp/recording", PATIENCE)?.success()?;
    let recordings = recording::read(&recorded.out())?;
    ensure!(recordings.len() == 4, "{} recordings", recordings.len());
    for row in Deviation::ALL {
        let less = Personality::LIO.without(*row);
        let mut shown = false;
        for (start, trace) in &recordings {
            shown |= replay(&mut Embedded::new(less, start)?, trace)?.is_some();
        }
        ensure!(shown, "LIO has no such way as '{}', or no step asks for it", row.name);
    }
    Ok(())
}

#[test]
fn a_fresh_seed_ends_equally() -> Result<()> {
    let Some(guest) = guest()? else { return Ok(()) };
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let seed = since.as_nanos() % u128::from(u64::MAX);
    eprintln!("fresh seed {seed}; again: equal run --seed {seed} --commands 6000");
    equal(&guest, &format!("--seed {seed} --commands 6000"))
}

#[test]
fn what_the_standards_say_is_not_what_lio_does() -> Result<()> {
    let Some(guest) = guest()? else { return Ok(()) };
    let said = equal(&guest, "--seed 1 --commands 300 --personality spc").unwrap_err().to_string();
    ensure!(said.contains("status 1"), "{said}");
    Ok(())
}
