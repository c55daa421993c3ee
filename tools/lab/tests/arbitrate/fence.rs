//! Fencing over SG_IO on a real target: what the receipt says is what the disk does.

use anyhow::Result;
use palisade_lab::{Guest, Layout};
use serde_json::Value;

use crate::{disk, guest, ours, verb, write};

/// `unfence` of node `n` by its own path.
fn unfence(g: &Guest, n: u32, more: &str) -> Result<(i32, Value)> {
    ours(
        g,
        &format!(
            "exec arbitrate unfence --json --cluster lab --node {n} --state-dir /run/state{n} \
             --runtime-dir /run/runtime{n} {} {more}",
            disk(g, n)?
        ),
    )
}

fn key_of(said: &Value) -> String {
    said["devices"][0]["key"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn the_victims_writes_are_refused_and_the_receipt_is_true() -> Result<()> {
    let Some(g) = guest(Layout::iscsi(), |s| s)? else { return Ok(()) };
    let mut keys = Vec::new();
    for n in 1..=3 {
        let (code, said) = unfence(&g, n, "")?;
        assert_eq!(code, 0, "{said}");
        keys.push(key_of(&said));
    }
    assert_eq!(verb(&g, 2, &format!("reserve --key {}", keys[1]))?.0, 0);
    assert_eq!(write(&g, 2)?, 0, "the holder writes");

    // LIO tells only the start of a session's ISID, and sysfs none: who fences has to be said.
    let fence = format!("exec arbitrate fence --json --cluster lab --node 2 --yes {}", disk(&g, 1)?);
    let (code, receipt) = ours(&g, &fence)?;
    assert_eq!((code, receipt["devices"][0]["result"].as_str()), (1, Some("who-am-i")), "{receipt}");
    let fence = format!("{fence} --as-node 1");
    let (code, receipt) = ours(&g, &fence)?;
    assert_eq!(code, 0, "{receipt}");
    let d = &receipt["devices"][0];
    assert_eq!((d["outcome"].as_str(), d["result"].as_str()), (Some("confirmed"), Some("done")), "{receipt}");
    assert_eq!(d["removed"][0]["key"], keys[1], "{receipt}");
    assert_eq!(d["before"]["holder"], keys[1], "{receipt}");
    assert_eq!(d["commands_sent"], 3, "{receipt}");

    // The receipt beside what another node reads, and what the disk does.
    let (_, there) = verb(&g, 3, "keys")?;
    assert_eq!(d["after"]["keys"], there["keys"], "{receipt}");
    assert_eq!(d["after"]["generation"], there["generation"], "{receipt}");
    let (_, held) = verb(&g, 3, "reservation")?;
    assert_eq!((&d["after"]["holder"], &d["after"]["type"]), (&held["holder"], &held["type"]), "{receipt}");
    assert_eq!(held["holder"], keys[0]);
    assert_eq!((write(&g, 1)?, write(&g, 2)?, write(&g, 3)?), (0, 24, 0));

    // It comes back in another life, its queue drained.
    assert_eq!(unfence(&g, 2, "")?.1["devices"][0]["result"], "queued");
    let (code, back) = unfence(&g, 2, "--drain reset")?;
    assert_eq!(code, 0, "{back}");
    assert_ne!(key_of(&back), keys[1], "never the fenced key again");
    assert_eq!(write(&g, 2)?, 0);

    // With a drain on LIO: the reset is in the receipt, and the reservation outlives it.
    let (code, receipt) = ours(&g, &format!("{fence} --drain reset"))?;
    assert_eq!(code, 0, "{receipt}");
    assert_eq!(receipt["devices"][0]["drained"], true, "{receipt}");
    assert_eq!((write(&g, 1)?, write(&g, 2)?), (0, 24));
    Ok(())
}

#[test]
fn a_benchmark_measures_every_part_and_leaves_the_disk_as_it_was() -> Result<()> {
    let Some(g) = guest(Layout::iscsi(), |s| s)? else { return Ok(()) };
    let (code, measured) = verb(&g, 1, &format!("bench --yes --count 100 --victim {}", disk(&g, 2)?))?;
    assert_eq!(code, 0, "{measured}");
    println!("{measured}");
    let names: Vec<&str> =
        measured["parts"].as_array().into_iter().flatten().filter_map(|p| p["name"].as_str()).collect();
    assert_eq!(names, ["READ KEYS", "tick", "challenge", "fence"], "{measured}");
    let (_, left) = verb(&g, 3, "keys")?;
    assert_eq!(left["keys"].as_array().map(Vec::len), Some(0), "{left}");
    Ok(())
}

#[test]
fn an_abort_that_never_ends_is_unknown_in_time() -> Result<()> {
    // Over tcm_loop PREEMPT AND ABORT deadlocks inside the kernel.
    let Some(g) = guest(Layout::tcm_loop(), |s| s)? else { return Ok(()) };
    let mut keys = Vec::new();
    for n in 1..=2 {
        let (code, said) = unfence(&g, n, "")?;
        assert_eq!(code, 0, "{said}");
        keys.push(key_of(&said));
    }
    assert_eq!(verb(&g, 2, &format!("reserve --key {}", keys[1]))?.0, 0);
    let (code, receipt) = ours(
        &g,
        &format!(
            "exec arbitrate fence --json --cluster lab --node 2 --as-node 1 --yes --timeout-ms 2000 \
             --deadline-ms 8000 {}",
            disk(&g, 1)?
        ),
    )?;
    assert_eq!(code, 3, "{receipt}");
    assert_eq!(receipt["devices"][0]["outcome"], "unknown", "{receipt}");
    assert_eq!(g.run("uname -s")?, "Linux", "the machine lives");
    Ok(())
}
