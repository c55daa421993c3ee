//! An identity that is watched, on real packets: conflicts, links that flap, addresses that vanish or fail.

mod common;
#[path = "common/watching.rs"]
mod watching;

use common::{A, B, CLIENT, Net, ROUTER};
use watching::{Ears, Watching};

const BOTH: &str = "--address 192.0.2.10/24@eth0 --address 2001:db8::10/64@eth0";
const V4: &str = "--address 192.0.2.10/24@eth0";
const V6: &str = "--address 2001:db8::10/64@eth0";
const VIPS: [&str; 2] = ["192.0.2.10", "2001:db8::10"];

fn takes(net: &Net, host: &str, what: &str) {
    let (code, text) = net.netident(host, &format!("take {what}"));
    assert_eq!(code, 0, "{text}");
}

#[test]
fn both_hosts_holding_the_address_say_so_each_naming_the_other() {
    let Some(net) = Net::build() else { return };
    takes(&net, A, BOTH);
    let mut a = Watching::start(&net, A, BOTH);
    a.event("confirmed");
    net.ip(B, "addr add 192.0.2.10/24 dev eth0");
    net.ip(B, "addr add 2001:db8::10/64 dev eth0 nodad");
    let mut b = Watching::start(&net, B, BOTH);
    for (watch, other) in [(&mut a, B), (&mut b, A)] {
        let mut missing = vec!["192.0.2.10/24@eth0", "2001:db8::10/64@eth0"];
        while !missing.is_empty() {
            let e = watch.event("conflict");
            assert_eq!(e["by"], net.mac(other), "{e}");
            missing.retain(|m| e["address"] != *m);
        }
    }
}

#[test]
fn a_claim_is_answered_by_an_announcement_a_peer_hears() {
    let Some(net) = Net::build() else { return };
    takes(&net, A, V4);
    let mut a = Watching::start(&net, A, V4);
    a.event("confirmed");
    let ears = Ears::open(&net, CLIENT);
    net.ip(B, "addr add 192.0.2.10/24 dev eth0");
    let (_, text) = net.netident(B, &format!("announce {V4}"));
    let e = a.event("conflict");
    assert_eq!((&e["by"], &e["defence"]), (&net.mac(B).into(), &"sent".into()), "{e} {text}");
    ears.hear("192.0.2.10", &net.mac(A));
}

#[test]
fn a_carrier_that_was_away_brings_announcements_a_peer_hears_and_answers() {
    let Some(net) = Net::build() else { return };
    takes(&net, A, BOTH);
    let mut a = Watching::start(&net, A, BOTH);
    a.event("confirmed");
    let ears = Ears::open(&net, CLIENT);
    net.ip(ROUTER, "link set pa down");
    a.event("carrier-lost");
    ears.forget();
    net.ip(ROUTER, "link set pa up");
    a.wait(|e| e["event"] == "announcing" && e["why"] == "carrier");
    for vip in VIPS {
        ears.hear(vip, &net.mac(A));
    }
    let e = a.event("confirmed");
    assert_eq!(e["asked"], 2, "{e}");
}

#[test]
fn another_mac_on_the_link_is_announced() {
    let Some(net) = Net::build() else { return };
    takes(&net, A, BOTH);
    let mut a = Watching::start(&net, A, BOTH);
    a.event("confirmed");
    let ears = Ears::open(&net, CLIENT);
    net.ip(A, "link set eth0 address 02:00:00:00:00:77");
    a.wait(|e| e["event"] == "announcing" && e["why"] == "new-mac");
    for vip in VIPS {
        ears.hear(vip, "02:00:00:00:00:77");
    }
    assert_eq!(a.count("conflict"), 0, "one's old MAC is no rival");
}

#[test]
fn an_address_removed_by_another_tool_is_reported() {
    let Some(net) = Net::build() else { return };
    takes(&net, A, BOTH);
    let mut a = Watching::start(&net, A, BOTH);
    a.event("confirmed");
    net.ip(A, "addr del 192.0.2.10/24 dev eth0");
    let e = a.event("missing");
    assert_eq!(e["address"], "192.0.2.10/24@eth0", "{e}");
    net.ip(A, "addr add 192.0.2.10/24 dev eth0");
    a.event("returned");
    a.wait(|e| e["event"] == "announcing" && e["why"] == "returned");
    assert_eq!(a.count("restored"), 0);
}

