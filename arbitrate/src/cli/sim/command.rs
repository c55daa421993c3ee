//! Commands by name, as `--command` takes them.

use std::str::FromStr;

use arbitrate::codec::opcode::OPERATIONS;

/// An operation code, and a service action if only that is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CommandName {
    pub(crate) opcode: u8,
    pub(crate) service_action: Option<u8>,
}

impl FromStr for CommandName {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let whole = |opcode| Self { opcode, service_action: None };
        match s {
            "pr-in" => return Ok(whole(0x5e)),
            "pr-out" => return Ok(whole(0x5f)),
            _ => {}
        }
        if let Some(o) = OPERATIONS.iter().find(|o| name_of(o.name) == s) {
            return Ok(Self { opcode: o.opcode, service_action: o.service_action });
        }
        let (opcode, action) = s.split_once('/').map_or((s, None), |(o, a)| (o, Some(a)));
        let hex = |t: &str| if t.len() == 2 { u8::from_str_radix(t, 16).ok() } else { None };
        match (hex(opcode), action.map(hex)) {
            (Some(opcode), None) => Ok(whole(opcode)),
            (Some(opcode), Some(Some(a))) if a < 32 => Ok(Self { opcode, service_action: Some(a) }),
            _ => Err(format!(
                "'{s}' is no command: write pr-in, pr-out, OPCODE or OPCODE/SERVICE-ACTION in two hex digits \
                 each, or one of {}",
                OPERATIONS.iter().map(|o| name_of(o.name)).collect::<Vec<_>>().join(", ")
            )),
        }
    }
}

/// `PERSISTENT RESERVE OUT, PREEMPT AND ABORT` is `preempt-and-abort`, `READ(10)` is `read-10`.
fn name_of(name: &str) -> String {
    let short = name.rsplit_once(", ").map_or(name, |(_, s)| s);
    let dashed: String =
        short.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    dashed.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(s: &str) -> (u8, Option<u8>) {
        let c: CommandName = s.parse().unwrap();
        (c.opcode, c.service_action)
    }

    #[test]
    fn commands_go_by_name_or_number() {
        assert_eq!(of("preempt-and-abort"), (0x5f, Some(5)));
        assert_eq!(of("read-keys"), (0x5e, Some(0)));
        assert_eq!(of("write-10"), (0x2a, None));
        assert_eq!(of("reserve"), (0x5f, Some(1)));
        assert_eq!(of("reserve-6"), (0x16, None));
        assert_eq!(of("pr-out"), (0x5f, None));
        assert_eq!(of("5f/06"), (0x5f, Some(6)));
        assert_eq!(of("a0"), (0xa0, None));
        for bad in ["", "5", "5f/", "5f/20", "preempt and abort", "zz"] {
            assert!(bad.parse::<CommandName>().unwrap_err().contains("read-keys"), "{bad}");
        }
        let mut names: Vec<_> = OPERATIONS.iter().map(|o| name_of(o.name)).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), OPERATIONS.len(), "no two commands share a name");
    }
}
