//! The output of a Rust test program, taken apart. The counts in its last line must agree with the names.

use anyhow::{Context, Result, bail};

/// What the tests of one program came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LibtestRun {
    /// Names of those that passed.
    pub passed: Vec<String>,
    /// Names of those that failed.
    pub failed: Vec<String>,
    /// Names of those left out.
    pub ignored: Vec<String>,
}

impl LibtestRun {
    /// Itself, if it shows that something ran and nothing failed.
    pub(crate) fn checked(self, status: i32) -> Result<Self> {
        if !self.failed.is_empty() {
            bail!("failed: {}", self.failed.join(", "));
        }
        if status != 0 {
            bail!("no test failed, and yet the status is {status}");
        }
        if self.passed.is_empty() {
            bail!("no test ran");
        }
        Ok(self)
    }
}

/// Reads libtest's human-readable output (the only stable one).
pub(crate) fn parse(text: &str) -> Result<LibtestRun> {
    let mut run = LibtestRun::default();
    let mut summary = None;
    // A test that writes to its console directly may put text between its name and its result, which then stands
    // at the start of a later line.
    let mut unfinished: Option<&str> = None;
    for line in text.lines() {
        if let Some(counts) = line.strip_prefix("test result: ") {
            summary = Some(counts);
            continue;
        }
        let result = match line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) {
            Some((name, result)) => {
                unfinished = Some(name);
                result
            }
            None => line,
        };
        let Some(name) = unfinished else { continue };
        let list = match result.split([',', ' ']).next() {
            Some("ok") => &mut run.passed,
            Some("FAILED") => &mut run.failed,
            Some("ignored") => &mut run.ignored,
            _ => continue,
        };
        // "(should panic)" and the like follow the name.
        list.push(name.split(" - ").next().unwrap_or(name).to_owned());
        unfinished = None;
    }
    let summary = summary.context("the test program ended before its summary")?;
    let count = |word: &str| -> Option<usize> {
        let part = summary.split([';', '.']).find(|part| part.trim_end().ends_with(word))?;
        part.trim().split(' ').next()?.parse().ok()
    };
    let named = (run.passed.len(), run.failed.len(), run.ignored.len());
    let counted = (count("passed"), count("failed"), count("ignored"));
    if counted != (Some(named.0), Some(named.1), Some(named.2)) {
        bail!("{named:?} tests by name, but {summary:?}");
    }
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "
running 4 tests
test a::passes ... ok
test b::panics - should panic ... ok
test c::left_out ... ignored, needs a disk
test d::fails ... some text of its own
and more
FAILED

failures:

---- d::fails stdout ----
thread 'd::fails' panicked at tests/x.rs:1:1: no

failures:
    d::fails

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 5 filtered out; finished in 0.02s
";

    #[test]
    fn names_and_counts_agree() {
        let run = parse(OUTPUT).unwrap();
        assert_eq!(run.passed, ["a::passes", "b::panics"]);
        assert_eq!(run.failed, ["d::fails"]);
        assert_eq!(run.ignored, ["c::left_out"]);
        assert!(run.checked(101).unwrap_err().to_string().contains("d::fails"));
    }

    #[test]
    fn a_program_that_died_half_way_has_shown_nothing() {
        let cut = &OUTPUT[..OUTPUT.find("test result").unwrap()];
        assert!(parse(cut).is_err());
        assert!(parse(&OUTPUT.replace("2 passed", "3 passed")).is_err());
    }

    #[test]
    fn nothing_run_is_not_success() {
        let empty = parse("test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out\n");
        assert!(empty.unwrap().checked(0).is_err());
        let one = LibtestRun { passed: vec!["a".into()], ..LibtestRun::default() };
        assert!(one.clone().checked(1).is_err());
        assert!(one.checked(0).is_ok());
    }
}
