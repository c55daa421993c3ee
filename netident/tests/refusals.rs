//! What cannot be is refused with what was tried, what came back and what to do next, as text and as JSON.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where its bed breaks")]

mod common;
#[path = "common/watching.rs"]
mod watching;

use common::{A, B, CLIENT, Net, ROUTER};
use netident::campaign::Received;
use watching::Ears;

/// The refusal of a command, by both forms: its exit code is that, and the answer holds these words.
fn refused(net: &Net, arguments: &str, code: i32, words: &str) {
    let (got, text) = net.netident(A, arguments);
    assert!(got == code && text.contains(words), "{arguments}: {got}, {text}");
    let (got, end) = net.json(A, arguments);
    assert_eq!((got, &end["exit"], &end["outcome"]), (code, &code.into(), &"refused".into()), "{end}");
    let said = |what: &str| end["error"][what].as_str().unwrap_or_else(|| panic!("{what}: {end}")).to_owned();
    assert!(said("answer").contains(words) && !said("tried").is_empty() && !said("next").is_empty(), "{end}");
    assert_eq!(end["schema"], 1);
}

#[test]
fn bad_input_is_refused_before_anything_is_touched() {
    let Some(net) = Net::build() else { return };
    net.ip(A, "link add down0 type veth peer name down1");
    net.ip(A, "link add nocarrier type veth peer name nocarrier1");
    net.ip(A, "link set nocarrier up");
    let before = net.ip(A, "-o -4 addr show");
    for (arguments, code, words) in [
        ("take --address 192.0.2.10/24@nosuch", 1, "there is no link nosuch"),
        ("take --address 192.0.2.10/24@down0", 1, "link down0 is down"),
        ("take --address 192.0.2.10/24@nocarrier", 1, "no carrier"),
        ("take --address 192.0.2.10/24@lo", 1, "no Ethernet address"),
        ("take --address 192.0.2.3/25@eth0", 1, "with another prefix"),
        ("take --address 224.0.0.1/24@eth0", 2, "a multicast address"),
        ("take --address ff02::1/64@eth0", 2, "a multicast address"),
        ("take --address 192.0.2.255/24@eth0", 2, "a broadcast address"),
        ("take --address 255.255.255.255/32@eth0", 2, "a broadcast address"),
        ("take --address 192.0.2.0/24@eth0", 2, "the address of the subnet itself"),
        ("take --address 127.0.0.1/8@eth0", 2, "a loopback address"),
        ("take --address 192.0.2.10/64@eth0", 2, "has 32 bits"),
        ("take --address 2001:db8::10/129@eth0", 2, "has 128 bits"),
        ("take --address 192.0.2.10@eth0", 2, "192.0.2.10/24@eth0"),
        ("take --address 192.0.2.10/24@abcdefghijklmnop", 2, "longer than 15 bytes"),
        ("take --address 192.0.2.10/24@a/b", 2, "contains a blank"),
        ("take --address 192.0.2.10/24@eth0 --address 192.0.2.10/24@eth0", 2, "named twice"),
        ("take --address 192.0.2.10/24@eth0 --fenced-mac 00:00:00:00:00:00", 2, "it is zero"),
        ("take --address 192.0.2.10/24@eth0 --fenced-mac ff:ff:ff:ff:ff:ff", 2, "multicast or broadcast"),
        ("take --address 192.0.2.10/24@eth0 --fenced-mac 52:54", 2, "six hex bytes"),
        ("take --address 192.0.2.10/24@eth0 --fenced --check fast", 2, "--fenced"),
        ("take --file db.toml --mac-mode link", 2, "cannot be used with"),
        ("take", 2, "required arguments"),
        ("take --nosuch", 2, "--nosuch"),
        ("fly", 2, "fly"),
        ("watch --address 192.0.2.10/24@eth0 --missing ignore", 2, "ignore"),
        ("watch --address 192.0.2.10/24@eth0", 3, "nothing of it stands"),
        ("announce --address 192.0.2.10/24@eth0", 3, "not all of it stands"),
        ("show --address 192.0.2.10@eth0", 2, "192.0.2.10/24@eth0"),
    ] {
        refused(&net, arguments, code, words);
    }
    assert_eq!(net.ip(A, "-o -4 addr show"), before);
    assert_eq!(net.json(A, "take --nosuch").1["command"], "take");
    let (code, end) = net.json(A, "");
    assert!(code == 2 && end["error"]["answer"].as_str().unwrap().contains("subcommand"), "{end}");
    let (code, help) = net.netident(A, "--json help take");
    assert!(code == 0 && help.contains("--fenced-mac"), "{help}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_its_line() {
    let Some(net) = Net::build() else { return };
    let folder = std::env::temp_dir().join(format!("netident-files-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (n, text, words) in [
        (1, "address = [\n  \"192.0.2.10/24@eth0\",\n  oops\n]\n", "line 3"),
        (2, "adress = [\"192.0.2.10/24@eth0\"]\n", "line 1"),
        (3, "\n\naddress = \"192.0.2.10/24@eth0\"\n", "line 3"),
        (4, "address = [\"192.0.2.10@eth0\"]\n", "192.0.2.10@eth0"),
        (5, "address = []\n", "at least one address"),
    ] {
        let path = folder.join(format!("{n}.toml"));
        std::fs::write(&path, text).unwrap();
        refused(&net, &format!("take --file {}", path.display()), 2, words);
    }
    refused(&net, &format!("take --file {}", folder.join("none").display()), 2, "No such file");
    refused(&net, &format!("take --file {}", folder.display()), 2, "directory");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Without these rights, as `--json`.
fn without(net: &Net, rights: &str, arguments: &str) -> (Option<i32>, serde_json::Value) {
    let done = std::process::Command::new("ip")
        .args(["netns", "exec", &net.host(A), "setpriv"])
        .args([format!("--bounding-set={rights}"), format!("--inh-caps={rights}")])
        .args([env!("CARGO_BIN_EXE_netident"), "--json"])
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    (done.status.code(), serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}")))
}

#[test]
fn missing_rights_are_named() {
    let Some(net) = Net::build() else { return };
    let vip = "--address 192.0.2.10/24@eth0";
    for verb in ["take", "probe", "announce", "watch"] {
        let (code, end) = without(&net, "-net_raw", &format!("{verb} {vip}"));
        let answer = end["error"]["answer"].as_str().unwrap();
        assert!(code == Some(1) && answer.contains("CAP_NET_RAW"), "{verb}: {end}");
    }
    let (code, end) = without(&net, "-net_admin", &format!("take {vip}"));
    let answer = end["error"]["answer"].as_str().unwrap();
    assert!(code == Some(1) && answer.contains("CAP_NET_ADMIN"), "{end}");
    assert!(!net.stands(A, "192.0.2.10"));
    net.ip(A, "addr add 192.0.2.10/24 dev eth0");
    let (code, end) = without(&net, "-net_admin", &format!("release {vip}"));
    let answer = end["error"]["answer"].as_str().unwrap();
    assert!(code == Some(1) && answer.contains("CAP_NET_ADMIN"), "{end}");
    // It cannot know what became of the rest, and does not say that nothing did.
    assert!(answer.contains("went on with the rest") && !answer.contains("nothing was changed"), "{end}");
    assert!(net.stands(A, "192.0.2.10"));
}

#[test]
fn a_link_without_ipv6_is_no_want_of_rights() {
    let Some(net) = Net::build() else { return };
    net.sh(A, "echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6");
    let (code, text) = net.netident(A, "take --address 2001:db8::10/64@eth0");
    assert!(code == 1 && text.contains("disable_ipv6=0") && !text.contains("CAP_NET"), "{text}");
}

#[test]
fn the_fenced_nodes_own_answer_stops_a_take() {
    let Some(net) = Net::build() else { return };
    let vip = "--address 192.0.2.10/24@eth0";
    net.ip(B, "addr add 192.0.2.10/24 dev eth0");
    let (code, text) = net.netident(A, &format!("take {vip} --fenced-mac {}", net.mac(B)));
    assert!(code == 10 && text.contains(&format!("NOT FENCED: {}", net.mac(B))), "{text}");
    assert!(text.contains("start nothing here") && !net.stands(A, "192.0.2.10"), "{text}");
    // Another owner is a conflict, and no word is said of the fence.
    let (code, text) = net.netident(A, &format!("take {vip} --fenced-mac {}", net.mac(ROUTER)));
    assert!(code == 10 && !text.contains("NOT FENCED"), "{text}");
    assert!(!net.stands(A, "192.0.2.10"));
    // Gone: nobody answers, and the address is taken.
    net.ip(ROUTER, "link set pb down");
    let (code, text) = net.netident(A, &format!("take {vip} --fenced-mac {}", net.mac(B)));
    assert!(code == 0 && net.stands(A, "192.0.2.10"), "{text}");
}

#[test]
fn a_proven_fence_is_not_asked_again() {
    let Some(net) = Net::build() else { return };
    for (how, probes) in [("--fenced", 0), ("--check fast", 3)] {
        let ears = Ears::open(&net, CLIENT);
        let (code, text) = net.netident(A, &format!("take --address 192.0.2.10/24@eth0 {how}"));
        assert_eq!(code, 0, "{text}");
        let before = ears.hear("192.0.2.10", &net.mac(A));
        let asked =
            before.iter().filter(|f| matches!(f, Received::Arp(a) if a.sender.is_unspecified())).count();
        assert_eq!(asked, probes, "{how}: {before:?}");
        assert_eq!(net.netident(A, "release --address 192.0.2.10/24@eth0").0, 0);
    }
}

#[test]
fn of_two_takes_that_check_at_once_one_at_most_stands() {
    let Some(net) = Net::build() else { return };
    let codes = std::thread::scope(|s| {
        let take = |host: &'static str| {
            let net = &net;
            s.spawn(move || net.netident(host, "take --check fast --address 192.0.2.10/24@eth0").0)
        };
        [take(A), take(B)].map(|t| t.join().unwrap())
    });
    let stand = [A, B].iter().filter(|h| net.stands(h, "192.0.2.10")).count();
    assert!(stand <= 1 && codes.contains(&10), "{codes:?}, {stand} stand");
}
