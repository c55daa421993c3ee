//! Everything at one instant of true time, and what happens next.
//!
//! One queue of events; of equal times the first put in comes first. Must never draw chance from
//! anywhere but its own generators, nor look at a real clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use arbitrate::codec::block::{Access, BlockIo, Extent, Fua};
use arbitrate::device::sim::Answer;
use arbitrate::device::{Completion, Delivery};
use arbitrate::time::Instant;

use crate::chance::Chance;
use crate::clock::NodeClock;
use crate::fabric::{Fate, Flight, Load, Weather};
use crate::judge::{Issued, Judge, Violation};
use crate::plan::{Fault, Memory, Plan, nanos};
use crate::target::Target;
use crate::trace::Trace;

/// For ever.
pub(crate) const NEVER: u64 = u64::MAX;

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Event {
    /// A node's wait has ended, if it is still that one.
    Wake { node: usize, wait: u64 },
    /// A command reaches the unit.
    Arrive(u64),
    /// Its answer reaches the node.
    Answer(u64),
    /// The host gives a command up that brings no answer.
    Forget(u64),
    /// An accepted write reaches the medium.
    Land(u64),
    /// A node's application may write.
    Write(usize),
    /// A watchdog that was not fed since.
    Bite { node: usize, feed: u64 },
    /// What the plan has.
    Fault(Fault),
    /// Only the survivor lives on.
    Calm,
    /// It is over.
    End,
}

struct Due {
    at: u64,
    seq: u64,
    event: Event,
}

impl PartialEq for Due {
    fn eq(&self, o: &Self) -> bool {
        (self.at, self.seq) == (o.at, o.seq)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, o: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(o))
    }
}

impl Ord for Due {
    fn cmp(&self, o: &Self) -> std::cmp::Ordering {
        (self.at, self.seq).cmp(&(o.at, o.seq))
    }
}

/// What is known of one node.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) clock: NodeClock,
    /// Counts the node's waits.
    wait: u64,
    /// The wait under way can be ended by a stop.
    stoppable: bool,
    paused_until: u64,
    cut_until: u64,
    /// To be unwound at once.
    pub(crate) killed: bool,
    /// Up again at that time.
    pub(crate) down_until: Option<u64>,
    /// The machine goes down with it: what it has under way dies when it is up again.
    rebooting: bool,
    pub(crate) stop: bool,
    /// Its application was stopped: it writes no more in this ownership.
    app_stopped: bool,
    /// Commands under way, of this life or an earlier one of the same boot.
    pub(crate) in_flight: u32,
    /// Of these, commands whose caller has given up: each keeps a thread of the nexus.
    stuck: u32,
    awaiting: Option<u64>,
    answered: Option<(Completion, Vec<u8>)>,
    /// True end of the lease it believes in.
    pub(crate) lease_until: u64,
    /// Runs what depends on ownership, guarded by a watchdog.
    pub(crate) runs: bool,
    feed: Option<u64>,
}

/// Everything.
pub(crate) struct World {
    pub(crate) now: u64,
    seq: u64,
    queue: BinaryHeap<Reverse<Due>>,
    pub(crate) seats: Vec<Seat>,
    pub(crate) target: Target,
    pub(crate) judge: Judge,
    pub(crate) trace: Trace,
    pub(crate) plan: Plan,
    pub(crate) over: bool,
    flights: BTreeMap<u64, Flight>,
    next_id: u64,
    pub(crate) chance: Chance,
    writes: Chance,
}

/// Threads of one nexus that may be stuck, as of a real one.
const STUCK_MAX: u32 = 4;

impl World {
    pub(crate) fn new(plan: Plan, seed: u64, target: Target, trace: Trace) -> Self {
        let mut chance = Chance::new(seed).fork();
        let writes = chance.fork();
        let seat = |ppm: &u64| Seat {
            clock: NodeClock::new(0, *ppm),
            wait: 0,
            stoppable: false,
            paused_until: 0,
            cut_until: 0,
            killed: false,
            down_until: None,
            rebooting: false,
            stop: false,
            app_stopped: false,
            in_flight: 0,
            stuck: 0,
            awaiting: None,
            answered: None,
            lease_until: 0,
            runs: false,
            feed: None,
        };
        let seats: Vec<_> = plan.speeds_ppm.iter().map(seat).collect();
        let mut w = Self {
            now: 0,
            seq: 0,
            queue: BinaryHeap::new(),
            judge: Judge::new(seats.len()),
            seats,
            target,
            trace,
            over: false,
            flights: BTreeMap::new(),
            next_id: 0,
            chance,
            writes,
            plan,
        };
        for (at, fault) in w.plan.faults.clone() {
            w.put(at, Event::Fault(fault));
        }
        w.put(w.plan.calm, Event::Calm);
        w.put(w.plan.due, Event::End);
        for node in 0..w.seats.len() {
            w.put(1, Event::Write(node));
        }
        w
    }

    pub(crate) fn window(&self) -> u64 {
        nanos(self.plan.timing.spec().window)
    }

