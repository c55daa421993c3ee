//! A lab that is not there is an error; a host process that is gone leaves no machine.

use anyhow::{Context, Result, bail};
use palisade_lab::Lab;
use std::io::{BufRead, BufReader, Write};
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

/// A QEMU of that host process: it works in a folder named for it.
fn machine_lives(host: u32) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    let folder = format!("/run/{host}-");
    processes.flatten().any(|process| {
        std::fs::read_link(process.path().join("cwd"))
            .is_ok_and(|cwd| cwd.to_string_lossy().contains(&folder))
    })
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
    assert!(machine_lives(host.id()), "else this test shows nothing");

    host.kill()?;
    host.wait()?;
    let deadline = Instant::now() + crate::SOON;
    while machine_lives(host.id()) {
        if Instant::now() > deadline {
            bail!("the machine has outlived its host process");
        }
        sleep(Duration::from_millis(50));
    }
    Ok(())
}
