use super::*;
use crate::heartbeat::auth::Key;
use crate::heartbeat::detect::State;

const MS: u64 = 1_000_000;

fn at(ms: u64) -> Instant {
    Instant::from_nanos(ms * MS)
}

fn number(n: u16) -> Member {
    Member::new(n).unwrap()
}

fn keys() -> Keys {
    Keys::new(Key::derive(1, b"secret"), []).unwrap()
}

fn node(n: u16, life: u32) -> Node {
    let me = Setup {
        cluster: ClusterId::of_name("test"),
        number: number(n),
        incarnation: Incarnation::new(life).unwrap(),
        pace: Pace::new(10_000, 1_000, 3).unwrap(),
        tolerance: Duration::from_millis(7),
        rules: Rules {
            dead: Duration::from_millis(100),
            rise: 1,
            jitter_factor: 0,
            ceiling: Duration::from_secs(1),
        },
        links: 1,
    };
    let others: Vec<Member> = (1..=3).filter(|o| *o != n).map(number).collect();
    let seed = [u8::try_from(u32::from(n) * 16 + life).unwrap(); 32];
    Node::new(me, keys(), &others, seed, at(0), Duration::ZERO)
}

fn to(from: &mut Node, peer: u16, ms: u64) -> [u8; LEN] {
    let place = from.peers().iter().position(|p| p.number() == number(peer)).unwrap();
    let mut b = [0; LEN];
    assert!(from.compose(place, 0, at(ms), &mut b));
    b
}

fn give(node: &mut Node, b: &[u8], ms: u64) -> Vec<Event> {
    let mut events = Vec::new();
    node.receive(0, b, at(ms), at(ms), |e| events.push(e));
    events
}

/// Both admit each other; returns the last datagram of `a` to `b`.
fn acquaint(a: &mut Node, na: u16, b: &mut Node, nb: u16, from: u64) -> [u8; LEN] {
    let mut last = [0; LEN];
    for ms in (from..from + 40).step_by(10) {
        a.wake(at(ms), at(ms), Duration::ZERO, |_| ());
        b.wake(at(ms), at(ms), Duration::ZERO, |_| ());
        last = to(a, nb, ms);
        let back = to(b, na, ms);
        give(b, &last, ms);
        give(a, &back, ms);
        a.judge(|_| ());
        b.judge(|_| ());
    }
    last
}

fn state(node: &Node, peer: u16) -> State {
    node.peers().iter().find(|p| p.number() == number(peer)).unwrap().detector().state()
}

#[test]
fn two_nodes_admit_each_other_and_measure_the_way() {
    let (mut a, mut b) = (node(1, 1), node(2, 1));
    acquaint(&mut a, 1, &mut b, 2, 10);
    assert_eq!((state(&a, 2), state(&b, 1)), (State::Up, State::Up));
    assert_eq!(state(&a, 3), State::Unheard);
    let datagram = to(&mut a, 2, 51);
    give(&mut b, &datagram, 52);
    let back = to(&mut b, 1, 58);
    give(&mut a, &back, 60);
    // 1 ms there, held for 6, 2 ms back.
    assert_eq!(a.peers()[0].links()[0].round_trip().last(), Some(Duration::from_millis(3)));
}

#[test]
fn a_recording_is_no_life() {
    let (mut a, mut b) = (node(1, 5), node(2, 1));
    let mut recorded = vec![acquaint(&mut a, 1, &mut b, 2, 10)];
    recorded.extend((50..90).step_by(10).map(|ms| to(&mut a, 2, ms)));
    // B starts anew and knows nothing; somebody plays A's life to it.
    let mut b = node(2, 2);
    for (i, r) in (0u64..).zip(&recorded) {
        let ms = 10 + 10 * i;
        b.wake(at(ms), at(ms), Duration::ZERO, |_| ());
        to(&mut b, 1, ms);
        assert_eq!(give(&mut b, r, ms), []);
        b.judge(|_| ());
    }
    assert_eq!(state(&b, 1), State::Unheard);
    assert_eq!(b.counters().dropped(Dropped::NotAdmitted), 5);
    assert_eq!(b.counters().accepted, 0);
}

#[test]
fn a_new_life_is_admitted_and_the_old_one_is_over() {
    let (mut a, mut b) = (node(1, 5), node(2, 1));
    acquaint(&mut a, 1, &mut b, 2, 10);
    let straggler = to(&mut a, 2, 50);
    let mut a = node(1, 6);
    acquaint(&mut a, 1, &mut b, 2, 60);
    assert_eq!(b.peers()[0].incarnation(), Incarnation::new(6).ok());
    give(&mut b, &straggler, 101);
    assert_eq!(b.counters().dropped(Dropped::OldLife), 1);
    assert_eq!(state(&b, 1), State::Up);
}

