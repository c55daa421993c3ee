//! What resets a machine, and what does not. The pauses here are the thing under test: a time in which nobody feeds
//! the watchdog, or the machine does not run.

use anyhow::Result;
use palisade_lab::{Exit, Guest, Job, Lab, Layout, Setup, Watchdog};
use std::thread::sleep;
use std::time::{Duration, Instant};

const MARGIN_S: u32 = 3;
const MARGIN: Duration = Duration::from_secs(3);
const TWICE: Duration = Duration::from_secs(6);

/// A machine whose watchdog is fed by a process of its own, or none where the lab is off.
fn fed_machine(watchdog: Watchdog) -> Result<Option<(Guest, Job)>> {
    let Some(lab) = Lab::open()? else { return Ok(None) };
    let guest = lab.boot(&Setup::new(Layout::Plain).watchdog(watchdog))?;
    let feeder = guest
        .spawn("exec 3>/dev/watchdog || exit; echo feeding; while :; do printf . >&3; sleep 0.3; done")?;
    feeder.wait_line("feeding", crate::SOON)?;
    Ok(Some((guest, feeder)))
}

/// Kills the feeder of a machine that has lived past its margin, and times the reset.
fn reset_after_feeder_killed(guest: &Guest, feeder: &Job) -> Result<(Duration, Exit)> {
    assert!(guest.wait_exit(TWICE).is_err(), "fed, it lives");
    feeder.signal("KILL")?;
    let killed = Instant::now();
    let exit = guest.wait_exit(crate::SOON)?;
    let after = killed.elapsed();
    eprintln!("reset {:.1} s after the feeder's death", after.as_secs_f32());
    assert_eq!(exit.reason.as_deref(), Some("guest-reset"), "{exit:?}");
    // The last feeding was up to 0.3 s before, and a busy host takes its time to tell.
    assert!(after > MARGIN / 2, "{after:?}");
    Ok((after, exit))
}

#[test]
fn softdog_resets_a_machine_that_nobody_feeds() -> Result<()> {
    let Some((guest, feeder)) = fed_machine(Watchdog::Softdog { margin_s: MARGIN_S })? else {
        return Ok(());
    };
    let (_, exit) = reset_after_feeder_killed(&guest, &feeder)?;
    assert!(exit.console.contains("softdog: Initiating system reboot"), "{}", exit.console);
    assert!(!exit.watchdog_card);
    Ok(())
}

#[test]
fn the_watchdog_card_resets_a_machine_that_nobody_feeds() -> Result<()> {
    let Some((guest, feeder)) = fed_machine(Watchdog::I6300esb { margin_s: MARGIN_S })? else {
        return Ok(());
    };
    let (_, exit) = reset_after_feeder_killed(&guest, &feeder)?;
    assert!(exit.watchdog_card, "{exit:?}");
    Ok(())
}

#[test]
fn a_machine_paused_survives_and_a_machine_frozen_is_reset_on_thawing() -> Result<()> {
    let Some((guest, _feeder)) = fed_machine(Watchdog::Softdog { margin_s: MARGIN_S })? else {
        return Ok(());
    };
    // Its clock stands still with it: for the watchdog, no time has passed.
    guest.pause()?;
    sleep(TWICE);
    guest.resume()?;
    assert!(guest.wait_exit(MARGIN).is_err(), "paused and resumed, it lives");
    assert_eq!(guest.run("echo alive")?, "alive");

    // Its clock has jumped.
    guest.freeze()?;
    sleep(TWICE);
    guest.thaw()?;
    let exit = guest.wait_exit(crate::SOON)?;
    assert!(exit.console.contains("softdog: Initiating system reboot"), "{}", exit.console);
    Ok(())
}
