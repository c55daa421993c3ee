//! ALUA: one of two target ports is in another state than active, and returns.

use anyhow::Result;
use palisade_lab::{Guest, Job};

use crate::paths::{TWO, path, registered, writes};
use crate::{PATIENCE, command_on, guest, ours, write_to};

// Target port asymmetric access states, as REPORT TARGET PORT GROUPS has them (SPC-4).
const NON_OPTIMIZED: u8 = 1;
const STANDBY: u8 = 2;
const UNAVAILABLE: u8 = 3;

/// Puts port 2 into a target port group of its own, in a state.
fn port_2(g: &Guest, state: u8) -> Result<()> {
    g.run(&format!(
        "group=/sys/kernel/config/target/core/fileio_0/d0/alua/other; \
         lun=/sys/kernel/config/target/iscsi/iqn.2026-11.lab.palisade:target/tpgt_2/lun/lun_0; \
         [ -d $group ] || {{ mkdir $group && echo 10 >$group/tg_pt_gp_id && echo other >$lun/alua_tg_pt_gp; }} && \
         echo {state} >$group/alua_access_state && [ \"$(cat $group/alua_access_state)\" = {state} ]"
    ))?;
    Ok(())
}

/// A clean end leaves nothing.
fn released(g: &Guest, owner: Job) -> Result<()> {
    owner.signal("TERM")?;
    let end = owner.finish(PATIENCE)?;
    assert_eq!(end.status, 0, "{end:?}");
    assert_eq!(registered(g)?, []);
    Ok(())
}

#[test]
fn a_path_that_becomes_unavailable_deposes_nobody_and_is_registered_again() -> Result<()> {
    let Some(g) = guest(TWO, |s| s)? else { return Ok(()) };
    let (first, second) = (path(&g, "n1", 0)?, path(&g, "n1", 1)?);
    port_2(&g, UNAVAILABLE)?;
    let owner = g.spawn(&command_on(&first, "defend", 1, "--acquire --paths"))?;
    owner.wait_line("\"event\":\"confirmed\"", PATIENCE)?;
    port_2(&g, NON_OPTIMIZED)?;
    owner.wait_line(&format!("\"event\":\"path-registered\".*{second}"), PATIENCE)?;
    // Asked through sg: sd read a capacity of 0 while the port was unavailable, and keeps it until a rescan.
    assert_eq!((write_to(&g, &first)?, write_to(&g, &second)?), (0, 0));
    g.run(&format!("echo 1 >/sys/block/{}/device/rescan", second.trim_start_matches("/dev/")))?;
    assert!(writes(&g, &second)?, "the rescan heals that");
    released(&g, owner)?;

    // Another owner, whose output begins with both paths well.
    let owner = g.spawn(&command_on(&first, "defend", 1, "--acquire --paths"))?;
    owner.wait_line(&format!("\"event\":\"path-registered\".*{second}"), PATIENCE)?;
    port_2(&g, UNAVAILABLE)?;
    owner.wait_line(&format!("\"event\":\"path-down\".*{second}"), PATIENCE)?;
    let (code, end) = ours(&g, &command_on(&path(&g, "n2", 0)?, "challenge", 2, ""))?;
    assert_eq!(code, 10, "the owner defends over the other: {end}");

    port_2(&g, NON_OPTIMIZED)?;
    owner.wait_line(&format!("\"event\":\"path-back\".*{second}"), PATIENCE)?;
    released(&g, owner)
}

#[test]
fn a_path_in_standby_is_registered_and_cannot_write() -> Result<()> {
    let Some(g) = guest(TWO, |s| s)? else { return Ok(()) };
    let (first, second) = (path(&g, "n1", 0)?, path(&g, "n1", 1)?);
    port_2(&g, STANDBY)?;
    // LIO takes PERSISTENT RESERVE commands in standby: registered before it is needed.
    let owner = g.spawn(&command_on(&first, "defend", 1, "--acquire --paths"))?;
    owner.wait_line(&format!("\"event\":\"path-registered\".*{second}"), PATIENCE)?;
    assert_eq!(registered(&g)?.len(), 2);
    assert!(writes(&g, &first)? && !writes(&g, &second)?);
    port_2(&g, NON_OPTIMIZED)?;
    assert!(writes(&g, &second)?, "it writes as soon as the target lets it");
    released(&g, owner)
}
