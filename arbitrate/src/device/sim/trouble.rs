//! Commands of a unit that has faults, or commands held back by one.
//!
//! Here and nowhere else a command may be lost, executed late, or executed without an answer. Whatever a
//! fault brings about is stored together with the count that it happened: a process killed at any moment
//! has neither or both. Allocates, unlike the way without faults.

use std::fs::File;

use super::cache::{Cache, Outcome, errno, halves, not_sent};
use super::faults::{Effect, Executed};
use super::file::{self, State};
use super::medium;
use super::nexus::NexusId;
use super::tasks::{Delayed, Task};
use super::unit::LogicalUnit;
use crate::clock::now;
use crate::codec::pr::{OutAction, PERSISTENT_RESERVE_OUT, PrOutRequest};
use crate::codec::{Cdb, Status};
use crate::device::sim::answer::Answer;
use crate::device::sim::reply::Reply;
use crate::device::{Data, Delivery, MAX_TRANSFER, TransportError};
use crate::time::Instant;

/// How far a command came at once.
pub(super) enum Step {
    /// To its answer.
    Answered(Reply),
    /// Nowhere that its sender hears of.
    Silent,
    /// It waits under this tag.
    Waiting { tag: u64, due: Instant },
}

/// A command and who sent it.
pub(super) struct Sent<'a, 'd> {
    pub(super) nexus: NexusId,
    pub(super) cdb: Cdb,
    pub(super) data: &'a mut Data<'d>,
    pub(super) deadline: Instant,
}

impl Cache {
    /// Takes a command in, whatever goes wrong with it.
    pub(super) fn take_in(&mut self, file: &File, c: Sent<'_, '_>) -> Result<Step, Delivery> {
        if self.state.is_calm() {
            return self.execute(file, c.nexus, &c.cdb, c.data).map(Step::Answered);
        }
        self.run_due(file)?;
        let before = self.begin();
        let profile = &self.state.profile;
        let struck = profile.name(c.nexus).and_then(|n| self.state.faults.strike(&n.initiator, &c.cdb));
        match struck {
            None => self.finish(file, before, c).map(Step::Answered),
            Some(Effect::Delay { ms }) => self.hold_back(file, before, c, ms),
            Some(Effect::DropCommand) => self.commit(file, before).map(|()| Step::Silent),
            Some(Effect::DropAnswer) => self.finish_unheard(file, before, c).map(|()| Step::Silent),
            Some(Effect::TransportError { host, executed }) => {
                match executed {
                    Executed::Yes => self.finish_unheard(file, before, c)?,
                    Executed::No => self.commit(file, before)?,
                }
                Err(Delivery::Lost(TransportError { host, driver: 0, errno: 0 }))
            }
            Some(Effect::Busy) => self.refuse(file, before, Status::BUSY),
            Some(Effect::TaskSetFull) => self.refuse(file, before, Status::TASK_SET_FULL),
            Some(Effect::Attention { what }) => {
                self.scratch.reservations_mut().establish_attention(c.nexus, what);
                self.finish(file, before, c).map(Step::Answered)
            }
            Some(Effect::Reset) => {
                self.state.tasks.abort_all();
                self.scratch.reset();
                self.finish(file, before, c).map(Step::Answered)
            }
            Some(Effect::PowerLoss { memory }) => {
                self.state.tasks.abort_all();
                self.scratch.lose_power(memory);
                self.finish(file, before, c).map(Step::Answered)
            }
        }
    }

    /// Executes a command that waited until now; none if something took it out of the task set.
    pub(super) fn resume(
        &mut self,
        file: &File,
        tag: u64,
        c: Sent<'_, '_>,
    ) -> Result<Option<Reply>, Delivery> {
        let before = self.begin();
        if self.state.tasks.take(tag).is_none() {
            return Ok(None);
        }
        self.finish(file, before, c).map(Some)
    }

