//! The last lines: what became of each device, and of the whole.

use arbitrate::clock;
use arbitrate::key::{ClusterId, Key};
use arbitrate::protocol::{ChallengeEnd, Race, RaceEnd, Standing};
use arbitrate::time::Instant;
use serde_json::{Value, json};

use super::stage::Stage;
use super::words;
use crate::cli::ends;
use crate::cli::exit::Exit;
use crate::cli::output::{Done, Failure, Outcome, Output};
use crate::cli::timeline::millis;

/// One device at the end.
pub(super) struct Seen {
    standing: Standing,
    pub(super) key: Option<Key>,
    /// The end of a valid lease.
    pub(super) until: Option<Instant>,
}

/// Every device at the end, by its place in the race.
pub(super) struct Sight(pub(super) Vec<Seen>);

impl Sight {
    pub(super) fn of(race: &Race, now: Instant, devices: usize) -> Self {
        let seen = |i| Seen {
            standing: race.standing(i),
            key: race.key(i),
            until: race.lease(i, now).map(|l| l.until),
        };
        Self((0..devices).map(seen).collect())
    }

    fn valid(&self) -> usize {
        self.0.iter().filter(|s| s.until.is_some()).count()
    }
}

fn fields(stage: &Stage, i: usize, seen: &Seen) -> (String, Value) {
    let entry = stage.entry(i);
    let name = stage.names[i];
    let standing = match seen.standing {
        // Identified, and the race was over before a challenge on it could begin.
        Standing::Missing if entry.identity.is_some() && entry.why.is_none() => Standing::Untried,
        s => s,
    };
    let (result, words) = words::standing(name, stage.node.cluster, &standing, entry.why.as_deref());
    let text = format!("  {result:<8}  {name}: {words}");
    (
        text,
        json!({ "device": name, "identity": entry.identity, "result": result, "key": seen.key, "text": words }),
    )
}

/// A line for each device.
pub(super) fn devices(stage: &Stage, sight: &Sight, out: Output) {
    for (i, seen) in sight.0.iter().enumerate() {
        let (text, fields) = fields(stage, i, seen);
        out.event(&text, "device", fields);
    }
}

/// This node owns.
pub(super) fn won(stage: &Stage, sight: &Sight, until: Instant, start: Instant) -> Done {
    let now = clock::now();
    let left = until.since(now);
    let all = stage.roster.configured();
    let unknown = unknown(&stage.names, stage.node.cluster, sight);
    let text = format!(
        "WON: node {} owns {} of {} quorum devices, a majority, confirmed by reading back\n  lease {:.3} s; next: `arbitrate defend {}` within it, or --acquire later{}",
        stage.node.number,
        sight.valid(),
        all.count(),
        left.as_secs_f64(),
        stage.names.join(" "),
        unknown_words(&unknown)
    );
    let devices: Vec<Value> = sight.0.iter().enumerate().map(|(i, s)| fields(stage, i, s).1).collect();
    let fields = json!({
        "devices": devices, "won": sight.valid(), "configured": all.count(), "majority": all.majority(),
        "unknown": unknown, "lease_left_ms": millis(left), "took_ms": millis(now.since(start)),
    });
    Done::new(Exit::Confirmed, text, fields)
}

/// The devices on which it is open whether something of this node is left, or yet comes.
fn unknown<'a>(names: &[&'a str], cluster: ClusterId, sight: &Sight) -> Vec<&'a str> {
    let open = |(name, s): &(&&'a str, &Seen)| words::leaves_a_doubt(name, cluster, &s.standing);
    names.iter().zip(&sight.0).filter(open).map(|(name, _)| *name).collect()
}

