//! What the operator sees: text or JSON, from one report.
//!
//! stdout is data, stderr is talk. Failure is printed as JSON too where JSON was asked for. A closed
//! pipe ends the output, not the program.

use std::io::{IsTerminal, Write};

use serde_json::{Map, Value, json};

use super::exit::Exit;

/// Version of every JSON object printed: raised when a field changes its meaning or goes away.
pub(crate) const SCHEMA: u32 = 1;

/// How a command ended, as three values and no more.
fn outcome(exit: Exit) -> &'static str {
    match exit {
        Exit::Confirmed => "confirmed",
        Exit::Unknown => "unknown",
        _ => "refused",
    }
}

/// A command that came to its end and has something to show.
pub(crate) struct Done {
    pub(crate) exit: Exit,
    /// For people, on stdout; no trailing newline.
    pub(crate) text: String,
    /// For programs; fields beside `schema`, `command`, `outcome`, `exit`.
    pub(crate) fields: Map<String, Value>,
}

impl Done {
    pub(crate) fn new(exit: Exit, text: impl Into<String>, fields: Value) -> Self {
        let fields = match fields {
            Value::Object(m) => m,
            _ => Map::new(),
        };
        Self { exit, text: text.into(), fields }
    }
}

/// A command that failed: what was tried, what came back, what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) tried: String,
    pub(crate) answer: String,
    pub(crate) next: String,
}

impl Failure {
    pub(crate) fn new(
        exit: Exit,
        tried: impl Into<String>,
        answer: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { exit, tried: tried.into(), answer: answer.into(), next: next.into() }
    }
}

pub(crate) type Outcome = Result<Done, Failure>;

/// Where output goes and in which form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) verbose: bool,
}

impl Output {
    /// Prints the end of `command`; returns its exit code.
    pub(crate) fn finish(self, command: &str, end: Outcome) -> Exit {
        match end {
            Ok(done) => {
                if self.json {
                    self.object(command, done.exit, done.fields);
                } else if !done.text.is_empty() {
                    self.line(&done.text);
                }
                done.exit
            }
            Err(f) => {
                if self.json {
                    let error = json!({ "tried": f.tried, "answer": f.answer, "next": f.next });
                    self.object(command, f.exit, Map::from_iter([("error".to_owned(), error)]));
                } else {
                    self.talk(&format!("arbitrate: {}: {}\n  next: {}", f.tried, f.answer, f.next));
                }
                f.exit
            }
        }
    }

    fn object(self, command: &str, exit: Exit, fields: Map<String, Value>) {
        let mut all = Map::new();
        all.insert("schema".into(), json!(SCHEMA));
        all.insert("command".into(), json!(command));
        all.insert("outcome".into(), json!(outcome(exit)));
        all.insert("exit".into(), json!(exit.code()));
        all.extend(fields);
        self.line(&Value::Object(all).to_string());
    }

    /// One event of a long-running command: a JSON line, or its text.
    pub(crate) fn event(self, text: &str, event: &str, fields: Value) {
        if self.json {
            let mut all = Map::new();
            all.insert("schema".into(), json!(SCHEMA));
            all.insert("event".into(), json!(event));
            if let Value::Object(m) = fields {
                all.extend(m);
            }
            self.line(&Value::Object(all).to_string());
        } else {
            self.line(text);
        }
    }

    /// What is about to be done: an event for programs, talk for people, since it may be refused yet.
    pub(crate) fn plan(self, text: &str, fields: Value) {
        if self.json { self.event(text, "plan", fields) } else { self.talk(text) }
    }

    /// A line of data, flushed.
    pub(crate) fn line(self, text: &str) {
        let mut out = std::io::stdout().lock();
        // Nobody reads any more: that ends the output, nothing else.
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }

    /// A line of talk.
    pub(crate) fn talk(self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Whether somebody watches stderr.
    pub(crate) fn watched(self) -> bool {
        !self.json && std::io::stderr().is_terminal()
    }

    /// Overwrites the line somebody watches.
    pub(crate) fn countdown(self, text: &str) {
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "\r\x1b[K{text}").and_then(|()| err.flush());
    }
}
