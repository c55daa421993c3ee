//! Heartbeat datagrams as bytes; and a node that receives them, sealed with its own key, must keep its head.
#![no_main]

use std::time::Duration;

use arbitrate::key::{ClusterId, Incarnation};
use arbitrate::time::Instant;
use libfuzzer_sys::fuzz_target;
use palisade::heartbeat::auth::{Key, Keys};
use palisade::heartbeat::detect::Rules;
use palisade::heartbeat::node::{Dropped, Node, Setup};
use palisade::heartbeat::wire::{LEN, MAC_AT, Member, Pace, Packet};

fuzz_target!(|data: &[u8]| {
    if let Ok(repr) = Packet::new(data).and_then(|p| p.parse()) {
        let mut again = [0; LEN];
        repr.emit(&mut again);
        assert_eq!(again[..MAC_AT], data[..MAC_AT]);
    }
    let mut node = node();
    let keys = Keys::single(Key::derive(1, b"fuzz"));
    let mut received = 0;
    for (ms, chunk) in (0_u64..).zip(data.chunks(LEN)) {
        let now = Instant::from_nanos(ms * 1_000_000);
        node.wake(now, now, Duration::ZERO, |_| ());
        let mut sealed = [0; LEN];
        sealed[..chunk.len()].copy_from_slice(chunk);
        sealed[11] = 1;
        keys.seal(&mut sealed);
        node.receive(usize::from(chunk[0] & 1), &sealed, now, now, |_| ());
        node.receive(0, chunk, now, now, |_| ());
        received += 2;
        node.judge(|_| ());
        if let Some(next) = node.next_judgement() {
            assert!(next >= now, "what is due is judged");
        }
    }
    let dropped: u64 = Dropped::ALL.iter().map(|d| node.counters().dropped(*d)).sum();
    assert_eq!(node.counters().accepted + dropped, received, "each datagram is counted once");
});

fn node() -> Node {
    let setup = Setup {
        cluster: ClusterId::from_u32(0xdead_beef),
        number: Member::SECOND,
        incarnation: Incarnation::FIRST,
        pace: Pace::new(10_000, 1_000, 3).unwrap(),
        tolerance: Duration::from_millis(7),
        rules: Rules {
            dead: Duration::from_millis(90),
            rise: 2,
            jitter_factor: 3,
            ceiling: Duration::from_secs(1),
        },
        links: 2,
    };
    let keys = Keys::single(Key::derive(1, b"fuzz"));
    Node::new(setup, keys, &[Member::FIRST], [3; 32], Instant::from_nanos(0), Duration::ZERO)
}
