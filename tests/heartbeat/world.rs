//! A world: hosts, links, and the two promises, held against what really arrived.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::AddAssign;
use std::time::Duration;

use palisade::heartbeat::detect::State;
use palisade::heartbeat::node::Event;
use palisade::heartbeat::wire::LEN;

use crate::dice::Dice;
use crate::host::{DEAD, Datagram, Host, INTERVAL, MULTIPLIER, number};
use crate::network::{LONGEST, MS, Network};

/// Which rule the loops of this world break.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Broken {
    Nothing,
    JudgesBeforeDraining,
    BlamesForItsOwnStalls,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) deaths: u64,
    pub(crate) goodbyes: u64,
    pub(crate) stalls: u64,
    pub(crate) cuts: u64,
    pub(crate) dropped: u64,
    pub(crate) suspected: u64,
    pub(crate) fallbacks: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, o: Self) {
        self.deaths += o.deaths;
        self.goodbyes += o.goodbyes;
        self.stalls += o.stalls;
        self.cuts += o.cuts;
        self.dropped += o.dropped;
        self.suspected += o.suspected;
        self.fallbacks += o.fallbacks;
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Arrives {
        host: usize,
        from: usize,
        link: usize,
        bytes: [u8; LEN],
        stamp: u64,
        first: bool,
    },
    Tick {
        host: usize,
        due: u64,
    },
    /// A peer reaches its limit between two ticks.
    Look {
        host: usize,
        tick: u64,
    },
}

/// What one host thinks of another, and what really came.
#[derive(Clone)]
struct View {
    state: State,
    /// When anything of it reached the machine, stamped or not.
    reached: Vec<u64>,
    suspected: Option<u64>,
    down: Option<u64>,
}

pub(crate) struct World {
    dice: Dice,
    broken: Broken,
    network: Network,
    hosts: Vec<Host>,
    links: usize,
    views: Vec<Vec<View>>,
    queue: BinaryHeap<Reverse<(u64, u64, What)>>,
    number: u64,
    end: u64,
    tally: Tally,
}

impl World {
    pub(crate) fn new(seed: u64, broken: Broken) -> Self {
        let mut dice = Dice::new(seed);
        let end = dice.between(1_000, 2_500) * MS;
        let hosts = usize::try_from(dice.between(2, 5)).unwrap();
        let links = usize::try_from(dice.between(1, 3)).unwrap();
        let network = Network::new(&mut dice, hosts, links, end);
        let mut all: Vec<Host> =
            (0..hosts).map(|h| Host::new(&mut dice, h, hosts, links, end, broken)).collect();
        let mut tally = Tally { cuts: network.cuts() as u64, ..Tally::default() };
        if dice.per_mille(500) {
            all[0].dies = Some(dice.between(200 * MS, end));
            tally.deaths += 1;
        } else if dice.per_mille(300) {
            all[0].leaves = Some(dice.between(200 * MS, end));
            tally.goodbyes += 1;
        }
        let blank = View { state: State::Unheard, reached: Vec::new(), suspected: None, down: None };
        let mut world = Self {
            dice,
            broken,
            network,
            links,
            views: vec![vec![blank; hosts]; hosts],
            queue: BinaryHeap::new(),
            number: 0,
            end: end + 1_500 * MS,
            hosts: all,
            tally,
        };
        for host in 0..hosts {
            let due = world.dice.between(0, INTERVAL);
            world.plan(due, What::Tick { host, due });
        }
        world
    }

    fn plan(&mut self, at: u64, what: What) {
        self.number += 1;
        self.queue.push(Reverse((at, self.number, what)));
    }

