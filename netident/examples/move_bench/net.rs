//! The bench's network: a router with a bridge, a client, the old owner A, the new owner B with four links.

use std::process::Command;

pub(crate) const ROUTER: &str = "r";
pub(crate) const CLIENT: &str = "c";
pub(crate) const A: &str = "a";
pub(crate) const B: &str = "b";

/// B's links beyond the first, and the router's leg on each.
const MORE: [(&str, &str); 3] = [("eth1", "198.51.100"), ("eth2", "203.0.113"), ("eth3", "198.18.0")];

pub(crate) struct Net {
    name: String,
}

impl Net {
    pub(crate) fn build() -> Self {
        let net = Self { name: format!("nib{}-", std::process::id()) };
        for host in [ROUTER, CLIENT, A, B] {
            run("ip", &["netns", "add", &net.host(host)]);
            net.ip(host, "link set lo up");
        }
        net.ip(ROUTER, "link add eth0 type bridge");
        net.ip(ROUTER, "link set eth0 up");
        net.legs(ROUTER, 1);
        for (n, host) in [(2, CLIENT), (3, A), (4, B)] {
            net.ip(ROUTER, &format!("link add p{host} type veth peer name eth0 netns {}", net.host(host)));
            net.ip(ROUTER, &format!("link set p{host} master eth0 up"));
            net.legs(host, n);
            net.ip(host, "route add default via 192.0.2.1");
            net.ip(host, "-6 route add default via 2001:db8::1");
        }
        for (i, (link, subnet)) in MORE.iter().enumerate() {
            net.ip(ROUTER, &format!("link add p{link} type veth peer name {link} netns {}", net.host(B)));
            net.ip(ROUTER, &format!("link set p{link} up"));
            net.ip(ROUTER, &format!("addr add {subnet}.1/24 dev p{link}"));
            net.ip(B, &format!("link set {link} up"));
            net.ip(B, &format!("addr add {subnet}.4/24 dev {link}"));
            net.ip(B, &format!("route add 10.{i}.0.0/16 via {subnet}.1"));
        }
        net
    }

    fn legs(&self, host: &str, n: u8) {
        self.ip(host, "link set eth0 up");
        self.ip(host, &format!("addr add 192.0.2.{n}/24 dev eth0"));
        self.ip(host, &format!("addr add 2001:db8::{n}/64 dev eth0 nodad"));
    }

    pub(crate) fn host(&self, host: &str) -> String {
        format!("{}{host}", self.name)
    }

    /// Enters a host with this thread, and with all it starts.
    pub(crate) fn enter(&self, host: &str) {
        let file = std::fs::File::open(format!("/run/netns/{}", self.host(host))).unwrap();
        nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
    }

    /// `ip` in a host; what it says.
    pub(crate) fn ip(&self, host: &str, arguments: &str) -> String {
        let host = self.host(host);
        let mut all = vec!["-n", &host];
        all.extend(arguments.split_whitespace());
        run("ip", &all)
    }

    /// The same, whatever comes of it.
    pub(crate) fn try_ip(&self, host: &str, arguments: &str) {
        let host = self.host(host);
        let mut all = vec!["-n", &host];
        all.extend(arguments.split_whitespace());
        let _ = Command::new("ip").args(all).output();
    }

    /// What the bridge does with a port's frames: 0 drops them, 3 forwards.
    pub(crate) fn port(&self, host: &str, state: u8) {
        let (router, port, state) = (self.host(ROUTER), format!("p{host}"), state.to_string());
        run("bridge", &["-n", &router, "link", "set", "dev", &port, "state", &state]);
    }

    pub(crate) fn mac(&self, host: &str) -> String {
        let all = self.ip(host, "-o link show eth0");
        all.split_whitespace().skip_while(|w| *w != "link/ether").nth(1).unwrap().to_owned()
    }

    pub(crate) fn index(&self, host: &str) -> String {
        self.ip(host, "-o link show eth0").split(':').next().unwrap().to_owned()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for host in [CLIENT, A, B, ROUTER] {
            let _ = Command::new("ip").args(["netns", "del", &self.host(host)]).output();
        }
    }
}

fn run(program: &str, arguments: &[&str]) -> String {
    let done = Command::new(program).args(arguments).output().unwrap();
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}
