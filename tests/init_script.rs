//! The LSB init script, as init runs it, on an embedded disk: actions and their status codes.

#![allow(clippy::unwrap_used, reason = "in a test a panic is a failure")]

use std::path::{Path, PathBuf};
use std::process::Command;

struct Init {
    dir: tempfile::TempDir,
    arbitrate: PathBuf,
}

impl Init {
    fn new() -> Self {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--locked", "--package", "arbitrate"])
            .args((!cfg!(debug_assertions)).then_some("--release"))
            .status();
        assert!(built.unwrap().success());
        let arbitrate = Path::new(env!("CARGO_BIN_EXE_palisade")).with_file_name("arbitrate");
        let s = Self { dir: tempfile::tempdir().unwrap(), arbitrate };
        let disk = s.path("disk");
        assert!(Command::new(&s.arbitrate).args(["sim", "create"]).arg(&disk).status().unwrap().success());
        s
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn configure(&self) {
        let config = format!(
            "DEVICE='sim:{}?as=a'\nCLUSTER=test\nNODE=1\nOPTIONS='--profile lab --state-dir {} --runtime-dir {}'\n",
            self.path("disk").display(),
            self.path("state").display(),
            self.path("run").display()
        );
        std::fs::write(self.path("config"), config).unwrap();
    }

    fn action(&self, what: &str) -> (Option<i32>, String) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/init/arbitrate-defend");
        // Output to a file: the daemon it starts keeps its own, but never a pipe of ours.
        let log = self.path("action");
        let out = std::fs::File::create(&log).unwrap();
        let status = Command::new("/bin/sh")
            .arg(script)
            .arg(what)
            .env("PALISADE_INIT_CONFIG", self.path("config"))
            .env("PALISADE_INIT_DAEMON", &self.arbitrate)
            .env("PALISADE_INIT_PIDFILE", self.path("pid"))
            .env("PALISADE_INIT_LOG", self.path("log"))
            .stdin(std::process::Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .status()
            .unwrap();
        (status.code(), std::fs::read_to_string(log).unwrap())
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        let _ = self.action("stop");
    }
}

#[test]
fn lsb_codes_from_stopped_to_running_and_back() {
    let i = Init::new();
    assert_eq!(i.action("status").0, Some(3), "stopped");
    let (code, said) = i.action("start");
    assert_eq!(code, Some(6), "not configured: {said}");
    assert!(said.contains("DEVICE, CLUSTER and NODE"), "{said}");
    i.configure();

    let (code, said) = i.action("start");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(i.action("status").0, Some(0), "running");
    assert_eq!(i.action("start").0, Some(0), "starting what runs is success");

    let (code, said) = i.action("stop");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(i.action("status").0, Some(3));
    assert_eq!(i.action("stop").0, Some(0), "stopping what is stopped is success");
    assert_eq!(i.action("sing").0, Some(2), "no such action");
}

#[test]
fn a_dead_owner_is_reported_and_a_foreign_pid_is_not_ours() {
    let i = Init::new();
    i.configure();
    std::fs::write(i.path("pid"), format!("{}\n", std::process::id())).unwrap();
    assert_eq!(i.action("status").0, Some(1), "dead, pid file left: that pid is another program");
    assert_eq!(i.action("stop").0, Some(0));
}

#[test]
fn a_disk_that_is_not_won_is_a_failed_start() {
    let i = Init::new();
    i.configure();
    let disk = format!("sim:{}?as=b", i.path("disk").display());
    let register = Command::new(&i.arbitrate).args(["register", &disk, "--key", "abc"]).status();
    assert!(register.unwrap().success());
    let (code, said) = i.action("start");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("not owned"), "{said}");
    assert_eq!(i.action("status").0, Some(3));
}
