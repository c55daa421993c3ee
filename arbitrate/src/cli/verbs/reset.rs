//! Resets. What a reset did is visible only in the unit attention that follows it.

use arbitrate::codec::block::TestUnitReady;
use arbitrate::device::retry::Effect;
use arbitrate::device::{Escalate, ResetError, ResetScope};
use arbitrate::runtime::executor::Executor;
use arbitrate::runtime::pacer::{Pacer, SystemPacer};
use serde_json::json;

use crate::cli::args::{Reset, ScopeArg};
use crate::cli::consent;
use crate::cli::exit::Exit;
use crate::cli::output::{Done, Failure, Outcome};
use crate::cli::session::{self, Options, Talk};

impl ScopeArg {
    pub(crate) const fn scope(self) -> ResetScope {
        match self {
            Self::Lun => ResetScope::LogicalUnit,
            Self::Target => ResetScope::Target,
            Self::Bus => ResetScope::Bus,
            Self::Host => ResetScope::Host,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Lun => "logical unit",
            Self::Target => "whole target, with every logical unit behind it",
            Self::Bus => "whole bus, with every device on it",
            Self::Host => "host adapter, with every device behind it",
        }
    }
}

/// A reset takes longer than a command: the kernel's own limit a step is 10 s.
const AT_LEAST: std::time::Duration = std::time::Duration::from_secs(15);

pub(crate) fn run(a: &Reset, with: Options) -> Outcome {
    let what = format!("resetting the {} of {}", a.scope.words(), a.device);
    let escalate = if a.escalate { Escalate::Yes } else { Escalate::No };
    let fields = json!({ "device": a.device, "action": what, "escalate": a.escalate });
    let mut device = session::device(&a.device)?;
    if a.consent.dry_run {
        return Ok(Done::new(Exit::Confirmed, format!("dry run, nothing sent: {what}"), fields));
    }
    consent::ask(&a.consent, &what)?;
    let mut pacer = SystemPacer::deaf();
    let timeout = with.timeout.unwrap_or(AT_LEAST);
    let end = device.reset(a.scope.scope(), escalate, pacer.now() + timeout);
    if let Err(e) = end {
        let exit = match e {
            ResetError::Unsupported => Exit::UnsupportedCommand,
            ResetError::Failed(_) => Exit::Refused,
            ResetError::Outstanding => Exit::Unknown,
        };
        let next = "try a smaller scope: --scope lun works nearly everywhere";
        return Err(Failure::new(exit, what, e.to_string(), next));
    }
    // The reset ended; the unit attention it leaves is the target's own word for it.
    let mut talk = Talk { out: with.out, device: a.device.clone() };
    let mut on = Executor::new(device.as_mut(), &mut talk);
    let deadline = pacer.now() + with.command_timeout();
    let ended = on.write(TestUnitReady.cdb(), &[], Effect::Reads, deadline, &mut pacer);
    let told: Vec<String> = ended.attentions.iter().map(ToString::to_string).collect();
    let text = if told.is_empty() {
        format!("done: {what}; the target reports no unit attention for it")
    } else {
        format!("done: {what}; the target reports {}", told.join("; "))
    };
    let mut fields = fields;
    fields["result"] = json!("done");
    fields["attentions"] = json!(told);
    Ok(Done::new(Exit::Confirmed, text, fields))
}
