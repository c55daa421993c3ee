//! The last moments, and what comes unasked: what no random life meets often enough.

use super::*;

const NANO: Duration = Duration::from_nanos(1);

fn waits(w: &World) -> Instant {
    let PathNext::Wait(until) = w.next else { panic!("{:?}", w.next) };
    until
}

/// Goes on until the registrar waits.
fn settle(w: &mut World) -> Instant {
    w.go();
    while w.under_way.is_some() {
        w.execute();
        w.answer();
        if matches!(w.next, PathNext::Issue { .. }) {
            w.go();
        }
    }
    waits(w)
}

#[test]
fn a_register_goes_out_before_its_deadline_and_under_a_lease_or_not_at_all() {
    let w = World::new(Role::Further, &[]);
    let Life::Owning(lease) = w.life else { panic!("{:?}", w.life) };
    let register = PathCommand::Out(PrOut::register(Key::default(), w.own, Aptpl::No));
    let may = |deadline, now| w.path.may_send(&register, deadline, w.life, now);
    let deadline = w.now + SECOND;
    assert!(may(deadline, deadline - NANO));
    assert!(!may(deadline, deadline));
    assert!(may(lease.until + SECOND, lease.until - NANO));
    assert!(!may(lease.until + SECOND, lease.until));
    assert!(!w.path.may_send(&register, deadline, Life::Waiting, w.now));
    let withdraw = PathCommand::Out(PrOut::register(w.own, Key::default(), Aptpl::No));
    assert!(w.path.may_send(&withdraw, deadline, Life::Over, deadline), "taking it off waits for nobody");
}

#[test]
fn an_end_stays_the_end() {
    let mut w = World::new(Role::Holder, &[]);
    w.life = Life::Leaving;
    assert_eq!(w.finish(), PathEnd::Left);
    w.hand(PathEvent::Wake);
    assert_eq!(w.next, PathNext::End(PathEnd::Left));
    w.hand(PathEvent::Reply(Reply::Good));
    assert_eq!(w.next, PathNext::End(PathEnd::Left));
}

#[test]
fn a_wake_while_a_command_is_outstanding_sends_nothing_for_a_tick() {
    let mut w = World::new(Role::Further, &[]);
    w.go();
    assert!(w.under_way.is_some());
    w.hand(PathEvent::Wake);
    assert_eq!(waits(&w), w.now + w.path.setup.timing.spec().tick);
}

#[test]
fn a_wake_that_comes_early_changes_nothing_and_one_at_the_time_does() {
    let mut w = World::new(Role::Further, &[]);
    w.run(SECOND * 3);
    let until = settle(&mut w);
    w.now = until - NANO;
    w.tick();
    w.hand(PathEvent::Wake);
    assert_eq!(waits(&w), until);
    w.now = until;
    w.hand(PathEvent::Wake);
    assert!(matches!(w.next, PathNext::Issue { command: PathCommand::Standing, .. }), "{:?}", w.next);
}

#[test]
fn without_a_lease_at_the_moment_nothing_is_asked() {
    let mut w = World::new(Role::Further, &[]);
    w.life = Life::Waiting;
    w.hand(PathEvent::Wake);
    assert_eq!(waits(&w), w.now + w.path.setup.timing.spec().tick);
}

/// The pause between two tries to take the key off is kept, whoever wakes the path meanwhile.
#[test]
fn a_try_to_withdraw_is_not_repeated_before_its_time() {
    for life in [Life::Over, Life::Leaving] {
        let mut w = World::new(Role::Further, &[]);
        w.path.standing = Standing::Provisional { since: w.now, proven: false };
        w.life = life;
        w.go();
        w.under_way = w.under_way.map(|(c, _)| (c, Some(Told::Unknown)));
        w.answer();
        // The keys show it still: the holder's own, that is.
        let until = settle(&mut w);
        assert_eq!(until, w.now + w.path.setup.timing.spec().tick_budget);
        w.now = until - NANO;
        w.hand(PathEvent::Wake);
        assert_eq!(waits(&w), until, "{life:?}");
        w.now = until;
        w.hand(PathEvent::Wake);
        assert!(matches!(w.next, PathNext::Issue { command: PathCommand::Out(_), .. }), "{:?}", w.next);
    }
}

/// A holder's path that awaits the last one looks at every wake whether its time is up.
#[test]
fn who_awaits_the_last_path_ends_when_its_time_is_up_and_no_sooner() {
    let mut w = World::holding(None);
    w.life = Life::Leaving;
    w.path.is_not_last(Whereabouts::Open);
    let (begun, spec) = (w.now, w.path.setup.timing.spec());
    w.hand(PathEvent::Wake);
    assert_eq!(waits(&w), begun + spec.tick_budget);
    w.now = begun + spec.window - NANO;
    w.hand(PathEvent::Wake);
    assert_eq!(waits(&w), w.now + spec.tick_budget);
    w.now = begun + spec.window;
    w.hand(PathEvent::Wake);
    assert_eq!(w.next, PathNext::End(PathEnd::Left));
}

