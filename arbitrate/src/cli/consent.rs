//! Three separate consents: `--dry-run`, `--yes`, and the answer of a person at a terminal.

use std::io::{BufRead, IsTerminal, Write};

use super::args::Consent;
use super::exit::Exit;
use super::output::Failure;

/// Asks for `what`, unless `--yes` was given. Without a terminal there is nobody to ask: refused.
pub(crate) fn ask(c: &Consent, what: &str) -> Result<(), Failure> {
    if c.yes || c.dry_run {
        return Ok(());
    }
    let refused = |answer: &str| {
        Failure::new(
            Exit::Refused,
            what,
            answer,
            "add --yes to do it; --dry-run, where the command has it, shows what would be sent",
        )
    };
    if !std::io::stdin().is_terminal() {
        return Err(refused("it destroys something, and there is no terminal to ask at"));
    }
    let mut err = std::io::stderr().lock();
    let _ = write!(err, "{what}. Go on? [y/N] ").and_then(|()| err.flush());
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    match (read, line.trim()) {
        (Ok(_), "y" | "Y" | "yes") => Ok(()),
        _ => Err(refused("not confirmed")),
    }
}
