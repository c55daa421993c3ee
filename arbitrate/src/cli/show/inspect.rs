//! `inspect`: who owns it, is it safe to write, what to do next; then everything else.

use arbitrate::codec::pr::{FullStatus, ReservationType};
use arbitrate::key::Stance;
use arbitrate::runtime::executor::Executor;
use arbitrate::runtime::identify;
use arbitrate::runtime::pacer::SystemPacer;
use serde_json::json;

use super::pr_in::{decoded, decoded_json, describe_capabilities, registrations};
use crate::cli::args::Device;
use crate::cli::exit::Exit;
use crate::cli::output::{Done, Outcome};
use crate::cli::session::{self, Options, Talk};
use crate::cli::verbs::{self, Shown};
use crate::cli::words;

pub(crate) fn run(a: &Device, with: Options) -> Outcome {
    let mut device = session::device(&a.device)?;
    let mut talk = Talk { out: with.out, device: a.device.clone() };
    let mut on = Executor::new(device.as_mut(), &mut talk);
    let mut pacer = SystemPacer::deaf();
    let timeout = with.command_timeout();
    let id = session::identity(&a.device, &mut on, timeout, &mut pacer)?;
    // Without keys and reservation there is nothing to say about ownership: that is a failure. The rest
    // is said where the target tells it.
    let shown = verbs::look(&a.device, with, &mut on, &mut pacer)?;
    let capabilities = identify::capabilities(&mut on, timeout, &mut pacer);
    let status = identify::full_status(&mut on, timeout, &mut pacer);
    let own = on.device().own_transport_id();

    let verdict = Verdict::of(&shown);
    let mut lines = vec![
        format!("owner    {}", verdict.owner),
        format!("write    {}", verdict.write),
        format!("next     {}", verdict.next),
        format!("device   {} is {} ({})", a.device, id.name, id.product),
        format!("generation {}", shown.generation),
    ];
    match &status {
        Ok(s) => lines.extend(registrations(s).into_iter().map(|l| mark_own(l, s, own.as_deref()))),
        Err(c) => {
            lines.extend(shown.keys.iter().map(|k| format!("{k}  {}", decoded(*k))));
            lines.push(format!("READ FULL STATUS: {}", words::class(c, false).1));
        }
    }
    lines.push(match &capabilities {
        Ok(c) => describe_capabilities(c),
        Err(c) => format!("REPORT CAPABILITIES: {}", words::class(c, false).1),
    });
    let fields = json!({
        "device": a.device, "identity": id.name, "product": id.product, "inquiry": id.inquiry,
        "designators": id.designators.designators,
        "owner": verdict.owner, "write": verdict.write, "next": verdict.next,
        "generation": shown.generation.0,
        "holder": shown.holder.map(|h| json!({
            "key": h.key, "type": h.kind as u8, "type_name": h.kind.name(), "decoded": decoded_json(h.key),
        })),
        "keys": shown.keys.iter().map(|k| json!({ "key": k, "decoded": decoded_json(*k) })).collect::<Vec<_>>(),
        "registrations": status.as_ref().ok().map(|s| &s.registrations),
        "capabilities": capabilities.as_ref().ok(),
    });
    Ok(Done::new(Exit::Confirmed, lines.join("\n"), fields))
}

fn mark_own(line: String, s: &FullStatus, own: Option<&[u8]>) -> String {
    let mine = s
        .registrations
        .iter()
        .find(|d| own.is_some_and(|o| d.transport_id.emit() == o))
        .is_some_and(|d| line.contains(&d.transport_id.to_string()));
    if mine { format!("{line}  (this host)") } else { line }
}

/// The three questions of 3 a.m.
struct Verdict {
    owner: String,
    write: String,
    next: String,
}

impl Verdict {
    fn of(s: &Shown) -> Self {
        let challengers =
            s.keys.iter().filter(|k| k.parts().is_some_and(|p| p.stance == Stance::Challenging)).count();
        let under_challenge =
            if challengers > 0 { format!("; {challengers} challenging") } else { String::new() };
        match s.holder {
            None if s.keys.is_empty() => Self {
                owner: "nobody: no reservation, no registration".into(),
                write: "NOT PROTECTED: every initiator may write".into(),
                next: "`arbitrate challenge` takes it".into(),
            },
            None => Self {
                owner: format!("nobody holds a reservation; {} registered{under_challenge}", s.keys.len()),
                write: "NOT PROTECTED: every initiator may write".into(),
                next: "`arbitrate challenge` takes it after its window".into(),
            },
            Some(h) => {
                let owner = if h.kind.all_registrants() {
                    format!("every registrant ({}){under_challenge}", h.kind.name())
                } else {
                    format!("{} [{}]{under_challenge}", decoded(h.key), h.key)
                };
                Self { owner, write: write(h.kind), next: next(h.kind) }
            }
        }
    }
}

fn write(kind: ReservationType) -> String {
    let who = if kind.registrants_only() { "registrants" } else { "the holder" };
    let what = if kind.restricts_reads() { "read and write" } else { "write" };
    format!("only {who} may {what} ({})", kind.name())
}

fn next(kind: ReservationType) -> String {
    if kind.all_registrants() {
        "nobody can be challenged under this type".into()
    } else {
        "whether the owner is alive only `arbitrate challenge` can tell".into()
    }
}
