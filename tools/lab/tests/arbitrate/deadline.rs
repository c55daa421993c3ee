//! A command that never ends: over tcm_loop PREEMPT AND ABORT deadlocks inside the kernel.

use std::time::{Duration, Instant};

use anyhow::Result;
use palisade_lab::Layout;

use crate::{PATIENCE, guest, node_command, ours, verb};

const A: &str = "00000000000000aa";
const B: &str = "00000000000000bb";

#[test]
fn preempt_and_abort_that_never_ends_is_unknown_at_its_deadline() -> Result<()> {
    let Some(g) = guest(Layout::tcm_loop(), |s| s)? else { return Ok(()) };
    assert_eq!(verb(&g, 1, &format!("register --key {A}"))?.0, 0);
    assert_eq!(verb(&g, 2, &format!("register --key {B}"))?.0, 0);
    assert_eq!(verb(&g, 1, &format!("reserve --key {A}"))?.0, 0);
    let begun = Instant::now();
    let (code, said) =
        verb(&g, 2, &format!("preempt --key {B} --holder {A} --abort --yes --timeout-ms 3000"))?;
    assert_eq!(code, 3, "{said}");
    assert_eq!(said["outcome"], "unknown", "{said}");
    assert!(begun.elapsed() >= Duration::from_secs(3), "it was given its time");
    // The process has ended although its command never will: `ours` returned.
    assert_eq!(g.run("uname -s")?, "Linux", "and the machine lives");
    Ok(())
}

#[test]
fn a_challenge_whose_seizure_never_ends_is_unknown() -> Result<()> {
    let Some(g) = guest(Layout::tcm_loop(), |s| s)? else { return Ok(()) };
    // A dead owner: won by a challenge that nobody went on to defend.
    let (code, won) = ours(&g, &node_command(&g, "challenge", 1, "")?)?;
    assert_eq!(code, 0, "RESERVE needs no abort: {won}");
    let end = g.sh(&node_command(&g, "challenge", 2, "")?, PATIENCE)?;
    assert_eq!(end.status, 3, "{end:?}");
    assert!(end.out().contains("\"outcome\":\"unknown\""), "{end:?}");
    Ok(())
}
