//! What can happen next, and what comes of it.
//!
//! Must never judge what a race does: it hands over events and notes what became of them.

use std::sync::Arc;

use arbitrate::codec::pr::{KeysView, OutAction};
use arbitrate::device::sim::Answer;
use arbitrate::key::Stance;
use arbitrate::protocol::{
    Command, DefenceNote, Event, NoAnswer, Race, RaceEvent, RaceNote, RaceStep, Reply, SeatNext, Standing,
};

use super::state::{Breach, Link, Node, State, challenge, setup};
use super::{Config, DEVICES, Start};
use crate::node::{CLUSTER, nexus};

/// One step. Nodes and devices are counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// One unit of time passes. Only when nobody healthy has anything to do.
    Advance,
    /// A contender begins.
    Begin(usize),
    /// The node does what is due on this device: finds it, wakes, sends and takes the answer, or gives up.
    Step(usize, usize),
    /// The race as a whole is woken.
    Wake(usize),
    /// A command given up by its caller is executed after all.
    DeliverOrphan(usize),
    /// Fault: the command stays in the fabric; its caller hears nothing before the deadline.
    Delay(usize, usize),
    /// Fault: the command is executed, its answer lost.
    Lose(usize, usize),
    /// Fault: the node stands still.
    Pause(usize),
    /// It goes on.
    Resume(usize),
    /// Fault: the node no longer reaches the device.
    Cut(usize, usize),
    /// It does again.
    Heal(usize, usize),
}

/// All that can happen in `s`.
pub(super) fn enabled(c: &Config, s: &State, out: &mut Vec<Action>) {
    let now = s.time();
    let left = s.credits;
    let mut time_may_pass = true;
    for (n, node) in s.nodes.iter().enumerate().filter(|(_, n)| !n.dead) {
        let can = |credit: u8| credit > 0 && left.total > 0 && c.befalls.is_none_or(|b| b == n);
        if node.race.is_none() {
            if c.nodes[n] == Start::Contender && s.now <= c.begin_by {
                out.push(Action::Begin(n));
            }
            continue;
        }
        if node.paused {
            out.push(Action::Resume(n));
            continue;
        }
        let device = node.due_device(now);
        if let Some(d) = device {
            out.push(Action::Step(n, d));
            if matches!(node.links[d], Link::Sent(Command::Out(_), _)) && can(left.delay) {
                out.push(Action::Delay(n, d));
            }
            if matches!(node.links[d], Link::Sent(..)) && can(left.lose) {
                out.push(Action::Lose(n, d));
            }
            if matches!(node.links[d], Link::Sent(..)) && can(left.cut) {
                out.push(Action::Cut(n, d));
            }
        } else if node.due_race(now) {
            out.push(Action::Wake(n));
        }
        if device.is_some() || node.due_race(now) {
            time_may_pass = false;
            if can(left.pause) {
                out.push(Action::Pause(n));
            }
        }
        // Coming back shows only once something is sent there.
        for d in (0..DEVICES).filter(|d| node.cut[*d] && !c.cut.contains(&(n, *d))) {
            if matches!(node.links[d], Link::Find | Link::Wait(_)) && node.links[d].due(now) {
                out.push(Action::Heal(n, d));
            }
        }
    }
    out.extend((0..s.fabric.len()).map(Action::DeliverOrphan));
    if time_may_pass && s.now < c.horizon {
        out.push(Action::Advance);
    }
}

impl State {
    /// The state after `action`.
    pub(super) fn take(&mut self, c: &Config, action: Action) {
        match action {
            Action::Advance => {
                self.now += 1;
                self.nodes.iter_mut().for_each(|n| n.woken = false);
                self.note_owners();
            }
            Action::Begin(n) => {
                self.nodes[n].race = setup(c, n).map(|setup| Arc::new(Race::new(setup)));
                self.tell(n, RaceEvent::Wake);
            }
            Action::Step(n, d) => self.step(c, n, d),
            Action::Wake(n) => {
                let before = self.nodes[n].race.clone();
                self.tell(n, RaceEvent::Wake);
                self.nodes[n].woken = before == self.nodes[n].race;
            }
            Action::DeliverOrphan(i) => {
                let (n, d, out) = self.fabric.remove(i);
                let _ = Arc::make_mut(&mut self.targets[d]).pr_out(nexus(n), &out);
            }
            Action::Resume(n) => self.nodes[n].paused = false,
            Action::Heal(n, d) => self.nodes[n].cut[d] = false,
            Action::Delay(..) | Action::Lose(..) | Action::Pause(_) | Action::Cut(..) => self.fail(action),
        }
    }

    fn fail(&mut self, action: Action) {
        self.credits.total -= 1;
        match action {
            Action::Delay(n, d) => {
                self.credits.delay -= 1;
                self.nodes[n].harmed = true;
                if let Link::Sent(Command::Out(out), deadline) = self.nodes[n].links[d] {
                    self.fabric.push((n, d, out));
                    self.nodes[n].links[d] = Link::Silent(deadline);
                }
            }
            Action::Lose(n, d) => {
                self.credits.lose -= 1;
                self.nodes[n].harmed = true;
                if let Link::Sent(command, deadline) = self.nodes[n].links[d] {
                    if let Command::Out(out) = command {
                        let _ = Arc::make_mut(&mut self.targets[d]).pr_out(nexus(n), &out);
                    }
                    self.nodes[n].links[d] = Link::Silent(deadline);
                }
            }
            Action::Pause(n) => {
                self.credits.pause -= 1;
                self.nodes[n].paused = true;
                self.nodes[n].harmed = true;
            }
            Action::Cut(n, d) => {
                self.credits.cut -= 1;
                self.nodes[n].cut[d] = true;
                if let Link::Sent(_, deadline) = self.nodes[n].links[d] {
                    self.nodes[n].links[d] = Link::Silent(deadline);
                }
            }
            _ => {}
        }
    }

