//! An honest unit passes; each lie of a broken one is caught, and nothing stays behind.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::codec::inquiry::{Inquiry, InquiryPage};
use crate::codec::opcode::{WRITE_10, WRITE_16};
use crate::codec::pr::{Aptpl, Generation, InAction, KeysView, OutAction, PrIn, PrOut, PrOutRequest};
use crate::codec::{Cdb, Status};
use crate::device::sim::{CreateOptions, SimDevice};
use crate::device::{Completion, Data, Escalate, Request, ResetError, ResetScope, SenseBytes};
use crate::protocol::{Profile, TimingSpec};
use crate::runtime::executor::{Executor, Unobserved};
use crate::time::Instant;

/// What a broken target does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lie {
    None,
    /// The unregistered may write.
    LetsWritesPass,
    /// The unregistered write, and are told that they may not.
    WritesInSpite,
    /// PREEMPT ends GOOD and does nothing.
    PreemptsNothing,
    /// PREEMPT AND ABORT is not known.
    NoAbort,
    /// PREEMPT AND ABORT ends GOOD, and a write comes after it.
    AbortsNothing,
    /// A wrong key is as good as the right one.
    AnyKey,
    /// One registration stands for all nexuses.
    OneForAll,
    /// The second path has other keys to show.
    TwoTruths,
    /// A reset forgets the registrations.
    ForgetsAtReset,
    /// The unit names itself otherwise over the second path.
    TwoNames,
    /// A key that does not fit is not counted.
    ShortCount,
    /// RELEASE of anybody releases.
    AnybodyReleases,
    /// CLEAR leaves registrations.
    ClearsNothing,
    /// PRGENERATION stands still.
    NoGeneration,
    /// Slow.
    Slow,
    /// Nothing takes a registration off.
    KeepsRegistrations,
    /// It knows no persistent reservations.
    NoReservations,
}

const ALL: [Lie; 17] = [
    Lie::LetsWritesPass,
    Lie::WritesInSpite,
    Lie::PreemptsNothing,
    Lie::NoAbort,
    Lie::AbortsNothing,
    Lie::AnyKey,
    Lie::OneForAll,
    Lie::TwoTruths,
    Lie::ForgetsAtReset,
    Lie::TwoNames,
    Lie::ShortCount,
    Lie::AnybodyReleases,
    Lie::ClearsNothing,
    Lie::NoGeneration,
    Lie::Slow,
    Lie::KeepsRegistrations,
    Lie::NoReservations,
];

/// The check that has to notice it.
const fn noticed_by(lie: Lie) -> &'static str {
    match lie {
        Lie::None => "",
        Lie::LetsWritesPass | Lie::WritesInSpite => "type-5",
        Lie::PreemptsNothing => "preempt",
        Lie::NoAbort | Lie::AbortsNothing => "preempt-abort",
        Lie::AnyKey => "wrong-keys",
        Lie::OneForAll => "registrations",
        Lie::TwoTruths | Lie::NoReservations => "read-keys",
        Lie::ForgetsAtReset => "lun-reset",
        Lie::TwoNames => "identity",
        Lie::ShortCount => "short-list",
        Lie::AnybodyReleases => "release",
        Lie::ClearsNothing => "clear",
        Lie::NoGeneration => "generation",
        Lie::Slow => "latency",
        Lie::KeepsRegistrations => "cleanup",
    }
}

/// A WRITE and its data.
type Write = (Cdb, Vec<u8>);

/// A unit that lies.
struct Liar {
    inner: SimDevice,
    path: PathBuf,
    second: bool,
    lie: Lie,
    /// The last write over the first path: what an abort should have stopped.
    late: Arc<Mutex<Option<Write>>>,
    /// How many PREEMPT AND ABORTs are still to be followed by it.
    armed: Arc<AtomicU8>,
}

impl Liar {
    fn send(&mut self, cdb: Cdb, data: Data<'_>, deadline: Instant) -> Completion {
        self.inner.execute(Request { cdb, data, deadline })
    }

    fn good(&self) -> Completion {
        Completion::answered(Status::GOOD, 0, Duration::ZERO)
    }

    /// Writes as nobody in particular: straight to the medium of the file.
    fn scribble(&self, cdb: &Cdb, data: &[u8]) {
        use std::os::unix::fs::FileExt;
        let io = crate::codec::block::BlockIo::parse(cdb).unwrap();
        let f = std::fs::OpenOptions::new().write(true).open(&self.path).unwrap();
        f.write_all_at(data, (1 << 20) + io.extent.lba() * 512).unwrap();
    }

