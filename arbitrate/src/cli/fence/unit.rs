//! One device made ready: its paths opened, identified, looked at; who this host is there.
//!
//! All devices are made ready at once, a thread each. One that does not answer delays nobody: those that
//! do are fenced without it, and it comes after them.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use arbitrate::codec::pr::{FullStatus, Generation, Holder, TransportId};
use arbitrate::device::ScsiDevice;
use arbitrate::device::classify::Class;
use arbitrate::device::multipath::{self, Asked};
use arbitrate::device::open::OpenError;
use arbitrate::device::sim::SimError;
use arbitrate::key::{ClusterId, Key, NodeNumber};
use arbitrate::protocol::fence::Way;
use arbitrate::protocol::{Command, NoAnswer, Reply};
use arbitrate::runtime::executor::{Executor, Observer};
use arbitrate::runtime::identify;
use arbitrate::runtime::pacer::{Pacer, SystemPacer};

use crate::cli::exit::Exit;
use crate::cli::output::Failure;
use crate::cli::session::{self, Options, Talk};
use crate::cli::words;

/// What became of making one device ready.
pub(crate) struct Unit {
    /// As the operator named it.
    pub(crate) device: String,
    pub(crate) state: Result<Ready, NotReady>,
}

/// Why a device is not ready. Nothing was sent that changes it.
///
/// The two are one for the end of a command: whether a name is a slip or a disk that has died cannot be told from
/// here, and either way the others are fenced, and this one is not known to be.
pub(crate) enum NotReady {
    /// The name stands for nothing a fence works on.
    NoDevice(String),
    /// It is or was a device, and does not answer.
    Silent(String),
}

impl NotReady {
    pub(crate) fn why(&self) -> &str {
        match self {
            Self::NoDevice(why) | Self::Silent(why) => why,
        }
    }

    fn to_open(e: &OpenError) -> Self {
        if silent(e) { Self::Silent(e.to_string()) } else { Self::NoDevice(e.to_string()) }
    }
}

/// The end of a dry run: nothing is promised of a device that could not be read.
pub(crate) fn dry_run_exit(units: &[Unit]) -> Exit {
    if units.iter().all(|u| u.state.is_ok()) { Exit::Confirmed } else { Exit::File }
}

/// A device that was read.
pub(crate) struct Ready {
    /// The opened paths, and what they are called.
    pub(crate) paths: Vec<Box<dyn ScsiDevice>>,
    pub(crate) names: Vec<String>,
    /// Paths that could not be opened, and why.
    pub(crate) unopened: Vec<(String, String)>,
    pub(crate) identity: String,
    pub(crate) way: Way,
    pub(crate) generation: Generation,
    pub(crate) keys: Vec<Key>,
    pub(crate) holder: Option<Holder>,
    /// The registrations with their initiators, where the target tells them.
    pub(crate) status: Option<FullStatus>,
    /// The key registered under this host's own TransportID, where both are told.
    pub(crate) nexus_key: Option<Key>,
    /// Whether both are told.
    pub(crate) nexus: Nexus,
}

/// Whether the registration of this host's own path can be told from the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Nexus {
    Told,
    /// The system does not tell this path's own TransportID, or the target none, or only half of it.
    Untold,
}

/// Paths by name, and what could be further ones but is not counted, with why.
pub(crate) type Paths = (Vec<String>, Vec<(String, String)>);

/// The paths of what the operator named: that one, or all of the unit where `all` says so or the name
/// means all of them (dm-multipath, several ports).
///
/// # Errors
/// A name that means no device at all, or one none of whose paths answers.
pub(crate) fn paths_of(spec: &str, all: bool) -> Result<Paths, OpenError> {
    if !all && multipath::candidates(spec)?.asked == Asked::ForOnePath {
        return Ok((vec![spec.to_owned()], Vec::new()));
    }
    let unit = multipath::resolve(spec)?;
    let doubtful = unit.doubtful.into_iter().map(|d| (d.path.to_string(), d.why)).collect();
    Ok((unit.paths.iter().map(ToString::to_string).collect(), doubtful))
}

/// How long the others may take beyond the first device that is ready, before it is fenced without them.
const STRAGGLE: Duration = Duration::from_millis(250);
/// The same as a multiple of what that first one took.
const STRAGGLE_TIMES: u32 = 4;

