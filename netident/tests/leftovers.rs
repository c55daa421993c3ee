//! A take that is killed, interrupted or refused at each of its steps leaves nothing: not at once, or not after the
//! next take or release.
//!
//! Whatever must be stopped at a step runs as a process of its own: this test program again, in the host's namespace,
//! by the ignored test at the end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where its bed breaks")]

mod common;

use std::process::{Command, ExitStatus};

use common::{A, Net, ROUTER};
use netident::identity::{Identity, MacMode};
use netident::plan::{Step, TakePlan};
use netident::runtime::ledger::{Kept, Ledger, LedgerError};
use netident::runtime::{Keep, Moment, release_kept, take_kept};
use netident::system::netlink::Netlink;
use netident::system::packet::PacketSocket;
use netident::system::signals::{Caught, Hold};
use nix::sys::signal::{Signal, raise};

const ADDRESSES: &str = "--address 192.0.2.10/24@eth0 --address 2001:db8::10/64@eth0";
const VERB: &str = "NETIDENT_TEST_VERB";
const AT: &str = "NETIDENT_TEST_AT";
const MODE: &str = "NETIDENT_TEST_MODE";
/// More moments than any take or release has.
const NEVER: usize = 1000;

/// As the identity of [`identity`], for the command.
fn arguments(mode: &str) -> String {
    let mac = match mode {
        "macvlan" | "beside" => " --virtual-mac vrrp:10",
        "link" => " --virtual-mac 02:00:00:00:00:0f --mac-mode link",
        _ => "",
    };
    format!("{ADDRESSES}{mac}")
}

fn identity(mode: &str) -> Identity {
    let addresses = ["192.0.2.10/24@eth0", "2001:db8::10/64@eth0"].map(|a| a.parse().unwrap()).to_vec();
    let (mac, at) = match mode {
        "macvlan" | "beside" => (Some("vrrp:10".parse().unwrap()), MacMode::Macvlan),
        "link" => (Some("02:00:00:00:00:0f".parse().unwrap()), MacMode::Link),
        _ => (None, MacMode::Macvlan),
    };
    // The first two stand beside the others' routes, the last two in their places.
    let routes = [
        "198.51.100.0/24 via 192.0.2.1 src 192.0.2.10 @eth0",
        "2001:db8:1::/48 src 2001:db8::10 @eth0",
        "default via 192.0.2.1 src 192.0.2.10 @eth0",
        "default via 2001:db8::1 src 2001:db8::10 @eth0",
    ];
    let routes = if mode == "beside" { &routes[..2] } else { &routes[..] };
    let routes = routes.iter().map(|r| r.parse().unwrap()).collect();
    Identity::new(addresses, mac).unwrap().with_mode(at).unwrap().with_routes(routes).unwrap()
}

/// A host whose IPv6 link-local address does not change its state meanwhile.
fn build() -> Option<Net> {
    let net = Net::build()?;
    net.ip(A, "-6 addr flush dev eth0 scope link");
    Some(net)
}

/// All that must be as it was: links, addresses, routes, sysctls, and that nothing is recorded.
fn snapshot(net: &Net) -> String {
    let sh = "grep -rs . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf | sort";
    let sysctls = Command::new("ip").args(["netns", "exec", &net.host(A), "sh", "-c", sh]).output().unwrap();
    let recorded = std::fs::read_dir(net.runtime_dir()).map_or(0, Iterator::count);
    [
        net.ip(A, "-j -d link show"),
        net.ip(A, "-j addr show"),
        net.ip(A, "-j route show table all"),
        net.ip(A, "-j -6 route show table all"),
        String::from_utf8(sysctls.stdout).unwrap(),
        format!("{recorded} files"),
    ]
    .join("\n")
}

#[track_caller]
fn same(what: &str, before: &str, now: &str) {
    for (b, n) in before.lines().zip(now.lines()) {
        assert_eq!(b, n, "{what}");
    }
    assert_eq!(before.lines().count(), now.lines().count(), "{what}");
}

