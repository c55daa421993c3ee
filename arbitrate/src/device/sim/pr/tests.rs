//! Truth tables: every service action from an unregistered nexus, a registrant and a holder, under every
//! type. A holds, B is registered besides, C is nobody; where all registrants hold, B holds too.

use super::*;
use crate::codec::pr::{Abort, Aptpl, OutAction, PrOut, Preempt};
use crate::device::sim::access::{Access, Verdict};
use crate::device::sim::answer::Answer;

const A: NexusId = NexusId(0);
const B: NexusId = NexusId(1);
const C: NexusId = NexusId(2);
const D: NexusId = NexusId(3);
const NONE: Key = Key::from_u64(0);
const KA: Key = Key::from_u64(0xa);
const KB: Key = Key::from_u64(0xb);
const KX: Key = Key::from_u64(0xff);

use Attention::{RegistrationsPreempted, ReservationsPreempted, ReservationsReleased};
use ReservationType as T;

fn registered(who: &[(NexusId, Key)]) -> Reservations {
    let mut r = Reservations::default();
    for (n, k) in who {
        assert_eq!(r.pr_out(*n, &PrOut::register(NONE, *k, Aptpl::No)), Answer::Good);
    }
    r
}

/// A holds `kind`, B is registered.
fn held(kind: T) -> Reservations {
    let mut r = registered(&[(A, KA), (B, KB)]);
    assert_eq!(r.pr_out(A, &PrOut::reserve(KA, kind)), Answer::Good);
    r
}

fn preempt(own: Key, victim: Key, kind: T) -> PrOut {
    PrOut::preempt(Preempt { own, victim, kind, abort: Abort::No })
}

fn ignore(new: Key) -> PrOut {
    let mut p = PrOut::register(NONE, new, Aptpl::No);
    p.action = OutAction::RegisterAndIgnoreExistingKey;
    p
}

fn clear(own: Key) -> PrOut {
    PrOut { action: OutAction::Clear, kind: None, ..PrOut::register(own, NONE, Aptpl::No) }
}

fn told(r: &Reservations, n: NexusId) -> Vec<Attention> {
    r.attentions(n).collect()
}

/// `c` from `n` is refused with `why` and leaves no trace.
#[track_caller]
fn refused(r: &Reservations, n: NexusId, c: &PrOut, why: Answer) {
    let mut after = r.clone();
    assert_eq!(after.pr_out(n, c), why, "{c:?} from {n:?}");
    assert_eq!(after, *r, "a refused command changes nothing");
}

/// `c` from `n` is GOOD and leaves no trace, PRGENERATION included.
#[track_caller]
fn idle(r: &Reservations, n: NexusId, c: &PrOut) {
    refused(r, n, c, Answer::Good);
}

/// `c` from `n` is GOOD; PRGENERATION counts it or not, as told.
#[track_caller]
fn done(r: &mut Reservations, n: NexusId, c: &PrOut, counted: u32) {
    let before = r.generation().0;
    assert_eq!(r.pr_out(n, c), Answer::Good, "{c:?} from {n:?}");
    assert_eq!(r.generation().0 - before, counted, "PRGENERATION (SPC-4 6.15.2)");
    assert!(r.is_sound());
}

fn sharers(kind: T) -> bool {
    kind.all_registrants()
}

#[test]
fn register_5_12_7_from_an_unregistered_nexus() {
    for r in [Reservations::default()].into_iter().chain(T::ALL.map(held)) {
        idle(&r, C, &PrOut::register(NONE, NONE, Aptpl::No));
        refused(&r, C, &PrOut::register(KX, KX, Aptpl::No), Answer::Conflict);
        refused(&r, C, &PrOut::register(KA, NONE, Aptpl::No), Answer::Conflict);
        let (mut after, had) = (r.clone(), r.read_reservation().holder);
        done(&mut after, C, &PrOut::register(NONE, KX, Aptpl::No), 1);
        assert_eq!((after.key_of(C), after.read_reservation().holder), (Some(KX), had));
        assert!([A, B, C].iter().all(|n| told(&after, *n).is_empty()));
    }
}