    fn out(&mut self, cdb: Cdb, list: &[u8], deadline: Instant) -> Completion {
        let Ok(PrOutRequest::Basic(mut out)) = PrOutRequest::parse(&cdb, list) else {
            return self.send(cdb, Data::Out(list), deadline);
        };
        let unregisters = out.action == OutAction::Register && out.list.target.is_zero();
        match self.lie {
            Lie::PreemptsNothing if out.action == OutAction::Preempt => return self.good(),
            Lie::ClearsNothing if out.action == OutAction::Clear => return self.good(),
            Lie::KeepsRegistrations if unregisters || out.action == OutAction::Clear => return self.good(),
            Lie::NoAbort if out.action == OutAction::PreemptAndAbort => {
                let sense = crate::codec::Sense::new(crate::codec::SenseKey::ILLEGAL_REQUEST, 0x24, 0);
                let done = Completion::answered(Status::CHECK_CONDITION, 0, Duration::ZERO);
                return Completion { sense: SenseBytes::new(&sense.emit_fixed()), ..done };
            }
            Lie::AbortsNothing if out.action == OutAction::PreemptAndAbort => {
                self.armed.store(1, Ordering::Release);
            }
            Lie::AnyKey => {
                if let Some(own) = self.own_key() {
                    out.list.own = own;
                }
            }
            Lie::AnybodyReleases if out.action == OutAction::Release => {
                let holder = self.holder_spec();
                if let Some((mut holder, key)) = holder {
                    let out = PrOut::release(key, out.kind.unwrap());
                    let _ = holder.execute(Request {
                        cdb: out.basic_cdb(),
                        data: Data::Out(&out.list.emit()),
                        deadline,
                    });
                    return self.good();
                }
            }
            Lie::OneForAll if self.second && out.action == OutAction::Register => {
                let keys = SimDevice::show(&self.path).unwrap().unit.reservations().keys().count();
                if keys > 0 {
                    return Completion::answered(Status::RESERVATION_CONFLICT, 0, Duration::ZERO);
                }
            }
            _ => {}
        }
        self.send(out.basic_cdb(), Data::Out(&out.list.emit()), deadline)
    }

    fn own_key(&self) -> Option<Key> {
        SimDevice::show(&self.path).unwrap().unit.reservations().key_of(self.inner.nexus())
    }

    /// The holder's nexus, opened once more.
    fn holder_spec(&self) -> Option<(SimDevice, Key)> {
        let unit = SimDevice::show(&self.path).unwrap().unit;
        let key = unit.reservations().read_reservation().holder?.key;
        ["a", "b"].into_iter().find_map(|who| {
            let d = SimDevice::open(&format!("sim:{}?as={who}", self.path.display())).unwrap();
            (unit.reservations().key_of(d.nexus()) == Some(key)).then_some((d, key))
        })
    }

    fn write(&mut self, cdb: Cdb, data: &[u8], deadline: Instant) -> Completion {
        if self.second && self.armed.swap(0, Ordering::AcqRel) == 1 {
            // The new holder's write, and behind it the one that was never aborted.
            let done = self.send(cdb, Data::Out(data), deadline);
            if let Some((cdb, data)) = self.late.lock().unwrap().take() {
                self.scribble(&cdb, &data);
            }
            return done;
        }
        let done = self.send(cdb, Data::Out(data), deadline);
        if !self.second && !data.is_empty() {
            *self.late.lock().unwrap() = Some((cdb, data.to_vec()));
        }
        let refused = done.delivery == crate::device::Delivery::Answered(Status::RESERVATION_CONFLICT);
        match self.lie {
            Lie::LetsWritesPass if refused => {
                self.scribble(&cdb, data);
                self.good()
            }
            Lie::WritesInSpite if refused && !data.is_empty() => {
                self.scribble(&cdb, data);
                done
            }
            _ => done,
        }
    }

    fn read(&mut self, cdb: Cdb, buf: &mut [u8], deadline: Instant) -> Completion {
        let pr = PrIn::parse(&cdb).ok().map(|p| p.action);
        let keys = pr == Some(InAction::ReadKeys);
        match self.lie {
            Lie::Slow if keys => std::thread::sleep(SLOW),
            Lie::TwoTruths if self.second && keys => {
                let other = KeysView::emit(Generation(7), &[Key::from_u64(0x99)]);
                let n = other.len().min(buf.len());
                buf[..n].copy_from_slice(&other[..n]);
                let residual = u32::try_from(buf.len() - n).unwrap();
                return Completion::answered(Status::GOOD, residual, Duration::ZERO);
            }
            Lie::TwoNames
                if self.second && Inquiry::parse(&cdb).is_ok_and(|i| i.page == InquiryPage::Vpd(0x83)) =>
            {
                let other = self.path.with_extension("other");
                if !other.exists() {
                    SimDevice::create(&other, &CreateOptions::default()).unwrap();
                }
                let mut d = SimDevice::open(&format!("sim:{}?as=b", other.display())).unwrap();
                return d.execute(Request { cdb, data: Data::In(buf), deadline });
            }
            _ => {}
        }
        let done = self.send(cdb, Data::In(buf), deadline);
        if keys && self.lie == Lie::ShortCount && buf.len() >= 8 {
            let claimed = u32::from_be_bytes(*buf[4..8].first_chunk().unwrap());
            let room = u32::from(PrIn::parse(&cdb).unwrap().allocation.saturating_sub(8) & !7);
            buf[4..8].copy_from_slice(&claimed.min(room).to_be_bytes());
        }
        if pr.is_some()
            && pr != Some(InAction::ReportCapabilities)
            && self.lie == Lie::NoGeneration
            && buf.len() >= 4
        {
            buf[..4].fill(0);
        }
        done
    }
}

