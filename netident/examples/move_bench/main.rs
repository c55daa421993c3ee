//! Moves an address from A to B by several tools in turns, and tells how long a client waited. `tools/bench/identity`
//! builds it, gives it the paths of the tools, and is what to call.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measuring tool stops where it cannot measure"
)]

mod echo;
mod keepalived;
mod name;
mod net;

use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use echo::Echo;
use net::{A, B, CLIENT, Net, ROUTER};
use netident::identity::Identity;
use netident::runtime::Prepared;
use netident::system::netlink::Netlink;
use netident::system::packet::PacketSocket;

const V4: &str = "192.0.2.10/24";
const V6: &str = "2001:db8::10/64";

/// How long a move is waited for.
const PATIENCE: Duration = Duration::from_secs(6);

struct Tool {
    name: &'static str,
    /// Run in B; empty for the library.
    command: String,
}

fn tool(name: &'static str, command: String) -> Tool {
    Tool { name, command }
}

pub(crate) fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: call tools/bench/identity"))
}

fn main() {
    let rounds: usize = env("BENCH_ROUNDS").parse().unwrap();
    let net = Arc::new(Net::build());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    println!(
        "medians of {rounds} rounds, all tools in turns, load average {}",
        load.split(' ').next().unwrap()
    );
    moves(&net, rounds);
    keepalived::measure(&net, rounds.min(9));
    many(&net, rounds);
    name::measure(&net, rounds);
}

fn moves(net: &Arc<Net>, rounds: usize) {
    let (netident, probe, ra) = (env("BENCH_NETIDENT"), env("BENCH_PROBE"), env("BENCH_RA"));
    let (index, mac) = (net.index(B), net.mac(B));
    let ipaddr2 = |more: &str| format!("{more} {ra}/usr/lib/ocf/resource.d/heartbeat/IPaddr2 start");
    let v4 = vec![
        tool("floor: bare probe", format!("exec {probe} {index} {mac} {V4}")),
        tool("netident take", format!("exec {netident} take --address {V4}@eth0")),
        tool("netident, library", String::new()),
        tool(
            "ip addr add + arping -c1 -U",
            format!("ip addr add {V4} dev eth0 && exec arping -q -c1 -U -I eth0 192.0.2.10"),
        ),
        tool(
            "ip addr add + send_arp -r1",
            format!(
                "ip addr add {V4} dev eth0 && exec {ra}/usr/libexec/heartbeat/send_arp -i 200 -r 1 eth0 192.0.2.10 auto x x"
            ),
        ),
        tool(
            "IPaddr2 start",
            ipaddr2("OCF_RESKEY_ip=192.0.2.10 OCF_RESKEY_cidr_netmask=24 OCF_RESKEY_nic=eth0"),
        ),
    ];
    let v6 = vec![
        tool("floor: bare probe", format!("exec {probe} {index} {mac} {V6}")),
        tool("netident take", format!("exec {netident} take --address {V6}@eth0")),
        tool("netident, library", String::new()),
        tool(
            "IPaddr2 start, nodad",
            ipaddr2(
                "OCF_RESKEY_nodad=true OCF_RESKEY_ip=2001:db8::10 OCF_RESKEY_cidr_netmask=64 OCF_RESKEY_nic=eth0",
            ),
        ),
        tool(
            "IPaddr2 start",
            ipaddr2("OCF_RESKEY_ip=2001:db8::10 OCF_RESKEY_cidr_netmask=64 OCF_RESKEY_nic=eth0"),
        ),
    ];
    // Of those that go on telling: the others never come back when their one frame is lost.
    let lost = |tools: &[Tool]| -> Vec<Tool> {
        let kept = tools
            .iter()
            .filter(|t| t.name.contains("take") || t.name.contains("library") || t.name.contains("IPaddr2"));
        kept.map(|t| tool(t.name, t.command.clone())).collect()
    };
    let (lost4, lost6) = (lost(&v4), lost(&v6));
    let (echo4, echo6) = (Echo::start(net, ip(V4)), Echo::start(net, ip(V6)));
    let tables = [
        ("IPv4: takeover to first echo, ms", V4, &echo4, &v4, Duration::ZERO),
        ("IPv6: takeover to first echo, ms", V6, &echo6, &v6, Duration::ZERO),
        (
            "IPv4, the bridge drops all of B's frames for 300 ms",
            V4,
            &echo4,
            &lost4,
            Duration::from_millis(300),
        ),
        (
            "IPv6, the bridge drops all of B's frames for 300 ms",
            V6,
            &echo6,
            &lost6,
            Duration::from_millis(300),
        ),
    ];
    let mut all: Vec<Vec<Vec<One>>> =
        tables.iter().map(|t| t.3.iter().map(|_| Vec::new()).collect()).collect();
    for _ in 0..rounds {
        for (t, (_, address, echo, tools, drop)) in tables.iter().enumerate() {
            for (i, tool) in tools.iter().enumerate() {
                all[t][i].push(one(net, tool, address, echo, *drop));
            }
        }
    }
    for ((title, _, _, tools, _), times) in tables.iter().zip(&all) {
        println!("\n{title}");
        let ours = median(times[1].iter().map(|o| o.echo));
        println!(
            "  {:<30} {:>10} {:>10} {:>10} {:>16}",
            "", "median", "worst", "/ netident", "result printed"
        );
        for (tool, times) in tools.iter().zip(times) {
            let m = median(times.iter().map(|o| o.echo));
            let worst = times.iter().map(|o| o.echo).fold(0.0, f64::max);
            let printed = times.iter().filter_map(|o| o.printed).collect::<Vec<_>>();
            let printed = if printed.is_empty() {
                String::new()
            } else {
                format!("{:.2}", median(printed.into_iter()))
            };
            println!("  {:<30} {m:>10.2} {worst:>10.2} {:>10.2} {printed:>16}", tool.name, m / ours);
        }
    }
}