    pub(crate) fn put(&mut self, at: u64, event: Event) {
        self.seq += 1;
        self.queue.push(Reverse(Due { at: at.max(self.now), seq: self.seq, event }));
    }

    /// Lets things happen until a node is to run: that one; `None` when all is over.
    pub(crate) fn next(&mut self) -> Option<usize> {
        while !self.over {
            let Some(Reverse(due)) = self.queue.pop() else {
                self.over = true;
                break;
            };
            self.now = due.at;
            if let Event::Wake { node, wait } = due.event {
                let seat = &self.seats[node];
                if seat.wait != wait {
                    continue;
                }
                if seat.paused_until > self.now && !seat.killed {
                    let at = seat.paused_until;
                    self.put(at, Event::Wake { node, wait });
                    continue;
                }
                self.trace.event(self.now, "wake", node, wait);
                self.seats[node].wait += 1;
                return Some(node);
            }
            self.happen(due.event);
        }
        None
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake { .. } => {}
            Event::Arrive(id) => self.arrive(id),
            Event::Answer(id) => self.answer(id),
            Event::Forget(id) => self.finish(id),
            Event::Land(id) => self.land(id),
            Event::Write(node) => self.write(node),
            Event::Bite { node, feed } => {
                if self.seats[node].feed == Some(feed) {
                    self.judge.counts.bites += 1;
                    self.trace.event(self.now, "watchdog bites", node, feed);
                    self.quiet(node);
                    let until = self.now + self.chance.between(self.window(), self.window() * 3);
                    self.crash(node, until, true);
                }
            }
            Event::Fault(fault) => self.fault(fault),
            Event::Calm => self.calm(),
            Event::End => {
                let node = self.plan.survivor;
                if self.judge.confirmed[node] <= self.plan.calm {
                    self.judge.violations.push(Violation::NoProgress { node });
                }
                self.over = true;
            }
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.trace.text(self.now, &|| format!("{fault:?}"));
        match fault {
            // All is well again when the calm begins.
            Fault::Pause(n, until) => self.seats[n].paused_until = until.min(self.plan.calm),
            Fault::Cut(n, until) => self.seats[n].cut_until = until.min(self.plan.calm),
            Fault::Kill(n, until) => self.crash(n, until.min(self.plan.calm), false),
            Fault::Reboot(n, until) => self.crash(n, until.min(self.plan.calm), true),
            Fault::Stop(n) => {
                self.seats[n].app_stopped = true;
                // RELEASE aborts nothing and bars nobody: what this application has queued, and what a node
                // fenced by this one still has under way, must be done before (design section 6).
                let busy = self.flights.values().any(|f| f.load.write_issued.is_some());
                if busy && !self.plan.broken.hasty_stop {
                    let soon = self.now + self.window() / 20;
                    return self.put(soon, Event::Fault(fault));
                }
                self.seats[n].stop = true;
                if self.seats[n].stoppable {
                    self.wake(n);
                }
            }
            Fault::Reset => {
                self.target.reset();
                self.abort(&|_| true);
            }
            Fault::PowerLoss(memory) => {
                self.target.lose_power(memory);
                self.abort(&|_| true);
                if memory == Memory::Lost {
                    self.judge.excuse(self.now);
                }
                self.look();
            }
            Fault::Clear => {
                self.target.clear();
                self.judge.excuse(self.now);
                self.look();
            }
        }
    }

    fn calm(&mut self) {
        self.trace.event(self.now, "calm", self.plan.survivor, 0);
        self.plan.rates.trouble = 0;
        self.plan.rates.late = 0;
        self.seats[self.plan.survivor].stop = false;
        let survivor = self.plan.survivor;
        for n in (0..self.seats.len()).filter(|n| *n != survivor) {
            self.seats[n].down_until = None;
            self.seats[n].feed = None;
            self.crash(n, NEVER, false);
        }
    }

    /// A node goes down at once: its process, and with `rebooting` its machine.
    fn crash(&mut self, node: usize, until: u64, rebooting: bool) {
        let seat = &mut self.seats[node];
        (seat.lease_until, seat.runs) = (0, false);
        seat.rebooting |= rebooting;
        if seat.down_until.is_some() {
            return;
        }
        seat.down_until = Some(until);
        seat.killed = true;
        (seat.awaiting, seat.answered) = (None, None);
        if rebooting {
            seat.feed = None;
        }
        self.trace.event(self.now, "down", node, until);
        self.wake(node);
    }

    /// A node that was down runs again.
    pub(crate) fn rise(&mut self, node: usize) {
        let now = self.now;
        let seat = &mut self.seats[node];
        (seat.killed, seat.down_until, seat.stop) = (false, None, false);
        if std::mem::take(&mut seat.rebooting) {
            // A new login ends what an earlier session left under way.
            seat.clock = seat.clock.rebooted(now);
            (seat.in_flight, seat.stuck, seat.feed) = (0, 0, None);
            self.flights.retain(|_, f| f.node != node);
        }
        self.trace.event(now, "up", node, 0);
    }

    /// Whether the machine of a node that is down is booted, and so what the runtime folder held is gone.
    pub(crate) fn is_rebooting(&self, node: usize) -> bool {
        self.seats[node].rebooting
    }