impl ScsiDevice for Liar {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn execute(&mut self, r: Request<'_>) -> Completion {
        match (r.cdb.opcode(), r.data) {
            (0x5e | 0x5f, _) if self.lie == Lie::NoReservations => {
                // A vendor's command it has never heard of: it refuses both alike.
                self.send(Cdb::new([0xc5; 10]), Data::None, r.deadline)
            }
            (crate::codec::pr::PERSISTENT_RESERVE_OUT, Data::Out(list)) => self.out(r.cdb, list, r.deadline),
            (WRITE_10 | WRITE_16, Data::Out(data)) => self.write(r.cdb, data, r.deadline),
            (WRITE_10 | WRITE_16, Data::None) => self.write(r.cdb, &[], r.deadline),
            (_, Data::In(buf)) => self.read(r.cdb, buf, r.deadline),
            (_, data) => self.send(r.cdb, data, r.deadline),
        }
    }

    fn reset(&mut self, scope: ResetScope, escalate: Escalate, deadline: Instant) -> Result<(), ResetError> {
        if self.lie == Lie::ForgetsAtReset {
            let unit = SimDevice::show(&self.path).unwrap().unit;
            let any = self.own_key().or_else(|| unit.reservations().keys().next());
            if let Some(key) = any {
                let out = PrOut::clear(key);
                let _ = self.send(out.basic_cdb(), Data::Out(&out.list.emit()), deadline);
            }
        }
        self.inner.reset(scope, escalate, deadline)
    }

    fn own_transport_id(&self) -> Option<Vec<u8>> {
        self.inner.own_transport_id()
    }
}

struct Run {
    checks: Vec<Check>,
    refused: Option<String>,
    path: PathBuf,
    _dir: tempfile::TempDir,
}

/// What the slow one takes for READ KEYS, and the budget that does not allow it. (Time passes for the slow one
/// alone: the others have the budget of a profile, which a busy machine keeps.)
const SLOW: Duration = Duration::from_millis(4);
const TIGHT: Duration = Duration::from_millis(3);

fn timing(lie: Lie) -> Timing {
    let fast = Timing::profile(Profile::Fast).spec();
    if lie == Lie::Slow {
        Timing::new(TimingSpec { tick_budget: TIGHT, ..fast }).unwrap()
    } else {
        Timing::new(fast).unwrap()
    }
}

const AREA: Area = Area { lba: 100, blocks: 8, block_size: 512 };
const TIMEOUT: Duration = Duration::from_secs(5);

fn disk(dir: &Path) -> PathBuf {
    let path = dir.join("disk");
    SimDevice::create(&path, &CreateOptions::default()).unwrap();
    path
}

fn medium(path: &Path) -> Vec<u8> {
    use std::os::unix::fs::FileExt;
    let mut b = vec![0; 512 * 64];
    std::fs::File::open(path).unwrap().read_exact_at(&mut b, (1 << 20) + 80 * 512).unwrap();
    b
}

/// The whole run against a target with this lie; `stop_after` checks a signal comes.
fn run_with(lie: Lie, stop_after: usize) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let path = disk(dir.path());
    let late = Arc::new(Mutex::new(None));
    let armed = Arc::new(AtomicU8::new(0));
    let open = |who: &str| Liar {
        inner: SimDevice::open(&format!("sim:{}?as={who}", path.display())).unwrap(),
        path: path.clone(),
        second: who == "b",
        lie,
        late: Arc::clone(&late),
        armed: Arc::clone(&armed),
    };
    // What stands on the disk before: it has to stand there afterwards.
    {
        use std::os::unix::fs::FileExt;
        let f = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        f.write_all_at(&[0xd5; 512 * 64], (1 << 20) + 80 * 512).unwrap();
    }
    let (mut a, mut b) = (open("a"), open("b"));
    let (mut ua, mut ub) = (Unobserved, Unobserved);
    let sides = (
        Side::new("A", Executor::new(&mut a, &mut ua), TIMEOUT),
        Side::new("B", Executor::new(&mut b, &mut ub), TIMEOUT),
    );
    let more = || Some(Box::new(open("a")) as Box<dyn ScsiDevice>);
    let mut seen = 0;
    let mut stop = || {
        seen += 1;
        seen > stop_after
    };
    let mut tell = |_: &Check| {};
    let mut bench = Bench::new(sides, timing(lie), 7, &more, &mut stop, &mut tell);
    bench.ticks = 25;
    bench.passive();
    let refused = bench.destructive(AREA).err();
    Run { checks: bench.checks().to_vec(), refused, path, _dir: dir }
}

