//! Which exit codes which command ends with: the one table for `--help`, `explain` and docs/exit-codes.md.
//!
//! What a code means in general stands in [`exit::TABLE`](super::exit::TABLE); here is what it means for one
//! command, where that can be said more exactly. Tests hold help and page against both tables.

use super::exit::{Exit, TABLE};

/// What the codes of one command mean.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) codes: &'static [(Exit, &'static str)],
}

/// What any command that talks to a device may end with before it has changed anything.
const BEFORE: [(Exit, &str); 9] = [
    (Exit::IllegalRequest, "the target does not accept a field of a command"),
    (Exit::ReservationLost, "the target lost the reservations that it had promised to keep"),
    (
        Exit::UnsupportedCommand,
        "the target does not know the command: no persistent reservations, no such reset",
    ),
    (Exit::File, "the device could not be opened, or is none this program works on"),
    (Exit::Conflict, "a reservation bars this path, or it is registered under another's key"),
    (Exit::Busy, "the target was busy or not ready"),
    (Exit::Aborted, "the target aborted a command that changes nothing"),
    (Exit::Timeout, "no answer in time; nothing was changed"),
    (Exit::Transport, "the transport failed; nothing was changed"),
];

const CHALLENGE: [(Exit, &str); 5] = [
    (Exit::Confirmed, "won, read back, and confirmed by a first tick"),
    (Exit::Refused, "a rule or the target forbids it, or a signal withdrew it"),
    (Exit::Usage, "the command line is wrong"),
    (Exit::Unknown, "something may have been executed, or may yet be, and reading did not settle it"),
    (Exit::Defended, "the holder is alive and defended itself, or another was first"),
];

const DEFEND: [(Exit, &str); 6] = [
    (Exit::Confirmed, "given back on request, read back"),
    (Exit::Refused, "nothing to take over, or a rule or the target forbids it"),
    (Exit::Usage, "the command line is wrong"),
    (Exit::Unknown, "it is not known whether the disk was won, or given back"),
    (Exit::Defended, "--acquire: the holder is alive and defended itself, or another was first"),
    (Exit::Deposed, "the disk was taken, or nothing was confirmed within the lease"),
];

const VERIFY: [(Exit, &str); 4] = [
    (Exit::Confirmed, "nothing failed"),
    (Exit::Refused, "not fit, the destructive part was not begun, or it was stopped before the end"),
    (Exit::Usage, "the command line is wrong, or names no two nexuses of one unit; nothing was tested"),
    (Exit::Unknown, "NOT CLEANED UP: the check `cleanup` says what is left"),
];

/// The commands whose codes mean something of their own.
pub(crate) const COMMANDS: &[Command] = &[
    Command { name: "challenge", codes: &joined::<5, 14>(CHALLENGE) },
    Command { name: "defend", codes: &joined::<6, 15>(DEFEND) },
    Command {
        name: "fence",
        codes: &[
            (Exit::Confirmed, "proven on every device"),
            (
                Exit::Refused,
                "refused on at least one (not protected included), or as a whole: then nothing was sent",
            ),
            (
                Exit::Usage,
                "the command line is wrong, a disk is named twice, the deadline leaves no time to read back",
            ),
            (
                Exit::Unknown,
                "not proven on at least one, a name that is no device and a node fenced before included; goes before refused",
            ),
            (Exit::File, "--dry-run: a device could not be opened or read; nothing was sent"),
        ],
    },
    Command {
        name: "unfence",
        codes: &[
            (Exit::Confirmed, "registered on every device, read back"),
            (Exit::Refused, "refused on at least one; a name that is no usable device is one"),
            (Exit::Usage, "the command line is wrong"),
            (Exit::Unknown, "not proven on at least one; goes before refused"),
        ],
    },
    Command {
        name: "clear-stale",
        codes: &[
            (Exit::Confirmed, "shown, or removed from every device, read back"),
            (Exit::Refused, "refused on at least one, or as a whole: then nothing was sent"),
            (Exit::Usage, "the command line is wrong, or a disk is named twice"),
            (
                Exit::Unknown,
                "not proven on at least one, a name that is no device included; goes before refused",
            ),
            (Exit::File, "--dry-run: a device could not be opened or read; nothing was sent"),
        ],
    },
    Command { name: "verify", codes: &joined::<4, 13>(VERIFY) },
];