/// What a majority that is confirmed leaves open elsewhere, and what to do about it.
fn unknown_words(unknown: &[&str]) -> String {
    if unknown.is_empty() {
        return String::new();
    }
    format!(
        "\n  UNKNOWN on {} of them: {}. The majority does not rest on it; a key or reservation of this node may stand there, or may yet come to\n  what to do: nothing at once, `defend` challenges it anew as soon as it answers; if you do not defend, look with `arbitrate inspect` when it answers",
        unknown.len(),
        unknown.join(", ")
    )
}

/// The race is over and this node does not own.
pub(super) fn over(stage: &Stage, sight: &Sight, end: RaceEnd, stopped: Option<String>) -> Outcome {
    let all = stage.roster.configured();
    let (count, majority) = (all.count(), all.majority());
    let cluster = stage.node.cluster;
    let doubts = sight
        .0
        .iter()
        .enumerate()
        .filter(|(i, s)| words::leaves_a_doubt(stage.names[*i], cluster, &s.standing))
        .count();
    let doubt = match doubts {
        0 => String::new(),
        n => format!("; on {n} of {count} devices it is unknown whether a registration of this node is left"),
    };
    let look = "look with `arbitrate inspect` at each device";
    let tried = format!("racing for {count} quorum devices");
    // A clean end after ownership had ended unasked is no clean end of an owner.
    let end = if end == RaceEnd::Released && stopped.is_some() { RaceEnd::Deposed } else { end };
    match end {
        RaceEnd::Defended => Err(Failure::new(
            Exit::Defended,
            tried,
            format!("LOST: another node holds and defends a majority{doubt}"),
            "leave the devices alone: their owner is alive",
        )),
        RaceEnd::Outrun => Err(Failure::new(
            Exit::Defended,
            tried,
            format!(
                "LOST: in {} attempts another challenger was faster; what was won is given back{doubt}",
                super::ATTEMPTS
            ),
            format!("{look}; challenge again if nobody owns them"),
        )),
        RaceEnd::NoMajority => Err(Failure::new(
            no_majority(stage, sight, doubts),
            tried,
            format!(
                "NO MAJORITY: {majority} of {count} devices are needed, and so many cannot be won; what was won is given back{doubt}"
            ),
            "the lines above say why for each device; mend that, then challenge again",
        )),
        RaceEnd::Withdrawn => Err(Failure::new(
            if doubts == 0 { Exit::Refused } else { Exit::Unknown },
            tried,
            format!("withdrawn by a signal; what was won is given back{doubt}"),
            if doubts == 0 { "nothing" } else { look },
        )),
        RaceEnd::Released if doubts == 0 => Ok(Done::new(
            Exit::Confirmed,
            format!("{count} quorum devices: released: what was held is given back, read back"),
            json!({ "end": "released" }),
        )),
        RaceEnd::Released => Err(Failure::new(
            Exit::Unknown,
            format!("releasing {count} quorum devices"),
            format!("given back{doubt}"),
            "look with `arbitrate inspect` until it answers",
        )),
        RaceEnd::Deposed => Err(Failure::new(
            Exit::Deposed,
            format!("defending {count} quorum devices"),
            format!(
                "DEPOSED: the majority of leases ended unasked; what was still held is given back{}{doubt}",
                stopped.map(|s| format!("; {s}")).unwrap_or_default()
            ),
            "make sure that nothing here depends on ownership any more; then `arbitrate defend --acquire`",
        )),
    }
}

/// Why a majority is out of reach, as an exit code: an open question first, then a refusal, then the way
/// to the devices.
fn no_majority(stage: &Stage, sight: &Sight, doubts: usize) -> Exit {
    if doubts > 0 {
        return Exit::Unknown;
    }
    let refused = sight.0.iter().enumerate().find_map(|(i, s)| match &s.standing {
        Standing::Failed(ChallengeEnd::Unreachable(_)) => None,
        Standing::Failed(end) => match ends::not_won(stage.names[i], stage.node.cluster, end).exit {
            Exit::Confirmed | Exit::Defended => None,
            exit => Some(exit),
        },
        _ => None,
    });
    refused.unwrap_or(Exit::Transport)
}
