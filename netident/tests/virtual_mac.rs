//! A virtual MAC that moves between two hosts, as the bridge, the router and a client see it.

#![allow(clippy::unwrap_used, reason = "a test stops where its bed breaks")]

mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use common::{A, B, CLIENT, Net, ROUTER};

const MACVLAN: &str = "--address 192.0.2.10/24@eth0 --address 2001:db8::10/64@eth0 --virtual-mac vrrp:10";
const LINK: &str = "--address 192.0.2.10/24@eth0 --address 2001:db8::10/64@eth0 \
                    --virtual-mac 02:00:00:00:00:0f --mac-mode link";
const V4: &str = "00:00:5e:00:01:0a";
const V6: &str = "00:00:5e:00:02:0a";

/// What a command in a host says on its standard output and standard error.
fn exec(net: &Net, host: &str, command: &[&str]) -> String {
    let done = Command::new("ip").args(["netns", "exec", &net.host(host)]).args(command).output().unwrap();
    String::from_utf8([done.stdout, done.stderr].concat()).unwrap()
}

/// The bridge's port behind which it believes `mac` to be.
fn port(net: &Net, mac: &str) -> Option<String> {
    let table = exec(net, ROUTER, &["bridge", "fdb", "show", "br", "eth0"]);
    let line = table.lines().find(|l| l.starts_with(mac) && !l.contains("permanent"))?;
    line.split_whitespace().skip_while(|w| *w != "dev").nth(1).map(str::to_owned)
}

/// Waits until it is so; how long it may take is no part of any test.
fn until(what: &str, so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !so() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::yield_now();
    }
}

/// Whether a host's stack answers behind `ip`: a port that nobody listens on is refused at once.
fn answers(net: &Net, from: &str, ip: &str) -> bool {
    let script = format!(": </dev/tcp/{ip}/9");
    exec(net, from, &["timeout", "5", "bash", "-c", &script]).contains("refused")
}

#[test]
fn it_moves_with_its_addresses_and_the_bridge_follows_though_no_cache_changes() {
    let Some(net) = Net::build() else { return };
    let (code, text) = net.netident(A, &format!("take {MACVLAN}"));
    assert!(code == 0 && text.contains("on nid4-10-2") && text.contains("on nid6-10-2"), "{text}");
    for mac in [V4, V6] {
        assert_eq!(port(&net, mac).as_deref(), Some("pa"), "{mac}");
    }
    for (vip, mac) in [("192.0.2.10", V4), ("2001:db8::10", V6)] {
        assert!(answers(&net, CLIENT, vip), "{vip}");
        let known = net.neighbour(CLIENT, vip);
        assert!(known.contains(mac), "{vip}: {known}");
    }
    let known = [net.neighbour(ROUTER, "192.0.2.10"), net.neighbour(ROUTER, "2001:db8::10")];
    assert!(known[0].contains(V4) && known[1].contains(V6), "{known:?}");
    // A is gone without a word.
    net.ip(ROUTER, "link set pa down");
    let (code, text) = net.netident(B, &format!("take {MACVLAN}"));
    assert_eq!(code, 0, "{text}");
    for (vip, mac) in [("192.0.2.10", V4), ("2001:db8::10", V6)] {
        assert_eq!(port(&net, mac).as_deref(), Some("pb"), "{mac}");
        assert!(answers(&net, CLIENT, vip), "{vip}");
        assert!(net.neighbour(CLIENT, vip).contains(mac), "{vip}");
    }
}

#[test]
fn the_link_below_neither_answers_nor_asks_for_an_address_on_the_macvlan() {
    let Some(net) = Net::build() else { return };
    assert_eq!(net.netident(A, &format!("take {MACVLAN}")).0, 0);
    // Answers to the client leave by the link below, which first asks for the client's MAC: as itself.
    net.ip(A, "neigh flush dev eth0");
    assert!(answers(&net, CLIENT, "192.0.2.10"));
    assert!(net.neighbour(CLIENT, "192.0.2.10").contains(V4));
    // The host's own address keeps the link's MAC: the macvlan does not answer for it.
    net.ip(CLIENT, "neigh flush dev eth0");
    assert!(answers(&net, CLIENT, "192.0.2.3"));
    assert!(net.neighbour(CLIENT, "192.0.2.3").contains(&net.mac(A)));
    // Asked for by somebody who knows nothing, it is at the virtual MAC and nowhere else.
    let (code, text) = net.netident(B, "probe --check fast --address 192.0.2.10/24@eth0");
    assert!(code == 10 && text.contains(V4), "{text}");
}

