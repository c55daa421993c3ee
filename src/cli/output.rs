//! How a command ends: text or JSON, what was tried, what came back, what to do next, and an exit code.
//!
//! stdout is data, stderr is talk. Failure is printed as JSON too where JSON was asked for. A closed pipe ends
//! the output, not the program.

use std::io::{BufRead, IsTerminal, Write};

use serde_json::{Map, Value, json};

/// Version of the JSON objects printed here: raised when a field changes its meaning or goes away.
const SCHEMA: u32 = 1;

/// Exit codes; the same numbers mean the same in `arbitrate`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// Done, and proven by reading back.
    Confirmed,
    /// A rule forbids it; nothing was changed.
    Refused,
    /// Something was sent that may have been executed, and reading back did not settle it.
    Unknown,
    /// The device could not be opened, read, or is none this program works on; nothing was changed.
    NoDevice,
}

impl Exit {
    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Confirmed => 0,
            Self::Refused => 1,
            Self::Unknown => 3,
            Self::NoDevice => 15,
        }
    }

    const fn outcome(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Unknown => "unknown",
            Self::Refused | Self::NoDevice => "refused",
        }
    }
}

/// A command that came to its end and has something to show.
pub(crate) struct Done {
    pub(crate) exit: Exit,
    pub(crate) text: String,
    pub(crate) fields: Value,
}

/// A command that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) tried: String,
    pub(crate) answer: String,
    pub(crate) next: String,
}

/// Whether JSON was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Text,
    Json,
}

/// Prints how `command` ended; returns its exit code.
pub(crate) fn finish(form: Form, command: &str, end: Result<Done, Failure>) -> Exit {
    let (exit, fields, text) = match end {
        Ok(done) => (done.exit, done.fields, Ok(done.text)),
        Err(f) => {
            let error = json!({ "tried": f.tried, "answer": f.answer, "next": f.next });
            let text = format!("palisade: {}: {}\n  next: {}", f.tried, f.answer, f.next);
            (f.exit, json!({ "error": error }), Err(text))
        }
    };
    match (form, text) {
        (Form::Json, _) => {
            let mut all = Map::new();
            all.insert("schema".into(), json!(SCHEMA));
            all.insert("command".into(), json!(command));
            all.insert("outcome".into(), json!(exit.outcome()));
            all.insert("exit".into(), json!(exit.code()));
            if let Value::Object(fields) = fields {
                all.extend(fields);
            }
            line(&Value::Object(all).to_string());
        }
        (Form::Text, Ok(text)) => line(&text),
        (Form::Text, Err(text)) => talk(&text),
    }
    exit
}

fn line(text: &str) {
    // Nobody reads any more: that ends the output, nothing else.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// A line of talk.
pub(crate) fn talk(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Asks for `what` at a terminal. Without one there is nobody to ask: refused.
pub(crate) fn ask(what: &str) -> Result<(), Failure> {
    let refused = |answer: &str| Failure {
        exit: Exit::Refused,
        tried: what.to_owned(),
        answer: answer.to_owned(),
        next: "add --yes to do it; --dry-run shows what would be done".into(),
    };
    if !std::io::stdin().is_terminal() {
        return Err(refused("it destroys something, and there is no terminal to ask at"));
    }
    let mut err = std::io::stderr().lock();
    let _ = write!(err, "{what}. Go on? [y/N] ").and_then(|()| err.flush());
    let mut answer = String::new();
    match (std::io::stdin().lock().read_line(&mut answer), answer.trim()) {
        (Ok(_), "y" | "Y" | "yes") => Ok(()),
        _ => Err(refused("not confirmed")),
    }
}
