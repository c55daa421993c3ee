//! Golden tables of a returning node `a`.

use super::super::admit::{Admission, AdmitEnd, AdmitRefusal, AdmitSetup};
use super::*;
use crate::protocol::testbed::{Bed as Unit, Fate as Lot};
use crate::protocol::{Event, Lives, Next, Step};

pub(super) fn setup(ghosts: &[Key], nexus_ghost: Option<Key>) -> AdmitSetup {
    AdmitSetup {
        lives: Lives::new(CLUSTER, node(A), ghosts),
        key: settled(A, 5),
        nexus_ghost,
        before: 0,
        aptpl: Aptpl::No,
        command_timeout: Duration::from_secs(3),
        budget: Duration::from_secs(10),
    }
}

fn run(bed: &mut Unit, setup: AdmitSetup, lot: impl Fn(&str) -> Lot) -> AdmitEnd {
    let mut m = Admission::new(setup);
    let mut step = m.start(bed.now);
    for _ in 0..1000 {
        let lot = match &step.next {
            Next::End(e) => return *e,
            Next::Issue { command: crate::protocol::Command::Out(_), .. } => lot("out"),
            _ => lot("read"),
        };
        let next = step.next;
        step = bed.turn(A, next, lot, |event: Event<'_>, now| -> Step<_, _> { m.handle(event, now) });
    }
    panic!("an admission without end")
}

fn answered(_: &str) -> Lot {
    Lot::Answered
}

fn admitted(end: AdmitEnd) -> bool {
    matches!(end, AdmitEnd::Admitted { .. })
}

#[test]
fn a_fenced_node_comes_back_under_a_fresh_key() {
    let mut bed = Unit::held_by(B, settled(B, 1));
    assert!(admitted(run(&mut bed, setup(&[], None), answered)));
    assert_eq!(bed.unit.key_of(NexusId(A)), Some(settled(A, 5)));
    assert_eq!(bed.holder(), Some(settled(B, 1)));
    assert_eq!(bed.changes().len(), 1);
}

#[test]
fn a_ghost_on_the_own_path_goes_first_and_a_holder_is_rekeyed_in_place() {
    let ghost = settled(A, 1);
    let mut bed = Unit::held_by(B, settled(B, 1));
    bed.join(A, ghost);
    assert!(admitted(run(&mut bed, setup(&[ghost], Some(ghost)), answered)));
    let sent = bed.changes();
    assert!(sent.len() == 2 && sent[0].contains("REGISTER a1 0"), "{sent:?}");

    let mut bed = Unit::held_by(A, ghost);
    assert!(admitted(run(&mut bed, setup(&[ghost], Some(ghost)), answered)));
    assert_eq!(bed.holder(), Some(settled(A, 5)), "it was never without a holder");
    assert_eq!(bed.changes().len(), 1);
}

#[test]
fn a_ghost_on_a_dead_path_is_left_alone() {
    let ghost = settled(A, 1);
    let mut bed = Unit::held_by(B, settled(B, 1));
    bed.join(9, ghost);
    assert!(admitted(run(&mut bed, setup(&[ghost], Some(ghost)), answered)));
    assert_eq!(bed.unit.key_of(NexusId(9)), Some(ghost));
    assert_eq!(bed.unit.key_of(NexusId(A)), Some(settled(A, 5)));
}

#[test]
fn a_further_path_is_proven_by_a_registration_more() {
    let mut bed = Unit::held_by(B, settled(B, 1));
    bed.join(9, settled(A, 5));
    let further = || AdmitSetup { before: 1, ..setup(&[], None) };
    let end = run(&mut bed, further(), |c| if c == "out" { Lot::Lost } else { Lot::Answered });
    assert_eq!(end, AdmitEnd::Unknown(NoAnswer::Outstanding), "the other path's registration proves nothing");
    assert!(admitted(run(&mut bed, further(), answered)));
    assert_eq!(bed.unit.key_of(NexusId(A)), Some(settled(A, 5)));
}

#[test]
fn strangers_are_refused_and_never_overwritten() {
    let mut bed = Unit::held_by(B, settled(B, 1));
    bed.join(9, settled(A, 3));
    let end = run(&mut bed, setup(&[settled(A, 1)], None), answered);
    assert_eq!(end, AdmitEnd::Refused(AdmitRefusal::NodeNumberTaken(settled(A, 3))));
    let foreign = Key::from_u64(0xab);
    let mut bed = Unit::held_by(9, foreign);
    let end = run(&mut bed, setup(&[], None), answered);
    assert_eq!(end, AdmitEnd::Refused(AdmitRefusal::ForeignKey(foreign)));
    // An unknown key on this very path.
    let mut bed = Unit::held_by(B, settled(B, 1));
    bed.join(A, settled(C, 1));
    let end = run(&mut bed, setup(&[], None), answered);
    assert_eq!(end, AdmitEnd::Refused(AdmitRefusal::NexusTaken));
    assert_eq!(bed.unit.key_of(NexusId(A)), Some(settled(C, 1)));
}

#[test]
fn a_register_without_an_answer_is_never_repeated() {
    let mut bed = Unit::held_by(B, settled(B, 1));
    let end = run(&mut bed, setup(&[], None), |c| if c == "out" { Lot::Lost } else { Lot::Answered });
    assert_eq!(end, AdmitEnd::Unknown(NoAnswer::Outstanding));
    assert_eq!(bed.changes().len(), 1);
    // Executed after all: reading shows it.
    let mut bed = Unit::held_by(B, settled(B, 1));
    let end = run(&mut bed, setup(&[], None), |c| if c == "out" { Lot::AnswerLost } else { Lot::Answered });
    assert!(admitted(end));
    assert_eq!(bed.changes().len(), 1);
}

#[test]
fn an_unreachable_device_is_said_to_be_one() {
    let mut bed = Unit::held_by(B, settled(B, 1));
    let end = run(&mut bed, setup(&[], None), |_| Lot::Lost);
    assert!(matches!(end, AdmitEnd::Unreachable(_)), "{end:?}");
    assert!(bed.changes().is_empty());
}
