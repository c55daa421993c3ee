//! The command line of `palisade-lab`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use palisade_lab::{Layout, Watchdog};

pub(crate) const HELP: &str = "\
A real kernel with real reservations, to try things by hand.

usage: palisade-lab run  [options] -- COMMAND...   run one shell command in a new guest
       palisade-lab boot [options]                 run each line of standard input in a new guest

options:
  --layout plain|iscsi|multipath|loop|scsi-debug   shared disks (default: iscsi)
  --nodes NUMBER                         nodes on them (default: 3)
  --luns NUMBER                          logical units for each (default: 1)
  --watchdog softdog|i6300esb            a watchdog, armed by opening /dev/watchdog (default: none)
  --margin SECONDS                       of the watchdog (default: 5)
  --processors NUMBER                    of the guest (default: 1)
  --bin FILE                             put this program in the guest's /bin, with its libraries
  --copy FILE[:PATH]                     put this file in the guest, at PATH (default: /root/NAME)
  --timeout SECONDS                      for each command (default: 600)

exit status: that of the last command; 1 if the lab failed, 2 for a wrong command line
";

/// Where the commands come from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Commands {
    Given(String),
    Lines,
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) layout: Layout,
    pub(crate) watchdog: Option<Watchdog>,
    pub(crate) processors: u32,
    pub(crate) programs: Vec<PathBuf>,
    pub(crate) files: Vec<(PathBuf, String)>,
    pub(crate) timeout: Duration,
    pub(crate) commands: Commands,
}

/// `None`: help is wanted.
pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Option<Options>> {
    let mut arguments = arguments;
    let verb = arguments.next().context("run or boot?")?;
    if verb == "--help" || verb == "-h" {
        return Ok(None);
    }
    let (mut layout, mut watchdog) = ("iscsi".to_owned(), None);
    let (mut nodes, mut luns, mut margin_s, mut processors, mut timeout_s) = (3, 1, 5, 1, 600);
    let (mut programs, mut files, mut given) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(option) = arguments.next() {
        if option == "--help" || option == "-h" {
            return Ok(None);
        }
        if option == "--" {
            given.extend(arguments.by_ref());
            break;
        }
        let value = arguments.next().with_context(|| format!("{option} wants a value"))?;
        match option.as_str() {
            "--layout" => layout = value,
            "--watchdog" => watchdog = Some(value),
            "--nodes" => nodes = number(&option, &value)?,
            "--luns" => luns = number(&option, &value)?,
            "--margin" => margin_s = number(&option, &value)?,
            "--processors" => processors = number(&option, &value)?,
            "--timeout" => timeout_s = number(&option, &value)?,
            "--bin" => programs.push(PathBuf::from(value)),
            "--copy" => files.push(copy(&value)?),
            _ => bail!("unknown option {option}"),
        }
    }
    let commands = match (verb.as_str(), given.is_empty()) {
        ("run", false) => Commands::Given(given.join(" ")),
        ("run", true) => bail!("run what? (-- COMMAND...)"),
        ("boot", true) => Commands::Lines,
        ("boot", false) => bail!("boot reads its commands from standard input"),
        _ => bail!("unknown command {verb}"),
    };
    let layout = match layout.as_str() {
        "plain" => Layout::Plain,
        "iscsi" => Layout::Iscsi { nodes, luns },
        "multipath" => Layout::Multipath { nodes },
        "loop" => Layout::Loop { nodes, luns },
        "scsi-debug" => Layout::ScsiDebug { luns },
        other => bail!("unknown layout {other}"),
    };
    let watchdog = match watchdog.as_deref() {
        None => None,
        Some("softdog") => Some(Watchdog::Softdog { margin_s }),
        Some("i6300esb") => Some(Watchdog::I6300esb { margin_s }),
        Some(other) => bail!("unknown watchdog {other}"),
    };
    let timeout = Duration::from_secs(timeout_s.into());
    Ok(Some(Options { layout, watchdog, processors, programs, files, timeout, commands }))
}

/// All numbers here count something: 0 is none of them.
fn number(option: &str, value: &str) -> Result<u32> {
    match value.parse() {
        Ok(number @ 1..) => Ok(number),
        _ => bail!("{option}: {value:?} is no number above 0"),
    }
}

fn copy(value: &str) -> Result<(PathBuf, String)> {
    if let Some((here, there)) = value.rsplit_once(':') {
        return Ok((here.into(), there.to_owned()));
    }
    let here = PathBuf::from(value);
    let name = here.file_name().with_context(|| format!("{value:?} names no file"))?;
    let there = format!("/root/{}", name.to_string_lossy());
    Ok((here, there))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Option<Options>> {
        parse(line.split(' ').map(str::to_owned))
    }

    #[test]
    fn a_command_keeps_its_own_options() {
        let options = parsed("run --layout loop --nodes 2 --bin a/b --copy c:/d -- x --layout y").unwrap();
        let options = options.unwrap();
        assert_eq!(options.commands, Commands::Given("x --layout y".into()));
        assert_eq!(options.layout, Layout::Loop { nodes: 2, luns: 1 });
        assert_eq!(options.programs, [PathBuf::from("a/b")]);
        assert_eq!(options.files, [(PathBuf::from("c"), "/d".to_owned())]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in
            ["run", "boot -- x", "walk", "boot --nodes 0", "boot --layout", "boot --layout x", "boot --x y"]
        {
            assert!(parsed(line).is_err(), "{line}");
        }
        assert!(parsed("boot --help").unwrap().is_none());
    }
}
