//! A name that follows its identity, at a real name server, and at servers that misbehave.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where its bed breaks")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use common::named::{Named, SECRET, both};
use common::wire::Ear;
use common::{A, B, CLIENT, Net, ROUTER};
use netident::dns::{Change, Goal, Key, Reply, Shown, Verdict, judge, read, update};
use netident::frame::arp::Arp;
use netident::identity::name::Naming;

const BOTH: &str = "--address 192.0.2.10/24@eth0 --address 2001:db8::10/64@eth0";
const NAME: &str = "db.example.com";

/// Runs `netident dns`; exit code and JSON.
fn dns(server: SocketAddr, key: &str, arguments: &str) -> (i32, serde_json::Value) {
    let done = Command::new(env!("CARGO_BIN_EXE_netident"))
        .args(["--json", "dns", "--dns-server", &server.to_string(), "--dns-key", key])
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    let end = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{e}: {text} {}", String::from_utf8_lossy(&done.stderr)));
    (done.status.code().unwrap_or(-1), end)
}

#[test]
fn a_name_is_replaced_at_once_removed_and_only_where_it_was_expected() {
    let Some(named) = Named::start() else { return };
    let key = named.good_key();
    let run = |arguments: &str| dns(named.address, &key, &format!("--dns {NAME} {arguments}"));
    let (code, end) = run(BOTH);
    assert_eq!((code, &end["dns"]["outcome"]), (0, &"confirmed".into()), "{end}");
    assert_eq!(end["dns"]["shown"], serde_json::json!(["192.0.2.10", "2001:db8::10"]));
    // Another host's IPv4 address takes the place of the first; the family that is not moved is left.
    let (code, end) = run("--address 192.0.2.20/24@eth0 --dns-expect 192.0.2.10");
    assert_eq!((code, &end["dns"]["shown"]), (0, &serde_json::json!(["192.0.2.20"])), "{end}");
    let (code, end) = run("--address 192.0.2.30/24@eth0 --dns-expect 192.0.2.10");
    assert_eq!((code, &end["dns"]["outcome"]), (5, &"refused".into()), "{end}");
    assert_eq!(end["dns"]["shown"], serde_json::json!(["192.0.2.20"]), "and what it leads to is told");
    let (code, end) = run(&format!("{BOTH} --dns-expect absent"));
    assert_eq!(code, 5, "{end}");
    // Only the own addresses are removed.
    let (code, end) = run(&format!("{BOTH} --remove"));
    assert_eq!((code, &end["dns"]["shown"]), (0, &serde_json::json!(["192.0.2.20"])), "{end}");
    assert_eq!(run("--address 192.0.2.20/24@eth0 --remove").0, 0);
    let (code, end) = run(&format!("{BOTH} --dns-expect absent"));
    assert_eq!(code, 0, "{end}");
}

#[test]
fn the_other_hash_and_the_other_form_of_a_key_work() {
    let Some(named) = Named::start() else { return };
    let key = named.key(&format!("hmac-sha512:k512:{SECRET}\n"));
    let (code, end) = dns(named.address, &key, &format!("--dns {NAME} {BOTH}"));
    assert_eq!(code, 0, "{end}");
}

#[test]
fn every_refusal_of_the_server_is_told_in_words() {
    let Some(named) = Named::start() else { return };
    let good = named.good_key();
    let other_secret = named.key("hmac-sha256:k:MDEyMzQ1Njc4OWFiY2RlZg==");
    let other_name = named.key(&format!("hmac-sha256:nobody:{SECRET}"));
    let public = named.good_key();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&public, mode).unwrap();
    for (key, name, words) in [
        (&other_secret, NAME, "BADSIG"),
        (&other_name, NAME, "BADKEY"),
        (&good, "db.locked.test", "REFUSED"),
        (&good, "db.example.net", "NOTAUTH"),
        (&good, "alias.example.com", "CNAME"),
        (&public, NAME, "every user of this host"),
        (&"/nowhere".to_owned(), NAME, "/nowhere"),
    ] {
        let (code, end) = dns(named.address, key, &format!("--dns {name} {BOTH}"));
        assert_eq!((code, &end["outcome"]), (5, &"refused".into()), "{end}");
        assert!(end["dns"]["why"].as_str().unwrap().contains(words), "{words}: {end}");
    }
    let (code, end) = dns(named.address, &good, &format!("--dns {NAME} {BOTH} --remove"));
    assert!(code == 0 && end["dns"]["shown"] == serde_json::json!([]), "nothing was changed: {end}");
}

