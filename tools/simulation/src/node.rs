//! One node: the runtime's own code on a nexus and a clock of the scenario.
//!
//! Does what `challenge` and `defend` do, and a service manager that starts them again: [`Contest::run`],
//! [`drive::defence`], [`Executor`] with the retry policy, [`LivesFile`] and [`handover`] on real files.
//! Must never reach into the world but by what a node could do.

use std::path::PathBuf;
use std::time::Duration;

use arbitrate::codec::pr::{Aptpl, ReservationType};
use arbitrate::codec::quorum::{BlockLen, Formatted};
use arbitrate::device::{Completion, Data, Delivery, Escalate, Request, ResetError, ResetScope, ScsiDevice};
use arbitrate::key::{ClusterId, NodeNumber};
use arbitrate::protocol::{
    ChallengeNote, DefenceEnd, DefenceNote, DefenceSetup, Defender, FedWatchdog, FirstLease, Timing,
};
use arbitrate::runtime::contest::{Audience, Contest, ContestEnd};
use arbitrate::runtime::executor::{Executor, Unobserved};
use arbitrate::runtime::lives::LivesFile;
use arbitrate::runtime::pacer::{Pacer, Woke};
use arbitrate::runtime::store::Place;
use arbitrate::runtime::{drive, handover, identify};
use arbitrate::time::Instant;

use crate::fabric::Load;
use crate::plan::nanos;
use crate::stage::Handle;

const KIND: ReservationType = ReservationType::WriteExclusiveRegistrantsOnly;
const DEVICE: &str = "disk";
/// What every node knows of a formatted unit.
const FORMATTED: Formatted = Formatted { uuid: crate::target::UUID, block_len: BlockLen::SMALLEST };

/// A node and its small files.
pub(crate) struct Node {
    pub(crate) stage: Handle,
    pub(crate) cluster: ClusterId,
    pub(crate) number: NodeNumber,
    pub(crate) timing: Timing,
    /// Survives a reboot.
    pub(crate) state: PathBuf,
    /// Does not.
    pub(crate) runtime: PathBuf,
    pub(crate) transport_id: Vec<u8>,
}

impl Node {
    /// Runs until the node goes down, which unwinds it.
    pub(crate) fn live(&self) {
        self.stage.with(|w, me| w.disarm(me));
        loop {
            self.drain();
            self.attempt();
            let window = nanos(self.timing.spec().window);
            let rest = self.stage.with(|w, _| w.chance.between(window / 5, window * 2));
            self.stage.sleep_until(self.stage.now() + Duration::from_nanos(rest));
        }
    }

    /// A node registers nowhere while I/O of an earlier life is under way (design section 6): that is the
    /// operator's part, or the daemon's, and not the contest's.
    fn drain(&self) {
        let tick = self.timing.spec().tick;
        while self.stage.with(|w, me| w.seats[me].in_flight > 0 && !w.plan.broken.undrained) {
            self.stage.sleep_until(self.stage.now() + tick);
        }
    }

    fn place(&self, root: &std::path::Path) -> Place {
        Place::new(root, self.cluster, self.number, DEVICE)
    }

    fn lives(&self) -> Option<LivesFile> {
        match LivesFile::open(self.place(&self.state), self.cluster, self.number) {
            Ok(lives) => Some(lives),
            Err(e) => {
                self.stage.failed(e.to_string());
                None
            }
        }
    }

    /// One challenge, and the defence if it was won.
    fn attempt(&self) {
        let Some(mut lives) = self.lives() else { return };
        let timeout = self.timing.spec().tick;
        let mut device = Nexus { stage: self.stage.clone(), transport_id: self.transport_id.clone() };
        let mut unobserved = Unobserved;
        let mut on = Executor::new(&mut device, &mut unobserved);
        let mut pacer = VirtualPacer(&self.stage);
        // Not told: this attempt is over before anything was sent that changes the unit.
        let Ok(known) = identify::reservations(&mut on, timeout, &mut pacer) else { return };
        let contest = Contest {
            cluster: self.cluster,
            node: self.number,
            kind: KIND,
            timing: self.timing,
            command_timeout: timeout,
            aptpl: if known.persists { Aptpl::Yes } else { Aptpl::No },
            nexus_key: known.nexus_key,
            formatted: self.stage.with(|w, _| w.plan.formatted).then_some(FORMATTED),
            rules: self.stage.with(|w, _| w.plan.broken.rules),
        };
        let runtime = self.place(&self.runtime);
        if let Err(e) = handover::forget(&runtime) {
            return self.stage.failed(e.to_string());
        }
        // `challenge` arms no watchdog and leaves a record; `defend` does the one and takes the other.
        let two_programs = self.stage.with(|w, _| w.chance.happens(300));
        let mut audience = Spectator { stage: &self.stage, guarded: !two_programs };
        let (mut defender, lease) = match contest.run(&mut lives, &mut on, &mut pacer, &mut audience) {
            Ok(ContestEnd::Owned { defender, lease, .. }) => (*defender, lease),
            Ok(ContestEnd::NotConfirmed { .. } | ContestEnd::Not(_)) => {
                self.stage.with(|w, me| {
                    w.stopped(me);
                    w.disarm(me);
                    w.judge.counts.not_won += 1;
                });
                return;
            }
            Err(e) => return self.stage.failed(e.to_string()),
        };
        self.stage.with(|w, _| w.judge.counts.won += 1);
        if two_programs {
            if let Err(e) = handover::leave(&runtime, DEVICE, defender.key(), lease.until) {
                return self.stage.failed(e.to_string());
            }
            drop(lives);
            let window = nanos(self.timing.spec().window);
            let pause = self.stage.with(|w, _| w.chance.between(0, window));
            self.stage.sleep_until(self.stage.now() + Duration::from_nanos(pause));
            let Some(again) = self.lives() else { return };
            lives = again;
            let now = self.stage.now();
            let Ok((key, until)) = handover::take(&runtime, DEVICE, (self.cluster, self.number), now) else {
                // The lease has ended by itself: what is believed ends with it.
                return;
            };
            let setup = DefenceSetup {
                key,
                cluster: self.cluster,
                kind: KIND,
                aptpl: contest.aptpl,
                timing: self.timing,
                watchdog: self.stage.with(|w, me| w.feed(me)),
                tenure: None,
                first: FirstLease::Until(until),
                rules: contest.rules,
            };
            defender = Defender::new(setup, self.stage.now());
            self.stage.with(|w, _| w.judge.counts.handed_over += 1);
        }
        let began = self.stage.with(|w, _| w.now);
        let end = drive::defence(&mut defender, &mut on, &mut pacer, &mut |_, note| self.stage.told(note));
        drop(lives);
        self.stage.with(|w, me| {
            // Stopped without grace, and that proven: the watchdog has nothing to guard any more.
            w.stopped(me);
            w.disarm(me);
            let c = &mut w.judge.counts;
            match end {
                DefenceEnd::Deposed { .. } => c.deposed += 1,
                DefenceEnd::Expired { .. } => c.expired += 1,
                DefenceEnd::Released | DefenceEnd::ReleaseUnproven => c.released += 1,
            }
            // Who takes over in the last moments of a lease has no time for a tick: that is no loss.
            let owned = !two_programs || w.judge.confirmed[me] >= began;
            if owned && matches!(end, DefenceEnd::Deposed { .. } | DefenceEnd::Expired { .. }) {
                w.quiet(me);
            }
            let (now, end) = (w.now, end);
            w.trace.text(now, &|| format!("n{me} defence ended: {end:?}"));
        });
    }
}

