//! `arbitrate verify`: is this array fit to be fenced on?

use std::time::Duration;

use arbitrate::clock;
use arbitrate::device::{MAX_TRANSFER, open};
use arbitrate::runtime::executor::Executor;
use arbitrate::runtime::identify;
use arbitrate::runtime::pacer::{Pacer, SystemPacer, Woke};
use arbitrate::runtime::verify::{AREA_BLOCKS, Area, Bench, Check, Side, Verdict, about};
use clap::Args;
use serde_json::{Value, json};

use super::args::Consent;
use super::challenge::signals;
use super::exit::Exit;
use super::output::{Done, Failure, Outcome};
use super::session::{self, Options, Talk};
use super::{consent, node, words};

#[derive(Args, Debug)]
#[command(after_help = super::status::help("verify", "\
EXAMPLES\n  arbitrate verify /dev/sdb /dev/sdc\n  arbitrate verify /dev/sdb /dev/sdc --destructive --yes --json"))]
pub(crate) struct Verify {
    /// One path of the logical unit
    pub(crate) device_a: String,
    /// Another path of it: best through another host's initiator, at least through another target port
    pub(crate) device_b: String,
    /// Register, reserve, preempt, reset and write as well; only on a unit that nobody is registered on
    #[arg(long)]
    pub(crate) destructive: bool,
    /// Do it without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// First block that may be written; saved before, written back after [default: the last ones]
    #[arg(long, value_name = "N", requires = "destructive")]
    pub(crate) lba: Option<u64>,
    /// How many blocks may be written
    #[arg(long, value_name = "N", default_value_t = AREA_BLOCKS, value_parser = clap::value_parser!(u32).range(1..=128))]
    pub(crate) blocks: u32,
    /// Timing whose tick the latency must fit: classic, lab, fast or a TOML file
    #[arg(long, value_name = "classic|lab|fast|FILE", default_value = "classic")]
    pub(crate) profile: String,
}

pub(crate) fn run(a: &Verify, with: Options) -> Outcome {
    let timing = node::timing(&a.profile)?;
    let timeout = with.command_timeout();
    let mut pacer = signals()?;
    let (mut da, mut db) = (session::device(&a.device_a)?, session::device(&a.device_b)?);
    let talk = |name: &str| Talk { out: with.out, device: name.to_owned() };
    let (mut ta, mut tb) = (talk(&a.device_a), talk(&a.device_b));
    if let Some(why) = one_node(a, da.name(), db.name()) {
        return Err(not_two(a, why));
    }
    let (on_a, on_b) = (Executor::new(da.as_mut(), &mut ta), Executor::new(db.as_mut(), &mut tb));
    let (side_a, side_b) = (Side::new(&a.device_a, on_a, timeout), Side::new(&a.device_b, on_b, timeout));
    let more = || open::open(&a.device_a).ok();
    let mut stopped = false;
    let mut stop = || {
        stopped = stopped || pacer.wait(pacer.now()) == Woke::Stop;
        stopped
    };
    let mut tell = |c: &Check| with.out.event(&line(c), "check", row(c));
    let serial = u32::try_from(clock::now().as_nanos() >> 20 & 0x00ff_ffff).unwrap_or(1);
    let mut bench = Bench::new((side_a, side_b), timing, serial, &more, &mut stop, &mut tell);
    if let Some(why) = bench.not_two_nexuses() {
        return Err(not_two(a, why));
    }
    let area = if a.destructive { Some(area(a, &mut bench.a.on, timeout)?) } else { None };
    if let Some(area) = area {
        let what = format!(
            "testing {} destructively: every registration made is removed, the unit is reset, blocks {} to {} are \
             overwritten and written back",
            a.device_a,
            area.lba,
            area.lba + u64::from(area.blocks) - 1
        );
        consent::ask(&Consent { yes: a.yes, dry_run: false }, &what)?;
    }
    bench.passive();
    // Two units, or one nexus twice: then the rest would test something else.
    let unfit = bench
        .checks()
        .iter()
        .find(|c| c.verdict == Verdict::Fail && ["identity", "nexuses", "read-keys"].contains(&c.id));
    let refused = match (area, unfit) {
        (Some(_), Some(c)) => Some(format!("check {} failed", c.id)),
        (Some(area), None) => bench.destructive(area).err(),
        (None, _) => None,
    };
    verdict(a, bench.checks(), refused)
}

/// Two names of one node.
fn one_node(a: &Verify, opened_a: &str, opened_b: &str) -> Option<String> {
    let same = a.device_a == a.device_b
        || opened_a == opened_b
        || std::fs::canonicalize(&a.device_a)
            .is_ok_and(|x| std::fs::canonicalize(&a.device_b).is_ok_and(|y| x == y));
    same.then(|| "both names are one path, so one nexus".to_owned())
}

