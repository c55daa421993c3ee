//! `sim fault`: faults of an embedded disk, for lessons, drills and tests.

use std::path::{Path, PathBuf};

use arbitrate::codec::opcode;
use arbitrate::device::sim::faults::{Chance, Effect, Executed, Fault, Filter, NewFault};
use arbitrate::device::sim::pr::power::Memory;
use arbitrate::device::sim::{Attention, Happening, InitiatorName, SimDevice, SimError, Waiting};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::command::CommandName;
use crate::cli::exit::Exit;
use crate::cli::output::{Done, Failure, Outcome};

#[derive(Args, Debug)]
#[command(
    after_help = "A fault is kept in the disk's file: every process that uses the disk meets it, and it is \
gone when it happened --times.\n\nEXAMPLES\n  arbitrate sim fault /tmp/disk set drop-answer --command \
preempt-and-abort\n  arbitrate sim fault /tmp/disk set delay --ms 5000 --initiator n1 --command write-10\n  \
arbitrate sim fault /tmp/disk set busy --chance 10 --seed 7 --always\n  arbitrate sim fault /tmp/disk now power-loss"
)]
pub(crate) struct FaultArgs {
    /// The disk's file
    path: PathBuf,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Show the faults in force and the commands they hold back (the default)
    List,
    /// Add a fault for commands to come
    Set(Set),
    /// End one fault, or all
    Clear {
        /// Only this one
        #[arg(long, value_name = "N")]
        id: Option<u32>,
    },
    /// Let something happen to the disk at once
    Now {
        /// What
        #[arg(value_enum)]
        what: NowArg,
        /// unit-attention: which one
        #[arg(long, value_parser = attention(), value_name = "WHICH", required_if_eq("what", "unit-attention"))]
        attention: Option<Attention>,
        /// unit-attention: for this initiator only
        #[arg(long, value_name = "NAME")]
        initiator: Option<InitiatorName>,
        /// power-loss: the memory fails that should keep reservations (APTPL)
        #[arg(long)]
        memory_fails: bool,
    },
}

