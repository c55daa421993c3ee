//! What an operator lives through: nodes fenced out of data devices, proven or not, and leftovers removed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is a failure")]

mod common;

use common::{End, Stage, arbitrate, key};
use serde_json::Value;
use std::process::Stdio;

/// Data disks `d0`, `d1`, …: node 2 holds each, nodes 1 and 3 are registered.
struct Disks {
    stage: Stage,
    n: usize,
}

impl Disks {
    fn new(n: usize) -> Self {
        let disks = Self::empty(n);
        for i in 0..n {
            for node in 1..=3 {
                disks.verb("register", i, node, &["--key", &key(node, false, 1)]).must(0);
            }
            disks.verb("reserve", i, 2, &["--key", &key(2, false, 1)]).must(0);
        }
        disks
    }

    fn empty(n: usize) -> Self {
        let stage = Stage::new();
        for i in 0..n {
            stage.run(&["sim", "create", &stage.dir().join(format!("d{i}")).display().to_string()]).must(0);
        }
        Self { stage, n }
    }

    /// Disk `i` as node `node` sees it.
    fn disk(&self, i: usize, node: u8) -> String {
        format!("sim:{}?as=n{node}", self.stage.dir().join(format!("d{i}")).display())
    }

    fn verb(&self, verb: &str, i: usize, node: u8, args: &[&str]) -> End {
        let disk = self.disk(i, node);
        self.stage.run(&[&[verb, disk.as_str(), "--json"], args].concat())
    }

    /// `fence` by node 1 on all disks.
    fn fence(&self, victim: u8, args: &[&str]) -> End {
        let disks: Vec<String> = (0..self.n).map(|i| self.disk(i, 1)).collect();
        self.fence_on(victim, &disks, args)
    }

    fn fence_on(&self, victim: u8, disks: &[String], args: &[&str]) -> End {
        let victim = victim.to_string();
        let mut all = vec!["fence", "--json", "--cluster", "test", "--node", &victim];
        all.extend(disks.iter().map(String::as_str));
        all.extend(args);
        self.stage.run(&all)
    }

    fn keys(&self, i: usize) -> Vec<String> {
        let v = self.verb("keys", i, 9, &[]).must(0).json();
        v["keys"].as_array().unwrap().iter().map(|k| k.as_str().unwrap().to_owned()).collect()
    }

    /// Whether a write of node `node` is accepted by disk `i`.
    fn write_accepted(&self, i: usize, node: u8) -> bool {
        let block = "5a".repeat(512);
        loop {
            let end = self.verb("raw", i, node, &["--cdb", "2a000000000000000100", "--out", &block, "--yes"]);
            match end.code {
                0 => return true,
                24 => return false,
                // A unit attention came instead.
                26 => {}
                _ => panic!("{end:?}"),
            }
        }
    }
}

fn outcomes(v: &Value) -> Vec<&str> {
    v["devices"].as_array().unwrap().iter().map(|d| d["outcome"].as_str().unwrap()).collect()
}

fn results(v: &Value) -> Vec<&str> {
    v["devices"].as_array().unwrap().iter().map(|d| d["result"].as_str().unwrap()).collect()
}

