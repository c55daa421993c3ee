//! A protocol on a nexus that may swallow commands: five threads, of which one leads.
//!
//! The leader runs the protocol and sends each command itself, on its own stack: no command is handed
//! to another thread, so that a tick costs what its commands cost. Before it sends, it lays the protocol
//! down where the others can reach it. If the command has not ended by its deadline, another thread
//! picks the protocol up, tells it *Unknown*, and leads on; the first is stuck and gets nothing but a
//! thread to come home to. Four may be stuck; then the device is lost: nothing is sent any more, and the
//! protocol is told so.
//!
//! Invariant: exactly one thread holds the protocol, or nobody does while a command is outstanding.
//! After the start nothing is allocated, opened or spawned. Must never send a command that nobody
//! watches, where a command can get stuck at all.

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use arrayvec::ArrayVec;

use crate::clock::now;
use crate::codec::Sense;
use crate::device::ScsiDevice;
use crate::protocol::{Event, Next, NoAnswer, Reply, Step};
use crate::runtime::drive::Machine;
use crate::runtime::executor::{Executor, Observer, Sent};
use crate::runtime::pacer::{Pacer, SystemPacer, Woke};
use crate::time::Instant;

/// Commands of one tick shown to the listener at the most, unit attentions included.
const SHOWN: usize = 40;
const NEVER: Instant = Instant::from_nanos(u64::MAX);

/// Hears what a protocol tells and what was sent for it; moves from thread to thread.
pub trait Listener<N>: Send {
    /// The protocol tells something.
    fn note(&mut self, at: Instant, note: &N);
    /// A command has ended.
    fn sent(&mut self, s: &Sent);
    /// A unit attention was consumed.
    fn attention(&mut self, sense: Sense);
}

/// A protocol and what goes with it from thread to thread.
pub struct Task<M, L> {
    /// The protocol.
    pub machine: M,
    /// Who hears of it.
    pub listener: L,
    /// Keeps time for it.
    pub pacer: Box<dyn Pacer + Send>,
}

struct Lead<M: Machine, L> {
    task: Task<M, L>,
    step: Step<M::Note, M::End>,
}

enum Baton<M: Machine, L> {
    /// Whoever comes first leads.
    Free(Box<Lead<M, L>>),
    /// A thread leads.
    Led,
    /// The leader is in a command; whoever finds the deadline passed leads on.
    Out { lead: Box<Lead<M, L>>, turn: u64, deadline: Instant },
    /// The protocol has ended.
    Done(Box<Lead<M, L>>, M::End),
    /// The end was taken away.
    Gone,
}

struct State<M: Machine, L> {
    baton: Baton<M, L>,
    turn: u64,
    /// Threads that neither lead nor are stuck.
    idle: usize,
    /// When the thread that watches looks again; [`NEVER`] if none has a time.
    watch_until: Instant,
}

struct Crew<M: Machine, L> {
    state: Mutex<State<M, L>>,
    changed: Condvar,
    ended: Condvar,
    guarded: bool,
}

/// What one thread collects while it does not hold the listener.
#[derive(Default)]
struct Collected {
    sent: ArrayVec<Sent, SHOWN>,
    attentions: ArrayVec<Sense, SHOWN>,
    ended: Instant,
}

#[derive(Clone, Default)]
struct Tap(Rc<RefCell<Collected>>);

impl Observer for Tap {
    fn sent(&mut self, s: &Sent) {
        let mut c = self.0.borrow_mut();
        c.ended = s.at + s.completion.took;
        let _ = c.sent.try_push(*s);
    }
    fn attention(&mut self, sense: Sense) {
        let _ = self.0.borrow_mut().attentions.try_push(sense);
    }
}

/// Threads that wait for a protocol; they end if none comes.
pub struct Gathered<M: Machine, L> {
    crew: Arc<Crew<M, L>>,
    /// Where the protocol will lie.
    room: Option<Box<MaybeUninit<Lead<M, L>>>>,
}

type Thread = Box<dyn FnOnce() + Send>;

