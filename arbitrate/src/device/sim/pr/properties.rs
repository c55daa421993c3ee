//! What no sequence of commands can bring about.

use proptest::prelude::*;

use super::*;
use crate::codec::pr::{AllTargetPorts, Aptpl, OutAction, PrOut, PrOutBasic};
use crate::device::sim::access::{Access, Verdict};
use crate::device::sim::answer::Answer;

const NEXUSES: u8 = 4;

fn any_key() -> impl Strategy<Value = Key> {
    (0u64..4).prop_map(Key::from_u64)
}

fn any_command() -> impl Strategy<Value = (NexusId, PrOut)> {
    let action = proptest::sample::select(OutAction::ALL.as_slice());
    let kind = proptest::sample::select(ReservationType::ALL.as_slice());
    // Flags are rare, else nearly every command would be refused for them.
    let flags = prop_oneof![8 => Just(0u8), 1 => 0u8..8];
    (0..NEXUSES, action, proptest::option::weighted(0.95, kind), any_key(), any_key(), flags).prop_map(
        |(n, action, kind, own, target, flags)| {
            let list = PrOutBasic {
                own,
                target,
                aptpl: if flags & 1 != 0 { Aptpl::Yes } else { Aptpl::No },
                all_target_ports: if flags & 2 != 0 { AllTargetPorts::Yes } else { AllTargetPorts::No },
                spec_i_pt: flags & 4 != 0,
            };
            (NexusId(n), PrOut { action, kind, list })
        },
    )
}

/// Random keys seldom match: commands that know their own key get further.
fn with_own_key(r: &Reservations, n: NexusId, c: PrOut, honest: bool) -> PrOut {
    let own = if honest { r.key_of(n).unwrap_or_default() } else { c.list.own };
    PrOut { list: PrOutBasic { own, ..c.list }, ..c }
}

proptest! {
    #[test]
    fn invariants_hold_after_any_commands(
        commands in proptest::collection::vec((any_command(), proptest::bool::weighted(0.8)), 1..60)
    ) {
        let mut r = Reservations::default();
        for ((n, c), honest) in commands {
            let c = with_own_key(&r, n, c, honest);
            let before = r.clone();
            let answer = r.pr_out(n, &c);
            prop_assert!(r.is_sound(), "{:?} after {:?}", r, c);
            for other in (0..NEXUSES).map(NexusId) {
                prop_assert!(!r.is_holder(other) || r.is_registered(other), "a holder is registered");
                let waiting: Vec<_> = r.attentions(other).collect();
                prop_assert!((1..waiting.len()).all(|i| !waiting[..i].contains(&waiting[i])), "told once");
                prop_assert!(before.attentions(other).eq(r.attentions(other).take(before.attentions(other).count())),
                    "attentions are appended, never dropped");
                if r.kind() == Some(ReservationType::WriteExclusiveRegistrantsOnly) && !r.is_registered(other) {
                    prop_assert_eq!(r.check_access(other, Access::Write), Verdict::Conflict);
                }
                // What somebody else's command took away is told.
                let lost = other != n && before.is_registered(other) && !r.is_registered(other);
                prop_assert!(!lost || waiting.iter().any(|a| matches!(a,
                    Attention::ReservationsPreempted | Attention::RegistrationsPreempted)), "{:?}", c);
            }
            prop_assert!(r.kind().is_none() || (0..NEXUSES).any(|n| r.is_holder(NexusId(n))));
            prop_assert!(r.generation().0 - before.generation().0 <= 1, "PRGENERATION is monotonic");
            if answer != Answer::Good {
                prop_assert_eq!(&r, &before, "a refused command changes nothing");
            }
            let keys = |r: &Reservations| r.registrations().collect::<Vec<_>>();
            prop_assert!(keys(&r) == keys(&before) || r.generation() != before.generation(),
                "registrations change only together with PRGENERATION");
            let json = serde_json::to_string(&r).unwrap();
            prop_assert_eq!(serde_json::from_str::<Reservations>(&json).unwrap(), r.clone());
        }
    }
}
