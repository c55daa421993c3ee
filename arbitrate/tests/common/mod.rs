//! A stage for the command line: an embedded disk, two nodes with folders of their own, processes that
//! end with the test.

#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

/// How long anything may take that is awaited: far more than it needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Short, with room for a machine that is busy building: a lease of 1 s, a second to stop.
const PROFILE: &str = "tick_ms = 300\ntick_budget_ms = 300\nmargin_ms = 1000\nwindow_ms = 2000\n";
/// Its window.
pub(crate) const WINDOW_MS: u64 = 2000;
/// Its lease.
pub(crate) const LEASE_MS: u64 = 1000;

/// The program under test.
pub(crate) fn arbitrate() -> Command {
    let built = env!("CARGO_BIN_EXE_arbitrate");
    // The lab runs these tests in its guest, where the program lies elsewhere.
    Command::new(std::env::var("PALISADE_ARBITRATE").unwrap_or_else(|_| built.to_owned()))
}

/// An embedded disk and the folders of its nodes.
pub(crate) struct Stage {
    dir: tempfile::TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl End {
    pub(crate) fn of(o: Output) -> Self {
        let text = |b: Vec<u8>| String::from_utf8(b).unwrap();
        Self { code: code(o.status), out: text(o.stdout), err: text(o.stderr) }
    }

    /// The last line of JSON on stdout.
    pub(crate) fn json(&self) -> Value {
        let line = self.out.lines().last().unwrap_or_else(|| panic!("no output: {self:?}"));
        serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub(crate) fn must(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }
}

fn code(s: ExitStatus) -> i32 {
    s.code().unwrap_or_else(|| panic!("ended by a signal: {s}"))
}

impl Stage {
    pub(crate) fn new() -> Self {
        let s = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::write(s.profile(), PROFILE).unwrap();
        s.run(&["sim", "create", &s.path()]).must(0);
        s
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self) -> String {
        self.dir.path().join("disk").display().to_string()
    }

    /// The disk as seen by the initiator port `name`.
    pub(crate) fn disk(&self, name: &str) -> String {
        format!("sim:{}?as={name}", self.path())
    }

    /// The timing of these tests.
    pub(crate) fn profile(&self) -> PathBuf {
        self.dir.path().join("profile.toml")
    }

    pub(crate) fn run(&self, args: &[&str]) -> End {
        End::of(arbitrate().args(args).stdin(Stdio::null()).output().unwrap())
    }

    /// A verb on the disk, as JSON.
    pub(crate) fn verb(&self, verb: &str, name: &str, args: &[&str]) -> End {
        let disk = self.disk(name);
        let words: Vec<&str> =
            verb.split(' ').chain([disk.as_str(), "--json"]).chain(args.iter().copied()).collect();
        self.run(&words)
    }

    /// `challenge` or `defend` of node `number`, whose port is `nNUMBER`.
    pub(crate) fn node(&self, verb: &str, number: u8, args: &[&str]) -> Command {
        self.node_on(verb, number, &format!("n{number}"), &format!("host{number}"), args)
    }

    /// The same with the port and the host (its folders) named.
    pub(crate) fn node_on(&self, verb: &str, number: u8, port: &str, host: &str, args: &[&str]) -> Command {
        let mut c = arbitrate();
        c.args([verb, &self.disk(port), "--json", "--cluster", "test", "--profile"])
            .arg(self.profile())
            .args(["--node", &number.to_string()])
            .args(args)
            .env("PALISADE_STATE_DIR", self.dir.path().join(host).join("state"))
            .env("PALISADE_RUNTIME_DIR", self.dir.path().join(host).join("run"))
            .stdin(Stdio::null());
        c
    }

    pub(crate) fn challenge(&self, number: u8, args: &[&str]) -> End {
        End::of(self.node("challenge", number, args).output().unwrap())
    }

    /// A defender whose first lease is confirmed.
    pub(crate) fn defend(&self, number: u8, args: &[&str]) -> Running {
        let mut r = Running::start(self.node("defend", number, args));
        r.await_event("confirmed");
        r
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        let v = self.verb("keys", "observer", &[]).must(0).json();
        v["keys"].as_array().unwrap().iter().map(|k| k.as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn holder(&self) -> Option<String> {
        self.verb("reservation", "observer", &[]).must(0).json()["holder"].as_str().map(str::to_owned)
    }

    /// A write of one block through the port `name`; whether the disk accepted it.
    pub(crate) fn write_accepted(&self, name: &str) -> bool {
        let block = "5a".repeat(512);
        let end = self.verb("raw", name, &["--cdb", "2a000000000000000100", "--out", &block, "--yes"]);
        match end.code {
            0 => true,
            24 => false,
            // A unit attention came instead: the command was not executed.
            26 => self.write_accepted(name),
            _ => panic!("{end:?}"),
        }
    }
}

/// A process that prints JSON lines; killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    pub(crate) fn start(mut c: Command) -> Self {
        let mut child = c.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let out = child.stdout.take().unwrap();
        let (tx, lines) = channel();
        std::thread::spawn(move || {
            for l in BufReader::new(out).lines() {
                let Ok(l) = l else { break };
                if tx.send(l).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits for the next event of that name.
    pub(crate) fn await_event(&mut self, event: &str) -> Value {
        loop {
            let line = self
                .lines
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|e| panic!("no event '{event}': {e}; {:#?}", self.seen));
            self.seen.push(line.clone());
            let v: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
            if v["event"] == event {
                return v;
            }
        }
    }

    pub(crate) fn signal(&self, s: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, s).unwrap();
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the end; the exit code and the last line.
    pub(crate) fn end(mut self) -> (i32, Value) {
        let mut last = Value::Null;
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            last = serde_json::from_str(&line).unwrap_or(Value::Null);
        }
        (code(self.child.wait().unwrap()), last)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The key of cluster "test": node, challenging, life.
pub(crate) fn key(node: u8, challenging: bool, life: u32) -> String {
    use arbitrate::key::{ClusterId, Incarnation, KeyParts, NodeNumber, Stance};
    KeyParts {
        cluster: ClusterId::of_name("test"),
        node: NodeNumber::new(u32::from(node)).unwrap(),
        stance: if challenging { Stance::Challenging } else { Stance::Settled },
        incarnation: Incarnation::new(life).unwrap(),
    }
    .key()
    .to_string()
}

/// A file that appears: the event that a command ran.
pub(crate) fn await_file(path: &PathBuf) -> String {
    let patience = std::time::Instant::now() + PATIENCE;
    loop {
        match std::fs::read_to_string(path) {
            Ok(s) if s.ends_with('\n') => return s,
            _ if std::time::Instant::now() > patience => panic!("{} never came", path.display()),
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}
