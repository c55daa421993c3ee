//! What happened, in order: a number that two runs of one seed must agree on, and lines for people where
//! somebody wants to read them.

use std::fmt::Write;

/// The story of a scenario.
#[derive(Clone, Debug)]
pub struct Trace {
    hash: u64,
    lines: Option<String>,
}

impl Trace {
    /// An empty one; lines are kept only where asked for, since they cost.
    #[must_use]
    pub fn new(keep_lines: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: keep_lines.then(String::new) }
    }

    /// Something happened at a true time in nanoseconds.
    pub(crate) fn event(&mut self, at: u64, what: &str, node: usize, detail: u64) {
        let node = u64::try_from(node).unwrap_or(u64::MAX);
        for v in [at, u64::try_from(what.len()).unwrap_or(0), node, detail] {
            self.hash = (self.hash ^ v).wrapping_mul(0x0100_0000_01b3).rotate_left(17);
        }
        self.text(at, &|| format!("n{node} {what} {detail}"));
    }

    /// Something that only people want to know.
    pub(crate) fn text(&mut self, at: u64, words: &dyn Fn() -> String) {
        if let Some(lines) = &mut self.lines {
            let _ = writeln!(lines, "{:>13.6} {}", to_secs(at), words());
        }
    }

    /// The number.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines, where they were kept.
    #[must_use]
    pub fn lines(&self) -> &str {
        self.lines.as_deref().unwrap_or_default()
    }
}

fn to_secs(at: u64) -> f64 {
    std::time::Duration::from_nanos(at).as_secs_f64()
}
