//! What stands before every command: attentions, the SPC-2 reservation, resets.

use super::*;
use crate::codec::pr::{Aptpl, PrOut, ReservationType};
use crate::codec::{Sense, SenseKey};
use crate::key::Key;

const A: NexusId = NexusId(0);
const B: NexusId = NexusId(1);
const K: Key = Key::from_u64(0xa);
const NONE: Key = Key::from_u64(0);
const ALL: [Access; 9] = [
    Access::Identify,
    Access::Ask,
    Access::Read,
    Access::Write,
    Access::ReservationIn,
    Access::ReservationOut,
    Access::ReplaceLost,
    Access::Reserve,
    Access::Release,
];

fn unit() -> LogicalUnit {
    let mut u = LogicalUnit::new(Welcome::Silent);
    u.introduce(B);
    u
}

fn register(key: Key) -> PrOut {
    PrOut::register(NONE, key, Aptpl::No)
}

fn attention(asc: u8, ascq: u8) -> Answer {
    Answer::Check(Sense::new(SenseKey::UNIT_ATTENTION, asc, ascq))
}

#[test]
fn attentions_go_ahead_of_all_but_identification_sam5_5_14() {
    for access in ALL {
        let mut u = unit();
        u.reset();
        let identifies = access == Access::Identify;
        let first = if identifies { Ok(()) } else { Err(attention(0x29, 3)) };
        assert_eq!(u.begin(B, access), first);
        assert_eq!(u.begin(B, access), Ok(()), "told once");
        assert_eq!(u.reservations().attentions(B).count(), usize::from(identifies));
        assert_eq!(u.reservations().attentions(A).count(), 1, "each nexus has its own");
    }
}

#[test]
fn an_attention_replaces_the_command_and_one_is_told_at_a_time() {
    let mut u = unit();
    assert_eq!(u.pr_out(A, &register(K)), Answer::Good);
    assert_eq!(u.pr_out(B, &register(K)), Answer::Good);
    assert_eq!(u.pr_out(A, &PrOut::reserve(K, ReservationType::WriteExclusiveRegistrantsOnly)), Answer::Good);
    u.reset();
    u.reset();
    assert_eq!(u.begin(A, Access::Ask), Err(attention(0x29, 3)));
    assert_eq!(u.pr_out(A, &PrOut::release(K, ReservationType::WriteExclusiveRegistrantsOnly)), Answer::Good);
    assert_eq!(u.pr_out(B, &PrOut::register(K, NONE, Aptpl::No)), attention(0x29, 3));
    assert_eq!(u.pr_out(B, &PrOut::register(K, NONE, Aptpl::No)), attention(0x2a, 4));
    assert!(u.reservations().is_registered(B), "neither was executed");
    assert_eq!(u.pr_out(B, &PrOut::register(K, NONE, Aptpl::No)), Answer::Good);
}

#[test]
fn request_sense_takes_the_attention_spc4_6_39() {
    let mut u = unit();
    u.reset();
    assert_eq!(u.request_sense(A), Some(Attention::DeviceReset));
    assert_eq!(u.request_sense(A), None);
}

#[test]
fn spc2_reservation_shuts_out_the_others_spc2_5_5_1() {
    let mut u = unit();
    assert_eq!(u.reserve(A), Answer::Good);
    assert_eq!(u.reserve(A), Answer::Good);
    for access in ALL {
        let free = matches!(access, Access::Identify | Access::Release);
        let other = if free { Ok(()) } else { Err(Answer::Conflict) };
        assert_eq!(u.clone().begin(B, access), other, "{access:?} from another nexus");
        let persistent =
            matches!(access, Access::ReservationIn | Access::ReservationOut | Access::ReplaceLost);
        let own = if persistent { Err(Answer::Conflict) } else { Ok(()) };
        assert_eq!(u.clone().begin(A, access), own, "{access:?} from the holder");
    }
    assert_eq!(u.reserve(B), Answer::Conflict);
    assert_eq!(u.release(B), Answer::Good);
    assert_eq!(u.reserved_by(), Some(A), "a release from elsewhere releases nothing");
    assert_eq!(u.release(A), Answer::Good);
    assert_eq!(u.reserve(B), Answer::Good);
}

#[test]
fn registrations_exclude_spc2_reservations_spc4_5_12_3() {
    let mut u = unit();
    assert_eq!(u.pr_out(A, &register(K)), Answer::Good);
    for n in [A, B] {
        assert_eq!((u.reserve(n), u.release(n)), (Answer::Conflict, Answer::Conflict));
    }
    assert_eq!(u.pr_out(A, &PrOut::register(K, NONE, Aptpl::No)), Answer::Good);
    assert_eq!(u.reserve(B), Answer::Good);
    assert_eq!(u.pr_out(A, &register(K)), Answer::Conflict);
}

#[test]
fn a_reset_ends_spc2_and_keeps_persistent_reservations_spc4_5_12_5() {
    let mut u = unit();
    assert_eq!(u.reserve(A), Answer::Good);
    u.reset();
    assert_eq!(u.reserved_by(), None);
    assert_eq!(u.begin(A, Access::Ask), Err(attention(0x29, 3)), "the holder is told as well");
    assert_eq!(u.pr_out(A, &register(K)), Answer::Good);
    assert_eq!(u.pr_out(A, &PrOut::reserve(K, ReservationType::WriteExclusive)), Answer::Good);
    let before = u.reservations().read_reservation();
    u.reset();
    assert_eq!(u.reservations().read_reservation(), before);
    assert!(u.reservations().is_registered(A));
}

#[test]
fn power_loss_ends_spc2_and_is_told_to_all_sam5_5_14() {
    let mut u = unit();
    assert_eq!(u.reserve(A), Answer::Good);
    u.reset();
    u.lose_power(Memory::Kept);
    assert_eq!(u.reserved_by(), None);
    for n in [A, B] {
        assert_eq!(u.begin(n, Access::Ask), Err(attention(0x29, 1)), "and the older reset is forgotten");
        assert_eq!(u.begin(n, Access::Ask), Ok(()));
    }
    assert_eq!(u.reserve(B), Answer::Good);
}

#[test]
fn a_new_nexus_is_welcomed_as_told() {
    assert_eq!(LogicalUnit::new(Welcome::Silent).begin(B, Access::Ask), Ok(()));
    let mut u = LogicalUnit::new(Welcome::PowerOn);
    assert_eq!(u.begin(B, Access::Ask), Err(attention(0x29, 0)));
    assert_eq!(u.begin(B, Access::Ask), Ok(()));
    assert_eq!(u.begin(A, Access::Ask), Err(attention(0x29, 0)));
    u.introduce(B);
    assert_eq!(u.begin(B, Access::Ask), Ok(()));
}

#[test]
fn states_no_command_leads_to_are_not_sound() {
    let mut u = unit();
    assert_eq!(u.reserve(A), Answer::Good);
    assert!(u.is_sound());
    let mut both = u.clone();
    assert_eq!(both.pr.pr_out(A, &register(K)), Answer::Good);
    assert!(!both.is_sound(), "both kinds of reservation at once");
    assert!(!LogicalUnit { reserved_by: Some(NexusId(9)), ..u }.is_sound(), "held by nobody known");
}