/// Runs the test at the end in the host: does `verb`, stopped at moment `at` in the way of the verb.
fn child(net: &Net, verb: &str, mode: &str, at: usize) -> (ExitStatus, String) {
    let done = Command::new("ip")
        .args(["netns", "exec", &net.host(A)])
        .arg(std::env::current_exe().unwrap())
        .args(["the_process_that_is_stopped", "--exact", "--ignored", "--nocapture"])
        .env(VERB, verb)
        .env(AT, at.to_string())
        .env(MODE, mode)
        .env("NETIDENT_RUNTIME_DIR", net.runtime_dir())
        .output()
        .unwrap();
    (done.status, String::from_utf8([done.stdout, done.stderr].concat()).unwrap())
}

/// Whether a child was killed; if not, it must have come to its end.
fn killed((status, text): (ExitStatus, String)) -> bool {
    use std::os::unix::process::ExitStatusExt;
    let killed = status.signal() == Some(9);
    assert!(killed || (status.success() && text.contains("OVER")), "{status}: {text}");
    killed
}

/// Kills a take at each of its moments, and calls `then` after each.
fn kill_a_take_everywhere(mode: &str, then: impl Fn(&Net, usize, &str)) {
    let Some(net) = build() else { return };
    let before = snapshot(&net);
    let mut at = 0;
    while killed(child(&net, "kill take", mode, at)) {
        assert_ne!(std::fs::read_dir(net.runtime_dir()).unwrap().count(), 0, "{mode} {at}: it is recorded");
        then(&net, at, &before);
        at += 1;
    }
    // Each step is a moment: none of them, the steps themselves, what follows.
    assert!(at >= 8, "{mode}: {at} moments");
}

fn a_release_leaves_nothing(mode: &str) {
    kill_a_take_everywhere(mode, |net, at, before| {
        let (code, text) = net.netident(A, &format!("release {}", arguments(mode)));
        assert_eq!(code, 0, "{mode} {at}: {text}");
        same(&format!("{mode}, killed at {at}, released"), before, &snapshot(net));
    });
}

fn a_take_repairs(mode: &str) {
    kill_a_take_everywhere(mode, |net, at, before| {
        assert!(!killed(child(net, "kill take", mode, NEVER)), "{mode} {at}");
        assert!(net.ip(A, "-o addr show").contains(" 192.0.2.10/"), "{mode} {at}");
        assert!(!killed(child(net, "kill release", mode, NEVER)), "{mode} {at}");
        same(&format!("{mode}, killed at {at}, taken and released"), before, &snapshot(net));
    });
}

#[test]
fn killed_at_every_step_of_a_take_on_a_macvlan_a_release_leaves_nothing() {
    a_release_leaves_nothing("macvlan");
}

#[test]
fn killed_at_every_step_of_a_take_on_a_macvlan_the_next_take_repairs() {
    a_take_repairs("macvlan");
}

#[test]
fn killed_at_every_step_of_a_take_on_the_link_a_release_leaves_nothing() {
    a_release_leaves_nothing("link");
}

#[test]
fn killed_at_every_step_of_a_take_on_the_link_the_next_take_repairs() {
    a_take_repairs("link");
}

#[test]
fn killed_at_every_step_of_a_take_of_addresses_a_release_leaves_nothing() {
    a_release_leaves_nothing("plain");
}

#[test]
fn killed_at_every_step_a_take_of_something_else_repairs_too() {
    kill_a_take_everywhere("macvlan", |net, at, before| {
        let file = std::fs::read_dir(net.runtime_dir()).unwrap().map(|f| f.unwrap().path());
        let file = file.filter(|f| f.extension().is_some_and(|e| e == "json")).last().unwrap();
        // Killed when it stood already, it stands rightly.
        let stood = std::fs::read_to_string(file).unwrap().contains("\"pending\": []");
        let (code, text) = net.netident(A, "take --address 192.0.2.77/24@eth0");
        assert_eq!(code, 0, "{at}: {text}");
        assert_eq!(text.contains("cut short: what it had changed is undone"), !stood, "{at}: {text}");
        assert_eq!(net.ip(A, "-o addr show").contains(" 192.0.2.10/"), stood, "{at}");
        assert_eq!(net.netident(A, "release --address 192.0.2.77/24@eth0").0, 0, "{at}");
        if stood {
            assert_eq!(net.netident(A, &format!("release {}", arguments("macvlan"))).0, 0, "{at}");
        }
        same(&format!("killed at {at}, something else taken"), before, &snapshot(net));
    });
}

