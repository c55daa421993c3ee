//! Challenge and defence over SG_IO, with owners that live, die and freeze.

use anyhow::Result;
use palisade_lab::Layout;

use crate::{PATIENCE, defend, guest, node_command, ours, verb, write};

#[test]
fn a_live_owner_defends() -> Result<()> {
    let Some(g) = guest(Layout::iscsi(), |s| s)? else { return Ok(()) };
    let owner = defend(&g, 1, "")?;
    let (code, end) = ours(&g, &node_command(&g, "challenge", 2, "")?)?;
    assert_eq!(code, 10, "{end}");
    owner.wait_line("\"event\":\"challenged\"", PATIENCE)?;
    assert_eq!((write(&g, 1)?, write(&g, 2)?), (0, 24), "the owner writes, the loser does not");

    owner.signal("TERM")?;
    let end = owner.finish(PATIENCE)?;
    assert_eq!(end.status, 0, "{end:?}");
    let (_, left) = verb(&g, 3, "keys")?;
    assert_eq!(left["keys"].as_array().map(Vec::len), Some(0), "released: {left}");
    Ok(())
}

#[test]
fn a_killed_owner_loses() -> Result<()> {
    let Some(g) = guest(Layout::iscsi(), |s| s)? else { return Ok(()) };
    let owner = defend(&g, 1, "")?;
    owner.signal("KILL")?;
    let (code, end) = ours(&g, &node_command(&g, "challenge", 2, "")?)?;
    assert_eq!(code, 0, "{end}");
    assert_eq!((write(&g, 1)?, write(&g, 2)?), (24, 0), "the dead owner is fenced");

    // What the challenge won is defended without a gap.
    let next = g.spawn(&node_command(&g, "defend", 2, "")?)?;
    next.wait_line("\"event\":\"taken-over\"", PATIENCE)?;
    next.wait_line("\"event\":\"confirmed\"", PATIENCE)?;
    let (code, end) = ours(&g, &node_command(&g, "challenge", 3, "")?)?;
    assert_eq!(code, 10, "{end}");
    Ok(())
}

#[test]
fn a_frozen_owner_loses_and_learns_of_it() -> Result<()> {
    let Some(g) = guest(Layout::iscsi(), |s| s)? else { return Ok(()) };
    let owner = defend(&g, 1, "--on-deposed 'echo $PALISADE_REASON >/run/reason'")?;
    owner.signal("STOP")?;
    let (code, end) = ours(&g, &node_command(&g, "challenge", 2, "")?)?;
    assert_eq!(code, 0, "{end}");
    owner.signal("CONT")?;
    let end = owner.finish(PATIENCE)?;
    assert_eq!(end.status, 11, "{end:?}");
    g.wait_line("/run/reason", "^(deposed|expired)$", PATIENCE)?;
    assert_eq!((write(&g, 1)?, write(&g, 2)?), (24, 0), "what it still had to write is refused");
    Ok(())
}
