//! Legacy mode on a real kernel: RESERVE(6) and resets on LIO and on scsi_debug.

use anyhow::{Context, Result};
use palisade_lab::{Guest, Job, Layout, Setup, Watchdog};
use serde_json::Value;

use crate::{PATIENCE, disk, guest, node_command, ours, verb, write};

fn challenge(g: &Guest, n: u32, more: &str) -> Result<(i32, Value)> {
    ours(g, &node_command(g, "challenge", n, &format!("--legacy {more}"))?)
}

fn defend(g: &Guest, n: u32, more: &str) -> Result<Job> {
    let job = g.spawn(&node_command(g, "defend", n, &format!("--legacy --acquire {more}"))?)?;
    job.wait_line("\"event\":\"confirmed\"", PATIENCE)?;
    Ok(job)
}

#[test]
fn a_live_owner_answers_a_lun_reset() -> Result<()> {
    let Some(g) = guest(Layout::iscsi(), |s| s)? else { return Ok(()) };
    let owner = defend(&g, 1, "")?;
    let (code, end) = challenge(&g, 2, "")?;
    assert_eq!(code, 10, "{end}");
    let told = owner.wait_line("\"event\":\"attention\"", PATIENCE)?;
    assert!(told.contains("\"asc\":41"), "29h: {told}");
    owner.wait_line("\"event\":\"confirmed\"", PATIENCE)?;
    assert_eq!((write(&g, 1)?, write(&g, 2)?), (0, 24), "the owner writes, the loser does not");

    owner.signal("TERM")?;
    let end = owner.finish(PATIENCE)?;
    assert_eq!(end.status, 0, "{end:?}");
    assert_eq!(write(&g, 2)?, 0, "released");
    Ok(())
}

#[test]
fn a_killed_and_a_frozen_owner_lose() -> Result<()> {
    let Some(g) = guest(Layout::iscsi(), |s| s)? else { return Ok(()) };
    let owner = defend(&g, 1, "")?;
    owner.signal("KILL")?;
    let (code, end) = challenge(&g, 2, "")?;
    assert_eq!(code, 0, "{end}");
    assert_eq!((write(&g, 1)?, write(&g, 2)?), (24, 0), "the dead owner is fenced");

    let next = g.spawn(&node_command(
        &g,
        "defend",
        2,
        "--legacy --on-deposed 'echo $PALISADE_REASON >/run/reason'",
    )?)?;
    next.wait_line("\"event\":\"taken-over\"", PATIENCE)?;
    next.wait_line("\"event\":\"confirmed\"", PATIENCE)?;
    next.signal("STOP")?;
    let (code, end) = challenge(&g, 3, "")?;
    assert_eq!(code, 0, "{end}");
    next.signal("CONT")?;
    let end = next.finish(PATIENCE)?;
    assert_eq!(end.status, 11, "{end:?}");
    g.wait_line("/run/reason", "^expired$", PATIENCE)?;
    assert_eq!((write(&g, 2)?, write(&g, 3)?), (24, 0), "it reserved nothing when it woke");
    Ok(())
}

#[test]
fn a_target_reset_of_lio_breaks_nothing_and_is_not_called_done() -> Result<()> {
    let Some(g) = guest(Layout::iscsi(), |s| s)? else { return Ok(()) };
    let owner = defend(&g, 1, "")?;
    owner.signal("KILL")?;
    let (code, end) = challenge(&g, 2, "--reset target")?;
    // The kernel calls the dropped session a success; a session that takes long to return is a doubt.
    assert!(code == 3 || code == 10, "{end}");
    assert_eq!(write(&g, 2)?, 24, "the dead owner's reservation stands");
    // The reset of the logical unit does it.
    let (code, end) = challenge(&g, 3, "")?;
    assert_eq!(code, 0, "{end}");
    Ok(())
}

