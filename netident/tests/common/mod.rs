//! A small network of the test's own: a router and three hosts on a bridge, each in a namespace.
//!
//! Everything has the test's process id in its name and is removed when dropped, also after a panic. Needs root and
//! iproute2; without them a test says so, and under CI that is a failure.

#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where its bed breaks")]

pub(crate) mod named;
pub(crate) mod wire;

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The network.
pub(crate) struct Net {
    name: String,
}

/// Who lives there; each has 192.0.2.N/24 and 2001:db8::N/64 on `eth0`.
pub(crate) const ROUTER: &str = "r";
pub(crate) const CLIENT: &str = "c";
pub(crate) const A: &str = "a";
pub(crate) const B: &str = "b";

/// Links beyond the first, and their subnets without the last part.
pub(crate) const MORE: [(&str, &str); 3] =
    [("eth1", "198.51.100"), ("eth2", "203.0.113"), ("eth3", "198.18.0")];

/// A port of the bridge.
#[derive(Clone, Copy)]
pub(crate) enum Port {
    Drops,
    Forwards,
}

/// A port of the bridge, and a program that waits to change it: starting one takes its time.
pub(crate) struct Switch {
    router: String,
    port: String,
    bridge: Child,
}

impl Switch {
    /// Returns once it is so.
    pub(crate) fn set(&mut self, state: Port) {
        let (number, word) = match state {
            Port::Drops => ("0", "state disabled"),
            Port::Forwards => ("3", "state forwarding"),
        };
        writeln!(self.bridge.stdin.as_mut().unwrap(), "link set dev {} state {number}", self.port).unwrap();
        while !Command::new("bridge")
            .args(["-n", &self.router, "link", "show", "dev", &self.port])
            .output()
            .is_ok_and(|o| String::from_utf8_lossy(&o.stdout).contains(word))
        {}
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        drop(self.bridge.stdin.take());
        let _ = self.bridge.wait();
    }
}

impl Net {
    /// Builds it; `None`, said loudly, where that is not permitted.
    pub(crate) fn build() -> Option<Self> {
        let name = format!("nid{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let net = Self { name };
        let may = Command::new("ip").args(["netns", "add", &net.host(ROUTER)]).output();
        if !may.is_ok_and(|o| o.status.success()) {
            assert!(std::env::var_os("CI").is_none(), "network namespaces are needed in CI");
            eprintln!("NOT TESTED: no network namespaces here (root and iproute2 are needed)");
            return None;
        }
        for host in [CLIENT, A, B] {
            ip(&["netns", "add", &net.host(host)]);
        }
        net.ip(ROUTER, "link add eth0 type bridge");
        net.ip(ROUTER, "link set eth0 up");
        for (n, host) in [(1, ROUTER), (2, CLIENT), (3, A), (4, B)] {
            if host != ROUTER {
                net.ip(
                    ROUTER,
                    &format!("link add p{host} type veth peer name eth0 netns {}", net.host(host)),
                );
                net.ip(ROUTER, &format!("link set p{host} master eth0 up"));
                net.ip(host, "link set eth0 up");
            }
            net.ip(host, "link set lo up");
            net.ip(host, &format!("addr add 192.0.2.{n}/24 dev eth0"));
            net.ip(host, &format!("addr add 2001:db8::{n}/64 dev eth0 nodad"));
            if host != ROUTER {
                net.ip(host, "route add default via 192.0.2.1");
                net.ip(host, "-6 route add default via 2001:db8::1");
            }
        }
        Some(net)
    }

    /// Where netident records what it changes in this network.
    pub(crate) fn runtime_dir(&self) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("{}-run", self.name))
    }

    pub(crate) fn host(&self, host: &str) -> String {
        format!("{}{host}", self.name)
    }

    /// `ip` in a host; its output.
    pub(crate) fn ip(&self, host: &str, arguments: &str) -> String {
        let host = self.host(host);
        let mut all = vec!["-n", &host];
        all.extend(arguments.split_whitespace());
        ip(&all)
    }

    /// A shell's script in a host, which must succeed.
    pub(crate) fn sh(&self, host: &str, script: &str) {
        let inside = ["netns", "exec", &self.host(host), "sh", "-ec", script].map(str::to_owned);
        let done = Command::new("ip").args(inside).output().unwrap();
        assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Runs netident in a host: exit code, and what it printed on both streams.
    pub(crate) fn netident(&self, host: &str, arguments: &str) -> (i32, String) {
        let done = Command::new("ip")
            .args(["netns", "exec", &self.host(host), env!("CARGO_BIN_EXE_netident")])
            .args(arguments.split_whitespace())
            .env("NETIDENT_RUNTIME_DIR", self.runtime_dir())
            .output()
            .unwrap();
        let text = [done.stdout, done.stderr].concat();
        (done.status.code().unwrap_or(-1), String::from_utf8(text).unwrap())
    }

    /// The same with `--json`; the object.
    pub(crate) fn json(&self, host: &str, arguments: &str) -> (i32, serde_json::Value) {
        let (code, text) = self.netident(host, &format!("--json {arguments}"));
        (code, serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}")))
    }

    /// The MAC of a host's link.
    pub(crate) fn mac(&self, host: &str) -> String {
        let all = self.ip(host, "-o link show eth0");
        all.split_whitespace().skip_while(|w| *w != "link/ether").nth(1).unwrap().to_owned()
    }

    /// What a host's neighbour cache says of `ip`: "MAC STATE", or nothing.
    pub(crate) fn neighbour(&self, host: &str, ip: &str) -> String {
        self.ip(host, &format!("neigh show {ip} dev eth0"))
    }

    /// Changes what the bridge does with the frames of a host's port.
    pub(crate) fn switch(&self, host: &str) -> Switch {
        let router = self.host(ROUTER);
        let mut command = Command::new("bridge");
        command.args(["-n", &router, "-batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::null());
        Switch { port: format!("p{host}"), router, bridge: command.spawn().unwrap() }
    }

    /// Three more links between a host and the router, each its own subnet: `eth1` to `eth3`, [`MORE`].
    pub(crate) fn more_links(&self, host: &str) {
        for (i, (link, subnet)) in MORE.iter().enumerate() {
            self.ip(
                ROUTER,
                &format!("link add p{link} type veth peer name {link} netns {}", self.host(host)),
            );
            self.ip(ROUTER, &format!("link set p{link} up"));
            self.ip(ROUTER, &format!("addr add {subnet}.1/24 dev p{link}"));
            self.ip(host, &format!("link set {link} up"));
            self.ip(host, &format!("addr add {subnet}.4/24 dev {link}"));
            self.ip(host, &format!("route add 10.{i}.0.0/16 via {subnet}.1"));
        }
    }

    /// Whether an address stands on a host.
    pub(crate) fn stands(&self, host: &str, ip: &str) -> bool {
        self.ip(host, "-o addr show eth0").contains(&format!(" {ip}/"))
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for host in [CLIENT, A, B, ROUTER] {
            let _ = Command::new("ip").args(["netns", "del", &self.host(host)]).output();
        }
        let _ = std::fs::remove_dir_all(self.runtime_dir());
    }
}

fn ip(arguments: &[&str]) -> String {
    let done: Output = Command::new("ip").args(arguments).output().unwrap();
    assert!(done.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}