#[test]
fn a_clock_that_is_wrong_is_told() {
    let Some(named) = Named::start() else { return };
    let key = Key::parse(&format!("hmac-sha256:k:{SECRET}")).unwrap();
    let naming = Naming::new(NAME.parse().unwrap(), named.address, "".into());
    let change = Change::new(&naming, ["192.0.2.10".parse().unwrap()], Goal::Leads);
    // This host's clock, 400 s behind the server's.
    let late = netident::system::clock::unix_s() - 400;
    let request = update(&change, &key, 7, late).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(named.address).unwrap();
    socket.send(&request.bytes).unwrap();
    let mut room = [0; 2048];
    let len = socket.recv(&mut room).unwrap();
    let Reply::Answer(answer) = read(&request, &key, &room[..len], late) else { panic!("no answer") };
    let verdict = judge(&change, Ok(&answer), &Shown::Nothing("not asked".into()));
    assert!(matches!(&verdict, Verdict::Refused(w) if w.contains("BADTIME")), "{verdict:?}");
}

#[test]
fn what_does_not_fit_a_datagram_goes_by_stream() {
    let Some(named) = Named::start() else { return };
    let many: Vec<String> = (1..=60).map(|n| format!("--address 2001:db8::{n}/64@eth0")).collect();
    let (code, end) = dns(named.address, &named.good_key(), &format!("--dns {NAME} {}", many.join(" ")));
    assert_eq!((code, end["dns"]["shown"].as_array().unwrap().len()), (0, 60), "{end}");
}

/// Stands before a server: `datagram` says which server a datagram goes to and whether its answer is passed on, or
/// answers it itself. What comes by stream goes to the first server.
fn between(servers: Vec<SocketAddr>, mut datagram: impl FnMut(&[u8]) -> Way + Send + 'static) -> SocketAddr {
    let (udp, tcp) = both();
    let address = udp.local_addr().unwrap();
    let first = servers[0];
    std::thread::spawn(move || {
        let mut room = [0; 65_535];
        while let Ok((len, from)) = udp.recv_from(&mut room) {
            let (server, passed) = match datagram(&room[..len]) {
                Way::Through(n) => (servers[n], true),
                Way::AnswerLost(n) => (servers[n], false),
                Way::Answer(bytes) => {
                    let _ = udp.send_to(&bytes, from);
                    continue;
                }
            };
            let ask = UdpSocket::bind("127.0.0.1:0").unwrap();
            ask.connect(server).unwrap();
            ask.send(&room[..len]).unwrap();
            let len = ask.recv(&mut room).unwrap();
            if passed {
                let _ = udp.send_to(&room[..len], from);
            }
        }
    });
    std::thread::spawn(move || {
        while let Ok((mut from, _)) = tcp.accept() {
            let mut to = TcpStream::connect(first).unwrap();
            for _ in 0..2 {
                let mut len = [0; 2];
                from.read_exact(&mut len).unwrap();
                let mut message = vec![0; usize::from(u16::from_be_bytes(len))];
                from.read_exact(&mut message).unwrap();
                to.write_all(&[&len[..], &message].concat()).unwrap();
                std::mem::swap(&mut from, &mut to);
            }
        }
    });
    address
}

enum Way {
    Through(usize),
    AnswerLost(usize),
    Answer(Vec<u8>),
}

fn is_update(message: &[u8]) -> bool {
    message[2] & 0x78 == 5 << 3
}

#[test]
fn a_cut_answer_is_asked_for_again_by_stream() {
    let Some(named) = Named::start() else { return };
    let cut = between(vec![named.address], |m| {
        let mut header = m[..12].to_vec();
        header[2] |= 0x82;
        header[4..].fill(0);
        Way::Answer(header)
    });
    let (code, end) = dns(cut, &named.good_key(), &format!("--dns {NAME} {BOTH}"));
    assert_eq!(code, 0, "{end}");
}

#[test]
fn an_answer_that_was_lost_is_not_an_update_that_was_lost() {
    let Some(named) = Named::start() else { return };
    let mut updates = 0;
    let lossy = between(vec![named.address], move |m| {
        updates += u32::from(is_update(m));
        if is_update(m) && updates == 1 { Way::AnswerLost(0) } else { Way::Through(0) }
    });
    // The second copy meets what the first has made, and fails its condition.
    let (code, end) = dns(lossy, &named.good_key(), &format!("--dns {NAME} {BOTH} --dns-expect absent"));
    assert_eq!((code, &end["dns"]["outcome"]), (0, &"confirmed".into()), "{end}");
}

#[test]
fn a_server_that_says_yes_and_shows_otherwise_is_not_believed() {
    let (Some(named), Some(other)) = (Named::start(), Named::start()) else { return };
    let key = named.good_key();
    assert_eq!(dns(other.address, &key, &format!("--dns {NAME} --address 192.0.2.9/24@eth0")).0, 0);
    let split = between(vec![named.address, other.address], |m| Way::Through(usize::from(!is_update(m))));
    let (code, end) = dns(split, &key, &format!("--dns {NAME} {BOTH}"));
    assert_eq!((code, &end["dns"]["outcome"]), (5, &"refused".into()), "{end}");
    assert!(end["dns"]["why"].as_str().unwrap().contains("the name leads to 192.0.2.9"), "{end}");
}

