//! The command line of `equal`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use arbitrate::device::ScsiDevice;
use arbitrate::device::open::open;
use arbitrate::device::sim::Personality;
use palisade_equal::generate::sequence;
use palisade_equal::recording::{self, Recording};
use palisade_equal::step::Step;
use palisade_equal::target::Start;

pub(crate) const HELP: &str = "\
Compares a target with the embedded disk: the same commands on both, every status, sense and byte of data.
DESTROYS the reservations and the first and last blocks of the unit it is given.

usage: equal run [options] --destroy DEVICE DEVICE DEVICE      seeded sequences
       equal replay FILE [options] --destroy DEVICE DEVICE DEVICE   the steps of a file
       equal check FILE [options]                              a recording against the embedded disk alone
       equal table                                             the table of LIO's deviations, in Markdown

The devices are three nexuses of one logical unit of 512-byte blocks.

options:
  --seed NUMBER          a sequence made from it; may be given several times (default: one by the clock)
  --commands NUMBER      steps for each seed (default: 4000)
  --personality NAME     of the embedded disk: spc, lio, or lio less a row (default: lio)
  --record FILE          append every step and its end on the target to this file
  --rows                 also take away each row of the table, and demand that a difference shows

exit status: 0 equal, 1 different (the shortest sequence is printed), 2 nothing was learnt
";

pub(crate) enum Verb {
    Help,
    Table,
    Run(Options),
    Check(Options),
}

pub(crate) struct Options {
    pub(crate) personality: Personality,
    pub(crate) rows: bool,
    seeds: Vec<u64>,
    commands: usize,
    file: Option<PathBuf>,
    record: Option<PathBuf>,
    devices: Vec<String>,
}

impl Options {
    /// The three devices.
    pub(crate) fn open(&self) -> Result<Vec<Box<dyn ScsiDevice>>> {
        let open = |name: &String| open(name).with_context(|| name.clone());
        self.devices.iter().map(open).collect()
    }

    /// The file that was named.
    pub(crate) fn text(&self) -> Result<String> {
        let file = self.file.as_ref().context("no file was named")?;
        std::fs::read_to_string(file).with_context(|| file.display().to_string())
    }

    /// Appends to the file of `--record`, if any.
    pub(crate) fn save(&self, made: &Recording) -> Result<()> {
        let Some(file) = &self.record else { return Ok(()) };
        let mut to = OpenOptions::new().create(true).append(true).open(file)?;
        to.write_all(recording::write(made).as_bytes()).with_context(|| file.display().to_string())
    }

    /// What is to be run, with names.
    pub(crate) fn sequences(&self, start: &Start) -> Result<Vec<(String, Vec<Step>)>> {
        if let Some(file) = &self.file {
            let text = self.text()?;
            let lines = text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#'));
            let steps = lines.map(Step::parse).collect::<Result<_>>()?;
            return Ok(vec![(file.display().to_string(), steps)]);
        }
        let made = |seed: &u64| Ok((format!("seed {seed}"), sequence(*seed, self.commands, start)?));
        self.seeds.iter().map(made).collect()
    }
}

pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Verb> {
    let mut options = Options {
        personality: Personality::LIO,
        rows: false,
        seeds: Vec::new(),
        commands: 4000,
        file: None,
        record: None,
        devices: Vec::new(),
    };
    let mut check = false;
    match arguments.next().as_deref() {
        Some("--help" | "-h") => return Ok(Verb::Help),
        Some("table") => return Ok(Verb::Table),
        Some("run") => {}
        Some("check") => {
            options.file = Some(arguments.next().context("check which file?")?.into());
            check = true;
        }
        Some("replay") => options.file = Some(arguments.next().context("replay which file?")?.into()),
        _ => bail!("run, replay or table? (see equal --help)"),
    }
    let mut destroy = false;
    while let Some(word) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{word} wants a value"));
        match word.as_str() {
            "--help" | "-h" => return Ok(Verb::Help),
            "--seed" => options.seeds.push(value()?.parse().context("--seed")?),
            "--commands" => options.commands = value()?.parse().context("--commands")?,
            "--personality" => options.personality = value()?.parse()?,
            "--record" => options.record = Some(value()?.into()),
            "--rows" => options.rows = true,
            "--destroy" => destroy = true,
            other if other.starts_with("--") => bail!("unknown option {other}"),
            _ => options.devices.push(word),
        }
    }
    if check {
        return Ok(Verb::Check(options));
    }
    ensure!(destroy, "this destroys data and reservations of {:?}: say --destroy", options.devices);
    if options.seeds.is_empty() {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?;
        options.seeds.push(u64::from(since.subsec_nanos()) << 32 | (since.as_secs() & 0xffff_ffff));
    }
    Ok(Verb::Run(options))
}
