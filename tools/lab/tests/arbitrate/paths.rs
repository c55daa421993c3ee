//! Two paths a node, with and without dm-multipath; and the qualification of real targets.

use anyhow::{Context, Result};
use palisade_lab::{Guest, Layout};
use serde_json::Value;

use crate::{PATIENCE, command_on, guest, ours, verb};

/// Two nodes of two paths each.
pub(crate) const TWO: Layout = Layout::Multipath { nodes: 2 };

/// Path `n` (0 or 1) of a node.
pub(crate) fn path(g: &Guest, node: &str, n: usize) -> Result<String> {
    Ok(g.node(node)?.disks.get(n).context("no such path")?.block.clone())
}

/// How many registrations there are by initiator and port, as node 2 sees them.
pub(crate) fn registered(g: &Guest) -> Result<Vec<(String, u64, String)>> {
    let (code, v) = ours(g, &format!("exec arbitrate full-status {} --json", path(g, "n2", 0)?))?;
    assert_eq!(code, 0, "{v}");
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> = v["registrations"]
        .as_array()
        .context("registrations")?
        .iter()
        .map(|r| (text(&r["transport_id"]), r["port"]["one"].as_u64().unwrap_or(0), text(&r["key"])))
        .collect();
    all.sort();
    Ok(all)
}

/// Whether a block can be written over a device.
pub(crate) fn writes(g: &Guest, device: &str) -> Result<bool> {
    let dd = format!("dd if=/dev/zero of={device} bs=4096 count=1 oflag=direct conv=fsync");
    Ok(g.sh(&dd, PATIENCE)?.status == 0)
}

#[test]
fn an_owner_over_dm_multipath_survives_a_path_and_registers_the_next() -> Result<()> {
    let Some(g) = guest(TWO, |s| s)? else { return Ok(()) };
    let (first, second) = (path(&g, "n1", 0)?, path(&g, "n1", 1)?);
    g.run(&format!("multipath-map m1 {first} {second}"))?;
    let owner = g.spawn(&command_on("/dev/mapper/m1", "defend", 1, "--acquire"))?;
    owner.wait_line(&format!("path-registered.*{second}"), PATIENCE)?;
    let keys = registered(&g)?;
    assert_eq!(keys.iter().map(|r| r.1).collect::<Vec<_>>(), [1, 2], "one registration a nexus: {keys:?}");
    for device in [first.as_str(), &second, "/dev/mapper/m1"] {
        assert!(writes(&g, device)?, "{device}");
    }
    assert!(!writes(&g, &path(&g, "n2", 0)?)?, "the other node is fenced");

    // A live owner over two paths defends.
    let (code, end) = ours(&g, &command_on(&path(&g, "n2", 1)?, "challenge", 2, ""))?;
    assert_eq!(code, 10, "{end}");

    // The path that took the reservation goes away: nobody is deposed.
    g.run("path-down n1 1")?;
    owner.wait_line(&format!("path-down.*{first}"), PATIENCE)?;
    let (code, end) = ours(&g, &command_on(&path(&g, "n2", 0)?, "challenge", 2, ""))?;
    assert_eq!(code, 10, "{end}");

    // It comes back as a disk, and a nexus, of its own: registered before it is used.
    g.run("path-up n1 1")?;
    owner.wait_line("path-registering", PATIENCE)?;
    let back = g.run(
        "for s in /sys/class/iscsi_session/*; do \
        grep -q ':n1$' $s/initiatorname && [ \"$(cat $s/tpgt)\" = 1 ] && ls $s/device/target*/*/block; done",
    )?;
    let back = format!("/dev/{}", back.trim());
    owner.wait_line(&format!("\"event\":\"path-registered\".*{back}"), PATIENCE)?;
    assert!(writes(&g, &back)?);

    // Given back over what is left, the dead nexus's registration and reservation included.
    owner.signal("TERM")?;
    let end = owner.finish(PATIENCE)?;
    assert_eq!(end.status, 0, "{end:?}");
    assert_eq!(registered(&g)?, []);
    Ok(())
}

#[test]
fn a_killed_owner_loses_on_both_of_its_paths() -> Result<()> {
    let Some(g) = guest(TWO, |s| s)? else { return Ok(()) };
    let (first, second) = (path(&g, "n1", 0)?, path(&g, "n1", 1)?);
    // Without dm-multipath: the sibling is found by identity.
    let owner = g.spawn(&command_on(&first, "defend", 1, "--acquire --paths"))?;
    owner.wait_line(&format!("path-registered.*{second}"), PATIENCE)?;
    assert!(registered(&g)?.iter().all(|r| r.0.contains(":n1")), "the other node's sessions are not ours");
    owner.signal("KILL")?;
    let (code, end) = ours(&g, &command_on(&path(&g, "n2", 0)?, "challenge", 2, "--paths"))?;
    assert_eq!(code, 0, "{end}");
    assert_eq!(end["paths"]["registered"].as_array().map(Vec::len), Some(1), "{end}");
    let keys = registered(&g)?;
    assert!(keys.len() == 2 && keys.iter().all(|r| r.0.contains(":n2")), "{keys:?}");
    assert!(!writes(&g, &first)? && !writes(&g, &second)?, "fenced on both");
    assert!(writes(&g, &path(&g, "n2", 1)?)?);
    Ok(())
}

fn verify(g: &Guest, a: &str, b: &str) -> Result<(i32, Value)> {
    ours(g, &format!("exec arbitrate verify {a} {b} --json --profile lab --destructive --yes"))
}

#[test]
fn lio_is_fit_over_iscsi() -> Result<()> {
    let Some(g) = guest(TWO, |s| s)? else { return Ok(()) };
    let (code, v) = verify(&g, &path(&g, "n1", 0)?, &path(&g, "n2", 1)?)?;
    let failed: Vec<_> =
        v["checks"].as_array().context("checks")?.iter().filter(|c| c["verdict"] == "fail").collect();
    assert!(code == 0 && failed.is_empty(), "{failed:#?}");
    let of = |id: &str| v["checks"].as_array().unwrap().iter().find(|c| c["check"] == id).unwrap().clone();
    assert_eq!(of("preempt-abort")["verdict"], "pass", "{v}");
    assert_eq!(of("cleanup")["verdict"], "pass", "{v}");
    assert_eq!(registered(&g)?, []);
    // In use: not touched.
    let (code, _) = verb(&g, 1, "register --key 77")?;
    assert_eq!(code, 0);
    let (code, v) = verify(&g, &path(&g, "n1", 0)?, &path(&g, "n2", 1)?)?;
    assert_eq!(code, 1, "{v}");
    assert_eq!(registered(&g)?.len(), 1);
    Ok(())
}

#[test]
fn a_disk_of_one_path_is_no_pair() -> Result<()> {
    let Some(g) = guest(Layout::scsi_debug(), |s| s)? else { return Ok(()) };
    let disk = path(&g, "n1", 0)?;
    let (code, v) = verify(&g, &disk, &disk)?;
    assert_eq!(code, 2, "{v}");
    assert!(v["error"]["answer"].as_str().context("answer")?.contains("nothing was tested"), "{v}");
    Ok(())
}
