//! Sends commands to one device, consuming unit attentions by the one retry policy.
//!
//! Allocates nothing after it was made: a defender's tick runs through here. Every command sent is
//! shown to an [`Observer`], which must not block.

use arrayvec::ArrayVec;

use crate::codec::block::TestUnitReady;
use crate::codec::pr::{
    KeysView, READ_RESERVATION_LEN, ReadReservation, Reread, RereadError, Step, read_keys_cdb,
    read_reservation_cdb,
};
use crate::codec::quorum::{Head, Units};
use crate::codec::reserve::{Form, Spc2Reserve, Verb};
use crate::codec::{Cdb, Sense};
use crate::device::classify::{Class, classify};
use crate::device::retry::{Effect, MAX_ATTENTIONS, Verdict, judge};
use crate::device::{Completion, Data, Escalate, MAX_TRANSFER, Request, ResetError, ResetScope, ScsiDevice};
use crate::protocol::{Command, NoAnswer, Reply};
use crate::runtime::pacer::Pacer;
use crate::time::Instant;

/// First allocation length of a READ KEYS: 128 keys; a longer list costs a second read.
const KEYS_ALLOCATION: u16 = 8 + 128 * 8;

/// One command as it was sent and answered.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// When it was issued.
    pub at: Instant,
    /// The command.
    pub cdb: Cdb,
    /// The first 24 bytes of data sent with it: a basic PR OUT list; empty for others.
    pub list: [u8; 24],
    /// How it ended.
    pub completion: Completion,
}

/// Is shown every command. Runs on the fencing path: must not block, allocate or lock.
pub trait Observer {
    /// One command has ended.
    fn sent(&mut self, s: &Sent);
    /// A unit attention was consumed: something happened to this nexus.
    fn attention(&mut self, sense: Sense) {
        let _ = sense;
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn sent(&mut self, _: &Sent) {}
}

/// Why a whole answer was not to be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unread {
    /// The command did not end well.
    Ended(Class),
    /// It ended well, but its answers were not to be put together.
    Reread(RereadError),
}

impl Unread {
    /// The same as a class.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Self::Ended(class) => class,
            Self::Reread(_) => Class::Malformed,
        }
    }
}

/// How a command ended after the retries.
#[derive(Clone, Debug)]
pub struct Ended {
    /// What it means.
    pub class: Class,
    /// The last completion.
    pub completion: Completion,
    /// The unit attentions consumed on the way, oldest first.
    pub attentions: ArrayVec<Sense, { MAX_ATTENTIONS as usize }>,
}

/// Sends commands to one device.
pub struct Executor<'a> {
    device: &'a mut dyn ScsiDevice,
    observer: &'a mut dyn Observer,
    buf: Box<[u8]>,
    ended: Instant,
}

impl<'a> Executor<'a> {
    /// Takes a device; allocates the one buffer.
    pub fn new(device: &'a mut dyn ScsiDevice, observer: &'a mut dyn Observer) -> Self {
        Self { device, observer, buf: vec![0; MAX_TRANSFER].into_boxed_slice(), ended: Instant::default() }
    }

    /// The device.
    pub fn device(&mut self) -> &mut dyn ScsiDevice {
        self.device
    }

    /// Sends a command that reads up to `len` bytes; returns what came, cut to what was transferred.
    pub fn read(&mut self, cdb: Cdb, len: usize, deadline: Instant, pacer: &mut dyn Pacer) -> (Ended, &[u8]) {
        let len = len.min(MAX_TRANSFER);
        let issued = pacer.now();
        self.read_at(cdb, len, issued, deadline, pacer)
    }

    /// The same, where the time is known already: reading the clock costs.
    fn read_at(
        &mut self,
        cdb: Cdb,
        len: usize,
        issued: Instant,
        deadline: Instant,
        pacer: &mut dyn Pacer,
    ) -> (Ended, &[u8]) {
        let ended = self.send(cdb, Transfer::In(len), Effect::Reads, (issued, deadline), pacer);
        let residual = usize::try_from(ended.completion.residual).unwrap_or(len);
        let got = if ended.class == Class::Good { len.saturating_sub(residual) } else { 0 };
        (ended, &self.buf[..got])
    }

