//! A stand-in for sg_persist and sg_turs on embedded disks, as far as fence_scsi calls them: so that the
//! agent runs unchanged on the very disk that `arbitrate fence` is measured on (tools/bench/fence-scsi).
//!
//! `/any/folder/NAME` is the disk `$FENCE_SIM_DIR/NAME`, seen by initiator port `n1`. Called by the name
//! `sg_turs` it sends TEST UNIT READY.

use std::path::Path;
use std::process::ExitCode;

use arbitrate::clock;
use arbitrate::codec::block::TestUnitReady;
use arbitrate::codec::pr::{Abort, Aptpl, PrOut, Preempt, ReservationType};
use arbitrate::device::open::open;
use arbitrate::device::retry::Effect;
use arbitrate::key::Key;
use arbitrate::protocol::{Command, Reply};
use arbitrate::runtime::executor::{Executor, Unobserved};
use arbitrate::runtime::pacer::SystemPacer;

fn main() -> ExitCode {
    match run() {
        Some(code) => ExitCode::from(code),
        None => {
            eprintln!("usage: as fence_scsi calls sg_persist, with FENCE_SIM_DIR set");
            ExitCode::from(1)
        }
    }
}

fn run() -> Option<u8> {
    let args: Vec<String> = std::env::args().collect();
    let turs = Path::new(args.first()?).file_name()? == "sg_turs";
    if args.iter().any(|a| a == "-V") {
        println!("version: a stand-in");
        return Some(0);
    }
    let has = |flag: &str| args.iter().any(|a| a == flag);
    let value = |flag: &str| args.iter().skip_while(|a| *a != flag).nth(1);
    let named = if turs { args.last()? } else { value("-d")? };
    let disk = Path::new(&std::env::var_os("FENCE_SIM_DIR")?).join(Path::new(named).file_name()?);
    let mut device = open(&format!("sim:{}?as=n1", disk.display())).ok()?;
    let mut unobserved = Unobserved;
    let mut on = Executor::new(device.as_mut(), &mut unobserved);
    let mut pacer = SystemPacer::deaf();
    let deadline = clock::now() + std::time::Duration::from_secs(60);
    if turs {
        on.write(TestUnitReady.cdb(), &[], Effect::Reads, deadline, &mut pacer);
        return Some(0);
    }
    let key = |flag: &str| value(flag)?.parse::<Key>().ok();
    let kind = ReservationType::WriteExclusiveRegistrantsOnly;
    let command = match (has("-k"), has("-r"), has("-A"), has("-R"), has("-I")) {
        (true, ..) => Command::ReadKeys,
        (_, true, ..) => Command::ReadReservation,
        (_, _, true, ..) => {
            let p = Preempt { own: key("-K")?, victim: key("-S")?, kind, abort: Abort::Yes };
            Command::Out(PrOut::preempt(p))
        }
        (_, _, _, true, _) => Command::Out(PrOut::reserve(key("-K")?, kind)),
        (.., true) => Command::Out(PrOut::register_and_ignore(key("-S")?, Aptpl::No)),
        _ => return None,
    };
    Some(match on.run(&command, deadline, &mut pacer) {
        Reply::Keys(v) => {
            println!(
                "  PR generation={:#x}, {} registered reservation keys follow:",
                v.generation().0,
                v.len()
            );
            v.iter().for_each(|k| println!("    {:#x}", k.as_u64()));
            0
        }
        Reply::Reservation(r) => {
            match r.holder {
                Some(h) => println!("  Reservation follows:\n    Key={:#x} \n", h.key.as_u64()),
                None => println!("  there is NO reservation held"),
            }
            0
        }
        Reply::Good => 0,
        // Answers to commands that are not sent here.
        Reply::Head(_) | Reply::Attention(_) => 1,
        Reply::Conflict => 24,
        _ => 35,
    })
}
