//! The device in its file: what processes that share it can rely on.

mod crash;
mod delayed;
mod faults;
mod sharing;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::clock::now;
use crate::codec::pr::{
    Aptpl, KeysView, OutAction, PrOut, ReadReservation, read_keys_cdb, read_reservation_cdb,
};
use crate::codec::{Cdb, Status};
use crate::device::classify::{Class, classify};
use crate::device::{Completion, Data, Delivery, Request, ScsiDevice};
use crate::key::Key;

const NONE: Key = Key::from_u64(0);
const TEST_UNIT_READY: Cdb = Cdb::new([0; 6]);
/// Long enough for any machine; no test waits for it.
const AMPLE: Duration = Duration::from_secs(60);

/// A directory with one disk in it.
struct Disk {
    _dir: TempDir,
    path: PathBuf,
}

impl Disk {
    fn new() -> Self {
        Self::with(&CreateOptions::default())
    }

    fn with(options: &CreateOptions) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("disk.img");
        SimDevice::create(&path, options).unwrap();
        Self { _dir: dir, path }
    }

    fn open(&self, name: &str) -> SimDevice {
        open(&self.path, name).unwrap()
    }

    fn shown(&self) -> Snapshot {
        SimDevice::show(&self.path).unwrap()
    }
}

fn open(path: &Path, options: &str) -> Result<SimDevice, SimError> {
    SimDevice::open(&format!("sim:{}?as={options}", path.display()))
}

fn send(d: &mut SimDevice, cdb: Cdb, data: Data<'_>) -> Completion {
    d.execute(Request { cdb, data, deadline: now() + AMPLE })
}

fn pr_out(d: &mut SimDevice, c: &PrOut) -> Class {
    classify(&send(d, c.basic_cdb(), Data::Out(&c.list.emit())))
}

fn register(d: &mut SimDevice, key: Key) -> Class {
    let action = OutAction::RegisterAndIgnoreExistingKey;
    pr_out(d, &PrOut { action, ..PrOut::register(NONE, key, Aptpl::No) })
}

fn keys(d: &mut SimDevice) -> (u32, Vec<Key>) {
    let mut b = [0; 4096];
    let c = send(d, read_keys_cdb(4096), Data::In(&mut b));
    assert_eq!(c.delivery, Delivery::Answered(Status::GOOD));
    let view = KeysView::parse(&b[..4096 - usize::try_from(c.residual).unwrap()]).unwrap();
    (view.generation().0, view.iter().collect())
}

fn holder(d: &mut SimDevice) -> ReadReservation {
    let mut b = [0; 24];
    let c = send(d, read_reservation_cdb(), Data::In(&mut b));
    ReadReservation::parse(&b[..24 - usize::try_from(c.residual).unwrap()]).unwrap()
}

/// Another process: this test executable again, in one of its helper tests.
struct Helper {
    child: Child,
    out: ChildStdout,
}

impl Helper {
    /// Runs helper test `name` of module `module` on `path`, with one argument.
    fn start(name: &str, path: &Path, argument: &str) -> Self {
        Self::start_in("", name, path, argument)
    }

    /// The same in a module below.
    fn start_in(module: &str, name: &str, path: &Path, argument: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("{}::{module}{name}", module_path!().split_once("::").unwrap().1)])
            .args(["--ignored", "--nocapture", "--test-threads=1"])
            .env("SIM_HELPER_PATH", path)
            .env("SIM_HELPER_ARGUMENT", argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = child.stdout.take().unwrap();
        // The test harness greets first; the helper's own words begin after the mark.
        let mut byte = [0; 1];
        while byte != [MARK] {
            out.read_exact(&mut byte).unwrap();
        }
        Self { child, out }
    }

    /// The next number the helper tells; none when it is dead.
    fn hear(&mut self) -> Option<u32> {
        let mut b = [0; 4];
        self.out.read_exact(&mut b).ok().map(|()| u32::from_be_bytes(b))
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const MARK: u8 = 1;

/// In a helper: its path and argument; none if somebody runs all ignored tests.
fn helping() -> Option<(PathBuf, String)> {
    let path = std::env::var_os("SIM_HELPER_PATH")?;
    let argument = std::env::var("SIM_HELPER_ARGUMENT").unwrap();
    std::io::stdout().write_all(&[MARK]).unwrap();
    std::io::stdout().flush().unwrap();
    Some((path.into(), argument))
}

fn tell(n: u32) {
    let mut out = std::io::stdout().lock();
    out.write_all(&n.to_be_bytes()).unwrap();
    out.flush().unwrap();
}

/// Helper: registers ever new keys under the name given as argument, telling PRGENERATION after each.
#[test]
#[ignore = "a helper of other tests"]
fn hammer() {
    let Some((path, name)) = helping() else { return };
    let (name, rounds) = name.split_once('*').unwrap();
    let mut d = open(&path, name).unwrap();
    for n in 0..rounds.parse::<u64>().unwrap() {
        assert_eq!(register(&mut d, Key::from_u64(n + 1)), Class::Good);
        tell(keys(&mut d).0);
    }
}

/// Helper: locks the file and keeps it locked until it is killed.
#[test]
#[ignore = "a helper of other tests"]
fn sit_on_the_lock() {
    let Some((path, _)) = helping() else { return };
    let file = std::fs::File::open(path).unwrap();
    let _held = nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusive).unwrap();
    tell(0);
    let _ = std::io::stdin().read(&mut [0]);
}
