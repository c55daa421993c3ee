//! Fencing with two paths a node, with and without dm-multipath: one abort a unit, read back over every path.

use anyhow::{Context, Result};
use palisade_lab::Guest;
use serde_json::Value;

use crate::paths::{TWO, path, registered, writes};
use crate::{PATIENCE, guest, ours, write_to};

/// `unfence` of node `n` over what is named; its key.
fn unfence(g: &Guest, n: u32, device: &str) -> Result<String> {
    let command = format!(
        "exec arbitrate unfence {device} --paths --json --cluster lab --node {n} --state-dir /run/state{n} \
         --runtime-dir /run/runtime{n}"
    );
    let (code, said) = ours(g, &command)?;
    assert_eq!(code, 0, "{said}");
    Ok(said["devices"][0]["key"].as_str().context("key")?.to_owned())
}

/// `fence` of node 2 by node 1 over what is named. LIO tells only half of the ISID: who fences has to be said.
fn fence(g: &Guest, device: &str, more: &str) -> Result<(i32, Value)> {
    ours(g, &format!("exec arbitrate fence {device} --json --cluster lab --node 2 --as-node 1 --yes {more}"))
}

/// Path and role, by the receipt.
fn roles(receipt: &Value) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let all = receipt["devices"][0]["paths"].as_array().into_iter().flatten();
    let mut roles: Vec<_> = all.map(|p| (text(&p["path"]), text(&p["role"]))).collect();
    roles.sort();
    roles
}

/// How many PERSISTENT RESERVE OUT commands with PREEMPT AND ABORT the receipt lists.
fn aborts(receipt: &Value) -> usize {
    let all = receipt["devices"][0]["commands"].as_array().into_iter().flatten();
    all.filter(|c| c["cdb"].as_str().is_some_and(|b| b.replace(' ', "").starts_with("5f05"))).count()
}

/// Both nodes over both paths, and a reservation: registrations, which is one a nexus.
fn both(g: &Guest, first: &str, second: &str) -> Result<String> {
    unfence(g, 1, first)?;
    let victim = unfence(g, 2, second)?;
    assert_eq!(registered(g)?.len(), 4, "two nodes, two paths each");
    let (code, said) =
        ours(g, &format!("exec arbitrate reserve {} --json --key {victim}", path(g, "n2", 0)?))?;
    assert_eq!(code, 0, "{said}");
    Ok(victim)
}

/// What a proven receipt says, and the unit beside it.
fn proven(g: &Guest, receipt: &Value, victim: &str) -> Result<()> {
    let (one, two) = (path(g, "n1", 0)?, path(g, "n1", 1)?);
    let d = &receipt["devices"][0];
    assert_eq!((d["outcome"].as_str(), d["result"].as_str()), (Some("confirmed"), Some("done")), "{receipt}");
    assert_eq!(d["removed"][0]["key"], victim, "{receipt}");
    let roles = roles(receipt);
    assert_eq!(roles.iter().map(|r| r.0.clone()).collect::<Vec<_>>(), [one, two], "both paths: {receipt}");
    let mut of: Vec<_> = roles.iter().map(|r| r.1.as_str()).collect();
    of.sort_unstable();
    assert_eq!(of, ["read back", "sent and read back"], "{receipt}");
    assert_eq!(aborts(receipt), 1, "once for the unit: {receipt}");
    let left = registered(g)?;
    assert!(left.len() == 2 && left.iter().all(|r| r.0.contains(":n1")), "{left:?}");
    for n in 0..2 {
        assert_eq!(write_to(g, &path(g, "n1", n)?)?, 0, "path {n} of the fencer");
        assert_eq!(write_to(g, &path(g, "n2", n)?)?, 24, "path {n} of the victim");
    }
    Ok(())
}

#[test]
fn a_fence_over_two_paths_is_read_back_on_both() -> Result<()> {
    let Some(g) = guest(TWO, |s| s)? else { return Ok(()) };
    let (one, two) = (path(&g, "n1", 0)?, path(&g, "n1", 1)?);
    let victim = both(&g, &one, &path(&g, "n2", 0)?)?;
    for n in 0..2 {
        assert_eq!(write_to(&g, &path(&g, "n2", n)?)?, 0, "it writes over path {n}");
    }
    let (code, receipt) = fence(&g, &one, "--paths")?;
    assert_eq!(code, 0, "{receipt}");
    proven(&g, &receipt, &victim)?;

    // A path that tells nothing proves nothing, whatever the other shows.
    g.run(&format!("echo offline >/sys/block/{}/device/state", two.trim_start_matches("/dev/")))?;
    let (code, receipt) = fence(&g, &one, "--paths --drain reset --force unregistered")?;
    assert_eq!((code, receipt["devices"][0]["result"].as_str()), (3, Some("path-silent")), "{receipt}");
    assert!(roles(&receipt).contains(&(two, "silent".to_owned())), "{receipt}");
    let (code, receipt) = fence(&g, &one, "--paths --drain reset --force unregistered --force silent-paths")?;
    assert_eq!(code, 0, "{receipt}");
    Ok(())
}

#[test]
fn a_node_fenced_on_its_dm_device_cannot_write() -> Result<()> {
    let Some(g) = guest(TWO, |s| s)? else { return Ok(()) };
    for n in ["1", "2"] {
        let node = format!("n{n}");
        g.run(&format!("multipath-map m{n} {} {}", path(&g, &node, 0)?, path(&g, &node, 1)?))?;
    }
    let victim = both(&g, "/dev/mapper/m1", "/dev/mapper/m2")?;
    assert!(writes(&g, "/dev/mapper/m1")? && writes(&g, "/dev/mapper/m2")?, "both are registered");

    let (code, receipt) = fence(&g, "/dev/mapper/m1", "")?;
    assert_eq!(code, 0, "{receipt}");
    proven(&g, &receipt, &victim)?;
    assert!(!writes(&g, "/dev/mapper/m2")?, "fenced over the map");
    assert!(writes(&g, "/dev/mapper/m1")?);
    // The target refused, not the path: the map does not lose it, and does not try the other.
    let status = g.sh("dmsetup status m2", PATIENCE)?.success()?;
    assert!(!status.out().split_whitespace().any(|w| w == "F"), "{}", status.out());

    // It comes back over the map, and writes.
    let again = ours(
        &g,
        "exec arbitrate unfence /dev/mapper/m2 --drain reset --json --cluster lab --node 2 --state-dir \
         /run/state2 --runtime-dir /run/runtime2",
    )?;
    assert_eq!(again.0, 0, "{}", again.1);
    assert!(writes(&g, "/dev/mapper/m2")?);
    Ok(())
}
