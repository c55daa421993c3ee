//! Finds one quorum device, again and again: opens it, makes sure who it is, takes a fresh incarnation.
//!
//! Runs on the device's own thread: whatever hangs here holds up this device alone. Must never print.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arbitrate::codec::pr::Aptpl;
use arbitrate::device::ScsiDevice;
use arbitrate::device::classify::Class;
use arbitrate::device::open::open;
use arbitrate::protocol::Rules;
use arbitrate::runtime::contest::Contest;
use arbitrate::runtime::executor::{Executor, Unobserved};
use arbitrate::runtime::identify::{Known, identify, reservations};
use arbitrate::runtime::lives::LivesFile;
use arbitrate::runtime::pacer::SystemPacer;
use arbitrate::runtime::quorum::{Found, Scout};

use crate::cli::node::Node;
use crate::cli::words;

/// What is known of every device, by its place on the command line.
#[derive(Debug)]
pub(super) struct Book(Mutex<Vec<Entry>>);

#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) identity: Option<String>,
    /// Whether registrations are asked to outlive a power loss.
    pub(super) aptpl: Option<Aptpl>,
    /// Why it could not be found the last time.
    pub(super) why: Option<String>,
}

impl Book {
    pub(super) fn new(devices: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(vec![Entry::default(); devices])))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn read(&self) -> Vec<Entry> {
        self.lock().clone()
    }

    /// Notes who the device at `place` says it is; refused if it said otherwise before, or if another
    /// says the same.
    fn note(&self, place: usize, identity: &str, aptpl: Aptpl) -> Result<(), String> {
        let mut all = self.lock();
        if let Some(other) =
            all.iter().enumerate().find(|(i, e)| *i != place && e.identity.as_deref() == Some(identity))
        {
            return Err(format!("it is the same device as number {} ({identity})", other.0 + 1));
        }
        let Some(entry) = all.get_mut(place) else { return Ok(()) };
        match &entry.identity {
            Some(before) if before != identity => {
                Err(format!("it is another device now: {identity}, not {before}"))
            }
            _ => {
                entry.identity = Some(identity.to_owned());
                entry.aptpl = Some(aptpl);
                entry.why = None;
                Ok(())
            }
        }
    }

    fn failed(&self, place: usize, why: String) {
        if let Some(e) = self.lock().get_mut(place) {
            e.why = Some(why);
        }
    }
}

/// One device.
pub(super) struct Finder {
    pub(super) place: usize,
    pub(super) spec: String,
    pub(super) node: Arc<Node>,
    pub(super) timeout: Duration,
    pub(super) book: Arc<Book>,
    pub(super) device: Option<Box<dyn ScsiDevice>>,
    pub(super) lives: Option<LivesFile>,
}

impl Finder {
    pub(super) fn new(
        place: usize,
        spec: &str,
        node: &Arc<Node>,
        timeout: Duration,
        book: &Arc<Book>,
    ) -> Self {
        Self {
            place,
            spec: spec.to_owned(),
            node: Arc::clone(node),
            timeout,
            book: Arc::clone(book),
            device: None,
            lives: None,
        }
    }

    /// Opens and identifies it.
    pub(super) fn look(&mut self) -> Option<String> {
        match self.try_look() {
            Ok(identity) => Some(identity),
            Err(why) => {
                self.book.failed(self.place, why);
                None
            }
        }
    }

    fn try_look(&mut self) -> Result<String, String> {
        let mut device = match self.device.take() {
            Some(d) => d,
            None => open(&self.spec).map_err(|e| e.to_string())?,
        };
        let found = {
            let mut unobserved = Unobserved;
            let mut on = Executor::new(device.as_mut(), &mut unobserved);
            let mut pacer = SystemPacer::deaf();
            identify(&mut on, self.timeout, &mut pacer).map_err(|e| (e.command, e.class)).and_then(|id| {
                let known = reservations(&mut on, self.timeout, &mut pacer);
                known.map(|k| (id.name, aptpl(&k))).map_err(|class| ("REPORT CAPABILITIES", class))
            })
        };
        let (identity, aptpl) = match found {
            Ok(found) => found,
            Err((command, class)) => {
                // A handle with a stuck thread is kept: a new one would only get stuck as well.
                if matches!(class, Class::Outstanding | Class::DeviceLost) {
                    self.device = Some(device);
                }
                return Err(format!("{command}: {}", words::class(&class, false).1));
            }
        };
        self.book.note(self.place, &identity, aptpl)?;
        self.device = Some(device);
        Ok(identity)
    }

    /// Handles for a crew.
    pub(super) fn handles(&mut self) -> Vec<Box<dyn ScsiDevice>> {
        let Some(device) = self.device.take() else { return Vec::new() };
        let several = device.unguarded();
        if several.is_empty() {
            return vec![device];
        }
        self.device = Some(device);
        several
    }

    /// Locks this node's records of the device for this process.
    pub(super) fn lock(&mut self, identity: &str) -> Result<&mut LivesFile, String> {
        let lives = match self.lives.take() {
            Some(l) => l,
            None => {
                let place = self.node.state_place(identity);
                let lives = LivesFile::open(place, self.node.cluster, self.node.number);
                let mut lives = lives.map_err(|e| e.to_string())?;
                // Now, and not between a suspicion and the REGISTER.
                lives.reserve().map_err(|e| e.to_string())?;
                lives
            }
        };
        Ok(self.lives.insert(lives))
    }

    fn try_find(&mut self) -> Result<Found, String> {
        let identity = self.try_look()?;
        self.lock(&identity)?;
        let (Some(device), Some(lives)) = (self.device.as_mut(), self.lives.as_mut()) else {
            return Err("it is gone".into());
        };
        let mut unobserved = Unobserved;
        let mut pacer = SystemPacer::deaf();
        let mut on = Executor::new(device.as_mut(), &mut unobserved);
        let known = reservations(&mut on, self.timeout, &mut pacer)
            .map_err(|class| format!("REPORT CAPABILITIES: {}", words::class(&class, false).1))?;
        let contest = Contest {
            cluster: self.node.cluster,
            node: self.node.number,
            kind: self.node.kind,
            timing: self.node.timing,
            command_timeout: self.timeout,
            aptpl: aptpl(&known),
            nexus_key: known.nexus_key,
            formatted: None,
            rules: Rules::default(),
        };
        let setup = contest.fresh_life(lives, &mut on, &mut pacer).map_err(|e| e.to_string())?;
        let devices = self.handles();
        if devices.is_empty() {
            return Err("there is no handle left to send commands through".into());
        }
        Ok(Found { devices, setup })
    }
}

impl Scout for Finder {
    fn find(&mut self) -> Option<Found> {
        match self.try_find() {
            Ok(found) => Some(found),
            Err(why) => {
                self.book.failed(self.place, why);
                None
            }
        }
    }
}

/// Persistence is asked for wherever it is offered.
fn aptpl(known: &Known) -> Aptpl {
    if known.persists { Aptpl::Yes } else { Aptpl::No }
}
