//! `arbitrate` on a real kernel: SG_IO, a real target, real nexuses.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is a failure")]

mod alua;
mod challenge;
mod deadline;
mod fence;
mod fence_paths;
mod legacy;
mod paths;
mod quorum;
mod verbs;
mod watchdog;

use std::time::Duration;

use anyhow::{Context, Result};
use palisade_lab::{Guest, Job, Lab, Layout, Setup, arbitrate_binary};
use serde_json::Value;

/// For a command that may wait two windows of the lab's timing, on a busy host.
const PATIENCE: Duration = Duration::from_secs(90);

/// A guest with `arbitrate` in it; `None` where the lab is off, which says so loudly.
fn guest(layout: Layout, more: impl FnOnce(Setup) -> Setup) -> Result<Option<Guest>> {
    let Some(lab) = Lab::open()? else { return Ok(None) };
    let setup = more(Setup::new(layout).program(arbitrate_binary()?));
    lab.boot(&setup).map(Some)
}

/// The disk as node `n` sees it.
fn disk(g: &Guest, n: u32) -> Result<String> {
    Ok(g.node(&format!("n{n}"))?.disks[0].block.clone())
}

/// `challenge` or `defend` of node `n`, with folders of its own.
fn node_command(g: &Guest, verb: &str, n: u32, more: &str) -> Result<String> {
    Ok(command_on(&disk(g, n)?, verb, n, more))
}

/// The same on the devices named.
fn command_on(devices: &str, verb: &str, n: u32, more: &str) -> String {
    format!(
        "exec arbitrate {verb} {devices} --json --cluster lab --node {n} --profile lab --state-dir /run/state{n} \
         --runtime-dir /run/runtime{n} {more}"
    )
}

/// Runs a command of ours; its exit code and the last line of its JSON.
fn ours(g: &Guest, command: &str) -> Result<(i32, Value)> {
    let end = g.sh(command, PATIENCE)?;
    let line = end.out().lines().last().unwrap_or_default().to_owned();
    let json = serde_json::from_str(&line).with_context(|| format!("{command}: {end:?}"))?;
    Ok((end.status, json))
}

/// A verb on node `n`'s disk.
fn verb(g: &Guest, n: u32, words: &str) -> Result<(i32, Value)> {
    let (verb, rest) = words.split_once(' ').unwrap_or((words, ""));
    ours(g, &format!("exec arbitrate {verb} {} --json {rest}", disk(g, n)?))
}

/// A defender of node `n` whose first lease is confirmed.
fn defend(g: &Guest, n: u32, more: &str) -> Result<Job> {
    let job = g.spawn(&node_command(g, "defend", n, &format!("--acquire {more}"))?)?;
    job.wait_line("\"event\":\"confirmed\"", PATIENCE)?;
    Ok(job)
}

/// The exit code of a write of one block by node `n`, unit attentions consumed.
fn write(g: &Guest, n: u32) -> Result<i32> {
    write_to(g, &disk(g, n)?)
}

/// The same over the device named.
fn write_to(g: &Guest, device: &str) -> Result<i32> {
    let block = "5a".repeat(512);
    let command =
        format!("exec arbitrate raw {device} --json --cdb 2a000000000000000100 --out {block} --yes");
    loop {
        let (code, _) = ours(g, &command)?;
        if code != 26 {
            return Ok(code);
        }
    }
}