#[test]
fn what_must_not_count_is_dropped_by_its_reason() {
    let (mut a, mut b) = (node(1, 1), node(2, 1));
    let last = acquaint(&mut a, 1, &mut b, 2, 10);
    let accepted = b.counters().accepted;
    let forged = {
        let mut f = to(&mut a, 2, 50);
        f[50] ^= 1;
        f
    };
    let foreign = {
        let mut f = to(&mut a, 2, 50);
        f[4] ^= 1;
        f
    };
    let own = to(&mut b, 1, 50);
    let for_another = to(&mut a, 3, 50);
    let stranger = {
        let mut s = node(3, 1);
        s.me.number = number(9);
        to(&mut s, 2, 50)
    };
    for (bytes, why) in [
        (&last[..], Dropped::Replayed),
        (&last[..100], Dropped::Malformed),
        (&forged, Dropped::Forged),
        (&foreign, Dropped::ForeignCluster),
        (&own, Dropped::Reflected),
        (&for_another, Dropped::NotForUs),
        (&stranger, Dropped::Stranger),
    ] {
        let before = b.counters().dropped(why);
        assert_eq!(give(&mut b, bytes, 50), []);
        assert_eq!(b.counters().dropped(why), before + 1, "{why:?}");
    }
    assert_eq!(b.counters().accepted, accepted);
    let other_link = to(&mut a, 2, 50);
    b.receive(1, &other_link, at(50), at(50), |_| ());
    assert_eq!(b.counters().dropped(Dropped::OtherLink), 1);
}

#[test]
fn a_slow_pace_that_arbitration_cannot_wait_for_is_refused() {
    let (mut a, mut b) = (node(1, 1), node(2, 1));
    a.me.pace = Pace::new(1_000_000, 1_000, 3).unwrap();
    acquaint(&mut a, 1, &mut b, 2, 10);
    assert_eq!(b.counters().dropped(Dropped::Pace), 4);
    assert_eq!(state(&b, 1), State::Unheard);
}

#[test]
fn a_stalled_node_says_so_and_blames_nobody() {
    let (mut a, mut b) = (node(1, 1), node(2, 1));
    acquaint(&mut a, 1, &mut b, 2, 10);
    let mut events = Vec::new();
    b.wake(at(50), at(900), Duration::ZERO, |e| events.push(e));
    assert!(
        matches!(events[..], [Event::Stalled(s)] if s.lasted == Duration::from_millis(850)),
        "{events:?}"
    );
    b.judge(|e| panic!("{e:?}"));
    let datagram = to(&mut b, 1, 900);
    a.wake(at(50), at(50), Duration::ZERO, |_| ());
    give(&mut a, &datagram, 50);
    let heard = a.peers()[0].heard().unwrap();
    assert!(heard.repr.flags.late && heard.repr.stall_us == 850_000);
    events.clear();
    b.wake(at(910), at(910), Duration::ZERO, |e| events.push(e));
    assert_eq!(events, [Event::Punctual]);
}

#[test]
fn a_goodbye_is_told_once() {
    let (mut a, mut b) = (node(1, 1), node(2, 1));
    acquaint(&mut a, 1, &mut b, 2, 10);
    a.tell(Told { flags: Flags { goodbye: true, ..Flags::default() }, ..a.told });
    let bye = to(&mut a, 2, 50);
    let events = give(&mut b, &bye, 50);
    assert!(matches!(events[..], [Event::Changed { change, .. }] if change.to == State::Left), "{events:?}");
    b.wake(at(60), at(60), Duration::ZERO, |_| ());
    b.judge(|e| panic!("{e:?}"));
}

#[test]
fn a_clock_step_misleads_by_no_more_than_a_tick() {
    let (mut a, mut b) = (node(1, 1), node(2, 1));
    acquaint(&mut a, 1, &mut b, 2, 10);
    b.wake(at(50), at(50), Duration::ZERO, |_| ());
    let datagram = to(&mut a, 2, 50);
    // The wall clock jumped a year between the stamp and the reading.
    b.receive(0, &datagram, Instant::from_nanos(0), at(50), |_| ());
    let arrivals = b.peers()[0].detector().evidence(at(50)).links[0].arrivals;
    assert_eq!(arrivals.last().unwrap().at, at(40), "not before the last drain");
}

#[test]
fn multicast_counts_once_a_life_is_admitted() {
    let (mut a, mut b) = (node(1, 1), node(2, 1));
    let mut all = [0; LEN];
    a.compose_for_all(0, 1, &mut all);
    give(&mut b, &all, 5);
    assert_eq!(b.counters().dropped(Dropped::NotAdmitted), 1);
    acquaint(&mut a, 1, &mut b, 2, 10);
    let before = b.counters().accepted;
    give(&mut b, &all, 41);
    give(&mut b, &all, 41);
    assert_eq!(b.counters().accepted, before + 1);
    assert_eq!(b.counters().dropped(Dropped::Replayed), 1);
}
