//! Whatever the device looks like and whatever gets lost: *confirmed* is true, and nobody else is hit.

use proptest::prelude::*;

use super::*;
use crate::device::sim::access::{Access, Verdict};

#[derive(Clone, Copy, Debug)]
enum Party {
    Me,
    Victim(u32),
    Peer,
    Foreign,
}

impl Party {
    fn key(self) -> Key {
        match self {
            Self::Me => settled(A, 1),
            Self::Victim(life) => settled(B, life),
            Self::Peer => settled(C, 1),
            Self::Foreign => Key::from_u64(0xf0),
        }
    }
}

fn any_party() -> impl Strategy<Value = Party> {
    prop_oneof![
        2 => Just(Party::Me),
        3 => (1..4u32).prop_map(Party::Victim),
        2 => Just(Party::Peer),
        1 => Just(Party::Foreign)
    ]
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Answered),
        1 => Just(Fate::AnswerLost),
        1 => Just(Fate::Lost),
        1 => Just(Fate::Refused(NoAnswer::Busy(8)))
    ]
}

/// A unit with these registrations, reserved by one of them or by nobody.
fn any_bed() -> impl Strategy<Value = (Bed, Vec<(u8, Party)>)> {
    let kinds = proptest::sample::select(&ReservationType::ALL[..]);
    let parties = proptest::collection::vec(any_party(), 0..6);
    (parties, proptest::option::of((any::<proptest::sample::Index>(), kinds)), any::<bool>()).prop_map(
        |(parties, reserve, no_full_status)| {
            let mut bed = Bed { no_full_status, ..Bed::default() };
            // Nexus 1 is node a's, so it is registered with its key or not at all.
            let mut at = 20;
            let seated: Vec<(u8, Party)> = parties
                .into_iter()
                .map(|p| match p {
                    Party::Me => (A, p),
                    _ => {
                        at += 1;
                        (at, p)
                    }
                })
                .collect();
            seated.iter().for_each(|(nexus, p)| bed.join(*nexus, p.key()));
            if let (Some((who, kind)), false) = (reserve, seated.is_empty()) {
                let (nexus, p) = seated[who.index(seated.len())];
                bed.out(nexus, PrOut::reserve(p.key(), kind));
            }
            (bed, seated)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn confirmed_means_that_the_victims_writes_are_refused(
        (mut bed, seated) in any_bed(),
        fates in proptest::collection::vec(any_fate(), 0..12),
        drain in prop_oneof![Just(Drain::AbortOnly), Just(Drain::Reset)],
    ) {
        let before: Vec<Key> = bed.unit.keys().collect();
        let mut f = Fencer::new(&FenceOrder { drain, ..order() }, unit(1)).unwrap();
        let begun = bed.now;
        let end = bed.run(&mut f, |n, _| fates.get(n).copied().unwrap_or(Fate::Answered));
        // Nobody but the victim loses a registration.
        for k in before.iter().filter(|k| !order().victim.owns(**k)) {
            prop_assert!(bed.unit.keys().any(|now| now == *k), "{k} is gone: {:#?}", bed.sent);
        }
        prop_assert!(bed.now.since(begun) <= order().budget + STEP * 2);
        prop_assert_eq!(f.changed(), bed.sent.iter().any(|l| !l.contains(" READ ")));
        match end {
            FenceEnd::Confirmed(how) => {
                prop_assert!(bed.unit.kind().is_some());
                for (nexus, p) in &seated {
                    if matches!(p, Party::Victim(_)) {
                        prop_assert!(!bed.unit.is_registered(NexusId(*nexus)));
                        prop_assert_eq!(bed.unit.check_access(NexusId(*nexus), Access::Write), Verdict::Conflict);
                    }
                }
                prop_assert!(how == How::Done || f.removed().is_empty());
                prop_assert!(drain == Drain::AbortOnly || bed.resets > 0);
            }
            FenceEnd::Refused(_) | FenceEnd::Unknown { .. } => {}
        }
        // Where everything was answered and this node and cluster hold the device, the fence succeeds.
        let foreign = bed.unit.read_reservation().holder.is_some_and(|h| h.key == Party::Foreign.key());
        if fates.is_empty() && bed.unit.is_registered(NexusId(A)) && !foreign {
            prop_assert!(matches!(end, FenceEnd::Confirmed(_)), "{end:?} {:#?}", bed.sent);
        }
    }
}