#[test]
fn killed_at_every_step_of_a_release_the_next_one_ends_it() {
    for mode in ["macvlan", "link"] {
        let Some(net) = build() else { return };
        let before = snapshot(&net);
        let mut at = 0;
        loop {
            assert!(!killed(child(&net, "kill take", mode, NEVER)));
            if !killed(child(&net, "kill release", mode, at)) {
                break;
            }
            let (code, text) = net.netident(A, &format!("release {}", arguments(mode)));
            assert_eq!(code, 0, "{mode} {at}: {text}");
            same(&format!("{mode}, release killed at {at}"), &before, &snapshot(&net));
            at += 1;
        }
        assert!(at >= 5, "{mode}: {at} moments");
        same(&format!("{mode}, released"), &before, &snapshot(&net));
    }
}

#[test]
fn killed_and_the_record_lost_what_is_marked_is_found_all_the_same() {
    let sysctls = |text: &str| {
        text.lines()
            .filter(|l| !l.contains("/arp_ignore:") && !l.contains("/arp_announce:"))
            .fold(String::new(), |all, l| all + l + "\n")
    };
    kill_a_take_everywhere("beside", |net, at, before| {
        std::fs::remove_dir_all(net.runtime_dir()).unwrap();
        assert!(!killed(child(net, "kill release", "beside", NEVER)), "{at}");
        // Only the sysctls of the link below (and routes that were replaced) are not known any more.
        let (before, now) = (sysctls(before), sysctls(&snapshot(net)));
        same(&format!("killed at {at}, record lost"), &before, &now);
        for name in ["arp_ignore", "arp_announce"] {
            let sh = format!("echo 0 >/proc/sys/net/ipv4/conf/eth0/{name}");
            let host = net.host(A);
            assert!(
                Command::new("ip")
                    .args(["netns", "exec", &host, "sh", "-c", &sh])
                    .status()
                    .unwrap()
                    .success()
            );
        }
    });
}

#[test]
fn a_signal_at_every_step_of_a_take_rolls_it_back() {
    for mode in ["macvlan", "link", "plain"] {
        let Some(net) = build() else { return };
        let before = snapshot(&net);
        let mut at = 0;
        loop {
            let (status, text) = child(&net, "interrupt take", mode, at);
            assert!(status.success() && text.contains("OVER"), "{mode} {at}: {text}");
            if !text.contains("SIGTERM came before the identity stood") {
                // The last moment is after it stood: then it stays.
                assert!(text.contains("it stands"), "{mode} {at}: {text}");
                break;
            }
            let nothing = text.contains("nothing was changed");
            assert!(nothing == (at == 0), "{mode} {at}: {text}");
            assert!(nothing || text.contains("is undone again"), "{mode} {at}: {text}");
            same(&format!("{mode}, interrupted at {at}"), &before, &snapshot(&net));
            at += 1;
        }
        assert!(at >= 7, "{mode}: {at} moments");
    }
}

#[test]
fn a_signal_at_every_step_of_a_release_changes_nothing_about_it() {
    for mode in ["macvlan", "link"] {
        let Some(net) = build() else { return };
        let before = snapshot(&net);
        assert!(!killed(child(&net, "kill take", mode, NEVER)));
        let (status, text) = child(&net, "interrupt release", mode, NEVER);
        assert!(status.success() && text.contains("it is gone") && text.contains("OVER"), "{mode}: {text}");
        same(mode, &before, &snapshot(&net));
    }
}

#[test]
fn refused_at_every_step_that_another_can_spoil_it_is_rolled_back() {
    for mode in ["macvlan", "link", "plain"] {
        let Some(net) = build() else { return };
        let (mut at, mut refused) = (0, 0);
        loop {
            let before = snapshot(&net);
            let (status, text) = child(&net, "spoil take", mode, at);
            assert!(status.success() && text.contains("OVER"), "{mode} {at}: {text}");
            if text.contains("it stands") {
                assert!(!killed(child(&net, "kill release", mode, NEVER)), "{mode} {at}");
            } else if text.contains("is undone again") || text.contains("nothing was changed") {
                refused += 1;
            } else {
                panic!("{mode} {at}: {text}");
            }
            // What was put in the way is taken out again.
            for line in text.lines().filter_map(|l| l.strip_prefix("SPOILT ")) {
                let _ = Command::new("ip").args(["-n", &net.host(A)]).args(line.split(' ')).output();
            }
            same(&format!("{mode}, spoilt before step {at}: {text}"), &before, &snapshot(&net));
            if text.contains("PAST THE LAST STEP") {
                break;
            }
            at += 1;
        }
        assert!(refused >= if mode == "macvlan" { 22 } else { 6 }, "{mode}: {refused} of {at}");
    }
}

