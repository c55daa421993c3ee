//! Two challengers, `b` and `c`, and the owner `a`: who resets when decides only who waits.

use super::super::*;
use super::bed::{A, B, Bed, C, Challenge, Defence, Fate, at, challenge_with, defence};
use crate::protocol::wire::Next;
use crate::protocol::{Lease, Rules};
use crate::time::Instant;

/// A challenge that begins at its time.
pub(super) struct Later {
    pub(super) who: u8,
    pub(super) begins: Instant,
    pub(super) run: Option<Challenge>,
}

impl Later {
    pub(super) fn new(who: u8, begins: f64) -> Self {
        Self { who, begins: at(begins), run: None }
    }

    pub(super) fn end(&self) -> Option<LegacyEnd> {
        match self.run.as_ref()?.next {
            Next::End(end) => Some(end),
            _ => None,
        }
    }

    pub(super) fn lease(&self) -> Option<Lease> {
        match self.end()? {
            LegacyEnd::Won { lease, .. } => Some(lease),
            _ => None,
        }
    }

    fn due(&self, now: Instant) -> Option<Instant> {
        self.run.as_ref().map_or(Some(self.begins), |r| due(&r.next, now))
    }

    fn turn(&mut self, bed: &mut Bed, rules: Rules) {
        match &mut self.run {
            Some(run) => run.turn(bed, Fate::Answered),
            None => {
                bed.now = bed.now.max(self.begins);
                self.run = Some(challenge_with(bed, self.who, rules));
            }
        }
    }
}

fn due<E>(next: &Next<E>, now: Instant) -> Option<Instant> {
    match next {
        Next::Issue { .. } => Some(now),
        Next::Wait(t) => Some(*t),
        Next::End(_) => None,
    }
}

/// Lets all act in the order of time, up to `until`; an owner where there is one.
pub(super) fn play(
    bed: &mut Bed,
    mut owner: Option<&mut Defence>,
    all: &mut [Later],
    until: f64,
    rules: Rules,
) {
    loop {
        let owners = owner.as_ref().and_then(|a| due(&a.next, bed.now));
        let first = all.iter().enumerate().filter_map(|(i, l)| Some((l.due(bed.now)?, i))).min();
        match (owners, first) {
            (Some(t), f) if f.is_none_or(|(u, _)| t <= u) && t <= at(until) => {
                if let Some(a) = owner.as_mut() {
                    a.turn(bed, Fate::Answered);
                }
            }
            (_, Some((t, i))) if t <= at(until) => all[i].turn(bed, rules),
            _ => return,
        }
    }
}

#[test]
fn of_two_for_a_dead_owner_one_wins() {
    for lag_ms in (0..14_000).step_by(70) {
        let mut bed = Bed::held_by(A);
        let lag = f64::from(lag_ms) / 1000.0;
        let mut both = [Later::new(B, 0.0), Later::new(C, lag)];
        play(&mut bed, None, &mut both, 60.0, Rules::SOUND);
        let leases: Vec<Lease> = both.iter().filter_map(Later::lease).collect();
        assert!(!leases.is_empty(), "lag {lag}: nobody won\n{:#?}", bed.sent);
        // A victory that nobody defends may be taken, but not before its lease is over.
        if let [l, m] = leases[..] {
            assert!(l.until < m.from || m.until < l.from, "lag {lag}: {leases:?}\n{:#?}", bed.sent);
        }
    }
}

#[test]
fn a_live_owner_keeps_the_disk_against_two_whenever_they_begin() {
    for lag_ms in (0..9_000).step_by(45) {
        let mut bed = Bed::held_by(A);
        let mut owner = defence(&bed, 6.5);
        let lag = f64::from(lag_ms) / 1000.0;
        let mut both = [Later::new(B, 0.5), Later::new(C, 0.5 + lag)];
        play(&mut bed, Some(&mut owner), &mut both, 40.0, Rules::SOUND);
        assert!(!matches!(owner.next, Next::End(_)), "lag {lag}: {:?}\n{:#?}", owner.next, bed.sent);
        for c in &both {
            assert!(matches!(c.end(), Some(LegacyEnd::Defended { .. })), "lag {lag}: {:?}", c.end());
        }
    }
}