/// The time a path under a lease has for its REGISTER is the lease's, to the nanosecond.
#[test]
fn a_register_whose_deadline_is_past_the_lease_is_not_begun() {
    for (left, sent) in [(Duration::ZERO, true), (NANO, false)] {
        let mut w = World::new(Role::Further, &[]);
        let until = w.now + w.path.setup.timing.spec().tick_budget - left;
        w.life = Life::Owning(Lease { from: w.now, until });
        for _ in 0..2 {
            w.go();
            w.execute();
            w.answer();
        }
        assert_eq!(
            matches!(w.next, PathNext::Issue { command: PathCommand::Out(_), .. }),
            sent,
            "{:?}",
            w.next
        );
    }
}

/// A tick that began in the very moment the REGISTER ended does not count: it may have read before.
#[test]
fn only_a_tick_begun_later_makes_a_path_count() {
    for (after, counts) in [(Duration::ZERO, false), (NANO, true)] {
        let mut w = World::new(Role::Further, &[]);
        let since = w.now;
        w.path.standing = Standing::Provisional { since, proven: true };
        w.now = since + SECOND;
        w.life = Life::Owning(Lease { from: since + after, until: since + SECOND * 5 });
        w.hand(PathEvent::Wake);
        assert_eq!(w.path.usable(), counts);
    }
}

/// A path in doubt has something to undo, whatever else it knows of itself.
#[test]
fn a_life_that_is_over_in_doubt_takes_the_key_off() {
    for (life, standing) in [
        (Life::Over, Standing::Out),
        (Life::Over, Standing::Registered),
        (Life::Leaving, Standing::Out),
        (Life::Leaving, Standing::Registered),
    ] {
        let mut w = World::new(Role::Further, &[]);
        (w.path.doubt, w.path.standing, w.life) = (true, standing, life);
        w.go();
        assert!(
            matches!(w.under_way, Some((PathCommand::Out(_), None))),
            "{life:?} {standing:?}: {:?}",
            w.next
        );
    }
    let mut w = World::new(Role::Further, &[]);
    w.life = Life::Leaving;
    w.go();
    assert_eq!(w.next, PathNext::End(PathEnd::Nothing), "nothing to undo");
}

/// A holder's path that does not answer sweeps nothing; a further one has nobody behind it and tries.
#[test]
fn only_a_further_last_path_sweeps_while_it_does_not_answer() {
    for (role, down, sweeps) in [
        (Role::Holder, true, false),
        (Role::Holder, false, true),
        (Role::Further, true, true),
        (Role::Further, false, true),
    ] {
        let mut w = World::new(role, &[]);
        w.path.is_last();
        (w.path.down, w.path.standing, w.life) = (down, Standing::Registered, Life::Leaving);
        w.hand(PathEvent::Wake);
        let asks = matches!(w.next, PathNext::Issue { command: PathCommand::ReadKeys, .. });
        assert_eq!(asks, sweeps, "{role:?} {down}: {:?}", w.next);
    }
}

/// Every look has a tick before its being outstanding is told, and a pause of a tick after it.
#[test]
fn a_look_is_worth_telling_after_a_tick() {
    let mut w = World::new(Role::Further, &[]);
    let tick = w.path.setup.timing.spec().tick;
    w.hand(PathEvent::Wake);
    let PathNext::Issue { command: PathCommand::ReadKeys, deadline } = w.next else { panic!("{:?}", w.next) };
    assert_eq!(deadline, w.now + tick);
    w.hand(PathEvent::Reply(Reply::Unknown(NoAnswer::Outstanding)));
    assert_eq!(waits(&w), w.now + tick);
}

/// A last path that has just asked for the keys, and is told nothing yet.
fn sweeping(role: Role) -> World {
    let mut w = World::holding(None);
    w.path.setup.role = role;
    w.path.is_last();
    (w.path.standing, w.life) = (Standing::Registered, Life::Leaving);
    w.hand(PathEvent::Wake);
    w
}

/// The keys as the device has them.
fn told_keys(w: &mut World) {
    let keys = KeysView::emit(w.unit.generation(), &w.unit.keys().collect::<Vec<_>>());
    w.hand(PathEvent::Reply(Reply::Keys(KeysView::parse(&keys).unwrap())));
}

fn is_out(w: &World) -> Option<Instant> {
    match w.next {
        PathNext::Issue { command: PathCommand::Out(_), deadline } => Some(deadline),
        _ => None,
    }
}

