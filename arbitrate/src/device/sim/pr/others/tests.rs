//! Truth tables of the commands that name other nexuses. A holds, B is registered besides, C and D are
//! nobody; P is A's initiator at another port.

use super::*;
use crate::codec::pr::ReservationType as T;

const A: NexusId = NexusId(0);
const B: NexusId = NexusId(1);
const C: NexusId = NexusId(2);
const D: NexusId = NexusId(3);
const P: NexusId = NexusId(4);
const NONE: Key = Key::from_u64(0);
const KA: Key = Key::from_u64(0xa);
const KB: Key = Key::from_u64(0xb);
const KX: Key = Key::from_u64(0xff);

fn held(kind: T) -> Reservations {
    let mut r = Reservations::default();
    for (n, k) in [(A, KA), (B, KB)] {
        assert_eq!(r.pr_out(n, &PrOut::register(NONE, k, Aptpl::No)), Answer::Good);
    }
    assert_eq!(r.pr_out(A, &PrOut::reserve(KA, kind)), Answer::Good);
    r
}

fn register(own: Key, new: Key) -> RegisterAll<'static> {
    RegisterAll::alone(&PrOut::register(own, new, Aptpl::No), Existing::Compare)
}

fn listing<'a>(own: Key, new: Key, l: &'a [NexusId]) -> RegisterAll<'a> {
    RegisterAll { listed: Listed::These(l), ..register(own, new) }
}

#[track_caller]
fn refused(r: &Reservations, n: NexusId, c: &RegisterAll<'_>, why: Answer) {
    let mut after = r.clone();
    assert_eq!(after.register_all(n, c), why, "{c:?} from {n:?}");
    assert_eq!(after, *r, "all or nothing");
}

fn moving(own: Key, new: Key, to: NexusId) -> MoveTo {
    MoveTo { own, new, aptpl: Aptpl::No, unregister: Unregister::No, to: Some(to) }
}

#[track_caller]
fn unmoved(r: &Reservations, n: NexusId, c: &MoveTo, why: Answer) {
    let mut after = r.clone();
    assert_eq!(after.register_and_move(n, c), why, "{c:?} from {n:?}");
    assert_eq!(after, *r, "all or nothing");
}

const BAD_LIST: Answer = Answer::INVALID_FIELD_IN_PARAMETER_LIST;

/// Rows of table 67 where SPEC_I_PT is 1 (SPC-4 5.12.7).
#[test]
fn spec_i_pt_table_67() {
    for kind in T::ALL {
        let r = held(kind);
        // From an unregistered nexus: key 0 twice does nothing, whatever is listed.
        refused(&r, C, &listing(NONE, NONE, &[D]), Answer::Good);
        refused(&r, C, &RegisterAll { listed: Listed::Unknown, ..register(NONE, NONE) }, Answer::Good);
        refused(&r, C, &listing(KX, KX, &[D]), Answer::Conflict);
        // Footnote b: one that is registered spoils all.
        refused(&r, C, &listing(NONE, KX, &[D, B]), BAD_LIST);
        refused(&r, C, &RegisterAll { listed: Listed::Unknown, ..register(NONE, KX) }, BAD_LIST);
        // From a registered one: footnote c.
        refused(&r, B, &listing(KX, KX, &[D]), Answer::Conflict);
        refused(&r, B, &listing(KB, NONE, &[D]), BAD_LIST);
        refused(&r, B, &listing(KB, KX, &[D]), BAD_LIST);
        let mut after = r.clone();
        assert_eq!(after.register_all(C, &listing(NONE, KX, &[D])), Answer::Good);
        assert_eq!((after.key_of(C), after.key_of(D)), (Some(KX), Some(KX)));
        assert_eq!(after.generation().0, r.generation().0 + 1, "one command counts once");
        assert_eq!((after.kind(), after.is_holder(A)), (Some(kind), true));
        assert!([A, B, C, D].iter().all(|n| after.attentions(*n).next().is_none()), "nobody is told");
    }
}