#[test]
fn without_the_sysctls_the_link_below_asks_as_the_address_and_draws_its_traffic() {
    let Some(net) = Net::build() else { return };
    assert_eq!(net.netident(A, "take --address 192.0.2.10/24@eth0 --virtual-mac vrrp:10").0, 0);
    let script = "echo 0 >/proc/sys/net/ipv4/conf/eth0/arp_announce";
    exec(&net, A, &["sh", "-c", script]);
    net.ip(A, "neigh flush dev eth0");
    assert!(answers(&net, CLIENT, "192.0.2.10"));
    // This is what the sysctls are there for: the client now believes the wrong MAC.
    until("the client is misled", || net.neighbour(CLIENT, "192.0.2.10").contains(&net.mac(A)));
    // The next take notices and mends it.
    let (code, text) = net.netident(A, "take --address 192.0.2.10/24@eth0 --virtual-mac vrrp:10");
    assert!(code == 0 && text.starts_with("done"), "{text}");
    net.ip(A, "neigh flush dev eth0");
    assert!(answers(&net, CLIENT, "192.0.2.10"));
    assert!(net.neighbour(CLIENT, "192.0.2.10").contains(V4));
}

#[test]
fn multicast_snooping_learns_of_it_by_the_kernels_own_reports() {
    let Some(net) = Net::build() else { return };
    net.ip(ROUTER, "link set eth0 type bridge mcast_snooping 1 mcast_querier 1 mcast_mld_version 2");
    let group = |port: &str| {
        let all = exec(&net, ROUTER, &["bridge", "mdb", "show", "dev", "eth0"]);
        all.lines().any(|l| l.contains(&format!("port {port} grp ff02::1:ff00:10 ")))
    };
    assert_eq!(net.netident(A, &format!("take {MACVLAN}")).0, 0);
    until("the bridge knows A's membership", || group("pa"));
    assert_eq!(net.netident(A, &format!("release {MACVLAN}")).0, 0);
    assert_eq!(net.netident(B, &format!("take {MACVLAN}")).0, 0);
    until("the bridge knows B's membership", || group("pb"));
}

#[test]
fn a_word_now_and_then_outlives_the_bridges_ageing() {
    let Some(net) = Net::build() else { return };
    assert_eq!(net.netident(A, "take --address 192.0.2.10/24@eth0 --virtual-mac vrrp:10").0, 0);
    // In hundredths of a second. What is answered leaves by the link below: the virtual MAC is forgotten.
    net.ip(ROUTER, "link set eth0 type bridge ageing_time 100");
    until("the bridge forgets it", || {
        assert!(answers(&net, CLIENT, "192.0.2.10"));
        port(&net, V4).is_none()
    });
    net.ip(ROUTER, "link set eth0 type bridge ageing_time 30000");
    let refreshed = Command::new("ip")
        .args(["netns", "exec", &net.host(A)])
        .arg(std::env::current_exe().unwrap())
        .args(["the_process_that_refreshes", "--exact", "--ignored", "--nocapture"])
        .env("NETIDENT_TEST_VERB", "refresh")
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&refreshed.stdout).contains("1 frame"), "{refreshed:?}");
    assert_eq!(port(&net, V4).as_deref(), Some("pa"), "known again by one frame");
}

