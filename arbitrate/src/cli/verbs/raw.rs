//! `raw`: one command exactly as given, or a batch of them, each answered with all four layers.

use std::io::BufRead;
use std::time::Instant as Started;

use arbitrate::clock;
use arbitrate::codec::{Sense, opcode};
use arbitrate::device::classify::classify;
use arbitrate::device::{Completion, Data, Delivery, Escalate, Request, ResetScope, ScsiDevice};
use serde_json::{Value, json};

use super::act::hex;
use super::line::{self, Given, Wanted};
use crate::cli::args;
use crate::cli::exit::Exit;
use crate::cli::output::{Done, Failure, Outcome};
use crate::cli::session::{self, Options};
use crate::cli::{consent, words};

pub(crate) fn run(a: &args::Raw, with: Options) -> Outcome {
    if a.batch { batch(a, with) } else { single(a, with) }
}

fn single(a: &args::Raw, with: Options) -> Outcome {
    let bad = |what: &str, why: String| {
        Failure::new(Exit::Usage, format!("reading {what}"), why, "see `arbitrate help raw`")
    };
    let cdb = a.cdb.as_deref().unwrap_or_default();
    let given = line::given(cdb, a.out.as_deref(), a.read, fetch).map_err(|(what, why)| bad(what, why))?;
    let name = opcode::name(&given.cdb);
    let changes = opcode::changes(&given.cdb) != opcode::Changes::Nothing;
    let what = format!("sending {name} to {}", a.device);
    if a.consent.dry_run {
        let text = format!("dry run, nothing sent: {what}\n  cdb {:?}\n  out {}", given.cdb, hex(&given.out));
        let fields = json!({
            "dry_run": true, "name": name, "cdb": hex(given.cdb.as_bytes()), "out": hex(&given.out),
        });
        return Ok(Done::new(Exit::Confirmed, text, fields));
    }
    let mut device = session::device(&a.device)?;
    if changes {
        consent::ask(&a.consent, &what)?;
    }
    let mut data = vec![0; given.read];
    let c = send(device.as_mut(), &given, &mut data, with);
    let (exit, words) = match classify(&c) {
        arbitrate::device::classify::Class::UnitAttention(s) => (Exit::Busy, format!("CHECK CONDITION, {s}")),
        class => words::class(&class, changes),
    };
    let got = transferred(&c, &data);
    let mut text = format!("{name}: {words} ({} us, residual {})", c.took.as_micros(), c.residual);
    if !got.is_empty() {
        text.push('\n');
        text.push_str(&dump(got));
    }
    let mut fields = answer(&c, got);
    fields["name"] = json!(name);
    fields["words"] = json!(words);
    Ok(Done::new(exit, text, fields))
}

/// Answers each line of standard input with one line, flushed. A line that is no request is answered
/// with its error; the batch goes on.
fn batch(a: &args::Raw, with: Options) -> Outcome {
    consent::ask(&a.consent, &format!("sending whatever standard input asks for to {}", a.device)).or_else(
        // Standard input is the batch: there is nobody to ask, so only --yes or --dry-run will do.
        |f| if a.consent.yes { Ok(()) } else { Err(f) },
    )?;
    let mut device = session::device(&a.device)?;
    let mut bad = 0u64;
    let mut count = 0u64;
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        if line.trim().is_empty() {
            continue;
        }
        count += 1;
        let reply = one(&line, device.as_mut(), with, a.consent.dry_run);
        bad += u64::from(reply.get("error").is_some());
        with.out.line(&reply.to_string());
    }
    let fields = json!({ "commands": count, "bad_lines": bad });
    if bad > 0 {
        return Err(Failure::new(
            Exit::Usage,
            format!("running a batch of {count} lines"),
            format!("{bad} of them were no requests"),
            "each line is {\"cdb\":HEX,\"out\":HEX,\"in\":LEN} or {\"reset\":\"lun|target|bus|host\"}",
        ));
    }
    // Without --json the lines themselves are the data.
    Ok(Done::new(Exit::Confirmed, "", fields))
}

