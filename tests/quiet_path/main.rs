//! After its start the heartbeat loop allocates nothing, whatever happens to its peers.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../arbitrate/tests/counting/mod.rs"]
mod counting;

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use arbitrate::clock;
use arbitrate::key::{ClusterId, Incarnation};
use palisade::heartbeat::auth::{Key, Keys};
use palisade::heartbeat::detect::{Rules, State};
use palisade::heartbeat::node::{Event, Node, Setup};
use palisade::heartbeat::runtime::{Beat, Clocks, Link, Stamped};
use palisade::heartbeat::wire::{Member, Pace};
use rtrb::{Consumer, RingBuffer};

const TICK: Duration = Duration::from_millis(2);

fn free_port() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn beat(me: u16, other: u16, at: SocketAddr, peer: SocketAddr) -> (Beat, Consumer<Stamped>) {
    let setup = Setup {
        cluster: ClusterId::of_name("quiet"),
        number: Member::new(me).unwrap(),
        incarnation: Incarnation::FIRST,
        pace: Pace::new(2_000, 1, 20).unwrap(),
        // One thread plays both: each waits for the other.
        tolerance: Duration::from_secs(1),
        rules: Rules {
            dead: Duration::from_millis(80),
            rise: 1,
            jitter_factor: 2,
            ceiling: Duration::from_secs(1),
        },
        links: 1,
    };
    let clocks = Clocks::read();
    let keys = Keys::single(Key::derive(1, b"quiet"));
    let node = Node::new(setup, keys, &[Member::new(other).unwrap()], [1; 32], clocks.now, clocks.suspended);
    let (told, events) = RingBuffer::new(64);
    (Beat::new(node, vec![Link::open(at, &[peer]).unwrap()], TICK, told), events)
}

/// Ticks until the observer's peer is `wanted`, and returns what the loop allocated meanwhile.
fn until(beats: &mut [&mut Beat], wanted: State) -> u64 {
    let limit = clock::now() + Duration::from_secs(20);
    let before = counting::allocations();
    while beats[0].node().peers()[0].detector().state() != wanted {
        assert!(clock::now() < limit, "never {wanted:?}");
        beats.iter_mut().for_each(|b| b.tick());
    }
    counting::allocations() - before
}

#[test]
fn the_loop_allocates_nothing_whatever_happens() {
    let (a, b) = (free_port(), free_port());
    let (mut observer, mut events) = beat(1, 2, a, b);
    let (mut peer, _unheard) = beat(2, 1, b, a);
    assert_eq!(until(&mut [&mut observer, &mut peer], State::Up), 0);
    assert_eq!(until(&mut [&mut observer], State::Suspect), 0);
    assert_eq!(until(&mut [&mut observer], State::Down), 0);
    assert_eq!(until(&mut [&mut observer, &mut peer], State::Up), 0);
    let mut told = Vec::new();
    while let Ok(e) = events.pop() {
        if let Event::Changed { change, .. } = e.event {
            told.push(change.to);
        }
    }
    assert!(told.contains(&State::Down) && told.last() == Some(&State::Up), "{told:?}");
    assert!(observer.cost().sent > 20 && observer.cost().unsent == 0 && observer.cost().lost_events == 0);
}