/// Devices that are being made ready.
pub(crate) struct Scouts {
    devices: Vec<String>,
    /// Which of them have not come back.
    out: Vec<bool>,
    back: Receiver<(usize, Made)>,
    until: Instant,
}

/// One device made ready or not.
type Made = Result<Ready, NotReady>;

/// Makes all devices ready.
///
/// # Errors
/// A device named twice: then nothing is sent anywhere.
pub(crate) fn ready(devices: &[String], all_paths: bool, with: Options) -> Result<Vec<Unit>, Failure> {
    let units = Scouts::send(devices, all_paths, with)?.all();
    same_twice(&units)?;
    Ok(units)
}

impl Scouts {
    /// Begins to make all devices ready, a thread each.
    ///
    /// # Errors
    /// A device named twice, or a thread that could not be started.
    pub(crate) fn send(devices: &[String], all_paths: bool, with: Options) -> Result<Self, Failure> {
        for (i, d) in devices.iter().enumerate() {
            if devices[..i].contains(d) {
                return Err(Failure::new(
                    Exit::Usage,
                    format!("reading the devices: {d}"),
                    "it is named twice",
                    "name each device once",
                ));
            }
        }
        let (tx, back) = channel();
        for (i, spec) in devices.iter().enumerate() {
            let (tx, spec) = (tx.clone(), spec.clone());
            let made = std::thread::Builder::new().name("ready".into()).spawn(move || {
                // Nobody to tell any more: the command gave up on this device.
                let _ = tx.send((i, one(&spec, all_paths, with)));
            });
            made.map_err(|e| {
                Failure::new(Exit::Refused, "starting a thread", e.to_string(), "nothing was sent; try again")
            })?;
        }
        // Four commands a device at the most, each with its timeout, a path or two that do not say who they
        // are, and room to be scheduled.
        let until = Instant::now() + with.command_timeout() * 5 + Duration::from_secs(8);
        Ok(Self { devices: devices.to_vec(), out: vec![true; devices.len()], back, until })
    }

    /// Whoever is back soon after the first that is ready, by the place they were named at: one that
    /// hangs must not keep the others waiting for their fence.
    ///
    /// # Errors
    /// A device named twice.
    pub(crate) fn first(&mut self) -> Result<Vec<(usize, Unit)>, Failure> {
        let begun = Instant::now();
        let mut until = self.until;
        let mut found = Vec::new();
        while let Some((i, state)) = self.next(until) {
            if state.is_ok() && found.iter().all(|(_, u): &(_, Unit)| u.state.is_err()) {
                let now = Instant::now();
                until = until.min(now + STRAGGLE.max((now - begun) * STRAGGLE_TIMES));
            }
            found.push((i, self.unit(i, state)));
        }
        found.sort_by_key(|(i, _)| *i);
        let seen: Vec<(&str, &str)> = found.iter().filter_map(|(_, u)| u.named()).collect();
        once(&seen)?;
        Ok(found)
    }

    /// Whether all are back.
    pub(crate) fn complete(&self) -> bool {
        !self.out.contains(&true)
    }

    /// The others, once `first` were fenced. Nothing can be refused as a whole any more: each says for
    /// itself what is wrong with it.
    pub(crate) fn rest(&mut self, first: &[(String, String)]) -> Vec<(usize, Unit)> {
        let mut known = first.to_vec();
        let mut found = Vec::new();
        while let Some((i, state)) = self.next(self.until) {
            let mut unit = self.unit(i, state);
            if let Some((device, identity)) = unit.named().map(|(d, i)| (d.to_owned(), i.to_owned())) {
                match known.iter().find(|(_, seen)| *seen == identity) {
                    Some((other, _)) => {
                        let why = format!("it is the same as {other}: both are {identity}");
                        unit.state = Err(NotReady::NoDevice(why));
                    }
                    None => known.push((device, identity)),
                }
            }
            found.push((i, unit));
        }
        let missing: Vec<usize> = (0..self.out.len()).filter(|i| self.out[*i]).collect();
        found.extend(missing.into_iter().map(|i| {
            let nothing = Err(NotReady::Silent(words::no_answer(NoAnswer::Outstanding)));
            (i, self.unit(i, nothing))
        }));
        found.sort_by_key(|(i, _)| *i);
        found
    }

