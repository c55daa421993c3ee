//! `arbitrate challenge`: the plan, the timeline, the verdict.

use std::time::Duration;

use arbitrate::codec::pr::Aptpl;
use arbitrate::protocol::{ChallengeNote, DefenceNote, FedWatchdog, Rules};
use arbitrate::runtime::contest::{Audience, Contest, ContestEnd};
use arbitrate::runtime::executor::Executor;
use arbitrate::runtime::handover;
use arbitrate::runtime::identify::Identity;
use arbitrate::runtime::lives::{LivesError, LivesFile};
use arbitrate::runtime::pacer::{Pacer, SystemPacer, Woke};
use arbitrate::runtime::store::{Place, StoreError};
use arbitrate::time::Instant;
use serde_json::json;

use super::args;
use super::ends;
use super::exit::Exit;
use super::joining::{Joining, NotJoined};
use super::node::Node;
use super::output::{Done, Failure, Outcome, Output};
use super::paths::{self, Joined, Opened};
use super::session::{self, Options, Talk};
use super::timeline::{Timeline, millis};

pub(crate) fn run(a: &args::Challenge, with: Options) -> Outcome {
    if a.legacy.legacy {
        return super::legacy::challenge(a, with);
    }
    if a.quorum.is_several() {
        return super::quorum::challenge(a, with);
    }
    let node = Node::new(&a.node)?;
    let mut pacer = Countdown { inner: signals()?, out: with.out };
    let Opened { mut device, all } = paths::open(&a.device, &a.paths, node.timing)?;
    let mut talk = Talk { out: with.out, device: a.device.clone() };
    let mut on = Executor::new(device.as_mut(), &mut talk);
    let timeout = with.timeout.unwrap_or(node.timing.spec().tick);
    let id = session::identity(&a.device, &mut on, timeout, &mut pacer)?;
    let plan = Plan { device: &a.device, node: &node, id: &id, timeout };
    let contest = plan.contest(&mut on, &mut pacer)?;
    if a.dry_run {
        return Ok(Done::new(
            Exit::Confirmed,
            format!("{}\n  dry run: nothing was sent that changes the disk", plan.text(&contest)),
            plan.json(&contest),
        ));
    }
    with.out.plan(&plan.text(&contest), plan.json(&contest));
    let mut lives = plan.lives()?;
    let runtime = node.runtime_place(&id.name);
    handover::forget(&runtime).map_err(|e| store(&e))?;
    let timeline = Timeline::new(pacer.now(), node.cluster, with.out).of(node.number);
    if let Some(all) = &all {
        all.say(&timeline, pacer.now());
    }
    let end = contest
        .run_after(a.quorum.delay(&node), &mut lives, &mut on, &mut pacer, &mut Spectator { timeline })
        .map_err(|e| lives_failed(&e))?;
    let took = pacer.now().since(timeline.start);
    let (end, joined) = match (all, end) {
        (Some(all), ContestEnd::Owned { defender, from, lease }) => {
            let joining = Joining { all, contest: &contest, timeline, ghosts: lives.keys() };
            let (lease, joined) =
                joining.run(defender.key(), lease, &mut on, &mut pacer).map_err(|e| match e {
                    NotJoined::Defence(end) => ends::not_confirmed(&a.device, node.cluster, &end),
                    NotJoined::Thread(e) => no_thread(&a.device, &e),
                })?;
            (ContestEnd::Owned { defender, from, lease }, Some(joined))
        }
        (_, end) => (end, None),
    };
    verdict(&plan, &runtime, end, (took, pacer.now()), joined.as_ref())
}

/// Says who won, and leaves what `defend` takes over.
fn verdict(
    plan: &Plan<'_>,
    runtime: &Place,
    end: ContestEnd,
    (took, now): (Duration, Instant),
    paths: Option<&Joined>,
) -> Outcome {
    let cluster = plan.node.cluster;
    match end {
        ContestEnd::Not(end) => Err(ends::not_won(plan.device, cluster, &end)),
        ContestEnd::NotConfirmed { end, .. } => Err(ends::not_confirmed(plan.device, cluster, &end)),
        ContestEnd::Owned { defender, lease, from } => {
            let key = defender.key();
            handover::leave(runtime, &plan.id.name, key, lease.until).map_err(|e| {
                let mut f = store(&e);
                f.tried = format!("{} is won under key {key}, but recording it for `defend`", plan.device);
                f.next = "defend it with `arbitrate defend --acquire`".into();
                f
            })?;
            let left = lease.until.since(now);
            let exit = match paths {
                Some(p) if !p.open.is_empty() => Exit::Unknown,
                _ => Exit::Confirmed,
            };
            let on_paths = paths.map(|p| format!("\n{}", p.text())).unwrap_or_default();
            let text = format!(
                "WON: node {} owns {}, confirmed by reading back, key {key}\n  lease {:.3} s; next: `arbitrate defend {}` within it, or --acquire later{on_paths}",
                plan.node.number,
                plan.device,
                left.as_secs_f64(),
                plan.device
            );
            let fields = json!({
                "device": plan.device, "identity": plan.id.name, "key": key, "from": from,
                "lease_left_ms": millis(left), "took_ms": millis(took), "paths": paths.map(Joined::json),
            });
            Ok(Done::new(exit, text, fields))
        }
    }
}

