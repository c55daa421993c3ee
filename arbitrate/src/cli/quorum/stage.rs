//! The devices as they were found, in the order of the race.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use arbitrate::key::Key;
use arbitrate::protocol::{Roster, Weight};
use arbitrate::runtime::handover::{self, HandoverError};
use arbitrate::runtime::store::Place;
use arbitrate::time::Instant;
use serde_json::{Value, json};

use super::scout::{Book, Entry, Finder};
use crate::cli::challenge::store;
use crate::cli::exit::Exit;
use crate::cli::node::Node;
use crate::cli::output::Failure;
use crate::cli::session::Options;
use crate::cli::timeline::millis;

/// Beyond the commands of a first look: opening, and a busy machine.
const GRACE: Duration = Duration::from_secs(1);

/// The devices of a race. A place counts in the order of the race, not of the command line.
pub(super) struct Stage {
    pub(super) node: Arc<Node>,
    pub(super) roster: Roster,
    /// As the operator calls them. Lives as long as the process does.
    pub(super) names: Vec<&'static str>,
    timeout: Duration,
    book: Arc<Book>,
    finders: Vec<Finder>,
}

impl Stage {
    /// Looks at all devices at once, and refuses what cannot be a quorum. One that does not answer is
    /// waited for no longer than a command may take.
    pub(super) fn set(first: &str, more: &[String], node: Node, with: Options) -> Result<Self, Failure> {
        let node = Arc::new(node);
        let timeout = with.timeout.unwrap_or(node.timing.spec().tick);
        let given: Vec<String> = std::iter::once(first.to_owned()).chain(more.iter().cloned()).collect();
        // Refused before anything is opened, where the number alone says so.
        Roster::new(&given.iter().map(|s| (s.as_str(), None)).collect::<Vec<_>>()).map_err(refused)?;
        let book = Book::new(given.len());
        let mut found = look_at_all(&given, &node, timeout, &book);
        let seen = book.read();
        let known: Vec<(&str, Option<&str>)> =
            given.iter().zip(&found).map(|(s, (_, id))| (s.as_str(), id.as_deref())).collect();
        // A duplicate is noted by the book, too: the second of the two is then not identified.
        if let Some((i, why)) = seen.iter().enumerate().find_map(|(i, e)| Some((i, e.why.as_deref()?)))
            && why.starts_with("it is the same device")
        {
            return Err(Failure::new(
                Exit::Usage,
                format!("naming {} as a quorum device", given[i]),
                format!("{why}: it would vote twice"),
                "name each device once, by one path",
            ));
        }
        let roster = Roster::new(&known).map_err(refused)?;
        let order = roster.order().to_vec();
        let names = order.iter().map(|i| &*Box::leak(given[*i].clone().into_boxed_str())).collect();
        let mut finders = Vec::new();
        for place in &order {
            let (finder, identity) = &mut found[*place];
            let mut finder =
                finder.take().unwrap_or_else(|| Finder::new(*place, &given[*place], &node, timeout, &book));
            if let Some(identity) = identity {
                finder.lock(identity).map_err(|why| {
                    Failure::new(
                        Exit::Refused,
                        format!("keeping this node's records of {}", given[*place]),
                        why,
                        "nothing was sent that changes a disk",
                    )
                })?;
            }
            finders.push(finder);
        }
        Ok(Self { node, roster, names, timeout, book, finders })
    }

    /// The finders, once.
    pub(super) fn finders(&mut self) -> Vec<Finder> {
        std::mem::take(&mut self.finders)
    }

    /// What is known of the device at this place of the race.
    pub(super) fn entry(&self, i: usize) -> Entry {
        let place = self.roster.order().get(i).copied().unwrap_or(usize::MAX);
        self.book.read().get(place).cloned().unwrap_or_default()
    }

    /// Where what was won is handed over, and under which name: that of one device of so many, which a
    /// `defend` of another number does not take.
    pub(super) fn handover(&self, i: usize) -> Option<(Place, String)> {
        let identity = self.entry(i).identity?;
        let name = format!("{identity}, one of {}", self.names.len());
        Some((self.node.runtime_place(&identity), name))
    }