impl Handle {
    /// What a defence tells.
    fn told(&self, note: &DefenceNote) {
        self.with(|w, me| {
            let now = w.now;
            w.trace.text(now, &|| format!("n{me} {note:?}"));
            match note {
                DefenceNote::Confirmed { lease, feed_before } => {
                    if w.seats[me].clock.shows(now) < *feed_before && w.is_armed(me) {
                        let _ = w.feed(me);
                    }
                    w.confirmed(me, lease.until);
                }
                DefenceNote::Challenged { .. } => w.judge.counts.defended += 1,
                DefenceNote::Releasing => w.stopped(me),
                DefenceNote::Marked(_) => w.judge.counts.marked += 1,
                DefenceNote::Missed { .. } | DefenceNote::NotMarked(_) => {}
            }
        });
    }
}

/// Hears a contest.
struct Spectator<'a> {
    stage: &'a Handle,
    guarded: bool,
}

impl Audience for Spectator<'_> {
    fn challenge(&mut self, _: Instant, note: &ChallengeNote) {
        self.stage.with(|w, me| {
            let now = w.now;
            w.trace.text(now, &|| format!("n{me} {note:?}"));
            w.judge.counts.spared += u64::from(matches!(note, ChallengeNote::CleanlyReleased(_)));
        });
    }

    fn defence(&mut self, _: Instant, note: &DefenceNote) {
        self.stage.told(note);
    }

    fn before_ownership(&mut self) -> Option<FedWatchdog> {
        if self.guarded { self.stage.with(|w, me| w.feed(me)) } else { None }
    }
}

/// The scenario's time as this node's clock shows it.
struct VirtualPacer<'a>(&'a Handle);

impl Pacer for VirtualPacer<'_> {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn wait(&mut self, until: Instant) -> Woke {
        loop {
            if self.0.with(|w, me| std::mem::take(&mut w.seats[me].stop)) {
                return Woke::Stop;
            }
            if self.now() >= until {
                return Woke::Time;
            }
            self.0.block(|w, me| {
                let at = w.seats[me].clock.when(until);
                w.begin_wait(me, at, true);
            });
        }
    }

    fn pause(&mut self, d: Duration) {
        self.0.sleep_until(self.now() + d);
    }
}

/// The node's nexus. Keeps the contract of [`ScsiDevice::execute`]: back at the deadline, the command
/// going on by itself; four may be stuck.
struct Nexus {
    stage: Handle,
    transport_id: Vec<u8>,
}

impl ScsiDevice for Nexus {
    fn name(&self) -> &str {
        DEVICE
    }

    fn execute(&mut self, request: Request<'_>) -> Completion {
        let (out, room, asked) = match &request.data {
            Data::None => (Vec::new(), 0, 0),
            Data::In(b) => (Vec::new(), b.len(), b.len()),
            Data::Out(b) => (b.to_vec(), 0, b.len()),
        };
        let load = Load { cdb: request.cdb, out, room, asked, write_issued: None };
        let id = match self.stage.with(|w, me| w.send(me, load)) {
            Ok(id) => id,
            Err(delivery) => return Completion::unanswered(delivery, Duration::ZERO),
        };
        self.stage.block(|w, me| {
            let at = w.seats[me].clock.when(request.deadline);
            w.begin_wait(me, at, false);
        });
        match self.stage.with(|w, me| w.collect(me, id)) {
            None => Completion::unanswered(Delivery::Outstanding, Duration::ZERO),
            Some((completion, data)) => {
                if let Data::In(b) = request.data {
                    let n = data.len().min(b.len());
                    b[..n].copy_from_slice(&data[..n]);
                }
                completion
            }
        }
    }

    fn reset(&mut self, _: ResetScope, _: Escalate, _: Instant) -> Result<(), ResetError> {
        Err(ResetError::Unsupported)
    }

    fn own_transport_id(&self) -> Option<Vec<u8>> {
        Some(self.transport_id.clone())
    }
}
