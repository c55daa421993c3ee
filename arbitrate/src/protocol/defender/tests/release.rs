//! The clean end.

use super::*;

fn release(run: &mut Run, bed: &mut Bed) {
    run.tick(bed);
    bed.now = at(1.0);
    run.next = run.defender.handle(Event::Release, bed.now).next;
}

#[test]
fn the_lease_goes_first_and_the_key_is_read_back() {
    let mut bed = held();
    let mut run = Run::begin(&bed);
    release(&mut run, &mut bed);
    assert_eq!(run.lease(&bed), None, "before anything is sent");
    run.tick(&mut bed);
    assert_eq!(run.next, Next::End(DefenceEnd::Released));
    assert_eq!(bed.sent[2..], ["1.00 RELEASE a1: good", "1.01 REGISTER a1 0: good", "1.02 READ KEYS"]);
    assert_eq!(bed.unit.registrations().len(), 0);
}

/// The last REGISTER decides for every registrant, the one that unregisters included.
#[test]
fn the_others_keep_their_persistence() {
    let mut bed = held();
    bed.out(B, PrOut::register(Key::default(), settled(B, 1), Aptpl::Yes));
    assert!(bed.unit.persists());
    let mut run = Run::begin(&bed);
    release(&mut run, &mut bed);
    run.tick(&mut bed);
    assert_eq!(run.next, Next::End(DefenceEnd::Released));
    assert!(bed.unit.persists(), "what the others asked for is left");
}

#[test]
fn a_lost_release_is_made_good_by_unregistering() {
    let mut bed = held();
    let mut run = Run::begin(&bed);
    release(&mut run, &mut bed);
    run.turn(&mut bed, Fate::Lost);
    run.tick(&mut bed);
    assert_eq!(run.next, Next::End(DefenceEnd::Released));
    assert_eq!(bed.holder(), None);
}

#[test]
fn a_key_that_stays_is_said_to_be_unproven() {
    let mut bed = held();
    let mut run = Run::begin(&bed);
    release(&mut run, &mut bed);
    for _ in 0..60 {
        if let Next::End(end) = run.next {
            assert_eq!(end, DefenceEnd::ReleaseUnproven);
            assert!(bed.now <= at(18.0), "bounded");
            return;
        }
        let unregisters = matches!(run.next, Next::Issue { command: Command::Out(o), .. } if o.action == OutAction::Register);
        run.turn(&mut bed, if unregisters { Fate::Lost } else { Fate::Answered });
    }
    panic!("no end: {:?}", bed.sent);
}