#[test]
fn a_victims_writes_are_refused_on_every_device_and_the_receipt_says_so() {
    let d = Disks::new(3);
    assert!(d.write_accepted(0, 2));
    let receipt = d.fence(2, &["--yes"]).must(0).json();
    assert_eq!(outcomes(&receipt), ["confirmed"; 3]);
    assert_eq!((receipt["victim"].as_u64(), receipt["proven"].as_u64()), (Some(2), Some(3)));
    for i in 0..3 {
        assert!(!d.write_accepted(i, 2), "disk {i}");
        assert!(d.write_accepted(i, 1) && d.write_accepted(i, 3), "disk {i}");
        let r = &receipt["devices"][i];
        assert_eq!(
            (&r["own"], &r["removed"][0]["key"]),
            (&key(1, false, 1).into(), &key(2, false, 1).into())
        );
        assert_eq!(r["before"]["holder"], key(2, false, 1));
        assert_eq!(r["after"]["holder"], key(1, false, 1));
        assert_eq!(r["after"]["type"], 5);
        assert_eq!(r["after"]["keys"], serde_json::json!([key(1, false, 1), key(3, false, 1)]));
        assert!(r["after"]["generation"].as_u64() > r["before"]["generation"].as_u64());
        assert!(r["identity"].as_str().is_some_and(|s| !s.is_empty()));
        let names: Vec<&str> =
            r["commands"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
        assert_eq!(r["commands_sent"], 3, "{names:?}");
        assert!(
            names[1].ends_with("PREEMPT AND ABORT") && names[2].ends_with("READ FULL STATUS"),
            "{names:?}"
        );
        assert!(r["commands"][1]["out"].as_str().unwrap().contains(&key(2, false, 1)));
        assert_eq!(r["commands"][1]["status"], "GOOD");
    }
}

#[test]
fn every_life_of_the_victim_goes() {
    let d = Disks::new(1);
    d.verb("register", 0, 4, &["--key", &key(2, true, 7)]).must(0);
    let receipt = d.fence(2, &["--yes"]).must(0).json();
    assert_eq!(receipt["devices"][0]["removed"].as_array().map(Vec::len), Some(2));
    assert_eq!(d.keys(0), [key(1, false, 1), key(3, false, 1)]);
}

#[test]
fn an_unreachable_device_is_unknown_and_the_others_are_fenced() {
    let d = Disks::new(3);
    let disks: Vec<String> = (0..3).map(|i| d.disk(i, 1)).collect();
    std::fs::remove_file(d.stage.dir().join("d1")).unwrap();
    let receipt = d.fence_on(2, &disks, &["--yes"]).must(3).json();
    assert_eq!(receipt["outcome"], "unknown");
    assert_eq!(outcomes(&receipt), ["confirmed", "unknown", "confirmed"]);
    assert!(!d.write_accepted(0, 2) && !d.write_accepted(2, 2));
}

/// A slip and a disk that died look alike from here: one end for both, and neither keeps the others from their fence.
#[test]
fn whatever_is_wrong_with_a_name_is_unknown_for_that_device_alone() {
    for (bad, says, result) in [
        ("/proc/version", "regular file", "no-device"),
        ("/proc", "folder", "no-device"),
        ("sim:/nowhere/disk", "as=", "no-device"),
        ("/dev/not-there", "not there", "unread"),
        ("sim:/nowhere/disk?as=n1", "no such file", "unread"),
    ] {
        let d = Disks::new(1);
        let names = [d.disk(0, 1), bad.to_owned()];
        let plan = d.fence_on(2, &names, &["--dry-run"]).must(15).json();
        assert!(plan["devices"][1]["answer"].as_str().unwrap().contains(says), "{plan}");
        assert!(d.write_accepted(0, 2), "a dry run");
        let receipt = d.fence_on(2, &names, &["--yes"]).must(3).json();
        assert_eq!(
            (outcomes(&receipt), results(&receipt)),
            (vec!["confirmed", "unknown"], vec!["done", result])
        );
        assert!(receipt["devices"][1]["answer"].as_str().unwrap().contains(says), "{receipt}");
        assert!(!d.write_accepted(0, 2), "{bad} kept the other disk from its fence");
    }
}

#[test]
fn an_empty_device_is_not_protected_and_never_already_off() {
    let d = Disks::empty(1);
    let receipt = d.fence(2, &["--as-node", "1", "--yes"]).must(1).json();
    assert_eq!(results(&receipt), ["not-protected"]);
    assert_eq!(receipt["outcome"], "refused");
    // Power was lost on one of two: the other is fenced, the whole is not proven.
    let d = Disks::new(2);
    d.verb("clear", 1, 3, &["--key", &key(3, false, 1), "--yes"]).must(0);
    let receipt = d.fence(2, &["--as-node", "1", "--yes"]).must(1).json();
    assert_eq!(results(&receipt), ["done", "not-protected"]);
    assert!(d.write_accepted(1, 2), "it says so because it is so");
}

#[test]
fn a_mistyped_node_number_is_refused_where_no_reservation_is_in_force_too() {
    let d = Disks::empty(1);
    d.verb("register", 0, 1, &["--key", &key(1, false, 1)]).must(0);
    d.verb("register", 0, 2, &["--key", &key(2, false, 1)]).must(0);
    let refused = d.fence(9, &["--yes"]).must(3).json();
    assert!(
        refused["error"]["answer"].as_str().unwrap().contains("registered of this cluster: node 1, 2"),
        "{refused}"
    );
    assert!(d.write_accepted(0, 2), "nothing was sent");
}

#[test]
fn without_a_reservation_one_is_taken_and_said() {
    let d = Disks::empty(1);
    d.verb("register", 0, 1, &["--key", &key(1, false, 1)]).must(0);
    d.verb("register", 0, 2, &["--key", &key(2, false, 1)]).must(0);
    let receipt = d.fence(2, &["--yes"]).must(0).json();
    assert_eq!(receipt["devices"][0]["reserved_first"], true);
    assert_eq!(receipt["devices"][0]["after"]["holder"], key(1, false, 1));
    assert!(!d.write_accepted(0, 2));
}

#[test]
fn nobody_fences_itself() {
    let d = Disks::new(1);
    for by in [&["--as-node", "2"][..], &["--key", &key(2, false, 1)], &[]] {
        let by: Vec<&str> = by.iter().copied().chain(["--yes"]).collect();
        // By its own path, or by its own word.
        let disk = if by.len() == 1 { d.disk(0, 2) } else { d.disk(0, 1) };
        let refused = d.fence_on(2, &[disk], &by).must(1).json();
        assert!(refused["error"]["answer"].as_str().unwrap().contains("this host itself"), "{refused}");
    }
    assert_eq!(d.keys(0).len(), 3);
    let zero = d.fence(2, &["--key", "0", "--yes"]);
    assert_eq!(zero.code, 2, "{zero:?}");
}

#[test]
fn a_number_nobody_has_is_refused_unless_that_is_meant() {
    let d = Disks::new(2);
    let refused = d.fence(7, &["--yes"]).must(3).json();
    assert_eq!(refused["outcome"], "unknown");
    let answer = refused["error"]["answer"].as_str().unwrap();
    assert!(answer.contains("node 1, 2, 3"), "{answer}");
    // Kept out, and nobody knows what it may have queued.
    let receipt = d.fence(7, &["--yes", "--force", "unregistered"]).must(3).json();
    assert_eq!(results(&receipt), ["commands-open"; 2]);
    let receipt = d.fence(7, &["--yes", "--force", "unregistered", "--force", "queued"]).must(0).json();
    assert_eq!(results(&receipt), ["already-so"; 2]);
    assert_eq!(d.keys(0).len(), 3);
}

fn queued(v: &Value) -> Vec<&str> {
    v["devices"].as_array().unwrap().iter().map(|d| d["queued_commands"].as_str().unwrap()).collect()
}

/// The answer to the abort is lost: asking again must not turn "not known" into "done".
#[test]
fn repeating_a_fence_settles_nothing_that_only_an_abort_would() {
    let d = Disks::new(2);
    let fault = |i: usize, args: &[&str]| {
        let file = d.stage.dir().join(format!("d{i}")).display().to_string();
        d.stage.run(&[&["sim", "fault", &file], args].concat()).must(0);
    };
    let quick = ["--yes", "--timeout-ms", "500", "--deadline-ms", "1500"];
    fault(0, &["set", "drop-answer", "--command", "preempt-and-abort"]);
    fault(1, &["set", "drop-command", "--command", "preempt-and-abort", "--always"]);
    let first = d.fence(2, &quick).must(3).json();
    assert_eq!(results(&first), ["commands-open", "preempt-open"]);
    fault(1, &["clear"]);
    let again = d.fence(2, &["--yes"]).must(3).json();
    assert_eq!(results(&again), ["commands-open", "done"]);
    assert_eq!(queued(&again), ["unknown", "aborted"]);
    assert!(again["devices"][0]["answer"].as_str().unwrap().contains("not known"), "{again}");
    assert_eq!(again["proven"], 1);
    let drained = d.fence(2, &["--yes", "--force", "unregistered", "--drain", "reset"]).must(0).json();
    assert_eq!(queued(&drained), ["reset", "reset"]);
    // Whoever knows better says so, and the receipt still does not.
    let accepted = d.fence(2, &["--yes", "--force", "unregistered", "--force", "queued"]).must(0).json();
    assert_eq!((results(&accepted), queued(&accepted)), (vec!["already-so"; 2], vec!["unknown"; 2]));
}

/// The rule for cluster engines, in every case there is: a second fence proves no abort, so it never ends 0 and never
/// 1, unless a reset proves it anew or the receipt of the first is vouched for.
#[test]
fn a_second_fence_of_a_fenced_node_is_unknown_whatever_else_is_so() {
    let d = Disks::new(2);
    d.fence(2, &["--yes"]).must(0);
    let again = d.fence(2, &["--yes"]).must(3).json();
    assert_eq!(again["outcome"], "unknown");
    let error = &again["error"];
    assert!(error["answer"].as_str().unwrap().contains("nothing was sent"), "{error}");
    assert!(error["next"].as_str().unwrap().contains("--force unregistered with --drain reset"), "{error}");
    // Meant by name, and with a device that does not answer.
    let one = d.fence(2, &["--yes", "--force", "unregistered"]).must(3).json();
    assert_eq!(results(&one), ["commands-open"; 2]);
    for line in one["devices"].as_array().unwrap() {
        let next = line["next"].as_str().unwrap();
        assert!(next.contains("--drain reset") && !next.contains("repeat the fence"), "{next}");
    }
    let half = d.fence_on(2, &[d.disk(0, 1), "/dev/not-there".into()], &["--yes"]).must(3).json();
    assert_eq!(results(&half), ["commands-open", "unread"]);
    let vouched = d.fence(2, &["--yes", "--force", "unregistered", "--force", "queued"]).must(0).json();
    assert_eq!((results(&vouched), queued(&vouched)), (vec!["already-so"; 2], vec!["unknown"; 2]));
    let drained = d.fence(2, &["--yes", "--force", "unregistered", "--drain", "reset"]).must(0).json();
    assert_eq!(queued(&drained), ["reset"; 2]);
}

#[test]
fn a_deadline_that_leaves_no_time_to_read_back_is_refused_with_the_arithmetic() {
    let d = Disks::new(1);
    let refused = d.fence(2, &["--yes", "--timeout-ms", "700", "--deadline-ms", "1399"]).must(2).json();
    let answer = refused["error"]["answer"].as_str().unwrap();
    assert!(answer.contains("1399 ms") && answer.contains("1400 ms in all"), "{answer}");
    assert!(d.write_accepted(0, 2), "nothing was sent");
    d.fence(2, &["--yes", "--timeout-ms", "700", "--deadline-ms", "1400"]).must(0);
}

#[test]
fn a_device_that_hangs_before_it_is_read_keeps_no_other_from_its_fence() {
    let d = Disks::new(2);
    let file = d.stage.dir().join("d0").display().to_string();
    d.stage.run(&["sim", "fault", &file, "set", "drop-command", "--initiator", "n1", "--always"]).must(0);
    let disks = [d.disk(0, 1), d.disk(1, 1)];
    let mut c = arbitrate();
    // Nothing of this process's own ends before the test gives up.
    c.args(["fence", "--json", "--cluster", "test", "--node", "2", "--yes", "--timeout-ms", "600000"]);
    let mut fence = common::Running::start({
        c.args(&disks).stdin(Stdio::null());
        c
    });
    while d.keys(1).contains(&key(2, false, 1)) {
        assert!(fence.is_running(), "it gave up on the healthy device");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(fence.is_running(), "the one that hangs is still waited for");
    fence.kill();
    assert_eq!(d.keys(0).len(), 3);
}

#[test]
fn another_holder_than_expected_is_refused() {
    let d = Disks::new(1);
    let third = key(3, false, 1);
    let receipt = d.fence(2, &["--yes", "--holder", &third]).must(1).json();
    assert_eq!(results(&receipt), ["other-holder"]);
    assert!(d.write_accepted(0, 2));
    d.fence(2, &["--yes", "--holder", &key(2, false, 1)]).must(0);

    // A holder of another tool keeps the victim out only as long as it likes.
    let d = Disks::empty(1);
    for (node, k) in [(1, key(1, false, 1)), (2, key(2, false, 1)), (8, "00000000000000ab".into())] {
        d.verb("register", 0, node, &["--key", &k]).must(0);
    }
    d.verb("reserve", 0, 8, &["--key", "ab"]).must(0);
    let receipt = d.fence(2, &["--yes"]).must(1).json();
    assert_eq!(results(&receipt), ["other-holder"]);
    d.fence(2, &["--yes", "--force", "holder"]).must(0);
    assert!(!d.write_accepted(0, 2));
}

#[test]
fn this_host_is_found_by_its_own_path_by_number_or_by_key() {
    let d = Disks::new(1);
    let wrong = d.fence(2, &["--yes", "--as-node", "3"]).must(1).json();
    assert_eq!(results(&wrong), ["who-am-i"]);
    assert!(wrong["devices"][0]["answer"].as_str().unwrap().contains("not who it is said to be"), "{wrong}");
    let stranger = d.fence_on(2, &[d.disk(0, 9)], &["--yes"]).must(1).json();
    assert_eq!(results(&stranger), ["not-registered"]);
    d.fence(2, &["--yes", "--key", &key(1, false, 1)]).must(0);
}

#[test]
fn a_drain_is_in_the_receipt() {
    let d = Disks::new(1);
    let receipt = d.fence(2, &["--yes", "--drain", "reset"]).must(0).json();
    let r = &receipt["devices"][0];
    assert_eq!(r["drained"], true);
    assert!(r["commands"].as_array().unwrap().iter().any(|c| c["name"] == "LOGICAL UNIT RESET"), "{r}");
}

#[test]
fn the_victim_can_be_kept_from_reading_too() {
    let d = Disks::new(1);
    let receipt = d.fence(2, &["--yes", "--type", "earo"]).must(0).json();
    assert_eq!(receipt["devices"][0]["after"]["type"], 6);
    let read = d.verb("raw", 0, 2, &["--cdb", "28000000000000000100", "--in", "512"]);
    assert!([24, 26].contains(&read.code), "{read:?}");
}

#[test]
fn a_dry_run_shows_the_commands_and_changes_nothing() {
    let d = Disks::new(2);
    let plan = d.fence(2, &["--dry-run"]).must(0).json();
    let commands = plan["devices"][0]["commands"].as_array().unwrap();
    assert_eq!(commands.len(), 3);
    assert!(commands[1]["out"].as_str().unwrap().starts_with(&key(1, false, 1)), "{plan}");
    assert!(d.write_accepted(0, 2));
    // Without --yes and without a terminal nobody is asked, and nothing is done.
    let refused = d.fence(2, &[]).must(1).json();
    assert!(refused["error"]["next"].as_str().unwrap().contains("--yes"), "{refused}");
    assert!(d.write_accepted(0, 2));
}

#[test]
fn one_disk_under_two_names_is_refused() {
    let d = Disks::new(1);
    let twice = d.fence_on(2, &[d.disk(0, 1), d.disk(0, 1)], &["--yes"]).must(2).json();
    assert!(twice["error"]["answer"].as_str().unwrap().contains("twice"), "{twice}");
    let same = d.fence_on(2, &[d.disk(0, 1), format!("{}&port=2", d.disk(0, 1))], &["--yes"]).must(2).json();
    assert!(same["error"]["answer"].as_str().unwrap().contains("both are"), "{same}");
}

#[test]
fn the_text_says_what_is_so() {
    let d = Disks::new(1);
    let disk = d.disk(0, 1);
    let said = |args: &[&str]| {
        let all = [&["fence", "--cluster", "test", "--node", "2", disk.as_str()], args].concat();
        let o = arbitrate().args(&all).stdin(Stdio::null()).output().unwrap();
        String::from_utf8(o.stdout).unwrap()
    };
    let done = said(&["--yes"]);
    assert!(
        done.starts_with("FENCED: node 2 of cluster test is kept out, proven on 1 of 1 device"),
        "{done}"
    );
    assert!(done.contains("removed node 2 life 1") && done.contains("held by node 1 life 1"), "{done}");
}

/// `clear-stale` by node 1 on disk 0.
fn stale(d: &Disks, args: &[&str]) -> End {
    let disk = d.disk(0, 1);
    d.stage.run(&[&["clear-stale", "--json", "--cluster", "test", disk.as_str()], args].concat())
}

#[test]
fn leftovers_are_shown_and_nothing_is_removed_unasked() {
    let d = Disks::new(1);
    let shown = stale(&d, &["--down", "2"]).must(0).json();
    let rows = shown["devices"][0]["registrations"].as_array().unwrap();
    let removable: Vec<bool> = rows.iter().map(|r| r["removable"].as_bool().unwrap()).collect();
    assert_eq!(removable, [false, true, false], "{shown}");
    assert!(rows[1]["from"].as_str().unwrap().contains("iqn.") && rows[1]["holder"] == true, "{shown}");
    assert_eq!(d.keys(0).len(), 3);
}

#[test]
fn only_what_is_named_and_said_to_be_down_is_removed() {
    let d = Disks::new(1);
    d.verb("register", 0, 8, &["--key", "ab"]).must(0);
    let (mine, dead) = (key(1, false, 1), key(2, false, 1));
    let refused = |args: &[&str], word: &str| {
        let end = stale(&d, args).must(1).json();
        assert!(end["error"]["answer"].as_str().unwrap().contains(word), "{end}");
        assert_eq!(d.keys(0).len(), 4);
    };
    refused(&["--remove", &dead, "--yes"], "may be alive");
    refused(&["--remove", &dead, "--down", "3", "--yes"], "may be alive");
    refused(&["--remove", &mine, "--down", "1", "--yes"], "own path");
    refused(&["--remove", "ab", "--yes"], "another cluster");
    refused(&["--remove", "cd", "--yes"], "none of the devices");
    refused(&["--remove", &dead, "--down", "2"], "no terminal");
    let plan = stale(&d, &["--remove", &dead, "--down", "2", "--dry-run"]).must(0).json();
    assert_eq!(plan["commands"][0]["takes_reservation"], true);

    let done = stale(&d, &["--remove", &dead, "--down", "2", "--yes"]).must(0).json();
    assert_eq!(results(&done), ["done"]);
    assert_eq!(d.keys(0), [mine, key(3, false, 1), "00000000000000ab".into()]);
    stale(&d, &["--remove", "ab", "--force", "foreign", "--yes"]).must(0);
    assert_eq!(d.keys(0).len(), 2);
}

/// `unfence` of node `number` on all disks, by its port, with folders of its own.
fn unfence(d: &Disks, number: u8, args: &[&str]) -> End {
    let disks: Vec<String> = (0..d.n).map(|i| d.disk(i, number)).collect();
    let host = d.stage.dir().join(format!("host{number}")).display().to_string();
    let number = number.to_string();
    let mut all = vec!["unfence", "--json", "--cluster", "test", "--node", &number, "--state-dir", &host];
    all.extend(["--runtime-dir", &host]);
    all.extend(disks.iter().map(String::as_str));
    all.extend(args);
    d.stage.run(&all)
}

#[test]
fn a_node_joins_is_fenced_and_comes_back_in_another_life() {
    let d = Disks::empty(2);
    for number in [1, 2] {
        let joined = unfence(&d, number, &[]).must(0).json();
        assert_eq!(results(&joined), ["done"; 2]);
    }
    let again = unfence(&d, 2, &[]).must(0).json();
    assert_eq!(results(&again), ["already-so"; 2]);
    d.fence(2, &["--yes"]).must(0);
    assert!(!d.write_accepted(0, 2));
    // In the same boot, what it has queued must end first.
    let refused = unfence(&d, 2, &[]).must(1).json();
    assert_eq!(results(&refused), ["queued"; 2]);
    assert!(!d.write_accepted(0, 2));
    let back = unfence(&d, 2, &["--drain", "reset"]).must(0).json();
    assert_eq!(back["devices"][0]["key"], key(2, false, 2), "never the fenced key again");
    assert!(d.write_accepted(0, 2) && d.write_accepted(1, 2));
    assert_eq!(d.keys(0), [key(1, false, 1), key(2, false, 2)]);
}

#[test]
fn a_host_that_lost_its_folder_replaces_its_ghost() {
    let d = Disks::new(1);
    let back = unfence(&d, 2, &[]).must(0).json();
    assert!(back["devices"][0]["answer"].as_str().unwrap().contains("re-keyed in place"), "{back}");
    assert_eq!(back["devices"][0]["key"], key(2, false, 2));
    let back = unfence(&d, 3, &[]).must(0).json();
    assert!(back["devices"][0]["answer"].as_str().unwrap().contains("went first"), "{back}");
    assert_eq!(d.keys(0), [key(1, false, 1), key(2, false, 2), key(3, false, 2)]);
}

#[test]
fn a_node_number_in_use_elsewhere_is_refused() {
    let d = Disks::new(1);
    d.verb("register", 0, 9, &["--key", &key(4, false, 3)]).must(0);
    let refused = unfence(&d, 4, &[]).must(1).json();
    assert_eq!(results(&refused), ["node-number-taken"]);
    let again = unfence(&d, 4, &[]).must(1).json();
    assert_eq!(results(&again), ["node-number-taken"], "a refusal leaves nothing to be drained");
    let plan = unfence(&d, 5, &["--dry-run"]).must(0).json();
    assert_eq!(results(&plan), ["dry-run"]);
    assert_eq!(d.keys(0).len(), 4);
}

#[test]
fn every_path_is_registered_and_every_path_is_read_back_on() {
    let d = Disks::empty(1);
    let all = |node: u8| format!("{}&port=1+2", d.disk(0, node));
    for number in [1, 2] {
        let host = d.stage.dir().join(format!("host{number}")).display().to_string();
        let n = number.to_string();
        let disk = all(number);
        let args = ["unfence", "--json", "--cluster", "test", "--node", &n, "--state-dir", &host, &disk];
        let joined = d.stage.run(&[&args[..], &["--runtime-dir", &host]].concat()).must(0).json();
        assert_eq!(results(&joined), ["done"], "{joined}");
    }
    assert_eq!(d.keys(0).len(), 4, "two nodes, two paths each");
    let receipt = d.fence_on(2, &[all(1)], &["--yes"]).must(0).json();
    let r = &receipt["devices"][0];
    let roles: Vec<&str> =
        r["paths"].as_array().unwrap().iter().map(|p| p["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["sent and read back", "read back"], "{receipt}");
    // RESERVE besides the three, and one look more for the second path.
    assert_eq!(
        (r["commands_sent"].as_u64(), r["reserved_first"].as_bool()),
        (Some(5), Some(true)),
        "{receipt}"
    );
    assert_eq!(d.keys(0), [key(1, false, 1), key(1, false, 1)]);
    assert!(!d.write_accepted(0, 2));
}
