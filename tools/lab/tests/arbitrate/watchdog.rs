//! The watchdog behind a defence: a machine whose defender died is reset, one that ended cleanly is not.

use std::time::Duration;

use anyhow::Result;
use palisade_lab::{Layout, Setup, Watchdog};

use crate::{PATIENCE, defend, guest, node_command, ours};

/// What profile `lab` wants.
const MARGIN_S: u32 = 3;

fn softdog(s: Setup) -> Setup {
    // Another timeout than ours: the defender has to set it.
    s.watchdog(Watchdog::Softdog { margin_s: 60 })
}

#[test]
fn a_machine_whose_defender_was_killed_is_reset() -> Result<()> {
    let Some(g) = guest(Layout::iscsi(), softdog)? else { return Ok(()) };
    let owner = defend(&g, 1, "--watchdog /dev/watchdog")?;
    // Ticks feed it: twice its timeout passes and the machine is still there.
    let ticks = MARGIN_S * 2 + 1;
    g.run(&format!("for i in $(seq {ticks}); do sleep 1; done"))?;
    owner.signal("KILL").ok();
    let exit = g.wait_exit(PATIENCE)?;
    assert_eq!(exit.reason.as_deref(), Some("guest-reset"), "{exit:?}");
    Ok(())
}

#[test]
fn a_clean_end_disarms_the_watchdog() -> Result<()> {
    let Some(g) = guest(Layout::iscsi(), softdog)? else { return Ok(()) };
    let owner = defend(&g, 1, "--watchdog /dev/watchdog")?;
    owner.signal("TERM")?;
    let end = owner.finish(PATIENCE)?;
    assert_eq!(end.status, 0, "{end:?}");
    assert!(g.wait_exit(Duration::from_secs(u64::from(MARGIN_S) * 4)).is_err(), "the machine was reset");
    Ok(())
}

#[test]
fn a_deposed_machine_without_a_proven_stop_is_reset() -> Result<()> {
    let Some(g) = guest(Layout::iscsi(), softdog)? else { return Ok(()) };
    let owner = defend(&g, 1, "--watchdog /dev/watchdog --on-deposed 'sleep 100'")?;
    owner.signal("STOP")?;
    let exit = g.wait_exit(PATIENCE)?;
    assert_eq!(exit.reason.as_deref(), Some("guest-reset"), "a frozen defender feeds nothing: {exit:?}");
    Ok(())
}

#[test]
fn a_watchdog_that_cannot_keep_the_rules_is_refused_and_disarmed() -> Result<()> {
    let Some(g) = guest(Layout::iscsi(), softdog)? else { return Ok(()) };
    // Window 6 s cannot hold a watchdog of 5 s.
    g.write(
        "/run/p.toml",
        "tick_ms = 1000\ntick_budget_ms = 1000\nmargin_ms = 500\nwindow_ms = 6000\nwatchdog_ms = 5000\n",
    )?;
    let command = node_command(&g, "defend", 1, "--acquire --watchdog /dev/watchdog")?
        .replace("--profile lab", "--profile /run/p.toml");
    let (code, said) = ours(&g, &command)?;
    assert_eq!(code, 1, "{said}");
    assert!(said["error"]["answer"].as_str().is_some_and(|a| a.contains("too long")), "{said}");
    Ok(())
}