#[test]
fn what_reading_back_or_the_record_belies_is_undone_and_that_is_said() {
    let Some(net) = build() else { return };
    let before = snapshot(&net);
    let (mut belied, mut unrecorded) = (false, false);
    for at in 0.. {
        let (status, text) = child(&net, "belie take", "plain", at);
        assert!(status.success() && text.contains("OVER"), "{at}: {text}");
        if text.contains("TAKEN OFF") {
            assert!(
                text.contains("reading back shows it is not there; what was changed before is undone again")
            );
            same("an address was taken off", &before, &snapshot(&net));
            belied = true;
        } else if let Some(folder) = text.lines().find_map(|l| l.strip_prefix("IN THE WAY ")) {
            assert!(text.contains("--runtime-dir") && text.contains("is undone again"), "{text}");
            std::fs::remove_dir(folder).unwrap();
            // The record speaks of it still: whoever comes next finds nothing to undo, and forgets it.
            assert!(!killed(child(&net, "kill release", "plain", NEVER)));
            same("it could not be recorded", &before, &snapshot(&net));
            unrecorded = true;
            break;
        } else {
            assert!(text.contains("it stands"), "{at}: {text}");
            assert!(!killed(child(&net, "kill release", "plain", NEVER)));
        }
    }
    assert!(belied && unrecorded);
}

#[test]
fn sigterm_ends_a_take_that_waits_for_answers_and_it_is_undone() {
    let Some(net) = build() else { return };
    let before = snapshot(&net);
    net.ip(ROUTER, "addr del 192.0.2.1/24 dev eth0");
    let take = Command::new("ip")
        .args(["netns", "exec", &net.host(A), env!("CARGO_BIN_EXE_netident")])
        .args(["take", "--address", "192.0.2.10/24@eth0"])
        .env("NETIDENT_RUNTIME_DIR", net.runtime_dir())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // From the moment it is recorded until it stands, more than half a second of waiting for an answer.
    let recorded = || {
        let all = std::fs::read_dir(net.runtime_dir());
        all.is_ok_and(|mut all| {
            all.any(|f| f.is_ok_and(|f| f.path().extension().is_some_and(|e| e == "json")))
        })
    };
    while !recorded() {
        std::thread::yield_now();
    }
    // `ip netns exec` has become the command by then: the same process.
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(take.id().cast_signed()), Signal::SIGTERM).unwrap();
    let done = take.wait_with_output().unwrap();
    let text = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{text}");
    assert!(text.contains("SIGTERM came") && text.contains("undone"), "{text}");
    same("interrupted", &before, &snapshot(&net));
}

/// Counts moments, and does something at one of them.
struct Stopper<'a> {
    inner: Kept<'a>,
    left: usize,
    act: &'a mut dyn FnMut(Moment),
}

impl Keep for Stopper<'_> {
    fn promise(&mut self, plan: &TakePlan) -> Result<(), LedgerError> {
        self.inner.promise(plan)
    }

    fn stands(&mut self) -> Result<(), LedgerError> {
        self.inner.stands()
    }

    fn undone(&mut self) -> Result<(), LedgerError> {
        self.inner.undone()
    }

    fn recorded(&self) -> Vec<Step> {
        self.inner.recorded()
    }

    fn released(&mut self) -> Result<(), LedgerError> {
        self.inner.released()
    }

    fn passed(&mut self, moment: Moment) -> Option<Caught> {
        if self.left == 0 {
            (self.act)(moment);
        }
        self.left = self.left.wrapping_sub(1);
        self.inner.passed(moment)
    }

    fn one_by_one(&self) -> bool {
        true
    }
}

