//! One path's thread: sends what its registrar asks for, for as long as the command takes.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Board, Voice, What};
use crate::clock::now;
use crate::codec::Sense;
use crate::codec::pr::{Aptpl, FullStatusView, PrOut, RegisteredPort, Reread, read_full_status_cdb};
use crate::device::ScsiDevice;
use crate::device::classify::Class;
use crate::device::multipath::PathSpec;
use crate::device::multipath::failover::Paths;
use crate::key::Key;
use crate::protocol::registrar::{PathCommand, PathEnd, PathEvent, PathNext, PathNote, PathRegistrar};
use crate::protocol::{Command, NoAnswer, Reply};
use crate::runtime::executor::{Executor, Observer, Sent, Unread, reply};
use crate::runtime::pacer::SystemPacer;
use crate::time::Instant;

/// What the supervisor sees of a path's thread.
#[derive(Debug, Default)]
pub(super) struct WorkerState {
    open: AtomicBool,
    unproven: AtomicBool,
    stale: AtomicBool,
    retired: AtomicBool,
    ended: AtomicBool,
}

/// A path's thread.
pub(super) struct Worker {
    pub(super) state: Arc<WorkerState>,
}

/// What it is given.
pub(super) struct Job {
    pub(super) registrar: PathRegistrar,
    pub(super) device: Box<dyn ScsiDevice>,
    pub(super) slot: usize,
    pub(super) spec: PathSpec,
    pub(super) board: Arc<Board>,
    pub(super) paths: Arc<Paths>,
    pub(super) state: Arc<WorkerState>,
    pub(super) shared: Arc<Voice>,
    pub(super) own: Nexus,
}

/// The nexus of a path, and what it is to be registered with.
#[derive(Clone, Debug)]
pub(super) struct Nexus {
    pub(super) key: Key,
    pub(super) aptpl: Aptpl,
    /// Its initiator port's TransportID and its relative target port, where both are known.
    pub(super) name: Option<(Vec<u8>, u16)>,
}

/// Room for the first READ FULL STATUS.
const STATUS_ALLOCATION: u16 = 8192;

impl WorkerState {
    /// A REGISTER of this life may stand there unconfirmed, or come yet.
    pub(super) fn open(&self) -> bool {
        // In one order with the board's end of the life: whoever sends after it sees it, or is seen here.
        self.open.load(Ordering::SeqCst)
    }

    pub(super) fn unproven(&self) -> bool {
        self.unproven.load(Ordering::Acquire)
    }
}

impl Worker {
    /// Starts it. Without a thread the path stays as it is, and is not used.
    pub(super) fn start(job: Job) -> Self {
        let state = Arc::clone(&job.state);
        let board = Arc::clone(&job.board);
        board.begin();
        // Detached: a thread that is stuck in a dead path must not keep the process.
        let started = std::thread::Builder::new().name("path".into()).spawn(move || {
            let (state, board) = (Arc::clone(&job.state), Arc::clone(&job.board));
            serve(job);
            state.ended.store(true, Ordering::Release);
            board.ended();
        });
        if started.is_err() {
            state.stale.store(true, Ordering::Release);
            state.ended.store(true, Ordering::Release);
            board.ended();
        }
        Self { state }
    }

    pub(super) fn ended(&self) -> bool {
        self.state.ended.load(Ordering::Acquire)
    }

    /// The device behind the name is gone for good; another may come.
    pub(super) fn stale(&self) -> bool {
        self.ended() && self.state.stale.load(Ordering::Acquire)
    }

    pub(super) fn retire(&self) {
        self.state.retired.store(true, Ordering::Release);
    }
}

/// Notices that a nexus was reset.
#[derive(Clone, Default)]
struct Ear(Rc<Cell<bool>>);

impl Observer for Ear {
    fn sent(&mut self, _: &Sent) {}
    fn attention(&mut self, sense: Sense) {
        // 29/xx: POWER ON, RESET, I_T NEXUS LOSS.
        if sense.asc == 0x29 {
            self.0.set(true);
        }
    }
}