#[test]
fn a_silent_server_leaves_the_outcome_unknown() {
    let Some(named) = Named::start() else { return };
    // Open, and never answering: the kernel accepts the connection.
    let (udp, _listener) = both();
    let (code, end) = dns(udp.local_addr().unwrap(), &named.good_key(), &format!("--dns {NAME} {BOTH}"));
    assert_eq!((code, &end["outcome"]), (6, &"unknown".into()), "{end}");
    assert!(end["dns"]["why"].as_str().unwrap().contains("no answer in time"), "{end}");
    // Closed.
    let closed = common::named::free_port();
    let (code, end) = dns(closed, &named.good_key(), &format!("--dns {NAME} {BOTH}"));
    assert_eq!(code, 6, "{end}");
    assert!(end["dns"]["why"].as_str().unwrap().contains("refused"), "{end}");
}

#[test]
fn the_name_follows_a_take_and_its_failure_leaves_the_addresses() {
    let Some(net) = Net::build() else { return };
    let server = "192.0.2.1:53".parse().unwrap();
    let Some(mut named) = Named::start_in(&net.host(ROUTER), server) else { return };
    let file = named.key(&format!(
        "address = [\"192.0.2.10/24@eth0\"]\ndns = {{ name = \"{NAME}\", server = \"192.0.2.1\", key-file = \"{}\", \
         ttl = 5, on-release = \"remove\" }}\n",
        named.good_key()
    ));
    let (code, text) = net.netident(A, &format!("plan --file {file}"));
    assert!(code == 0 && text.contains("make db.example.com. lead to") && !text.contains("FAIL"), "{text}");
    let (code, text) = net.netident(A, &format!("take --file {file}"));
    assert!(code == 0 && text.contains("dns: db.example.com. leads to 192.0.2.10"), "{text}");
    let (code, text) = net.netident(A, &format!("release --dry-run --file {file}"));
    assert!(code == 0 && text.contains("take these addresses out of db.example.com."), "{text}");
    let (code, end) = net.json(A, &format!("release --file {file}"));
    assert_eq!((code, &end["dns"]["shown"]), (0, &serde_json::json!([])), "{end}");
    let key = named.key("hmac-sha256:k:MDEyMzQ1Njc4OWFiY2RlZg==");
    let wrong = format!("--address 192.0.2.10/24@eth0 --dns {NAME} --dns-server 192.0.2.1 --dns-key {key}");
    let unfit = wrong.replace(&key, "/nowhere");
    let (code, text) = net.netident(B, &format!("plan {unfit}"));
    assert!(code == 0 && text.contains("it would FAIL") && text.contains("/nowhere"), "{text}");
    let (code, text) = net.netident(B, &format!("take {wrong}"));
    assert!(code == 5 && text.starts_with("done: ") && text.contains("dns: REFUSED"), "{text}");
    assert!(net.stands(B, "192.0.2.10"), "a name's failure undoes nothing");
    named.stop();
    let (code, text) = net.netident(B, &format!("take {wrong}"));
    assert!(code == 6 && text.starts_with("already so: ") && text.contains("dns: UNKNOWN"), "{text}");
}

/// A server in the network's router that hears requests and never answers; each tells.
fn silent(net: &Net) -> Receiver<()> {
    let (tell, told) = channel();
    let (ready, is_ready) = channel();
    let path = format!("/run/netns/{}", net.host(ROUTER));
    std::thread::spawn(move || {
        nix::sched::setns(std::fs::File::open(path).unwrap(), nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        let socket = UdpSocket::bind("192.0.2.1:53").unwrap();
        ready.send(()).unwrap();
        while socket.recv(&mut [0; 512]).is_ok() && tell.send(()).is_ok() {}
    });
    is_ready.recv().unwrap();
    told
}

#[test]
fn announcements_are_repeated_while_a_names_server_is_silent() {
    let Some(net) = Net::build() else { return };
    std::fs::create_dir_all(net.runtime_dir()).unwrap();
    let key = net.runtime_dir().join("key");
    std::fs::write(&key, "hmac-sha256:k:MDEyMzQ1Njc4OWFiY2RlZg==").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (requests, ear) = (silent(&net), Ear::open(&net, CLIENT));
    let take = Command::new("ip")
        .args(["netns", "exec", &net.host(A), env!("CARGO_BIN_EXE_netident"), "take", "--repeat"])
        .args(["--address", "192.0.2.10/24@eth0", "--dns", NAME, "--dns-server", "192.0.2.1", "--dns-key"])
        .arg(&key)
        .env("NETIDENT_RUNTIME_DIR", net.runtime_dir())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The update, and the query that reads back, each said twice: the last comes long before the end.
    (0..4).for_each(|_| requests.recv_timeout(Duration::from_secs(20)).unwrap());
    let announced = |f: &&Vec<u8>| Arp::parse(f).is_ok_and(|a| a.sender == a.target);
    let heard = ear.all().iter().filter(announced).count();
    assert!(heard > 2, "the first announcement has two frames; {heard} were heard");
    let end = take.wait_with_output().unwrap();
    let text = String::from_utf8(end.stdout).unwrap();
    assert!(end.status.code() == Some(6) && text.contains("dns: UNKNOWN"), "{text}");
}
