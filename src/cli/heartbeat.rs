//! `palisade heartbeat`: the loop by itself, for lab hardware.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use palisade::heartbeat::lab::{Measured, Settings, Spread, measure};
use serde_json::{Value, json};

/// Version of the JSON printed.
const SCHEMA: u32 = 1;

/// The heartbeat loop by itself, on lab hardware.
#[derive(Args)]
pub(crate) struct HeartbeatArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Measure this machine: two nodes over loopback, one of which is cut off again and again
    Measure(MeasureArgs),
}

#[derive(Args)]
struct MeasureArgs {
    /// Milliseconds between two datagrams
    #[arg(long, default_value_t = 10)]
    interval_ms: u32,
    /// Intervals of silence to a suspicion
    #[arg(long, default_value_t = 3)]
    multiplier: u8,
    /// How often the peer is cut off
    #[arg(long, default_value_t = 50)]
    cuts: u32,
    /// Seconds to run undisturbed before
    #[arg(long, default_value_t = 2)]
    quiet_s: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &HeartbeatArgs) -> Result<()> {
    match &args.verb {
        Verb::Measure(m) => run_measure(m),
    }
}

fn run_measure(args: &MeasureArgs) -> Result<()> {
    if args.interval_ms == 0 || args.multiplier == 0 || args.cuts == 0 {
        bail!("--interval-ms, --multiplier and --cuts must be at least 1");
    }
    let settings = Settings {
        interval: Duration::from_millis(args.interval_ms.into()),
        multiplier: args.multiplier,
        cuts: args.cuts,
        quiet: Duration::from_secs(args.quiet_s.into()),
    };
    if !args.json {
        eprintln!(
            "measuring {} s undisturbed and {} cuts at {} ms x {} ...",
            args.quiet_s, args.cuts, args.interval_ms, args.multiplier
        );
    }
    let measured = measure(settings).context("measuring the heartbeat")?;
    if args.json {
        println!("{:#}", to_json(args, &measured));
    } else {
        print!("{}", to_text(args, &measured));
    }
    Ok(())
}

/// What the distributions are called, in text and JSON.
fn spreads(m: &Measured) -> [(&'static str, &'static str, Spread); 4] {
    [
        ("wake lateness", "lateness", m.lateness),
        ("round trip", "round_trip", m.round_trip),
        ("cut to suspicion", "detection", m.detection),
        ("beyond the limit", "overshoot", m.overshoot),
    ]
}

fn to_text(args: &MeasureArgs, m: &Measured) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    let ms = |d: Duration| format!("{:.3}", d.as_secs_f64() * 1_000.0);
    let _ = writeln!(
        out,
        "{:<17} {:>8} {:>10} {:>10} {:>10} {:>10}",
        "ms", "values", "p50", "p99", "p99.99", "max"
    );
    for (name, _, s) in spreads(m) {
        let _ = writeln!(
            out,
            "{name:<17} {:>8} {:>10} {:>10} {:>10} {:>10}",
            s.count,
            ms(s.p50),
            ms(s.p99),
            ms(s.p9999),
            ms(s.max)
        );
    }
    let _ = writeln!(
        out,
        "false suspicions  {:>8}\nown stalls        {:>8}\nprocessor         {:>7.2} %",
        m.false_suspicions,
        m.stalls,
        m.cpu_share * 100.0
    );
    for line in &m.degraded {
        let _ = writeln!(out, "degraded: {line}");
    }
    let limit = Duration::from_millis(u64::from(args.interval_ms) * u64::from(args.multiplier));
    if m.lateness.p9999 * 2 > limit {
        let _ = writeln!(
            out,
            "WARNING: this machine wakes up to {} ms late; twice that is beyond the limit of {} ms. Use a longer\n         interval or a greater multiplier.",
            ms(m.lateness.p9999),
            ms(limit)
        );
    }
    out
}

fn to_json(args: &MeasureArgs, m: &Measured) -> Value {
    let us = |d: Duration| d.as_secs_f64() * 1e6;
    let mut all = json!({
        "schema": SCHEMA,
        "command": "heartbeat measure",
        "interval_ms": args.interval_ms,
        "multiplier": args.multiplier,
        "false_suspicions": m.false_suspicions,
        "own_stalls": m.stalls,
        "cpu_share": m.cpu_share,
        "degraded": m.degraded,
    });
    for (_, name, s) in spreads(m) {
        all[format!("{name}_us")] = json!({
            "values": s.count, "p50": us(s.p50), "p99": us(s.p99), "p99_99": us(s.p9999), "max": us(s.max),
        });
    }
    all
}