/// Puts something in the way of `step`, and says how it is taken out again.
fn spoil(step: &Step) {
    let ip = |arguments: &str| {
        let done = Command::new("ip").args(arguments.split(' ')).output().unwrap();
        assert!(done.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&done.stderr));
    };
    match step {
        Step::Create(m) => {
            ip(&format!("link add {} index 999 type veth peer name spoil index 998", m.name));
            println!("SPOILT link del spoil");
        }
        Step::Mark(m) | Step::Up(m) => ip(&format!("link del {}", m.name)),
        Step::Tune { sysctl, .. } => ip(&format!("link del {}", sysctl.link)),
        // Without its address, a route cannot prefer it.
        Step::SwapRoute { new, .. } if std::env::var(MODE).is_ok_and(|m| m == "macvlan") => {
            ip(&format!("link del nid{}-10-2", if new.destination.addr().is_ipv4() { 4 } else { 6 }));
        }
        Step::SwapRoute { new, .. } => {
            let len = if new.destination.addr().is_ipv4() { 24 } else { 64 };
            ip(&format!("addr del {}/{len} dev eth0", new.source.unwrap()));
        }
        Step::Add { link, net, .. } if link.0 > 0x3fff => {
            ip(&format!("link del nid{}-10-2", if net.addr().is_ipv4() { 4 } else { 6 }));
        }
        Step::Add { net, .. } => {
            ip(&format!("addr add {net} dev eth0 noprefixroute"));
            println!("SPOILT addr del {net} dev eth0");
        }
        Step::AddRoute(r) => {
            let via = r.via.map_or_else(String::new, |v| format!(" via {v}"));
            ip(&format!("route add {}{via} dev eth0", r.destination));
            println!("SPOILT route del {}", r.destination);
        }
        // Root's writes to these are not refused.
        _ => println!("CANNOT SPOIL {step:?}"),
    }
}

/// Once it is announced, an address goes; once it is read back, nothing can be recorded.
fn belie(moment: Moment, folder: &std::path::Path) {
    match moment {
        Moment::Announced => {
            let done = Command::new("ip").args(["addr", "del", "192.0.2.10/24", "dev", "eth0"]).status();
            assert!(done.unwrap().success());
            println!("TAKEN OFF");
        }
        Moment::ReadBack => {
            let recorded = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path());
            let ledger = recorded.into_iter().find(|f| f.extension().is_some_and(|e| e == "json")).unwrap();
            std::fs::create_dir(ledger.with_extension("new")).unwrap();
            println!("IN THE WAY {}", ledger.with_extension("new").display());
        }
        _ => {}
    }
}

#[test]
#[ignore = "the process that the tests above stop; does nothing by itself"]
fn the_process_that_is_stopped() {
    let Ok(verb) = std::env::var(VERB) else { return };
    let at: usize = std::env::var(AT).unwrap().parse().unwrap();
    let identity = identity(&std::env::var(MODE).unwrap());
    let folder = std::env::var("NETIDENT_RUNTIME_DIR").unwrap();
    let mut netlink = Netlink::open().unwrap();
    let mut ledger = Ledger::open(folder.as_ref()).unwrap();
    let hold = Hold::begin().unwrap();
    ledger.repair(&mut netlink).unwrap();
    let host = netlink.host().unwrap();
    let plan = netident::plan::take(&host, &identity).unwrap();
    let (how, what) = verb.split_once(' ').unwrap();
    let mut act = |moment: Moment| match how {
        "kill" => raise(Signal::SIGKILL).unwrap(),
        "interrupt" => raise(Signal::SIGTERM).unwrap(),
        "belie" => belie(moment, folder.as_ref()),
        _ => match moment {
            Moment::Promised => spoil(&plan.steps[0]),
            Moment::Steps(n) if n < plan.steps.len() => spoil(&plan.steps[n]),
            _ => println!("PAST THE LAST STEP"),
        },
    };
    // A release is interrupted before it, and at each of its moments.
    let left = if (how, what) == ("interrupt", "release") { 0 } else { at };
    let mut keep = Stopper { inner: Kept::new(&mut ledger, &identity, Some(&hold)), left, act: &mut act };
    if what == "take" {
        let socket = PacketSocket::open().unwrap();
        socket.listen().unwrap();
        match take_kept(&mut netlink, &socket, &host, &identity, &mut keep) {
            Ok(_) => println!("it stands"),
            Err(e) => println!("{e}"),
        }
    } else {
        if how == "interrupt" {
            raise(Signal::SIGTERM).unwrap();
        }
        match release_kept(&mut netlink, &host, &identity, &mut keep) {
            Ok(_) => println!("it is gone"),
            Err(e) => println!("{e}"),
        }
    }
    drop(ledger);
    println!("OVER");
    // What is still held back must not end the process before it has said so.
    std::mem::forget(hold);
}