fn of<'r>(run: &'r Run, id: &str) -> &'r Check {
    run.checks.iter().find(|c| c.id == id).unwrap_or_else(|| panic!("no check {id}: {:?}", run.refused))
}

#[test]
fn an_honest_unit_passes_and_is_left_as_it_was() {
    let run = run_with(Lie::None, usize::MAX);
    for c in &run.checks {
        let fine = match c.id {
            "power-loss" => Verdict::Untested,
            // Offered by the emulator or not: either is honest.
            "aptpl" | "capabilities" => continue,
            _ => Verdict::Pass,
        };
        assert_eq!(c.verdict, fine, "{c:?}");
    }
    assert_eq!(SimDevice::show(&run.path).unwrap().unit.reservations().keys().count(), 0);
    assert!(medium(&run.path).iter().all(|b| *b == 0xd5), "the blocks hold what they held");
}

#[test]
fn every_lie_is_caught() {
    for lie in ALL {
        let run = run_with(lie, usize::MAX);
        if matches!(lie, Lie::TwoTruths | Lie::NoReservations) && run.refused.is_some() {
            assert_eq!(of(&run, "read-keys").verdict, Verdict::Fail);
            continue;
        }
        let check = of(&run, noticed_by(lie));
        let caught = match lie {
            // These are no reason not to use it, but are said.
            Lie::NoAbort => check.verdict == Verdict::NotOffered,
            _ => check.verdict == Verdict::Fail,
        };
        assert!(caught, "{lie:?}: {check:?}");
    }
}

#[test]
fn a_signal_ends_the_checks_and_not_the_cleanup() {
    let run = run_with(Lie::None, 14);
    assert!(run.checks.iter().any(|c| c.found == "stopped by a signal"));
    assert_eq!(of(&run, "cleanup").verdict, Verdict::Pass);
    assert!(medium(&run.path).iter().all(|b| *b == 0xd5));
}

#[test]
fn cleaning_up_follows_a_failed_check() {
    for lie in
        [Lie::PreemptsNothing, Lie::WritesInSpite, Lie::AnyKey, Lie::ForgetsAtReset, Lie::AbortsNothing]
    {
        let run = run_with(lie, usize::MAX);
        assert_eq!(of(&run, "cleanup").verdict, Verdict::Pass, "{lie:?}");
        assert_eq!(SimDevice::show(&run.path).unwrap().unit.reservations().keys().count(), 0, "{lie:?}");
        assert!(medium(&run.path)[20 * 512..28 * 512].iter().all(|b| *b == 0xd5), "{lie:?}");
    }
}

#[test]
fn a_unit_in_use_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let path = disk(dir.path());
    let open = |who: &str| SimDevice::open(&format!("sim:{}?as={who}", path.display())).unwrap();
    let (mut a, mut b, mut c) = (open("a"), open("b"), open("c"));
    let out = PrOut::register(Key::default(), Key::from_u64(0x77), Aptpl::No);
    let deadline = Instant::from_nanos(u64::MAX);
    c.execute(Request { cdb: out.basic_cdb(), data: Data::Out(&out.list.emit()), deadline });
    let (mut ua, mut ub) = (Unobserved, Unobserved);
    let sides = (
        Side::new("A", Executor::new(&mut a, &mut ua), TIMEOUT),
        Side::new("B", Executor::new(&mut b, &mut ub), TIMEOUT),
    );
    let more = || None;
    let (mut stop, mut tell) = (|| false, |_: &Check| {});
    let mut bench = Bench::new(sides, Timing::profile(Profile::Fast), 7, &more, &mut stop, &mut tell);
    let why = bench.destructive(AREA).unwrap_err();
    assert!(why.contains("1 registration(s)") && why.contains("77"), "{why}");
    assert!(bench.checks().is_empty());
    let r = SimDevice::show(&path).unwrap().unit;
    assert_eq!(r.reservations().keys().collect::<Vec<_>>(), [Key::from_u64(0x77)]);
}

#[test]
fn every_check_says_why_and_what_to_do() {
    let run = run_with(Lie::None, usize::MAX);
    for c in &run.checks {
        assert!(about(c.id).is_some(), "{}", c.id);
    }
    assert_eq!(run.checks.len(), ABOUT.len(), "a check that is described and never made");
}