pub(crate) fn ip(net: &str) -> IpAddr {
    net.split('/').next().unwrap().parse().unwrap()
}

/// One move, ms.
struct One {
    echo: f64,
    printed: Option<f64>,
}

/// A has the address and the client knows it; A is cut; B takes it.
fn one(net: &Arc<Net>, tool: &Tool, address: &str, echo: &Echo, drop: Duration) -> One {
    for host in [A, B] {
        net.try_ip(host, &format!("addr del {address} dev eth0"));
    }
    for host in [ROUTER, CLIENT] {
        net.try_ip(host, "neigh flush dev eth0");
    }
    net.ip(ROUTER, "link set pa up");
    let nodad = if address == V6 { "nodad" } else { "" };
    net.ip(A, &format!("addr add {address} dev eth0 {nodad}"));
    echo.turn(true);
    assert!(echo.first_after(Instant::now(), PATIENCE).is_some(), "A never answered");
    net.ip(ROUTER, "link set pa down");
    // What was under way has arrived.
    std::thread::sleep(Duration::from_millis(5));
    if !drop.is_zero() {
        net.port(B, 0);
    }
    let (tell, told) = channel();
    let (command, theirs, address) = (tool.command.clone(), net.clone(), address.to_owned());
    let worker = std::thread::spawn(move || {
        theirs.enter(B);
        if command.is_empty() { library(&address, &tell) } else { spawned(&command, &tell) }
    });
    let began = told.recv().unwrap();
    let mut rest = PATIENCE;
    if !drop.is_zero() {
        // The port opens that long after the beginning, whatever the tool does.
        std::thread::sleep((began + drop).saturating_duration_since(Instant::now()));
        net.port(B, 3);
        rest += drop;
    }
    let first = echo.first_after(began, rest).unwrap_or(rest);
    echo.turn(false);
    let printed = worker.join().unwrap();
    One { echo: ms(first), printed: printed.map(ms) }
}

