//! `arbitrate challenge --legacy`: the plan, the timeline, the verdict.

use std::time::Duration;

use arbitrate::key::Key;
use arbitrate::protocol::Lease;
use arbitrate::runtime::executor::Executor;
use arbitrate::runtime::handover;
use arbitrate::runtime::legacy::LegacyContestEnd;
use arbitrate::runtime::pacer::Pacer;
use arbitrate::time::Instant;
use serde_json::json;

use super::{Plan, check, ends, timeline};
use crate::cli::args;
use crate::cli::challenge::{Countdown, signals, store};
use crate::cli::exit::Exit;
use crate::cli::node::Node;
use crate::cli::output::{Done, Outcome};
use crate::cli::session::{self, Options, Talk};
use crate::cli::timeline::{Timeline, millis};

pub(crate) fn run(a: &args::Challenge, with: Options) -> Outcome {
    check(&a.device, &a.node, &a.paths)?;
    let node = Node::new(&a.node)?;
    let mut pacer = Countdown { inner: signals()?, out: with.out };
    let mut device = session::device(&a.device)?;
    let mut talk = Talk { out: with.out, device: a.device.clone() };
    let mut on = Executor::new(device.as_mut(), &mut talk);
    let plan = Plan::new(&a.device, &node, a.legacy.scope(), with, &mut on, &mut pacer)?;
    plan.refuse_registered(&mut on, &mut pacer)?;
    if a.dry_run {
        return Ok(Done::new(
            Exit::Confirmed,
            format!("{}\n  dry run: nothing was sent that changes the disk", plan.text()),
            plan.json(),
        ));
    }
    with.out.plan(&plan.text(), plan.json());
    let mut locks = plan.locks()?;
    let life = plan.life(&mut locks)?;
    handover::forget(&plan.handover()).map_err(|e| store(&e))?;
    let line = Timeline::new(pacer.now(), node.cluster, with.out);
    let end = plan.contest().run(&mut on, &mut pacer, &mut |at, note| timeline::challenge(&line, at, note));
    let now = pacer.now();
    match end {
        LegacyContestEnd::Not(end) => Err(ends::not_won(&a.device, &end)),
        LegacyContestEnd::Owned { lease, held_since } => {
            let held = lease.from.since(held_since);
            won(&plan, life, lease, held, (now.since(line.start), now))
        }
    }
}

/// Leaves what `defend` takes over, and says so.
fn won(
    plan: &Plan<'_>,
    life: Key,
    lease: Lease,
    held: Duration,
    (took, now): (Duration, Instant),
) -> Outcome {
    handover::leave(&plan.handover(), &plan.name, life, lease.until).map_err(|e| {
        let mut f = store(&e);
        f.tried = format!("{} is won, but recording it for `defend`", plan.device);
        f.next = "defend it with `arbitrate defend --legacy --acquire`".into();
        f
    })?;
    let left = lease.until.since(now);
    let text = format!(
        "WON: node {} owns {}, held for {:.3} s without a break (SPC-2)\n  lease {:.3} s; next: `arbitrate defend --legacy {}` within it, or --acquire later",
        plan.node.number,
        plan.device,
        held.as_secs_f64(),
        left.as_secs_f64(),
        plan.device
    );
    let fields = json!({
        "device": plan.device, "identity": plan.name, "mode": "legacy", "life": life,
        "held_ms": millis(held), "lease_left_ms": millis(left), "took_ms": millis(took),
    });
    Ok(Done::new(Exit::Confirmed, text, fields))
}
