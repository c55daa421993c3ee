//! Two nodes on loopback: an observer, and a peer that falls silent on command.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use arbitrate::clock;
use arbitrate::key::{ClusterId, Incarnation};
use arbitrate::runtime::realtime;
use arbitrate::time::Instant;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use rtrb::{Consumer, RingBuffer};

use super::Spread;
use crate::heartbeat::auth::{Key, Keys};
use crate::heartbeat::detect::{Rules, State};
use crate::heartbeat::node::{Event, Node, Setup};
use crate::heartbeat::runtime::{Beat, Link, LinkError, Stamped};
use crate::heartbeat::wire::{Member, Pace};

/// What to measure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Between two datagrams.
    pub interval: Duration,
    /// Intervals of silence to a suspicion.
    pub multiplier: u8,
    /// How often the peer falls silent.
    pub cuts: u32,
    /// For how long nothing is cut and everything measured.
    pub quiet: Duration,
}

/// What was measured.
#[derive(Clone, PartialEq, Debug)]
pub struct Measured {
    /// How late the observer woke.
    pub lateness: Spread,
    /// From the peer's last sending to the suspicion.
    pub detection: Spread,
    /// How far the silence exceeded interval × multiplier when it was judged.
    pub overshoot: Spread,
    /// Round trip, the time the peer held it taken off.
    pub round_trip: Spread,
    /// Suspicions of a peer that was not cut.
    pub false_suspicions: u64,
    /// Times the observer itself was stalled.
    pub stalls: u64,
    /// Processor time of the observer's thread, as a share of the time measured.
    pub cpu_share: f64,
    /// What was not granted to the observer: locked memory, real-time priority.
    pub degraded: Vec<String>,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// A socket.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The error of a system call.
    #[error("{0}: {1}")]
    Io(&'static str, std::io::Error),
    /// The interval makes no pace.
    #[error("an interval of {0:?} is out of range: 1 us to a minute")]
    Interval(Duration),
    /// The observer never heard the peer.
    #[error("the two nodes did not hear each other within {0:?}; is loopback up (ip link show lo)?")]
    Deaf(Duration),
    /// The cut was not noticed.
    #[error("a cut was not noticed within {0:?}")]
    Overlooked(Duration),
    /// A thread panicked.
    #[error("the {0} thread ended early")]
    Thread(&'static str),
}

/// Values the observer records in its loop.
struct Record {
    lateness: Vec<Duration>,
    round_trip: Vec<Duration>,
    cpu: Duration,
    lasted: Duration,
    stalls: u64,
    degraded: Vec<String>,
}

/// What the three threads share.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    silent: AtomicBool,
    /// The phase the peer resumes at, ns after its ordinary tick.
    phase: AtomicU64,
    last_sent: AtomicU64,
}

/// Measures.
///
/// # Errors
/// [`MeasureError`].
pub fn measure(settings: Settings) -> Result<Measured, MeasureError> {
    let pace = pace(settings)?;
    let any: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 0));
    let (first, second) = (free_port(any)?, free_port(any)?);
    let shared = Shared::default();
    let (told, mut events) = RingBuffer::new(4_096);
    let (unheard, _ignored) = RingBuffer::new(1);
    let observer_link = Link::open(first, &[second])?;
    let peer_link = Link::open(second, &[first])?;
    let limit = settings.interval * u32::from(settings.multiplier);
    thread::scope(|s| {
        let observer = s.spawn(|| {
            let mut beat = Beat::new(
                node(Member::FIRST, Member::SECOND, settings, pace),
                vec![observer_link],
                settings.interval,
                told,
            );
            observe(&mut beat, settings, &shared)
        });
        let peer = s.spawn(|| {
            let mut beat = Beat::new(
                node(Member::SECOND, Member::FIRST, settings, pace),
                vec![peer_link],
                settings.interval,
                unheard,
            );
            play_peer(&mut beat, settings.interval, &shared);
        });
        let cuts = cut_again_and_again(settings, limit, &shared, &mut events);
        shared.stop.store(true, Ordering::Release);
        let record = observer.join().map_err(|_| MeasureError::Thread("observer's"));
        peer.join().map_err(|_| MeasureError::Thread("peer's"))?;
        let (cuts, mut record) = (cuts?, record?);
        let (mut detection, mut overshoot, false_suspicions) = cuts;
        Ok(Measured {
            lateness: Spread::of(&mut record.lateness),
            detection: Spread::of(&mut detection),
            overshoot: Spread::of(&mut overshoot),
            round_trip: Spread::of(&mut record.round_trip),
            false_suspicions,
            stalls: record.stalls,
            cpu_share: record.cpu.as_secs_f64() / record.lasted.as_secs_f64().max(f64::EPSILON),
            degraded: record.degraded,
        })
    })
}

fn pace(settings: Settings) -> Result<Pace, MeasureError> {
    let us = u32::try_from(settings.interval.as_micros()).unwrap_or(u32::MAX);
    Pace::new(us, 1, settings.multiplier).ok_or(MeasureError::Interval(settings.interval))
}

fn free_port(any: SocketAddr) -> Result<SocketAddr, MeasureError> {
    let io = |e| MeasureError::Io("finding a free port on loopback", e);
    std::net::UdpSocket::bind(any).map_err(io)?.local_addr().map_err(io)
}

