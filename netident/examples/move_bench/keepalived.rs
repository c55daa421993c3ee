//! keepalived's VRRP with advertisements each 10 ms: detection included, so measured from the cut.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::echo::Echo;
use crate::net::{A, B, CLIENT, Net, ROUTER};
use crate::{env, ip, median, ms};

const VIP: &str = "192.0.2.20/24";

pub(crate) fn measure(net: &Arc<Net>, rounds: usize) {
    if Command::new("keepalived").arg("--version").output().is_err() {
        println!("\nkeepalived: not installed, not measured");
        return;
    }
    let echo = Echo::start(net, ip(VIP));
    let mut times = Vec::new();
    for _ in 0..rounds {
        net.ip(ROUTER, "link set pa up");
        for host in [ROUTER, CLIENT] {
            net.try_ip(host, "neigh flush dev eth0");
        }
        let mut daemons = [start(net, A, 200), start(net, B, 100)];
        echo.turn(true);
        let began = Instant::now();
        // A, of the higher priority, is the master once both have settled.
        let mut at = echo.first_after(began, Duration::from_secs(10)).map(|_| Instant::now());
        while at.is_some() && !net.ip(A, "-o addr show eth0").contains("192.0.2.20/") {
            at = echo.first_after(Instant::now(), Duration::from_secs(10)).map(|_| Instant::now());
        }
        if at.is_some() {
            std::thread::sleep(Duration::from_millis(500));
            net.ip(ROUTER, "link set pa down");
            let cut = Instant::now();
            std::thread::sleep(Duration::from_millis(2));
            let first = echo.first_after(cut + Duration::from_millis(2), Duration::from_secs(10));
            times.extend(first.map(|d| ms(d) + 2.0));
        }
        echo.turn(false);
        for d in &mut daemons {
            // Asked to end, so that it takes its address off.
            let pid = nix::unistd::Pid::from_raw(i32::try_from(d.id()).unwrap());
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
            let _ = d.wait();
        }
        for host in [A, B] {
            net.try_ip(host, &format!("addr del {VIP} dev eth0"));
        }
    }
    if times.is_empty() {
        println!("\nkeepalived: never became master, not measured");
    } else {
        let n = times.len();
        println!(
            "\nkeepalived, advertisements each 10 ms: cut to first echo, detection included, ms ({n} rounds)"
        );
        println!("  {:<30} {:>10.2}", "keepalived", median(times.into_iter()));
    }
}

fn start(net: &Net, host: &str, priority: u8) -> Child {
    let folder = PathBuf::from(env("BENCH_TMP"));
    let file = folder.join(format!("keepalived-{host}.conf"));
    let configuration = format!(
        "global_defs {{\n vrrp_version 3\n}}\nvrrp_instance x {{\n state BACKUP\n interface eth0\n virtual_router_id 7\n \
         priority {priority}\n advert_int 0.01\n virtual_ipaddress {{\n {VIP}\n }}\n}}\n"
    );
    std::fs::write(&file, configuration).unwrap();
    let pids = |what: &str| folder.join(format!("{what}-{host}.pid"));
    Command::new("ip")
        .args(["netns", "exec", &net.host(host), "keepalived", "-n", "-P", "-f"])
        .arg(&file)
        .arg("-p")
        .arg(pids("keepalived"))
        .arg("-r")
        .arg(pids("vrrp"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
