//! READ KEYS in a loop as a defender sends it: crew, deadline, retry policy, decoder.
//!
//! `read_keys_loop DEVICE COUNT` prints nanoseconds a command. The lab runs it beside a bare SG_IO loop
//! in C and beside a spawned sg_persist (docs/bench.md).

use std::process::ExitCode;
use std::time::Duration;

use arbitrate::clock::now;
use arbitrate::codec::Sense;
use arbitrate::device::open::open;
use arbitrate::protocol::{Command, Event, Next, Reply, Step};
use arbitrate::runtime::crew::{self, Listener, Task};
use arbitrate::runtime::drive::Machine;
use arbitrate::runtime::executor::Sent;
use arbitrate::runtime::pacer::SystemPacer;
use arbitrate::time::Instant;

/// Reads keys `left` times.
struct Reader {
    left: u32,
}

impl Reader {
    fn next(&mut self, at: Instant, ok: bool) -> Step<(), bool> {
        if self.left == 0 || !ok {
            return Step::new(Next::End(ok));
        }
        self.left -= 1;
        Step::new(Next::Issue { command: Command::ReadKeys, deadline: at + Duration::from_secs(3) })
    }
}

impl Machine for Reader {
    type Note = ();
    type End = bool;
    fn start(&mut self, at: Instant) -> Step<(), bool> {
        self.next(at, true)
    }
    fn handle(&mut self, event: Event<'_>, at: Instant) -> Step<(), bool> {
        self.next(at, matches!(event, Event::Reply(Reply::Keys(_))))
    }
}

struct Nobody;

impl Listener<()> for Nobody {
    fn note(&mut self, _: Instant, (): &()) {}
    fn sent(&mut self, _: &Sent) {}
    fn attention(&mut self, _: Sense) {}
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let (Some(device), Some(Ok(count))) = (args.get(1), args.get(2).map(|n| n.parse::<u32>())) else {
        eprintln!("usage: read_keys_loop DEVICE COUNT");
        return ExitCode::from(2);
    };
    let device = match open(device) {
        Ok(d) => d,
        Err(e) => {
            eprintln!("{e}");
            return ExitCode::from(15);
        }
    };
    let mut devices = device.unguarded();
    if devices.is_empty() {
        devices.push(device);
    }
    let task =
        Task { machine: Reader { left: count }, listener: Nobody, pacer: Box::new(SystemPacer::deaf()) };
    let started = now();
    match crew::run(devices, task, || {}) {
        Ok((true, _)) => {}
        Ok((false, _)) => {
            eprintln!("a READ KEYS brought no keys");
            return ExitCode::from(1);
        }
        Err(e) => {
            eprintln!("{e}");
            return ExitCode::from(1);
        }
    }
    println!("{}", now().since(started).as_nanos() / u128::from(count.max(1)));
    ExitCode::SUCCESS
}
