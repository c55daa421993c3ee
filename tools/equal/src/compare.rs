//! The first step whose ends differ.

use std::fmt;

use anyhow::{Context, Result};

use crate::step::{End, Step};
use crate::target::Target;

/// Two ends of one step that are not equal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Which step, from 0.
    pub at: usize,
    /// The step.
    pub step: Step,
    /// How it ended on the real target.
    pub real: End,
    /// How it ended on the embedded unit.
    pub embedded: End,
}

/// Characters of a step that are shown: the data of a WRITE tells nobody anything.
const LINE: usize = 200;

/// A step and how it ended.
pub type Trace = Vec<(Step, End)>;

/// Runs all steps on one target.
///
/// # Errors
/// The target did not answer.
pub fn record(target: &mut dyn Target, steps: &[Step]) -> Result<Trace> {
    let run = |(i, step): (usize, &Step)| {
        let end = target.run(step).with_context(|| format!("step {i}: {step}"))?;
        Ok((step.clone(), end))
    };
    steps.iter().enumerate().map(run).collect()
}

/// Runs a recorded sequence on another target, up to the first difference.
///
/// # Errors
/// The target did not answer.
pub fn replay(target: &mut dyn Target, trace: &Trace) -> Result<Option<Difference>> {
    for (at, (step, real)) in trace.iter().enumerate() {
        let embedded = target.run(step)?;
        if embedded != *real {
            let (step, real) = (step.clone(), real.clone());
            return Ok(Some(Difference { at, step, real, embedded }));
        }
    }
    Ok(None)
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line: String = self.step.to_string().chars().take(LINE).collect();
        writeln!(f, "step {} on nexus {}, {}: {line}", self.at, self.step.nexus + 1, self.step.name())?;
        writeln!(f, "  target   {}", self.real)?;
        write!(f, "  embedded {}", self.embedded)
    }
}
