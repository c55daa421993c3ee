//! Each rule broken on purpose, and what comes of it.

use super::bed::{A, B, Bed, C, Fate, challenge_with, defence};
use super::two::{Later, play};
use super::world::run;
use crate::protocol::wire::Next;
use crate::protocol::{Rule, Rules};

/// The worlds of the sound protocol, with one rule broken: some world has two leases at once.
fn bites(rule: Rule) {
    let found = (0..30_000).find_map(|seed| run(seed, Rules::without(rule)).err().map(|o| (seed, o)));
    let (seed, o) = found.unwrap_or_else(|| panic!("{rule:?}: nobody noticed"));
    println!("{rule:?}: seed {seed}, at {:?}: {:?}", o.at, o.leases);
}

#[test]
fn a_lease_without_the_hold() {
    bites(Rule::LegacyHold);
}

#[test]
fn a_hold_that_minds_no_reset() {
    bites(Rule::LegacyHoldUnbroken);
}

#[test]
fn an_expired_owner_that_reserves_again() {
    bites(Rule::LegacyExpiredStaysOut);
}

/// Whether a live owner loses the disk to two challengers for some lag between them.
fn robbed(rules: Rules) -> bool {
    (0..9_000).step_by(45).any(|lag_ms| {
        let mut bed = Bed::held_by(A);
        let mut owner = defence(&bed, 6.5);
        let mut both = [Later::new(B, 0.5), Later::new(C, 0.5 + f64::from(lag_ms) / 1000.0)];
        play(&mut bed, Some(&mut owner), &mut both, 40.0, rules);
        matches!(owner.next, Next::End(_))
    })
}

#[test]
fn without_the_window_a_live_owner_is_robbed() {
    assert!(!robbed(Rules::SOUND));
    assert!(robbed(Rules::without(Rule::LegacyWindow)));
}

#[test]
fn without_a_new_window_after_anothers_reset_a_live_owner_is_robbed() {
    assert!(robbed(Rules::without(Rule::LegacyResetRestartsWindow)));
}

/// Whether a reset by somebody else, at the very end of the window and told only by an answer that is
/// lost, lets a challenger take the disk from an owner that lives.
fn robbed_in_silence(rules: Rules) -> bool {
    let mut bed = Bed::held_by(A);
    let mut run = challenge_with(&bed, B, rules);
    let window_end = run.up_to_wait(&mut bed);
    bed.reserve(A);
    bed.now = window_end;
    bed.reset();
    run.turn(&mut bed, Fate::Answered);
    run.turn(&mut bed, Fate::AnswerLost);
    // The owner's next tick is due a tick later; the challenger is asked until then.
    let tick_due = window_end + super::bed::classic().tick();
    while let Next::Issue { .. } | Next::Wait(_) = run.next {
        if matches!(run.next, Next::Wait(until) if until > tick_due) {
            break;
        }
        run.turn(&mut bed, Fate::Answered);
    }
    bed.holder() == Some(B)
}

#[test]
fn without_a_new_window_after_silence_a_live_owner_is_robbed() {
    assert!(!robbed_in_silence(Rules::SOUND));
    assert!(robbed_in_silence(Rules::without(Rule::LegacySilenceRestartsWindow)));
}
