//! A lab that is not there is an error; a host process that is gone leaves no machine.

use anyhow::{Context, Result, bail};
use palisade_lab::Lab;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_palisade-lab");

#[test]
fn a_missing_lab_says_what_installs_it() -> Result<()> {
    let nowhere = tempfile::tempdir()?;
    let run = Command::new(PROGRAM)
        .args(["run", "--", "true"])
        .env("PALISADE_LAB_CACHE", nowhere.path())
        .env_remove("PALISADE_LAB")
        .output()?;
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success() && said.contains("tools/install-test-deps"), "{said}");
    Ok(())
}

/// Where a QEMU of that host process works: a folder named for it. `None`: there is no such QEMU.
fn machine(host: u32) -> Option<PathBuf> {
    let folder = format!("/run/{host}-");
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    processes
        .filter_map(|process| std::fs::read_link(process.path().join("cwd")).ok())
        .find(|cwd| cwd.to_string_lossy().contains(&folder))
}

#[test]
fn a_host_process_killed_leaves_no_machine() -> Result<()> {
    if Lab::open()?.is_none() {
        return Ok(());
    }
    let mut host = Command::new(PROGRAM)
        .args(["boot", "--layout", "plain"])
        .env_remove("PALISADE_LAB_KEEP")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (mut commands, output) = (host.stdin.take().context("stdin")?, host.stdout.take().context("stdout")?);
    writeln!(commands, "echo up")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    assert_eq!(line, "up\n");
    let folder = machine(host.id()).context("without a machine this test shows nothing")?;

    host.kill()?;
    host.wait()?;
    let deadline = Instant::now() + crate::SOON;
    while machine(host.id()).is_some() {
        if Instant::now() > deadline {
            bail!("the machine has outlived its host process");
        }
        sleep(Duration::from_millis(50));
    }
    // Nobody was left to do it.
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