    pub(crate) fn run(mut self) -> Result<Tally, String> {
        while let Some(Reverse((now, _, what))) = self.queue.pop() {
            if now > self.end {
                break;
            }
            match what {
                What::Arrives { host, from, link, bytes, stamp, first } => {
                    // A copy says nothing that the original did not say before.
                    if first {
                        // A pause too short to be noticed is a delay of the network's.
                        let noticed = self.hosts[host].notices_a_pause_at(now);
                        self.views[host][from].reached.push(if noticed { now } else { stamp });
                    }
                    self.hosts[host].queue.push(Datagram { link, bytes, stamp });
                }
                What::Tick { host, due } => self.tick(host, due, now)?,
                What::Look { host, tick } => self.look(host, tick, now)?,
            }
        }
        for h in &self.hosts {
            self.tally.stalls += h.node.counters().stalls;
            self.tally.dropped += palisade::heartbeat::node::Dropped::ALL
                .iter()
                .map(|d| h.node.counters().dropped(*d))
                .sum::<u64>();
        }
        self.overlooked()?;
        Ok(self.tally)
    }

    fn tick(&mut self, host: usize, due: u64, now: u64) -> Result<(), String> {
        if !self.hosts[host].alive(now) {
            return Ok(());
        }
        let late = self.hosts[host].runs(now);
        if late > now {
            self.plan(late, What::Tick { host, due });
            return Ok(());
        }
        let mut events = self.wake(host, due, now);
        if self.hosts[host].leaves.is_some_and(|l| now + INTERVAL > l) {
            self.hosts[host].say_goodbye();
        }
        self.send(host, now);
        self.drain_and_judge(host, now, &mut events)?;
        // The next absolute tick; those missed are not made up for.
        let mut next = due + INTERVAL;
        while next <= now {
            next += INTERVAL;
        }
        self.plan_look(host, next, now);
        let lateness = self.dice.between(0, 300_000);
        self.plan(next + lateness, What::Tick { host, due: next });
        Ok(())
    }

    /// Between two ticks: nothing is sent, but what arrived is heard, and everybody judged.
    fn look(&mut self, host: usize, tick: u64, now: u64) -> Result<(), String> {
        let runs = self.hosts[host].runs(now) == now;
        if !self.hosts[host].alive(now) || !runs || now >= tick {
            return Ok(());
        }
        let mut events = self.wake(host, now, now);
        self.drain_and_judge(host, now, &mut events)?;
        self.plan_look(host, tick, now);
        Ok(())
    }

    fn plan_look(&mut self, host: usize, tick: u64, now: u64) {
        let h = &self.hosts[host];
        let Some(next) = h.node.next_judgement() else { return };
        // Its clock is fast or slow by a few us.
        let at = now + u64::try_from(next.since(h.clock(now)).as_nanos()).unwrap() + 10_000;
        if at < tick {
            self.plan(at, What::Look { host, tick });
        }
    }

    fn wake(&mut self, host: usize, due: u64, now: u64) -> Vec<Event> {
        let mut events = Vec::new();
        let h = &mut self.hosts[host];
        let (due, clock) = (h.clock(due), h.clock(now));
        h.node.wake(due, clock, Duration::ZERO, |e| events.push(e));
        events
    }

    fn drain_and_judge(&mut self, host: usize, now: u64, events: &mut Vec<Event>) -> Result<(), String> {
        let judge = |h: &mut Host, events: &mut Vec<Event>| h.node.judge(|e| events.push(e));
        if self.broken == Broken::JudgesBeforeDraining {
            judge(&mut self.hosts[host], events);
        }
        self.drain(host, now, events);
        if self.broken != Broken::JudgesBeforeDraining {
            judge(&mut self.hosts[host], events);
        }
        events.drain(..).try_for_each(|e| self.told(host, now, e))
    }

    fn send(&mut self, host: usize, now: u64) {
        let clock = self.hosts[host].clock(now);
        for place in 0..self.hosts.len() - 1 {
            let to = usize::from(self.hosts[host].node.peers()[place].number().get()) - 1;
            for link in 0..self.links {
                let mut bytes = [0; LEN];
                assert!(self.hosts[host].node.compose(place, link, clock, &mut bytes));
                let copies = self.network.carry(&mut self.dice, link, host, to, now);
                let first = copies.iter().min().copied();
                for at in copies {
                    let stamp = self.hosts[to].stamps(at, &mut self.dice);
                    self.plan(
                        at,
                        What::Arrives { host: to, from: host, link, bytes, stamp, first: Some(at) == first },
                    );
                }
            }
        }
    }

