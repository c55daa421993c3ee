//! A crew against a nexus that swallows commands.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::*;
use crate::codec::Status;
use crate::codec::pr::{Generation, KeysView};
use crate::device::{Completion, Data, Delivery, Escalate, Request, ResetError, ResetScope};
use crate::protocol::Command;

/// Sends `commands` READ KEYS and counts how each ended.
#[derive(Clone, Copy)]
struct Counter {
    left: u32,
    keys: u32,
    unknown: u32,
    lost: u32,
    patience: Duration,
}

type Ends = (u32, u32, u32);

impl Counter {
    fn new(left: u32, patience: Duration) -> Self {
        Self { left, keys: 0, unknown: 0, lost: 0, patience }
    }

    fn next(&mut self, at: Instant) -> Step<u32, Ends> {
        if self.left == 0 {
            return Step::new(Next::End((self.keys, self.unknown, self.lost)));
        }
        self.left -= 1;
        Step::new(Next::Issue { command: Command::ReadKeys, deadline: at + self.patience })
    }
}

impl Machine for Counter {
    type Note = u32;
    type End = Ends;
    fn start(&mut self, at: Instant) -> Step<u32, Ends> {
        self.next(at)
    }
    fn handle(&mut self, event: Event<'_>, at: Instant) -> Step<u32, Ends> {
        match event {
            Event::Reply(Reply::Keys(_)) => self.keys += 1,
            Event::Reply(Reply::Unknown(NoAnswer::Outstanding)) => self.unknown += 1,
            Event::Reply(Reply::Refused(NoAnswer::DeviceLost)) => self.lost += 1,
            other => unreachable!("{other:?}"),
        }
        self.next(at)
    }
}

/// Swallows every command for which `swallow` says so, by its number, until the test lets go.
struct Hole {
    sent: Arc<AtomicU64>,
    swallow: fn(u64) -> bool,
    go: Arc<Mutex<Receiver<()>>>,
}

impl ScsiDevice for Hole {
    fn name(&self) -> &str {
        "hole"
    }
    fn execute(&mut self, r: Request<'_>) -> Completion {
        let n = self.sent.fetch_add(1, Ordering::SeqCst);
        if (self.swallow)(n) {
            let _ = self.go.lock().unwrap().recv();
        }
        let Data::In(b) = r.data else { return Completion::unanswered(Delivery::NotSent(1), Duration::ZERO) };
        let answer = KeysView::emit(Generation(1), &[]);
        b[..answer.len()].copy_from_slice(&answer);
        let residual = u32::try_from(b.len() - answer.len()).unwrap();
        Completion::answered(Status::GOOD, residual, Duration::ZERO)
    }
    fn reset(&mut self, _: ResetScope, _: Escalate, _: Instant) -> Result<(), ResetError> {
        Err(ResetError::Unsupported)
    }
    fn own_transport_id(&self) -> Option<Vec<u8>> {
        None
    }
}

#[derive(Default)]
struct Log {
    sent: u32,
}

impl Listener<u32> for Log {
    fn note(&mut self, _: Instant, _: &u32) {}
    fn sent(&mut self, _: &Sent) {
        self.sent += 1;
    }
    fn attention(&mut self, _: Sense) {}
}

/// Runs a counter; `meanwhile` is called with the count of commands sent and may let swallowed ones go.
fn run_with(
    threads: usize,
    swallow: fn(u64) -> bool,
    machine: Counter,
    meanwhile: impl FnOnce(&AtomicU64, &Sender<()>) + Send + 'static,
) -> (Ends, u32, u64) {
    let (let_go, go) = channel();
    let (sent, go) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(go)));
    let devices: Vec<Box<dyn ScsiDevice>> = (0..threads)
        .map(|_| {
            Box::new(Hole { sent: Arc::clone(&sent), swallow, go: Arc::clone(&go) }) as Box<dyn ScsiDevice>
        })
        .collect();
    let counted = Arc::clone(&sent);
    let other = std::thread::spawn(move || {
        meanwhile(&counted, &let_go);
        let_go
    });
    let task = Task { machine, listener: Log::default(), pacer: Box::new(SystemPacer::deaf()) };
    let (end, task) = run(devices, task, || {}).unwrap();
    drop(other.join().unwrap());
    (end, task.listener.sent, sent.load(Ordering::SeqCst))
}

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(30);

