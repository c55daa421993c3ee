//! What stands here, and who answers for the rest.

mod common;

use common::{A, B, Net, ROUTER};

#[test]
fn it_names_who_answers_how_fast_and_what_its_mac_tells() {
    let Some(net) = Net::build() else { return };
    net.ip(B, "link set eth0 address 52:54:00:00:00:0b");
    net.ip(B, "addr add 192.0.2.10/24 dev eth0");
    net.ip(B, "addr add 2001:db8::10/64 dev eth0 nodad");
    let (code, end) = net.json(
        A,
        "show --address 192.0.2.10/24@eth0 --address 2001:db8::10/64@eth0 --address 192.0.2.3/24@eth0 \
         --address 192.0.2.77/24@eth0 --address 192.0.2.10/24@nosuch",
    );
    assert_eq!(code, 0, "{end}");
    let asked = end["asked"].as_array().unwrap();
    for one in &asked[..2] {
        assert_eq!((&one["here"], one["answers"].as_array().unwrap().len()), (&false.into(), 1), "{one}");
        let answer = &one["answers"][0];
        assert_eq!(answer["mac"], "52:54:00:00:00:0b");
        assert!(answer["vendor"].as_str().unwrap().contains("QEMU"), "{answer}");
        assert!(answer["after_us"].as_u64().unwrap() < 500_000, "{answer}");
    }
    assert_eq!((&asked[2]["here"], &asked[2]["answers"]), (&true.into(), &serde_json::json!([])), "{end}");
    assert_eq!((&asked[3]["here"], &asked[3]["answers"]), (&false.into(), &serde_json::json!([])), "{end}");
    assert!(asked[4]["not_asked"].as_str().unwrap().contains("no such link"), "{end}");
}

#[test]
fn two_that_have_it_are_a_conflict_seen_from_one_of_them_and_from_a_third() {
    let Some(net) = Net::build() else { return };
    for host in [A, B] {
        net.ip(host, "addr add 192.0.2.10/24 dev eth0");
    }
    let (code, text) = net.netident(A, "show --address 192.0.2.10/24@eth0");
    assert!(code == 10 && text.contains("CONFLICT: stands here") && text.contains(&net.mac(B)), "{text}");
    let (code, text) = net.netident(ROUTER, "show --address 192.0.2.10/24@eth0");
    assert!(code == 10 && text.contains("CONFLICT: several hosts"), "{text}");
    assert!(text.contains(&net.mac(A)) && text.contains(&net.mac(B)), "{text}");
}

#[test]
fn asking_teaches_nobody_anything_wrong() {
    let Some(net) = Net::build() else { return };
    net.ip(B, "addr add 192.0.2.10/24 dev eth0");
    net.ip(ROUTER, &format!("neigh replace 192.0.2.10 lladdr {} dev eth0 nud reachable", net.mac(B)));
    assert_eq!(net.netident(A, "show --address 192.0.2.10/24@eth0").0, 0);
    assert!(net.neighbour(ROUTER, "192.0.2.10").contains(&net.mac(B)));
}

#[test]
fn without_an_identity_it_asks_nobody_and_needs_no_rights() {
    let Some(net) = Net::build() else { return };
    let done = std::process::Command::new("ip")
        .args([
            "netns",
            "exec",
            &net.host(A),
            "setpriv",
            "--bounding-set=-all",
            env!("CARGO_BIN_EXE_netident"),
        ])
        .arg("show")
        .output()
        .unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success() && text.contains("192.0.2.3/24"), "{text}");
}
