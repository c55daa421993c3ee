//! The traps of a real host, named before the failover: each is set, seen, mended as it says, and gone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where its bed breaks")]

mod common;

use common::{A, Net};

const BOTH: &str = "--address 192.0.2.10/24@eth0 --address 2001:db8::10/64@eth0";

/// Writes what `mend` says, as `sysctl -w` would.
fn mend(net: &Net, said: &str) {
    let pairs = said.strip_prefix("sysctl -w ").unwrap_or_else(|| panic!("{said}"));
    for (name, value) in pairs.split_whitespace().filter_map(|w| w.trim_end_matches(',').split_once('=')) {
        net.sh(A, &format!("echo {value} >/proc/sys/{}", name.replace('.', "/")));
    }
}

fn finding(net: &Net, trap: &str) -> (i32, serde_json::Value) {
    let (code, end) = net.json(A, &format!("probe --preflight {BOTH}"));
    let all = end["findings"].as_array().unwrap_or_else(|| panic!("{end}"));
    (code, all.iter().find(|f| f["trap"] == trap).unwrap_or_else(|| panic!("{trap}: {end}")).clone())
}

#[test]
fn every_setting_that_bites_is_seen_and_what_is_said_mends_it() {
    let Some(net) = Net::build() else { return };
    // Some traps need a second link; this one is in another subnet.
    net.ip(A, "link add eth1 type veth peer name eth1p");
    net.ip(A, "link set eth1 up");
    for (trap, path, bad, verdict, code) in [
        ("promote-secondaries", "ipv4/conf/eth0/promote_secondaries", "0", "warn", 0),
        ("arp-ignore", "ipv4/conf/eth0/arp_ignore", "8", "fail", 1),
        ("arp-announce", "ipv4/conf/eth0/arp_announce", "0", "warn", 0),
        ("rp-filter", "ipv4/conf/eth0/rp_filter", "1", "warn", 0),
        ("disable-ipv6", "ipv6/conf/eth0/disable_ipv6", "1", "fail", 1),
        ("dad", "ipv6/conf/eth0/accept_dad", "2", "warn", 0),
        ("optimistic-dad", "ipv6/conf/eth0/optimistic_dad", "1", "warn", 0),
        ("keep-addr-on-down", "ipv6/conf/eth0/keep_addr_on_down", "0", "warn", 0),
        ("nonlocal-bind", "ipv4/ip_nonlocal_bind", "1", "warn", 0),
    ] {
        net.sh(A, &format!("echo {bad} >/proc/sys/net/{path}"));
        if trap == "promote-secondaries" {
            net.sh(A, "echo 0 >/proc/sys/net/ipv4/conf/all/promote_secondaries");
        }
        let (got, f) = finding(&net, trap);
        assert_eq!((got, f["verdict"].as_str()), (code, Some(verdict)), "{f}");
        mend(&net, f["mend"].as_str().unwrap());
        assert_eq!(finding(&net, trap).1["verdict"], "pass", "{trap}");
    }
}

#[test]
fn links_that_are_dead_doubled_or_stacked_are_seen() {
    let Some(net) = Net::build() else { return };
    assert_eq!(finding(&net, "second-link").1["verdict"], "pass");
    net.ip(A, "link add eth1 type veth peer name eth1p");
    net.ip(A, "link set eth1 up");
    net.ip(A, "addr add 192.0.2.33/24 dev eth1");
    let (code, f) = finding(&net, "second-link");
    assert_eq!((code, f["verdict"].as_str()), (1, Some("fail")), "{f}");
    net.ip(A, "link del eth1");

    net.ip(A, "link add link eth0 name sub type macvlan mode bridge");
    net.ip(A, "link set sub up");
    let of_sub = || {
        let (_, end) = net.json(A, "probe --preflight --address 192.0.2.10/24@sub");
        let all = end["findings"].as_array().unwrap().clone();
        all.into_iter().find(|f| f["trap"] == "macvlan-base").unwrap_or_else(|| panic!("{end}"))
    };
    let f = of_sub();
    assert_eq!(f["verdict"], "fail", "{f}");
    mend(&net, f["mend"].as_str().unwrap());
    assert_eq!(of_sub()["verdict"], "pass");
    net.ip(A, "link del sub");

    net.ip(A, "link set eth0 down");
    let (code, f) = finding(&net, "carrier");
    assert_eq!((code, f["verdict"].as_str()), (1, Some("fail")), "{f}");
}

#[test]
fn without_rights_it_still_tells_and_says_which_are_missing() {
    let Some(net) = Net::build() else { return };
    let done = std::process::Command::new("ip")
        .args(["netns", "exec", &net.host(A), "setpriv", "--bounding-set=-net_admin,-net_raw"])
        .args(["--inh-caps=-net_admin,-net_raw", env!("CARGO_BIN_EXE_netident"), "probe", "--preflight"])
        .args(["--address", "192.0.2.10/24@eth0"])
        .output()
        .unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    assert_eq!(done.status.code(), Some(1), "{text}");
    assert!(text.contains("has not CAP_NET_ADMIN") && text.contains("has not CAP_NET_RAW"), "{text}");
    assert!(text.starts_with("NOT FIT"), "{text}");
}

#[test]
fn a_preflight_changes_nothing() {
    let Some(net) = Net::build() else { return };
    let before = net.ip(A, "-o -4 addr show eth0");
    let (code, text) = net.netident(A, &format!("probe --preflight {BOTH}"));
    assert_eq!(code, 0, "{text}");
    assert_eq!(net.ip(A, "-o -4 addr show eth0"), before);
    assert!(!net.stands(A, "2001:db8::10"));
}
