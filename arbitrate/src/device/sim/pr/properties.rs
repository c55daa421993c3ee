//! What no sequence of commands can bring about.

use proptest::prelude::*;

use super::others::{Existing, Listed, MoveTo, RegisterAll};
use super::power::Memory;
use super::*;
use crate::codec::pr::{AllTargetPorts, Aptpl, OutAction, PrOut, PrOutBasic, Unregister};
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

/// Anything that changes reservations.
#[derive(Clone, Debug)]
enum Deed {
    Out(PrOut),
    All { c: PrOut, existing: Existing, also: Vec<NexusId>, listed: Option<Vec<NexusId>>, unknown: bool },
    Move { c: PrOut, unregister: Unregister, to: Option<NexusId> },
    Power(Memory),
}

fn some_nexuses() -> impl Strategy<Value = Vec<NexusId>> {
    proptest::collection::btree_set(0..NEXUSES, 0..3).prop_map(|s| s.into_iter().map(NexusId).collect())
}

fn any_deed() -> impl Strategy<Value = (NexusId, Deed)> {
    let existing = prop_oneof![Just(Existing::Compare), Just(Existing::Ignore)];
    let unregister = prop_oneof![Just(Unregister::Yes), Just(Unregister::No)];
    let memory = prop_oneof![4 => Just(Memory::Kept), 1 => Just(Memory::Failed)];
    let listed = proptest::option::of(some_nexuses());
    let to = proptest::option::weighted(0.9, (0..NEXUSES).prop_map(NexusId));
    prop_oneof![
        12 => any_command().prop_map(|(n, c)| (n, Deed::Out(c))),
        3 => (any_command(), existing, some_nexuses(), listed, proptest::bool::weighted(0.1)).prop_map(
            |((n, c), existing, mut also, listed, unknown)| {
                // What the caller sees to: other nexuses, each once.
                also.retain(|o| *o != n);
                let listed = listed.map(|mut l| {
                    l.retain(|o| *o != n && !also.contains(o));
                    l
                });
                (n, Deed::All { c, existing, also, listed, unknown })
            }
        ),
        3 => (any_command(), unregister, to).prop_map(|((n, c), unregister, to)| {
            (n, Deed::Move { c, unregister, to: to.filter(|t| *t != n) })
        }),
        1 => (0..NEXUSES, memory).prop_map(|(n, m)| (NexusId(n), Deed::Power(m))),
    ]
}

/// Random keys seldom match: commands that know their own key get further.
fn with_own_key(r: &Reservations, n: NexusId, c: PrOut, honest: bool) -> PrOut {
    let own = if honest && c.action != OutAction::ReplaceLostReservation {
        r.key_of(n).unwrap_or_default()
    } else {
        c.list.own
    };
    PrOut { list: PrOutBasic { own, ..c.list }, ..c }
}

fn do_it(r: &mut Reservations, n: NexusId, deed: &Deed, honest: bool) -> Answer {
    match deed {
        Deed::Out(c) => r.pr_out(n, &with_own_key(r, n, *c, honest)),
        Deed::All { c, existing, also, listed, unknown } => {
            let c = with_own_key(r, n, *c, honest);
            let listed = match listed {
                _ if *unknown => Listed::Unknown,
                None => Listed::None,
                Some(l) => Listed::These(l),
            };
            r.register_all(n, &RegisterAll { listed, ..RegisterAll::alone(&c, *existing).and(also) })
        }
        Deed::Move { c, unregister, to } => {
            let PrOutBasic { own, target: new, aptpl, .. } = with_own_key(r, n, *c, honest).list;
            r.register_and_move(n, &MoveTo { own, new, aptpl, unregister: *unregister, to: *to })
        }
        Deed::Power(memory) => {
            r.lose_power(*memory);
            Answer::Good
        }
    }
}

proptest! {
    #[test]
    fn invariants_hold_after_any_commands(
        deeds in proptest::collection::vec((any_deed(), proptest::bool::weighted(0.8)), 1..60)
    ) {
        let mut r = Reservations::default();
        for ((n, c), honest) in deeds {
            let before = r.clone();
            let answer = do_it(&mut r, n, &c, honest);
            let power = matches!(c, Deed::Power(_));
            let replaced = before.lost() && !r.lost();
            prop_assert!(r.is_sound(), "{:?} after {:?}", r, c);
            for other in (0..NEXUSES).map(NexusId) {
                prop_assert!(!r.is_holder(other) || r.is_registered(other), "a holder is registered");
                let waiting: Vec<_> = r.attentions(other).collect();
                prop_assert!((1..waiting.len()).all(|i| !waiting[..i].contains(&waiting[i])), "told once");
                prop_assert!(power || before.attentions(other).eq(r.attentions(other).take(before.attentions(other).count())),
                    "attentions are appended, never dropped");
                if r.kind() == Some(ReservationType::WriteExclusiveRegistrantsOnly) && !r.is_registered(other) {
                    prop_assert_eq!(r.check_access(other, Access::Write), Verdict::Conflict);
                }
                // What somebody else's command took away is told; what an initiator did to itself at
                // another port is not.
                let own = matches!(&c, Deed::All { also, .. } if also.contains(&other));
                let lost = other != n && !own && !power && before.is_registered(other) && !r.is_registered(other);
                prop_assert!(!lost || waiting.iter().any(|a| matches!(a,
                    Attention::ReservationsPreempted | Attention::RegistrationsPreempted)), "{:?}", c);
                // Nobody comes to be registered by somebody else unless it was named.
                let named = match &c {
                    Deed::All { also, listed, .. } => {
                        also.contains(&other) || listed.as_ref().is_some_and(|l| l.contains(&other))
                    }
                    Deed::Move { to, .. } => *to == Some(other),
                    Deed::Out(_) | Deed::Power(_) => false,
                };
                let gained = !before.is_registered(other) && r.is_registered(other);
                prop_assert!(!gained || other == n || named);
            }
            prop_assert!(r.kind().is_none() || (0..NEXUSES).any(|n| r.is_holder(NexusId(n))));
            let (was, is) = (before.generation().0, r.generation().0);
            prop_assert!(is == was || is == was + 1 || (is == 0 && (power || replaced)), "PRGENERATION {was} {is}");
            if answer != Answer::Good {
                prop_assert_eq!(&r, &before, "a refused command changes nothing");
            }
            prop_assert!(!before.lost() || r.lost() || replaced && answer == Answer::Good, "a loss is mended by its replacement");
            prop_assert!(!r.lost() || before.lost() || power);
            let keys = |r: &Reservations| r.registrations().collect::<Vec<_>>();
            prop_assert!(keys(&r) == keys(&before) || is != was || power || replaced,
                "registrations change only together with PRGENERATION");
            let json = serde_json::to_string(&r).unwrap();
            prop_assert_eq!(serde_json::from_str::<Reservations>(&json).unwrap(), r.clone());
        }
    }
}
