//! What an operator lives through with three quorum devices: all live, one missing, one hung, two
//! challengers, a dead owner, an owner left with one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is a failure")]

mod common;

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use common::{Running, Stage, arbitrate, await_file, key};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;
use serde_json::Value;

const DISKS: [&str; 3] = ["q1", "q2", "q3"];

/// Three disks and the folders of their nodes.
struct Quorum(Stage);

impl Quorum {
    fn new() -> Self {
        let q = Self(Stage::new());
        for d in DISKS {
            q.0.run(&["sim", "create", &q.path(d)]).must(0);
        }
        q
    }

    fn path(&self, disk: &str) -> String {
        self.0.dir().join(disk).display().to_string()
    }

    fn spec(&self, disk: &str, number: u8) -> String {
        format!("sim:{}?as=n{number}", self.path(disk))
    }

    fn node(&self, verb: &str, number: u8, disks: &[&str], args: &[&str]) -> Command {
        let host = self.0.dir().join(format!("host{number}"));
        let mut c = arbitrate();
        c.arg(verb)
            .args(disks.iter().map(|d| self.spec(d, number)))
            .args(["--json", "--cluster", "test", "--profile"])
            .arg(self.0.profile())
            .args(["--node", &number.to_string()])
            .args(args)
            .env("PALISADE_STATE_DIR", host.join("state"))
            .env("PALISADE_RUNTIME_DIR", host.join("run"))
            .stdin(std::process::Stdio::null());
        c
    }

    fn challenge(&self, number: u8, args: &[&str]) -> (i32, Value) {
        Running::start(self.node("challenge", number, &DISKS, args)).end()
    }

    /// A defender that holds all three.
    fn defend(&self, number: u8, args: &[&str]) -> Running {
        let args: Vec<&str> = ["--acquire"].iter().chain(args).copied().collect();
        let mut r = Running::start(self.node("defend", number, &DISKS, &args));
        for _ in DISKS {
            while r.await_event("settled")["result"] != "won" {}
        }
        r
    }

    fn keys(&self, disk: &str) -> Vec<String> {
        let v = self.0.run(&["keys", &self.spec(disk, 99), "--json"]).must(0).json();
        v["keys"].as_array().unwrap().iter().map(|k| k.as_str().unwrap().to_owned()).collect()
    }

    /// Every command to the disk hangs as long as this is held, as if its holder were frozen.
    fn freeze(&self, disk: &str) -> Flock<std::fs::File> {
        let file = std::fs::File::options().read(true).write(true).open(self.path(disk)).unwrap();
        Flock::lock(file, FlockArg::LockExclusive).unwrap()
    }
}

fn result_of<'a>(end: &'a Value, disk: &str) -> &'a str {
    let all = end["devices"].as_array().unwrap_or_else(|| panic!("{end}"));
    let at = all.iter().find(|d| d["device"].as_str().unwrap().contains(disk)).unwrap();
    at["result"].as_str().unwrap()
}

#[test]
fn three_live_disks_are_won_and_handed_to_defend() {
    let q = Quorum::new();
    let (code, end) = q.challenge(1, &[]);
    assert_eq!(code, 0, "{end}");
    assert_eq!((end["won"].as_u64(), end["majority"].as_u64()), (Some(3), Some(2)), "{end}");
    for d in DISKS {
        assert_eq!(result_of(&end, d), "won");
        assert_eq!(q.keys(d), [key(1, false, 1)]);
    }
    let mut owner = Running::start(q.node("defend", 1, &DISKS, &[]));
    owner.await_event("owned");
    owner.await_event("majority-confirmed");
    for d in DISKS {
        assert_eq!(q.keys(d), [key(1, false, 1)], "the same life goes on");
    }
    owner.signal(Signal::SIGTERM);
    let (code, end) = owner.end();
    assert_eq!(code, 0, "{end}");
    assert!(DISKS.iter().all(|d| q.keys(d).is_empty()), "all given back");
}

#[test]
fn a_live_owner_defends_all_and_nothing_of_the_challenger_is_left() {
    let q = Quorum::new();
    let mut owner = q.defend(1, &["--weight", "0"]);
    let (code, end) = q.challenge(2, &[]);
    assert_eq!(code, 10, "{end}");
    assert!(end["error"]["answer"].as_str().unwrap().contains("defends a majority"), "{end}");
    owner.await_event("challenged");
    owner.await_event("majority-confirmed");
    for d in DISKS {
        assert_eq!(q.keys(d), [key(1, false, 1)]);
    }
}

