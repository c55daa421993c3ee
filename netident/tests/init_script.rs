//! The init script of `netident watch`, as an init system without systemd calls it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where its bed breaks")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{A, Net};

struct Script<'n> {
    net: &'n Net,
    folder: PathBuf,
}

impl<'n> Script<'n> {
    fn new(net: &'n Net, name: &str, identity: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("netident-init-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("identity.toml");
        std::fs::write(&file, identity).unwrap();
        std::fs::write(folder.join("config"), format!("IDENTITY={}\n", file.display())).unwrap();
        Self { net, folder }
    }

    fn run(&self, action: &str) -> i32 {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/init/netident-watch");
        let done = Command::new("ip")
            .args(["netns", "exec", &self.net.host(A)])
            .arg(script)
            .arg(action)
            .env("PALISADE_INIT_CONFIG", self.folder.join("config"))
            .env("PALISADE_INIT_DAEMON", env!("CARGO_BIN_EXE_netident"))
            .env("PALISADE_INIT_PIDFILE", self.folder.join("pid"))
            .env("PALISADE_INIT_LOG", self.folder.join("log"))
            .status();
        done.unwrap().code().unwrap()
    }
}

impl Drop for Script<'_> {
    fn drop(&mut self) {
        self.run("stop");
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

const IDENTITY: &str = "address = ['192.0.2.10/24@eth0']\n";

#[test]
fn it_starts_tells_stops_and_leaves_the_identity() {
    let Some(net) = Net::build() else { return };
    let script = Script::new(&net, "life", IDENTITY);
    assert_eq!(script.run("status"), 3);
    assert_eq!(script.run("start"), 7, "the identity is not here");
    assert_eq!(net.netident(A, "take --address 192.0.2.10/24@eth0").0, 0);
    assert_eq!((script.run("start"), script.run("start"), script.run("status")), (0, 0, 0));
    assert_eq!((script.run("restart"), script.run("stop"), script.run("status")), (0, 0, 3));
    assert_eq!(script.run("stop"), 0, "twice");
    assert!(net.stands(A, "192.0.2.10"));
    let log = std::fs::read_to_string(script.folder.join("log")).unwrap();
    assert!(log.contains("watching: 192.0.2.10/24@eth0") && log.contains("stopped: told to"), "{log}");
}

#[test]
fn it_tells_what_is_wrong_by_lsb_codes() {
    let Some(net) = Net::build() else { return };
    let script = Script::new(&net, "wrong", "nonsense");
    assert_eq!(script.run("start"), 1);
    assert_eq!(script.run("nonsense"), 2);
    std::fs::write(script.folder.join("pid"), "1\n").unwrap();
    assert_eq!(script.run("status"), 1, "a recycled pid is not ours");
    std::fs::write(script.folder.join("config"), "").unwrap();
    assert_eq!(script.run("start"), 6);
}