fn node(me: Member, other: Member, settings: Settings, pace: Pace) -> Node {
    let limit = settings.interval * u32::from(settings.multiplier);
    let setup = Setup {
        cluster: ClusterId::of_name("measure"),
        number: me,
        incarnation: Incarnation::FIRST,
        pace,
        tolerance: limit / 4,
        rules: Rules { dead: limit * 10, rise: 3, jitter_factor: 0, ceiling: limit },
        links: 1,
    };
    let keys = Keys::single(Key::derive(1, b"measured on loopback"));
    let clocks = crate::heartbeat::runtime::Clocks::read();
    Node::new(setup, keys, &[other], [0; 32], clocks.now, clocks.suspended)
}

fn observe(beat: &mut Beat, settings: Settings, shared: &Shared) -> Record {
    let degraded = realtime::acquire().lines().collect();
    // Enough for a quarter of an hour at 1 ms; what comes after is not recorded.
    let most = 1_000_000;
    let mut r = Record {
        lateness: Vec::with_capacity(most),
        round_trip: Vec::with_capacity(most),
        cpu: Duration::ZERO,
        lasted: Duration::ZERO,
        stalls: 0,
        degraded,
    };
    // What the start took is no lateness.
    beat.rest_until(clock::now() + settings.interval);
    let (began, cpu) = (clock::now(), thread_cpu());
    while !shared.stop.load(Ordering::Acquire) {
        beat.tick();
        if r.lateness.len() < most {
            r.lateness.push(beat.cost().late);
            let trip = beat.node().peers().first().and_then(|p| p.links().first()?.round_trip().last());
            r.round_trip.extend(trip);
        }
    }
    r.cpu = thread_cpu().saturating_sub(cpu);
    r.lasted = clock::now().since(began);
    r.stalls = beat.node().counters().stalls;
    r
}

fn play_peer(beat: &mut Beat, interval: Duration, shared: &Shared) {
    let _ = realtime::acquire();
    while !shared.stop.load(Ordering::Acquire) {
        if shared.silent.load(Ordering::Acquire) {
            thread::sleep(Duration::from_micros(200));
            let phase = Duration::from_nanos(shared.phase.load(Ordering::Acquire));
            beat.rest_until(clock::now() + interval + phase);
            continue;
        }
        beat.tick();
        shared.last_sent.store(beat.last_sent().as_nanos(), Ordering::Release);
    }
}

type Cuts = (Vec<Duration>, Vec<Duration>, u64);

fn cut_again_and_again(
    settings: Settings,
    limit: Duration,
    shared: &Shared,
    events: &mut Consumer<Stamped>,
) -> Result<Cuts, MeasureError> {
    let patience = limit * 20 + Duration::from_secs(2);
    let (mut detection, mut overshoot, mut falsely) = (Vec::new(), Vec::new(), 0);
    let mut dice: u64 = 0x9e37_79b9_7f4a_7c15;
    await_state(events, patience, |s| s == State::Up).map_err(|()| MeasureError::Deaf(patience))?;
    let quiet_until = clock::now() + settings.quiet;
    while clock::now() < quiet_until {
        thread::sleep(Duration::from_millis(1));
        falsely += suspicions(events);
    }
    for _ in 0..settings.cuts {
        // Any phase of the two clocks: the next is a step of a simple generator.
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let phase = (dice >> 33) % u64::try_from(settings.interval.as_nanos()).unwrap_or(1).max(1);
        shared.phase.store(phase, Ordering::Release);
        falsely += suspicions(events);
        shared.silent.store(true, Ordering::Release);
        let seen = await_state(events, patience, |s| matches!(s, State::Suspect | State::Down))
            .map_err(|()| MeasureError::Overlooked(patience))?;
        let last = Instant::from_nanos(shared.last_sent.load(Ordering::Acquire));
        detection.push(seen.0.since(last));
        overshoot.push(seen.1.saturating_sub(limit));
        shared.silent.store(false, Ordering::Release);
        await_state(events, patience, |s| s == State::Up).map_err(|()| MeasureError::Deaf(patience))?;
    }
    Ok((detection, overshoot, falsely))
}

fn suspicions(events: &mut Consumer<Stamped>) -> u64 {
    let mut n = 0;
    while let Ok(e) = events.pop() {
        n += u64::from(matches!(e.event, Event::Changed { change, .. } if change.to == State::Suspect));
    }
    n
}

/// When the awaited state came, and after which silence.
fn await_state(
    events: &mut Consumer<Stamped>,
    patience: Duration,
    wanted: impl Fn(State) -> bool,
) -> Result<(Instant, Duration), ()> {
    let until = clock::now() + patience;
    while clock::now() < until {
        while let Ok(e) = events.pop() {
            if let Event::Changed { change, .. } = e.event
                && wanted(change.to)
            {
                return Ok((e.at, change.silent));
            }
        }
        thread::sleep(Duration::from_micros(500));
    }
    Err(())
}

fn thread_cpu() -> Duration {
    let Ok(u) = getrusage(UsageWho::RUSAGE_THREAD) else { return Duration::ZERO };
    let us = u.user_time().num_microseconds() + u.system_time().num_microseconds();
    Duration::from_micros(u64::try_from(us).unwrap_or(0))
}