fn not_two(a: &Verify, why: String) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("verifying {} and {}", a.device_a, a.device_b),
        format!("not two nexuses of one unit: {why}; nothing was tested"),
        "name two paths of one logical unit, through two initiators or two target ports (`lsblk -S`, `multipath -ll`)",
    )
}

/// The blocks that may be written: named, or the last ones.
fn area(a: &Verify, on: &mut Executor<'_>, timeout: Duration) -> Result<Area, Failure> {
    let tried = format!("asking {} for its size", a.device_a);
    let failed = |exit, answer: String, next: &str| Failure::new(exit, tried.clone(), answer, next);
    let capacity = identify::capacity(on, timeout, &mut SystemPacer::deaf()).map_err(|class| {
        let (exit, answer) = words::class(&class, false);
        failed(exit, answer, exit.row().next)
    })?;
    let (all, size) = (capacity.blocks(), capacity.block_len_bytes);
    let lba = a.lba.unwrap_or_else(|| all.saturating_sub(u64::from(a.blocks)));
    let fits = lba.checked_add(u64::from(a.blocks)).is_some_and(|end| end <= all);
    let bytes = usize::try_from(u64::from(a.blocks) * u64::from(size)).unwrap_or(usize::MAX);
    if !fits || size == 0 || bytes > MAX_TRANSFER {
        return Err(failed(
            Exit::Usage,
            format!(
                "{} blocks of {size} bytes from {lba} on do not fit: the unit has {all}, one command moves {MAX_TRANSFER} bytes",
                a.blocks
            ),
            "name fewer blocks (--blocks), or others (--lba)",
        ));
    }
    Ok(Area { lba, blocks: a.blocks, block_size: size })
}

const fn name(v: Verdict) -> &'static str {
    match v {
        Verdict::Pass => "pass",
        Verdict::Warn => "warn",
        Verdict::NotOffered => "not offered",
        Verdict::Untested => "untested",
        Verdict::Fail => "FAIL",
    }
}

/// One line a check; why and what to do where there is something to do.
fn line(c: &Check) -> String {
    let head = format!("{:<11}  {:<18}  {}", name(c.verdict), c.id, c.found);
    match about(c.id) {
        Some(about) if c.verdict != Verdict::Pass => {
            format!("{head}\n{:14}why: {}\n{:14}do:  {}", "", about.why, "", about.advice(c.verdict))
        }
        _ => head,
    }
}

fn row(c: &Check) -> Value {
    let about = about(c.id);
    json!({
        "check": c.id, "verdict": name(c.verdict).to_lowercase(), "found": c.found,
        "why": about.map(|a| a.why), "next": about.map(|a| a.advice(c.verdict)),
    })
}

fn verdict(a: &Verify, checks: &[Check], refused: Option<String>) -> Outcome {
    let count = |v| checks.iter().filter(|c| c.verdict == v).count();
    let unclean = checks.iter().any(|c| c.id == "cleanup" && c.verdict == Verdict::Fail);
    let failed = count(Verdict::Fail);
    let stopped = checks.iter().any(|c| c.found == "stopped by a signal");
    if let Some(why) = refused {
        return Err(Failure::new(
            Exit::Refused,
            format!("testing {} destructively", a.device_a),
            format!("not begun: {why}"),
            "take an array or a logical unit that nobody uses; `arbitrate full-status` shows who is registered",
        ));
    }
    let exit = match (unclean, failed) {
        (true, _) => Exit::Unknown,
        // What was not looked at is not confirmed.
        (false, 0) if !stopped => Exit::Confirmed,
        (false, _) => Exit::Refused,
    };
    let judgement = match exit {
        Exit::Unknown => "NOT CLEANED UP: see the check `cleanup`",
        Exit::Refused if failed > 0 => "NOT FIT: do not rely on it for fencing",
        Exit::Refused => "stopped before the end: nothing is said about the rest",
        _ if a.destructive => "fit, as far as can be tested",
        _ => "nothing speaks against it; --destructive tests the rest, on a unit nobody uses",
    };
    let text = format!(
        "{judgement}\n  {} pass, {} warn, {} not offered, {} untested, {failed} fail",
        count(Verdict::Pass),
        count(Verdict::Warn),
        count(Verdict::NotOffered),
        count(Verdict::Untested)
    );
    let fields = json!({
        "devices": [a.device_a, a.device_b], "destructive": a.destructive, "judgement": judgement,
        "pass": count(Verdict::Pass), "warn": count(Verdict::Warn), "not_offered": count(Verdict::NotOffered),
        "untested": count(Verdict::Untested), "fail": failed,
        "checks": checks.iter().map(row).collect::<Vec<_>>(),
    });
    Ok(Done::new(exit, text, fields))
}