fn one(line: &str, device: &mut dyn ScsiDevice, with: Options, dry_run: bool) -> Value {
    match line::parse(line, fetch) {
        Err(e) => json!({ "error": e }),
        Ok(Wanted::Reset(scope)) => reset(scope, device, with, dry_run),
        Ok(Wanted::Command(g)) if dry_run => {
            json!({ "dry_run": true, "name": opcode::name(&g.cdb), "cdb": hex(g.cdb.as_bytes()) })
        }
        Ok(Wanted::Command(g)) => {
            let mut data = vec![0; g.read];
            let c = send(device, &g, &mut data, with);
            answer(&c, transferred(&c, &data))
        }
    }
}

fn fetch(path: &str) -> std::io::Result<Vec<u8>> {
    std::fs::read(path)
}

fn reset(scope: ResetScope, device: &mut dyn ScsiDevice, with: Options, dry_run: bool) -> Value {
    if dry_run {
        return json!({ "dry_run": true, "reset": format!("{scope:?}") });
    }
    let end = device.reset(scope, Escalate::No, clock::now() + with.command_timeout());
    match end {
        Ok(()) => json!({ "reset": "done" }),
        Err(e) => json!({ "reset": "failed", "why": e.to_string() }),
    }
}

fn send(device: &mut dyn ScsiDevice, g: &Given, data: &mut [u8], with: Options) -> Completion {
    let deadline = clock::now() + with.command_timeout();
    let started = Started::now();
    let data = match (g.read, g.out.as_slice()) {
        (0, []) => Data::None,
        (0, out) => Data::Out(out),
        _ => Data::In(data),
    };
    let c = device.execute(Request { cdb: g.cdb, data, deadline });
    if with.out.verbose {
        with.out.talk(&format!("{:?}: {:?} ({} us)", g.cdb, c.delivery, started.elapsed().as_micros()));
    }
    c
}

fn transferred<'b>(c: &Completion, data: &'b [u8]) -> &'b [u8] {
    let residual = usize::try_from(c.residual).unwrap_or(usize::MAX);
    match c.delivery {
        Delivery::Answered(_) => &data[..data.len().saturating_sub(residual)],
        _ => &[],
    }
}

/// All four layers: errno, host and driver, status, sense.
fn answer(c: &Completion, data: &[u8]) -> Value {
    let (status, host, driver, errno, delivery) = match c.delivery {
        Delivery::Answered(s) => (Some(s.0), 0, 0, 0, "answered"),
        Delivery::NotSent(e) => (None, 0, 0, e, "not-sent"),
        Delivery::Lost(t) => (None, t.host, t.driver, t.errno, "lost"),
        Delivery::Outstanding => (None, 0, 0, 0, "outstanding"),
        Delivery::DeviceLost => (None, 0, 0, 0, "device-lost"),
    };
    let sense = c.sense.as_slice();
    json!({
        "delivery": delivery, "status": status, "host": host, "driver": driver, "errno": errno,
        "sense": hex(sense), "sense_words": Sense::parse(sense).ok().map(|s| s.to_string()),
        "resid": c.residual, "in": hex(data), "us": u64::try_from(c.took.as_micros()).unwrap_or(u64::MAX),
    })
}

/// Sixteen bytes a line, with what they are in ASCII.
fn dump(b: &[u8]) -> String {
    let lines = b.chunks(16).enumerate().map(|(i, row)| {
        let hex: Vec<String> = row.iter().map(|x| format!("{x:02x}")).collect();
        let text: String =
            row.iter().map(|x| if x.is_ascii_graphic() { char::from(*x) } else { '.' }).collect();
        format!("  {:04x}  {:<47}  {text}", i * 16, hex.join(" "))
    });
    lines.collect::<Vec<_>>().join("\n")
}