#[test]
#[ignore = "the process that the test above starts in a host; does nothing by itself"]
fn the_process_that_refreshes() {
    if std::env::var_os("NETIDENT_TEST_VERB").is_none() {
        return;
    }
    let identity = |ips: &[&str]| {
        let addresses = ips.iter().map(|ip| format!("{ip}/24@eth0").parse().unwrap()).collect();
        netident::identity::Identity::new(addresses, Some("vrrp:10".parse().unwrap())).unwrap()
    };
    let host = netident::system::netlink::Netlink::open().unwrap().host().unwrap();
    let socket = netident::system::packet::PacketSocket::open().unwrap();
    // The second does not stand here: it is not spoken for.
    let both = identity(&["192.0.2.10", "192.0.2.11"]);
    println!("{} frame", netident::runtime::refresh(&socket, &host, &both).unwrap());
}

#[test]
fn on_the_link_itself_its_other_addresses_follow_and_the_own_mac_comes_back() {
    let Some(net) = Net::build() else { return };
    let own = net.mac(A);
    assert!(answers(&net, ROUTER, "192.0.2.3"));
    assert_eq!(net.netident(A, &format!("take {LINK}")).0, 0);
    assert_eq!(
        (net.mac(A).as_str(), port(&net, "02:00:00:00:00:0f").as_deref()),
        ("02:00:00:00:00:0f", Some("pa"))
    );
    for ip in ["192.0.2.10", "192.0.2.3", "2001:db8::10", "2001:db8::3"] {
        assert!(net.neighbour(ROUTER, ip).contains("02:00:00:00:00:0f"), "{ip}: the router must follow");
    }
    assert_eq!(net.netident(A, &format!("release {LINK}")).0, 0);
    assert_eq!(net.mac(A), own);
    for ip in ["192.0.2.3", "2001:db8::3"] {
        assert!(net.neighbour(ROUTER, ip).contains(&own), "{ip}: the router must follow back");
    }
    assert_eq!(net.netident(B, &format!("take {LINK}")).0, 0);
    assert_eq!(port(&net, "02:00:00:00:00:0f").as_deref(), Some("pb"));
    assert!(answers(&net, CLIENT, "192.0.2.10"));
}

#[test]
fn an_address_on_a_macvlan_is_released_though_neither_record_nor_option_names_its_mac() {
    let Some(net) = Net::build() else { return };
    assert_eq!(net.netident(A, &format!("take {MACVLAN}")).0, 0);
    std::fs::remove_dir_all(net.runtime_dir()).unwrap();
    let (code, text) = net.netident(A, "release --address 192.0.2.10/24@eth0 --address 2001:db8::10/64@eth0");
    assert!(code == 0 && text.starts_with("done"), "{text}");
    let links = net.ip(A, "-o link show");
    assert!(!links.contains(" nid4-") && !links.contains(" nid6-"), "{links}");
}

#[test]
fn an_owner_that_has_the_same_virtual_mac_is_found_before_it_is_taken() {
    let Some(net) = Net::build() else { return };
    for identity in [MACVLAN, LINK] {
        let (code, text) = net.netident(B, &format!("take --check fast {identity}"));
        assert!(code == 0 && text.starts_with("done"), "free: {text}");
        let (code, text) = net.netident(A, &format!("take --check fast {identity}"));
        assert!(code == 10 && text.contains("is claimed by"), "{text}");
        assert!(!net.ip(A, "-o addr show").contains("192.0.2.10/"));
        assert_eq!(net.netident(B, &format!("release {identity}")).0, 0);
    }
}

#[test]
fn a_link_has_one_virtual_mac_and_keeps_it_while_an_identity_rests_on_it() {
    let Some(net) = Net::build() else { return };
    let own = net.mac(A);
    let with = |ip: &str, mac: &str| format!("--address {ip}/24@eth0 --virtual-mac {mac} --mac-mode link");
    let (one, two) = (with("192.0.2.10", "02:00:00:00:00:0f"), with("192.0.2.11", "02:00:00:00:00:0f"));
    let other = with("192.0.2.12", "02:00:00:00:00:10");
    assert_eq!(net.netident(A, &format!("take {one}")).0, 0);
    assert_eq!(net.netident(A, &format!("take {two}")).0, 0);
    let (code, text) = net.netident(A, &format!("take {other}"));
    assert!(code == 1 && text.contains("has the virtual MAC of 192.0.2.10/24@eth0"), "{text}");
    assert_eq!(net.netident(A, &format!("release {one}")).0, 0);
    assert_eq!(net.mac(A), "02:00:00:00:00:0f", "the second still rests on it");
    assert_eq!(net.netident(A, &format!("release {two}")).0, 0);
    assert_eq!(net.mac(A), own);
}