#[test]
fn a_killed_owner_loses_all() {
    let q = Quorum::new();
    q.defend(1, &[]).kill();
    let (code, end) = q.challenge(2, &[]);
    assert_eq!(code, 0, "{end}");
    for d in DISKS {
        assert_eq!(q.keys(d), [key(2, false, 1)]);
    }
}

#[test]
fn one_missing_disk_delays_nothing_and_is_said() {
    let q = Quorum::new();
    std::fs::remove_file(q.path("q2")).unwrap();
    let (code, end) = q.challenge(1, &[]);
    assert_eq!(code, 0, "{end}");
    assert_eq!(
        (result_of(&end, "q1"), result_of(&end, "q2"), result_of(&end, "q3")),
        ("won", "missing", "won")
    );
    assert_eq!(end["won"], 2);
}

#[test]
fn two_missing_disks_are_no_majority_and_the_third_is_left_alone() {
    let q = Quorum::new();
    std::fs::remove_file(q.path("q2")).unwrap();
    std::fs::remove_file(q.path("q3")).unwrap();
    let (code, end) = q.challenge(1, &[]);
    assert_eq!(code, 35, "{end}");
    assert!(end["error"]["answer"].as_str().unwrap().contains("NO MAJORITY"), "{end}");
    assert!(q.keys("q1").is_empty());
    let (code, _) = Running::start(q.node("challenge", 1, &DISKS, &["--legacy"])).end();
    assert_eq!(code, 2, "legacy mode has one disk");
}

#[test]
fn a_disk_that_hangs_from_the_start_holds_up_nobody() {
    let q = Quorum::new();
    let frozen = q.freeze("q1");
    let (code, end) = q.challenge(1, &[]);
    assert_eq!(code, 0, "{end}");
    assert_eq!(end["won"], 2);
    assert_eq!(result_of(&end, "q1"), "missing");
    drop(frozen);
    assert!(q.keys("q1").is_empty());
}

#[test]
fn a_disk_that_hangs_for_a_while_counts_again_only_under_a_new_key() {
    let q = Quorum::new();
    let mut owner = q.defend(1, &[]);
    let frozen = q.freeze("q3");
    while owner.await_event("settled")["result"] != "unknown" {}
    owner.await_event("majority-confirmed");
    drop(frozen);
    let back = loop {
        let e = owner.await_event("settled");
        if e["result"] == "won" {
            break e;
        }
    };
    assert!(back["device"].as_str().unwrap().contains("q3"), "{back}");
    let now = q.keys("q3");
    assert_eq!(now.len(), 1);
    assert_ne!(now, [key(1, false, 1)], "a fresh life");
    assert_eq!(q.keys("q1"), [key(1, false, 1)], "the others go on");
    assert!(owner.is_running());
}

#[test]
fn an_owner_left_with_one_disk_stops_and_gives_it_back() {
    let q = Quorum::new();
    let ran = q.0.dir().join("ran");
    let mut owner = q.defend(1, &["--on-deposed", &format!("echo $PALISADE_REASON >{}", ran.display())]);
    let frozen = [q.freeze("q1"), q.freeze("q2")];
    let ended = owner.await_event("ownership-ended");
    assert_eq!((ended["leases"].as_u64(), ended["configured"].as_u64()), (Some(1), Some(3)));
    assert_eq!(await_file(&ran), "expired\n");
    assert_eq!(q.keys("q3"), [key(1, false, 1)], "held for one window more");
    owner.await_event("giving-up");
    let (code, end) = owner.end();
    assert_eq!(code, 11, "{end}");
    assert!(end["error"]["answer"].as_str().unwrap().contains("ended well"), "{end}");
    assert!(q.keys("q3").is_empty(), "given back");
    drop(frozen);
}

#[test]
fn of_two_challengers_at_once_the_heavier_wins() {
    let q = Quorum::new();
    q.defend(1, &[]).kill();
    let light = Running::start(q.node("challenge", 2, &DISKS, &["--weight", "9"]));
    let heavy = Running::start(q.node("defend", 3, &DISKS, &["--acquire", "--weight", "10"]));
    let (code, end) = light.end();
    assert_eq!(code, 10, "{end}");
    for d in DISKS {
        assert_eq!(q.keys(d), [key(3, false, 1)]);
    }
    drop(heavy);
}