    /// Executes the commands that are due and whose senders gave up.
    pub(super) fn run_due(&mut self, file: &File) -> Result<(), Delivery> {
        // Each one once: a command that is executed holds nothing back.
        while !self.state.tasks.is_empty() {
            let before = self.begin();
            let Some(task) = self.state.tasks.take_due(now()) else { return Ok(()) };
            match file::read_data(file, &task).map_err(|e| not_sent(errno(&e)))? {
                Some(mut sent) => self.run_late(file, before, &task, &mut sent)?,
                // Somebody spoiled what was sent with it: nothing is executed that nobody sent.
                None => self.commit(file, before)?,
            }
        }
        Ok(())
    }

    fn run_late(&mut self, file: &File, before: State, t: &Task, sent: &mut [u8]) -> Result<(), Delivery> {
        let mut unread = vec![0; if sent.is_empty() { MAX_TRANSFER } else { 0 }];
        let mut data = if sent.is_empty() { Data::In(&mut unread) } else { Data::Out(sent) };
        let c = Sent { nexus: t.nexus, cdb: t.cdb, data: &mut data, deadline: t.due() };
        self.finish(file, before, c).map(drop)
    }

    /// LOGICAL UNIT RESET: the task set is emptied (SAM-5 6.3.3).
    pub(super) fn reset(&mut self, file: &File) -> Result<(), Delivery> {
        self.run_due(file)?;
        let before = self.begin();
        self.state.tasks.abort_all();
        self.scratch.reset();
        self.commit(file, before)
    }

    /// The state to go back to; the scratch unit is ready.
    pub(super) fn begin(&mut self) -> State {
        self.scratch.clone_from(&self.state.unit);
        self.state.clone()
    }

    /// Executes a command on the scratch unit and stores all that changed.
    fn finish(&mut self, file: &File, before: State, c: Sent<'_, '_>) -> Outcome {
        let (data_in, data_out) = halves(c.data);
        let victims = aborted(&self.scratch, c.nexus, &c.cdb, data_out);
        let reply = self.scratch.execute(&mut self.state.profile, c.nexus, &c.cdb, data_out, data_in);
        if reply.answer == Answer::Good {
            self.state.tasks.abort(&victims);
        }
        self.commit(file, before)?;
        Ok(medium::carry_out(file, reply, data_out, data_in))
    }

    /// The same, where nobody hears the answer.
    fn finish_unheard(&mut self, file: &File, before: State, c: Sent<'_, '_>) -> Result<(), Delivery> {
        let data = c.data;
        let unheard = self.finish(file, before, Sent { data: &mut *data, ..c }).map(drop);
        halves(data).0.fill(0);
        unheard
    }

    fn refuse(&mut self, file: &File, before: State, status: Status) -> Result<Step, Delivery> {
        self.commit(file, before)?;
        Err(Delivery::Answered(status))
    }

    fn hold_back(&mut self, file: &File, before: State, c: Sent<'_, '_>, ms: u32) -> Result<Step, Delivery> {
        let (_, sent) = halves(c.data);
        let due = now() + std::time::Duration::from_millis(u64::from(ms));
        let delayed = Delayed {
            nexus: c.nexus,
            cdb: c.cdb,
            sent: u32::try_from(sent.len()).unwrap_or(u32::MAX),
            sum: file::fnv(sent),
            due,
            patience: c.deadline,
        };
        let Some(task) = self.state.tasks.add(&delayed) else {
            return self.refuse(file, before, Status::TASK_SET_FULL);
        };
        let tag = task.tag;
        // Into an area that no state in force names; what names it is stored afterwards.
        if let Err(e) = file::write_data(file, task, sent) {
            self.state = before;
            return Err(not_sent(errno(&e)));
        }
        self.commit(file, before)?;
        Ok(Step::Waiting { tag, due })
    }
}

/// Whose waiting commands a PREEMPT AND ABORT takes out if it ends with GOOD.
fn aborted(unit: &LogicalUnit, nexus: NexusId, cdb: &Cdb, data: &[u8]) -> Vec<NexusId> {
    let aborts =
        cdb.opcode() == PERSISTENT_RESERVE_OUT && cdb.service_action() == OutAction::PreemptAndAbort as u8;
    match PrOutRequest::parse(cdb, data) {
        Ok(PrOutRequest::Basic(p)) if aborts => unit.reservations().aborted_by(nexus, &p).collect(),
        _ => Vec::new(),
    }
}
