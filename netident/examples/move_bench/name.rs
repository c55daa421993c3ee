//! A name's update on the loopback: ours, read back, beside `nsupdate`, which reads nothing back.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::net::{CLIENT, Net};
use crate::{env, median, ms};

const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

pub(crate) fn measure(net: &Net, rounds: usize) {
    let (folder, netident, host) = (env("BENCH_TMP"), env("BENCH_NETIDENT"), net.host(CLIENT));
    let zone = "$TTL 60\n@ IN SOA ns root 1 60 60 60 60\n@ IN NS ns\nns IN A 127.0.0.1\n";
    std::fs::write(format!("{folder}/example.com.db"), zone).unwrap();
    std::fs::write(format!("{folder}/key"), format!("hmac-sha256:k:{SECRET}\n")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(format!("{folder}/key"), mode).unwrap();
    let configuration = format!(
        "options {{ directory \"{folder}\"; pid-file none; session-keyfile none; lock-file none; notify no;\n\
         listen-on {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; }};\ncontrols {{ }};\n\
         key \"k\" {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n\
         zone \"example.com\" {{ type primary; file \"example.com.db\"; allow-update {{ key k; }}; }};\n"
    );
    std::fs::write(format!("{folder}/named.conf"), configuration).unwrap();
    let inside = |program: &str| {
        let mut c = Command::new("ip");
        c.args(["netns", "exec", &host, program]);
        c
    };
    let mut named = inside("named")
        .args(["-g", "-n", "1", "-c", &format!("{folder}/named.conf")])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(named.stderr.take().unwrap()).lines();
    while !lines.next().expect("named runs").unwrap().ends_with(" running") {}
    std::thread::spawn(move || lines.for_each(drop));
    let (mut ours, mut whole, mut theirs, mut empty) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for i in 0..rounds {
        let last = 1 + i % 200;
        let began = Instant::now();
        let done = inside(&netident)
            .args([
                "--json",
                "dns",
                "--address",
                &format!("192.0.2.{last}/24@eth0"),
                "--dns",
                "db.example.com",
            ])
            .args(["--dns-server", "127.0.0.1", "--dns-key", &format!("{folder}/key")])
            .output()
            .unwrap();
        whole.push(ms(began.elapsed()));
        let end: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(end["exit"], 0, "{end}");
        ours.push(end["dns"]["took_us"].as_f64().unwrap() / 1000.0);
        let began = Instant::now();
        let mut child = inside("nsupdate")
            .args(["-y", &format!("hmac-sha256:k:{SECRET}")])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let text = format!(
            "server 127.0.0.1\nzone example.com\nupdate delete db.example.com A\nupdate add db.example.com 30 A 192.0.2.{last}\nsend\n"
        );
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        theirs.push(ms(began.elapsed()));
        let began = Instant::now();
        inside("true").output().unwrap();
        empty.push(ms(began.elapsed()));
    }
    let _ = named.kill();
    let _ = named.wait();
    let [ours, whole, theirs, empty] = [ours, whole, theirs, empty].map(|v| median(v.into_iter()));
    println!(
        "\na name's update on the loopback, BIND 9, ms (processes: {empty:.2} for one that does nothing is taken off)"
    );
    println!("  {:<30} {:>10.2}", "netident, update and query", ours);
    println!("  {:<30} {:>10.2}", "netident dns, process", whole - empty);
    println!(
        "  {:<30} {:>10.2} {:>10.2} times",
        "nsupdate, process",
        theirs - empty,
        (theirs - empty) / (whole - empty)
    );
}
