//! PERSISTENT RESERVE IN, a verb a service action (SPC-4 6.15).

use arbitrate::codec::pr::{Capabilities, FullStatus, RegisteredPort};
use arbitrate::device::classify::Class;
use arbitrate::key::Key;
use arbitrate::runtime::executor::Executor;
use arbitrate::runtime::identify;
use arbitrate::runtime::pacer::SystemPacer;
use serde_json::{Value, json};

use crate::cli::args::Device;
use crate::cli::exit::Exit;
use crate::cli::output::{Done, Failure, Outcome};
use crate::cli::session::{self, Options, Talk};
use crate::cli::{verbs, words};

/// Opens, runs `f` on an executor.
fn with_device<T>(
    a: &Device,
    with: Options,
    f: impl FnOnce(&mut Executor<'_>, &mut SystemPacer) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut device = session::device(&a.device)?;
    let mut talk = Talk { out: with.out, device: a.device.clone() };
    let mut on = Executor::new(device.as_mut(), &mut talk);
    f(&mut on, &mut SystemPacer::deaf())
}

pub(super) fn failed(what: &str, device: &str, class: &Class) -> Failure {
    let (exit, answer) = words::class(class, false);
    Failure::new(exit, format!("{what} of {device}"), answer, exit.row().next)
}

pub(crate) fn keys(a: &Device, with: Options) -> Outcome {
    let shown = with_device(a, with, |on, pacer| verbs::look(&a.device, with, on, pacer))?;
    let text = match shown.keys.as_slice() {
        [] => format!("no key is registered (generation {})", shown.generation),
        keys => {
            let lines: Vec<String> = keys.iter().map(|k| format!("{k}  {}", decoded(*k))).collect();
            format!("{}\n{} registered (generation {})", lines.join("\n"), keys.len(), shown.generation)
        }
    };
    let fields = json!({ "device": a.device, "generation": shown.generation.0, "keys": shown.keys });
    Ok(Done::new(Exit::Confirmed, text, fields))
}

pub(crate) fn reservation(a: &Device, with: Options) -> Outcome {
    let shown = with_device(a, with, |on, pacer| verbs::look(&a.device, with, on, pacer))?;
    let text = match shown.holder {
        None => format!("no reservation (generation {})", shown.generation),
        Some(h) if h.kind.all_registrants() => format!("{}: every registrant holds it", h.kind.name()),
        Some(h) => format!("{}  {}\n{}", h.key, decoded(h.key), h.kind.name()),
    };
    let fields = json!({
        "device": a.device, "generation": shown.generation.0, "holder": shown.holder.map(|h| h.key),
        "type": shown.holder.map(|h| h.kind as u8), "type_name": shown.holder.map(|h| h.kind.name()),
    });
    Ok(Done::new(Exit::Confirmed, text, fields))
}

pub(crate) fn capabilities(a: &Device, with: Options) -> Outcome {
    let c = with_device(a, with, |on, pacer| {
        identify::capabilities(on, with.command_timeout(), pacer)
            .map_err(|c| failed("REPORT CAPABILITIES", &a.device, &c))
    })?;
    Ok(Done::new(
        Exit::Confirmed,
        describe_capabilities(&c),
        json!({ "device": a.device, "capabilities": c }),
    ))
}

pub(super) fn describe_capabilities(c: &Capabilities) -> String {
    let yes = |b: bool| if b { "yes" } else { "no" };
    let types: Vec<&str> = c.types.iter().flat_map(|set| set.iter()).map(|t| t.name()).collect();
    format!(
        "persist through power loss: {} (active now: {})\nregister on all target ports: {}\n\
         register other initiators: {}\nSPC-2 compatible handling: {}\ntypes: {}",
        yes(c.aptpl_capable),
        yes(c.aptpl_active),
        yes(c.all_target_ports),
        yes(c.spec_i_pt),
        yes(c.compatible_reservation_handling),
        if types.is_empty() { "not told".to_owned() } else { types.join("; ") },
    )
}

pub(crate) fn full_status(a: &Device, with: Options) -> Outcome {
    let s = with_device(a, with, |on, pacer| {
        identify::full_status(on, with.command_timeout(), pacer)
            .map_err(|c| failed("READ FULL STATUS", &a.device, &c))
    })?;
    let mut lines = registrations(&s);
    lines.push(format!("{} registrations (generation {})", s.registrations.len(), s.generation));
    let fields =
        json!({ "device": a.device, "generation": s.generation.0, "registrations": s.registrations });
    Ok(Done::new(Exit::Confirmed, lines.join("\n"), fields))
}

/// A line for each registration.
pub(super) fn registrations(s: &FullStatus) -> Vec<String> {
    s.registrations
        .iter()
        .map(|d| {
            let holds = match d.holds {
                Some(kind) => format!("  HOLDER, {}", kind.name()),
                None => String::new(),
            };
            let port = match d.port {
                RegisteredPort::One(p) => format!("port {p}"),
                RegisteredPort::All => "all ports".to_owned(),
            };
            format!("{}  {:<34}  {} by {}{holds}", d.key, decoded(d.key), d.transport_id, port)
        })
        .collect()
}

/// A key in words where it can be one of this project's; the cluster's name is not known here.
pub(super) fn decoded(key: Key) -> String {
    match key.parts() {
        None => "not a key of this program".to_owned(),
        Some(p) => {
            let stance = match p.stance {
                arbitrate::key::Stance::Challenging => ", challenging",
                arbitrate::key::Stance::Settled => "",
            };
            format!("cluster {} node {} life {}{stance}", p.cluster, p.node, p.incarnation)
        }
    }
}

/// The same for programs.
pub(super) fn decoded_json(key: Key) -> Value {
    match key.parts() {
        None => Value::Null,
        Some(p) => json!({
            "cluster_id": p.cluster.to_string(), "node": p.node.get(), "incarnation": p.incarnation.get(),
            "challenging": p.stance == arbitrate::key::Stance::Challenging,
        }),
    }
}
