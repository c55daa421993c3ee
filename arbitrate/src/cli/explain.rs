//! `explain CODE`: what an exit code means and what to do.

use serde_json::json;

use super::exit::{Exit, Row, TABLE};
use super::output::{Done, Failure, Outcome};

pub(crate) fn run(code: Option<u8>) -> Outcome {
    let rows: Vec<&Row> = TABLE.iter().filter(|r| code.is_none_or(|c| r.exit.code() == c)).collect();
    if rows.is_empty() {
        let known: Vec<String> = TABLE.iter().map(|r| r.exit.code().to_string()).collect();
        return Err(Failure::new(
            Exit::Usage,
            format!("explaining exit code {}", code.unwrap_or(0)),
            "arbitrate never ends with that code",
            format!("it ends with {}", known.join(", ")),
        ));
    }
    let text: Vec<String> = rows
        .iter()
        .map(|r| format!("{:>2}  {}\n    {}\n    next: {}", r.exit.code(), r.name, r.means, r.next))
        .collect();
    let fields: Vec<_> = rows
        .iter()
        .map(|r| json!({ "code": r.exit.code(), "name": r.name, "means": r.means, "next": r.next }))
        .collect();
    Ok(Done::new(Exit::Confirmed, text.join("\n"), json!({ "codes": fields })))
}
