//! `arbitrate replay`: a recording against an embedded disk.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use arbitrate::clock;
use arbitrate::device::ScsiDevice;
use arbitrate::device::record::line::NexusLine;
use arbitrate::device::record::replay::{Difference, Replayed, Script, Unanswered};
use arbitrate::device::sim::{CreateOptions, Personality, Profile, SCHEME, SimDevice, SimError, SimSpec};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::exit::Exit;
use super::output::{Done, Failure, Outcome};
use super::words;

#[derive(Args, Debug)]
#[command(
    after_help = "EXIT STATUS\n  0 the same to the end  1 they differ: the first difference is shown  \
2 the recording cannot be read\n\nA recording is made with --record FILE. INQUIRY and REPORT LUNS are compared \
by status only, READ FULL STATUS without TransportIDs and ports.\n\nEXAMPLES\n  arbitrate --record /tmp/tape \
challenge /dev/sdb --cluster prod --node 2\n  arbitrate replay /tmp/tape"
)]
pub(crate) struct ReplayArgs {
    /// The recording
    file: PathBuf,
    /// Run it on this embedded disk and keep it; made if it is not there [default: a fresh one, removed
    /// afterwards]
    #[arg(long, value_name = "sim:PATH")]
    on: Option<String>,
    /// Whose behaviour the fresh disk has, as for `sim create`: recordings of LIO part later on `lio`
    #[arg(long, value_name = "NAME", default_value_t = Personality::SPC)]
    personality: Personality,
    /// What to believe of commands without an answer in the recording
    #[arg(long, value_enum, default_value_t = Belief::Executed)]
    unanswered: Belief,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Belief {
    Executed,
    NotExecuted,
}

pub(crate) fn run(a: &ReplayArgs) -> Outcome {
    let script = read(&a.file)?;
    let stage = Stage::new(a, &script)?;
    let unanswered = match a.unanswered {
        Belief::Executed => Unanswered::Executed,
        Belief::NotExecuted => Unanswered::NotExecuted,
    };
    let mut number = 0;
    let done = script.replay(unanswered, |n| {
        number += 1;
        stage.open(n, number)
    })?;
    Ok(report(&a.file, &done))
}

fn read(path: &Path) -> Result<Script, Failure> {
    let unreadable = |why: String| {
        let next = "a recording is made with --record FILE; its first lines name the devices";
        Failure::new(Exit::Usage, format!("reading the recording {}", path.display()), why, next)
    };
    let file = File::open(path).map_err(|e| unreadable(e.to_string()))?;
    Script::read(BufReader::new(file)).map_err(|e| unreadable(e.to_string()))
}

/// The embedded disk a recording is run on.
struct Stage {
    path: PathBuf,
    /// Whether it goes when this does.
    fresh: bool,
}

impl Stage {
    fn new(a: &ReplayArgs, script: &Script) -> Result<Self, Failure> {
        let (path, fresh) = match a.on.as_deref() {
            None => (scratch_path(), true),
            Some(s) => match s.strip_prefix(SCHEME).filter(|p| !p.is_empty() && !p.contains('?')) {
                Some(p) => (PathBuf::from(p), false),
                None => {
                    return Err(Failure::new(
                        Exit::Usage,
                        format!("reading --on {s}"),
                        "it is no sim:PATH; initiators come from the recording",
                        "write --on sim:PATH",
                    ));
                }
            },
        };
        if !path.exists() {
            let options = CreateOptions { personality: a.personality, ..as_recorded(script) };
            SimDevice::create(&path, &options).map_err(|e| failed(&path, &e))?;
        }
        Ok(Self { path, fresh })
    }

    /// As the initiator it was, or the N-th where it was no embedded one.
    fn open(&self, n: &NexusLine, number: usize) -> Result<Box<dyn ScsiDevice>, Failure> {
        let who = n
            .nexus
            .parse::<SimSpec>()
            .map_or_else(|_| format!("as=nexus-{number}"), |s| format!("as={}&port={}", s.initiator, s.port));
        let spec = format!("{SCHEME}{}?{who}", self.path.display());
        match SimDevice::open(&spec) {
            Ok(d) => Ok(Box::new(d)),
            Err(e) => Err(failed(&self.path, &e)),
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.fresh {
            // Left behind it hurts nobody.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn failed(path: &Path, e: &SimError) -> Failure {
    let tried = format!("preparing the embedded disk {}", path.display());
    Failure::new(Exit::File, tried, e.to_string(), "name another with --on sim:PATH, or none")
}

fn scratch_path() -> PathBuf {
    let name = format!("arbitrate-replay-{}-{}", std::process::id(), clock::now().as_nanos());
    std::env::temp_dir().join(name)
}

/// Of the size and serial number the recording tells, where an embedded disk can have them.
fn as_recorded(script: &Script) -> CreateOptions {
    let mut options = CreateOptions { serial: script.serial(), ..CreateOptions::default() };
    if let Some((blocks, block_size)) = script.capacity() {
        (options.blocks, options.block_size) = (blocks, block_size);
    }
    let sound = |o: &CreateOptions| {
        let serial = o.serial.as_deref().unwrap_or("0");
        Profile::new(serial, o.blocks, o.block_size).is_ok()
    };
    if sound(&options) { options } else { CreateOptions::default() }
}

fn report(file: &Path, done: &Replayed) -> Done {
    let Replayed { commands, resets, passed_over, unanswered, difference } = done;
    let mut counted =
        format!("{} and {} replayed", words::count(*commands, "command"), words::count(*resets, "reset"));
    if *passed_over > 0 {
        counted.push_str(&format!(", {passed_over} that were not executed passed over"));
    }
    if *unanswered > 0 {
        counted.push_str(&format!(", {unanswered} without an answer (see --unanswered)"));
    }
    let fields = json!({
        "recording": file, "commands": commands, "resets": resets, "passed_over": passed_over,
        "unanswered": unanswered,
        "result": if difference.is_none() { "same" } else { "differs" },
        "difference": difference.as_ref().map(json_of),
    });
    match difference {
        None => Done::new(Exit::Confirmed, format!("same: {counted}"), fields),
        Some(d) => {
            let text = format!(
                "DIFFERS at line {}: {} by {}\n  {} recorded  {}\n  {} replayed  {}\n{counted} up to there",
                d.line, d.what, d.nexus, d.field, d.recorded, d.field, d.replayed
            );
            Done::new(Exit::Refused, text, fields)
        }
    }
}

fn json_of(d: &Difference) -> serde_json::Value {
    json!({
        "line": d.line, "nexus": d.nexus, "what": d.what, "field": d.field,
        "recorded": d.recorded, "replayed": d.replayed,
    })
}