fn serve(job: Job) {
    let Job { mut registrar, mut device, slot, spec, board, paths, state, shared, own } = job;
    let reset = Ear::default();
    let mut ear = reset.clone();
    let mut on = Executor::new(device.as_mut(), &mut ear);
    let at = now();
    let mut step = registrar.handle(PathEvent::Wake, board.life(at), at);
    loop {
        state.open.store(registrar.open(), Ordering::SeqCst);
        if let Some(note) = step.note {
            shared.say(&spec, What::Note(note));
            if gone_for_good(note) && !registrar.open() {
                paths.set_usable(slot, false);
                state.stale.store(true, Ordering::Release);
                return;
            }
        }
        let retired = state.retired.load(Ordering::Acquire);
        step = match step.next {
            PathNext::Issue { command, deadline } => {
                let at = now();
                let reply = if registrar.may_send(&command, deadline, board.life(at), at) {
                    send(&mut on, &own, &command, deadline)
                } else {
                    Reply::Refused(NoAnswer::Local(libc::ETIMEDOUT))
                };
                if reset.0.take() {
                    registrar.nexus_reset();
                }
                let at = now();
                let step = registrar.handle(PathEvent::Reply(reply), board.life(at), at);
                // It has just answered, or failed to: what a command of the defence met before is old.
                if !retired {
                    paths.set_usable(slot, registrar.usable());
                }
                step
            }
            PathNext::Wait(_) if retired && !registrar.open() => return,
            PathNext::Wait(until) => {
                board.wait(until);
                match paths.last() {
                    Some(last) if last == slot => {
                        registrar.is_last();
                        board.reservation_is(registrar.whereabouts());
                    }
                    Some(_) => registrar.is_not_last(board.whereabouts()),
                    None => {}
                }
                let at = now();
                let step = registrar.handle(PathEvent::Wake, board.life(at), at);
                if matches!(step.note, Some(PathNote::Registered)) && !retired {
                    paths.set_usable(slot, registrar.usable());
                }
                step
            }
            PathNext::End(end) => {
                if end == PathEnd::Unproven {
                    state.unproven.store(true, Ordering::Release);
                }
                if paths.last() == Some(slot) {
                    board.reservation_is(registrar.whereabouts());
                }
                state.open.store(false, Ordering::SeqCst);
                shared.say(&spec, What::End(end));
                return;
            }
        };
    }
}

fn send<'a>(on: &'a mut Executor<'_>, own: &Nexus, command: &PathCommand, deadline: Instant) -> Reply<'a> {
    let mut pacer = SystemPacer::deaf();
    match command {
        PathCommand::ReadKeys => on.run(&Command::ReadKeys, deadline, &mut pacer),
        PathCommand::Out(out) => on.run(&Command::Out(*out), deadline, &mut pacer),
        PathCommand::Standing => {
            let listed = match &own.name {
                Some((initiator, port)) => listed(on, own.key, (initiator, *port), deadline),
                None => Listed::No,
            };
            match listed {
                Listed::Yes => Reply::Good,
                Listed::Unanswered(class) => reply(&class),
                // The list may know this nexus by another name: the nexus itself knows.
                Listed::No => {
                    let same = PrOut::register(own.key, own.key, own.aptpl);
                    on.run(&Command::Out(same), deadline, &mut pacer)
                }
            }
        }
    }
}

/// What READ FULL STATUS says of a nexus.
enum Listed {
    /// Registered under the key.
    Yes,
    /// Not as it is known here.
    No,
    /// The path does not answer.
    Unanswered(Class),
}

fn listed(on: &mut Executor<'_>, key: Key, (initiator, port): (&[u8], u16), deadline: Instant) -> Listed {
    let mut pacer = SystemPacer::deaf();
    let whole = Reread::full_status(STATUS_ALLOCATION);
    match on.read_whole(read_full_status_cdb, whole, deadline, &mut pacer) {
        Ok(data) => match FullStatusView::parse(data) {
            Ok(v) => {
                let here = |p| p == RegisteredPort::All || p == RegisteredPort::One(port);
                let mut all = v.iter();
                let there = all.any(|r| r.key == key && r.transport_id == initiator && here(r.port));
                if there { Listed::Yes } else { Listed::No }
            }
            Err(_) => Listed::No,
        },
        // It answers, only not to this.
        Err(
            Unread::Reread(_) | Unread::Ended(Class::Illegal(_) | Class::Busy(_) | Class::UnitAttention(_)),
        ) => Listed::No,
        Err(Unread::Ended(class)) => Listed::Unanswered(class),
    }
}

/// The device file is one of a device that was removed.
fn gone_for_good(note: PathNote) -> bool {
    let PathNote::Down(why) = note else { return false };
    matches!(
        why,
        NoAnswer::Local(libc::ENODEV | libc::ENXIO) | NoAnswer::Transport(_, _, libc::ENODEV | libc::ENXIO)
    )
}
