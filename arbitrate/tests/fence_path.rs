//! From the decision to the receipt nothing is allocated, opened or spawned (design section 10).
//!
//! The fence runs in a child process: every allocation of every thread is counted, and a seccomp filter
//! kills the process at the first system call that opens, maps, spawns or connects. Further children
//! break the rule on purpose and must be caught.

#![allow(unsafe_code, reason = "a counting allocator is an unsafe trait; seccomp has no safe wrapper")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::exit, reason = "in a test a panic is a failure")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arbitrate::codec::pr::{
    Abort, FullStatus, Generation, PERSISTENT_RESERVE_OUT, RegisteredPort, Registration, ReservationType,
};
use arbitrate::codec::{Sense, SenseKey, Status};
use arbitrate::device::sim::InitiatorName;
use arbitrate::device::{
    Completion, Data, Delivery, Escalate, Request, ResetError, ResetScope, ScsiDevice, SenseBytes,
};
use arbitrate::key::{ClusterId, Incarnation, Key, KeyParts, NodeNumber, Stance};
use arbitrate::protocol::fence::{
    Drain, FenceEnd, FenceOrder, Holders, How, Protection, SilentPaths, Victim, Way,
};
use arbitrate::runtime::fence::{FenceCrew, Member};
use arbitrate::time::Instant;