#[test]
fn an_address_removed_by_another_tool_is_put_back_and_announced() {
    let Some(net) = Net::build() else { return };
    takes(&net, A, BOTH);
    let mut a = Watching::start(&net, A, &format!("--missing put-back {BOTH}"));
    a.event("confirmed");
    let ears = Ears::open(&net, CLIENT);
    for vip in ["192.0.2.10/24", "2001:db8::10/64"] {
        net.ip(A, &format!("addr del {vip} dev eth0"));
        let e = a.event("restored");
        assert_eq!(e["address"], format!("{vip}@eth0"), "{e}");
    }
    for vip in VIPS {
        assert!(net.stands(A, vip), "{vip}");
        ears.hear(vip, &net.mac(A));
    }
}

#[test]
fn an_address_is_put_back_with_the_routes_that_prefer_it() {
    let Some(net) = Net::build() else { return };
    let route = |to: &str| format!("{to} via 192.0.2.1 src 192.0.2.10 metric 50 @eth0");
    let file = net.runtime_dir().with_extension("toml");
    std::fs::write(
        &file,
        format!(
            "address = ['192.0.2.10/24@eth0', '192.0.2.11/24@eth0']\nroute = ['{}', '{}']",
            route("default"),
            route("198.51.100.0/24")
        ),
    )
    .unwrap();
    let what = format!("--file {}", file.display());
    takes(&net, A, &what);
    let before = net.ip(A, "route show");
    assert!(before.contains("198.51.100.0/24 via 192.0.2.1 dev eth0"), "{before}");
    let mut a = Watching::start(&net, A, &format!("--missing put-back {what}"));
    a.event("confirmed");
    // The kernel takes its routes along.
    net.ip(A, "addr del 192.0.2.10/24 dev eth0");
    a.event("restored");
    assert_eq!(net.ip(A, "route show"), before);
    // One whose route is gone speaks all the same, and asks.
    net.ip(A, "route del 198.51.100.0/24");
    net.ip(ROUTER, "link set pa down");
    a.event("carrier-lost");
    net.ip(ROUTER, "link set pa up");
    a.wait(|e| e["event"] == "announcing" && e["why"] == "carrier");
    let heard = a.wait(|e| e["event"] == "confirmed" || e["event"] == "unconfirmed");
    assert!(heard["event"] == "confirmed" && heard["asked"] == 2, "{heard}");
    std::fs::remove_file(file).unwrap();
}

#[test]
fn an_address_that_another_has_taken_meanwhile_is_not_put_back() {
    let Some(net) = Net::build() else { return };
    takes(&net, A, BOTH);
    let mut a = Watching::start(&net, A, &format!("--missing put-back {BOTH}"));
    a.event("confirmed");
    net.ip(B, "addr add 192.0.2.10/24 dev eth0");
    net.ip(B, "addr add 2001:db8::10/64 dev eth0 nodad");
    for vip in ["192.0.2.10/24", "2001:db8::10/64"] {
        net.ip(A, &format!("addr del {vip} dev eth0"));
        let e = a.event("not-restored");
        assert!(e["why"].as_str().unwrap().contains(&net.mac(B)), "{e}");
        assert!(!net.stands(A, vip.split('/').next().unwrap()));
    }
}

#[test]
fn ipv6_that_the_kernel_flushes_with_a_link_that_goes_down_is_put_back_when_it_is_up() {
    let Some(net) = Net::build() else { return };
    takes(&net, A, BOTH);
    let mut a = Watching::start(&net, A, &format!("--missing put-back {BOTH}"));
    a.event("confirmed");
    net.ip(A, "link set eth0 down");
    a.event("missing");
    net.ip(A, "link set eth0 up");
    a.event("restored");
    assert!(net.stands(A, "2001:db8::10"));
}

