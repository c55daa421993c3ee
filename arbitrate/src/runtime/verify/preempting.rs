//! PREEMPT, PREEMPT AND ABORT with writes in flight, CLEAR, and what a reset leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::fencing::{Listener, pattern};
use super::registering::WERO;
use super::side::Fate;
use super::{Area, Bench, Found, Verdict, fail, not_offered, pass};
use crate::clock::now;
use crate::codec::block::{Access, BlockIo, Extent, Fua};
use crate::codec::pr::{Abort, Aptpl, PrOut, Preempt};
use crate::device::classify::{Class, classify};
use crate::device::{Data, Escalate, Request, ResetError, ResetScope, ScsiDevice};
use crate::key::Key;
use crate::runtime::pacer::Pacer;

const NONE: Key = Key::from_u64(0);
/// Writers at once.
const WRITERS: usize = 4;
/// How often PREEMPT AND ABORT meets them.
const ROUNDS: u32 = 5;

impl Bench<'_> {
    pub(super) fn preempt(&mut self, area: Area) -> Found {
        let (ka, kb) = self.held(WERO)?;
        let _ = self.a.heard();
        let strange = self.fresh();
        let of = |victim| PrOut::preempt(Preempt { own: kb, victim, kind: WERO, abort: Abort::No });
        self.b.must_conflict(&of(strange), "of a key that nobody has")?;
        self.expect_holder(ka, WERO)?;
        self.b.must(&of(ka))?;
        self.listen(Listener::A, &[(0x2a, 0x05)], "PREEMPT");
        self.expect_keys(&[kb])?;
        self.expect_holder(kb, WERO)?;
        let before = self.b.read(area.lba, area.blocks, area.block_size)?;
        match self.a.write(area.lba, &pattern(area, 0x66), area.block_size) {
            Fate::Conflict => {}
            other => return fail(format!("a write of the preempted ended {}", other.words())),
        }
        if self.b.read(area.lba, area.blocks, area.block_size)? != before {
            return fail("A WRITE OF THE PREEMPTED REACHED THE MEDIUM");
        }
        pass("the holder is replaced, its key gone, its writes refused")
    }

    /// Of one who holds nothing: GOOD, its registration gone, the holder as before. So GOOD is no victory.
    pub(super) fn preempt_registrant(&mut self) -> Found {
        let (ka, kb) = self.held(WERO)?;
        self.a.must(&PrOut::preempt(Preempt { own: ka, victim: kb, kind: WERO, abort: Abort::No }))?;
        self.expect_keys(&[ka])?;
        self.expect_holder(ka, WERO)?;
        pass("removes a registrant and leaves the holder")
    }

    /// Whatever of A was under way must not reach the medium once PREEMPT AND ABORT has ended.
    pub(super) fn preempt_abort(&mut self, area: Area) -> Found {
        let mut landed = 0;
        let mut running = 0;
        for _ in 0..ROUNDS {
            let (ka, kb) = self.held(WERO)?;
            let Some(writers) = Writers::start(self.more, area, self.a.timeout) else {
                return Ok((Verdict::Untested, "no further handles of A's path for writes in flight".into()));
            };
            writers.flow(now() + self.a.timeout);
            let out = PrOut::preempt(Preempt { own: kb, victim: ka, kind: WERO, abort: Abort::Yes });
            let fate = self.b.out(&out);
            if fate.unsupported() {
                let _ = writers.stop();
                return not_offered(fate.words());
            }
            if fate != Fate::Good {
                let _ = writers.stop();
                return fail(format!(
                    "PREEMPT AND ABORT ended {}: a target that cannot do it under load fences nobody under load",
                    fate.words()
                ));
            }
            let mine = pattern(area, 0x77);
            let written = self.b.write(area.lba, &mine, area.block_size);
            let (sent, late) = writers.stop();
            running += sent;
            if written != Fate::Good {
                return fail(format!("the new holder's write ended {}", written.words()));
            }
            if self.b.read(area.lba, area.blocks, area.block_size)? != mine {
                landed += 1;
            }
            if late > 0 {
                return fail(format!("{late} write(s) of the preempted never came back"));
            }
            self.expect_keys(&[kb])?;
            self.expect_holder(kb, WERO)?;
            self.take_off()?;
        }
        if landed > 0 {
            return fail(format!(
                "in {landed} of {ROUNDS} rounds A WRITE OF THE PREEMPTED REACHED THE MEDIUM AFTER PREEMPT AND ABORT HAD ENDED"
            ));
        }
        pass(format!("{ROUNDS} rounds with {running} writes of the preempted: none landed afterwards"))
    }

    pub(super) fn clear(&mut self) -> Found {
        let (ka, _) = self.held(WERO)?;
        let _ = self.b.heard();
        self.a.must(&PrOut::clear(ka))?;
        self.listen(Listener::B, &[(0x2a, 0x03)], "CLEAR");
        self.expect_keys(&[])?;
        self.expect_no_holder()?;
        pass("every registration and the reservation are gone")
    }

    pub(super) fn lun_reset(&mut self, area: Area) -> Found {
        let (ka, kb) = self.held(WERO)?;
        let (generation, _) = self.a.keys()?;
        let _ = self.b.heard();
        let deadline = self.a.pacer.now() + self.a.timeout.max(Duration::from_secs(10));
        match self.a.on.device().reset(ResetScope::LogicalUnit, Escalate::No, deadline) {
            Ok(()) => {}
            Err(ResetError::Unsupported) => return not_offered("this transport resets no logical unit"),
            Err(e) => return fail(e.to_string()),
        }
        // 29/xx: whichever the target calls it.
        let any: Vec<(u8, u8)> = (0..=7).map(|q| (0x29, q)).collect();
        self.listen(Listener::B, &any, "the reset");
        self.expect_keys(&[ka, kb])?;
        self.expect_holder(ka, WERO)?;
        let (after, _) = self.a.keys()?;
        if after != generation {
            return fail(format!("PRGENERATION went from {generation} to {after}"));
        }
        if self.b.write(area.lba, &pattern(area, 0x99), area.block_size) != Fate::Good {
            return fail("a registrant may no longer write");
        }
        pass("registrations, reservation and PRGENERATION survive")
    }

    /// Takes off what the two nexuses have registered.
    pub(super) fn take_off(&mut self) -> Result<(), String> {
        for _ in 0..2 {
            for side in [&mut self.a, &mut self.b] {
                let (_, keys) = side.keys()?;
                for key in keys.into_iter().filter(|k| Self::ours(*k)) {
                    // A compare-and-swap: of another nexus it meets a conflict.
                    let _ = side.out(&PrOut::register(key, NONE, Aptpl::No));
                }
            }
        }
        let (_, left) = self.a.keys()?;
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{} registration(s) are left: {left:?}", left.len()))
        }
    }
}

