//! A sequence with the ends it came to on a real target, as lines of JSON: what a target did once can be held
//! against the embedded disk without the target.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use arbitrate::codec::Status;
use serde_json::{Value, json};

use crate::compare::Trace;
use crate::step::{End, Step, bytes, hex};
use crate::target::Start;

/// Where a target began, and what it did.
pub type Recording = (Start, Trace);

/// As lines: where it began, then each step with its end. Behind it the next recording may follow.
#[must_use]
pub fn write((start, trace): &Recording) -> String {
    let mut text = format!(
        "{}\n",
        json!({
            "generation": start.generation, "blocks": start.blocks, "initiators": start.initiators
        })
    );
    for (step, end) in trace {
        let mut v = step.to_json();
        if let End::Answered { status, sense, data } = end {
            v["status"] = json!(status.0);
            if !sense.is_empty() {
                v["sense"] = json!(hex(sense));
            }
            if !data.is_empty() {
                v["data"] = json!(hex(data));
            }
        }
        // Writing to a String does not fail.
        let _ = writeln!(text, "{v}");
    }
    text
}

/// All recordings of a text.
///
/// # Errors
/// A line is not as `write` writes it.
pub fn read(text: &str) -> Result<Vec<Recording>> {
    let mut all: Vec<Recording> = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        one(line, &mut all).with_context(|| format!("line {}", i + 1))?;
    }
    Ok(all)
}

fn one(line: &str, all: &mut Vec<Recording>) -> Result<()> {
    let v: Value = serde_json::from_str(line)?;
    let number = |name: &str| v[name].as_u64().and_then(|n| u32::try_from(n).ok());
    if let (Some(generation), Some(blocks)) = (number("generation"), number("blocks")) {
        let initiators = serde_json::from_value(v["initiators"].clone()).context("initiators")?;
        all.push((Start { generation, blocks, initiators }, Trace::new()));
        return Ok(());
    }
    let step = Step::parse(line)?;
    let end = match number("status") {
        None => End::Reset,
        Some(status) => End::answered(
            Status(u8::try_from(status)?),
            &bytes(v["sense"].as_str().unwrap_or_default())?,
            &bytes(v["data"].as_str().unwrap_or_default())?,
        ),
    };
    all.last_mut().context("a step before the line that says where it began")?.1.push((step, end));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::record;
    use crate::generate::sequence;
    use crate::target::Embedded;
    use arbitrate::device::sim::Personality;

    #[test]
    fn a_recording_reads_back() {
        let start = Start::example();
        let mut unit = Embedded::new(Personality::LIO, &start).unwrap();
        let steps = sequence(1, 300, &start).unwrap();
        let made = (start, record(&mut unit, &steps).unwrap());
        let text = write(&made);
        assert_eq!(read(&format!("{text}{text}")).unwrap(), [made.clone(), made]);
        assert!(read("{\"nexus\":1,\"reset\":\"lun\"}").is_err());
    }
}
