//! What a challenge of legacy mode is going to do, and what it needs to begin.

use std::time::Duration;

use arbitrate::device::ResetScope;
use arbitrate::device::classify::Class;
use arbitrate::key::{Key, KeyParts, Stance};
use arbitrate::protocol::{Command, Reply};
use arbitrate::runtime::executor::Executor;
use arbitrate::runtime::identify::identify;
use arbitrate::runtime::legacy::LegacyContest;
use arbitrate::runtime::lives::LivesFile;
use arbitrate::runtime::pacer::Pacer;
use arbitrate::runtime::store::{Lock, Place};
use serde_json::{Value, json};

use super::{ends, scope_words};
use crate::cli::challenge::{lives_failed, store};
use crate::cli::node::Node;
use crate::cli::output::Failure;
use crate::cli::session::Options;
use crate::cli::timeline::millis;
use crate::cli::verbs::hex;
use crate::cli::words;

/// A reset takes longer than a command: Linux gives each of its steps 10 s.
const RESET_TIMEOUT: Duration = Duration::from_secs(15);

/// A challenge, or a defence, about to begin.
pub(crate) struct Plan<'a> {
    pub(crate) device: &'a str,
    pub(crate) node: &'a Node,
    /// The best name of the disk.
    pub(crate) name: String,
    product: String,
    nexus: Option<Vec<u8>>,
    timeout: Duration,
    reset_timeout: Duration,
    scope: ResetScope,
}

/// What keeps other processes off this disk, as long as it lives.
pub(crate) struct Locks {
    pub(crate) lives: LivesFile,
    _nexus: Lock,
}

impl<'a> Plan<'a> {
    /// Identifies the device.
    pub(crate) fn new(
        device: &'a str,
        node: &'a Node,
        scope: ResetScope,
        with: Options,
        on: &mut Executor<'_>,
        pacer: &mut dyn Pacer,
    ) -> Result<Self, Failure> {
        let timeout = with.timeout.unwrap_or(node.timing.spec().tick);
        let nexus = on.device().own_transport_id();
        let (name, product) = match identify(on, timeout, pacer) {
            Ok(id) => (id.name, id.product),
            // SCSI-2 knows no page 83h. The name keeps this host's records apart and stands nowhere else.
            Err(e) if e.command.starts_with("INQUIRY, page 83h") && answered(&e.class) => {
                (format!("path-{device}"), "a disk without a name (no page 83h)".to_owned())
            }
            Err(e) => {
                let (exit, answer) = words::class(&e.class, false);
                let tried = format!("identifying {device} ({})", e.command);
                return Err(Failure::new(exit, tried, answer, exit.row().next));
            }
        };
        let reset_timeout = with.timeout.unwrap_or(RESET_TIMEOUT).max(RESET_TIMEOUT);
        Ok(Self { device, node, name, product, nexus, timeout, reset_timeout, scope })
    }

    pub(crate) fn contest(&self) -> LegacyContest {
        LegacyContest {
            scope: self.scope,
            timing: self.node.timing,
            command_timeout: self.timeout,
            reset_timeout: self.reset_timeout,
        }
    }

    /// Locks the nexus against every process of this host, of whatever node and mode: RESERVE(6) cannot
    /// tell two of them apart.
    pub(crate) fn locks(&self) -> Result<Locks, Failure> {
        let node = self.node;
        let lives = LivesFile::open(node.state_place(&self.name), node.cluster, node.number)
            .map_err(|e| store(&e))?;
        let nexus = self.nexus.as_deref().map(hex).unwrap_or_default();
        let place = node.host_place(&format!("{}@{nexus}", self.name));
        let held = place.lock("legacy.lock").map_err(|e| store(&e))?;
        Ok(Locks { lives, _nexus: held })
    }

    /// Where a victory is handed over; apart from those of persistent mode.
    pub(crate) fn handover(&self) -> Place {
        self.node.runtime_place(&format!("{}.legacy", self.name))
    }

    /// The name of the life that begins: it stands in this host's records only, not on the disk.
    pub(crate) fn life(&self, locks: &mut Locks) -> Result<Key, Failure> {
        let incarnation = locks.lives.fresh(None).map_err(|e| lives_failed(&e))?;
        let (cluster, node) = (self.node.cluster, self.node.number);
        Ok(KeyParts { cluster, node, stance: Stance::Settled, incarnation }.key())
    }

    /// Refuses a disk that persistent reservations rule, without sending anything that changes it. What
    /// else the disk may say is the challenge's business.
    pub(crate) fn refuse_registered(
        &self,
        on: &mut Executor<'_>,
        pacer: &mut dyn Pacer,
    ) -> Result<(), Failure> {
        let deadline = pacer.now() + self.timeout;
        match on.run(&Command::ReadKeys, deadline, pacer) {
            Reply::Keys(v) if !v.is_empty() => Err(ends::registered(self.device, v.len())),
            _ => Ok(()),
        }
    }

    pub(crate) fn text(&self) -> String {
        let t = self.node.timing.spec();
        format!(
            "{} is {} ({})\n  {}, LEGACY mode (SPC-2)\n  \
             plan: TEST UNIT READY; where another holds the disk, reset {}; wait {:?} from the moment the disk is seen free; \
             RESERVE(6); own it after it was held for another {:?}, tick by tick ({:?})\n  \
             {}, {:?} the reset\n  \
             a reset opens the disk to EVERYBODY until the next RESERVE(6): only the lease and the watchdog stop a loser then",
            self.device,
            self.name,
            self.product,
            self.node.challenger(),
            scope_words(self.scope),
            t.window,
            t.window,
            t.tick,
            self.node.budget(self.timeout),
            self.reset_timeout,
        )
    }

    pub(crate) fn json(&self) -> Value {
        let t = self.node.timing.spec();
        json!({
            "device": self.device, "identity": self.name, "product": self.product, "mode": "legacy",
            "cluster": self.node.name, "cluster_id": self.node.cluster.to_string(),
            "node": self.node.number.get(), "profile": self.node.profile,
            "reset": self.scope_name(), "window_ms": millis(t.window), "hold_ms": millis(t.window),
            "tick_ms": millis(t.tick), "tick_budget_ms": millis(t.tick_budget), "margin_ms": millis(t.margin),
            "command_timeout_ms": millis(self.timeout), "reset_timeout_ms": millis(self.reset_timeout),
        })
    }

    const fn scope_name(&self) -> &'static str {
        match self.scope {
            ResetScope::LogicalUnit => "lun",
            ResetScope::Target => "target",
            ResetScope::Bus => "bus",
            ResetScope::Host => "host",
        }
    }
}

/// Whether the device itself said that it has no such page, or one that names no logical unit.
const fn answered(class: &Class) -> bool {
    matches!(class, Class::Illegal(_) | Class::Malformed)
}
