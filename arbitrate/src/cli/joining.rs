//! After a challenge was won over one path: the key on the others, under the lease just confirmed.
//!
//! A registration counts once a tick begun after it has confirmed the ownership (see
//! [`arbitrate::protocol::registrar`]): so ticks are made here, as a defence makes them. What is not
//! confirmed by then is taken off again, or said.

use std::time::Duration;

use arbitrate::key::Key;
use arbitrate::protocol::{DefenceEnd, DefenceSetup, Defender, FirstLease, Lease, Rules};
use arbitrate::runtime::contest::Contest;
use arbitrate::runtime::drive;
use arbitrate::runtime::executor::Executor;
use arbitrate::runtime::pacer::Pacer;
use arbitrate::time::Instant;

use super::paths::{self, AllPaths, Joined, Ledger, share_of};
use super::timeline::Timeline;

/// Ticks made at the most.
const TICKS: u8 = 3;

/// What is needed to register on the other paths.
pub(crate) struct Joining<'a> {
    pub(crate) all: AllPaths,
    pub(crate) contest: &'a Contest,
    pub(crate) timeline: Timeline,
    /// Keys of this node's earlier lives.
    pub(crate) ghosts: Vec<Key>,
}

/// Why the other paths could not be seen to.
pub(crate) enum NotJoined {
    /// The ownership was lost meanwhile.
    Defence(DefenceEnd),
    /// No thread.
    Thread(std::io::Error),
}

impl Joining<'_> {
    /// Registers; returns the last lease confirmed and what became of each path.
    pub(crate) fn run(
        self,
        key: Key,
        first: Lease,
        on: &mut Executor<'_>,
        pacer: &mut dyn Pacer,
    ) -> Result<(Lease, Joined), NotJoined> {
        let mut lease = first;
        let mut ledger = Ledger::new(&self.all.unit);
        let (tell, news) = paths::news();
        let about = (self.contest.aptpl, self.contest.timing, self.contest.kind);
        let ghosts = self.ghosts.iter().copied().filter(|g| *g != key).collect();
        self.all.board.confirmed(lease);
        let watch = self.all.watch(key, ghosts, about, tell, Box::new(|| {}));
        let watching = watch.start().map_err(NotJoined::Thread)?;
        let hear = |ledger: &mut Ledger, pacer: &dyn Pacer, limit: Instant, enough: fn(&Ledger) -> bool| {
            while !enough(ledger) {
                let left = limit.since(pacer.now());
                let Ok(told) = news.recv_timeout(left) else { return };
                paths::tell(&self.timeline, &told);
                ledger.hear(&told);
            }
        };
        let patience = share_of(lease.until.since(pacer.now()));
        hear(&mut ledger, pacer, pacer.now() + patience, Ledger::all_sent);
        for _ in 0..TICKS {
            if ledger.settled() {
                break;
            }
            lease = self.tick(key, lease, on, pacer).map_err(NotJoined::Defence)?;
            self.all.board.confirmed(lease);
            hear(&mut ledger, pacer, pacer.now() + patience / 4, Ledger::settled);
        }
        let left = watching.finish(pacer.now() + patience + Duration::from_secs(1));
        for told in news.try_iter() {
            paths::tell(&self.timeline, &told);
            ledger.hear(&told);
        }
        Ok((lease, ledger.end(&left)))
    }

    /// One tick of a defence; the lease it confirms.
    fn tick(
        &self,
        key: Key,
        lease: Lease,
        on: &mut Executor<'_>,
        pacer: &mut dyn Pacer,
    ) -> Result<Lease, DefenceEnd> {
        let setup = DefenceSetup {
            key,
            cluster: self.contest.cluster,
            kind: self.contest.kind,
            aptpl: self.contest.aptpl,
            timing: self.contest.timing,
            watchdog: None,
            tenure: None,
            first: FirstLease::Until(lease.until),
            rules: Rules::default(),
        };
        let mut defender = Defender::new(setup, pacer.now());
        let timeline = self.timeline;
        drive::first_lease(&mut defender, on, pacer, &mut |at, note| timeline.defence(at, note))
    }
}