#[test]
fn a_route_prefers_the_address_and_goes_with_it() {
    let Some(net) = Net::build() else { return };
    let routes = |host| net.ip(host, "route show") + &net.ip(host, "-6 route show");
    let before = routes(A);
    let file = net.runtime_dir().with_extension("toml");
    std::fs::write(
        &file,
        "address = ['192.0.2.10/24@eth0', '2001:db8::10/64@eth0']\nvirtual-mac = 'vrrp:10'\n\
         route = ['198.51.100.0/24 via 192.0.2.1 src 192.0.2.10 @eth0',\n\
                  'default via 2001:db8::1 src 2001:db8::10 metric 50 @eth0']\n",
    )
    .unwrap();
    let all = format!("--file {}", file.display());
    let (code, text) = net.netident(A, &format!("take {all}"));
    assert_eq!(code, 0, "{text}");
    for (to, source) in [("198.51.100.9", "192.0.2.10"), ("2001:db8:ffff::1", "2001:db8::10")] {
        let way = net.ip(A, &format!("route get {to}"));
        assert!(way.contains(&format!("src {source}")), "{way}");
    }
    assert!(net.netident(A, &format!("take {all}")).1.starts_with("already so"));
    assert_eq!(net.netident(A, &format!("release {all}")).0, 0);
    assert_eq!(routes(A), before);
    // Where another's route stands it is replaced, and comes back.
    let file_of = |text: &str| std::fs::write(&file, text).unwrap();
    file_of("address = ['192.0.2.10/24@eth0']\nroute = ['default via 192.0.2.1 src 192.0.2.10 @eth0']\n");
    let (code, text) = net.netident(A, &format!("take {all}"));
    assert_eq!(code, 0, "{text}");
    assert!(net.ip(A, "route get 203.0.113.9").contains("src 192.0.2.10"), "{}", routes(A));
    assert_eq!(net.ip(A, "route show default").lines().count(), 1);
    assert_eq!(net.netident(A, &format!("release {all}")).0, 0);
    assert_eq!(routes(A), before);
    // Not one that could not be put back as it was.
    net.ip(A, "route replace default via 192.0.2.1 dev eth0 mtu 1400");
    let before = routes(A);
    let (code, text) = net.netident(A, &format!("take {all}"));
    assert!(code == 1 && text.contains("another metric"), "{text}");
    assert!(!net.stands(A, "192.0.2.10") && routes(A) == before);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn two_identities_share_a_link_and_the_last_puts_its_sysctls_back() {
    let Some(net) = Net::build() else { return };
    let ignore = || exec(&net, A, &["cat", "/proc/sys/net/ipv4/conf/eth0/arp_ignore"]);
    let one = "--address 192.0.2.10/24@eth0 --virtual-mac vrrp:10";
    let two = "--address 192.0.2.11/24@eth0 --virtual-mac vrrp:11";
    // The same virtual MAC, another identity.
    let three = "--address 192.0.2.12/24@eth0 --virtual-mac vrrp:10";
    let before = ignore();
    for identity in [one, two, three] {
        assert_eq!(net.netident(A, &format!("take {identity}")).0, 0);
    }
    for (n, identity) in [one, three, two].iter().enumerate() {
        assert_eq!(ignore().trim(), "1", "{identity} still rests on it");
        let (code, text) = net.netident(A, &format!("release {identity}"));
        assert_eq!(code, 0, "{text}");
        let left = net.ip(A, "-o link show").lines().filter(|l| l.contains("nid4-")).count();
        assert_eq!(left, [2, 1, 0][n], "a macvlan goes with the last address on it");
    }
    assert_eq!(ignore(), before);
    assert_eq!(std::fs::read_dir(net.runtime_dir()).unwrap().count(), 0, "nothing is recorded any more");
}
