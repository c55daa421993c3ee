//! Running one scenario, or many.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use arbitrate::key::{ClusterId, NodeNumber};

use crate::judge::{Counts, Violation};
use crate::node::Node;
use crate::plan::{Broken, Plan};
use crate::stage::{Down, Risen, Shared};
use crate::target::Target;
use crate::trace::Trace;
use crate::world::World;

/// What became of one scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// What did not hold.
    pub violations: Vec<Violation>,
    /// What happened.
    pub counts: Counts,
    /// Equal for equal runs.
    pub hash: u64,
    /// The story, where it was asked for.
    pub story: String,
}

/// Whether the story is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Story {
    /// Line by line.
    Kept,
    /// Only its hash.
    Hashed,
}

/// Runs the scenario of a seed.
///
/// # Errors
/// The temporary folder for the nodes' small files, or a thread, could not be had.
pub fn run(seed: u64, broken: Broken, story: Story) -> io::Result<Outcome> {
    let folder = tempfile::Builder::new().prefix("palisade-simulation-").tempdir_in(memory())?;
    let plan = Plan::new(seed, broken);
    let target = Target::new(plan.nodes(), !broken.no_abort).ok_or_else(unlikely)?;
    let mut trace = Trace::new(story == Story::Kept);
    trace.text(0, &|| format!("seed {seed}: {plan:?}"));
    let nodes = plan.nodes();
    let timings: Vec<_> = (0..nodes).map(|n| if n % 2 == 1 { plan.hasty } else { plan.timing }).collect();
    let ids: Vec<_> = (0..nodes).map(|n| target.transport_id(n).unwrap_or_default()).collect();
    let shared = Shared::new(World::new(plan, seed, target, trace));
    std::thread::scope(|scope| -> io::Result<()> {
        for ((me, timing), transport_id) in timings.into_iter().enumerate().zip(ids) {
            let number =
                u32::try_from(me + 1).ok().and_then(|n| NodeNumber::new(n).ok()).ok_or_else(unlikely)?;
            let node = Node {
                stage: shared.handle(me),
                cluster: ClusterId::of_name("simulation"),
                number,
                timing,
                state: folder.path().join(format!("state-{me}")),
                runtime: folder.path().join(format!("run-{me}")),
                transport_id,
            };
            std::thread::Builder::new().name(format!("node-{me}")).spawn_scoped(scope, move || act(&node))?;
        }
        shared.play();
        Ok(())
    })?;
    Ok(shared.with(|w| Outcome {
        violations: w.judge.violations.clone(),
        counts: w.judge.counts,
        hash: w.trace.hash(),
        story: w.trace.lines().to_owned(),
    }))
}

/// A node's thread: its lives, one after the other.
fn act(node: &Node) {
    let stage = &node.stage;
    stage.enter();
    loop {
        if let Err(why) = catch_unwind(AssertUnwindSafe(|| node.live()))
            && !why.is::<Down>()
        {
            let words = why.downcast_ref::<String>().cloned();
            let words = words.or_else(|| why.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            stage.failed(words.unwrap_or_else(|| "it panicked".to_owned()));
        }
        match stage.rise() {
            Risen::Never => break,
            Risen::Process => {}
            Risen::Machine => {
                // Nothing there is as good.
                let _ = std::fs::remove_dir_all(&node.runtime);
            }
        }
    }
    stage.leave();
}

/// A folder in memory where there is one: the nodes sync their files at every step.
fn memory() -> PathBuf {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() }
}

fn unlikely() -> io::Error {
    io::Error::other("a node number or nexus could not be had")
}

/// What became of many scenarios.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many were run.
    pub scenarios: u64,
    /// Seeds that failed, with what did not hold, smallest seed first.
    pub failed: Vec<(u64, Violation)>,
    /// What happened in all of them.
    pub counts: Counts,
}

/// Until when many scenarios are run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// All of them.
    Done,
    /// The first that fails.
    Failed,
}

/// Runs the scenarios of the seeds from `first` on, `count` of them, by `workers` at a time.
///
/// # Errors
/// As [`run`].
pub fn campaign(first: u64, count: u64, workers: usize, broken: Broken, until: Until) -> io::Result<Summary> {
    let next = AtomicU64::new(first);
    let summary = Mutex::new(Summary::default());
    std::thread::scope(|scope| {
        let work = || -> io::Result<()> {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed - first >= count {
                    return Ok(());
                }
                let outcome = run(seed, broken, Story::Hashed)?;
                let mut s = summary.lock().unwrap_or_else(PoisonError::into_inner);
                s.scenarios += 1;
                s.counts.add(&outcome.counts);
                if let Some(v) = outcome.violations.into_iter().next() {
                    s.failed.push((seed, v));
                    if until == Until::Failed {
                        next.fetch_max(first + count, Ordering::Relaxed);
                    }
                }
            }
        };
        let all: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        all.into_iter().try_for_each(|t| t.join().unwrap_or_else(|_| Err(unlikely())))
    })?;
    let mut summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary.failed.sort_by_key(|(seed, _)| *seed);
    Ok(summary)
}