    pub(super) fn forget_handovers(&self) -> Result<(), Failure> {
        for (place, _) in (0..self.names.len()).filter_map(|i| self.handover(i)) {
            handover::forget(&place).map_err(|e| store(&e))?;
        }
        Ok(())
    }

    /// Takes what was won of the device at this place.
    pub(super) fn take(&mut self, i: usize, now: Instant) -> Result<(Key, Instant), String> {
        // One whose look came back too late is identified, but its handle is not here.
        if self.finders.get(i).is_none_or(|f| f.device.is_none()) {
            let name = self.names[i];
            return Err(format!("{name} answered too late to be taken over; its record is left untouched"));
        }
        let (place, name) = self.handover(i).ok_or_else(|| format!("{} is not identified", self.names[i]))?;
        handover::take(&place, &name, (self.node.cluster, self.node.number), now)
            .map_err(|e: HandoverError| format!("{}: {e}", self.names[i]))
    }

    /// The plan, for people and for programs.
    pub(super) fn plan(&self, weight: Weight) -> (String, Value) {
        let t = self.node.timing.spec();
        let delay = weight.delay(&self.node.timing);
        let all = self.roster.configured();
        let mut text = format!(
            "{} quorum devices, {} are a majority; seized in this order:",
            all.count(),
            all.majority()
        );
        let mut devices = Vec::new();
        for (i, name) in self.names.iter().enumerate() {
            let e = self.entry(i);
            let who = match (&e.identity, &e.why) {
                (Some(id), _) => id.clone(),
                (None, Some(why)) => format!("NOT FOUND: {why}"),
                (None, None) => "NOT FOUND: it does not answer".to_owned(),
            };
            text.push_str(&format!("\n  {}. {name} is {who}", i + 1));
            devices.push(json!({ "device": name, "identity": e.identity, "why": e.why }));
        }
        text.push_str(&format!(
            "\n  {}\n  plan: {}REGISTER a challenging key on each; wait {:?} from the moment it is seen registered; \
             then PREEMPT AND ABORT the holders seen now, one device after the other; read back; the first device lost ends the attempt\n  {}",
            self.node.challenger(),
            if delay.is_zero() { String::new() } else { format!("wait {delay:?} for this node's weight; ") },
            t.window,
            self.node.budget(self.timeout),
        ));
        let fields = json!({
            "devices": devices, "configured": all.count(), "majority": all.majority(),
            "cluster": self.node.name, "cluster_id": self.node.cluster.to_string(),
            "node": self.node.number.get(), "profile": self.node.profile, "delay_ms": millis(delay),
            "window_ms": millis(t.window), "tick_ms": millis(t.tick), "tick_budget_ms": millis(t.tick_budget),
            "margin_ms": millis(t.margin), "command_timeout_ms": millis(self.timeout),
        });
        (text, fields)
    }
}

type Looked = (Option<Finder>, Option<String>);

/// One thread a device; one that is not back in time keeps what it has.
fn look_at_all(given: &[String], node: &Arc<Node>, timeout: Duration, book: &Arc<Book>) -> Vec<Looked> {
    let (tell, hear) = channel();
    for (place, spec) in given.iter().enumerate() {
        let mut finder = Finder::new(place, spec, node, timeout, book);
        let tell = tell.clone();
        // Detached: it may never come back.
        let _ = std::thread::Builder::new().name("look".into()).spawn(move || {
            let identity = finder.look();
            let _ = tell.send((place, finder, identity));
        });
    }
    drop(tell);
    let mut all: Vec<Looked> = given.iter().map(|_| (None, None)).collect();
    let until = arbitrate::clock::now() + timeout + GRACE;
    while let Ok((place, finder, identity)) = hear.recv_timeout(until.since(arbitrate::clock::now())) {
        if let Some(slot) = all.get_mut(place) {
            *slot = (Some(finder), identity);
        }
    }
    all
}

fn refused(e: arbitrate::protocol::RosterError) -> Failure {
    Failure::new(
        Exit::Usage,
        "choosing the quorum devices",
        e.to_string(),
        "docs/quorum-devices.md says how many to configure",
    )
}
