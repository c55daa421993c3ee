//! Answers to PERSISTENT RESERVE IN, and reading them whole from a device that may claim anything.
#![no_main]

use arbitrate::codec::pr::{
    Capabilities, FullStatus, FullStatusView, KeysView, MAX_READS, ReadReservation, Reread, RereadError, Step,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    keys(data);
    reservation(data);
    full_status(data);
    capabilities(data);
    reread(data);
});

fn keys(data: &[u8]) {
    let Ok(v) = KeysView::parse(data) else { return };
    assert!(8 + 8 * v.len() <= data.len(), "no key comes from beyond the bytes");
    assert_eq!(v.iter().count(), v.len());
    assert!(v.iter().all(|k| v.contains(k)));
    let all: Vec<_> = v.iter().collect();
    let again = KeysView::emit(v.generation(), &all);
    let again = KeysView::parse(&again).unwrap();
    assert!(again.iter().eq(v.iter()) && again.generation() == v.generation());
    match v.truncated() {
        // Cut: more is needed than there is, else nobody would ask again.
        Some(need) => assert!(need > data.len() && !v.is_empty()),
        None => {
            assert_eq!(v.is_empty(), all.is_empty());
            let cut = KeysView::parse(&data[..8 + 8 * v.len() - usize::from(!all.is_empty())]).unwrap();
            assert!(all.is_empty() || cut.truncated().is_some(), "a key that is not whole was not sent");
        }
    }
}

fn reservation(data: &[u8]) {
    let Ok(r) = ReadReservation::parse(data) else { return };
    let b = r.emit();
    assert!(b.len() <= 24 && data.len() >= b.len() - 2);
    assert_eq!(ReadReservation::parse(&b), Ok(r));
}

fn full_status(data: &[u8]) {
    let view = FullStatusView::parse(data);
    let whole = FullStatus::parse(data);
    if let Ok(v) = view {
        let claimed = u32::from_be_bytes([data[4], data[5], data[6], data[7]]) as usize;
        assert!(claimed + 8 <= data.len() && 24 * v.iter().count() <= claimed);
        assert_eq!(v.iter().map(|r| 24 + r.transport_id.len()).sum::<usize>(), claimed, "all of it is told");
        assert!(FullStatusView::parse(&data[..claimed + 7]).is_err(), "cut");
        assert_eq!(FullStatusView::parse(&data[..claimed + 8]), Ok(v), "what follows is not looked at");
    }
    let Ok(s) = whole else { return };
    let v = view.expect("what is owned can be viewed");
    assert!(v.generation() == s.generation && v.iter().count() == s.registrations.len());
    for (r, o) in v.iter().zip(&s.registrations) {
        assert!(r.key == o.key && r.holds == o.holds && r.port == o.port);
    }
    assert_eq!(FullStatus::parse(&s.emit()).as_ref(), Ok(&s));
}

fn capabilities(data: &[u8]) {
    let Ok(c) = Capabilities::parse(data) else { return };
    assert!(data.len() >= 8);
    assert_eq!(Capabilities::parse(&c.emit()), Ok(c));
}

/// A device whose every answer comes from `data`: read whole, or given up within the bound.
fn reread(data: &[u8]) {
    let Some((first, rest)) = data.split_first_chunk::<3>() else { return };
    let room = u16::from_be_bytes([first[0], first[1]]);
    let (mut r, whole): (_, fn(&[u8]) -> bool) = match first[2] % 4 {
        0 => (Reread::keys(room), |b| KeysView::parse(b).is_ok_and(|v| v.truncated().is_none())),
        1 => (Reread::vpd(room), |b| b.len() >= 4 + usize::from(u16::from_be_bytes([b[2], b[3]]))),
        2 => (Reread::inquiry(room), |b| b.len() >= 5 + usize::from(b[4])),
        _ => (Reread::capabilities(room), |b| b.len() >= usize::from(u16::from_be_bytes([b[0], b[1]]))),
    };
    let step = 1 + rest.len() / usize::from(MAX_READS);
    for n in 0..=usize::from(MAX_READS) {
        let before = r.allocation();
        let answer = rest.get(n * step..).unwrap_or_default();
        let answer = &answer[..answer.len().min(usize::from(before))];
        match r.judge(answer) {
            Ok(Step::Complete) => {
                // A length of keys that is no multiple of eight is for the decoder to refuse.
                assert!(whole(answer) || KeysView::parse(answer).is_err(), "complete means whole");
                return;
            }
            Ok(Step::Again) => assert!(r.allocation() >= before, "room never shrinks"),
            Err(RereadError::Oversized { claimed }) => return assert!(claimed > usize::from(u16::MAX)),
            Err(RereadError::Withheld { claimed, sent, .. }) => return assert!(claimed > sent),
            Err(_) => return,
        }
    }
    panic!("more than {MAX_READS} reads");
}