/// Starts a thread for each of `devices`, handles of one nexus, and waits until all are there. With a
/// single handle its commands are believed to end by themselves. `prepare` is called once on each thread.
/// What begins later allocates and spawns nothing.
///
/// # Errors
/// A thread that could not be started, or no handle at all; no thread is left then.
pub fn gather<M, L>(devices: Vec<Box<dyn ScsiDevice>>, prepare: fn()) -> std::io::Result<Gathered<M, L>>
where
    M: Machine + Send + 'static,
    M::Note: Send,
    M::End: Send,
    L: Listener<M::Note> + 'static,
{
    // Detached: the end of the process does not wait for a thread that is stuck.
    let spawn = |t: Thread| std::thread::Builder::new().name("crew".into()).spawn(t).map(drop);
    gather_by(devices, prepare, spawn)
}

fn gather_by<M, L>(
    devices: Vec<Box<dyn ScsiDevice>>,
    prepare: fn(),
    mut spawn: impl FnMut(Thread) -> std::io::Result<()>,
) -> std::io::Result<Gathered<M, L>>
where
    M: Machine + Send + 'static,
    M::Note: Send,
    M::End: Send,
    L: Listener<M::Note> + 'static,
{
    if devices.is_empty() {
        // Nobody would ever lead: waiting for the end would be for ever.
        return Err(std::io::Error::other("no handle of the device is there to send commands through"));
    }
    let crew = Arc::new(Crew {
        state: Mutex::new(State { baton: Baton::Led, turn: 0, idle: 0, watch_until: NEVER }),
        changed: Condvar::new(),
        ended: Condvar::new(),
        guarded: devices.len() > 1,
    });
    let all = devices.len();
    // Being dropped on the way out it sends those home that were started.
    let gathered = Gathered { crew: Arc::clone(&crew), room: Some(Box::new_uninit()) };
    for mut device in devices {
        let crew = Arc::clone(&crew);
        spawn(Box::new(move || {
            prepare();
            crew.serve(device.as_mut());
        }))?;
    }
    let mut state = crew.lock();
    // When all are there, the first command has its watch.
    while state.idle < all {
        state = crew.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    drop(state);
    Ok(gathered)
}

impl<M, L> Gathered<M, L>
where
    M: Machine + Send,
    L: Listener<M::Note>,
{
    /// Runs a protocol to its end; returns that, and the task.
    #[must_use]
    pub fn run(mut self, mut task: Task<M, L>) -> (M::End, Task<M, L>) {
        let step = task.machine.start(task.pacer.now());
        let room = self.room.take().unwrap_or_else(Box::new_uninit);
        let lead = Box::write(room, Lead { task, step });
        let mut state = self.crew.lock();
        state.baton = Baton::Free(lead);
        self.crew.changed.notify_one();
        loop {
            match std::mem::replace(&mut state.baton, Baton::Gone) {
                Baton::Done(lead, end) => {
                    self.crew.changed.notify_all();
                    return (end, lead.task);
                }
                other => state.baton = other,
            }
            state = self.crew.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<M: Machine, L> Drop for Gathered<M, L> {
    fn drop(&mut self) {
        let mut state = self.crew.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.baton = Baton::Gone;
        self.crew.changed.notify_all();
    }
}

/// Gathers and runs at once.
///
/// # Errors
/// As of [`gather`]; the protocol was then not begun.
pub fn run<M, L>(
    devices: Vec<Box<dyn ScsiDevice>>,
    task: Task<M, L>,
    prepare: fn(),
) -> std::io::Result<(M::End, Task<M, L>)>
where
    M: Machine + Send + 'static,
    M::Note: Send,
    M::End: Send,
    L: Listener<M::Note> + 'static,
{
    Ok(gather(devices, prepare)?.run(task))
}

impl<M, L> Crew<M, L>
where
    M: Machine + Send,
    L: Listener<M::Note>,
{
    fn lock(&self) -> MutexGuard<'_, State<M, L>> {
        // Nothing that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread's life: watch, lead when it falls to it, come back.
    fn serve(&self, device: &mut dyn ScsiDevice) {
        let tap = Tap::default();
        let mut ears = tap.clone();
        let mut on = Executor::new(device, &mut ears);
        while let Some(lead) = self.watch() {
            self.lead(lead, &mut on, &tap);
        }
    }

    /// Waits until the protocol is this thread's to lead; `None` when it has ended.
    fn watch(&self) -> Option<Box<Lead<M, L>>> {
        let mut state = self.lock();
        state.idle += 1;
        self.ended.notify_all();
        loop {
            match std::mem::replace(&mut state.baton, Baton::Led) {
                Baton::Free(lead) => {
                    state.idle -= 1;
                    return Some(lead);
                }
                Baton::Out { mut lead, deadline, .. } if now() >= deadline => {
                    state.turn += 1;
                    state.idle -= 1;
                    state.watch_until = NEVER;
                    drop(state);
                    let at = lead.task.pacer.now();
                    let unknown = Reply::Unknown(NoAnswer::Outstanding);
                    lead.step = lead.task.machine.handle(Event::Reply(unknown), at);
                    return Some(lead);
                }
                Baton::Out { lead, turn, deadline } => {
                    state.baton = Baton::Out { lead, turn, deadline };
                    state.watch_until = deadline;
                    let left = deadline.since(now());
                    state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
                }
                Baton::Led => {
                    state.watch_until = NEVER;
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                end @ (Baton::Done(..) | Baton::Gone) => {
                    state.baton = end;
                    return None;
                }
            }
        }
    }

    /// Leads until the protocol ends or another thread took it over.
    fn lead(&self, mut lead: Box<Lead<M, L>>, on: &mut Executor<'_>, tap: &Tap) {
        let mut deaf = SystemPacer::deaf();
        // Read once a turn, after whatever took time.
        let mut at = lead.task.pacer.now();
        loop {
            for note in &lead.step.notes {
                lead.task.listener.note(at, note);
            }
            match lead.step.next {
                Next::End(end) => {
                    let mut state = self.lock();
                    state.baton = Baton::Done(lead, end);
                    self.ended.notify_all();
                    return;
                }
                Next::Wait(until) => {
                    let event = match lead.task.pacer.wait(until) {
                        Woke::Time => Event::Wake,
                        Woke::Stop => Event::Release,
                    };
                    at = lead.task.pacer.now();
                    lead.step = lead.task.machine.handle(event, at);
                }
                Next::Issue { command, deadline } => match self.lay_down(lead, deadline) {
                    Err(back) => {
                        lead = back;
                        let lost = Reply::Refused(NoAnswer::DeviceLost);
                        at = lead.task.pacer.now();
                        lead.step = lead.task.machine.handle(Event::Reply(lost), at);
                    }
                    Ok(turn) => {
                        let reply = on.run_at(&command, at, deadline, &mut deaf);
                        let Some(back) = self.pick_up(turn) else {
                            tap.0.take();
                            return;
                        };
                        lead = back;
                        tap.hand_over(&mut lead.task.listener);
                        at = tap.ended();
                        lead.step = lead.task.machine.handle(Event::Reply(reply), at);
                    }
                },
            }
        }
    }

    /// Lays the protocol down before a command; gives it back if nobody would watch.
    fn lay_down(&self, lead: Box<Lead<M, L>>, deadline: Instant) -> Result<u64, Box<Lead<M, L>>> {
        let mut state = self.lock();
        if self.guarded && state.idle == 0 {
            return Err(lead);
        }
        let turn = state.turn;
        state.baton = Baton::Out { lead, turn, deadline };
        // The watch is not woken where it will look in time anyway: that costs nothing in most ticks.
        if deadline < state.watch_until {
            state.watch_until = deadline;
            self.changed.notify_one();
        }
        Ok(turn)
    }

    /// Picks it up again after the command; `None` if another thread did.
    fn pick_up(&self, mine: u64) -> Option<Box<Lead<M, L>>> {
        let mut state = self.lock();
        match std::mem::replace(&mut state.baton, Baton::Led) {
            Baton::Out { lead, turn, .. } if turn == mine => Some(lead),
            other => {
                state.baton = other;
                None
            }
        }
    }
}

impl Tap {
    /// When the last command ended.
    fn ended(&self) -> Instant {
        self.0.borrow().ended
    }

    fn hand_over<N, L: Listener<N>>(&self, to: &mut L) {
        let mut c = self.0.borrow_mut();
        c.attentions.drain(..).for_each(|s| to.attention(s));
        c.sent.drain(..).for_each(|s| to.sent(&s));
    }
}

#[cfg(test)]
mod tests;