    /// What is due on device `d`.
    fn step(&mut self, c: &Config, n: usize, d: usize) {
        match self.nodes[n].links[d] {
            Link::Idle => {}
            Link::Find => self.find(c, n, d),
            Link::Wait(_) => self.tell(n, RaceEvent::Device(d, Event::Wake)),
            Link::Silent(_) => {
                let reply = Reply::Unknown(NoAnswer::Outstanding);
                self.tell(n, RaceEvent::Device(d, Event::Reply(reply)));
            }
            Link::Sent(command, _) => self.run(n, d, command),
        }
    }

    /// A life may begin only where nothing of an earlier one is still under way.
    fn find(&mut self, c: &Config, n: usize, d: usize) {
        let under_way = self.fabric.iter().any(|(who, on, _)| (*who, *on) == (n, d));
        let life = self.nodes[n].lives[d] + 1;
        let registered = self.targets[d].key_of(nexus(n));
        match challenge(c, n, life, registered) {
            Some(setup) if !under_way && !self.nodes[n].cut[d] => {
                self.nodes[n].lives[d] = life;
                self.tell(n, RaceEvent::Found(d, setup));
            }
            _ => self.tell(n, RaceEvent::Missing(d)),
        }
    }

    fn run(&mut self, n: usize, d: usize, command: Command) {
        let target = &mut self.targets[d];
        let bytes;
        let reply = match command {
            Command::ReadKeys => {
                bytes = KeysView::emit(target.generation(), &target.keys());
                KeysView::parse(&bytes).map_or(Reply::Unknown(NoAnswer::Malformed), Reply::Keys)
            }
            Command::ReadReservation => Reply::Reservation(target.reservation()),
            Command::Out(out) => match Arc::make_mut(target).pr_out(nexus(n), &out).0 {
                Answer::Good => Reply::Good,
                Answer::Conflict => Reply::Conflict,
                Answer::Check(sense) => Reply::Refused(NoAnswer::Sense(sense)),
            },
            // Nothing else is asked of an unformatted quorum device.
            _ => Reply::Refused(NoAnswer::Malformed),
        };
        self.tell(n, RaceEvent::Device(d, Event::Reply(reply)));
    }

    fn tell(&mut self, n: usize, event: RaceEvent<'_>) {
        let now = self.time();
        let node = &mut self.nodes[n];
        node.woken = false;
        let Some(race) = &mut node.race else { return };
        match &event {
            RaceEvent::Device(d, Event::Reply(r)) => node.unheard[*d] |= matches!(r, Reply::Unknown(_)),
            RaceEvent::Found(d, _) => node.unheard[*d] = false,
            _ => {}
        }
        let step = Arc::make_mut(race).handle(event, now);
        self.breach = self.breach.or_else(|| breach(node, &step));
        for note in &step.notes {
            match note {
                RaceNote::Attempt { .. } => (node.fallen, node.stood_down) = (false, false),
                RaceNote::Settled(_, Standing::Lost(_)) if !node.owned => node.fallen = true,
                RaceNote::StandingDown => (node.fallen, node.stood_down) = (false, true),
                _ => {}
            }
        }
        node.forget();
        for (d, next) in step.actions {
            node.links[d] = match (Link::from(next), node.cut[d]) {
                (Link::Sent(_, deadline), true) => Link::Silent(deadline),
                (link, _) => link,
            };
        }
        self.note_owners();
    }

    fn note_owners(&mut self) {
        let now = self.time();
        for node in &mut self.nodes {
            node.owned |= node.owns(now);
        }
    }
}

/// What a node must not do in one step of its race; `node` is as it was before.
fn breach(node: &Node, step: &RaceStep) -> Option<Breach> {
    let race = node.race.as_ref()?;
    // A tick under way may end; what must not be is that another one is waited for.
    let confirmed = |d: usize| {
        step.notes
            .iter()
            .any(|n| matches!(n, RaceNote::Defence(on, DefenceNote::Confirmed { .. }) if *on == d))
    };
    let goes_on = |(d, next): &(usize, SeatNext)| matches!(next, SeatNext::Wait(_)) && confirmed(*d);
    if node.stood_down && step.actions.iter().any(goes_on) {
        return Some(Breach::Kept);
    }
    let seized = step.actions.iter().find(|(_, next)| match next {
        SeatNext::Issue { command: Command::Out(out), .. } => {
            matches!(out.action, OutAction::PreemptAndAbort | OutAction::Reserve)
                && out.list.own.parts_in(CLUSTER).is_some_and(|p| p.stance == Stance::Challenging)
        }
        _ => false,
    });
    let (d, _) = seized?;
    let undecided = |i: usize| race.standing(i) == Standing::Challenging && !node.unheard[i];
    if (0..*d).any(undecided) {
        return Some(Breach::OutOfOrder);
    }
    (node.fallen && !node.owned).then_some(Breach::AfterLoss)
}
