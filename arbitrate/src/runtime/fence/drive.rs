//! Runs one fence on the paths of one device, and fills its report in.
//!
//! Decides nothing, allocates nothing: whatever happens is handed to the protocol with the time.

use std::cell::RefCell;
use std::rc::Rc;

use crate::codec::Sense;
use crate::codec::pr::{FullStatusView, Reread, RereadError, read_full_status_cdb};
use crate::device::{Escalate, ResetError, ResetScope};
use crate::protocol::fence::{FenceCommand, FenceEvent, FenceNext, FenceReply, Fencer};
use crate::protocol::{Command, NoAnswer};
use crate::runtime::executor::{self, Executor, Observer, Sent, Unread};
use crate::runtime::pacer::Pacer;
use crate::time::Instant;

use super::report::{Action, Report};

/// Room for READ FULL STATUS: the most one command can ask for.
const ROOM: u16 = 65_532;
/// The longest registration there can be (an iSCSI name of 223 bytes and its ISID, padded). Some
/// targets cut a long answer and claim only what they sent: one that is so full that another
/// registration would not have fitted is not believed to be whole.
const LONGEST: usize = 24 + 4 + 244;

/// A report shared by the thread's driver and its taps.
pub(super) type Shared = Rc<RefCell<Box<Report>>>;

/// Writes what one path sends into the report.
pub(super) struct Tap {
    pub(super) path: usize,
    pub(super) report: Shared,
}

impl Observer for Tap {
    fn sent(&mut self, s: &Sent) {
        self.report.borrow_mut().log(self.path, Action::Command(*s));
    }
    fn attention(&mut self, sense: Sense) {
        self.report.borrow_mut().log(self.path, Action::Attention(sense));
    }
}

/// Runs `fencer` to its end on `paths`.
pub(super) fn run(fencer: &mut Fencer, paths: &mut [Executor<'_>], report: &Shared, pacer: &mut dyn Pacer) {
    let mut looks = 0;
    let mut next = fencer.start(pacer.now());
    loop {
        next = match next {
            FenceNext::End(end) => {
                report.borrow_mut().conclude(fencer, end, pacer.now());
                return;
            }
            FenceNext::Wait(until) => {
                pacer.wait(until);
                fencer.handle(FenceEvent::Wake, pacer.now())
            }
            FenceNext::Issue { path, command, deadline } => {
                let reply = match paths.get_mut(path) {
                    Some(on) => send(on, path, command, deadline, report, pacer),
                    None => FenceReply::Refused(NoAnswer::DeviceLost),
                };
                keep(&reply, report, &mut looks);
                fencer.handle(FenceEvent::Reply(reply), pacer.now())
            }
        }
    }
}

fn send<'e>(
    on: &'e mut Executor<'_>,
    path: usize,
    command: FenceCommand,
    deadline: Instant,
    report: &Shared,
    pacer: &mut dyn Pacer,
) -> FenceReply<'e> {
    match command {
        FenceCommand::ReadFullStatus => full_status(on, deadline, pacer),
        FenceCommand::ReadKeys => on.run(&Command::ReadKeys, deadline, pacer).into(),
        FenceCommand::ReadReservation => on.run(&Command::ReadReservation, deadline, pacer).into(),
        FenceCommand::Out(out) => on.run(&Command::Out(out), deadline, pacer).into(),
        FenceCommand::ResetUnit => {
            let at = pacer.now();
            let end = on.device().reset(ResetScope::LogicalUnit, Escalate::No, deadline);
            report.borrow_mut().log(path, Action::Reset { at, took: pacer.now().since(at), end });
            match end {
                Ok(()) => FenceReply::Good,
                Err(ResetError::Outstanding) => FenceReply::Unknown(NoAnswer::Outstanding),
                Err(ResetError::Failed(errno)) => FenceReply::Unknown(NoAnswer::Local(errno)),
                Err(ResetError::Unsupported) => FenceReply::Refused(NoAnswer::Local(libc::EOPNOTSUPP)),
            }
        }
    }
}

fn full_status<'e>(on: &'e mut Executor<'_>, deadline: Instant, pacer: &mut dyn Pacer) -> FenceReply<'e> {
    match on.read_whole(read_full_status_cdb, Reread::full_status(ROOM), deadline, pacer) {
        Ok(data) if data.len() + LONGEST > usize::from(ROOM) => FenceReply::Unknown(NoAnswer::Malformed),
        Ok(data) => FullStatusView::parse(data)
            .map_or(FenceReply::Unknown(NoAnswer::Malformed), FenceReply::FullStatus),
        Err(Unread::Ended(class)) => executor::reply(&class).into(),
        Err(Unread::Reread(RereadError::Unstable)) => FenceReply::Unknown(NoAnswer::Restless),
        Err(Unread::Reread(_)) => FenceReply::Unknown(NoAnswer::Malformed),
    }
}

/// Writes what a look showed into the report.
fn keep(reply: &FenceReply<'_>, report: &Shared, looks: &mut u32) {
    let mut r = report.borrow_mut();
    match reply {
        FenceReply::FullStatus(v) => {
            *looks += 1;
            r.look(v.generation(), v.iter().map(|d| d.key), v.holder());
        }
        FenceReply::Keys(v) => r.look(v.generation(), v.iter(), None),
        FenceReply::Reservation(v) => {
            r.look_at_holder(v.holder, *looks);
            *looks += 1;
        }
        _ => {}
    }
}
