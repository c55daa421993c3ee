//! Power loss with and without APTPL, and what follows when memory failed.

use super::*;
use crate::codec::pr::ReservationType as T;
use crate::key::Key;

const A: NexusId = NexusId(0);
const B: NexusId = NexusId(1);
const NONE: Key = Key::from_u64(0);
const KA: Key = Key::from_u64(0xa);
const KB: Key = Key::from_u64(0xb);

fn held(kind: T, aptpl: Aptpl) -> Reservations {
    let mut r = Reservations::default();
    for (n, k) in [(A, KA), (B, KB)] {
        assert_eq!(r.pr_out(n, &PrOut::register(NONE, k, aptpl)), Answer::Good);
    }
    assert_eq!(r.pr_out(A, &PrOut::reserve(KA, kind)), Answer::Good);
    r.establish_attention(B, Attention::DeviceReset);
    r
}

/// Rows: APTPL, memory; columns: registrations, reservation, lost (SPC-4 5.12.5).
#[test]
fn what_power_loss_leaves_5_12_5() {
    for kind in T::ALL {
        for (aptpl, memory, keys, held_after, lost) in [
            (Aptpl::No, Memory::Kept, 0, None, false),
            (Aptpl::No, Memory::Failed, 0, None, false),
            (Aptpl::Yes, Memory::Kept, 2, Some(kind), false),
            (Aptpl::Yes, Memory::Failed, 0, None, true),
        ] {
            let mut r = held(kind, aptpl);
            r.lose_power(memory);
            assert_eq!(
                (r.keys().len(), r.kind(), r.lost()),
                (keys, held_after, lost),
                "{aptpl:?} {memory:?}"
            );
            assert_eq!(r.is_holder(A), held_after.is_some());
            assert_eq!(r.generation().0, 0, "whatever APTPL says (SPC-4 6.15.2)");
            assert_eq!(r.attentions(B).count(), 0);
            assert!(r.is_sound());
        }
    }
}

#[test]
fn replace_lost_5_12_11_3_where_nothing_was_lost() {
    for r in [Reservations::default(), held(T::WriteExclusive, Aptpl::Yes)] {
        let mut after = r.clone();
        let answer = after.pr_out(A, &PrOut::replace_lost(KA, T::WriteExclusive));
        assert_eq!((answer, &after), (Answer::INVALID_RELEASE, &r));
    }
}

#[test]
fn replace_lost_5_12_11_3_begins_anew() {
    for kind in T::ALL {
        let mut r = held(T::WriteExclusive, Aptpl::Yes);
        r.lose_power(Memory::Failed);
        let good = PrOut::replace_lost(KB, kind);
        for (c, why) in [
            (PrOut { kind: None, ..good }, Answer::INVALID_FIELD_IN_CDB),
            (PrOut::replace_lost(NONE, kind), Answer::INVALID_FIELD_IN_PARAMETER_LIST),
            (
                PrOut { list: PrOut::register(KA, KB, Aptpl::No).list, ..good },
                Answer::INVALID_FIELD_IN_PARAMETER_LIST,
            ),
        ] {
            let mut after = r.clone();
            assert_eq!((after.pr_out(B, &c), &after), (why, &r));
        }
        assert_eq!(r.pr_out(B, &good), Answer::Good);
        assert_eq!((r.keys().collect::<Vec<_>>(), r.is_holder(B), r.kind()), (vec![KB], true, Some(kind)));
        assert_eq!((r.generation().0, r.lost(), r.persists()), (0, false, false));
        assert!([A, B].iter().all(|n| r.attentions(*n).next().is_none()), "without unit attentions");
    }
}
