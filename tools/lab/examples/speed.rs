//! What a READ KEYS costs on a real kernel: bare SG_IO in C, this project's whole stack, and a spawned
//! sg_persist, in turn on the same nexus, so that a ratio means something on a noisy machine.
//!
//! Twice: by the host's clock, where emulation makes some instructions dear that a processor finds cheap
//! (locks above all), and with a clock that counts instructions, which comes out the same on a busy host.
//!
//! `cargo run --release -p palisade-lab --example speed` prints medians and ratios (docs/bench.md).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use palisade_lab::{Clock, Guest, Lab, Layout, Setup};

const ROUNDS: usize = 7;
/// Commands a round, for the two loops.
const COUNT: u32 = 2000;
/// Processes a round, for sg_persist.
const PROCESSES: u32 = 20;

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let bare = compile(&root)?;
    let ours = example(&root)?;
    let Some(lab) = Lab::open()? else { return Ok(()) };
    for clock in [Clock::Host, Clock::Instructions] {
        let setup = Setup::new(Layout::iscsi())
            .clock(clock)
            .file(&bare, "/bin/bare")
            .file(&ours, "/bin/ours")
            .program("/usr/bin/sg_persist");
        measure(&lab.boot(&setup)?, clock)?;
    }
    Ok(())
}

fn measure(g: &Guest, clock: Clock) -> Result<()> {
    let device = &g.node("n1")?.disks[0].sg;
    g.run(&format!("sg_persist -n -o -G -S 0x11 {device} >/dev/null"))?;

    let mut times: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        // Before and after, for the machine drifts while it is measured.
        let before = loop_ns(g, "bare", device)?;
        times[1].push(loop_ns(g, "ours", device)?);
        let after = loop_ns(g, "bare", device)?;
        times[0].push(f64::midpoint(before, after));
        times[2].push(processes_ns(g, device)?);
    }
    let ratios =
        |a: usize, b: usize| median(times[a].iter().zip(&times[b]).map(|(x, y)| x / y).collect::<Vec<_>>());
    println!(
        "READ KEYS over SG_IO, LIO over iSCSI, one emulated processor, {clock:?} clock; {ROUNDS} rounds"
    );
    println!("bare SG_IO loop in C        {:>10.1} us", median(times[0].clone()) / 1000.0);
    println!("device, retries, decoder    {:>10.1} us", median(times[1].clone()) / 1000.0);
    println!("sg_persist, a process each  {:>10.1} us", median(times[2].clone()) / 1000.0);
    println!("ours / bare                 {:>10.3}", ratios(1, 0));
    println!("sg_persist / ours           {:>10.1}", ratios(2, 1));
    Ok(())
}

fn loop_ns(g: &Guest, program: &str, device: &str) -> Result<f64> {
    g.run(&format!("{program} {device} {COUNT}"))?.parse().context("nanoseconds")
}

fn processes_ns(g: &Guest, device: &str) -> Result<f64> {
    let uptime = "cut -d' ' -f1 /proc/uptime";
    let times = g.run(&format!(
        "{uptime}; for i in $(seq {PROCESSES}); do sg_persist -n -k {device} >/dev/null; done; {uptime}"
    ))?;
    let s: Vec<f64> = times.lines().map(str::parse).collect::<Result<_, _>>()?;
    ensure!(s.len() == 2, "two times: {times}");
    Ok((s[1] - s[0]) * 1e9 / f64::from(PROCESSES))
}

fn median(mut v: Vec<f64>) -> f64 {
    v.sort_by(f64::total_cmp);
    v.get(v.len() / 2).copied().unwrap_or(f64::NAN)
}

fn compile(root: &Path) -> Result<PathBuf> {
    let out = root.join("target/lab/read_keys");
    let source = root.join("tools/lab/bench/read_keys.c");
    let status = Command::new("cc").args(["-O2", "-Wall", "-o"]).arg(&out).arg(source).status()?;
    ensure!(status.success(), "cc failed");
    Ok(out)
}

fn example(root: &Path) -> Result<PathBuf> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--package", "arbitrate", "--example", "read_keys_loop"])
        .current_dir(root)
        .status()?;
    if !status.success() {
        bail!("the example does not build");
    }
    Ok(root.join("target/release/examples/read_keys_loop"))
}
