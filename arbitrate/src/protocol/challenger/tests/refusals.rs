//! What is refused before anything was sent that changes the device.

use super::*;
use crate::codec::pr::ReservationType;

fn refused(bed: &mut Bed) -> Refusal {
    let mut run = Run::begin(bed);
    let end = run.end(bed);
    assert_eq!(bed.changes(), Vec::<String>::new(), "nothing was changed");
    match end {
        ChallengeEnd::Refused { why, cleanup: Cleanup::NotNeeded } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_foreign_key() {
    let mut bed = Bed::default();
    bed.join(A, Key::from_u64(0x11));
    assert_eq!(refused(&mut bed), Refusal::ForeignKey(Key::from_u64(0x11)));
}

#[test]
fn an_impostor_with_our_number() {
    let mut bed = Bed::held_by(A, settled(A, 1));
    bed.join(C, settled(B, 7));
    assert_eq!(refused(&mut bed), Refusal::NodeNumberTaken(settled(B, 7)));
}

#[test]
fn a_reservation_that_all_registrants_hold() {
    let mut bed = Bed::default();
    bed.join(A, settled(A, 1));
    let kind = ReservationType::WriteExclusiveAllRegistrants;
    bed.out(A, PrOut::reserve(settled(A, 1), kind));
    assert_eq!(refused(&mut bed), Refusal::SharedReservation(kind));
}

#[test]
fn a_legacy_reservation_that_bars_us() {
    let mut bed = Bed::default();
    let mut run = Run::begin(&bed);
    run.turn(&mut bed, Fate::Conflict);
    let why = Refusal::LegacyReservation;
    assert_eq!(run.next, Next::End(ChallengeEnd::Refused { why, cleanup: Cleanup::NotNeeded }));
}

#[test]
fn a_nexus_registered_under_a_key_that_could_not_be_told() {
    let mut bed = Bed::default();
    bed.join(B, settled(A, 5));
    let end = Run::begin(&bed).end(&mut bed);
    let refused = ChallengeEnd::Refused { why: Refusal::NexusTaken, cleanup: Cleanup::NotNeeded };
    assert_eq!(end, refused);
    assert_eq!(bed.changes(), ["0.02 REGISTER 0 b1!: conflict"]);
}

#[test]
fn a_device_that_cannot_be_read() {
    let mut bed = Bed::default();
    let mut run = Run::begin(&bed);
    while !matches!(run.next, Next::End(_)) {
        run.turn(&mut bed, Fate::Lost);
    }
    assert_eq!(run.next, Next::End(ChallengeEnd::Unreachable(NoAnswer::Outstanding)));
    assert!(bed.changes().is_empty());
}
