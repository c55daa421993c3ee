//! All paths of a unit: which device a challenge and a defence work on, and what is told of its paths.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use arbitrate::codec::pr::{Aptpl, ReservationType};
use arbitrate::device::ScsiDevice;
use arbitrate::device::multipath::failover::{Failover, Paths};
use arbitrate::device::multipath::{self, Asked, PathSpec, Unit};
use arbitrate::device::open::OpenError;
use arbitrate::key::Key;
use arbitrate::protocol::Timing;
use arbitrate::protocol::registrar::{PathEnd, PathNote};
use arbitrate::runtime::paths::{Board, Left, Told, Watch, What};
use clap::Args;
use serde_json::{Value, json};

use super::exit::Exit;
use super::output::Failure;
use super::session;
use super::timeline::Timeline;
use super::words::no_answer;

/// Whether all paths of a device are meant.
#[derive(Args, Debug)]
pub(crate) struct PathsArg {
    /// Register the key on every path of this host to the unit, found by identity; implied for a
    /// dm-multipath device and for sim:PATH?as=NAME&port=1+2
    #[arg(long)]
    pub(crate) paths: bool,
}

/// The device to work on.
pub(crate) struct Opened {
    pub(crate) device: Box<dyn ScsiDevice>,
    /// Where all paths are meant.
    pub(crate) all: Option<AllPaths>,
}

/// A unit whose paths are all meant.
pub(crate) struct AllPaths {
    pub(crate) spec: String,
    pub(crate) unit: Unit,
    pub(crate) shared: Arc<Paths>,
    pub(crate) board: Arc<Board>,
}

/// Opens what was named: one path, or the unit behind it. What is challenged over is the first path that
/// answers: a challenge has one nexus.
pub(crate) fn open(spec: &str, arg: &PathsArg, timing: Timing) -> Result<Opened, Failure> {
    let asked = multipath::candidates(spec).map_err(|e| failed(spec, &e))?.asked;
    if !arg.paths && asked == Asked::ForOnePath {
        return Ok(Opened { device: session::device(spec)?, all: None });
    }
    let unit = multipath::resolve(spec).map_err(|e| failed(spec, &e))?;
    let Some(first) = unit.paths.first() else {
        return Err(failed(spec, &OpenError::NoPaths(spec.to_owned())));
    };
    let device = Failover::new(spec, vec![session::device(first.as_str())?]);
    let (shared, board) = (device.paths(), Arc::new(Board::new(timing)));
    let all = Some(AllPaths { spec: spec.to_owned(), unit, shared, board });
    Ok(Opened { device: Box::new(device), all })
}

fn failed(spec: &str, e: &OpenError) -> Failure {
    let next = "name a disk (/dev/sdX), a dm-multipath device or sim:PATH?as=NAME&port=1+2; `lsblk -S` lists the SCSI disks";
    Failure::new(Exit::File, format!("finding the paths of {spec}"), e.to_string(), next)
}

impl AllPaths {
    /// The watch over its paths, ready to start, and where it is heard.
    pub(crate) fn watch(
        &self,
        key: Key,
        ghosts: Vec<Key>,
        (aptpl, timing, kind): (Aptpl, Timing, ReservationType),
        tell: Sender<Told>,
        ring: Box<dyn Fn() + Send + Sync>,
    ) -> Watch {
        let (spec, known) = (self.spec.clone(), self.unit.paths.clone());
        let holder = known.first().cloned().unwrap_or_else(|| PathSpec::new(spec.clone()));
        let source = Box::new(move || multipath::candidates(&spec).map(|c| c.paths).unwrap_or_default());
        Watch {
            unit: self.unit.name.clone(),
            holder,
            source,
            key,
            ghosts,
            aptpl,
            timing,
            kind,
            paths: Arc::clone(&self.shared),
            board: Arc::clone(&self.board),
            tell,
            ring,
        }
    }

    /// Says which paths there are.
    pub(crate) fn say(&self, timeline: &Timeline, at: arbitrate::time::Instant) {
        let paths: Vec<String> = self.unit.paths.iter().map(ToString::to_string).collect();
        timeline.say(
            at,
            "paths",
            &format!("{} over {} path(s): {}", self.unit.name, paths.len(), paths.join(" ")),
            json!({ "identity": self.unit.name, "paths": paths }),
        );
        for d in &self.unit.doubtful {
            let text = format!("{} is not counted as a path: {}", d.path, d.why);
            timeline.say(at, "no-path", &text, json!({ "path": d.path.as_str(), "why": d.why }));
        }
    }
}

/// Where the paths' news comes in.
pub(crate) fn news() -> (Sender<Told>, Receiver<Told>) {
    channel()
}

/// One piece of news, as a line.
pub(crate) fn tell(timeline: &Timeline, told: &Told) {
    let path = told.path.as_str();
    let (event, words) = match &told.what {
        What::Found => ("path-found", "found".to_owned()),
        What::NotAPath(why) => ("no-path", format!("not counted as a path: {why}")),
        What::Note(n) => note(*n),
        What::End(e) => end(*e),
    };
    timeline.say(told.at, event, &format!("path {path}: {words}"), json!({ "path": path }));
}