#[test]
fn register_5_12_7_from_registrant_and_holder() {
    for (kind, (n, own)) in T::ALL.into_iter().flat_map(|t| [(t, (A, KA)), (t, (B, KB))]) {
        let r = held(kind);
        refused(&r, n, &PrOut::register(KX, KX, Aptpl::No), Answer::Conflict);
        refused(&r, n, &PrOut::register(NONE, KX, Aptpl::No), Answer::Conflict);
        refused(&r, n, &PrOut::register(KX, NONE, Aptpl::No), Answer::Conflict);
        let mut after = r.clone();
        done(&mut after, n, &PrOut::register(own, KX, Aptpl::No), 1);
        assert_eq!((after.key_of(n), after.kind()), (Some(KX), Some(kind)), "re-keying keeps what is held");
        assert_eq!((after.is_holder(A), after.is_holder(B)), (true, sharers(kind)));
        let shown = after.read_reservation().holder.unwrap().key;
        assert_eq!(shown, if sharers(kind) { NONE } else { after.key_of(A).unwrap() });
    }
}

#[test]
fn register_and_ignore_5_12_7_compares_no_key() {
    for kind in T::ALL {
        let mut r = held(kind);
        idle(&r, C, &ignore(NONE));
        done(&mut r, C, &PrOut { list: PrOut::register(KA, KX, Aptpl::No).list, ..ignore(KX) }, 1);
        done(&mut r, A, &ignore(KX), 1);
        assert_eq!((r.key_of(A), r.key_of(C), r.is_holder(A)), (Some(KX), Some(KX), true));
        done(&mut r, A, &ignore(NONE), 1);
        assert_eq!((r.key_of(A), r.is_holder(A)), (None, false));
    }
}

#[test]
fn unregistering_5_12_11_2_a_holder_releases() {
    for kind in T::ALL {
        let mut r = held(kind);
        done(&mut r, A, &PrOut::register(KA, NONE, Aptpl::No), 1);
        let released = kind.registrants_only() && !sharers(kind);
        assert_eq!(told(&r, B), if released { vec![ReservationsReleased] } else { vec![] }, "{kind:?}");
        assert!(told(&r, A).is_empty());
        assert_eq!(r.kind(), sharers(kind).then_some(kind), "only the last registrant ends types 7 and 8");
        done(&mut r, B, &PrOut::register(KB, NONE, Aptpl::No), 1);
        assert_eq!(r.kind(), None);
    }
}

#[test]
fn unregistering_5_12_11_2_a_registrant_that_holds_nothing() {
    for kind in T::ALL {
        let mut r = held(kind);
        done(&mut r, B, &PrOut::register(KB, NONE, Aptpl::No), 1);
        assert_eq!((r.kind(), r.is_holder(A), told(&r, A)), (Some(kind), true, vec![]));
    }
}

#[test]
fn register_6_16_3_spec_i_pt_comes_with_a_list() {
    let r = held(T::WriteExclusive);
    for base in [PrOut::register(NONE, KX, Aptpl::No), ignore(KX)] {
        let mut c = base;
        c.list.spec_i_pt = true;
        refused(&r, C, &c, Answer::INVALID_FIELD_IN_PARAMETER_LIST);
    }
    // So does REGISTER AND MOVE, with one of its own.
    let c = PrOut { action: OutAction::RegisterAndMove, ..PrOut::reserve(KA, T::WriteExclusive) };
    refused(&r, A, &c, Answer::INVALID_FIELD_IN_CDB);
}

#[test]
fn register_6_16_has_a_limit() {
    let all: Vec<_> = (0..=127).map(|n| (NexusId(n), KX)).collect();
    let mut r = registered(&all);
    refused(
        &r,
        NexusId(200),
        &PrOut::register(NONE, KX, Aptpl::No),
        Answer::Check(crate::codec::Sense::new(crate::codec::SenseKey::ILLEGAL_REQUEST, 0x55, 4)),
    );
    done(&mut r, NexusId(5), &PrOut::register(KX, KA, Aptpl::No), 1);
}