    /// All of them, as they were named.
    fn all(mut self) -> Vec<Unit> {
        let mut units: Vec<Unit> = Vec::new();
        for device in &self.devices {
            let state = Err(NotReady::Silent(words::no_answer(NoAnswer::Outstanding)));
            units.push(Unit { device: device.clone(), state });
        }
        while let Some((i, state)) = self.next(self.until) {
            units[i].state = state;
        }
        units
    }

    fn next(&mut self, until: Instant) -> Option<(usize, Made)> {
        if self.complete() {
            return None;
        }
        let back = self.back.recv_timeout(until.saturating_duration_since(Instant::now())).ok()?;
        self.out[back.0] = false;
        Some(back)
    }

    fn unit(&self, i: usize, state: Result<Ready, NotReady>) -> Unit {
        Unit { device: self.devices[i].clone(), state }
    }
}

impl Unit {
    /// As the operator named it, and as it names itself.
    pub(crate) fn named(&self) -> Option<(&str, &str)> {
        Some((self.device.as_str(), self.state.as_ref().ok()?.identity.as_str()))
    }
}

/// Two names of one logical unit: its victim would be preempted twice, and counted twice as proof.
fn same_twice(units: &[Unit]) -> Result<(), Failure> {
    once(&units.iter().filter_map(Unit::named).collect::<Vec<_>>())
}

fn once(known: &[(&str, &str)]) -> Result<(), Failure> {
    for (i, (device, identity)) in known.iter().enumerate() {
        if let Some((other, _)) = known[..i].iter().find(|(_, seen)| seen == identity) {
            return Err(Failure::new(
                Exit::Usage,
                format!("reading the devices: {other} and {device}"),
                format!("both are {identity}"),
                "name each logical unit once",
            ));
        }
    }
    Ok(())
}

/// Opens, identifies and looks at one device.
fn one(spec: &str, all_paths: bool, with: Options) -> Made {
    let (mut paths, mut names) = (Vec::new(), Vec::new());
    let (found, mut unopened) = match paths_of(spec, all_paths) {
        Ok(found) => found,
        Err(e) => return Err(NotReady::to_open(&e)),
    };
    for name in found {
        match arbitrate::device::open::open(&name) {
            Ok(d) => {
                paths.push(crate::cli::recording::wrap(d));
                names.push(name);
            }
            Err(e) if silent(&e) => unopened.push((name, e.to_string())),
            Err(e) => return Err(NotReady::to_open(&e)),
        }
    }
    if paths.is_empty() {
        let answer = unopened.into_iter().map(|(_, why)| why).collect::<Vec<_>>().join("; ");
        return Err(NotReady::Silent(answer));
    }
    let mut last = NotReady::Silent(String::new());
    // By the first path that answers; the fence passes over dead paths by itself.
    for first in 0..paths.len() {
        match seen(paths[first].as_mut(), &names[first], with) {
            Ok(s) => {
                let Seen { identity, way, generation, keys, holder, status, nexus_key, nexus } = s;
                paths.rotate_left(first);
                names.rotate_left(first);
                return Ok(Ready {
                    paths,
                    names,
                    unopened,
                    identity,
                    way,
                    generation,
                    keys,
                    holder,
                    status,
                    nexus_key,
                    nexus,
                });
            }
            Err(e) => last = e,
        }
    }
    Err(last)
}

/// A device that may be there and does not answer, rather than a name that is none.
const fn silent(e: &OpenError) -> bool {
    if let OpenError::Sim(e) = e {
        return !matches!(e, SimError::Spec(_) | SimError::NotOurs { .. });
    }
    matches!(
        e,
        OpenError::NotThere(_) | OpenError::Io { .. } | OpenError::Unnamed { .. } | OpenError::NoPaths(_)
    )
}

struct Seen {
    identity: String,
    way: Way,
    generation: Generation,
    keys: Vec<Key>,
    holder: Option<Holder>,
    status: Option<FullStatus>,
    nexus_key: Option<Key>,
    nexus: Nexus,
}

