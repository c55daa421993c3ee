//! The comparison bites: one rule changed anywhere is found within what a run in CI does.

#![allow(clippy::unwrap_used, reason = "in a test a panic is a failure")]

use anyhow::Result;
use arbitrate::codec::Status;
use arbitrate::codec::pr::{Aptpl, OutAction, PrOut};
use arbitrate::device::sim::Personality;
use arbitrate::device::sim::personality::Deviation;
use arbitrate::key::Key;
use palisade_equal::compare::{Difference, record, replay};
use palisade_equal::generate::sequence;
use palisade_equal::step::{End, Step, What};
use palisade_equal::target::{Embedded, Start, Target};

/// What a run in CI does.
const SEEDS: [u64; 4] = [1, 2, 3, 4];
const COMMANDS: usize = 4000;

/// The first difference between the personality `lio` and a target.
fn found(mut other: impl FnMut(&Start) -> Box<dyn Target>) -> Option<Difference> {
    let start = Start::example();
    SEEDS.iter().find_map(|seed| {
        let steps = sequence(*seed, COMMANDS, &start).unwrap();
        let trace = record(&mut Embedded::new(Personality::LIO, &start).unwrap(), &steps).unwrap();
        replay(other(&start).as_mut(), &trace).unwrap()
    })
}

/// A unit that answers wrongly in one way.
struct Wrong {
    unit: Embedded,
    rule: fn(&mut Embedded, &Step, End) -> End,
}

impl Target for Wrong {
    fn run(&mut self, step: &Step) -> Result<End> {
        let end = self.unit.run(step)?;
        Ok((self.rule)(&mut self.unit, step, end))
    }
}

fn wrong(rule: fn(&mut Embedded, &Step, End) -> End) -> Option<Difference> {
    found(|start| Box::new(Wrong { unit: Embedded::new(Personality::LIO, start).unwrap(), rule }))
}

fn is_out(step: &Step, action: OutAction) -> bool {
    matches!(&step.what, What::Command { cdb, .. } if cdb.opcode() == 0x5f && cdb.service_action() == action as u8)
}

fn is_good(end: &End) -> bool {
    matches!(end, End::Answered { status: Status::GOOD, .. })
}

#[test]
fn equal_units_are_equal() {
    assert_eq!(found(|start| Box::new(Embedded::new(Personality::LIO, start).unwrap())), None);
}

#[test]
fn every_row_of_the_table_is_found_when_it_is_taken_away() {
    for row in Deviation::ALL {
        let less = Personality::LIO.without(*row);
        let shown = found(|start| Box::new(Embedded::new(less, start).unwrap()));
        assert!(shown.is_some(), "no step shows {}", row.name);
    }
}

/// The personalities differ in the table's rows and nowhere else: without any row `lio` is `spc`.
#[test]
fn the_table_is_all_that_differs() {
    let bare = Deviation::ALL.iter().fold(Personality::LIO, |p, row| p.without(*row));
    assert_eq!(bare, Personality::SPC);
    assert!(found(|start| Box::new(Embedded::new(Personality::SPC, start).unwrap())).is_some());
}

#[test]
fn a_wrong_unit_attention_is_found() {
    let shown = wrong(|_, _, mut end| {
        if let End::Answered { sense, .. } = &mut end
            && sense.get(12..14) == Some(&[0x2a, 0x05])
        {
            sense[13] = 0x03;
        }
        end
    });
    assert!(shown.is_some());
}

#[test]
fn a_reserve_that_counts_in_prgeneration_is_found() {
    // A registration that comes and goes unseen counts up the same way.
    let shown = wrong(|unit, step, end| {
        if is_out(step, OutAction::Reserve) && is_good(&end) {
            let key = Key::from_u64(0xdead);
            for c in [
                PrOut::register_and_ignore(key, Aptpl::No),
                PrOut::register_and_ignore(Key::default(), Aptpl::No),
            ] {
                unit.by_stranger(&c).unwrap();
            }
        }
        end
    });
    assert!(shown.is_some());
}

#[test]
fn a_write_that_reaches_the_medium_in_spite_of_a_conflict_is_found() {
    let shown = wrong(|unit, step, end| {
        if let (What::Command { cdb, out, .. }, End::Answered { status: Status::RESERVATION_CONFLICT, .. }) =
            (&step.what, &end)
            && cdb.opcode() == 0x2a
        {
            unit.overwrite(cdb, out);
        }
        end
    });
    assert!(shown.is_some());
}

#[test]
fn a_key_list_cut_by_one_byte_is_found() {
    let shown = wrong(|_, step, mut end| {
        if let (What::Command { cdb, .. }, End::Answered { data, .. }) = (&step.what, &mut end)
            && cdb.opcode() == 0x5e
            && data.len() > 8
        {
            data.pop();
        }
        end
    });
    assert!(shown.is_some());
}