#[test]
fn reserve_5_12_9_with_nothing_reserved() {
    for kind in T::ALL {
        let mut r = registered(&[(A, KA), (B, KB)]);
        refused(&r, C, &PrOut::reserve(NONE, kind), Answer::Conflict);
        refused(&r, A, &PrOut::reserve(KB, kind), Answer::Conflict);
        refused(&r, A, &PrOut { kind: None, ..PrOut::reserve(KA, kind) }, Answer::INVALID_FIELD_IN_CDB);
        done(&mut r, A, &PrOut::reserve(KA, kind), 0);
        assert_eq!((r.is_holder(A), r.is_holder(B), r.kind()), (true, sharers(kind), Some(kind)));
    }
}

#[test]
fn reserve_5_12_9_with_a_reservation_in_force() {
    for (kind, other) in T::ALL.into_iter().flat_map(|k| T::ALL.map(|o| (k, o))) {
        let r = held(kind);
        refused(&r, C, &PrOut::reserve(KA, other), Answer::Conflict);
        refused(&r, A, &PrOut::reserve(KX, other), Answer::Conflict);
        let same = if kind == other { Answer::Good } else { Answer::Conflict };
        refused(&r, A, &PrOut::reserve(KA, other), same);
        let holds_too = if sharers(kind) { same } else { Answer::Conflict };
        refused(&r, B, &PrOut::reserve(KB, other), holds_too);
    }
}

#[test]
fn release_5_12_11_2_table() {
    for (kind, named) in T::ALL.into_iter().flat_map(|k| T::ALL.map(|o| (k, o))) {
        let r = held(kind);
        refused(&r, C, &PrOut::release(NONE, named), Answer::Conflict);
        refused(&r, A, &PrOut::release(KB, named), Answer::Conflict);
        if !sharers(kind) {
            idle(&r, B, &PrOut::release(KB, named));
        }
        if kind == named {
            let mut after = r.clone();
            done(&mut after, A, &PrOut::release(KA, named), 0);
            assert_eq!((after.kind(), after.is_registered(A)), (None, true));
            let all = if kind.registrants_only() { vec![ReservationsReleased] } else { vec![] };
            assert_eq!((told(&after, A), told(&after, B)), (vec![], all), "{kind:?}");
        } else {
            let sense = crate::codec::Sense::new(crate::codec::SenseKey::ILLEGAL_REQUEST, 0x26, 4);
            refused(&r, A, &PrOut::release(KA, named), Answer::Check(sense));
        }
    }
    idle(&registered(&[(A, KA)]), A, &PrOut::release(KA, T::WriteExclusive));
}

#[test]
fn clear_5_12_11_2_table() {
    for kind in T::ALL {
        let r = held(kind);
        refused(&r, C, &clear(NONE), Answer::Conflict);
        refused(&r, B, &clear(KA), Answer::Conflict);
        for (n, own, other) in [(A, KA, B), (B, KB, A)] {
            let mut after = r.clone();
            done(&mut after, n, &clear(own), 1);
            assert_eq!((after.kind(), after.keys().len()), (None, 0));
            assert_eq!((told(&after, n), told(&after, other)), (vec![], vec![ReservationsPreempted]));
        }
    }
}

#[test]
fn preempt_5_12_11_2_refusals() {
    for kind in T::ALL {
        let r = held(kind);
        refused(&r, C, &preempt(NONE, KA, kind), Answer::Conflict);
        refused(&r, B, &preempt(KA, KA, kind), Answer::Conflict);
        refused(&r, B, &preempt(KB, KX, kind), Answer::Conflict);
        if !sharers(kind) {
            let sense = crate::codec::Sense::new(crate::codec::SenseKey::ILLEGAL_REQUEST, 0x26, 0);
            refused(&r, B, &preempt(KB, NONE, kind), Answer::Check(sense));
            let untyped = PrOut { kind: None, ..preempt(KB, KA, kind) };
            refused(&r, B, &untyped, Answer::INVALID_FIELD_IN_CDB);
        }
    }
}

