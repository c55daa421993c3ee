//! What a receipt calls "after".

use super::*;
use crate::codec::pr::{Aptpl, PrOut, read_keys_cdb};
use crate::codec::{Cdb, Status};
use crate::device::Completion;

const VICTIM: Key = Key::from_u64(2);

fn command(cdb: Cdb) -> Action {
    let completion = Completion::answered(Status::GOOD, 0, Duration::ZERO);
    Action::Command(Sent { at: Instant::default(), cdb, list: [0; 24], completion })
}

fn look(r: &mut Report, generation: u32, keys: &[Key]) {
    r.log(0, command(read_keys_cdb(256)));
    r.look(Generation(generation), keys.iter().copied(), None);
}

fn generation_after(r: &Report) -> Option<Generation> {
    r.after().map(|s| s.generation)
}

/// What was read before the last change is no read-back of it.
#[test]
fn only_what_was_read_since_the_last_change_is_after() {
    let mut r = Report::with_room();
    assert_eq!((r.before(), r.after()), (None, None), "nothing was read");
    look(&mut r, 1, &[VICTIM]);
    assert_eq!(generation_after(&r), Some(Generation(1)));

    let change = PrOut::register(Key::default(), VICTIM, Aptpl::No).basic_cdb();
    r.log(0, command(change));
    assert_eq!(r.after(), None, "sent, and not read back");
    let attention = Sense::new(crate::codec::SenseKey::UNIT_ATTENTION, 0x2a, 0x03);
    // Neither a unit attention nor a command that changes nothing makes an earlier look a later one.
    r.log(0, Action::Attention(attention));
    r.log(0, command(read_keys_cdb(256)));
    assert_eq!(r.after(), None, "asked, and not answered");
    r.look(Generation(2), [].into_iter(), None);
    assert_eq!(generation_after(&r), Some(Generation(2)));

    r.log(1, Action::Reset { at: Instant::default(), took: Duration::ZERO, end: Ok(()) });
    assert_eq!(r.after(), None, "a reset ends what was queued, on whichever path");
    look(&mut r, 3, &[]);
    assert_eq!(generation_after(&r), Some(Generation(3)));
    assert_eq!(r.before().map(|s| s.generation), Some(Generation(1)), "the first look stays the first");
}

/// What no longer fits into the log counts all the same.
#[test]
fn a_change_beyond_the_log_still_makes_the_last_look_old() {
    let mut r = Report::with_room();
    for _ in 0..r.log.capacity() {
        r.log(0, command(read_keys_cdb(256)));
    }
    look(&mut r, 1, &[VICTIM]);
    let change = PrOut::register(Key::default(), VICTIM, Aptpl::No).basic_cdb();
    r.log(0, command(change));
    assert!(r.unlogged > 0);
    assert_eq!(r.after(), None);
}

/// A crew is used again: an earlier fence's looks are not this one's.
#[test]
fn a_new_fence_has_seen_nothing() {
    let mut r = Report::with_room();
    look(&mut r, 1, &[VICTIM]);
    r.begin(Instant::default(), Instant::default());
    assert_eq!((r.before(), r.after()), (None, None));
}
