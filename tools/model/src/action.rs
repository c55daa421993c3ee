//! What can happen next.
//!
//! A command is issued, executed and answered at one instant unless something goes wrong: whatever
//! happens between issue and answer at one instant is the same as happening before or after. Everything
//! that takes time costs a credit.

use crate::config::Config;
use crate::node::{Link, Node, Role, Write};
use crate::state::State;

/// One step. Nodes are counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// One unit of time passes. Only when nobody healthy has anything to do.
    Advance,
    /// An idle node begins its challenge.
    Begin(usize),
    /// A node that crashed, or whose protocol ended, begins afresh under its next incarnation.
    BeginAgain(usize),
    /// The time a node waited for has come.
    Wake(usize),
    /// The target executes the node's command and the node takes the answer.
    Deliver(usize),
    /// The target executes the command of a node that stands still.
    Execute(usize),
    /// The node takes an answer that waited.
    Take(usize),
    /// The deadline of the node's command is past.
    TimeOut(usize),
    /// A command given up by its caller is executed after all.
    DeliverOrphan(usize),
    /// The application of the holder issues a write.
    IssueWrite(usize),
    /// A write reaches the target.
    WriteArrives(usize),
    /// An accepted write reaches the medium.
    WriteLands(usize),
    /// Fault: the node does nothing in this unit of time.
    Late(usize),
    /// Fault: the command is executed now and its answer taken in a later unit of time.
    SlowAnswer(usize),
    /// Fault: the command stays in the fabric; its caller hears nothing before the deadline.
    Delay(usize),
    /// Fault: the command is executed, its answer lost.
    LoseAnswer(usize),
    /// Fault: the node stands still.
    Pause(usize),
    /// It goes on.
    Resume(usize),
    /// Fault: the node dies. What it sent is still under way.
    Crash(usize),
    /// The operator wants a clean end of the node's protocol.
    Release(usize),
    /// Fault: the operator sends CLEAR.
    Clear,
    /// Fault: the target loses power.
    LosePower,
    /// Fault: LOGICAL UNIT RESET; what was sent is still on its way.
    Reset,
    /// The same, and everything sent had reached the target and is aborted there without a word.
    ResetAborting,
}

/// All that can happen in `s`.
pub fn enabled(c: &Config, s: &State, out: &mut Vec<Action>) {
    // What comes after a broken property proves nothing more.
    if s.breach.is_some() {
        return;
    }
    for (n, node) in s.nodes.iter().enumerate() {
        of_write(c, s, n, node, out);
        match node.role {
            Role::Idle if s.now <= c.begin_by => out.push(Action::Begin(n)),
            Role::Idle => {}
            Role::Down => {
                if s.credits.again > 0 {
                    out.push(Action::BeginAgain(n));
                }
            }
            Role::Over(_) => {
                let drained = !s.has_orphans_of(n) && node.write == Write::None;
                if s.credits.again > 0 && (drained || !c.drains) {
                    out.push(Action::BeginAgain(n));
                }
            }
            Role::Challenger(_) | Role::Defender(_) => of_running(c, s, n, node, out),
        }
    }
    out.extend((0..s.fabric.len()).map(Action::DeliverOrphan));
    let faults_left = s.credits.total > 0;
    if faults_left && s.credits.clear > 0 {
        out.push(Action::Clear);
    }
    if faults_left && s.credits.power > 0 {
        out.push(Action::LosePower);
    }
    if faults_left && s.credits.reset > 0 {
        out.push(Action::Reset);
        if s.nodes.iter().any(|n| matches!(n.link, Link::Sent(..))) {
            out.push(Action::ResetAborting);
        }
    }
    if s.now < c.horizon && !s.nodes.iter().enumerate().any(|(i, n)| holds_time(c, s, i, n)) {
        out.push(Action::Advance);
    }
}

fn holds_time(c: &Config, s: &State, i: usize, n: &Node) -> bool {
    (n.awake() && n.due(s.time(c, i))) || matches!(n.write, Write::Accepted(_))
}

fn of_write(c: &Config, s: &State, n: usize, node: &Node, out: &mut Vec<Action>) {
    match node.write {
        Write::None if s.credits.write > 0 && node.awake() && s.has_lease(c, n) => {
            out.push(Action::IssueWrite(n));
        }
        Write::None => {}
        Write::Fabric(_) => out.push(Action::WriteArrives(n)),
        Write::Accepted(_) => out.push(Action::WriteLands(n)),
    }
}

fn of_running(c: &Config, s: &State, n: usize, node: &Node, out: &mut Vec<Action>) {
    let (now, left) = (s.time(c, n), s.credits);
    let can = |credit: u8| credit > 0 && left.total > 0;
    if can(left.crash) {
        out.push(Action::Crash(n));
    }
    if node.paused {
        out.push(Action::Resume(n));
        if matches!(node.link, Link::Sent(..)) {
            out.push(Action::Execute(n));
        }
    }
    if !node.awake() {
        return;
    }
    match &node.link {
        Link::Wait(t) if now >= *t => out.push(Action::Wake(n)),
        Link::Sent(_, deadline) => {
            out.push(Action::Deliver(n));
            if now >= *deadline {
                out.push(Action::TimeOut(n));
            }
            if can(left.late) {
                out.push(Action::SlowAnswer(n));
            }
            if can(left.delay) {
                out.push(Action::Delay(n));
            }
            if can(left.lose) {
                out.push(Action::LoseAnswer(n));
            }
        }
        Link::Answered(_, deadline) => {
            out.push(Action::Take(n));
            if now >= *deadline {
                out.push(Action::TimeOut(n));
            }
        }
        Link::Silent(deadline) if now >= *deadline => out.push(Action::TimeOut(n)),
        Link::Idle | Link::Wait(_) | Link::Silent(_) => {}
    }
    // Its application's writes end before a holder gives the device back.
    let drained = node.write == Write::None;
    if matches!(node.link, Link::Wait(_)) && drained && can(left.release) {
        out.push(Action::Release(n));
    }
    // Standing still shows only once there is something to do.
    if node.due(now) {
        if can(left.late) {
            out.push(Action::Late(n));
        }
        if can(left.pause) {
            out.push(Action::Pause(n));
        }
    }
}