static ARMED: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: every call is handed to the system allocator unchanged; counting touches two atomics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, l: Layout) -> *mut u8 {
        if ARMED.load(Ordering::SeqCst) {
            ALLOCATIONS.fetch_add(1, Ordering::SeqCst);
        }
        // SAFETY: the caller keeps alloc's contract, which is System's.
        unsafe { System.alloc(l) }
    }
    unsafe fn dealloc(&self, p: *mut u8, l: Layout) {
        // SAFETY: `p` came from `System.alloc` with this layout.
        unsafe { System.dealloc(p, l) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What the child does beside fencing.
const MODE: &str = "FENCE_PATH_CHILD";
/// How many devices it fences on.
const DEVICES: usize = 16;
const CLEAN: i32 = 0;
const ALLOCATED: i32 = 21;
const NOT_FENCED: i32 = 22;

fn node(n: u32) -> NodeNumber {
    NodeNumber::new(n).unwrap()
}

fn key(n: u32, life: u32) -> Key {
    let incarnation = Incarnation::new(life).unwrap();
    KeyParts { cluster: ClusterId::of_name("t"), node: node(n), stance: Stance::Settled, incarnation }.key()
}

/// Canned answers, made beforehand so that the device allocates nothing either: two lives of node 2,
/// one of which holds; a unit attention before every second command.
struct Canned {
    looks: [Vec<u8>; 3],
    preempts: usize,
    sent: usize,
}

impl Canned {
    fn new(preempts: usize) -> Self {
        let name: InitiatorName = "x".parse().unwrap();
        let look = |keys: &[Key], holder: Key| {
            let registrations = keys
                .iter()
                .map(|k| Registration {
                    key: *k,
                    holds: (*k == holder).then_some(ReservationType::WriteExclusiveRegistrantsOnly),
                    port: RegisteredPort::One(1),
                    transport_id: name.transport_id(),
                })
                .collect();
            FullStatus { generation: Generation(3), registrations }.emit()
        };
        let (me, b1, b2) = (key(1, 1), key(2, 1), key(2, 2));
        let looks = [look(&[me, b1, b2], b1), look(&[me, b2], me), look(&[me], me)];
        Self { looks, preempts, sent: 0 }
    }
}

impl ScsiDevice for Canned {
    fn name(&self) -> &str {
        "canned"
    }

    fn execute(&mut self, r: Request<'_>) -> Completion {
        let took = Duration::from_micros(20);
        self.sent += 1;
        if self.sent % 2 == 1 {
            let sense = Sense::new(SenseKey::UNIT_ATTENTION, 0x2a, 0x05).emit_fixed();
            let delivery = Delivery::Answered(Status::CHECK_CONDITION);
            return Completion { delivery, sense: SenseBytes::new(&sense), residual: 0, took };
        }
        if r.cdb.opcode() == PERSISTENT_RESERVE_OUT {
            self.preempts += 1;
            return Completion::answered(Status::GOOD, 0, took);
        }
        let Data::In(buf) = r.data else { return Completion::unanswered(Delivery::DeviceLost, took) };
        let answer = &self.looks[self.preempts.min(2)];
        buf[..answer.len()].copy_from_slice(answer);
        let residual = u32::try_from(buf.len() - answer.len()).unwrap_or(0);
        Completion::answered(Status::GOOD, residual, took)
    }

    fn reset(&mut self, _: ResetScope, _: Escalate, _: Instant) -> Result<(), ResetError> {
        Ok(())
    }

    fn own_transport_id(&self) -> Option<Vec<u8>> {
        None
    }
}

/// System calls that open, map, spawn or connect.
fn forbidden() -> Vec<libc::c_long> {
    let mut all = vec![
        libc::SYS_openat,
        libc::SYS_openat2,
        libc::SYS_clone,
        libc::SYS_clone3,
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_mmap,
        libc::SYS_mremap,
        libc::SYS_brk,
        libc::SYS_socket,
        libc::SYS_memfd_create,
    ];
    #[cfg(target_arch = "x86_64")]
    all.extend([libc::SYS_open, libc::SYS_creat, libc::SYS_fork, libc::SYS_vfork]);
    all
}

/// Kills this process, all its threads, at the first forbidden system call from now on.
fn forbid() {
    let jump = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt,
        jf,
        k,
    };
    let calls = forbidden();
    let mut program = vec![jump(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0)];
    for (i, nr) in calls.iter().enumerate() {
        let to_kill = u8::try_from(calls.len() - i).unwrap();
        program.push(jump(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            u32::try_from(*nr).unwrap(),
            to_kill,
            0,
        ));
    }
    program.push(jump(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0));
    program.push(jump(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_KILL_PROCESS, 0, 0));
    let mut fprog =
        libc::sock_fprog { len: u16::try_from(program.len()).unwrap(), filter: program.as_mut_ptr() };
    // SAFETY: a plain prctl with integer arguments.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: `fprog` and the program it points to live for the whole call; the kernel copies both.
    let end = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw mut fprog,
        )
    };
    assert_eq!(end, 0, "no seccomp here: {}", std::io::Error::last_os_error());
}

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn child() {
    let mode = std::env::var(MODE).unwrap();
    let members = (0..DEVICES)
        .map(|_| Member {
            // The second path shows what it is after the fence.
            paths: vec![Box::new(Canned::new(0)), Box::new(Canned::new(2))],
            own: Some(key(1, 1)),
            way: Way::FullStatus,
        })
        .collect();
    let mut crew = FenceCrew::prepare(members, || {}).unwrap();
    let cluster = ClusterId::of_name("t");
    let order = FenceOrder {
        cluster,
        victim: Victim::Node(cluster, node(2)),
        protection: Protection::Required(None),
        abort: Abort::Yes,
        drain: if mode == "drained" { Drain::Reset } else { Drain::AbortOnly },
        holders: Holders::Cluster,
        silent_paths: SilentPaths::NotProven,
        command_timeout: Duration::from_secs(60),
        budget: Duration::from_secs(60),
    };
    forbid();
    ARMED.store(true, Ordering::SeqCst);
    let reports = crew.fence(&order);
    match mode.as_str() {
        "allocates" => drop(std::hint::black_box(Box::new(1u8))),
        "opens" => drop(std::fs::File::open("/dev/null")),
        "spawns" => drop(std::thread::Builder::new().spawn(|| {})),
        _ => {}
    }
    ARMED.store(false, Ordering::SeqCst);
    let fenced = reports.iter().all(|r| {
        r.end == FenceEnd::Confirmed(How::Done) && r.removed.len() == 2 && r.log.len() >= 5 && r.unlogged == 0
    });
    let code = match (ALLOCATIONS.load(Ordering::SeqCst), fenced) {
        (0, true) => CLEAN,
        (0, false) => NOT_FENCED,
        _ => ALLOCATED,
    };
    // SAFETY: ends the process at once; nothing here is left to be cleaned up.
    unsafe { libc::_exit(code) }
}

fn run(mode: &str) -> ExitStatus {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(MODE, mode)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap()
}

#[test]
fn a_fence_of_many_devices_allocates_opens_and_spawns_nothing() {
    assert_eq!(run("clean").code(), Some(CLEAN));
    assert_eq!(run("drained").code(), Some(CLEAN));
}

#[test]
fn whoever_breaks_the_rule_is_caught() {
    assert_eq!(run("allocates").code(), Some(ALLOCATED));
    assert_eq!(run("opens").signal(), Some(libc::SIGSYS));
    assert_eq!(run("spawns").signal(), Some(libc::SIGSYS));
}
