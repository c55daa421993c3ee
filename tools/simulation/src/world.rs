//! Everything at one instant of true time, and what happens next.
//!
//! One queue of events; of equal times the first put in comes first. Must never draw chance from
//! anywhere but its own generators, nor look at a real clock.

mod flights;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use arbitrate::device::Completion;
use arbitrate::time::Instant;

use crate::chance::Chance;
use crate::clock::NodeClock;
use crate::fabric::Flight;
use crate::judge::{Judge, Violation};
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
    slow_until: u64,
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
            slow_until: 0,
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
            Fault::Slow(n, until) => self.seats[n].slow_until = until.min(self.plan.calm),
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
        if self.plan.broken.no_calm {
            self.seats[survivor].cut_until = NEVER;
        }
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
        let mut at = self.punctual(node, until.max(self.now));
        let seat = &mut self.seats[node];
        seat.stoppable = stoppable;
        if stoppable && seat.stop {
            at = self.now;
        }
        let wait = seat.wait;
        self.put(at, Event::Wake { node, wait });
    }

    /// When a node really runs that could run at `at`: later, now and then.
    fn punctual(&mut self, node: usize, at: u64) -> u64 {
        let tick = nanos(self.plan.timing.spec().tick);
        let late = self.plan.rates.late;
        if self.seats[node].slow_until > self.now {
            return at + self.chance.between(0, tick);
        }
        if late > 0 && self.chance.happens(late) { at + self.chance.between(0, tick * 2) } else { at }
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
        let real = nanos(timeout) * u64::from(self.plan.broken.watchdog_times.max(1));
        let at = self.now + real + self.chance.between(0, 1_000_000_000);
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
        self.judge.confirmed(self.now, node, others.map(|(n, s)| (n, s.lease_until, s.runs)));
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
