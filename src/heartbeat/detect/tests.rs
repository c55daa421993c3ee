use super::*;

const MS: u64 = 1_000_000;

fn at(ms: u64) -> AwakeTime {
    AwakeTime::from_nanos(ms * MS)
}

/// 10 ms × 3, dead after 100 ms, up again after 3.
fn detector(links: usize) -> Detector {
    let rules = Rules {
        dead: Duration::from_millis(100),
        rise: 3,
        jitter_factor: 0,
        ceiling: Duration::from_secs(1),
    };
    Detector::new(rules, pace(), links)
}

fn pace() -> Pace {
    Pace::new(10_000, 1_000, 3).unwrap()
}

fn hear(d: &mut Detector, link: usize, ms: u64) {
    let arrival = Arrival { at: Instant::from_nanos(ms * MS), sequence: ms, skipped: 0, reordered: false };
    d.heard(link, at(ms), arrival, pace());
}

fn becomes(d: &mut Detector, ms: u64) -> State {
    d.judge(at(ms));
    d.state()
}

fn heard_until(d: &mut Detector, link: usize, from: u64, to: u64) {
    for ms in (from..=to).step_by(10) {
        hear(d, link, ms);
        d.judge(at(ms));
    }
}

#[test]
fn silence_makes_late_suspect_and_down() {
    let mut d = detector(1);
    assert_eq!(becomes(&mut d, 500), State::Unheard, "nobody is blamed before it was heard");
    heard_until(&mut d, 0, 500, 600);
    assert_eq!(d.state(), State::Up);
    assert_eq!(d.due(), Some(at(630)));
    assert_eq!(becomes(&mut d, 615), State::Up);
    assert_eq!(becomes(&mut d, 616), State::Late);
    assert_eq!(becomes(&mut d, 629), State::Late);
    let change = d.judge(at(630)).unwrap();
    assert_eq!((change.from, change.to), (State::Late, State::Suspect));
    assert_eq!((change.silent, change.limit), (Duration::from_millis(30), Duration::from_millis(30)));
    assert_eq!(d.due(), Some(at(700)));
    assert_eq!(becomes(&mut d, 699), State::Suspect);
    assert_eq!(becomes(&mut d, 700), State::Down);
    assert_eq!(d.due(), None);
}

#[test]
fn up_again_takes_several_in_a_row() {
    let mut d = detector(1);
    heard_until(&mut d, 0, 0, 100);
    assert_eq!(becomes(&mut d, 200), State::Down);
    hear(&mut d, 0, 205);
    assert_eq!(becomes(&mut d, 205), State::Down);
    hear(&mut d, 0, 215);
    assert_eq!(becomes(&mut d, 215), State::Down);
    hear(&mut d, 0, 225);
    assert_eq!(becomes(&mut d, 225), State::Up);
}

#[test]
fn a_gap_ends_the_row() {
    let mut d = detector(1);
    heard_until(&mut d, 0, 0, 100);
    assert_eq!(becomes(&mut d, 140), State::Suspect);
    hear(&mut d, 0, 145);
    hear(&mut d, 0, 155);
    hear(&mut d, 0, 190);
    assert_eq!(becomes(&mut d, 190), State::Suspect, "35 ms between the second and the third");
}

#[test]
fn another_link_costs_no_suspicion() {
    let mut d = detector(2);
    heard_until(&mut d, 0, 0, 100);
    assert_eq!(d.state(), State::Degraded, "link 1 never spoke");
    for ms in (0..=100).step_by(10) {
        hear(&mut d, 1, 100 + ms);
        d.judge(at(100 + ms));
    }
    assert_eq!(d.state(), State::Degraded, "link 0 is silent now");
    assert!(d.links()[0].is_silent() && !d.links()[1].is_silent());
    for ms in [210, 220, 230] {
        hear(&mut d, 1, ms);
        hear(&mut d, 0, ms);
        assert_eq!(becomes(&mut d, ms), if ms < 230 { State::Degraded } else { State::Up });
    }
}