fn seen(device: &mut dyn ScsiDevice, name: &str, with: Options) -> Result<Seen, NotReady> {
    let mut talk = Talk { out: with.out, device: name.to_owned() };
    let mut on = Executor::new(device, &mut talk as &mut dyn Observer);
    let mut pacer = SystemPacer::deaf();
    let timeout = with.command_timeout();
    let identity =
        session::identity(name, &mut on, timeout, &mut pacer).map_err(|f| NotReady::Silent(f.answer))?.name;
    match identify::full_status(&mut on, timeout, &mut pacer) {
        Ok(status) => {
            let own = on.device().own_transport_id();
            let cut =
                status.registrations.iter().any(|r| matches!(r.transport_id, TransportId::IscsiCut { .. }));
            let nexus = if own.is_none() || cut { Nexus::Untold } else { Nexus::Told };
            let nexus_key = own.and_then(|own| {
                status.registrations.iter().find(|r| r.transport_id.emit() == own).map(|r| r.key)
            });
            let holder = status.registrations.iter().find_map(|r| {
                let kind = r.holds?;
                Some(Holder { key: if kind.all_registrants() { Key::default() } else { r.key }, kind })
            });
            Ok(Seen {
                identity,
                way: Way::FullStatus,
                generation: status.generation,
                keys: status.registrations.iter().map(|r| r.key).collect(),
                holder,
                status: Some(status),
                nexus_key,
                nexus,
            })
        }
        Err(Class::Illegal(_)) => two_looks(&mut on, identity, timeout, &mut pacer),
        Err(class) => Err(NotReady::Silent(words::class(&class, false).1)),
    }
}

/// A target without READ FULL STATUS.
fn two_looks(
    on: &mut Executor<'_>,
    identity: String,
    timeout: Duration,
    pacer: &mut SystemPacer,
) -> Result<Seen, NotReady> {
    let failed = |r: Reply<'_>| NotReady::Silent(words::no_answer(r.why()));
    let deadline = pacer.now() + timeout;
    let (generation, keys) = match on.run(&Command::ReadKeys, deadline, pacer) {
        Reply::Keys(v) => (v.generation(), v.iter().collect()),
        other => return Err(failed(other)),
    };
    let deadline = pacer.now() + timeout;
    let holder = match on.run(&Command::ReadReservation, deadline, pacer) {
        Reply::Reservation(r) => r.holder,
        other => return Err(failed(other)),
    };
    let way = Way::KeysAndReservation;
    Ok(Seen { identity, way, generation, keys, holder, status: None, nexus_key: None, nexus: Nexus::Untold })
}

/// Who this host is said to be.
#[derive(Clone, Copy)]
pub(crate) enum Me {
    /// Registered with this key.
    Key(Key),
    /// This node of the cluster.
    Node(NodeNumber),
    /// Whoever stands under this host's own TransportID.
    Nexus,
}

impl Ready {
    /// The key this host is registered with; `None` if it is not.
    ///
    /// # Errors
    /// What contradicts who it is said to be.
    pub(crate) fn own(&self, me: Me, cluster: ClusterId) -> Result<Option<Key>, String> {
        let found = match me {
            Me::Nexus if self.nexus_key.is_none() && self.nexus == Nexus::Untold => {
                return Err(
                    "which registration is this host's cannot be told here: the system does not tell \
                            this path's own TransportID, or the target not all of it"
                        .to_owned(),
                );
            }
            Me::Nexus => self.nexus_key,
            Me::Key(k) => self.keys.contains(&k).then_some(k),
            Me::Node(n) => self.of_node(n, cluster)?,
        };
        match (found, self.nexus_key) {
            (Some(k), Some(here)) if k != here => Err(format!(
                "this host is registered here with key {here}, not with {k}: it is not who it is said to be"
            )),
            _ => Ok(found),
        }
    }

    /// The key of a node that has one life here; of several, the one on this host's nexus.
    fn of_node(&self, n: NodeNumber, cluster: ClusterId) -> Result<Option<Key>, String> {
        let mut lives: Vec<Key> = self.keys_of(n, cluster);
        if let Some(here) = self.nexus_key.filter(|k| lives.contains(k)) {
            return Ok(Some(here));
        }
        match (lives.pop(), lives.is_empty()) {
            (None, _) => Ok(None),
            (Some(one), true) => Ok(Some(one)),
            (Some(_), false) => Err(format!(
                "node {n} is registered in several lives here, and which is this host's cannot be told: say it with --key"
            )),
        }
    }

    /// The different keys of a node.
    pub(crate) fn keys_of(&self, n: NodeNumber, cluster: ClusterId) -> Vec<Key> {
        let mut keys: Vec<Key> =
            self.keys.iter().copied().filter(|k| k.parts_in(cluster).is_some_and(|p| p.node == n)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}
