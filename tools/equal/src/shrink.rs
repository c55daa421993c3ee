//! A failing sequence made short: what is not needed for a difference is left out.

use anyhow::Result;

use crate::step::Step;

/// Runs that may be spent on it.
const RUNS: usize = 400;

/// The shortest sequence found that still `fails`. `steps` fail.
///
/// # Errors
/// A run could not be carried out.
pub fn shrink(mut steps: Vec<Step>, fails: &mut dyn FnMut(&[Step]) -> Result<bool>) -> Result<Vec<Step>> {
    let mut runs = 0;
    let mut size = steps.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        // The last step is the one that differs: it stays.
        while at + 1 < steps.len() {
            if runs == RUNS {
                return Ok(steps);
            }
            let end = (at + size).min(steps.len() - 1);
            let without = [&steps[..at], &steps[end..]].concat();
            runs += 1;
            if fails(&without)? {
                steps = without;
            } else {
                at = end;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::What;

    #[test]
    fn what_is_not_needed_goes() {
        let steps: Vec<Step> = (0..200).map(|nexus| Step { nexus, what: What::Reset }).collect();
        let mut fails = |s: &[Step]| {
            let has = |n| s.iter().any(|step| step.nexus == n);
            Ok(has(17) && has(120) && has(199))
        };
        let left: Vec<usize> = shrink(steps, &mut fails).unwrap().iter().map(|s| s.nexus).collect();
        assert_eq!(left, [17, 120, 199]);
    }
}