#[test]
fn the_holders_path_leaves_the_others_their_time_and_then_sweeps_once() {
    let mut w = sweeping(Role::Holder);
    let (begun, spec) = (w.now, w.path.setup.timing.spec());
    w.hand(PathEvent::Reply(Reply::Unknown(NoAnswer::Outstanding)));
    assert_eq!(waits(&w), begun + spec.tick_budget);
    w.path.phase = Phase::Sweep;
    w.now = begun + spec.tick - NANO;
    told_keys(&mut w);
    assert_eq!(waits(&w), w.now + spec.tick_budget);
    w.path.phase = Phase::Sweep;
    w.now = begun + spec.tick;
    told_keys(&mut w);
    assert_eq!(is_out(&w), Some(w.now + spec.tick));
    w.hand(PathEvent::Reply(Reply::Unknown(NoAnswer::Outstanding)));
    told_keys(&mut w);
    assert_eq!(w.next, PathNext::End(PathEnd::Left));
}

#[test]
fn a_further_last_path_sweeps_at_once_and_again_after_a_pause() {
    let mut w = sweeping(Role::Further);
    let spec = w.path.setup.timing.spec();
    told_keys(&mut w);
    assert_eq!(is_out(&w), Some(w.now + spec.tick));
    w.hand(PathEvent::Reply(Reply::Unknown(NoAnswer::Outstanding)));
    told_keys(&mut w);
    assert_eq!(waits(&w), w.now + spec.tick_budget);
    w.now = w.now + spec.tick_budget;
    w.hand(PathEvent::Wake);
    told_keys(&mut w);
    assert!(is_out(&w).is_some(), "{:?}", w.next);
}

/// GOOD is not believed but looked at; a conflict is, unless a REGISTER may come yet.
#[test]
fn what_answers_a_withdrawal_decides_what_follows() {
    let withdrawing = || {
        let mut w = World::new(Role::Further, &[]);
        w.path.standing = Standing::Provisional { since: w.now, proven: false };
        w.life = Life::Over;
        w.hand(PathEvent::Wake);
        assert_eq!(is_out(&w), Some(w.now + w.path.setup.timing.spec().tick));
        w
    };
    let mut w = withdrawing();
    w.hand(PathEvent::Reply(Reply::Good));
    assert!(matches!(w.next, PathNext::Issue { command: PathCommand::ReadKeys, .. }), "{:?}", w.next);
    told_keys(&mut w);
    assert_eq!(waits(&w), w.now, "another's, maybe: asked again at once");

    let mut w = withdrawing();
    w.hand(PathEvent::Reply(Reply::Conflict));
    assert_eq!(w.next, PathNext::End(PathEnd::Withdrawn));

    let mut w = withdrawing();
    w.path.doubt = true;
    w.hand(PathEvent::Reply(Reply::Conflict));
    assert_eq!(waits(&w), w.now + w.path.setup.timing.spec().tick_budget);
}

/// Of the ghosts known, those the device names are tried, and no others: each would cost a REGISTER.
#[test]
fn only_ghosts_that_the_device_shows_are_tried() {
    let (gone, there) = (settled(A, 3), settled(A, 4));
    let mut w = World::new(Role::Further, &[gone, settled(A, 5), there]);
    register(&mut w.unit, PATH, there);
    w.run(SECOND * 2);
    let tried: Vec<Key> = w
        .notes
        .iter()
        .filter_map(|n| match n {
            PathNote::Registering { existing } => Some(*existing),
            _ => None,
        })
        .collect();
    assert_eq!(tried, [there]);
}

/// A path that counts is asked again after its own pause, whatever the tick is.
#[test]
fn a_registered_path_is_asked_again_after_its_check() {
    for standing in
        [Standing::Registered, Standing::Provisional { since: Instant::from_nanos(1), proven: true }]
    {
        let mut w = World::new(Role::Further, &[]);
        w.path.setup.check = SECOND * 7;
        w.path.standing = standing;
        let own = w.own;
        register(&mut w.unit, PATH, own);
        w.hand(PathEvent::Wake);
        assert!(matches!(w.next, PathNext::Issue { command: PathCommand::Standing, .. }), "{:?}", w.next);
        w.hand(PathEvent::Reply(Reply::Good));
        assert_eq!(waits(&w), w.now + SECOND * 7, "confirmed by the tick there was, or before");
    }
}

/// One whose REGISTER no tick has confirmed yet is asked again a tick later.
#[test]
fn a_path_that_does_not_count_yet_is_asked_again_after_a_tick() {
    let mut w = World::new(Role::Further, &[]);
    w.path.setup.check = SECOND * 7;
    w.path.standing = Standing::Provisional { since: w.now, proven: false };
    let own = w.own;
    register(&mut w.unit, PATH, own);
    w.hand(PathEvent::Wake);
    w.hand(PathEvent::Reply(Reply::Good));
    assert_eq!(waits(&w), w.now + w.path.setup.timing.spec().tick);
}