#[test]
fn preempt_5_12_11_2_of_the_holder_moves_the_reservation() {
    for (kind, new) in T::ALL.into_iter().filter(|k| !sharers(*k)).flat_map(|k| T::ALL.map(|o| (k, o))) {
        for abort in [Abort::No, Abort::Yes] {
            let mut r = held(kind);
            done(&mut r, C, &PrOut::register(NONE, KX, Aptpl::No), 1);
            done(&mut r, B, &PrOut::preempt(Preempt { own: KB, victim: KA, kind: new, abort }), 1);
            assert_eq!((r.key_of(A), r.is_holder(B), r.kind()), (None, true, Some(new)));
            assert_eq!((told(&r, A), told(&r, B)), (vec![RegistrationsPreempted], vec![]));
            let changed = if kind == new { vec![] } else { vec![ReservationsReleased] };
            assert_eq!(told(&r, C), changed, "{kind:?} to {new:?}");
        }
    }
}

#[test]
fn preempt_5_12_11_2_removes_registrations_that_hold_nothing() {
    for kind in T::ALL {
        let mut r = held(kind);
        done(&mut r, C, &PrOut::register(NONE, KX, Aptpl::No), 1);
        done(&mut r, D, &PrOut::register(NONE, KX, Aptpl::No), 1);
        // The type is not looked at here: GOOD, and the reservation stays as it was.
        done(&mut r, B, &PrOut { kind: None, ..preempt(KB, KX, kind) }, 1);
        assert_eq!((r.key_of(C), r.key_of(D), r.kind(), r.is_holder(A)), (None, None, Some(kind), true));
        assert_eq!((told(&r, C), told(&r, D)), (vec![RegistrationsPreempted], vec![RegistrationsPreempted]));
        assert_eq!((told(&r, A), told(&r, B)), (vec![], vec![]));
    }
}

#[test]
fn preempt_5_12_11_2_key_zero_where_all_hold_removes_all_others() {
    for (kind, new) in T::ALL.into_iter().filter(|k| sharers(*k)).flat_map(|k| T::ALL.map(|o| (k, o))) {
        let mut r = held(kind);
        done(&mut r, B, &preempt(KB, NONE, new), 1);
        assert_eq!((r.keys().collect::<Vec<_>>(), r.kind(), r.is_holder(B)), (vec![KB], Some(new), true));
        assert_eq!((told(&r, A), told(&r, B)), (vec![RegistrationsPreempted], vec![]));
    }
}

#[test]
fn preempt_5_12_11_2_of_oneself() {
    for kind in T::ALL.into_iter().filter(|k| !sharers(*k)) {
        // The holder keeps its registration; another nexus with the same key loses its own.
        let mut r = registered(&[(A, KA), (B, KB), (C, KA)]);
        done(&mut r, A, &PrOut::reserve(KA, kind), 0);
        done(&mut r, A, &preempt(KA, KA, T::ExclusiveAccess), 1);
        assert_eq!((r.key_of(A), r.key_of(C), r.is_holder(A)), (Some(KA), None, true));
        assert_eq!((told(&r, A), told(&r, C)), (vec![], vec![RegistrationsPreempted]));
        // The same key on another nexus than the holder's names the holder as well.
        let mut r = registered(&[(A, KA), (C, KA)]);
        done(&mut r, A, &PrOut::reserve(KA, kind), 0);
        done(&mut r, C, &preempt(KA, KA, kind), 1);
        assert_eq!((r.key_of(A), r.key_of(C), r.is_holder(C)), (None, Some(KA), true));
        // A registrant that holds nothing removes itself, untold.
        let mut r = held(kind);
        done(&mut r, B, &preempt(KB, KB, kind), 1);
        assert_eq!((r.key_of(B), r.is_holder(A), told(&r, B)), (None, true, vec![]));
    }
    // Where all hold, a key names registrations only, and the last to go takes the reservation along.
    let mut r = registered(&[(A, KA)]);
    done(&mut r, A, &PrOut::reserve(KA, T::WriteExclusiveAllRegistrants), 0);
    done(&mut r, A, &preempt(KA, KA, T::WriteExclusiveAllRegistrants), 1);
    assert_eq!((r.kind(), r.keys().len()), (None, 0));
}