#[test]
fn a_bus_reset_is_not_offered_over_iscsi() -> Result<()> {
    let Some(g) = guest(Layout::iscsi(), |s| s)? else { return Ok(()) };
    let (code, end) = ours(&g, &format!("exec arbitrate legacy reserve {} --json", disk(&g, 1)?))?;
    assert_eq!(code, 0, "{end}");
    let (code, end) = challenge(&g, 2, "--reset bus")?;
    // The kernel says EIO, which may be anything: never called refused.
    assert_eq!(code, 3, "{end}");
    assert_eq!(write(&g, 2)?, 24, "the reservation stands");
    Ok(())
}

#[test]
fn the_two_kinds_of_reservation_exclude_each_other_on_lio() -> Result<()> {
    let Some(g) = guest(Layout::iscsi(), |s| s)? else { return Ok(()) };
    verb(&g, 3, "register --key 11")?;
    let (code, end) = challenge(&g, 2, "")?;
    assert_eq!(code, 1, "{end}");
    assert!(end["error"]["answer"].as_str().is_some_and(|a| a.contains("1 keys are registered")), "{end}");
    verb(&g, 3, "unregister --key 11")?;
    let _owner = defend(&g, 1, "")?;
    let (code, end) = ours(&g, &node_command(&g, "challenge", 2, "")?)?;
    assert_eq!(code, 24, "{end}");
    Ok(())
}

#[test]
fn scsi_debug_takes_reserve_and_tells_of_bus_resets() -> Result<()> {
    let Some(g) = guest(Layout::scsi_debug(), |s| s)? else { return Ok(()) };
    // A bus reset halts this host's commands for 10 s: a lease that is longer.
    g.write("/run/p.toml", "tick_ms = 4000\ntick_budget_ms = 4000\nmargin_ms = 500\nwindow_ms = 15000\n")?;
    let command = node_command(&g, "defend", 1, "--legacy --acquire")?
        .replace("--profile lab", "--profile /run/p.toml");
    let owner = g.spawn(&command)?;
    owner.wait_line("\"event\":\"confirmed\"", PATIENCE)?;
    // Without the TEST UNIT READY of the verb `reset`, which would take the unit attention for itself.
    let reset = |scope: &str| -> Result<Value> {
        let disk = disk(&g, 1)?;
        let command = format!(
            "echo '{{\"reset\":\"{scope}\"}}' | arbitrate raw {disk} --batch --yes --json --timeout-ms 60000"
        );
        Ok(ours(&g, &command)?.1)
    };
    // 29/00 and 29/02, in decimal.
    for (scope, told) in [("lun", "\"asc\":41,\"ascq\":0"), ("bus", "\"asc\":41,\"ascq\":2")] {
        let said = reset(scope)?;
        owner.wait_line(told, PATIENCE).with_context(|| format!("{scope}: {said}"))?;
    }
    owner.signal("TERM")?;
    let end = owner.finish(PATIENCE)?;
    let out = end.out();
    let (_, after) = out.split_once("\"ascq\":2").unwrap();
    assert!(after.contains("\"event\":\"confirmed\""), "reserved again at once: {out}");
    // A RESERVE(6) that the bus reset held up beyond its deadline leaves a doubt.
    assert!([0, 3].contains(&end.status), "{end:?}");
    Ok(())
}

#[test]
fn a_challenge_longer_than_the_watchdog_is_survived_and_a_dead_owner_is_not() -> Result<()> {
    let softdog = |s: Setup| s.watchdog(Watchdog::Softdog { margin_s: 60 });
    let Some(g) = guest(Layout::iscsi(), softdog)? else { return Ok(()) };
    // Window and hold are 12 s, the watchdog's timeout is 3 s.
    let owner = defend(&g, 1, "--watchdog /dev/watchdog")?;
    owner.signal("KILL").ok();
    let exit = g.wait_exit(PATIENCE)?;
    assert_eq!(exit.reason.as_deref(), Some("guest-reset"), "{exit:?}");
    Ok(())
}
