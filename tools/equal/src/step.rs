//! One step of a sequence, written as `arbitrate raw --batch` reads it, and the end it came to.

use std::fmt;

use anyhow::{Context, Result, bail};
use arbitrate::codec::{Cdb, Sense, Status, opcode};
use serde_json::{Value, json};

/// How many nexuses take part.
pub const NEXUSES: usize = 3;

/// One command or reset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// Which nexus sends it, from 0.
    pub nexus: usize,
    /// What it sends.
    pub what: What,
}

/// What is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// A command.
    Command {
        /// Its CDB.
        cdb: Cdb,
        /// Its data-out.
        out: Vec<u8>,
        /// Bytes of room for data-in.
        read: usize,
    },
    /// A LOGICAL UNIT RESET.
    Reset,
}

/// How a step ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// The target answered.
    Answered {
        /// Its status.
        status: Status,
        /// Its sense data, without the padding behind them.
        sense: Vec<u8>,
        /// What it sent.
        data: Vec<u8>,
    },
    /// The reset was done.
    Reset,
}

impl Step {
    /// Reads what [`Step`]'s `Display` writes.
    ///
    /// # Errors
    /// The line is no step.
    pub fn parse(line: &str) -> Result<Self> {
        let v: Value = serde_json::from_str(line).context("no JSON")?;
        let nexus = v["nexus"].as_u64().and_then(|n| usize::try_from(n).ok()).context("no nexus")?;
        if nexus == 0 || nexus > NEXUSES {
            bail!("nexus {nexus}: there are 1 to {NEXUSES}");
        }
        let what = match v["cdb"].as_str() {
            None if v["reset"] == "lun" => What::Reset,
            None => bail!("neither cdb nor reset"),
            Some(cdb) => What::Command {
                cdb: Cdb::from_slice(&bytes(cdb)?)?,
                out: bytes(v["out"].as_str().unwrap_or_default())?,
                read: v["in"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0),
            },
        };
        Ok(Self { nexus: nexus - 1, what })
    }

    /// The command's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match &self.what {
            What::Command { cdb, .. } => opcode::name(cdb),
            What::Reset => "LOGICAL UNIT RESET",
        }
    }
}

impl Step {
    pub(crate) fn to_json(&self) -> Value {
        let mut v = json!({ "nexus": self.nexus + 1 });
        match &self.what {
            What::Reset => v["reset"] = json!("lun"),
            What::Command { cdb, out, read } => {
                v["cdb"] = json!(hex(cdb.as_bytes()));
                if !out.is_empty() {
                    v["out"] = json!(hex(out));
                }
                if *read > 0 {
                    v["in"] = json!(read);
                }
            }
        }
        v
    }
}

/// A line of JSON for `arbitrate raw --batch`, and which nexus it is for.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_json())
    }
}

impl End {
    /// An answer; the sense data end where they say (SPC-4 4.5.3).
    #[must_use]
    pub fn answered(status: Status, sense: &[u8], data: &[u8]) -> Self {
        let len = sense.get(7).map_or(sense.len(), |extra| 8 + usize::from(*extra)).min(sense.len());
        Self::Answered { status, sense: sense[..len].to_vec(), data: data.to_vec() }
    }

    /// Whether this is a unit attention.
    #[must_use]
    pub fn is_attention(&self) -> bool {
        match self {
            Self::Answered { sense, .. } => Sense::parse(sense).is_ok_and(|s| s.key.0 == 6),
            Self::Reset => false,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset => f.write_str("done"),
            Self::Answered { status, sense, data } => {
                write!(f, "{status}")?;
                if let Ok(s) = Sense::parse(sense) {
                    write!(f, ", {s}")?;
                }
                if !sense.is_empty() {
                    write!(f, " [sense {}]", hex(sense))?;
                }
                if !data.is_empty() {
                    write!(f, " [{} bytes: {}]", data.len(), hex(data))?;
                }
                Ok(())
            }
        }
    }
}

pub(crate) fn hex(b: &[u8]) -> String {
    b.iter().map(|x| format!("{x:02x}")).collect()
}

pub(crate) fn bytes(hex: &str) -> Result<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let text = std::str::from_utf8(pair)?;
            u8::from_str_radix(text, 16).with_context(|| format!("'{text}' is no hex byte"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_reads_back() {
        let command =
            What::Command { cdb: Cdb::new([0x5f, 6, 0, 0, 0, 0, 0, 0, 24, 0]), out: vec![7; 24], read: 0 };
        for what in [command, What::Reset] {
            let step = Step { nexus: 2, what };
            assert_eq!(Step::parse(&step.to_string()).unwrap(), step);
        }
        assert!(Step::parse(r#"{"nexus":0,"reset":"lun"}"#).is_err());
        assert!(Step::parse(r#"{"nexus":1}"#).is_err());
    }

    #[test]
    fn padding_behind_the_sense_is_not_compared() {
        let mut long = [0; 96];
        (long[0], long[2], long[7], long[12]) = (0x70, 6, 10, 0x29);
        assert_eq!(
            End::answered(Status::CHECK_CONDITION, &long, &[]),
            End::answered(Status::CHECK_CONDITION, &long[..18], &[])
        );
        assert!(End::answered(Status::CHECK_CONDITION, &long, &[]).is_attention());
    }
}