#[test]
fn preempt_and_abort_5_12_11_2_6_names_whose_commands_end() {
    let r = held(T::WriteExclusiveRegistrantsOnly);
    let c = |abort| PrOut::preempt(Preempt { own: KB, victim: KA, kind: T::WriteExclusive, abort });
    assert_eq!(r.aborted_by(B, &c(Abort::Yes)).collect::<Vec<_>>(), [A]);
    assert_eq!(r.aborted_by(B, &c(Abort::No)).count(), 0);
    let r = held(T::WriteExclusiveAllRegistrants);
    let c = PrOut::preempt(Preempt { own: KB, victim: NONE, kind: T::WriteExclusive, abort: Abort::Yes });
    assert_eq!(r.aborted_by(B, &c).collect::<Vec<_>>(), [A]);
}

/// Rows: who; columns: read, write. SPC-4 table 66 and SBC-3's.
#[test]
fn access_table_66() {
    use Verdict::{Admitted as Y, Conflict as N};
    for (kind, holder, registrant, nobody) in [
        (T::WriteExclusive, [Y, Y], [Y, N], [Y, N]),
        (T::ExclusiveAccess, [Y, Y], [N, N], [N, N]),
        (T::WriteExclusiveRegistrantsOnly, [Y, Y], [Y, Y], [Y, N]),
        (T::ExclusiveAccessRegistrantsOnly, [Y, Y], [Y, Y], [N, N]),
        (T::WriteExclusiveAllRegistrants, [Y, Y], [Y, Y], [Y, N]),
        (T::ExclusiveAccessAllRegistrants, [Y, Y], [Y, Y], [N, N]),
    ] {
        let r = held(kind);
        for (n, row) in [(A, holder), (B, registrant), (C, nobody)] {
            let got = [Access::Read, Access::Write].map(|a| r.check_access(n, a));
            assert_eq!(got, row, "{kind:?} {n:?}");
            for free in [Access::Identify, Access::Ask, Access::ReservationIn, Access::ReservationOut] {
                assert_eq!(r.check_access(n, free), Y);
            }
            for spc2 in [Access::Reserve, Access::Release] {
                assert_eq!(r.check_access(n, spc2), N, "SPC-4 5.12.3, CRH 0");
            }
        }
    }
    let free = registered(&[(A, KA)]);
    assert_eq!(free.check_access(C, Access::Write), Y, "registrations alone protect nothing");
    assert_eq!(free.check_access(A, Access::Reserve), N, "SPC-2 5.5.1: any registration excludes RESERVE");
}

#[test]
fn a_state_commands_cannot_make_is_not_sound() {
    let good = serde_json::to_value(held(T::WriteExclusive)).unwrap();
    let sound = |v: serde_json::Value| serde_json::from_value::<Reservations>(v).is_ok_and(|r| r.is_sound());
    assert!(sound(good.clone()));
    for (at, bad) in [
        ("/reservation/holder", serde_json::json!(7)),
        ("/reservation/holder", serde_json::Value::Null),
        ("/reservation/kind", serde_json::json!(7)),
        ("/reservation/kind", serde_json::json!(2)),
        ("/registrations/1/nexus", serde_json::json!(0)),
        ("/registrations/0/key", serde_json::json!("0")),
        ("/attentions", serde_json::json!([[1, "power_on"], [1, "power_on"]])),
        ("/attentions", serde_json::json!([[1, "power_on"], [0, "power_on"]])),
    ] {
        let mut v = good.clone();
        *v.pointer_mut(at).unwrap() = bad;
        assert!(!sound(v), "{at}");
    }
}