/// Threads that write over A's path.
struct Writers {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU32>,
    threads: Vec<JoinHandle<()>>,
}

impl Writers {
    fn start(more: super::More<'_>, area: Area, timeout: Duration) -> Option<Self> {
        let mut w = Self { stop: Arc::default(), sent: Arc::default(), threads: Vec::new() };
        for n in 0..WRITERS {
            let device = more()?;
            let (stop, sent) = (Arc::clone(&w.stop), Arc::clone(&w.sent));
            let data = pattern(area, 0x88 + u8::try_from(n).unwrap_or(0));
            let run = move || writes(device, area, &data, timeout, &stop, &sent);
            w.threads.push(std::thread::Builder::new().name("writer".into()).spawn(run).ok()?);
        }
        Some(w)
    }

    /// Waits until writes are under way.
    fn flow(&self, limit: crate::time::Instant) {
        let enough = u32::try_from(WRITERS * 3).unwrap_or(u32::MAX);
        while self.sent.load(Ordering::Acquire) < enough && now() < limit {
            std::thread::yield_now();
        }
    }

    /// Ends them; how many writes were sent, and how many threads have not come back.
    fn stop(self) -> (u32, usize) {
        self.stop.store(true, Ordering::Release);
        let limit = now() + Duration::from_secs(40);
        let mut late = 0;
        for t in self.threads {
            while !t.is_finished() && now() < limit {
                std::thread::yield_now();
            }
            if t.is_finished() {
                let _ = t.join();
            } else {
                late += 1;
            }
        }
        (self.sent.load(Ordering::Acquire), late)
    }
}

/// Writes until told to stop, or refused.
fn writes(
    mut device: Box<dyn ScsiDevice>,
    area: Area,
    data: &[u8],
    timeout: Duration,
    stop: &AtomicBool,
    sent: &AtomicU32,
) {
    let io = BlockIo { access: Access::Write, extent: Extent::new(area.lba, area.blocks), fua: Fua::No };
    while !stop.load(Ordering::Acquire) {
        sent.fetch_add(1, Ordering::AcqRel);
        let done =
            device.execute(Request { cdb: io.cdb(), data: Data::Out(data), deadline: now() + timeout });
        match classify(&done) {
            Class::Good | Class::UnitAttention(_) | Class::TaskAborted | Class::Busy(_) => {}
            // Fenced, or worse: nothing more to learn here.
            _ => return,
        }
    }
}