fn note(n: PathNote) -> (&'static str, String) {
    match n {
        PathNote::AlreadyRegistered => ("path-registered", "registered already".into()),
        PathNote::Registering { existing } if existing.is_zero() => {
            ("path-registering", "registering the key".into())
        }
        PathNote::Registering { existing } => (
            "path-registering",
            format!("an earlier life of this node is registered there ({existing}): replacing it"),
        ),
        PathNote::Registered => ("path-registered", "registered, confirmed by a later tick".into()),
        PathNote::Lost => (
            "path-lost",
            "LOST ITS REGISTRATION: writes over it are refused; registering it again while the lease is valid"
                .into(),
        ),
        PathNote::Taken => (
            "path-taken",
            "another key is registered on this nexus, none of this node's: left alone; look with `arbitrate full-status`"
                .into(),
        ),
        PathNote::Refused(why) => ("path-refused", format!("REGISTER was refused: {}", no_answer(why))),
        PathNote::Doubtful(why) => (
            "path-doubtful",
            format!(
                "whether it is registered is unknown: {}; not repeated until a read or a reset settles it",
                no_answer(why)
            ),
        ),
        PathNote::Down(why) => ("path-down", format!("does not answer: {}", no_answer(why))),
        PathNote::Back => ("path-back", "answers again".into()),
        PathNote::Sweeping => (
            "path-sweeping",
            "taking the reservation over from a path that is gone, so that it can be released (PREEMPT of the own key)"
                .into(),
        ),
        PathNote::Withdrawing => ("path-withdrawing", "unregistering".into()),
    }
}

fn end(e: PathEnd) -> (&'static str, String) {
    let words = match e {
        PathEnd::Nothing => "nothing of this life is registered there",
        PathEnd::Left => "its registration goes with the device",
        PathEnd::Withdrawn => "unregistered, read back",
        PathEnd::Unproven => "NOT PROVEN unregistered",
    };
    ("path-end", words.to_owned())
}

/// What is left open on paths after the life's end, in words; `None` where nothing is.
pub(crate) fn left(all: &[Left]) -> Option<String> {
    if all.is_empty() {
        return None;
    }
    let each: Vec<String> = all
        .iter()
        .map(|l| {
            let how = if l.outstanding { "a command is still outstanding there" } else { "not read back" };
            format!("{} ({how})", l.path)
        })
        .collect();
    Some(format!(
        "THIS HOST MAY BE RE-ADMITTED over {}: let nothing write there, reset the logical unit or reboot",
        each.join(", ")
    ))
}

/// What a challenge does for the other paths once it owns.
pub(crate) struct Joined {
    /// Paths registered, confirmed by a later tick.
    pub(crate) registered: Vec<PathSpec>,
    /// Paths that answer and are not registered, or may be.
    pub(crate) open: Vec<String>,
    /// Paths that do not answer.
    pub(crate) down: Vec<PathSpec>,
}

impl Joined {
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![format!("  registered on {} path(s) as well", self.registered.len())];
        for p in &self.down {
            lines.push(format!(
                "  {p} does not answer: NOT registered; `arbitrate defend --paths` registers it when it comes back"
            ));
        }
        for p in &self.open {
            lines.push(format!("  {p}: NOT PROVEN registered: writes over it may be refused"));
        }
        lines.join("\n")
    }

    pub(crate) fn json(&self) -> Value {
        let names = |p: &[PathSpec]| p.iter().map(ToString::to_string).collect::<Vec<_>>();
        json!({ "registered": names(&self.registered), "down": names(&self.down), "open": self.open })
    }
}

/// Collects what became of each path, until nothing changes any more.
#[derive(Default)]
pub(crate) struct Ledger {
    rows: Vec<(PathSpec, Row)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    Pending,
    Sent,
    Registered,
    Down,
    Open,
}

impl Ledger {
    /// The paths besides the one that took the unit.
    pub(crate) fn new(unit: &Unit) -> Self {
        Self { rows: unit.paths.iter().skip(1).map(|p| (p.clone(), Row::Pending)).collect() }
    }

    pub(crate) fn hear(&mut self, told: &Told) {
        let row = match told.what {
            What::Note(PathNote::AlreadyRegistered | PathNote::Registered) => Row::Registered,
            What::Note(PathNote::Registering { .. }) => Row::Sent,
            What::Note(PathNote::Down(_)) => Row::Down,
            What::Note(PathNote::Taken | PathNote::Refused(_) | PathNote::Doubtful(_) | PathNote::Lost) => {
                Row::Open
            }
            What::NotAPath(_) => Row::Down,
            _ => return,
        };
        if let Some((_, r)) = self.rows.iter_mut().find(|(p, _)| *p == told.path) {
            *r = row;
        }
    }

    /// Whether every path has at least sent its REGISTER, or failed to.
    pub(crate) fn all_sent(&self) -> bool {
        self.rows.iter().all(|(_, r)| *r != Row::Pending)
    }

    /// Whether nothing more is to be expected.
    pub(crate) fn settled(&self) -> bool {
        self.rows.iter().all(|(_, r)| !matches!(r, Row::Pending | Row::Sent))
    }

    pub(crate) fn end(self, left: &[Left]) -> Joined {
        let mut j = Joined { registered: Vec::new(), open: Vec::new(), down: Vec::new() };
        for (p, row) in self.rows {
            let unproven = left.iter().any(|l| l.path == p);
            match row {
                Row::Registered if !unproven => j.registered.push(p),
                Row::Down if !unproven => j.down.push(p),
                _ => j.open.push(p.to_string()),
            }
        }
        j
    }
}

/// How long the paths may take to be registered after a challenge was won, of a lease this long.
pub(crate) fn share_of(lease: Duration) -> Duration {
    lease / 3
}
