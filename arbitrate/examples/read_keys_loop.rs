//! READ KEYS in a loop through the whole stack: device, deadline, retry policy, decoder.
//!
//! `read_keys_loop DEVICE COUNT` prints nanoseconds a command. The lab runs it beside a bare SG_IO loop
//! in C and beside a spawned sg_persist (docs/bench.md).

use std::process::ExitCode;
use std::time::Duration;

use arbitrate::clock::now;
use arbitrate::device::open::open;
use arbitrate::protocol::{Command, Reply};
use arbitrate::runtime::executor::{Executor, Unobserved};
use arbitrate::runtime::pacer::{Pacer, SystemPacer};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let (Some(device), Some(Ok(count))) = (args.get(1), args.get(2).map(|n| n.parse::<u32>())) else {
        eprintln!("usage: read_keys_loop DEVICE COUNT");
        return ExitCode::from(2);
    };
    let mut device = match open(device) {
        Ok(d) => d,
        Err(e) => {
            eprintln!("{e}");
            return ExitCode::from(15);
        }
    };
    let mut unobserved = Unobserved;
    let mut on = Executor::new(device.as_mut(), &mut unobserved);
    let mut pacer = SystemPacer::deaf();
    let started = now();
    for _ in 0..count.max(1) {
        let deadline = pacer.now() + Duration::from_secs(3);
        let reply = on.run(&Command::ReadKeys, deadline, &mut pacer);
        if !matches!(reply, Reply::Keys(_)) {
            eprintln!("READ KEYS brought {reply:?}");
            return ExitCode::from(1);
        }
    }
    println!("{}", now().since(started).as_nanos() / u128::from(count.max(1)));
    ExitCode::SUCCESS
}
