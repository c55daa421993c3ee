//! `netident watch` as a test's subject: run in a host, its events read as they come; and what a peer hears on the wire.

#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where its bed breaks")]

use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use netident::campaign::Received;
use netident::frame::arp::Arp;
use netident::frame::ndp::Ndp;
use netident::system::filter::{Instruction, concerning};
use netident::system::packet::{PacketSocket, room};
use netident::watch::claimed_by;
use serde_json::Value;

use crate::common::Net;

/// Far longer than anything waited for takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A watch that runs.
pub(crate) struct Watching {
    child: Child,
    events: Receiver<Value>,
    seen: Vec<Value>,
}

impl Watching {
    /// Starts it in `host`, and waits until it watches.
    pub(crate) fn start(net: &Net, host: &str, arguments: &str) -> Self {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &net.host(host), env!("CARGO_BIN_EXE_netident"), "--json", "watch"])
            .args(arguments.split_whitespace())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, events) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        let mut all = Self { child, events, seen: vec![] };
        all.wait(|e| e["event"] == "watching");
        all
    }

    pub(crate) fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// The next event of this kind; others before it are passed over.
    pub(crate) fn wait(&mut self, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(event) = self.events.recv_timeout(left) else {
                panic!("it never came; only {:#?}", self.seen)
            };
            self.seen.push(event.clone());
            if wanted(&event) {
                return event;
            }
        }
    }

    pub(crate) fn event(&mut self, name: &str) -> Value {
        self.wait(|e| e["event"] == name)
    }

    /// How many events of this kind came so far.
    pub(crate) fn count(&mut self, name: &str) -> usize {
        self.seen.extend(self.events.try_iter());
        self.seen.iter().filter(|e| e["event"] == name).count()
    }

    /// Tells it to stop; its exit code and its last word.
    pub(crate) fn stop(mut self) -> (Option<i32>, Value) {
        nix::sys::signal::kill(self.pid(), nix::sys::signal::Signal::SIGTERM).unwrap();
        let last = self.event("stopped");
        (self.child.wait().unwrap().code(), last)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a host hears from now on.
pub(crate) struct Ears {
    frames: Receiver<Received>,
}

impl Ears {
    pub(crate) fn open(net: &Net, host: &str) -> Self {
        Self::narrow(net, host, None)
    }

    /// Only what concerns these addresses, by the kernel's filter.
    pub(crate) fn concerning(net: &Net, host: &str, addresses: &[&str]) -> Self {
        let all: Vec<IpAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
        Self::narrow(net, host, concerning(&all))
    }

    fn narrow(net: &Net, host: &str, filter: Option<Vec<Instruction>>) -> Self {
        let (sender, frames) = channel();
        let (ready, is_ready) = channel();
        let namespace = format!("/run/netns/{}", net.host(host));
        // A thread of its own: it stays in the other namespace until the test's process ends.
        std::thread::spawn(move || {
            let file = std::fs::File::open(namespace).unwrap();
            nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            let socket = PacketSocket::open().unwrap();
            if let Some(program) = filter {
                socket.narrow(&program).unwrap();
            }
            socket.listen().unwrap();
            ready.send(()).unwrap();
            let mut buf = room();
            loop {
                socket.wait(Duration::from_secs(1)).unwrap();
                while let Ok(Some((_, len))) = socket.receive(&mut buf) {
                    let frame = match (Arp::parse(&buf[..len]), Ndp::parse(&buf[..len])) {
                        (Ok(a), _) => Received::Arp(a),
                        (_, Ok(n)) => Received::Ndp(n),
                        _ => continue,
                    };
                    if sender.send(frame).is_err() {
                        return;
                    }
                }
            }
        });
        is_ready.recv().unwrap();
        Self { frames }
    }

    /// Waits until `mac` says that it has `ip`; what was heard before.
    pub(crate) fn hear(&self, ip: &str, mac: &str) -> Vec<Received> {
        let ip: IpAddr = ip.parse().unwrap();
        let deadline = Instant::now() + PATIENCE;
        let mut before = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let frame = self.frames.recv_timeout(left).unwrap_or_else(|_| panic!("{mac} never claimed {ip}"));
            if claimed_by(frame, ip).is_some_and(|m| m.to_string() == mac) {
                return before;
            }
            before.push(frame);
        }
    }

    /// What waits now is forgotten.
    pub(crate) fn forget(&self) {
        self.frames.try_iter().for_each(drop);
    }
}
