//! Golden timelines of a challenge by node `b`; `a` held the device before.

use super::*;
use crate::codec::quorum::Formatted;
use crate::key::NodeNumber;
use crate::protocol::testbed::{A, B, Bed, C, CLUSTER, Fate, KIND, at, flagged, settled};
use crate::protocol::timing::Profile;

mod exact;
mod gate;
mod ghosts;
mod mark;
mod refusals;
mod unknown;
mod window;

/// A challenge under way.
struct Run {
    challenger: Challenger,
    next: Next<ChallengeEnd>,
    notes: Vec<ChallengeNote>,
}

impl Run {
    /// The first challenge of `b`.
    fn begin(bed: &Bed) -> Self {
        Self::with(bed, 1, &[], None)
    }

    /// A challenge of `b` that knows these earlier keys of its own.
    fn with(bed: &Bed, incarnation: u32, ghosts: &[Key], nexus_ghost: Option<Key>) -> Self {
        Self::on(bed, incarnation, ghosts, nexus_ghost, None)
    }

    fn on(
        bed: &Bed,
        incarnation: u32,
        ghosts: &[Key],
        nexus_ghost: Option<Key>,
        mark: Option<Formatted>,
    ) -> Self {
        let node = NodeNumber::new(u32::from(B)).unwrap();
        let mut challenger = Challenger::new(ChallengeSetup {
            lives: Lives::new(CLUSTER, node, ghosts),
            incarnation: Incarnation::new(incarnation).unwrap(),
            nexus_ghost,
            kind: KIND,
            aptpl: crate::codec::pr::Aptpl::No,
            timing: Timing::profile(Profile::Classic),
            command_timeout: Duration::from_millis(500),
            mark,
            rules: Rules::SOUND,
        });
        let step = challenger.start(bed.now);
        Self { challenger, next: step.next, notes: step.notes.to_vec() }
    }

    /// One command, or one wait.
    fn turn(&mut self, bed: &mut Bed, fate: Fate) {
        let Self { challenger, next, notes } = self;
        let step = bed.turn(B, *next, fate, |event, now| challenger.handle(event, now));
        *next = step.next;
        notes.extend(step.notes);
    }

    /// Answers commands until one of `action` is asked for.
    fn up_to(&mut self, bed: &mut Bed, wanted: impl Fn(&Next<ChallengeEnd>) -> bool) {
        for _ in 0..40 {
            if wanted(&self.next) {
                return;
            }
            self.turn(bed, Fate::Answered);
        }
        panic!("never came: {:?}", bed.sent);
    }

    /// Answers commands until the window runs.
    fn up_to_window(&mut self, bed: &mut Bed) -> Instant {
        self.up_to(bed, |n| matches!(n, Next::Wait(_)));
        let Next::Wait(end) = self.next else { unreachable!() };
        end
    }

    /// Answers everything to the end.
    fn end(&mut self, bed: &mut Bed) -> ChallengeEnd {
        self.up_to(bed, |n| matches!(n, Next::End(_)));
        let Next::End(end) = self.next else { unreachable!() };
        end
    }
}

fn asks(action: crate::codec::pr::OutAction) -> impl Fn(&Next<ChallengeEnd>) -> bool {
    move |n| matches!(n, Next::Issue { command: Command::Out(out), .. } if out.action == action)
}

/// Removes the challenger's key, as a defender does.
fn defend(bed: &mut Bed) {
    let p = Preempt { own: settled(A, 1), victim: flagged(B, 1), kind: KIND, abort: Abort::No };
    bed.out(A, PrOut::preempt(p));
}
