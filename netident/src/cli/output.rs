//! What the operator sees: text or JSON, from one report. stdout is data, stderr is talk.

use std::io::Write;

use serde_json::{Map, Value, json};

use super::Exit;

/// Version of every JSON object printed: raised when a field changes its meaning or goes away.
pub(crate) const SCHEMA: u32 = 1;

/// A command that came to its end and has something to show.
pub(crate) struct Done {
    pub(crate) exit: Exit,
    pub(crate) text: String,
    pub(crate) fields: Value,
}

/// A command that failed: what was tried, what came back, what to do next.
pub(crate) struct Failed {
    pub(crate) exit: Exit,
    pub(crate) tried: &'static str,
    pub(crate) answer: String,
    pub(crate) next: &'static str,
}

pub(crate) type End = Result<Done, Failed>;

/// In which form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    /// Prints the end of `command`; returns its exit code.
    pub(crate) fn finish(self, command: &str, end: End) -> Exit {
        let (exit, text, fields) = match end {
            Ok(done) => (done.exit, done.text, done.fields),
            Err(f) => {
                if !self.json {
                    let text = format!("netident: {}: {}\n  next: {}", f.tried, f.answer, f.next);
                    let _ = writeln!(std::io::stderr().lock(), "{text}");
                    return f.exit;
                }
                let error = json!({ "tried": f.tried, "answer": f.answer, "next": f.next });
                (f.exit, String::new(), json!({ "error": error }))
            }
        };
        let line = if self.json {
            let mut all = Map::new();
            all.insert("schema".into(), json!(SCHEMA));
            all.insert("command".into(), json!(command));
            all.insert("outcome".into(), json!(exit.outcome()));
            all.insert("exit".into(), json!(exit as u8));
            if let Value::Object(m) = fields {
                all.extend(m);
            }
            Value::Object(all).to_string()
        } else {
            text
        };
        // Nobody reads any more: that ends the output, nothing else.
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
        exit
    }
}
