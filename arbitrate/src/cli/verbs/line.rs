//! One line of a `raw` batch, and the hex that `raw` takes: text to a checked request.
//!
//! Sends nothing and opens nothing by itself. Must never guess: what is not wholly understood is an error
//! that says what is wrong with it.

use std::io;

use arbitrate::codec::Cdb;
use arbitrate::device::{MAX_TRANSFER, ResetScope};
use serde::Deserialize;

/// One line as it stands there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    cdb: Option<String>,
    out: Option<String>,
    #[serde(rename = "in")]
    read: Option<usize>,
    reset: Option<String>,
}

/// What a line asks for.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// A command.
    Command(Given),
    /// A reset.
    Reset(ResetScope),
}

/// One command as given.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) cdb: Cdb,
    pub(crate) out: Vec<u8>,
    pub(crate) read: usize,
}

/// Fetches the file that stands behind an `@`.
pub(crate) type Fetch = fn(&str) -> io::Result<Vec<u8>>;

/// Reads one line of a batch; the error is for people.
pub(crate) fn parse(line: &str, fetch: Fetch) -> Result<Wanted, String> {
    let line: Line = serde_json::from_str(line).map_err(|e| format!("no request: {e}"))?;
    if let Some(scope) = line.reset {
        return match scope.as_str() {
            "lun" => Ok(Wanted::Reset(ResetScope::LogicalUnit)),
            "target" => Ok(Wanted::Reset(ResetScope::Target)),
            "bus" => Ok(Wanted::Reset(ResetScope::Bus)),
            "host" => Ok(Wanted::Reset(ResetScope::Host)),
            other => Err(format!("reset: unknown scope '{other}'")),
        };
    }
    let cdb = line.cdb.ok_or("neither cdb nor reset")?;
    given(&cdb, line.out.as_deref(), line.read, fetch)
        .map(Wanted::Command)
        .map_err(|(what, why)| format!("{what}: {why}"))
}

/// Checks a command; the error names the option at fault and says why.
pub(crate) fn given(
    cdb: &str,
    out: Option<&str>,
    read: Option<usize>,
    fetch: Fetch,
) -> Result<Given, (&'static str, String)> {
    let cdb = bytes(cdb).map_err(|e| ("--cdb", e))?;
    let cdb = Cdb::from_slice(&cdb).map_err(|e| ("--cdb", format!("{e}: 6, 10, 12 or 16 bytes")))?;
    let out = match out {
        None => Vec::new(),
        Some(o) => match o.strip_prefix('@') {
            Some(path) => fetch(path).map_err(|e| ("--out", format!("{path}: {e}")))?,
            None => bytes(o).map_err(|e| ("--out", e))?,
        },
    };
    let read = read.unwrap_or(0);
    if read > MAX_TRANSFER || out.len() > MAX_TRANSFER {
        return Err(("--in/--out", format!("at most {MAX_TRANSFER} bytes a command")));
    }
    Ok(Given { cdb, out, read })
}

/// Hex digits, blanks and colons between them allowed.
fn bytes(hex: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<char> = hex.chars().filter(|c| !c.is_whitespace() && *c != ':').collect();
    if digits.is_empty() {
        return Err("no hex digits".into());
    }
    if !digits.len().is_multiple_of(2) {
        return Err(format!("{} hex digits: an odd number makes no bytes", digits.len()));
    }
    digits
        .chunks(2)
        .map(|pair| {
            let text: String = pair.iter().collect();
            // A sign, which `from_str_radix` would take, is no digit.
            let sound = pair.iter().all(char::is_ascii_hexdigit);
            let byte = u8::from_str_radix(&text, 16).ok().filter(|_| sound);
            byte.ok_or_else(|| format!("'{text}' is no hex byte"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn why(line: &str) -> String {
        parse(line, nothing).unwrap_err()
    }

    #[test]
    fn a_line_is_a_command_or_a_reset() {
        let Wanted::Command(g) = parse(r#"{"cdb":"5e 00:00 000000 00 00 20 00","in":32}"#, nothing).unwrap()
        else {
            panic!("a command");
        };
        assert_eq!((g.cdb.as_bytes().len(), g.out.len(), g.read), (10, 0, 32));
        assert!(matches!(parse(r#"{"reset":"lun"}"#, nothing), Ok(Wanted::Reset(ResetScope::LogicalUnit))));
    }

    #[test]
    fn what_is_no_request_says_why() {
        assert!(why("{").contains("no request"));
        assert!(why("{}").contains("neither cdb nor reset"));
        assert!(why(r#"{"reset":"everything"}"#).contains("everything"));
        assert!(why(r#"{"cdb":"00"}"#).contains("6, 10, 12 or 16"));
        assert!(why(r#"{"cdb":"000"}"#).contains("odd number"));
        assert!(why(r#"{"cdb":"000000000000","out":"@x"}"#).contains("x: "));
        assert!(why(r#"{"cdb":"000000000000","in":65537}"#).contains("65536"));
        assert!(why(r#"{"cdb":"+0-000000000"}"#).contains("'+0'"), "a sign is no digit");
    }
}
