//! Golden timelines of a defence by node `a`.

use super::*;
use crate::codec::pr::OutAction;
use crate::protocol::testbed::{A, B, Bed, C, CLUSTER, Fate, KIND, at, flagged, settled};
use crate::protocol::timing::Profile;

mod challenged;
mod exact;
mod lost;
mod mark;
mod release;
mod watchdog;

/// A defence under way.
struct Run {
    defender: Defender,
    next: Next<DefenceEnd>,
    notes: Vec<DefenceNote>,
}

impl Run {
    /// Of a challenge just won.
    fn begin(bed: &Bed) -> Self {
        Self::with(bed, FirstLease::FromTick, None)
    }

    fn with(bed: &Bed, first: FirstLease, watchdog: Option<FedWatchdog>) -> Self {
        Self::of(bed, first, watchdog, None)
    }

    fn of(bed: &Bed, first: FirstLease, watchdog: Option<FedWatchdog>, tenure: Option<HeldTenure>) -> Self {
        let setup = DefenceSetup {
            key: settled(A, 1),
            cluster: CLUSTER,
            kind: KIND,
            aptpl: Aptpl::Yes,
            timing: Timing::profile(Profile::Classic),
            watchdog,
            first,
            tenure,
            rules: Rules::SOUND,
        };
        let mut defender = Defender::new(setup, bed.now);
        let step = defender.start(bed.now);
        Self { defender, next: step.next, notes: step.notes.to_vec() }
    }

    /// One command, or one wait.
    fn turn(&mut self, bed: &mut Bed, fate: Fate) {
        let Self { defender, next, notes } = self;
        let step = bed.turn(A, *next, fate, |event, now| defender.handle(event, now));
        *next = step.next;
        notes.extend(step.notes);
    }

    /// One tick, answered: to the next wait, or the end.
    fn tick(&mut self, bed: &mut Bed) {
        if matches!(self.next, Next::Wait(_)) {
            self.turn(bed, Fate::Answered);
        }
        for _ in 0..20 {
            if !matches!(self.next, Next::Issue { .. }) {
                return;
            }
            self.turn(bed, Fate::Answered);
        }
        panic!("never came: {:?}", bed.sent);
    }

    /// Loses every command, to the end.
    fn cut_off(&mut self, bed: &mut Bed) -> DefenceEnd {
        for _ in 0..40 {
            if let Next::End(end) = self.next {
                return end;
            }
            self.turn(bed, Fate::Lost);
        }
        panic!("no end: {:?}", bed.sent);
    }

    fn lease(&self, bed: &Bed) -> Option<(Instant, Instant)> {
        self.defender.lease(bed.now).map(|l| (l.from, l.until))
    }
}

fn held() -> Bed {
    Bed::held_by(A, settled(A, 1))
}

#[test]
fn a_won_challenge_gives_no_lease_before_the_first_tick() {
    let mut bed = held();
    let mut run = Run::begin(&bed);
    assert_eq!(run.lease(&bed), None);
    run.turn(&mut bed, Fate::Answered);
    assert_eq!(run.lease(&bed), None, "keys alone confirm nothing");
    run.turn(&mut bed, Fate::Answered);
    assert_eq!(run.lease(&bed), Some((at(0.0), at(6.5))), "s + window - margin");
    assert_eq!(run.next, Next::Wait(at(3.0)));
}

#[test]
fn ticks_keep_their_rhythm() {
    let mut bed = held();
    let mut run = Run::begin(&bed);
    for _ in 0..3 {
        run.tick(&mut bed);
    }
    assert_eq!(run.lease(&bed), Some((at(6.0), at(12.5))));
    assert_eq!(
        bed.sent,
        [
            "0.00 READ KEYS",
            "0.01 READ RESERVATION",
            "3.00 READ KEYS",
            "3.01 READ RESERVATION",
            "6.00 READ KEYS",
            "6.01 READ RESERVATION",
        ]
    );
}

#[test]
fn a_very_late_tick_does_not_hurry_the_next() {
    let mut bed = held();
    let mut run = Run::begin(&bed);
    run.tick(&mut bed);
    bed.now = at(5.0);
    run.tick(&mut bed);
    assert_eq!(run.next, Next::Wait(at(8.0)));
}

#[test]
fn a_lease_handed_over_is_not_prolonged() {
    let mut bed = held();
    bed.now = at(1.0);
    let mut run = Run::with(&bed, FirstLease::Until(at(2.0)), None);
    assert_eq!(run.lease(&bed), Some((at(1.0), at(2.0))));
    assert_eq!(
        run.cut_off(&mut bed),
        DefenceEnd::Expired { last: Some(Lease { from: at(1.0), until: at(2.0) }) }
    );
    assert!(bed.now <= at(2.0));
}

#[test]
fn a_first_tick_that_never_comes_through_ends_it() {
    let mut bed = held();
    let mut run = Run::begin(&bed);
    assert_eq!(run.cut_off(&mut bed), DefenceEnd::Expired { last: None });
    assert_eq!(bed.now, at(6.5));
}
