//! The one retry policy.
//!
//! Pure: says whether a command is sent again. Whatever may have been executed is never repeated here;
//! a command that changes state is repeated after a unit attention only, because a unit attention
//! comes instead of the command (SAM-5 5.14).

use std::time::Duration;

use super::classify::Class;

/// Unit attentions consumed for one command at the most: a target queues one a kind.
pub const MAX_ATTENTIONS: u8 = 16;

/// How long a busy target is left alone before a read is repeated.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Whether a command changes anything at the target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Reads only: may be repeated at any time.
    Reads,
    /// Changes reservations or the medium.
    Changes,
    /// The same, and a unit attention in its place means something to whoever asked: never repeated here.
    ChangesOnce,
}

/// What to do about a completion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// That was the answer.
    Final,
    /// Send the command again after this long.
    Again(Duration),
}

/// Judges the completion of a command that has already consumed `attentions` unit attentions.
#[must_use]
pub fn judge(class: &Class, effect: Effect, attentions: u8) -> Verdict {
    match class {
        Class::UnitAttention(_) if effect != Effect::ChangesOnce && attentions < MAX_ATTENTIONS => {
            Verdict::Again(Duration::ZERO)
        }
        Class::Busy(_) if effect == Effect::Reads => Verdict::Again(BUSY_PAUSE),
        _ => Verdict::Final,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Sense, SenseKey, Status};
    use crate::device::TransportError;

    #[test]
    fn only_a_unit_attention_repeats_a_change() {
        let attention = Class::UnitAttention(Sense::new(SenseKey::UNIT_ATTENTION, 0x29, 0));
        assert_eq!(judge(&attention, Effect::Changes, 0), Verdict::Again(Duration::ZERO));
        assert_eq!(judge(&attention, Effect::Changes, MAX_ATTENTIONS), Verdict::Final);
        assert_eq!(judge(&attention, Effect::ChangesOnce, 0), Verdict::Final);
        for c in [
            Class::Good,
            Class::Conflict,
            Class::Busy(Status::BUSY),
            Class::TaskAborted,
            Class::Outstanding,
            Class::DeviceLost,
            Class::Malformed,
            Class::TransportLost(TransportError { host: 1, driver: 0, errno: 0 }),
        ] {
            assert_eq!(judge(&c, Effect::Changes, 0), Verdict::Final, "{c:?}");
        }
        assert_eq!(judge(&Class::Busy(Status::BUSY), Effect::Reads, 0), Verdict::Again(BUSY_PAUSE));
        assert_eq!(judge(&Class::Outstanding, Effect::Reads, 0), Verdict::Final);
    }
}