#[test]
fn our_own_stall_excuses_once() {
    let mut d = detector(1);
    heard_until(&mut d, 0, 0, 100);
    // Stalled between 110 and, on the awake clock, 120: a packet queue may still be on its way.
    d.excused(at(120));
    assert_eq!(becomes(&mut d, 149), State::Late);
    // A second stall in the same silence excuses nothing.
    d.excused(at(149));
    assert_eq!(becomes(&mut d, 150), State::Suspect);
    // It is heard again, and the next silence has its own grace.
    heard_until(&mut d, 0, 155, 185);
    assert_eq!(d.state(), State::Up);
    d.excused(at(200));
    assert_eq!(becomes(&mut d, 229), State::Late);
    assert_eq!(becomes(&mut d, 230), State::Suspect);
}

#[test]
fn a_goodbye_is_no_silence() {
    let mut d = detector(1);
    heard_until(&mut d, 0, 0, 100);
    assert_eq!(d.goodbye().unwrap().to, State::Left);
    assert_eq!(becomes(&mut d, 10_000), State::Left);
    hear(&mut d, 0, 10_001);
    assert_eq!(becomes(&mut d, 10_001), State::Left, "a straggler is no return");
    d.reborn();
    assert_eq!(d.state(), State::Unheard);
}

#[test]
fn the_margin_follows_the_jitter_and_ends_at_the_ceiling() {
    let mut d = detector(1);
    d.rules.jitter_factor = 4;
    d.rules.ceiling = Duration::from_millis(45);
    heard_until(&mut d, 0, 0, 1000);
    assert_eq!(d.limit(), Duration::from_millis(30), "even arrivals: the fixed rule");
    for ms in [1002, 1020, 1022, 1040, 1042, 1060, 1062, 1080] {
        hear(&mut d, 0, ms);
    }
    let (fixed, jittery) = (Duration::from_millis(30), d.limit());
    assert!(jittery > fixed + Duration::from_millis(4), "{jittery:?}");
    for ms in (1100..3000).step_by(40) {
        hear(&mut d, 0, ms);
    }
    assert_eq!(d.limit(), d.rules.ceiling);
}

#[test]
fn our_own_stalls_are_not_the_networks_jitter() {
    let mut d = detector(1);
    d.rules.jitter_factor = 4;
    heard_until(&mut d, 0, 0, 1000);
    d.excused(at(1010));
    hear(&mut d, 0, 1025);
    assert_eq!(d.limit(), Duration::from_millis(30));
}

#[test]
fn loss_is_counted_and_reordering_is_none() {
    let mut d = detector(1);
    let arrival =
        |sequence, skipped, reordered| Arrival { at: Instant::from_nanos(0), sequence, skipped, reordered };
    d.heard(0, at(0), arrival(1, 0, false), pace());
    d.heard(0, at(30), arrival(4, 2, false), pace());
    d.heard(0, at(31), arrival(3, 0, true), pace());
    let e = d.evidence(Instant::from_nanos(5));
    assert_eq!((e.links[0].received, e.links[0].lost), (3, 1));
    assert_eq!(e.links[0].arrivals.map(|a| a.sequence), [0, 1, 4, 3]);
}

#[test]
fn rules_are_held_against_the_pace() {
    let good = detector(1).rules;
    assert_eq!(good.check(pace(), pace()), Ok(()));
    let soon = Rules { dead: Duration::from_millis(30), ..good };
    assert!(matches!(soon.check(pace(), pace()), Err(RulesError::DeadTooSoon { .. })));
    let low = Rules { ceiling: Duration::from_millis(29), ..good };
    assert!(matches!(low.check(pace(), pace()), Err(RulesError::AboveCeiling { .. })));
    assert_eq!(Rules { rise: 0, ..good }.check(pace(), pace()), Err(RulesError::NoRise));
}