#[test]
fn an_address_that_failed_against_a_half_dead_owner_is_repaired() {
    let Some(net) = Net::build() else { return };
    takes(&net, A, V4);
    // The half-dead owner answers duplicate address detection, and dies.
    net.ip(B, "addr add 2001:db8::10/64 dev eth0 nodad");
    net.ip(A, "addr add 2001:db8::10/64 dev eth0");
    let failed = || net.ip(A, "-6 addr show dev eth0 to 2001:db8::10").contains("dadfailed");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !failed() {
        assert!(std::time::Instant::now() < deadline, "duplicate address detection never failed");
        std::thread::yield_now();
    }
    // While it answers, nothing is repaired.
    let mut a = Watching::start(&net, A, BOTH);
    let e = a.event("not-restored");
    assert!(e["why"].as_str().unwrap().contains(&net.mac(B)), "{e}");
    assert!(failed());
    net.ip(ROUTER, "link set pb down");
    a.event("restored");
    assert!(!failed() && net.stands(A, "2001:db8::10"));
    a.wait(|e| e["event"] == "announcing" && e["why"] == "repaired");
    assert_eq!(a.count("dadfailed"), 1);
}

#[test]
fn the_kernels_filter_passes_what_concerns_us_and_drops_the_rest() {
    let Some(net) = Net::build() else { return };
    let mut many: Vec<String> = (20..80).map(|n| format!("198.51.100.{n}")).collect();
    many.extend((20..80).map(|n| format!("2001:db8:1::{n}")));
    let mut ours: Vec<&str> = many.iter().map(String::as_str).collect();
    ours.extend(VIPS);
    let ears = Ears::concerning(&net, CLIENT, &ours);
    // A stranger's address first: whatever was let through would be heard before ours.
    takes(&net, B, "--address 192.0.2.11/24@eth0 --address 2001:db8::11/64@eth0");
    takes(&net, A, BOTH);
    for vip in VIPS {
        for frame in ears.hear(vip, &net.mac(A)) {
            let about_ours = VIPS.iter().any(|v| format!("{frame:?}").contains(v));
            assert!(about_ours, "{frame:?}");
        }
    }
}

#[test]
fn a_link_that_is_removed_is_told_and_a_watch_goes_on() {
    let Some(net) = Net::build() else { return };
    net.ip(A, "link add link eth0 name sub type macvlan mode bridge");
    net.ip(A, "link set sub up");
    takes(&net, A, "--address 198.51.100.1/24@eth0 --address 192.0.2.10/24@eth0");
    net.ip(A, "addr add 192.0.2.20/24 dev sub");
    let mut a = Watching::start(&net, A, "--address 192.0.2.10/24@eth0 --address 192.0.2.20/24@sub");
    net.ip(A, "link del sub");
    a.event("link-gone");
    net.ip(A, "addr del 192.0.2.10/24 dev eth0");
    a.wait(|e| e["event"] == "missing" && e["address"] == "192.0.2.10/24@eth0");
}

#[test]
fn a_release_tells_the_watch_which_puts_nothing_back() {
    let Some(net) = Net::build() else { return };
    takes(&net, A, BOTH);
    let mut a = Watching::start(&net, A, &format!("--missing put-back {BOTH}"));
    a.event("confirmed");
    let (code, text) = net.netident(A, &format!("release {BOTH}"));
    assert_eq!(code, 0, "{text}");
    for _ in VIPS {
        a.event("released");
    }
    // Taken again, it is watched again.
    takes(&net, A, BOTH);
    a.event("returned");
    net.ip(A, "addr del 192.0.2.10/24 dev eth0");
    a.event("restored");
    assert_eq!(a.count("missing"), 1, "the release was none");
}