#[test]
fn of_two_equal_challengers_of_a_dead_owner_one_owns_all_and_the_other_is_defended() {
    let q = Quorum::new();
    q.defend(1, &[]).kill();
    let mut both = [2, 3].map(|n| Running::start(q.node("defend", n, &DISKS, &["--acquire"])));
    let patience = std::time::Instant::now() + Duration::from_secs(60);
    let loser = loop {
        if let Some(i) = both.iter_mut().position(|r| !r.is_running()) {
            break i;
        }
        assert!(std::time::Instant::now() < patience, "both still run");
        std::thread::sleep(Duration::from_millis(10));
    };
    let mut both = both.into_iter().collect::<Vec<_>>();
    let (code, end) = both.remove(loser).end();
    assert_eq!(code, 10, "{end}");
    let mut winner = both.remove(0);
    winner.await_event("owned");
    winner.await_event("majority-confirmed");
    let number = if loser == 0 { 3 } else { 2 };
    for d in DISKS {
        let keys = q.keys(d);
        assert!(keys.len() == 1 && keys[0].starts_with(&key(number, false, 1)[..10]), "{d}: {keys:?}");
    }
}

#[test]
fn an_even_number_and_a_disk_named_twice_are_refused_in_words() {
    let q = Quorum::new();
    let (code, end) = Running::start(q.node("challenge", 1, &["q1", "q2"], &[])).end();
    assert_eq!(code, 2);
    assert!(end["error"]["answer"].as_str().unwrap().contains("even number"), "{end}");
    let (code, end) = Running::start(q.node("defend", 1, &["q1", "q2", "q1"], &["--acquire"])).end();
    assert_eq!(code, 2);
    assert!(end["error"]["answer"].as_str().unwrap().contains("same device"), "{end}");
    assert!(DISKS.iter().all(|d| q.keys(d).is_empty()));
}

#[test]
fn a_dry_run_shows_the_order_and_sends_nothing() {
    let q = Quorum::new();
    let (code, plan) = q.challenge(1, &["--dry-run", "--weight", "8"]);
    assert_eq!(code, 0);
    let ids: Vec<&str> =
        plan["devices"].as_array().unwrap().iter().map(|d| d["identity"].as_str().unwrap()).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    assert_eq!(plan["delay_ms"], 2600);
    assert!(DISKS.iter().all(|d| q.keys(d).is_empty()));
}

#[test]
fn what_three_disks_won_is_not_taken_over_for_one() {
    let q = Quorum::new();
    assert_eq!(q.challenge(1, &[]).0, 0);
    let (code, end) = Running::start(q.node("defend", 1, &["q1"], &[])).end();
    assert_eq!(code, 1, "{end}");
    assert!(end["error"]["answer"].as_str().unwrap().contains("one of 3"), "{end}");
}

#[test]
fn a_race_withdrawn_by_a_signal_leaves_nothing() {
    let q = Quorum::new();
    let mut c = Running::start(q.node("challenge", 1, &DISKS, &[]));
    for _ in DISKS {
        c.await_event("waiting");
    }
    c.signal(Signal::SIGINT);
    let (code, end) = c.end();
    assert_eq!(code, 1, "{end}");
    assert!(DISKS.iter().all(|d| q.keys(d).is_empty()));
}

#[test]
fn one_disk_waits_for_its_weight_too_and_a_signal_ends_that() {
    let q = Quorum::new();
    let mut c = Running::start(q.node("challenge", 1, &["q1"], &["--weight", "0"]));
    c.await_event("plan");
    c.signal(Signal::SIGTERM);
    let (code, end) = c.end();
    assert_eq!(code, 1, "{end}");
    assert!(end["error"]["answer"].as_str().unwrap().contains("nothing was changed"), "{end}");
    assert!(q.keys("q1").is_empty());
}

#[test]
fn ready_comes_with_the_majority() {
    let q = Quorum::new();
    let path = q.0.dir().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut c = q.node("defend", 1, &DISKS, &["--acquire"]);
    c.env("NOTIFY_SOCKET", &path);
    let owner = Running::start(c);
    let told = || {
        let mut b = [0; 4096];
        let n = socket.recv(&mut b).expect("nothing was told in time");
        String::from_utf8_lossy(&b[..n]).into_owned()
    };
    let first = loop {
        let t = told();
        if !t.contains("challenging") {
            break t;
        }
    };
    assert!(first.contains("READY=1") && first.contains("a majority confirmed"), "{first}");
    let held = DISKS.iter().filter(|d| q.keys(d) == [key(1, false, 1)]).count();
    assert!(held >= 2, "ready means a majority");
    assert!(told().contains("WATCHDOG=1"));
    owner.signal(Signal::SIGTERM);
    while !told().contains("STOPPING=1") {}
    assert_eq!(owner.end().0, 0);
}
