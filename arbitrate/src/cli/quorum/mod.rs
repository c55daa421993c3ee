//! `challenge` and `defend` over several quorum devices: the plan, the timeline, the verdict.
//!
//! A device that is missing or hangs is no failure here: it is looked for on a thread of its own, and
//! what can be said of it is said. With a single device nothing of this runs.

pub(super) mod args;
mod keeper;
mod log;
mod scout;
mod stage;
mod verdict;
mod words;

use arbitrate::clock;
use arbitrate::codec::pr::Aptpl;
use arbitrate::protocol::{DefenceSetup, FirstLease, Race, RaceSetup, Rules, Timing, Weight};
use arbitrate::runtime::handover;
use arbitrate::runtime::quorum::{Coordinator, Start};
use arbitrate::runtime::realtime;
use arbitrate::runtime::watchdog::Watchdog;

use crate::cli::args as cli;
use crate::cli::challenge::{signals, store};
use crate::cli::defend::keeper::open_watchdog;
use crate::cli::defend::on_deposed::Prepared;
use crate::cli::defend::quiet::Reports;
use crate::cli::defend::ring;
use crate::cli::exit::Exit;
use crate::cli::node::Node;
use crate::cli::output::{Done, Failure, Outcome};
use crate::cli::session::Options;
use crate::cli::timeline::Timeline;
use keeper::{Desk, Keeper, Kept, Until};
use log::{Log, Message, Service};
use stage::Stage;

/// How often a race is begun before it is given up.
const ATTEMPTS: u8 = 3;

/// `arbitrate challenge DEVICE DEVICE DEVICE …`
pub(crate) fn challenge(a: &cli::Challenge, with: Options) -> Outcome {
    let node = Node::new(&a.node)?;
    let signals = signals()?;
    let stage = Stage::set(&a.device, &a.quorum.more, node, with)?;
    let weight = a.quorum.weight();
    let plan = stage.plan(weight);
    if a.dry_run {
        let text = format!("{}\n  dry run: nothing was sent that changes a disk", plan.0);
        return Ok(Done::new(Exit::Confirmed, text, plan.1));
    }
    with.out.plan(&plan.0, plan.1);
    stage.forget_handovers()?;
    let race = Race::new(setup(&stage, weight, None));
    let run = Run {
        service: Service::No,
        until: Until::Decided,
        watchdog: None,
        prepared: None,
        reports: Reports::EVERY,
    };
    race_on(stage, race, signals, run, with)
}

/// `arbitrate defend DEVICE DEVICE DEVICE …`
pub(crate) fn defend(a: &cli::Defend, with: Options) -> Outcome {
    let node = Node::new(&a.node)?;
    // Before signals are blocked: what it runs must not inherit that.
    let prepared = a.on_deposed.as_deref().map(Prepared::spawn).transpose()?;
    let signals = signals()?;
    let watchdog = open_watchdog(a.watchdog.as_deref(), &node)?;
    let mut stage = Stage::set(&a.device, &a.quorum.more, node, with)?;
    let weight = a.quorum.weight();
    let setup = setup(&stage, weight, watchdog.as_ref().map(Watchdog::timeout));
    let race = if a.acquire {
        let plan = stage.plan(weight);
        with.out.plan(&plan.0, plan.1);
        stage.forget_handovers()?;
        Race::new(setup)
    } else {
        let held = take_over(&mut stage, &setup)?;
        Race::taking_over(setup, &held, clock::now())
    };
    let run = Run { service: Service::Yes, until: Until::End, watchdog, prepared, reports: a.reports };
    race_on(stage, race, signals, run, with)
}

fn setup(stage: &Stage, weight: Weight, watchdog: Option<std::time::Duration>) -> RaceSetup {
    RaceSetup {
        configured: stage.roster.configured(),
        timing: stage.node.timing,
        weight,
        seed: seed(stage.node.number.get()),
        attempts: ATTEMPTS,
        watchdog,
        rules: Rules::default(),
    }
}

/// Differs between nodes, and between the starts of one.
fn seed(node: u8) -> u64 {
    clock::now().as_nanos() ^ (u64::from(std::process::id()) << 32) ^ (u64::from(node) << 56)
}

