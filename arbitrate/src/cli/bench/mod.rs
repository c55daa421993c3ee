//! `bench`: what READ KEYS, a tick, a challenge and a fence cost on this device, as percentiles.
//!
//! Changes nothing unless told to; then only a device on which nobody is registered, and leaves it so.

pub(super) mod args;
mod parts;
mod plot;
mod samples;

use arbitrate::device::ScsiDevice;
use arbitrate::device::sim::{SCHEME, SimSpec};
use arbitrate::runtime::executor::{Executor, Unobserved};
use arbitrate::runtime::pacer::SystemPacer;
use serde_json::json;

use super::exit::Exit;
use super::output::{Done, Failure, Outcome};
use super::session::{self, Options, Talk};
use super::verbs;
use args::Bench;
use parts::Run;
use samples::Samples;

pub(crate) fn run(a: &Bench, with: Options) -> Outcome {
    let mut device = session::device(&a.device)?;
    let identity = identity(&a.device, device.as_mut(), with)?;
    let run = Run { device: &a.device, count: a.count, timeout: with.command_timeout() };
    let (mut parts, mut skipped) = (Vec::new(), Vec::new());
    parts.extend(Samples::new("READ KEYS", "one command", run.read_keys(device.as_mut())?));
    parts.extend(Samples::new("tick", "READ KEYS, READ RESERVATION", run.tick(device.as_mut())?));
    if a.yes {
        let was = unused(a, device.as_mut(), with)?;
        let all_but = "all of a won challenge but its window";
        parts.extend(Samples::new("challenge", all_but, run.challenge(device.as_mut())?));
        match victim(a, &identity, with)? {
            Some(mut victim) => {
                let times = run.fence(session::device(&a.device)?, victim.as_mut());
                run.tidy(device.as_mut())?;
                let what = "from the decision to the receipt, one device";
                parts.extend(Samples::new("fence", what, times?));
            }
            None => skipped.push("fence: needs --victim DEVICE, another path to the same disk"),
        }
        let is = unused(a, device.as_mut(), with)?;
        debug_assert_eq!(was.keys, is.keys);
    } else {
        skipped.push(
            "challenge and fence: --yes registers, reserves and preempts on this device, which nobody may be using",
        );
    }
    if let Some(file) = &a.plot {
        std::fs::write(file, plot::svg(&format!("{} ({identity})", a.device), &parts)).map_err(|e| {
            Failure::new(
                Exit::Refused,
                format!("writing {}", file.display()),
                e.to_string(),
                "name a file in a folder that is there",
            )
        })?;
    }
    let mut text = vec![format!("{} is {identity}", a.device), samples::HEADER.to_owned()];
    text.extend(parts.iter().map(Samples::row));
    text.extend(skipped.iter().map(|s| format!("not measured: {s}")));
    text.extend(a.plot.iter().map(|f| format!("drawn into {}", f.display())));
    let fields = json!({
        "device": a.device, "identity": identity, "parts": parts.iter().map(Samples::json).collect::<Vec<_>>(),
        "not_measured": skipped, "plot": a.plot,
    });
    Ok(Done::new(Exit::Confirmed, text.join("\n"), fields))
}

fn identity(spec: &str, device: &mut dyn ScsiDevice, with: Options) -> Result<String, Failure> {
    let mut talk = Talk { out: with.out, device: spec.to_owned() };
    let mut on = Executor::new(device, &mut talk);
    Ok(session::identity(spec, &mut on, with.command_timeout(), &mut SystemPacer::deaf())?.name)
}

/// Reads the device, which nobody may be registered on.
fn unused(a: &Bench, device: &mut dyn ScsiDevice, with: Options) -> Result<verbs::Shown, Failure> {
    let mut unobserved = Unobserved;
    let mut on = Executor::new(device, &mut unobserved);
    let shown = verbs::look(&a.device, with, &mut on, &mut SystemPacer::deaf())?;
    if shown.keys.is_empty() && shown.holder.is_none() {
        return Ok(shown);
    }
    Err(Failure::new(
        Exit::Refused,
        format!("measuring what changes {}", a.device),
        format!("{} registrations: somebody uses it", shown.keys.len()),
        "take a disk nobody uses, or leave --yes out; `arbitrate inspect` says who is registered",
    ))
}

/// The path to be fenced: the one named, or for an embedded disk a second initiator.
fn victim(a: &Bench, identity_of: &str, with: Options) -> Result<Option<Box<dyn ScsiDevice>>, Failure> {
    let spec = match &a.victim {
        Some(v) => v.clone(),
        None if a.device.starts_with(SCHEME) => {
            let Ok(s) = a.device.parse::<SimSpec>() else { return Ok(None) };
            format!("{SCHEME}{}?as=bench-victim", s.path.display())
        }
        None => return Ok(None),
    };
    let mut device = session::device(&spec)?;
    let theirs = identity(&spec, device.as_mut(), with)?;
    if theirs != identity_of {
        return Err(Failure::new(
            Exit::Usage,
            format!("--victim {spec}"),
            format!("it is {theirs}, another disk than {}", a.device),
            "name another path to the same disk, from another initiator port",
        ));
    }
    Ok(Some(device))
}
