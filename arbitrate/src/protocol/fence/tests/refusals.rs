//! Fences that a rule forbids: nothing is sent that changes the device.

use super::*;

fn refused(bed: &mut Bed, order: &FenceOrder) -> FenceRefusal {
    let (f, end) = bed.fence(order, 1);
    let FenceEnd::Refused(why) = end else { panic!("{end:?}") };
    assert!(!f.changed(), "{:#?}", bed.sent);
    why
}

#[test]
fn nobody_fences_itself_or_nobody() {
    let me = FenceOrder { victim: Victim::Node(CLUSTER, node(A)), ..order() };
    assert_eq!(Fencer::new(&me, unit(1)).unwrap_err(), FenceRefusal::Myself);
    let zero = FenceOrder { victim: Victim::Keys(ArrayVec::from_iter([Key::default()])), ..order() };
    assert_eq!(Fencer::new(&zero, unit(1)).unwrap_err(), FenceRefusal::KeyZero);
    let nobody = FenceOrder { victim: Victim::Keys(ArrayVec::new()), ..order() };
    assert_eq!(Fencer::new(&nobody, unit(1)).unwrap_err(), FenceRefusal::Nobody);
    let anonymous = FenceUnit { own: Some(Key::default()), ..unit(1) };
    assert_eq!(Fencer::new(&order(), anonymous).unwrap_err(), FenceRefusal::KeyZero);
    for paths in [0, MAX_PATHS + 1] {
        assert_eq!(Fencer::new(&order(), unit(paths)).unwrap_err(), FenceRefusal::Paths(paths));
    }
    // The own key among named ones.
    let named = FenceOrder { victim: Victim::Keys(ArrayVec::from_iter([settled(A, 1)])), ..order() };
    assert_eq!(Fencer::new(&named, unit(1)).unwrap_err(), FenceRefusal::Myself);
}

#[test]
fn an_empty_device_is_not_protected_and_never_already_off() {
    let why = refused(&mut Bed::default(), &order());
    assert_eq!(why, FenceRefusal::NotProtected { registrations: 0 });
    // Registrations of others, without a reservation, protect no more.
    let mut bed = Bed::default();
    bed.join(C, settled(C, 1));
    assert_eq!(refused(&mut bed, &order()), FenceRefusal::NotProtected { registrations: 1 });
}

#[test]
fn without_an_own_registration_nobody_is_removed() {
    let mut bed = Bed::held_by_victim();
    bed.out(A, PrOut::register(settled(A, 1), Key::default(), Aptpl::No));
    assert_eq!(refused(&mut bed, &order()), FenceRefusal::NotRegistered);
    let mut f = Fencer::new(&order(), FenceUnit { own: None, ..unit(1) }).unwrap();
    let mut bed = Bed::held_by_victim();
    let end = bed.run(&mut f, |_, _| Fate::Answered);
    assert_eq!(end, FenceEnd::Refused(FenceRefusal::NotRegistered), "no own key is known");
    // But a victim that is kept out by others is kept out.
    let mut bed = Bed::default();
    bed.join(C, settled(C, 1));
    bed.out(C, PrOut::reserve(settled(C, 1), KIND));
    assert_eq!(bed.fence(&order(), 1).1, FenceEnd::Confirmed(How::AlreadySo));
}

#[test]
fn a_holder_outside_the_cluster_is_refused_unless_named() {
    let foreign = Key::from_u64(0xabc);
    let mut bed = Bed::default();
    bed.join(A, settled(A, 1));
    bed.join(B, settled(B, 1));
    bed.join(9, foreign);
    bed.out(9, PrOut::reserve(foreign, KIND));
    let held = Holder { key: foreign, kind: KIND };
    assert_eq!(refused(&mut bed, &order()), FenceRefusal::OtherHolder(held));
    let expecting = |key| FenceOrder { holders: Holders::Only(key), ..order() };
    assert_eq!(refused(&mut bed, &expecting(settled(B, 1))), FenceRefusal::OtherHolder(held));
    assert_eq!(bed.fence(&expecting(foreign), 1).1, FenceEnd::Confirmed(How::Done));
}

#[test]
fn the_expected_holder_may_be_the_victim() {
    let mut bed = Bed::held_by_victim();
    let expecting = |key| FenceOrder { holders: Holders::Only(key), ..order() };
    let held = Holder { key: settled(B, 1), kind: KIND };
    assert_eq!(refused(&mut bed, &expecting(settled(C, 1))), FenceRefusal::OtherHolder(held));
    assert_eq!(bed.fence(&expecting(settled(B, 1)), 1).1, FenceEnd::Confirmed(How::Done));
}

#[test]
fn a_type_that_lets_the_victim_read_is_no_proof_where_reading_matters() {
    let mut bed = Bed::default();
    bed.join(A, settled(A, 1));
    bed.join(B, settled(B, 1));
    bed.out(A, PrOut::reserve(settled(A, 1), KIND));
    let kind = ReservationType::ExclusiveAccessRegistrantsOnly;
    let asked = FenceOrder { protection: Protection::Required(Some(kind)), ..order() };
    let (f, end) = bed.fence(&asked, 1);
    assert_eq!(end, FenceEnd::Refused(FenceRefusal::WeakType(KIND)));
    assert_eq!(f.removed(), [settled(B, 1)], "its writes are kept out all the same");
}

#[test]
fn more_lives_than_can_be_named_are_refused() {
    let mut bed = Bed::default();
    bed.join(A, settled(A, 1));
    for n in 0..=u8::try_from(MAX_VICTIMS).unwrap() {
        bed.join(20 + n, settled(B, 1 + u32::from(n)));
    }
    assert_eq!(refused(&mut bed, &order()), FenceRefusal::TooManyKeys);
}

#[test]
fn a_target_that_refuses_is_believed() {
    let sense = |asc| NoAnswer::Sense(Sense::new(SenseKey::ILLEGAL_REQUEST, asc, 0));
    // No persistent reservations at all.
    let mut bed = Bed::default();
    let mut f = Fencer::new(&order(), unit(1)).unwrap();
    let end = bed.run(&mut f, |_, _| Fate::Refused(sense(0x20)));
    assert_eq!(end, FenceEnd::Refused(FenceRefusal::Target(sense(0x20))));
    // No PREEMPT AND ABORT: tried once, then read.
    let mut bed = Bed::held_by_victim();
    let mut f = Fencer::new(&order(), unit(1)).unwrap();
    let end = bed.run(&mut f, |_, c| match c {
        FenceCommand::Out(_) => Fate::Refused(sense(0x24)),
        _ => Fate::Answered,
    });
    assert_eq!(end, FenceEnd::Refused(FenceRefusal::Target(sense(0x24))));
    assert_eq!(bed.sent.iter().filter(|l| l.contains("PREEMPT")).count(), 1, "{:#?}", bed.sent);
}

#[test]
fn a_target_that_says_done_and_does_nothing_is_found_out() {
    let mut bed = Bed::held_by_victim();
    let mut f = Fencer::new(&order(), unit(1)).unwrap();
    let mut next = f.start(bed.now);
    let end = loop {
        next = match next {
            FenceNext::End(e) => break e,
            FenceNext::Issue { command: FenceCommand::Out(_), .. } => {
                f.handle(FenceEvent::Reply(FenceReply::Good), bed.now)
            }
            next => bed.turn(&mut f, next, Fate::Answered),
        };
    };
    assert_eq!(end, FenceEnd::Refused(FenceRefusal::StillThere(settled(B, 1))));
}