/// What an earlier `challenge` of this host won, of a majority at least.
fn take_over(stage: &mut Stage, setup: &RaceSetup) -> Result<Vec<(usize, DefenceSetup)>, Failure> {
    let mut held = Vec::new();
    let mut why = None;
    for i in 0..stage.names.len() {
        match stage.take(i, clock::now()) {
            Ok((key, until)) => {
                held.push((i, defence(stage, i, key, until, setup.timing)));
            }
            Err(e) => why = Some(e),
        }
    }
    if held.len() >= setup.configured.majority() {
        return Ok(held);
    }
    Err(Failure::new(
        Exit::Refused,
        "taking over without a challenge",
        format!(
            "only {} of {} devices were won by a `challenge` of this host{}",
            held.len(),
            setup.configured.count(),
            why.map(|w| format!(": {w}")).unwrap_or_default()
        ),
        "use --acquire, which challenges first",
    ))
}

fn defence(
    stage: &Stage,
    i: usize,
    key: arbitrate::key::Key,
    until: arbitrate::time::Instant,
    timing: Timing,
) -> DefenceSetup {
    DefenceSetup {
        key,
        cluster: stage.node.cluster,
        kind: stage.node.kind,
        aptpl: stage.entry(i).aptpl.unwrap_or(Aptpl::No),
        timing,
        watchdog: None,
        first: FirstLease::Until(until),
        tenure: None,
        rules: Rules::default(),
    }
}

/// What differs between `challenge` and `defend`.
struct Run {
    service: Service,
    until: Until,
    watchdog: Option<Watchdog>,
    prepared: Option<Prepared>,
    reports: Reports,
}

fn race_on(
    mut stage: Stage,
    race: Race,
    signals: arbitrate::runtime::pacer::SystemPacer,
    run: Run,
    with: Options,
) -> Outcome {
    let failed = |e: String| {
        Failure::new(
            Exit::Refused,
            "preparing the race",
            e,
            "nothing was sent that changes a disk; try again",
        )
    };
    let (writer, reader) = ring::pair::<Message>(with.out.verbose).map_err(|e| failed(e.to_string()))?;
    let mut writer = writer;
    let service = run.service == Service::Yes;
    if service {
        writer.tell(Message::Realtime(realtime::acquire()));
    }
    let timeline = Timeline::new(clock::now(), stage.node.cluster, with.out).of(stage.node.number);
    let held: Vec<bool> = (0..stage.names.len()).map(|i| race.key(i).is_some()).collect();
    let desk = Desk { writer, watchdog: run.watchdog, owned: false, stop: None };
    let all = Coordinator::new(race, desk).map_err(|e| failed(e.to_string()))?;
    let prepare: fn() = if service {
        || {
            let _ = realtime::acquire();
        }
    } else {
        || {}
    };
    let quiet = log::quiet(stage.names.len(), run.reports, with.out);
    let mut log = Log {
        timeline,
        names: &stage.names.clone(),
        service: run.service,
        ready: false,
        ended: false,
        quiet,
    };
    for (i, mut finder) in stage.finders().into_iter().enumerate() {
        let start = if held.get(i) == Some(&true) { Start::Held(finder.handles()) } else { Start::Find };
        all.attend(i, finder, start, prepare).map_err(|e| failed(e.to_string()))?;
    }
    let margin = stage.node.timing.spec().margin;
    let keeper = Keeper {
        all: std::sync::Arc::clone(&all),
        signals,
        prepared: run.prepared,
        until: run.until,
        margin,
    };
    let thread = std::thread::Builder::new().name("keeper".into()).spawn(move || keeper.run());
    let thread = thread.map_err(|e| failed(e.to_string()))?;
    log.follow(&reader, &thread);
    let Ok(kept) = thread.join() else {
        return Err(Failure::new(
            Exit::Unknown,
            "racing for the quorum devices",
            "the keeper thread failed: this is a defect of this program",
            "stop what depends on them; look with `arbitrate inspect`; report it",
        ));
    };
    let sight = all.look(|race, _| verdict::Sight::of(race, clock::now(), stage.names.len()));
    verdict::devices(&stage, &sight, with.out);
    match kept {
        Kept::Owned(until) => {
            leave_handovers(&stage, &sight)?;
            Ok(verdict::won(&stage, &sight, until, timeline.start))
        }
        Kept::Over { end, stopped } => verdict::over(&stage, &sight, end, stopped),
    }
}

/// Leaves what `defend` takes over.
fn leave_handovers(stage: &Stage, sight: &verdict::Sight) -> Result<(), Failure> {
    for (i, seen) in sight.0.iter().enumerate() {
        let (Some(key), Some(until), Some((place, name))) = (seen.key, seen.until, stage.handover(i)) else {
            continue;
        };
        handover::leave(&place, &name, key, until).map_err(|e| {
            let mut f = store(&e);
            f.tried = format!("{} is won under key {key}, but recording it for `defend`", stage.names[i]);
            f.next = "defend the devices with `arbitrate defend --acquire`".into();
            f
        })?;
    }
    Ok(())
}
