//! The deviations as a document: what `docs/lio.md` shows, made from the rows the emulator goes by.

use std::fmt::Write as _;

use arbitrate::device::sim::personality::Deviation;

/// The table in Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from("| row | clause | the standard | LIO |\n|---|---|---|---|\n");
    for d in Deviation::ALL {
        // Writing to a String does not fail.
        let _ = writeln!(text, "| `{}` | {} | {} | {} |", d.name, d.clause, d.standard, d.lio);
    }
    text
}