/// `own` first, then [`BEFORE`], in the order of the codes.
const fn joined<const N: usize, const ALL: usize>(
    own: [(Exit, &'static str); N],
) -> [(Exit, &'static str); ALL] {
    let mut all = [(Exit::Confirmed, ""); ALL];
    let (mut i, mut j) = (0, 0);
    while i + j < ALL {
        let take_own = i < N && (j >= BEFORE.len() || own[i].0.code() < BEFORE[j].0.code());
        all[i + j] = if take_own { own[i] } else { BEFORE[j] };
        if take_own { i += 1 } else { j += 1 }
    }
    all
}

/// What stands below the options of one command's `--help`.
pub(crate) fn help(command: &str, rest: &str) -> String {
    let codes = COMMANDS.iter().find(|c| c.name == command).map_or(&[][..], |c| c.codes);
    let lines: String = codes
        .iter()
        .map(|(exit, means)| format!("  {:>2} {}: {means}\n", exit.code(), exit.row().name))
        .collect();
    format!("EXIT STATUS\n{lines}\n{rest}")
}

/// The same of the program as a whole: every code there is.
pub(crate) fn all(rest: &str) -> String {
    let codes: Vec<String> = TABLE.iter().map(|r| format!("{} {}", r.exit.code(), r.name)).collect();
    let lines: Vec<String> = codes.chunks(5).map(|some| format!("  {}\n", some.join("  "))).collect();
    format!(
        "EXIT STATUS\n{}  `arbitrate explain CODE` says what each means and what to do next.\n\n{rest}",
        lines.concat()
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::args::Cli;

    /// The page, from the tables.
    fn page() -> String {
        let mut page = String::from(
            "# Exit codes\n\nStable, part of the interface: scripts may rely on them. `arbitrate explain CODE` prints a row of \
             the first table, `arbitrate\nCOMMAND --help` the second.\n\nThis page is made from the tables in \
             `arbitrate/src/cli/exit.rs` and `status.rs`; a test holds it to them.\n\n| code | name | means | next |\n\
             |---|---|---|---|\n",
        );
        for r in TABLE {
            page += &format!("| {} | {} | {} | {} |\n", r.exit.code(), r.name, r.means, r.next);
        }
        for c in COMMANDS {
            page += &format!("\n## {}\n\n| code | means |\n|---|---|\n", c.name);
            for (exit, means) in c.codes {
                page += &format!("| {} | {means} |\n", exit.code());
            }
        }
        page
    }

    #[test]
    fn the_page_shows_the_tables() {
        let written = include_str!("../../../docs/exit-codes.md");
        assert!(written == page(), "docs/exit-codes.md should be:\n{}", page());
    }

    #[test]
    fn the_whole_help_names_every_code_that_explain_knows() {
        let help = Cli::command().render_help().to_string();
        for r in TABLE {
            assert!(help.contains(&format!(" {} {}", r.exit.code(), r.name)), "{}: {help}", r.exit.code());
        }
    }

    #[test]
    fn every_command_of_the_table_shows_its_codes_in_order_and_once() {
        for c in COMMANDS {
            let mut whole = Cli::command();
            let help = whole.find_subcommand_mut(c.name).unwrap().render_long_help().to_string();
            let flat = help.split_whitespace().collect::<Vec<_>>().join(" ");
            for (exit, means) in c.codes {
                let line = format!("{} {}: {means}", exit.code(), exit.row().name);
                let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(flat.contains(&line), "{} --help lacks: {line}\n{help}", c.name);
                assert!(!means.is_empty());
            }
            assert!(c.codes.is_sorted_by_key(|(e, _)| e.code()), "{}", c.name);
            assert!(c.codes.windows(2).all(|w| w[0].0 != w[1].0), "{}", c.name);
        }
    }
}
