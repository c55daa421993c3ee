//! A command line that makes no sense: told as text, or as one JSON object where `--json` was asked for.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;

use super::Exit;
use super::output::{Failed, Output};

/// Ends the program for what clap found: an error, or help that was asked for.
pub(crate) fn end(e: &clap::Error, arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let asked_for = matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    // What stands behind `--` is no option.
    let arguments: Vec<OsString> = arguments.skip(1).take_while(|a| a != "--").collect();
    let json = arguments.iter().any(|a| a == "--json");
    if asked_for || !json {
        // Nobody reads any more: that ends the output, nothing else.
        let _ = e.print();
        return ExitCode::from(if asked_for { Exit::Confirmed as u8 } else { Exit::Usage as u8 });
    }
    let told = e.to_string();
    // The first line says what is wrong; what follows is the usage.
    let first = told.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let answer = match e.kind() {
        // The names of what is missing follow, a line each.
        ErrorKind::MissingRequiredArgument => told
            .lines()
            .take_while(|l| !l.is_empty())
            .map(|l| l.trim_start_matches("error: ").trim())
            .collect::<Vec<_>>()
            .join(" "),
        _ => first.to_owned(),
    };
    let failed = Failed {
        exit: Exit::Usage,
        tried: "reading the command line",
        answer,
        next: "`netident help COMMAND` shows what it takes",
    };
    let command = arguments.iter().filter_map(|a| a.to_str()).find(|a| !a.starts_with('-'));
    ExitCode::from(Output { json: true }.finish(command.unwrap_or_default(), Err(failed)) as u8)
}