    /// Sends a command that carries `out`, or nothing if that is empty.
    pub fn write(
        &mut self,
        cdb: Cdb,
        out: &[u8],
        effect: Effect,
        deadline: Instant,
        pacer: &mut dyn Pacer,
    ) -> Ended {
        let issued = pacer.now();
        self.send(cdb, Transfer::Out(out), effect, (issued, deadline), pacer)
    }

    /// Runs one command of a protocol.
    pub fn run(&mut self, command: &Command, deadline: Instant, pacer: &mut dyn Pacer) -> Reply<'_> {
        let issued = pacer.now();
        self.run_at(command, issued, deadline, pacer)
    }

    /// The same, where the time is known already: reading the clock costs.
    pub fn run_at(
        &mut self,
        command: &Command,
        issued: Instant,
        deadline: Instant,
        pacer: &mut dyn Pacer,
    ) -> Reply<'_> {
        match command {
            Command::ReadKeys => self.read_keys(issued, deadline, pacer),
            Command::ReadReservation => {
                let len = usize::from(READ_RESERVATION_LEN);
                let (ended, data) = self.read_at(read_reservation_cdb(), len, issued, deadline, pacer);
                match (ended.class, ReadReservation::parse(data)) {
                    (Class::Good, Ok(r)) => Reply::Reservation(r),
                    (Class::Good, Err(_)) => Reply::Unknown(NoAnswer::Malformed),
                    (other, _) => reply(&other),
                }
            }
            Command::Out(out) => {
                let list = out.list.emit();
                let times = (issued, deadline);
                reply(&self.send(out.basic_cdb(), Transfer::Out(&list), Effect::Changes, times, pacer).class)
            }
            Command::ReadHead(f) => {
                let cdb = Units::HEAD.read_cdb(f.block_len);
                let (ended, data) = self.read_at(cdb, Units::HEAD.len(), issued, deadline, pacer);
                match (ended.class, Head::parse(data, f.uuid)) {
                    (Class::Good, Ok(head)) => Reply::Head(head),
                    (Class::Good, Err(_)) => Reply::Unknown(NoAnswer::Malformed),
                    (other, _) => reply(&other),
                }
            }
            Command::WriteRecord(f, record) => {
                let unit = record.emit(f.uuid);
                let cdb = record.units().write_cdb(f.block_len);
                let times = (issued, deadline);
                reply(&self.send(cdb, Transfer::Out(&unit), Effect::Changes, times, pacer).class)
            }
            Command::TestUnitReady => {
                let cdb = TestUnitReady.cdb();
                reply(&self.send(cdb, Transfer::Out(&[]), Effect::Reads, (issued, deadline), pacer).class)
            }
            Command::Reserve6 => {
                let cdb = Spc2Reserve { verb: Verb::Reserve, form: Form::Six }.cdb();
                let times = (issued, deadline);
                match self.send(cdb, Transfer::Out(&[]), Effect::ChangesOnce, times, pacer).class {
                    Class::UnitAttention(sense) => Reply::Attention(sense),
                    other => reply(&other),
                }
            }
            Command::Release6 => {
                let cdb = Spc2Reserve { verb: Verb::Release, form: Form::Six }.cdb();
                reply(&self.send(cdb, Transfer::Out(&[]), Effect::Changes, (issued, deadline), pacer).class)
            }
            Command::Reset(scope) => self.reset(*scope, deadline),
        }
    }

    /// A reset, of this scope only. What the kernel calls failed may have reached the target all the
    /// same: only a scope that is not offered, or not allowed to this process, is a refusal.
    fn reset(&mut self, scope: ResetScope, deadline: Instant) -> Reply<'static> {
        match self.device.reset(scope, Escalate::No, deadline) {
            Ok(()) => Reply::Good,
            Err(ResetError::Unsupported) => Reply::Refused(NoAnswer::Local(libc::EOPNOTSUPP)),
            Err(ResetError::Failed(e @ (libc::EPERM | libc::EACCES))) => Reply::Refused(NoAnswer::Local(e)),
            Err(ResetError::Failed(e)) => Reply::Unknown(NoAnswer::Transport(0, 0, e)),
            Err(ResetError::Outstanding) => Reply::Unknown(NoAnswer::Outstanding),
        }
    }

    /// READ KEYS, whole.
    fn read_keys(&mut self, issued: Instant, deadline: Instant, pacer: &mut dyn Pacer) -> Reply<'_> {
        let whole = Reread::keys(KEYS_ALLOCATION);
        match self.read_whole_at(read_keys_cdb, whole, issued, deadline, pacer) {
            Ok(data) => KeysView::parse(data).map_or(Reply::Unknown(NoAnswer::Malformed), Reply::Keys),
            Err(Unread::Ended(class)) => reply(&class),
            Err(Unread::Reread(RereadError::Unstable)) => Reply::Unknown(NoAnswer::Restless),
            Err(Unread::Reread(_)) => Reply::Unknown(NoAnswer::Malformed),
        }
    }

    /// Reads an answer of whatever length, repeated with more room while it is cut off.
    ///
    /// # Errors
    /// [`Unread`] says what came instead.
    pub fn read_whole(
        &mut self,
        cdb: fn(u16) -> Cdb,
        reread: Reread,
        deadline: Instant,
        pacer: &mut dyn Pacer,
    ) -> Result<&[u8], Unread> {
        let issued = pacer.now();
        self.read_whole_at(cdb, reread, issued, deadline, pacer)
    }

    fn read_whole_at(
        &mut self,
        cdb: fn(u16) -> Cdb,
        mut reread: Reread,
        mut issued: Instant,
        deadline: Instant,
        pacer: &mut dyn Pacer,
    ) -> Result<&[u8], Unread> {
        loop {
            let allocation = reread.allocation();
            let room = usize::from(allocation);
            let (ended, data) = self.read_at(cdb(allocation), room, issued, deadline, pacer);
            if ended.class != Class::Good {
                return Err(Unread::Ended(ended.class));
            }
            let got = data.len();
            match reread.judge(data).map_err(Unread::Reread)? {
                Step::Complete => return Ok(&self.buf[..got]),
                Step::Again => issued = self.ended,
            }
        }
    }

    fn send(
        &mut self,
        cdb: Cdb,
        transfer: Transfer<'_>,
        effect: Effect,
        (issued, deadline): (Instant, Instant),
        pacer: &mut dyn Pacer,
    ) -> Ended {
        let mut attentions = ArrayVec::new();
        let mut at = issued;
        loop {
            let (data, list) = match transfer {
                Transfer::In(len) => {
                    self.buf[..len].fill(0);
                    (Data::In(&mut self.buf[..len]), [0; 24])
                }
                Transfer::Out([]) => (Data::None, [0; 24]),
                Transfer::Out(b) => {
                    let mut list = [0; 24];
                    let n = b.len().min(list.len());
                    list[..n].copy_from_slice(&b[..n]);
                    (Data::Out(b), list)
                }
            };
            let mut completion = self.device.execute(Request { cdb, data, deadline });
            self.ended = pacer.now();
            completion.took = self.ended.since(at);
            self.observer.sent(&Sent { at, cdb, list, completion });
            let class = classify(&completion);
            #[allow(clippy::cast_possible_truncation, reason = "the capacity fits a u8")]
            let consumed = attentions.len() as u8;
            let verdict = judge(&class, effect, consumed);
            if let Class::UnitAttention(sense) = class {
                self.observer.attention(sense);
                let _ = attentions.try_push(sense);
            }
            match verdict {
                Verdict::Again(pause) if self.ended + pause < deadline => {
                    pacer.pause(pause);
                    at = self.ended + pause;
                }
                _ => return Ended { class, completion, attentions },
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Transfer<'b> {
    In(usize),
    Out(&'b [u8]),
}

/// What a class other than [`Class::Good`] with data means to a protocol.
pub(super) fn reply(class: &Class) -> Reply<'static> {
    match *class {
        Class::Good => Reply::Good,
        Class::Conflict => Reply::Conflict,
        Class::NotReady(s) | Class::Illegal(s) => Reply::Refused(NoAnswer::Sense(s)),
        // A unit attention came instead of the command, time and again: it was not executed.
        Class::UnitAttention(_) => Reply::Refused(NoAnswer::Restless),
        Class::Busy(s) => Reply::Refused(NoAnswer::Busy(s.0)),
        Class::NotSent(errno) => Reply::Refused(NoAnswer::Local(errno)),
        Class::DeviceLost => Reply::Refused(NoAnswer::DeviceLost),
        Class::Failed(s) => Reply::Unknown(NoAnswer::Sense(s)),
        Class::TaskAborted => Reply::Unknown(NoAnswer::Aborted),
        Class::TransportLost(t) => Reply::Unknown(NoAnswer::Transport(t.host, t.driver, t.errno)),
        Class::Outstanding => Reply::Unknown(NoAnswer::Outstanding),
        Class::Malformed => Reply::Unknown(NoAnswer::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::sim::{CreateOptions, SimDevice};
    use crate::runtime::pacer::SystemPacer;
    use std::time::Duration;

    #[test]
    fn reserve_tells_of_a_reset_and_is_not_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        SimDevice::create(&path, &CreateOptions::default()).unwrap();
        let open = |name| SimDevice::open(&format!("sim:{}?as={name}", path.display())).unwrap();
        let (mut a, mut b) = (open("a"), open("b"));
        let (mut deaf, mut la, mut lb) = (SystemPacer::deaf(), Unobserved, Unobserved);
        let (mut a, mut b) = (Executor::new(&mut a, &mut la), Executor::new(&mut b, &mut lb));
        let deadline = deaf.now() + Duration::from_secs(60);
        assert_eq!(a.run(&Command::Reserve6, deadline, &mut deaf), Reply::Good);
        assert_eq!(b.run(&Command::TestUnitReady, deadline, &mut deaf), Reply::Conflict);
        let lun = Command::Reset(ResetScope::LogicalUnit);
        assert_eq!(b.run(&lun, deadline, &mut deaf), Reply::Good);
        assert_eq!(
            b.run(&Command::TestUnitReady, deadline, &mut deaf),
            Reply::Good,
            "its attention is consumed"
        );

        let told = a.run(&Command::Reserve6, deadline, &mut deaf);
        assert!(matches!(told, Reply::Attention(s) if (s.asc, s.ascq) == (0x29, 3)), "{told:?}");
        assert_eq!(
            b.run(&Command::Reserve6, deadline, &mut deaf),
            Reply::Good,
            "that of `a` was not executed"
        );
        assert_eq!(a.run(&Command::Reserve6, deadline, &mut deaf), Reply::Conflict);
        assert_eq!(a.run(&Command::Release6, deadline, &mut deaf), Reply::Good, "and releases nothing");
        assert_eq!(a.run(&Command::TestUnitReady, deadline, &mut deaf), Reply::Conflict);
        let bus = a.run(&Command::Reset(ResetScope::Bus), deadline, &mut deaf);
        assert_eq!(bus, Reply::Refused(NoAnswer::Local(libc::EOPNOTSUPP)));
    }

    /// Ends every reset so.
    struct Resets(Result<(), ResetError>);

    impl ScsiDevice for Resets {
        fn name(&self) -> &'static str {
            "resets"
        }
        fn execute(&mut self, _: Request<'_>) -> Completion {
            Completion::unanswered(crate::device::Delivery::DeviceLost, Duration::ZERO)
        }
        fn reset(&mut self, _: ResetScope, escalate: Escalate, _: Instant) -> Result<(), ResetError> {
            assert_eq!(escalate, Escalate::No);
            self.0
        }
        fn own_transport_id(&self) -> Option<Vec<u8>> {
            None
        }
    }

    #[test]
    fn a_reset_that_the_kernel_calls_failed_may_have_been_done() {
        let of = |end| {
            let (mut d, mut o, mut deaf) = (Resets(end), Unobserved, SystemPacer::deaf());
            let command = Command::Reset(ResetScope::Target);
            match Executor::new(&mut d, &mut o).run(&command, Instant::default(), &mut deaf) {
                Reply::Good => "done",
                Reply::Refused(_) => "refused",
                Reply::Unknown(_) => "unknown",
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(of(Ok(())), "done");
        assert_eq!(of(Err(ResetError::Unsupported)), "refused");
        assert_eq!(of(Err(ResetError::Failed(libc::EACCES))), "refused");
        assert_eq!(of(Err(ResetError::Failed(libc::EIO))), "unknown");
        assert_eq!(of(Err(ResetError::Outstanding)), "unknown");
    }
}
