//! From the words of a command line to what they ask for, or to a message that says what is wrong.
//!
//! `fence` is parsed by itself first: building the definition of every other command costs more than the
//! fence does. Must never accept what the whole definition would not: whatever the quick way does not
//! take, help included, is parsed again by the whole.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Args, FromArgMatches, Parser};

use super::args::{Cli, Command, Globals};
use super::exit::Exit;
use super::fence::args::Fence;
use super::output::{Failure, Output};

/// Reads this process's command line.
///
/// # Errors
/// The exit code of what was printed instead: help, the version, or what is wrong.
pub(crate) fn command_line() -> Result<Cli, Exit> {
    let words: Vec<OsString> = std::env::args_os().collect();
    if let Some(cli) = fence_alone(&words) {
        return Ok(cli);
    }
    Cli::try_parse_from(&words).map_err(|e| {
        if e.use_stderr() && asks_for_json(&words) {
            return Output { json: true, verbose: false }.finish(&verb(&words), Err(failure(&e, &words)));
        }
        // Help and version come as errors that are none; clap writes each to its stream.
        let _ = e.print();
        if e.use_stderr() { Exit::Usage } else { Exit::Confirmed }
    })
}

/// `arbitrate fence …`, where nothing is wrong with it.
fn fence_alone(words: &[OsString]) -> Option<Cli> {
    if words.get(1)? != "fence" {
        return None;
    }
    let fence = Fence::augment_args(clap::Command::new("fence"));
    let all = Globals::augment_args(clap::Command::new("arbitrate")).subcommand(fence);
    let found = all.try_get_matches_from(words).ok()?;
    let fence = Fence::from_arg_matches(found.subcommand_matches("fence")?).ok()?;
    Some(Cli { globals: Globals::from_arg_matches(&found).ok()?, command: Command::Fence(fence) })
}

/// Whether JSON was asked for, on a line that could not be read as a whole.
fn asks_for_json(words: &[OsString]) -> bool {
    words.iter().skip(1).take_while(|w| *w != "--").any(|w| w == "--json")
}

/// The command: the first word that is neither an option nor the value of one. `arbitrate` where that is none.
fn verb(words: &[OsString]) -> String {
    let whole = <Cli as clap::CommandFactory>::command();
    let takes_a_value = |w: &OsString| {
        let long = w.to_str().and_then(|w| w.strip_prefix("--"));
        whole.get_arguments().any(|a| a.get_long() == long && long.is_some() && a.get_action().takes_values())
    };
    let mut words = words.iter().skip(1);
    while let Some(w) = words.next() {
        if takes_a_value(w) {
            words.next();
        } else if !w.as_encoded_bytes().starts_with(b"-") {
            return whole.find_subcommand(w).map_or("arbitrate", |c| c.get_name()).to_owned();
        }
    }
    "arbitrate".to_owned()
}

fn failure(e: &clap::Error, words: &[OsString]) -> Failure {
    let text = e.render().to_string();
    // What is wrong comes first, then hints and the usage, a paragraph each.
    let answer = match e.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            "no command is named".to_owned()
        }
        _ => {
            let first = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
            first.split_whitespace().collect::<Vec<_>>().join(" ")
        }
    };
    let next = match verb(words).as_str() {
        "arbitrate" => "see `arbitrate help`".to_owned(),
        verb => format!("see `arbitrate help {verb}`"),
    };
    Failure::new(Exit::Usage, "reading the command line", answer, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn a_fence_parsed_alone_is_what_the_whole_makes_of_it() {
        for line in [
            "arbitrate fence --cluster c --node 2 sim:a?as=n",
            "arbitrate fence --json --cluster c --node 2 --yes --as-node 1 /dev/sdb /dev/sdc -v",
            "arbitrate fence --timeout-ms 50 --cluster c --node 2 --key 1f --drain reset --type earo d --record f",
            "arbitrate fence --cluster c --node 2 --force unregistered --force holder --deadline-ms 7000 -- d",
        ] {
            let words = words(line);
            let alone = fence_alone(&words).unwrap_or_else(|| panic!("{line}"));
            let whole = Cli::try_parse_from(&words).unwrap();
            assert_eq!(format!("{alone:?}"), format!("{whole:?}"));
        }
    }

    #[test]
    fn the_command_is_the_first_word_that_is_no_option_and_no_options_value() {
        for (line, command) in [
            ("arbitrate keys d --bad", "keys"),
            ("arbitrate --json --timeout-ms 5 fence --bad", "fence"),
            ("arbitrate --timeout-ms=5 -v fence keys", "fence"),
            ("arbitrate --record keys status --json", "arbitrate"),
            ("arbitrate --record keys inspect --json", "inspect"),
            ("arbitrate bogus keys", "arbitrate"),
            ("arbitrate --json", "arbitrate"),
        ] {
            assert_eq!(verb(&words(line)), command, "{line}");
        }
    }

    #[test]
    fn everything_else_is_left_to_the_whole() {
        for line in [
            "arbitrate",
            "arbitrate keys d",
            "arbitrate --json fence --cluster c --node 2 d",
            "arbitrate fence --help",
            "arbitrate fence --cluster c --node 0 d",
            "arbitrate fence --cluster c --node 2",
            "arbitrate fence --cluster c --node 2 --as-node 1 --key 1 d",
            "arbitrate fence --version",
        ] {
            assert!(fence_alone(&words(line)).is_none(), "{line}");
        }
    }
}
