//! The timeline of legacy mode: each note as a line for people and for programs.

use arbitrate::protocol::{Found, LegacyDefenceNote, LegacyNote, Miss};
use arbitrate::time::Instant;
use serde_json::json;

use super::scope_words;
use crate::cli::timeline::{Timeline, millis};
use crate::cli::words::no_answer;

/// A note of a challenge.
pub(crate) fn challenge(line: &Timeline, at: Instant, note: &LegacyNote) {
    let seconds = |t: Instant| t.since(at).as_secs_f64();
    match *note {
        LegacyNote::Looked(found) => {
            let (text, held) = match found {
                Found::Free => ("nobody else holds an SPC-2 reservation", false),
                Found::Reserved => ("another initiator holds the disk (RESERVATION CONFLICT)", true),
            };
            line.say(at, "looked", text, json!({ "reserved_by_another": held }));
        }
        LegacyNote::Resetting(scope) => {
            let text = format!("resetting {}", scope_words(scope));
            line.say(at, "resetting", &text, json!({ "scope": format!("{scope:?}") }));
        }
        LegacyNote::Waiting { window_end } => line.say(
            at,
            "waiting",
            &format!("waiting {:.3} s for a defence", seconds(window_end)),
            json!({ "window_end_ms": millis(window_end.since(line.start)) }),
        ),
        LegacyNote::Reserving => {
            line.say(at, "reserving", "the window is over: RESERVE(6)", json!({}));
        }
        LegacyNote::Holding { since, until } => line.say(
            at,
            "holding",
            &format!("reserved; owned only after {:.3} s more of holding", seconds(until)),
            json!({
                "since_ms": millis(since.since(line.start)), "until_ms": millis(until.since(line.start)),
            }),
        ),
        LegacyNote::Attention(sense) => line.say(
            at,
            "attention",
            &format!("told of a reset: {sense}"),
            json!({ "asc": sense.asc, "ascq": sense.ascq }),
        ),
        LegacyNote::HoldBroken => {
            line.say(
                at,
                "hold-broken",
                "what happened meanwhile is not known: the hold begins anew",
                json!({}),
            );
        }
        LegacyNote::Releasing => line.say(at, "releasing", "giving the disk back: RELEASE(6)", json!({})),
        LegacyNote::Unanswered(why) => {
            let words = no_answer(why);
            line.say(at, "unanswered", &format!("no usable answer: {words}"), json!({ "why": words }));
        }
    }
}

/// A note of a defence.
pub(crate) fn defence(line: &Timeline, at: Instant, note: &LegacyDefenceNote) {
    match *note {
        LegacyDefenceNote::Confirmed { lease, .. } => line.say(
            at,
            "confirmed",
            &format!("reserved; lease valid for {:.3} s more", lease.until.since(at).as_secs_f64()),
            json!({ "lease_until_ms": millis(lease.until.since(line.start)) }),
        ),
        LegacyDefenceNote::Attention(sense) => line.say(
            at,
            "attention",
            &format!("told of a reset: {sense}; RESERVE(6) again at once (the defence)"),
            json!({ "asc": sense.asc, "ascq": sense.ascq }),
        ),
        LegacyDefenceNote::Missed { why, stop_at } => {
            let words = match why {
                Miss::Unanswered(n) | Miss::Refused(n) => no_answer(n),
                Miss::OutOfTime => "the tick's budget was used up".to_owned(),
            };
            line.say(
                at,
                "missed",
                &format!("not confirmed: {words}; {:.3} s left", stop_at.since(at).as_secs_f64()),
                json!({ "why": words, "stop_at_ms": millis(stop_at.since(line.start)) }),
            );
        }
        LegacyDefenceNote::Releasing => {
            line.say(at, "releasing", "giving the disk back: RELEASE(6)", json!({}));
        }
    }
}
