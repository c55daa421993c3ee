//! Addresses that move between two hosts, as a client and a router see it.

mod common;

use common::{A, B, CLIENT, Net, ROUTER};

const BOTH: &str = "--address 192.0.2.10/24@eth0 --address 2001:db8::10/64@eth0";
const VIPS: [&str; 2] = ["192.0.2.10", "2001:db8::10"];

#[test]
fn the_router_confirms_and_everybodys_cache_follows() {
    let Some(net) = Net::build() else { return };
    let (code, end) = net.json(A, &format!("take {BOTH}"));
    assert_eq!((code, &end["level"]), (0, &"done".into()), "{end}");
    // A client that knew the old owner, a moment ago and for sure.
    for vip in VIPS {
        net.ip(CLIENT, &format!("neigh replace {vip} lladdr {} dev eth0 nud reachable", net.mac(A)));
    }
    assert_eq!(net.netident(A, &format!("release {BOTH}")).0, 0);
    let (code, end) = net.json(B, &format!("take {BOTH}"));
    assert_eq!(code, 0, "{end}");
    let questions = end["questions"].as_array().unwrap();
    assert_eq!(questions.len(), 2, "the router, from both addresses: {end}");
    assert!(questions.iter().all(|q| q["mac"] == net.mac(ROUTER)), "{end}");
    for vip in VIPS {
        assert!(net.stands(B, vip) && !net.stands(A, vip), "{vip}");
        for host in [CLIENT, ROUTER] {
            let known = net.neighbour(host, vip);
            assert!(known.contains(&net.mac(B)), "{host} believes of {vip}: {known}");
        }
    }
}

#[test]
fn taking_and_releasing_twice_changes_nothing_and_says_so() {
    let Some(net) = Net::build() else { return };
    assert!(net.netident(A, &format!("release {BOTH}")).1.starts_with("already so"));
    assert!(net.netident(A, &format!("take {BOTH}")).1.starts_with("done"));
    let before = net.ip(A, "-o addr show eth0");
    let (code, text) = net.netident(A, &format!("take {BOTH}"));
    assert!(code == 0 && text.starts_with("already so"), "{text}");
    assert_eq!(net.ip(A, "-o addr show eth0"), before);
    assert!(net.netident(A, &format!("release {BOTH}")).1.starts_with("done"));
    assert!(net.stands(A, "192.0.2.3"), "the host's own address stays");
}

#[test]
fn no_neighbour_that_answers_is_said_and_has_its_own_exit_code() {
    let Some(net) = Net::build() else { return };
    net.ip(ROUTER, "addr del 192.0.2.1/24 dev eth0");
    let (code, text) = net.netident(A, "take --address 192.0.2.10/24@eth0");
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("NOT confirmed by 192.0.2.1") && text.contains("asked 6 times"), "{text}");
    assert!(net.stands(A, "192.0.2.10"));
}

#[test]
fn a_dry_run_changes_nothing() {
    let Some(net) = Net::build() else { return };
    let (code, text) = net.netident(A, &format!("take --dry-run {BOTH}"));
    assert!(
        code == 0 && text.contains("add 192.0.2.10/24 on eth0") && text.contains("ask 192.0.2.1"),
        "{text}"
    );
    assert!(!net.stands(A, "192.0.2.10"));
}

#[test]
fn a_refusal_undoes_what_was_changed_before() {
    let Some(net) = Net::build() else { return };
    // IPv6 is off on the link: the kernel takes the first address and refuses the second.
    net.sh(A, "echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6");
    let (code, text) = net.netident(A, &format!("take {BOTH}"));
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("2001:db8::10/64 on eth0") && text.contains("is undone again"), "{text}");
    assert!(!net.stands(A, "192.0.2.10"));
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    let Some(net) = Net::build() else { return };
    net.ip(A, "link add down0 type veth peer name down1");
    for (arguments, code, words) in [
        ("take --address 192.0.2.10/24@nosuch", 1, "there is no link nosuch"),
        ("take --address 192.0.2.10/24@down0", 1, "link down0 is down"),
        ("take --address 192.0.2.3/25@eth0", 1, "with another prefix"),
        ("take --address 192.0.2.10/24@lo", 1, "no Ethernet address"),
        ("take --address 192.0.2.255/24@eth0", 2, "broadcast"),
        ("take --address 192.0.2.10@eth0", 2, "192.0.2.10/24@eth0"),
        ("take", 2, "--address"),
        ("announce --address 192.0.2.10/24@eth0", 3, "not all of it stands"),
        ("take --file /nowhere", 2, "/nowhere"),
    ] {
        let (got, text) = net.netident(A, arguments);
        assert!(got == code && text.contains(words), "{arguments}: {got}, {text}");
    }
}

#[test]
fn the_first_address_of_a_subnet_is_not_taken_from_under_others() {
    let Some(net) = Net::build() else { return };
    let set = |v: &str| {
        for which in ["eth0", "all"] {
            net.sh(A, &format!("echo {v} >/proc/sys/net/ipv4/conf/{which}/promote_secondaries"));
        }
    };
    set("0");
    let (code, text) = net.netident(A, "take --address 198.51.100.1/24@eth0");
    assert!(code == 4 && text.contains("nobody to ask"), "{text}");
    net.ip(A, "addr add 198.51.100.2/24 dev eth0");
    let (code, text) = net.netident(A, "release --address 198.51.100.1/24@eth0");
    assert!(code == 1 && text.contains("198.51.100.2/24"), "{text}");
    assert!(net.stands(A, "198.51.100.1"));
    set("1");
    assert_eq!(net.netident(A, "release --address 198.51.100.1/24@eth0").0, 0);
    assert!(!net.stands(A, "198.51.100.1") && net.stands(A, "198.51.100.2"));
}

#[test]
fn a_probe_finds_an_owner_and_a_take_that_checks_does_not_take() {
    let Some(net) = Net::build() else { return };
    let (code, text) = net.netident(B, &format!("probe --check fast {BOTH}"));
    assert!(code == 0 && text.starts_with("free"), "{text}");
    assert_eq!(net.netident(A, &format!("take {BOTH}")).0, 0);
    for vip in ["192.0.2.10/24@eth0", "2001:db8::10/64@eth0"] {
        let (code, text) = net.netident(B, &format!("probe --check fast --address {vip}"));
        assert!(code == 10 && text.contains(&net.mac(A)), "{vip}: {text}");
        let (code, text) = net.netident(B, &format!("take --check fast --address {vip}"));
        assert!(code == 10 && text.contains(&net.mac(A)), "{vip}: {text}");
    }
    assert!(VIPS.iter().all(|vip| !net.stands(B, vip)));
}

#[test]
fn of_two_hosts_that_probe_at_once_one_at_most_takes_it_for_free() {
    let Some(net) = Net::build() else { return };
    let codes = std::thread::scope(|s| {
        let ask = |host: &'static str| {
            let net = &net;
            s.spawn(move || net.netident(host, "probe --check rfc5227 --address 192.0.2.10/24@eth0").0)
        };
        [ask(A), ask(B)].map(|t| t.join().unwrap())
    });
    // One that hears the other before it has asked itself stands back in silence.
    assert!(codes.iter().all(|c| [0, 10].contains(c)) && codes.contains(&10), "{codes:?}");
}
