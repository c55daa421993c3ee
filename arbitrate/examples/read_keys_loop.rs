//! READ KEYS in a loop as a defender sends it: crew, priority, deadline,
//! retry policy, decoder.
//!
//! `read_keys_loop DEVICE COUNT` prints nanoseconds a command. The lab runs it beside a bare SG_IO loop
//! in C and beside a spawned sg_persist (docs/bench.md).

use std::process::ExitCode;
use std::time::Duration;

use arbitrate::codec::Sense;
use arbitrate::device::open::open;
use arbitrate::protocol::{Command, Event, Next, Reply, Step};
use arbitrate::runtime::crew::{self, Listener, Task};
use arbitrate::runtime::drive::Machine;
use arbitrate::runtime::executor::Sent;
use arbitrate::runtime::pacer::SystemPacer;
use arbitrate::runtime::realtime;
use arbitrate::time::Instant;

/// Reads keys once, and from then on `left` times by the clock: threads have started by then.
struct Reader {
    left: u32,
    began: Option<Instant>,
}

impl Reader {
    fn next(&mut self, at: Instant) -> Step<(), Option<Duration>> {
        if self.left == 0 {
            return Step::new(Next::End(self.began.map(|b| at.since(b))));
        }
        self.left -= 1;
        Step::new(Next::Issue { command: Command::ReadKeys, deadline: at + Duration::from_secs(3) })
    }
}

impl Machine for Reader {
    type Note = ();
    type End = Option<Duration>;
    fn start(&mut self, at: Instant) -> Step<(), Option<Duration>> {
        self.left += 1;
        self.next(at)
    }
    fn handle(&mut self, event: Event<'_>, at: Instant) -> Step<(), Option<Duration>> {
        if !matches!(event, Event::Reply(Reply::Keys(_))) {
            return Step::new(Next::End(None));
        }
        self.began.get_or_insert(at);
        self.next(at)
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
    let task = Task {
        machine: Reader { left: count.max(1), began: None },
        listener: Nobody,
        pacer: Box::new(SystemPacer::deaf()),
    };
    // As `defend` does: memory locked, real-time priority, where it is permitted.
    let prepare = || {
        let _ = realtime::acquire();
    };
    match crew::run(devices, task, prepare) {
        Ok((Some(took), _)) => {
            println!("{}", took.as_nanos() / u128::from(count.max(1)));
            ExitCode::SUCCESS
        }
        Ok((None, _)) => {
            eprintln!("a READ KEYS brought no keys");
            ExitCode::from(1)
        }
        Err(e) => {
            eprintln!("{e}");
            ExitCode::from(1)
        }
    }
}
