//! Admitting a node to a data device again: a fresh key on this nexus, read back (design section 5).
//!
//! ```text
//!   Survey ──foreign key, this number in a life not of this host──► Refused
//!     │ own ghost on this nexus, holding ──► REGISTER ghost → key (in place) ──┐
//!     │ own ghost on this nexus ──► REGISTER ghost → 0 ──► Look, until gone    │
//!     ▼                                                      │                 │
//!   REGISTER 0 → key ◄───────────────────────────────────────┘                 │
//!     ▼                                                                        │
//!   Look: own key registered ──► Admitted  ◄───────────────────────────────────┘
//! ```
//!
//! Invariant: *Admitted* only after a look showed the fresh key once more than the paths admitted before
//! account for. Must never register a second time after
//! a REGISTER whose outcome is open, never overwrite a key that is not a proven ghost of this host.

use std::time::Duration;

use crate::codec::pr::{Aptpl, Generation, Holder, KeysView, PrOut};
use crate::key::Key;
use crate::protocol::keys::{Lives, Owner};
use crate::protocol::wire::{Command, Event, Next, NoAnswer, Reply, Step};
use crate::time::Instant;

type Out = Step<AdmitNote, AdmitEnd>;

const PAUSE: Duration = Duration::from_millis(50);

/// What an admission starts from.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct AdmitSetup {
    /// This node and its proven ghosts.
    pub lives: Lives,
    /// The key of the fresh life, settled.
    pub key: Key,
    /// Key of an earlier life believed to be registered on this very nexus.
    pub nexus_ghost: Option<Key>,
    /// How often the fresh key is registered already: once for each path admitted before.
    pub before: u32,
    /// Whether to ask for persistence through power loss.
    pub aptpl: Aptpl,
    /// How long one command may take before its outcome is Unknown.
    pub command_timeout: Duration,
    /// How long all of it may take.
    pub budget: Duration,
}

/// How an admission ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AdmitEnd {
    /// Read back: the fresh key is registered.
    Admitted {
        /// The reservation in force, which lets registrants in.
        holder: Option<Holder>,
        /// PRGENERATION at the read-back.
        generation: Generation,
    },
    /// A rule forbids it, or the target refused; the fresh key is not registered.
    Refused(AdmitRefusal),
    /// Whether the fresh key is registered, or yet will be, is open.
    Unknown(NoAnswer),
    /// The device could not be read, and nothing was sent that could change it.
    Unreachable(NoAnswer),
}

/// Why a node is not admitted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AdmitRefusal {
    /// A key of another cluster, or of another tool.
    ForeignKey(Key),
    /// This node's number in a life this host knows nothing of.
    NodeNumberTaken(Key),
    /// This nexus is registered under a key that could not be told.
    NexusTaken,
    /// Another initiator's SPC-2 reservation bars even reading.
    LegacyReservation,
    /// The target refused a command.
    Target(NoAnswer),
}

/// What happened, for the operator.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AdmitNote {
    /// An earlier life's registration on this nexus is being removed.
    RemovingGhost(Key),
    /// An earlier life holds the reservation on this nexus: it is re-keyed in place.
    RekeyingGhost(Key),
    /// The fresh key is being registered.
    Registering(Key),
}

