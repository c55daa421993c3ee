//! Who this node is: cluster, number, timing, and where its small files are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use arbitrate::codec::pr::ReservationType;
use arbitrate::key::{ClusterId, NodeNumber};
use arbitrate::protocol::{Profile, Timing};
use arbitrate::runtime::store::Place;

use super::args;
use super::exit::Exit;
use super::output::Failure;
use super::profile_file::{self, ProfileError};

/// The node named on the command line, checked.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) cluster: ClusterId,
    pub(crate) number: NodeNumber,
    pub(crate) profile: String,
    pub(crate) timing: Timing,
    pub(crate) kind: ReservationType,
    state: PathBuf,
    runtime: PathBuf,
}

impl Node {
    pub(crate) fn new(a: &args::Node) -> Result<Self, Failure> {
        let number = NodeNumber::new(u32::from(a.node))
            .map_err(|e| usage("--node", e.to_string(), "number the nodes from 1"))?;
        if a.cluster.trim().is_empty() {
            return Err(usage("--cluster", "the name is empty", "give every node the same name"));
        }
        Ok(Self {
            name: a.cluster.clone(),
            cluster: ClusterId::of_name(&a.cluster),
            number,
            profile: a.profile.clone(),
            timing: timing(&a.profile)?,
            kind: if a.exclusive_access {
                ReservationType::ExclusiveAccessRegistrantsOnly
            } else {
                ReservationType::WriteExclusiveRegistrantsOnly
            },
            state: a.state_dir.clone().map_or_else(default_state, Ok)?,
            runtime: a.runtime_dir.clone().map_or_else(default_runtime, Ok)?,
        })
    }

    /// Where this node's records for the device with `identity` survive a reboot.
    pub(crate) fn state_place(&self, identity: &str) -> Place {
        Place::new(&self.state, self.cluster, self.number, identity)
    }

    /// Where they do not.
    pub(crate) fn runtime_place(&self, identity: &str) -> Place {
        Place::new(&self.runtime, self.cluster, self.number, identity)
    }
}

/// What every plan says.
impl Node {
    /// Who challenges, by which profile.
    pub(crate) fn challenger(&self) -> String {
        format!(
            "challenger: cluster {} [{}], node {}, profile {}",
            self.name, self.cluster, self.number, self.profile
        )
    }

    /// The timing rule that carries the challenge, with its arithmetic, and how long one command may take.
    pub(crate) fn budget(&self, command: Duration) -> String {
        let t = self.timing.spec();
        format!(
            "budget: window {:?} ≥ 2·tick {:?} + tick_budget {:?} + margin {:?} = {:?}; {command:?} a command",
            t.window,
            t.tick,
            t.tick_budget,
            t.margin,
            t.tick * 2 + t.tick_budget + t.margin,
        )
    }
}

impl Node {
    /// Where the processes of this host, of whatever node, meet that use one nexus.
    pub(crate) fn host_place(&self, nexus: &str) -> Place {
        Place::of_host(&self.runtime, nexus)
    }
}

/// A timing profile by its name or its file.
pub(crate) fn timing(profile: &str) -> Result<Timing, Failure> {
    match profile {
        "classic" => Ok(Timing::profile(Profile::Classic)),
        "lab" => Ok(Timing::profile(Profile::Lab)),
        "fast" => Ok(Timing::profile(Profile::Fast)),
        file => from_file(Path::new(file)),
    }
}

fn from_file(path: &Path) -> Result<Timing, Failure> {
    let tried = || format!("reading the timing profile {}", path.display());
    let example = "name classic, lab or fast, or a TOML file with tick_ms, tick_budget_ms, margin_ms, window_ms and \
                   optionally watchdog_ms";
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::new(Exit::Usage, tried(), e.to_string(), example))?;
    profile_file::parse(&text).map_err(|e| match e {
        ProfileError::Text(e) => Failure::new(Exit::Usage, tried(), e.to_string(), example),
        ProfileError::Rule(e) => Failure::new(
            Exit::Refused,
            tried(),
            e.to_string(),
            "change the value that breaks the rule; docs/arbitration.md says why each rule holds",
        ),
    })
}

fn usage(tried: &str, answer: impl Into<String>, next: &str) -> Failure {
    Failure::new(Exit::Usage, tried, answer, next)
}

fn default_state() -> Result<PathBuf, Failure> {
    if nix::unistd::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/palisade"));
    }
    below_home("XDG_STATE_HOME", Some(".local/state"), "--state-dir")
}

fn default_runtime() -> Result<PathBuf, Failure> {
    if nix::unistd::geteuid().is_root() {
        return Ok(PathBuf::from("/run/palisade"));
    }
    below_home("XDG_RUNTIME_DIR", None, "--runtime-dir")
}

fn below_home(variable: &str, below: Option<&str>, option: &str) -> Result<PathBuf, Failure> {
    let set = |v: &str| std::env::var_os(v).filter(|p| !p.is_empty()).map(PathBuf::from);
    set(variable)
        .or_else(|| Some(set("HOME")?.join(below?)))
        .map(|p| p.join("palisade"))
        .ok_or_else(|| usage(option, format!("not root, and {variable} is not set"), "name a folder"))
}