#[test]
fn commands_that_answer_are_led_by_one_thread() {
    let (end, heard, sent) = run_with(5, |_| false, Counter::new(1000, LONG), |_, _| {});
    assert_eq!(end, (1000, 0, 0));
    assert_eq!((heard, sent), (1000, 1000), "each was sent once and shown once");
}

#[test]
fn a_swallowed_command_is_unknown_at_its_deadline_and_the_protocol_goes_on() {
    let (end, heard, sent) = run_with(5, |n| n == 1, Counter::new(10, SHORT * 50), |_, _| {});
    assert_eq!(end, (9, 1, 0));
    assert_eq!((heard, sent), (9, 10), "what never ended is not shown as ended");
}

#[test]
fn a_late_answer_goes_nowhere_and_its_thread_comes_home() {
    // Two are swallowed; each is let go after the protocol has gone on without it.
    let letting_go = |sent: &AtomicU64, let_go: &Sender<()>| {
        for n in [3, 103] {
            while sent.load(Ordering::SeqCst) < n {
                std::thread::yield_now();
            }
            let_go.send(()).unwrap();
        }
    };
    let (end, heard, sent) = run_with(3, |n| n == 1 || n == 101, Counter::new(20_000, SHORT * 5), letting_go);
    assert_eq!(end, (19_998, 2, 0));
    assert_eq!((heard, sent), (19_998, 20_000));
}

#[test]
fn with_four_stuck_nothing_is_sent_any_more() {
    let (end, _, sent) = run_with(5, |_| true, Counter::new(7, SHORT), |_, _| {});
    assert_eq!(end, (0, 4, 3));
    assert_eq!(sent, 4, "the fifth command would have had no watch");
}

#[test]
fn a_nexus_that_cannot_get_stuck_needs_one_thread() {
    let (end, ..) = run_with(1, |_| false, Counter::new(50, LONG), |_, _| {});
    assert_eq!(end, (50, 0, 0));
}

fn holes(threads: usize) -> (Vec<Box<dyn ScsiDevice>>, Arc<AtomicU64>, Sender<()>) {
    let (let_go, go) = channel();
    let (sent, go) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(go)));
    let hole = || Hole { sent: Arc::clone(&sent), swallow: |_| false, go: Arc::clone(&go) };
    let devices = (0..threads).map(|_| Box::new(hole()) as Box<dyn ScsiDevice>).collect();
    (devices, sent, let_go)
}

#[test]
fn without_a_handle_it_is_an_error_and_no_endless_wait() {
    let end = gather::<Counter, Log>(Vec::new(), || {});
    assert!(end.err().unwrap().to_string().contains("no handle"));
}

#[test]
fn a_thread_that_cannot_be_started_sends_those_home_that_were() {
    let (devices, sent, _let_go) = holes(5);
    let mut started = Vec::new();
    let spawn = |t: Thread| {
        if started.len() == 3 {
            return Err(std::io::Error::other("no more threads"));
        }
        started.push(std::thread::spawn(t));
        Ok(())
    };
    assert!(gather_by::<Counter, Log>(devices, || {}, spawn).is_err());
    assert_eq!(started.len(), 3);
    started.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(sent.load(Ordering::SeqCst), 0, "nothing was begun");
}

#[test]
fn a_crew_that_gets_no_protocol_goes_home() {
    let (devices, _, _let_go) = holes(4);
    let mut started = Vec::new();
    let spawn = |t: Thread| {
        started.push(std::thread::spawn(t));
        Ok(())
    };
    drop(gather_by::<Counter, Log>(devices, || {}, spawn).unwrap());
    started.into_iter().for_each(|t| t.join().unwrap());
}