    fn drain(&mut self, host: usize, now: u64, events: &mut Vec<Event>) {
        let h = &mut self.hosts[host];
        let clock = h.clock(now);
        let (ready, waiting) =
            std::mem::take(&mut h.queue).into_iter().partition(|d: &Datagram| d.stamp <= now);
        h.queue = waiting;
        let ready: Vec<Datagram> = ready;
        for d in ready {
            let stamp = h.clock(d.stamp);
            h.node.receive(d.link, &d.bytes, stamp, clock, |e| events.push(e));
        }
    }

    fn told(&mut self, host: usize, now: u64, event: Event) -> Result<(), String> {
        let Event::Changed { peer, change } = event else { return Ok(()) };
        let of = usize::from(peer.get()) - 1;
        let view = &mut self.views[host][of];
        view.state = change.to;
        match change.to {
            State::Suspect => view.suspected = view.suspected.or(Some(now)),
            State::Down => {
                view.suspected = view.suspected.or(Some(now));
                view.down = view.down.or(Some(now));
            }
            State::Up | State::Degraded => {
                (view.suspected, view.down) = (None, None);
                self.tally.fallbacks += u64::from(change.to == State::Degraded);
            }
            State::Unheard | State::Late | State::Left => {}
        }
        if !matches!(change.to, State::Suspect | State::Down) || change.from == State::Down {
            return Ok(());
        }
        self.tally.suspected += u64::from(change.to == State::Suspect);
        // The first promise: whose datagram reached this machine within the limit is not suspected.
        let limit = if change.to == State::Down { DEAD } else { INTERVAL * MULTIPLIER };
        let reached = self.views[host][of].reached.iter().copied().filter(|r| *r <= now).max().unwrap_or(0);
        // Two ticks' lateness of both clocks' drift is far below 1 in 1,000.
        if now.saturating_sub(reached) + limit / 1_000 < limit {
            return Err(format!(
                "at {now} node {} called {peer} {:?} though it was heard {} us before: {change:?}",
                number(host),
                change.to,
                (now - reached) / 1_000
            ));
        }
        if self.hosts[of].leaves.is_some_and(|l| now > l) && self.views[host][of].state == State::Left {
            return Err(format!("node {} suspects {peer}, which said goodbye", number(host)));
        }
        Ok(())
    }

    /// The second promise: the dead are noticed, within their limit twice (once for our own grace) and the
    /// time in which we did not run ourselves.
    fn overlooked(&self) -> Result<(), String> {
        let Some(died) = self.hosts[0].dies else { return Ok(()) };
        for (h, host) in self.hosts.iter().enumerate().skip(1) {
            let view = &self.views[h][0];
            if view.state == State::Unheard {
                continue;
            }
            let stopped: u64 = host
                .stops
                .iter()
                .filter(|s| s.ends > died)
                .map(|s| s.ends - s.begins + INTERVAL + 3 * MS)
                .sum();
            // The adaptive margin goes up to the ceiling of 60 ms.
            for (what, limit, when) in [("suspected", 60 * MS, view.suspected), ("down", DEAD, view.down)] {
                let by = died + LONGEST + 2 * limit + stopped + 2 * INTERVAL;
                match when {
                    Some(t) if t <= by => {}
                    Some(t) => {
                        return Err(format!(
                            "node {} {what} the dead only {} us after its death",
                            number(h),
                            (t - died) / 1_000
                        ));
                    }
                    None => {
                        return Err(format!("node {} never {what} the dead: {:?}", number(h), view.state));
                    }
                }
            }
        }
        Ok(())
    }
}