/// One admission to one device by one path.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Admission {
    setup: AdmitSetup,
    until: Instant,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Phase {
    New,
    Looking(For, Option<Seen>),
    Pausing(For, Instant),
    Dropping,
    Registering { existing: Key },
    Over,
}

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum For {
    Survey,
    GhostGone,
    /// Holds why the REGISTER has no answer, where it has none.
    Proof(Option<NoAnswer>),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Seen {
    generation: Generation,
    own: u32,
    ghost: bool,
    objection: Option<AdmitRefusal>,
}

impl Admission {
    /// An admission that has not begun.
    #[must_use]
    pub fn new(setup: AdmitSetup) -> Self {
        Self { setup, until: Instant::default(), phase: Phase::New }
    }

    /// Begins, at `now`.
    pub fn start(&mut self, now: Instant) -> Out {
        self.until = now + self.setup.budget;
        self.look(For::Survey, now)
    }

    /// Takes what happened and says what to do next. [`Event::Release`] stands for [`Event::Wake`].
    pub fn handle(&mut self, event: Event<'_>, now: Instant) -> Out {
        match (self.phase, event) {
            (Phase::Looking(what, seen), Event::Reply(r)) => self.on_look(what, seen, r, now),
            (Phase::Dropping, Event::Reply(r)) => match r {
                // Not registered on this nexus after all: the ghost's nexus is dead.
                Reply::Conflict => self.register(Key::default(), now),
                Reply::Refused(why) => self.refuse(AdmitRefusal::Target(why)),
                // Whatever else came back, a reply to another command too: a look tells.
                _ => self.look(For::GhostGone, now),
            },
            (Phase::Registering { existing }, Event::Reply(r)) => match r {
                Reply::Good => self.look(For::Proof(None), now),
                Reply::Conflict if !existing.is_zero() => self.register(Key::default(), now),
                Reply::Conflict => self.refuse(AdmitRefusal::NexusTaken),
                Reply::Refused(why) => self.refuse(AdmitRefusal::Target(why)),
                Reply::Unknown(why) => self.look(For::Proof(Some(why)), now),
                _ => self.look(For::Proof(Some(NoAnswer::Malformed)), now),
            },
            (Phase::Pausing(what, resume), _) if now >= resume => self.look(what, now),
            (Phase::Pausing(_, resume), _) => Step::new(Next::Wait(resume)),
            // A command is outstanding or all is over: nothing can be due.
            _ => Step::new(Next::Wait(now + PAUSE)),
        }
    }

    fn look(&mut self, what: For, now: Instant) -> Out {
        self.phase = Phase::Looking(what, None);
        self.issue(Command::ReadKeys, now)
    }

    fn issue(&self, command: Command, now: Instant) -> Out {
        let deadline = self.until.min(now + self.setup.command_timeout);
        Step::new(Next::Issue { command, deadline })
    }

    fn on_look(&mut self, what: For, seen: Option<Seen>, r: Reply<'_>, now: Instant) -> Out {
        match (seen, r) {
            (None, Reply::Keys(v)) => {
                self.phase = Phase::Looking(what, Some(self.digest(v)));
                self.issue(Command::ReadReservation, now)
            }
            (Some(seen), Reply::Reservation(r)) => self.on_sight(what, seen, r.holder, now),
            (_, Reply::Conflict) if what == For::Survey => self.refuse(AdmitRefusal::LegacyReservation),
            (_, Reply::Refused(why @ NoAnswer::Sense(_))) if what == For::Survey => {
                self.refuse(AdmitRefusal::Target(why))
            }
            (_, Reply::Refused(why) | Reply::Unknown(why)) => self.again(what, why, now),
            (_, Reply::Conflict) => self.again(what, NoAnswer::Barred, now),
            // A reply to another command than was sent.
            _ => self.again(what, NoAnswer::Malformed, now),
        }
    }

    fn on_sight(&mut self, what: For, seen: Seen, holder: Option<Holder>, now: Instant) -> Out {
        match what {
            For::Survey => match (seen.objection, self.setup.nexus_ghost.filter(|_| seen.ghost)) {
                (Some(why), _) => self.refuse(why),
                (None, Some(g)) if holder.is_some_and(|h| h.key == g) => {
                    self.register(g, now).after(AdmitNote::RekeyingGhost(g))
                }
                (None, Some(g)) => {
                    self.phase = Phase::Dropping;
                    let out = PrOut::register(g, Key::default(), self.setup.aptpl);
                    self.issue(Command::Out(out), now).note(AdmitNote::RemovingGhost(g))
                }
                (None, None) => self.register(Key::default(), now),
            },
            For::GhostGone if seen.ghost => self.again(what, NoAnswer::Contradiction, now),
            For::GhostGone => self.register(Key::default(), now),
            For::Proof(_) if seen.own > self.setup.before => {
                self.end(AdmitEnd::Admitted { holder, generation: seen.generation })
            }
            For::Proof(why) => self.again(what, why.unwrap_or(NoAnswer::Contradiction), now),
        }
    }

    /// Looks again in a moment, or gives up.
    fn again(&mut self, what: For, why: NoAnswer, now: Instant) -> Out {
        if now + PAUSE < self.until {
            let resume = now + PAUSE;
            self.phase = Phase::Pausing(what, resume);
            return Step::new(Next::Wait(resume));
        }
        self.end(match what {
            For::Survey => AdmitEnd::Unreachable(why),
            For::GhostGone | For::Proof(_) => AdmitEnd::Unknown(why),
        })
    }

    fn register(&mut self, existing: Key, now: Instant) -> Out {
        self.phase = Phase::Registering { existing };
        let out = PrOut::register(existing, self.setup.key, self.setup.aptpl);
        self.issue(Command::Out(out), now).note(AdmitNote::Registering(self.setup.key))
    }

    fn digest(&self, v: KeysView<'_>) -> Seen {
        let mut seen = Seen { generation: v.generation(), own: 0, ghost: false, objection: None };
        for k in v.iter() {
            if k == self.setup.key {
                seen.own += 1;
                continue;
            }
            seen.ghost |= Some(k) == self.setup.nexus_ghost;
            let objection = match self.setup.lives.owner(k) {
                Owner::Foreign => Some(AdmitRefusal::ForeignKey(k)),
                Owner::Impostor => Some(AdmitRefusal::NodeNumberTaken(k)),
                Owner::Ghost | Owner::Peer(..) => None,
            };
            seen.objection = seen.objection.or(objection);
        }
        seen
    }

    fn refuse(&mut self, why: AdmitRefusal) -> Out {
        self.end(AdmitEnd::Refused(why))
    }

    fn end(&mut self, end: AdmitEnd) -> Out {
        self.phase = Phase::Over;
        Step::new(Next::End(end))
    }
}
