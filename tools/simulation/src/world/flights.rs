//! Commands and writes under way: sent, arriving, answered, forgotten, aborted.

use arbitrate::codec::block::{Access, BlockIo, Extent, Fua};
use arbitrate::device::sim::Answer;
use arbitrate::device::{Completion, Delivery};

use super::{Event, World};
use crate::fabric::{Fate, Flight, Load, Weather, completion};
use crate::judge::{Issued, Violation};

/// Threads of one nexus that may be stuck, as of a real one.
const STUCK_MAX: u32 = 4;

impl World {
    /// Sends a command; returns its number, or how it failed at once.
    pub(crate) fn send(&mut self, node: usize, load: Load) -> Result<u64, Delivery> {
        if self.seats[node].stuck >= STUCK_MAX {
            return Err(Delivery::DeviceLost);
        }
        let id = self.launch(node, load);
        self.seats[node].awaiting = Some(id);
        Ok(id)
    }

    fn launch(&mut self, node: usize, load: Load) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        let window = self.window();
        let foul = self.chance.happens(self.plan.rates.trouble);
        let weather = match (self.seats[node].cut_until > self.now, foul) {
            (true, _) => Weather::Cut,
            (false, true) => Weather::Foul,
            (false, false) => Weather::Fair,
        };
        let fate = Fate::draw(&mut self.chance, window, load.room > 0, weather);
        self.seats[node].in_flight += 1;
        match fate.arrives_after {
            Some(d) => self.put(self.now + d, Event::Arrive(id)),
            None => self.put(self.now + fate.forgotten_after, Event::Forget(id)),
        }
        self.trace.text(self.now, &|| format!("n{node} sends {id}: {load} ({fate:?})"));
        self.flights.insert(id, Flight { node, load, fate, answer: None, stuck: false, accepted: false });
        id
    }

    /// The caller of `id` has waited to its deadline; what it got.
    pub(crate) fn collect(&mut self, node: usize, id: u64) -> Option<(Completion, Vec<u8>)> {
        self.seats[node].awaiting = None;
        let got = self.seats[node].answered.take();
        if got.is_none()
            && let Some(f) = self.flights.get_mut(&id)
        {
            f.stuck = true;
            self.seats[node].stuck += 1;
            self.judge.counts.outstanding += 1;
            self.trace.event(self.now, "outstanding", node, id);
        }
        got
    }

    pub(super) fn arrive(&mut self, id: u64) {
        let Some(f) = self.flights.get(&id) else { return };
        let (node, fate) = (f.node, f.fate);
        let completion = match fate.instead {
            Some(c) if !fate.executed => c,
            _ => {
                let done = self.target.execute(node, &f.load.cdb, &f.load.out, f.load.room);
                self.judge.counts.commands += 1;
                self.trace.text(self.now, &|| format!("{id} of n{node} executed: {:?}", done.reply.answer));
                if let Some(issued) = f.load.write_issued {
                    return self.arrived_write(id, node, issued, done.reply.answer);
                }
                let c = completion(&done.reply, f.load.asked);
                self.abort(&|f| done.aborted.contains(&f.node));
                self.look();
                if let Some(f) = self.flights.get_mut(&id) {
                    f.answer = Some((c, done.data));
                }
                c
            }
        };
        let Some(f) = self.flights.get_mut(&id) else { return };
        if let Some(c) = fate.instead {
            f.answer = Some((c, Vec::new()));
        } else if f.answer.is_none() {
            f.answer = Some((completion, Vec::new()));
        }
        match fate.answered_after {
            Some(d) => self.put(self.now + d, Event::Answer(id)),
            None => self.put(self.now + fate.forgotten_after, Event::Forget(id)),
        }
    }

    pub(super) fn answer(&mut self, id: u64) {
        let Some(f) = self.flights.get_mut(&id) else { return };
        let (node, answer) = (f.node, f.answer.take());
        self.finish(id);
        if self.seats[node].awaiting == Some(id) {
            self.seats[node].answered = answer;
            let (at, wait) = (self.punctual(node, self.now), self.seats[node].wait);
            self.put(at, Event::Wake { node, wait });
        }
    }

    pub(super) fn finish(&mut self, id: u64) {
        if let Some(f) = self.flights.remove(&id) {
            let seat = &mut self.seats[f.node];
            seat.in_flight = seat.in_flight.saturating_sub(1);
            seat.stuck -= u32::from(f.stuck).min(seat.stuck);
        }
    }

    pub(super) fn look(&mut self) {
        let holder = self.target.holder();
        self.judge.holder(self.now, holder);
        if !self.target.is_sound() {
            self.judge.violations.push(Violation::Harness("the unit's state is not sound".into()));
        }
    }

    /// The application of a node writes now and then while it believes.
    pub(super) fn write(&mut self, node: usize) {
        let next = self.now + self.writes.between(self.window() / 50, self.window() / 4);
        self.put(next, Event::Write(node));
        let seat = &self.seats[node];
        if seat.app_stopped {
            return;
        }
        if seat.lease_until <= self.now || seat.paused_until > self.now || seat.down_until.is_some() {
            return;
        }
        let issued = self.judge.issue(self.now, node);
        let io = BlockIo { access: Access::Write, extent: Extent::new(0, 1), fua: Fua::No };
        let load = Load { cdb: io.cdb(), out: vec![0; 512], room: 0, asked: 512, write_issued: Some(issued) };
        self.launch(node, load);
    }

    fn arrived_write(&mut self, id: u64, node: usize, issued: Issued, answer: Answer) {
        if answer != Answer::Good {
            self.judge.counts.refused_writes += u64::from(answer == Answer::Conflict);
            return self.finish(id);
        }
        self.judge.counts.writes += 1;
        self.judge.accepted(self.now, node, issued);
        if let Some(f) = self.flights.get_mut(&id) {
            f.accepted = true;
        }
        let long = self.writes.happens(50);
        let after = self.writes.between(0, if long { self.window() * 3 } else { 1_000_000 });
        self.put(self.now + after, Event::Land(id));
    }

    pub(super) fn land(&mut self, id: u64) {
        if let Some(Flight { node, load: Load { write_issued: Some(issued), .. }, .. }) =
            self.flights.get(&id)
        {
            let (node, issued) = (*node, *issued);
            self.judge.landed(self.now, node, issued);
            self.finish(id);
        }
    }

    /// Accepted writes that `which` says so are not carried out.
    pub(super) fn abort(&mut self, which: &dyn Fn(&Flight) -> bool) {
        let all: Vec<_> =
            self.flights.iter().filter(|(_, f)| f.accepted && which(f)).map(|(id, _)| *id).collect();
        self.judge.counts.aborted_writes += u64::try_from(all.len()).unwrap_or(0);
        all.into_iter().for_each(|id| self.finish(id));
    }
}
