//! SPC-2 RESERVE(6) and RELEASE(6).
//!
//! There is no command that reads an SPC-2 reservation. RESERVE is proven by repeating it: it ends GOOD
//! only for the holder or on a free disk, and by then the disk is not free. RELEASE cannot be proven
//! without taking it again; its GOOD says that *this* nexus holds nothing.

use arbitrate::codec::Cdb;
use arbitrate::codec::reserve::{Form, Spc2Reserve, Verb};
use arbitrate::device::classify::Class;
use arbitrate::device::retry::Effect;
use arbitrate::runtime::executor::Executor;
use arbitrate::runtime::pacer::{Pacer, SystemPacer};
use serde_json::json;

use super::act::hex;
use crate::cli::args::LegacyArgs;
use crate::cli::exit::Exit;
use crate::cli::output::{Done, Failure, Outcome};
use crate::cli::session::{self, Options, Talk};
use crate::cli::words;

pub(crate) fn reserve(a: &LegacyArgs, with: Options) -> Outcome {
    send(a, with, six(Verb::Reserve), "reserving", "held: a second RESERVE(6) ended GOOD too")
}

pub(crate) fn release(a: &LegacyArgs, with: Options) -> Outcome {
    send(a, with, six(Verb::Release), "releasing", "this nexus holds nothing: RELEASE(6) ended GOOD twice")
}

const fn six(verb: Verb) -> Cdb {
    Spc2Reserve { verb, form: Form::Six }.cdb()
}

/// Sends the command twice: the second time is the proof.
fn send(a: &LegacyArgs, with: Options, cdb: Cdb, doing: &str, proof: &str) -> Outcome {
    let what = format!("{doing} {} (SPC-2)", a.device);
    if a.consent.dry_run {
        let fields =
            json!({ "device": a.device, "action": what, "dry_run": true, "cdb": hex(cdb.as_bytes()) });
        return Ok(Done::new(
            Exit::Confirmed,
            format!("dry run, nothing sent: {what}\n  cdb {cdb:?}"),
            fields,
        ));
    }
    let mut device = session::device(&a.device)?;
    let mut talk = Talk { out: with.out, device: a.device.clone() };
    let mut on = Executor::new(device.as_mut(), &mut talk);
    let mut pacer = SystemPacer::deaf();
    for _ in 0..2 {
        let deadline = pacer.now() + with.command_timeout();
        let ended = on.write(cdb, &[], Effect::Changes, deadline, &mut pacer);
        if ended.class != Class::Good {
            let (exit, answer) = words::class(&ended.class, true);
            let next = match exit {
                Exit::Conflict => {
                    "another initiator holds it, or persistent registrations exist: look with `arbitrate inspect`"
                }
                _ => exit.row().next,
            };
            return Err(Failure::new(exit, what, answer, next));
        }
    }
    let fields = json!({ "device": a.device, "action": what, "result": "done", "proof": proof });
    Ok(Done::new(Exit::Confirmed, format!("done: {what}; {proof}"), fields))
}
