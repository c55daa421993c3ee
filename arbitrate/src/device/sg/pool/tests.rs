//! The pool against a transport that never answers: no hardware needed to prove what it promises.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::codec::Status;

/// Answers a READ with its own number in every byte, once it is let go; says that it has begun.
struct Gate {
    begun: Mutex<Sender<u8>>,
    go: Mutex<Receiver<()>>,
    blocks: fn(u8) -> bool,
}

impl Transport for Gate {
    fn run(&self, job: &Job, buf: &mut [u8], _: &mut [u8; 64]) -> Raw {
        let Job::Command { cdb, len, .. } = job else { return Raw::errno(0) };
        let tag = cdb.as_bytes()[1];
        self.begun.lock().unwrap().send(tag).unwrap();
        if (self.blocks)(tag) {
            let _ = self.go.lock().unwrap().recv();
        }
        buf[..*len].fill(tag);
        Raw::errno(0)
    }
}

fn gate(blocks: fn(u8) -> bool) -> (Pool<Gate>, Receiver<u8>, Sender<()>) {
    let ((begun, begins), (let_go, go)) = (channel(), channel());
    let gate = Arc::new(Gate { begun: Mutex::new(begun), go: Mutex::new(go), blocks });
    let pool = Pool::new(&gate).unwrap();
    (pool, begins, let_go)
}

fn good(_: &Raw, _: &[u8; 64], _: usize, took: Duration) -> Completion {
    Completion::answered(Status::GOOD, 0, took)
}

fn read(pool: &Pool<Gate>, tag: u8, wait: Duration) -> (Delivery, [u8; 4]) {
    let mut buf = [0xee; 4];
    let cdb = Cdb::new([0x12, tag, 0, 0, 4, 0]);
    let request = Request { cdb, data: Data::In(&mut buf), deadline: now() + wait };
    (pool.execute(request, good).delivery, buf)
}

const SHORT: Duration = Duration::from_millis(30);
const LONG: Duration = Duration::from_secs(30);
const ANSWERED: Delivery = Delivery::Answered(Status::GOOD);

#[test]
fn a_command_that_never_ends_is_outstanding_at_its_deadline() {
    let (pool, _begins, _let_go) = gate(|_| true);
    let started = now();
    assert_eq!(read(&pool, 1, SHORT), (Delivery::Outstanding, [0xee; 4]));
    assert!(now() >= started + SHORT, "not before the deadline");
    assert_eq!(pool.stuck(), 1);
}

#[test]
fn four_stuck_commands_lose_the_device_and_one_late_answer_gives_it_back() {
    let (pool, _begins, let_go) = gate(|t| t < 9);
    for tag in 1..=4 {
        assert_eq!(read(&pool, tag, SHORT).0, Delivery::Outstanding);
    }
    assert_eq!(read(&pool, 5, LONG).0, Delivery::DeviceLost, "at once, although the deadline is far");
    let_go.send(()).unwrap();
    while pool.stuck() == 4 {
        std::thread::yield_now();
    }
    assert_eq!(read(&pool, 9, LONG), (ANSWERED, [9; 4]), "a later command gets its own answer");
}

#[test]
fn a_stuck_command_disturbs_nobody_else() {
    let (pool, begins, let_go) = gate(|t| t == 1);
    assert_eq!(read(&pool, 1, SHORT).0, Delivery::Outstanding);
    for tag in 2..20 {
        assert_eq!(read(&pool, tag, LONG), (ANSWERED, [tag; 4]));
    }
    let_go.send(()).unwrap();
    assert_eq!(begins.try_iter().count(), 19, "the stuck command was sent once");
}

#[test]
fn a_passed_deadline_sends_nothing() {
    let (pool, begins, _let_go) = gate(|_| false);
    let before = Duration::ZERO;
    assert_eq!(read(&pool, 1, before).0, Delivery::NotSent(libc::ETIMEDOUT));
    assert!(begins.try_recv().is_err());
}

#[test]
fn a_dropped_pool_ends_its_idle_threads() {
    let (pool, begins, _let_go) = gate(|_| false);
    read(&pool, 1, LONG);
    drop(pool);
    // The transport goes with the last thread: then the sender is gone.
    assert_eq!(begins.recv_timeout(LONG), Ok(1));
    assert!(begins.recv_timeout(LONG).is_err_and(|e| e == std::sync::mpsc::RecvTimeoutError::Disconnected));
}
