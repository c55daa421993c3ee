//! Fences that go as they should.

use super::*;

const DONE: FenceEnd = FenceEnd::Confirmed(How::Done);

#[test]
fn a_fence_is_three_round_trips() {
    let mut bed = Bed::held_by_victim();
    let (f, end) = bed.fence(&order(), 1);
    assert_eq!(end, DONE);
    assert_eq!(bed.sent, ["0 READ FULL STATUS", "0 PREEMPT AND ABORT a1 of b1: good", "0 READ FULL STATUS"]);
    assert_eq!(f.removed(), [settled(B, 1)]);
    let (first, last) = (f.first().unwrap(), f.last().unwrap());
    assert_eq!((first.registrations, first.holder.unwrap().key), (2, settled(B, 1)));
    assert_eq!((last.registrations, last.holder.unwrap().key), (1, settled(A, 1)));
    assert!(last.generation > first.generation);
}

#[test]
fn the_reservation_of_another_node_of_the_cluster_keeps_the_victim_out_as_well() {
    let mut bed = Bed::default();
    bed.join(A, settled(A, 1));
    bed.join(B, settled(B, 1));
    bed.join(C, settled(C, 1));
    bed.out(C, PrOut::reserve(settled(C, 1), KIND));
    let (f, end) = bed.fence(&order(), 1);
    assert_eq!(end, DONE);
    assert_eq!(bed.sent.len(), 3);
    assert_eq!(f.last().unwrap().holder.unwrap().key, settled(C, 1), "nothing is taken from it");
}

#[test]
fn every_key_of_the_victim_goes_whatever_its_life_and_stance() {
    let mut bed = Bed::held_by_victim();
    bed.join(5, settled(B, 7));
    bed.join(6, key(B, 9, Stance::Challenging));
    bed.join(7, settled(B, 7));
    bed.join(C, settled(C, 1));
    let (f, end) = bed.fence(&order(), 1);
    assert_eq!(end, DONE);
    assert_eq!(bed.sent.len(), 2 + 3, "one command more for each key: {:#?}", bed.sent);
    assert_eq!(f.removed().len(), 3);
    assert_eq!(bed.unit.keys().collect::<Vec<_>>(), [settled(A, 1), settled(C, 1)]);
}

#[test]
fn without_a_reservation_one_is_taken_first() {
    let mut bed = Bed::default();
    bed.join(A, settled(A, 1));
    bed.join(B, settled(B, 1));
    let (f, end) = bed.fence(&order(), 1);
    assert_eq!(end, DONE);
    assert!(f.reserved());
    assert_eq!(
        bed.sent,
        [
            "0 READ FULL STATUS",
            "0 RESERVE a1 type 5: good",
            "0 PREEMPT AND ABORT a1 of b1: good",
            "0 READ FULL STATUS"
        ]
    );
}

#[test]
fn a_victim_that_is_not_registered_is_kept_out_by_taking_the_reservation() {
    let mut bed = Bed::default();
    bed.join(A, settled(A, 1));
    let (f, end) = bed.fence(&order(), 1);
    assert_eq!(end, DONE);
    assert!(f.reserved() && f.removed().is_empty());
    assert_eq!(f.last().unwrap().holder, Some(Holder { key: settled(A, 1), kind: KIND }));
}

#[test]
fn a_fenced_victim_is_already_so_and_nothing_is_sent() {
    let mut bed = Bed::held_by_victim();
    bed.fence(&order(), 1);
    bed.sent.clear();
    let (f, end) = bed.fence(&order(), 1);
    assert_eq!(end, FenceEnd::Confirmed(How::AlreadySo));
    assert_eq!(bed.sent, ["0 READ FULL STATUS"]);
    assert!(!f.changed());
}

#[test]
fn a_target_without_full_status_is_looked_at_in_two_commands() {
    let mut bed = Bed::held_by_victim();
    bed.no_full_status = true;
    let (_, end) = bed.fence(&order(), 1);
    assert_eq!(end, DONE);
    assert_eq!(
        bed.sent,
        [
            "0 READ FULL STATUS: refused",
            "0 READ KEYS",
            "0 READ RESERVATION",
            "0 PREEMPT AND ABORT a1 of b1: good",
            "0 READ KEYS",
            "0 READ RESERVATION"
        ]
    );
}

#[test]
fn a_drain_resets_after_the_last_preempt_and_before_the_read_back() {
    let mut bed = Bed::held_by_victim();
    let (f, end) = bed.fence(&FenceOrder { drain: Drain::Reset, ..order() }, 1);
    assert_eq!(end, DONE);
    assert!(f.drained());
    assert_eq!(
        bed.sent,
        [
            "0 READ FULL STATUS",
            "0 PREEMPT AND ABORT a1 of b1: good",
            "0 LOGICAL UNIT RESET: good",
            "0 READ FULL STATUS"
        ]
    );
    // Already kept out: what it may still have queued is ended all the same.
    bed.sent.clear();
    let (_, end) = bed.fence(&FenceOrder { drain: Drain::Reset, ..order() }, 1);
    assert_eq!(end, FenceEnd::Confirmed(How::AlreadySo));
    assert_eq!(bed.sent, ["0 READ FULL STATUS", "0 LOGICAL UNIT RESET: good", "0 READ FULL STATUS"]);
}

#[test]
fn the_type_asked_for_is_taken_from_the_victim() {
    let mut bed = Bed::held_by_victim();
    let kind = ReservationType::ExclusiveAccessRegistrantsOnly;
    let (f, end) = bed.fence(&FenceOrder { protection: Protection::Required(Some(kind)), ..order() }, 1);
    assert_eq!(end, DONE);
    assert_eq!(f.last().unwrap().holder.unwrap().kind, kind);
    // And kept where none is asked for.
    let mut bed = Bed::default();
    bed.join(A, settled(A, 1));
    bed.join(B, settled(B, 1));
    bed.out(B, PrOut::reserve(settled(B, 1), kind));
    let (f, _) = bed.fence(&order(), 1);
    assert_eq!(f.last().unwrap().holder.unwrap().kind, kind);
}

#[test]
fn a_reservation_all_registrants_hold_keeps_the_victim_out() {
    let mut bed = Bed::default();
    bed.join(A, settled(A, 1));
    bed.join(B, settled(B, 1));
    bed.out(B, PrOut::reserve(settled(B, 1), ReservationType::WriteExclusiveAllRegistrants));
    let (f, end) = bed.fence(&order(), 1);
    assert_eq!(end, DONE);
    assert_eq!(bed.sent.len(), 3);
    assert!(f.last().unwrap().holder.unwrap().kind.all_registrants());
}

#[test]
fn leftovers_are_removed_without_taking_a_reservation() {
    let mut bed = Bed::default();
    bed.join(A, settled(A, 1));
    bed.join(B, settled(B, 1));
    bed.join(C, settled(C, 1));
    let stale = ArrayVec::from_iter([settled(B, 1)]);
    let clear = FenceOrder {
        victim: Victim::Keys(stale),
        protection: Protection::NotAsked,
        abort: Abort::No,
        holders: Holders::Anybody,
        ..order()
    };
    let (f, end) = bed.fence(&clear, 1);
    assert_eq!(end, DONE);
    assert_eq!(bed.sent, ["0 READ FULL STATUS", "0 PREEMPT a1 of b1: good", "0 READ FULL STATUS"]);
    assert_eq!(f.last().unwrap().holder, None);
    assert_eq!(bed.unit.keys().collect::<Vec<_>>(), [settled(A, 1), settled(C, 1)]);
}