#[derive(Args, Debug)]
struct Set {
    /// What goes wrong
    #[arg(value_enum)]
    effect: EffectArg,
    /// delay: how long the disk holds a command back, in ms, 1 to 600000
    #[arg(long, value_name = "N", required_if_eq("effect", "delay"))]
    ms: Option<u32>,
    /// unit-attention: which one
    #[arg(long, value_parser = attention(), value_name = "WHICH", required_if_eq("effect", "unit-attention"))]
    attention: Option<Attention>,
    /// transport-error: the command was executed all the same
    #[arg(long)]
    executed: bool,
    /// transport-error: Linux host byte
    #[arg(long, value_name = "N", default_value_t = 7)]
    host: u16,
    /// power-loss: the memory fails that should keep reservations (APTPL)
    #[arg(long)]
    memory_fails: bool,
    /// Only commands of this initiator (the NAME of sim:PATH?as=NAME)
    #[arg(long, value_name = "NAME")]
    initiator: Option<InitiatorName>,
    /// Only these commands: read-keys, preempt-and-abort, write-10, pr-out, …, or hex OPCODE[/SERVICE-ACTION]
    #[arg(long, value_name = "COMMAND")]
    command: Option<CommandName>,
    /// How often, then the fault is gone
    #[arg(long, value_name = "N", default_value_t = 1)]
    times: u32,
    /// Until it is cleared
    #[arg(long, conflicts_with = "times")]
    always: bool,
    /// Only so many of a hundred commands, by a chance that --seed repeats; fractions are allowed
    #[arg(long, value_name = "PERCENT", requires = "seed")]
    chance: Option<f64>,
    /// Where that chance begins
    #[arg(long, value_name = "N", requires = "chance")]
    seed: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum EffectArg {
    /// The disk holds the command back, and executes it whether its sender still waits or not
    Delay,
    /// The command is lost: never executed; its sender hears nothing until its deadline
    DropCommand,
    /// The command is executed; its sender hears nothing until its deadline
    DropAnswer,
    /// The transport fails
    TransportError,
    /// BUSY
    Busy,
    /// TASK SET FULL
    TaskSetFull,
    /// A unit attention comes instead
    UnitAttention,
    /// The disk is reset just before
    LunReset,
    /// The disk loses power just before
    PowerLoss,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum NowArg {
    /// LOGICAL UNIT RESET
    LunReset,
    /// Power goes and comes back
    PowerLoss,
    /// A unit attention waits for one initiator or all
    UnitAttention,
}

/// The unit attentions there are, by the emulator's own list.
fn attention() -> impl TypedValueParser<Value = Attention> {
    let all = Attention::ALL.map(|a| PossibleValue::new(a.name()).help(a.sense().to_string()));
    PossibleValuesParser::new(all).map(|name| {
        // The parser lets nothing else through.
        Attention::ALL.into_iter().find(|a| a.name() == name).unwrap_or(Attention::PowerOn)
    })
}

const fn memory(fails: bool) -> Memory {
    if fails { Memory::Failed } else { Memory::Kept }
}

pub(crate) fn run(a: &FaultArgs) -> Outcome {
    match &a.action {
        None | Some(Action::List) => list(&a.path),
        Some(Action::Set(s)) => set(&a.path, s),
        Some(Action::Clear { id }) => clear(&a.path, *id),
        Some(Action::Now { what, attention, initiator, memory_fails }) => {
            let happening = match what {
                NowArg::LunReset => Happening::Reset,
                NowArg::PowerLoss => Happening::PowerLoss(memory(*memory_fails)),
                NowArg::UnitAttention => Happening::Attention {
                    // clap asks for it; without one there is the most common.
                    what: attention.unwrap_or(Attention::PowerOn),
                    initiator: initiator.clone(),
                },
            };
            now(&a.path, &happening)
        }
    }
}

fn failed(tried: String, e: &SimError) -> Failure {
    let (exit, next) = match e {
        SimError::Fault(_) => (Exit::Usage, "see `arbitrate help sim fault`"),
        _ => (Exit::File, "nothing was changed; `arbitrate sim create PATH` makes a disk"),
    };
    Failure::new(exit, tried, e.to_string(), next)
}

fn list(path: &Path) -> Outcome {
    let shown = SimDevice::show(path)
        .map_err(|e| failed(format!("reading the embedded disk {}", path.display()), &e))?;
    let mut lines: Vec<String> = shown.faults.iter().map(line).collect();
    if lines.is_empty() {
        lines.push("no faults".into());
    }
    lines.extend(shown.delayed.iter().map(waiting));
    let fields = json!({ "path": path, "faults": shown.faults, "delayed": shown.delayed });
    Ok(Done::new(Exit::Confirmed, lines.join("\n"), fields))
}

fn waiting(w: &Waiting) -> String {
    let when = match w.due_in_ms {
        0 => "due: the next access executes it, unless its sender still waits".to_owned(),
        n => format!("due in {n} ms"),
    };
    format!("held back: {} of {} at port {}, {when}", w.command, w.initiator, w.port)
}

fn set(path: &Path, s: &Set) -> Outcome {
    let tried = || format!("adding a fault to {}", path.display());
    let effect = match s.effect {
        EffectArg::Delay => Effect::Delay { ms: s.ms.unwrap_or_default() },
        EffectArg::DropCommand => Effect::DropCommand,
        EffectArg::DropAnswer => Effect::DropAnswer,
        EffectArg::TransportError => Effect::TransportError {
            host: s.host,
            executed: if s.executed { Executed::Yes } else { Executed::No },
        },
        EffectArg::Busy => Effect::Busy,
        EffectArg::TaskSetFull => Effect::TaskSetFull,
        EffectArg::UnitAttention => Effect::Attention { what: s.attention.unwrap_or(Attention::PowerOn) },
        EffectArg::LunReset => Effect::Reset,
        EffectArg::PowerLoss => Effect::PowerLoss { memory: memory(s.memory_fails) },
    };
    let filter = Filter {
        initiator: s.initiator.clone(),
        opcode: s.command.map(|c| c.opcode),
        service_action: s.command.and_then(|c| c.service_action),
    };
    let chance = match s.chance {
        None => None,
        Some(percent) => Some(Chance {
            per_million: per_million(percent).ok_or_else(|| {
                let why = format!("--chance {percent}: use 0.0001 to 100");
                Failure::new(Exit::Usage, tried(), why, "see `arbitrate help sim fault`")
            })?,
            seed: s.seed.unwrap_or_default(),
        }),
    };
    let fault = NewFault { effect, filter, times: (!s.always).then_some(s.times), chance };
    let id = SimDevice::inject(path, fault).map_err(|e| failed(tried(), &e))?;
    let text = SimDevice::show(path)
        .ok()
        .and_then(|shown| shown.faults.iter().find(|f| f.id == id).map(line))
        .unwrap_or_else(|| format!("fault {id} was set and has happened already"));
    Ok(Done::new(Exit::Confirmed, text, json!({ "path": path, "id": id })))
}

/// 10 % is 100,000 of a million.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be 1 to 1000000")]
fn per_million(percent: f64) -> Option<u32> {
    let n = (percent * 10_000.0).round();
    (1.0..=1_000_000.0).contains(&n).then_some(n as u32)
}

fn clear(path: &Path, id: Option<u32>) -> Outcome {
    let tried = || format!("ending faults of {}", path.display());
    let gone = SimDevice::mend(path, id).map_err(|e| failed(tried(), &e))?;
    if let Some(id) = id.filter(|_| gone == 0) {
        let next = format!("`arbitrate sim fault {} list` shows those there are", path.display());
        return Err(Failure::new(Exit::Refused, tried(), format!("there is no fault {id}"), next));
    }
    Ok(Done::new(Exit::Confirmed, format!("{gone} ended"), json!({ "path": path, "ended": gone })))
}

fn now(path: &Path, happening: &Happening) -> Outcome {
    let what = match happening {
        Happening::Reset => "LOGICAL UNIT RESET".to_owned(),
        Happening::PowerLoss(Memory::Kept) => {
            "power loss; reservations stay if APTPL was asked for".to_owned()
        }
        Happening::PowerLoss(Memory::Failed) => {
            "power loss; the memory failed, and what APTPL should have kept is lost".to_owned()
        }
        Happening::Attention { what, initiator } => {
            let whom = initiator.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string);
            format!("{} for {whom}", what.sense())
        }
    };
    let tried = format!("letting this happen to {}: {what}", path.display());
    SimDevice::happen(path, happening).map_err(|e| failed(tried, &e))?;
    Ok(Done::new(Exit::Confirmed, format!("done: {what}"), json!({ "path": path, "happened": what })))
}

/// A fault in words.
fn line(f: &Fault) -> String {
    let effect = match f.effect {
        Effect::Delay { ms } => format!("held back for {ms} ms"),
        Effect::DropCommand => "lost, never executed".to_owned(),
        Effect::DropAnswer => "executed, its answer lost".to_owned(),
        Effect::TransportError { host, executed } => {
            let done = if executed == Executed::Yes { "executed" } else { "not executed" };
            format!("transport error (host {host:#04x}), {done}")
        }
        Effect::Busy => "BUSY".to_owned(),
        Effect::TaskSetFull => "TASK SET FULL".to_owned(),
        Effect::Attention { what } => what.sense().to_string(),
        Effect::Reset => "LOGICAL UNIT RESET just before".to_owned(),
        Effect::PowerLoss { memory: Memory::Kept } => "power loss just before".to_owned(),
        Effect::PowerLoss { memory: Memory::Failed } => "power loss just before, memory fails".to_owned(),
    };
    let whose = f.filter.initiator.as_ref().map_or_else(|| "anybody".to_owned(), ToString::to_string);
    let which = match (f.filter.opcode, f.filter.service_action) {
        (None, None) => "any command".to_owned(),
        (opcode, action) => {
            let known = opcode.and_then(|o| opcode::by_code(o).find(|r| r.service_action == action));
            known.map_or_else(
                || match (opcode, action) {
                    (Some(0x5e), None) => "PERSISTENT RESERVE IN".to_owned(),
                    (Some(0x5f), None) => "PERSISTENT RESERVE OUT".to_owned(),
                    (o, a) => format!("operation code {o:02x?}, service action {a:02x?}"),
                },
                |r| r.name.to_owned(),
            )
        }
    };
    let often = match f.left {
        None => "until cleared".to_owned(),
        Some(1) => "once".to_owned(),
        Some(n) => format!("{n} times"),
    };
    let chance = f.chance.map_or_else(String::new, |c| {
        format!(", each with {} % chance", f64::from(c.per_million) / 10_000.0)
    });
    format!("fault {}: {which} of {whose}: {effect}; {often}{chance}", f.id)
}