#[test]
fn all_target_ports_is_as_if_it_came_by_each_6_16_3() {
    let also = [P];
    let all = |own, new| register(own, new).and(&also);
    let mut r = Reservations::default();
    assert_eq!(r.register_all(A, &all(NONE, KA)), Answer::Good);
    assert_eq!((r.key_of(A), r.key_of(P), r.generation().0), (Some(KA), Some(KA), 1));
    assert_eq!(r.register_all(P, &register(KA, KB)), Answer::Good);
    // The other port has another key now.
    refused(&r, A, &all(KA, KX), Answer::Conflict);
    refused(&r, A, &all(KA, NONE), Answer::Conflict);
    let ignore = |new| RegisterAll { existing: Existing::Ignore, ..all(NONE, new) };
    assert_eq!(r.register_all(A, &ignore(KX)), Answer::Good);
    assert_eq!((r.key_of(A), r.key_of(P)), (Some(KX), Some(KX)));
    assert_eq!(r.pr_out(P, &PrOut::reserve(KX, T::WriteExclusive)), Answer::Good);
    assert_eq!(r.register_all(A, &all(KX, NONE)), Answer::Good);
    assert_eq!((r.keys().len(), r.kind()), (0, None), "the holder's port was one of them");
    // A port that came later has nothing to unregister.
    assert_eq!(r.register_all(A, &register(NONE, KA)), Answer::Good);
    refused(&r, A, &all(NONE, KA), Answer::Conflict);
    assert_eq!(r.register_all(A, &all(KA, NONE)), Answer::Good);
    refused(&r, A, &all(NONE, NONE), Answer::Good);
}

#[test]
fn aptpl_is_what_the_last_register_said_5_12_5_1() {
    let yes = |c: RegisterAll<'static>| RegisterAll { aptpl: Aptpl::Yes, ..c };
    let mut r = Reservations::default();
    assert_eq!(r.register_all(A, &yes(register(NONE, KA))), Answer::Good);
    assert!(r.persists());
    refused(&r, B, &register(KX, KB), Answer::Conflict);
    refused(&r, B, &register(NONE, NONE), Answer::Good);
    assert_eq!(r.pr_out(A, &PrOut::reserve(KA, T::WriteExclusive)), Answer::Good);
    assert!(r.persists(), "RESERVE does not carry it");
    let mut moved = r.clone();
    assert_eq!(moved.register_and_move(A, &moving(KA, KX, C)), Answer::Good);
    assert!(!moved.persists());
    assert_eq!(r.register_all(B, &register(NONE, KB)), Answer::Good);
    assert!(!r.persists(), "anybody's REGISTER decides for all");
}

#[test]
fn a_full_unit_registers_none_of_them_5_12_7() {
    let all: Vec<_> = (0..=126).map(NexusId).collect();
    let mut r = Reservations::default();
    assert_eq!(r.register_all(NexusId(0), &listing(NONE, KA, &all[1..])), Answer::Good);
    let two = [NexusId(200), NexusId(201)];
    refused(&r, NexusId(199), &listing(NONE, KX, &two[..1]), Answer::NO_REGISTRATION_RESOURCES);
    assert_eq!(r.pr_out(NexusId(0), &PrOut::reserve(KA, T::WriteExclusive)), Answer::Good);
    assert_eq!(r.register_all(NexusId(199), &register(NONE, KX)), Answer::Good);
    unmoved(&r, NexusId(0), &moving(KA, KX, two[0]), Answer::NO_REGISTRATION_RESOURCES);
    assert_eq!(r.register_and_move(NexusId(0), &moving(KA, KX, NexusId(1))), Answer::Good, "known already");
}

/// Table 70 and the paragraphs behind it (SPC-4 5.12.8).
#[test]
fn register_and_move_table_70() {
    for kind in T::ALL {
        let r = held(kind);
        let all = kind.all_registrants();
        unmoved(&r, C, &moving(NONE, KX, D), Answer::Conflict);
        unmoved(&r, A, &moving(KX, KX, C), Answer::Conflict);
        unmoved(&r, B, &moving(KB, KX, C), Answer::Conflict);
        if all {
            unmoved(&r, A, &moving(KA, KX, C), Answer::Conflict);
            continue;
        }
        unmoved(&r, A, &moving(KA, NONE, C), BAD_LIST);
        unmoved(&r, A, &MoveTo { to: None, ..moving(KA, KX, C) }, BAD_LIST);
        for (to, unregister) in
            [(C, Unregister::No), (C, Unregister::Yes), (B, Unregister::No), (B, Unregister::Yes)]
        {
            let mut after = r.clone();
            let c = MoveTo { unregister, ..moving(KA, KX, to) };
            assert_eq!(after.register_and_move(A, &c), Answer::Good);
            assert_eq!((after.key_of(to), after.is_holder(to), after.kind()), (Some(KX), true, Some(kind)));
            assert!(!after.is_holder(A));
            assert_eq!(after.is_registered(A), unregister == Unregister::No);
            assert_eq!(after.generation().0, r.generation().0 + 1);
            assert!([A, B, C].iter().all(|n| after.attentions(*n).next().is_none()));
            assert!(after.is_sound());
        }
    }
    let mut free = Reservations::default();
    assert_eq!(free.register_all(A, &register(NONE, KA)), Answer::Good);
    unmoved(&free, A, &moving(KA, KX, C), Answer::INVALID_FIELD_IN_CDB);
}