#[test]
fn a_watch_that_does_not_answer_stops_a_release() {
    let Some(net) = Net::build() else { return };
    takes(&net, A, V4);
    let mut a = Watching::start(&net, A, &format!("--missing put-back {V4}"));
    a.event("confirmed");
    nix::sys::signal::kill(a.pid(), nix::sys::signal::Signal::SIGSTOP).unwrap();
    let (code, text) = net.netident(A, &format!("release {V4}"));
    assert!(code == 1 && text.contains(&format!("process {}", a.pid())), "{text}");
    assert!(net.stands(A, "192.0.2.10"), "nothing was changed");
    drop(a);
    assert_eq!(net.netident(A, &format!("release {V4}")).0, 0);
}

#[test]
fn it_stops_when_told_and_leaves_what_stands() {
    let Some(net) = Net::build() else { return };
    takes(&net, A, BOTH);
    let a = Watching::start(&net, A, BOTH);
    let (code, last) = a.stop();
    assert_eq!((code, &last["exit"]), (Some(0), &0.into()), "{last}");
    assert!(VIPS.iter().all(|vip| net.stands(A, vip)));
}

#[test]
fn where_nothing_stands_there_is_nothing_to_watch() {
    let Some(net) = Net::build() else { return };
    let (code, e) = net.json(A, &format!("watch {V6}"));
    assert_eq!((code, &e["exit"]), (3, &3.into()), "{e}");
    assert!(e["error"]["next"].as_str().unwrap().contains("netident take"), "{e}");
}

#[test]
fn a_storm_of_changes_that_overruns_the_socket_is_made_up_for_by_a_look() {
    let Some(net) = Net::build() else { return };
    takes(&net, A, V4);
    let mut a = Watching::start(&net, A, V4);
    a.event("confirmed");
    let pid = a.pid();
    let signal = |s| nix::sys::signal::kill(pid, s).unwrap();
    signal(nix::sys::signal::Signal::SIGSTOP);
    // Each of these is told to every listener: more than its socket holds.
    let batch: String = (0..4000)
        .map(|n| format!("link set lo alias x{n}\n"))
        .chain(["addr del 192.0.2.10/24 dev eth0\n".to_owned()])
        .collect();
    let file = std::env::temp_dir().join(format!("netident-storm-{pid}"));
    std::fs::write(&file, batch).unwrap();
    net.ip(A, &format!("-batch {}", file.display()));
    std::fs::remove_file(&file).unwrap();
    signal(nix::sys::signal::Signal::SIGCONT);
    a.event("overrun");
    a.event("missing");
}

#[test]
fn a_virtual_mac_speaks_for_itself_and_is_put_back() {
    let Some(net) = Net::build() else { return };
    let what = "--virtual-mac vrrp:10 --address 192.0.2.10/24@eth0";
    takes(&net, A, what);
    let ears = Ears::open(&net, CLIENT);
    let mut a = Watching::start(&net, A, &format!("--missing put-back {what}"));
    a.event("confirmed");
    ears.hear("192.0.2.10", "00:00:5e:00:01:0a");
    let on = net.ip(A, "-o -4 addr show to 192.0.2.10/32");
    let link = on.split_whitespace().nth(1).unwrap().split('@').next().unwrap().to_owned();
    net.ip(A, &format!("addr del 192.0.2.10/24 dev {link}"));
    a.event("restored");
    ears.forget();
    net.ip(ROUTER, "link set pa down");
    a.event("carrier-lost");
    net.ip(ROUTER, "link set pa up");
    a.wait(|e| e["event"] == "announcing" && e["why"] == "carrier");
    ears.hear("192.0.2.10", "00:00:5e:00:01:0a");
    net.ip(B, "addr add 192.0.2.10/24 dev eth0");
    net.netident(B, "announce --address 192.0.2.10/24@eth0");
    assert_eq!(a.event("conflict")["by"], net.mac(B));
    net.ip(B, "addr del 192.0.2.10/24 dev eth0");
    // With its macvlan more is gone than a watch may rebuild.
    net.ip(A, &format!("link del {link}"));
    assert!(a.event("not-restored")["why"].as_str().unwrap().contains("netident take"));
    takes(&net, A, &format!("{what} --check none"));
    a.event("returned");
    let (code, text) = net.netident(A, &format!("release {what}"));
    assert_eq!(code, 0, "{text}");
    a.event("released");
}