/// What a challenge is going to do.
pub(crate) struct Plan<'a> {
    pub(crate) device: &'a str,
    pub(crate) node: &'a Node,
    pub(crate) id: &'a Identity,
    pub(crate) timeout: Duration,
}

impl Plan<'_> {
    /// Asks the device what a contest has to know before it begins.
    pub(crate) fn contest(&self, on: &mut Executor<'_>, pacer: &mut dyn Pacer) -> Result<Contest, Failure> {
        let known = session::reservations(self.device, on, self.timeout, pacer)?;
        Ok(Contest {
            cluster: self.node.cluster,
            node: self.node.number,
            kind: self.node.kind,
            timing: self.node.timing,
            command_timeout: self.timeout,
            aptpl: if known.persists { Aptpl::Yes } else { Aptpl::No },
            nexus_key: known.nexus_key,
            formatted: None,
            rules: Rules::default(),
        })
    }

    pub(crate) fn lives(&self) -> Result<LivesFile, Failure> {
        LivesFile::open(self.node.state_place(&self.id.name), self.node.cluster, self.node.number)
            .map_err(|e| store(&e))
    }

    pub(crate) fn text(&self, c: &Contest) -> String {
        let persists = match c.aptpl {
            Aptpl::Yes => "registrations persist through power loss (APTPL asked for)",
            Aptpl::No => "the target does NOT keep registrations through power loss (no APTPL)",
        };
        format!(
            "{} is {} ({})\n  {}\n  plan: REGISTER a challenging key; wait {:?} from the moment it is seen registered; \
             then PREEMPT AND ABORT the holder seen now; read back\n  {}\n  {persists}",
            self.device,
            self.id.name,
            self.id.product,
            self.node.challenger(),
            self.node.timing.spec().window,
            self.node.budget(self.timeout),
        )
    }

    pub(crate) fn json(&self, c: &Contest) -> serde_json::Value {
        let t = self.node.timing.spec();
        json!({
            "device": self.device, "identity": self.id.name, "product": self.id.product,
            "cluster": self.node.name, "cluster_id": self.node.cluster.to_string(),
            "node": self.node.number.get(), "profile": self.node.profile,
            "window_ms": millis(t.window), "tick_ms": millis(t.tick), "tick_budget_ms": millis(t.tick_budget),
            "margin_ms": millis(t.margin), "command_timeout_ms": millis(self.timeout),
            "aptpl": c.aptpl == Aptpl::Yes,
        })
    }
}

/// Prints what it hears; has no watchdog.
struct Spectator {
    timeline: Timeline,
}

impl Audience for Spectator {
    fn challenge(&mut self, at: Instant, note: &ChallengeNote) {
        self.timeline.challenge(at, note);
    }
    fn defence(&mut self, at: Instant, note: &DefenceNote) {
        self.timeline.defence(at, note);
    }
    fn before_ownership(&mut self) -> Option<FedWatchdog> {
        None
    }
}

/// Real time, with the seconds left for whoever watches.
pub(super) struct Countdown {
    pub(super) inner: SystemPacer,
    pub(super) out: Output,
}

impl Pacer for Countdown {
    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn wait(&mut self, until: Instant) -> Woke {
        while self.out.watched() {
            let left = until.since(self.now());
            if left < Duration::from_millis(200) {
                break;
            }
            self.out.countdown(&format!("           {:.1} s left", left.as_secs_f64()));
            let next = self.now() + Duration::from_millis(100);
            if self.inner.wait(next) == Woke::Stop {
                return Woke::Stop;
            }
        }
        self.inner.wait(until)
    }

    fn pause(&mut self, d: Duration) {
        self.inner.pause(d);
    }
}

fn no_thread(device: &str, e: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Unknown,
        format!("registering on the other paths of {device}"),
        format!("the device is won, but no thread could be started: {e}"),
        "free resources on this host, then `arbitrate defend --acquire --paths`",
    )
}

pub(crate) fn signals() -> Result<SystemPacer, Failure> {
    SystemPacer::stopped_by_signals().map_err(|e| {
        Failure::new(Exit::Refused, "preparing for signals", e.to_string(), "nothing was sent; try again")
    })
}

pub(crate) fn store(e: &StoreError) -> Failure {
    Failure::new(
        Exit::Refused,
        "keeping this node's records",
        e.to_string(),
        "nothing was sent that changes the disk",
    )
}

pub(crate) fn lives_failed(e: &LivesError) -> Failure {
    Failure::new(
        Exit::Refused,
        "taking a fresh incarnation",
        e.to_string(),
        "nothing was sent that changes the disk",
    )
}