/// Runs a command in B; from its start to its first line.
fn spawned(command: &str, tell: &std::sync::mpsc::Sender<Instant>) -> Option<Duration> {
    let ra = env("BENCH_RA");
    let mut command = {
        let mut c = Command::new("sh");
        c.args(["-c", command]);
        c
    };
    if !command.get_args().any(|a| a.to_string_lossy().contains("netident")) {
        command.env("LD_LIBRARY_PATH", format!("{ra}/usr/lib:{ra}/usr/lib/x86_64-linux-gnu"));
    }
    command
        .env("OCF_ROOT", format!("{ra}/usr/lib/ocf"))
        .env("HA_BIN", format!("{ra}/usr/libexec/heartbeat"))
        .env("HA_RSCTMP", env("BENCH_TMP"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    tell.send(began).unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let printed = began.elapsed();
    child.wait().unwrap();
    line.starts_with("done").then_some(printed)
}

/// The library in a process that has its sockets open and its take made ready.
fn library(address: &str, tell: &std::sync::mpsc::Sender<Instant>) -> Option<Duration> {
    let socket = PacketSocket::open().unwrap();
    socket.listen().unwrap();
    let mut netlink = Netlink::open().unwrap();
    let host = netlink.host().unwrap();
    let identity = Identity::new(vec![format!("{address}@eth0").parse().unwrap()], None).unwrap();
    let prepared = Prepared::new(&mut netlink, &socket, &host, &identity).unwrap();
    let began = Instant::now();
    tell.send(began).unwrap();
    prepared.fire(&mut netlink, &mut netident::runtime::Unkept).unwrap();
    Some(began.elapsed())
}

/// One address on one link, and 64 on four: to the last confirmed.
fn many(net: &Arc<Net>, rounds: usize) {
    let netident = env("BENCH_NETIDENT");
    let subnets = [("eth0", "192.0.2"), ("eth1", "198.51.100"), ("eth2", "203.0.113"), ("eth3", "198.18.0")];
    let all: Vec<String> = subnets
        .iter()
        .flat_map(|(link, subnet)| (100..116).map(move |n| format!("--address {subnet}.{n}/24@{link}")))
        .collect();
    let cases = [("1 address on 1 link", all[0].clone()), ("64 addresses on 4 links", all.join(" "))];
    net.try_ip(ROUTER, "link set pa up");
    let run = |arguments: &str| {
        let host = net.host(B);
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &host, &netident, "--json"]).args(arguments.split_whitespace());
        let began = Instant::now();
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let printed = ms(began.elapsed());
        child.wait().unwrap();
        (printed, serde_json::from_str::<serde_json::Value>(&line).unwrap())
    };
    let (mut times, mut whole) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..rounds {
        for (i, (_, addresses)) in cases.iter().enumerate() {
            let (printed, end) = run(&format!("take {addresses}"));
            whole[i].push(printed);
            assert_eq!(end["exit"], 0, "{end}");
            let questions = end["questions"].as_array().unwrap();
            let last = questions.iter().map(|q| q["at_us"].as_f64().expect("confirmed")).fold(0.0, f64::max);
            times[i].push(last / 1000.0);
            run(&format!("release {addresses}"));
        }
    }
    for (title, times) in [
        ("from the start of the process to its result, every neighbour confirmed, ms", whole),
        ("of that: from the kernel's acknowledgement to the last neighbour that confirmed, ms", times),
    ] {
        println!("\n{title}");
        let one = median(times[0].iter().copied());
        for ((name, _), times) in cases.iter().zip(&times) {
            let m = median(times.iter().copied());
            println!("  {name:<30} {m:>10.3} {:>10.2} times", m / one);
        }
    }
}

pub(crate) fn ms(d: Duration) -> f64 {
    d.as_secs_f64() * 1000.0
}

pub(crate) fn median(all: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = all.collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
