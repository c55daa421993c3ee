//! Sense data and READ CAPACITY data, and what a completion with such sense is taken for.
#![no_main]

use std::time::Duration;

use arbitrate::codec::block::{Capacity10, Capacity16};
use arbitrate::codec::{Sense, SenseKey, Status};
use arbitrate::device::classify::{Class, classify};
use arbitrate::device::{Completion, SenseBytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((status, sense)) = data.split_first() {
        completion(Status(*status), sense);
    }
    if let Ok(s) = Sense::parse(data) {
        assert_eq!(Sense::parse(&s.emit_fixed()), Ok(s));
        assert_eq!(Sense::parse(&s.emit_descriptor()), Ok(s));
        assert!(!s.to_string().contains(char::is_control));
        assert!(serde_json::to_string(&s).is_ok());
    }
    if let Ok(c) = Capacity10::parse(data) {
        assert!(c.block_len_bytes > 0);
        assert_eq!(Capacity10::parse(&c.emit()), Ok(c));
        assert_eq!(c.blocks().is_none(), c.last_lba == u32::MAX);
    }
    if let Ok(c) = Capacity16::parse(data) {
        assert!(c.block_len_bytes > 0 && c.blocks() > c.last_lba);
        assert_eq!(Capacity16::parse(&c.emit()), Ok(c));
    }
});

/// Only a status that says so, or sense that says so, is ever taken for success.
fn completion(status: Status, sense: &[u8]) {
    let c = Completion { sense: SenseBytes::new(sense), ..Completion::answered(status, 0, Duration::ZERO) };
    let first = &sense[..sense.len().min(64)];
    assert_eq!(c.sense.as_slice(), first);
    let class = classify(&c);
    match (status, Sense::parse(first)) {
        (Status::GOOD | Status::CONDITION_MET, _) => assert_eq!(class, Class::Good),
        (Status::RESERVATION_CONFLICT, _) => assert_eq!(class, Class::Conflict),
        (Status::CHECK_CONDITION, Err(_)) => assert_eq!(class, Class::Malformed),
        (Status::CHECK_CONDITION, Ok(s)) => {
            let fine = [SenseKey::NO_SENSE, SenseKey::RECOVERED_ERROR].contains(&s.key) && !s.deferred;
            assert_eq!(class == Class::Good, fine, "{s:?}");
            let attention = s.key == SenseKey::UNIT_ATTENTION && !s.deferred;
            assert_eq!(matches!(class, Class::UnitAttention(_)), attention, "{s:?}");
        }
        _ => assert!(!matches!(class, Class::Good | Class::Conflict | Class::UnitAttention(_))),
    }
}