    /// Begins a wait of `node` until a true time; late now and then.
    pub(crate) fn begin_wait(&mut self, node: usize, until: u64, stoppable: bool) {
        let mut at = until.max(self.now);
        if self.plan.rates.late > 0 && self.chance.happens(self.plan.rates.late) {
            at += self.chance.between(0, nanos(self.plan.timing.spec().tick) * 2);
        }
        let seat = &mut self.seats[node];
        seat.stoppable = stoppable;
        if stoppable && seat.stop {
            at = self.now;
        }
        let wait = seat.wait;
        self.put(at, Event::Wake { node, wait });
    }

    fn wake(&mut self, node: usize) {
        let wait = self.seats[node].wait;
        self.put(self.now, Event::Wake { node, wait });
    }

    /// Feeds a node's watchdog.
    pub(crate) fn feed(&mut self, node: usize) -> Option<arbitrate::protocol::FedWatchdog> {
        let timeout = self.plan.timing.spec().watchdog.filter(|_| self.plan.watchdog)?;
        self.next_id += 1;
        let feed = self.next_id;
        self.seats[node].feed = Some(feed);
        // Most drivers count whole seconds.
        let at = self.now + nanos(timeout) + self.chance.between(0, 1_000_000_000);
        self.put(at, Event::Bite { node, feed });
        Some(arbitrate::protocol::FedWatchdog { timeout, fed: self.seats[node].clock.shows(self.now) })
    }

    pub(crate) fn is_armed(&self, node: usize) -> bool {
        self.seats[node].feed.is_some()
    }

    pub(crate) fn disarm(&mut self, node: usize) {
        self.seats[node].feed = None;
    }

    /// A lease was confirmed that lasts until `until` on the node's clock.
    pub(crate) fn confirmed(&mut self, node: usize, until: Instant) {
        let end = self.seats[node].clock.when(until);
        let begins = self.seats[node].lease_until == 0;
        self.seats[node].app_stopped &= !begins;
        self.seats[node].lease_until = end;
        self.seats[node].runs = self.seats[node].feed.is_some();
        self.trace.event(self.now, "lease", node, end);
        let others = self.seats.iter().enumerate().filter(|(n, _)| *n != node);
        self.judge.confirmed(self.now, node, begins, others.map(|(n, s)| (n, s.lease_until, s.runs)));
    }

    /// A node stopped believing, and what depends on that.
    pub(crate) fn stopped(&mut self, node: usize) {
        (self.seats[node].lease_until, self.seats[node].runs) = (0, false);
        self.trace.event(self.now, "stopped", node, 0);
    }

    /// In a scenario without faults nobody may lose anything.
    pub(crate) fn quiet(&mut self, node: usize) {
        if self.plan.is_quiet() && self.now < self.plan.calm {
            self.judge.violations.push(Violation::LostInQuiet { at: self.now, node });
        }
    }
}

/// Commands and writes under way.
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

    fn arrive(&mut self, id: u64) {
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
                let c = crate::fabric::completion(&done.reply, f.load.asked);
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

    fn answer(&mut self, id: u64) {
        let Some(f) = self.flights.get_mut(&id) else { return };
        let (node, answer) = (f.node, f.answer.take());
        self.finish(id);
        if self.seats[node].awaiting == Some(id) {
            self.seats[node].answered = answer;
            self.wake(node);
        }
    }

    fn finish(&mut self, id: u64) {
        if let Some(f) = self.flights.remove(&id) {
            let seat = &mut self.seats[f.node];
            seat.in_flight = seat.in_flight.saturating_sub(1);
            seat.stuck -= u32::from(f.stuck).min(seat.stuck);
        }
    }

    fn look(&mut self) {
        let holder = self.target.holder();
        self.judge.holder(self.now, holder);
        if !self.target.is_sound() {
            self.judge.violations.push(Violation::Harness("the unit's state is not sound".into()));
        }
    }

    /// The application of a node writes now and then while it believes.
    fn write(&mut self, node: usize) {
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
        self.judge.written(self.now, node, issued);
        if let Some(f) = self.flights.get_mut(&id) {
            f.accepted = true;
        }
        let long = self.writes.happens(50);
        let after = self.writes.between(0, if long { self.window() * 3 } else { 1_000_000 });
        self.put(self.now + after, Event::Land(id));
    }

    fn land(&mut self, id: u64) {
        if let Some(Flight { node, load: Load { write_issued: Some(issued), .. }, .. }) =
            self.flights.get(&id)
        {
            let (node, issued) = (*node, *issued);
            self.judge.written(self.now, node, issued);
            self.finish(id);
        }
    }

    /// Accepted writes that `which` says so are not carried out.
    fn abort(&mut self, which: &dyn Fn(&Flight) -> bool) {
        let all: Vec<_> =
            self.flights.iter().filter(|(_, f)| f.accepted && which(f)).map(|(id, _)| *id).collect();
        self.judge.counts.aborted_writes += u64::try_from(all.len()).unwrap_or(0);
        all.into_iter().for_each(|id| self.finish(id));
    }
}
