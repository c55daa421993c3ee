//! A race over three logical units of a real target: owners that live, die, freeze, and lose a disk or two.

use anyhow::{Context, Result};
use palisade_lab::{Guest, Job, Layout, Setup, Watchdog};
use serde_json::Value;

use crate::{PATIENCE, command_on, guest, ours, write_to};

const THREE: Layout = Layout::Iscsi { nodes: 2, luns: 3 };

/// What profile `lab` wants of the watchdog.
const WATCHDOG_S: u32 = 3;

fn softdog(s: Setup) -> Setup {
    // Another timeout than ours: the defender has to set it.
    s.watchdog(Watchdog::Softdog { margin_s: 60 })
}

/// A node's three disks, in the order of the units.
fn disks(g: &Guest, n: u32) -> Result<Vec<String>> {
    Ok(g.node(&format!("n{n}"))?.disks.iter().map(|d| d.block.clone()).collect())
}

fn command(g: &Guest, verb: &str, n: u32, more: &str) -> Result<String> {
    Ok(command_on(&disks(g, n)?.join(" "), verb, n, more))
}

fn challenge(g: &Guest, n: u32) -> Result<(i32, Value)> {
    ours(g, &command(g, "challenge", n, "")?)
}

/// An owner of all three.
fn defend(g: &Guest, n: u32, more: &str) -> Result<Job> {
    let job = g.spawn(&command(g, "defend", n, &format!("--acquire {more}"))?)?;
    for disk in disks(g, n)? {
        job.wait_line(
            &format!("\"device\":\"{disk}\".*\"event\":\"settled\".*\"result\":\"won\""),
            PATIENCE,
        )?;
    }
    job.wait_line("\"event\":\"owned\"", PATIENCE)?;
    Ok(job)
}

/// The exit codes of a write to each unit by a node.
fn writes(g: &Guest, n: u32) -> Result<Vec<i32>> {
    disks(g, n)?.iter().map(|d| write_to(g, d)).collect()
}

/// How many registrations each unit has, as node 2 reads them.
fn registrations(g: &Guest) -> Result<Vec<usize>> {
    let one = |disk: &String| {
        let (code, v) = ours(g, &format!("exec arbitrate keys {disk} --json"))?;
        anyhow::ensure!(code == 0, "{v}");
        v["keys"].as_array().map(Vec::len).context("keys")
    };
    disks(g, 2)?.iter().map(one).collect()
}

/// From now on the kernel refuses this node's path to a unit; the unit and the other node go on.
fn cut(g: &Guest, n: u32, unit: usize) -> Result<()> {
    let disk = disks(g, n)?[unit].clone();
    g.run(&format!("echo offline >/sys/block/{}/device/state", disk.trim_start_matches("/dev/")))?;
    Ok(())
}

#[test]
fn a_live_owner_of_three_units_defends_and_a_killed_one_loses_all() -> Result<()> {
    let Some(g) = guest(THREE, |s| s)? else { return Ok(()) };
    let owner = defend(&g, 1, "")?;
    let (code, end) = challenge(&g, 2)?;
    assert_eq!(code, 10, "{end}");
    assert_eq!(registrations(&g)?, [1, 1, 1], "nothing of the challenger is left");
    assert_eq!((writes(&g, 1)?, writes(&g, 2)?), (vec![0; 3], vec![24; 3]));

    owner.signal("KILL")?;
    let (code, end) = challenge(&g, 2)?;
    assert_eq!((code, end["won"].as_u64(), end["majority"].as_u64()), (0, Some(3), Some(2)), "{end}");
    assert_eq!((writes(&g, 1)?, writes(&g, 2)?), (vec![24; 3], vec![0; 3]), "the dead owner is fenced");

    // What it won is taken over without a gap, and given back.
    let next = g.spawn(&command(&g, "defend", 2, "")?)?;
    next.wait_line("\"event\":\"majority-confirmed\"", PATIENCE)?;
    let (code, end) = challenge(&g, 1)?;
    assert_eq!(code, 10, "{end}");
    next.signal("TERM")?;
    let end = next.finish(PATIENCE)?;
    assert_eq!(end.status, 0, "{end:?}");
    assert_eq!(registrations(&g)?, [0, 0, 0]);
    Ok(())
}

#[test]
fn a_frozen_owner_of_three_units_loses_and_learns_of_it() -> Result<()> {
    let Some(g) = guest(THREE, |s| s)? else { return Ok(()) };
    let owner = defend(&g, 1, "--on-deposed 'echo $PALISADE_REASON >/run/reason'")?;
    owner.signal("STOP")?;
    let (code, end) = challenge(&g, 2)?;
    assert_eq!((code, end["won"].as_u64()), (0, Some(3)), "{end}");
    assert_eq!((writes(&g, 1)?, writes(&g, 2)?), (vec![24; 3], vec![0; 3]), "refused while it sleeps");
    owner.signal("CONT")?;
    g.wait_line("/run/reason", "^(deposed|expired)$", PATIENCE)?;
    let end = owner.finish(PATIENCE)?;
    assert_eq!(end.status, 11, "{end:?}");
    assert_eq!((writes(&g, 1)?, writes(&g, 2)?), (vec![24; 3], vec![0; 3]), "and after it woke");
    Ok(())
}

#[test]
fn the_watchdog_is_fed_for_two_units_of_three_and_not_for_one() -> Result<()> {
    let Some(g) = guest(THREE, softdog)? else { return Ok(()) };
    let owner = defend(&g, 1, "--watchdog /dev/watchdog --on-deposed 'sleep 100'")?;
    cut(&g, 1, 2)?;
    // Here time itself is tested: twice the watchdog's passes, and the machine is still there.
    g.run(&format!("sleep {}", WATCHDOG_S * 2 + 1))?;
    let (code, end) = challenge(&g, 2)?;
    assert_eq!(code, 10, "one unit of three gives nobody anything: {end}");
    let written = writes(&g, 1)?;
    assert!(written[..2] == [0, 0] && written[2] != 0, "the owner goes on with its majority: {written:?}");

    cut(&g, 1, 1)?;
    // The machine may be gone before the line was read; how it ended is what counts.
    owner.wait_line("\"event\":\"ownership-ended\"", PATIENCE).ok();
    let exit = g.wait_exit(PATIENCE)?;
    assert_eq!(exit.reason.as_deref(), Some("guest-reset"), "no proven stop: {exit:?}");
    Ok(())
}

#[test]
fn a_machine_whose_owner_of_three_units_was_killed_is_reset() -> Result<()> {
    let Some(g) = guest(THREE, softdog)? else { return Ok(()) };
    let owner = defend(&g, 1, "--watchdog /dev/watchdog")?;
    owner.signal("KILL").ok();
    let exit = g.wait_exit(PATIENCE)?;
    assert_eq!(exit.reason.as_deref(), Some("guest-reset"), "{exit:?}");
    Ok(())
}
