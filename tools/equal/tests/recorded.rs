//! What LIO of Linux 6.1 did once, held against the embedded disk: no lab needed. The lab's own test does the same with
//! more, and with a LIO that runs.

#![allow(clippy::unwrap_used, reason = "in a test a panic is a failure")]

use arbitrate::device::sim::Personality;
use palisade_equal::compare::replay;
use palisade_equal::recording;
use palisade_equal::target::Embedded;

#[test]
fn the_embedded_disk_does_what_lio_did() {
    let recordings = recording::read(include_str!("recordings/lio-6.1.jsonl")).unwrap();
    assert_eq!(recordings.iter().map(|(_, trace)| trace.len()).sum::<usize>(), 800);
    for (start, trace) in &recordings {
        let difference = replay(&mut Embedded::new(Personality::LIO, start).unwrap(), trace).unwrap();
        assert_eq!(difference, None);
        let standard = replay(&mut Embedded::new(Personality::SPC, start).unwrap(), trace).unwrap();
        assert!(standard.is_some(), "the standards' way would pass as well: the recording proves nothing");
    }
}
