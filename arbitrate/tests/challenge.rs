//! What an operator lives through: challenges that are defended, won, refused and withdrawn.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is a failure")]

mod common;

use common::{End, LEASE_MS, Running, Stage, WINDOW_MS, await_file, key};
use nix::sys::signal::Signal;

#[test]
fn a_free_disk_is_won_after_the_window_and_not_before() {
    let s = Stage::new();
    let mut c = Running::start(s.node("challenge", 1, &[]));
    let waiting = c.await_event("waiting");
    let reserving = c.await_event("reserving");
    let waited = reserving["at_ms"].as_u64().unwrap() - waiting["at_ms"].as_u64().unwrap();
    // Both times are cut to whole milliseconds.
    assert!(waited + 1 >= WINDOW_MS, "the window was not waited: {waited} ms");
    let (code, end) = c.end();
    assert_eq!((code, end["outcome"].as_str()), (0, Some("confirmed")), "{end}");
    assert_eq!(end["key"], key(1, false, 1));
    assert_eq!(s.keys(), [key(1, false, 1)]);
    assert_eq!(s.holder(), Some(key(1, false, 1)));
}

#[test]
fn a_live_owner_defends() {
    let s = Stage::new();
    let mut owner = s.defend(1, &["--acquire"]);
    let lost = s.challenge(2, &[]).must(10).json();
    assert_eq!(lost["outcome"], "refused");
    assert!(lost["error"]["answer"].as_str().unwrap().contains("defended"), "{lost}");
    owner.await_event("challenged");
    owner.await_event("confirmed");
    assert_eq!(s.keys(), [key(1, false, 1)], "nothing of the challenger is left");
    assert!(s.write_accepted("n1"));
    assert!(!s.write_accepted("n2"));
}

#[test]
fn a_killed_owner_loses() {
    let s = Stage::new();
    let mut owner = s.defend(1, &["--acquire"]);
    owner.kill();
    assert_eq!(s.holder(), Some(key(1, false, 1)), "a kill releases nothing");
    let won = s.challenge(2, &[]).must(0).json();
    assert_eq!(won["from"], key(1, false, 1));
    assert_eq!(s.keys(), [key(2, false, 1)]);
    assert!(!s.write_accepted("n1"), "the dead owner's writes are refused");
}

#[test]
fn a_frozen_owner_loses_and_finds_out_when_it_wakes() {
    let s = Stage::new();
    let ran = s.dir().join("ran");
    let owner =
        s.defend(1, &["--acquire", "--on-deposed", &format!("echo $PALISADE_REASON >{}", ran.display())]);
    owner.signal(Signal::SIGSTOP);
    s.challenge(2, &[]).must(0);
    owner.signal(Signal::SIGCONT);
    let (code, end) = owner.end();
    assert_eq!(code, 11, "{end}");
    assert_eq!(await_file(&ran), "expired\n", "its lease had ended while it was frozen");
    assert!(!s.write_accepted("n1"), "the target refuses what the frozen owner still had to write");
    assert!(s.write_accepted("n2"));
}

#[test]
fn an_owner_whose_key_is_removed_is_deposed_and_stays_out() {
    let s = Stage::new();
    let ran = s.dir().join("ran");
    let owner =
        s.defend(1, &["--acquire", "--on-deposed", &format!("echo $PALISADE_REASON >{}", ran.display())]);
    s.verb("register", "admin", &["--key", "11"]).must(0);
    s.verb("clear", "admin", &["--key", "11", "--yes"]).must(0);
    let (code, end) = owner.end();
    assert_eq!(code, 11, "{end}");
    assert!(end["error"]["answer"].as_str().unwrap().contains("registration is gone"), "{end}");
    assert_eq!(await_file(&ran), "deposed\n");
    assert_eq!(s.keys(), [] as [&str; 0], "it did not register again");
}

#[test]
fn defend_goes_on_with_what_challenge_won() {
    let s = Stage::new();
    s.challenge(1, &[]).must(0);
    let mut owner = Running::start(s.node("defend", 1, &[]));
    let taken = owner.await_event("taken-over");
    assert_eq!(taken["key"], key(1, false, 1));
    owner.await_event("confirmed");
    assert_eq!(s.keys(), [key(1, false, 1)], "the same life goes on");
    s.challenge(2, &[]).must(10);
}

#[test]
fn defend_without_a_fresh_victory_is_refused() {
    let s = Stage::new();
    let end = common_end(s.node("defend", 1, &[]));
    assert_eq!(end.0, 1);
    assert!(end.1["error"]["next"].as_str().unwrap().contains("--acquire"), "{}", end.1);

    s.challenge(1, &[]).must(0);
    // Waiting the lease out is the point.
    std::thread::sleep(std::time::Duration::from_millis(LEASE_MS));
    let end = common_end(s.node("defend", 1, &[]));
    assert_eq!(end.0, 1);
    assert!(end.1["error"]["answer"].as_str().unwrap().contains("ended"), "{}", end.1);
    let again = common_end(s.node("defend", 1, &[]));
    assert!(again.1["error"]["answer"].as_str().unwrap().contains("no won challenge"), "{}", again.1);
}

fn common_end(c: std::process::Command) -> (i32, serde_json::Value) {
    Running::start(c).end()
}

#[test]
fn sigterm_gives_the_disk_back() {
    let s = Stage::new();
    let ran = s.dir().join("ran");
    let owner = s.defend(1, &["--acquire", "--on-deposed", &format!("touch {}", ran.display())]);
    owner.signal(Signal::SIGTERM);
    let (code, end) = owner.end();
    assert_eq!(code, 0, "{end}");
    assert_eq!(s.keys(), [] as [&str; 0]);
    assert_eq!(s.holder(), None);
    assert!(!ran.exists(), "a clean end is no deposition");
}

#[test]
fn an_interrupted_challenge_is_withdrawn() {
    let s = Stage::new();
    let mut c = Running::start(s.node("challenge", 1, &[]));
    c.await_event("waiting");
    c.signal(Signal::SIGINT);
    let (code, end) = c.end();
    assert_eq!(code, 1, "{end}");
    assert!(end["error"]["answer"].as_str().unwrap().contains("withdrawn"), "{end}");
    assert_eq!(s.keys(), [] as [&str; 0]);
}

#[test]
fn a_restarted_node_takes_over_its_own_ghost() {
    let s = Stage::new();
    let mut owner = s.defend(1, &["--acquire"]);
    owner.kill();
    let won = s.challenge(1, &[]).must(0);
    // The owner had reserved three lives and used one; what a crash leaves unused is never used.
    assert_eq!(won.json()["key"], key(1, false, 4), "a fresh life");
    assert!(!won.out.contains("preempting"), "a ghost on the own nexus is re-keyed, never preempted");
    for said in ["this node itself holds the reservation from an earlier life", "re-keyed in place"] {
        assert!(won.out.contains(said), "not an opponent: {}", won.out);
    }
    assert_eq!(s.keys(), [key(1, false, 4)]);
}

#[test]
fn a_ghost_that_holds_nothing_is_removed_first() {
    let s = Stage::new();
    let mut c = Running::start(s.node("challenge", 1, &[]));
    c.await_event("waiting");
    c.kill();
    assert_eq!(s.keys(), [key(1, true, 1)]);
    let won = s.challenge(1, &[]).must(0);
    assert!(won.out.contains("removing-ghost"), "{}", won.out);
    assert_eq!(s.keys(), [key(1, false, 2)]);
}

#[test]
fn a_lost_state_folder_is_made_up_for_by_the_own_transport_id() {
    let s = Stage::new();
    let mut owner = s.defend(1, &["--acquire"]);
    owner.kill();
    let won = Running::start(s.node_on("challenge", 1, "n1", "reinstalled", &[])).end();
    assert_eq!(won.0, 0, "{}", won.1);
    assert_eq!(won.1["key"], key(1, false, 2), "never an old incarnation again");
}

#[test]
fn a_second_host_with_the_same_number_is_refused() {
    let s = Stage::new();
    let _owner = s.defend(1, &["--acquire"]);
    let end = Running::start(s.node_on("challenge", 1, "n9", "host9", &[])).end();
    assert_eq!(end.0, 1, "{}", end.1);
    assert!(end.1["error"]["answer"].as_str().unwrap().contains("never registered it"), "{}", end.1);
    assert_eq!(s.keys(), [key(1, false, 1)]);
}

#[test]
fn a_second_process_of_the_same_node_is_refused() {
    let s = Stage::new();
    let _owner = s.defend(1, &["--acquire"]);
    let end = s.challenge(1, &[]).must(1).json();
    assert!(end["error"]["answer"].as_str().unwrap().contains("another process"), "{end}");
}

#[test]
fn a_foreign_key_is_refused_and_left_alone() {
    let s = Stage::new();
    s.verb("register", "other", &["--key", "0xabc"]).must(0);
    let end = s.challenge(1, &[]).must(1).json();
    assert!(end["error"]["answer"].as_str().unwrap().contains("0000000000000abc"), "{end}");
    // For people: a plan that is refused is no data.
    let mut c = common::arbitrate();
    c.args(["challenge", &s.disk("n1"), "--cluster", "test", "--node", "1", "--profile"]).arg(s.profile());
    let host = s.dir().join("host1");
    c.env("PALISADE_STATE_DIR", host.join("state")).env("PALISADE_RUNTIME_DIR", host.join("run"));
    let end = common::End::of(c.stdin(std::process::Stdio::null()).output().unwrap()).must(1);
    assert!(!end.out.contains("plan:") && end.err.contains("plan: REGISTER"), "{end:?}");
    assert_eq!(s.keys(), ["0000000000000abc"]);
}

#[test]
fn a_reservation_everybody_holds_is_refused() {
    let s = Stage::new();
    let k = key(2, false, 1);
    s.verb("register", "n2", &["--key", &k]).must(0);
    s.verb("reserve", "n2", &["--key", &k, "--type", "wear"]).must(0);
    let end = s.challenge(1, &[]).must(1).json();
    assert!(end["error"]["answer"].as_str().unwrap().contains("every registrant"), "{end}");
    assert_eq!(s.keys(), [k]);
}

#[test]
fn an_spc_2_reservation_is_said() {
    let s = Stage::new();
    s.verb("legacy reserve", "old", &[]).must(0);
    let end = s.challenge(1, &[]).must(24).json();
    assert!(end["error"]["answer"].as_str().unwrap().contains("SPC-2"), "{end}");
}

#[test]
fn a_dry_run_changes_nothing() {
    let s = Stage::new();
    let plan = s.challenge(1, &["--dry-run"]).must(0).json();
    assert_eq!(plan["window_ms"], WINDOW_MS);
    assert_eq!(s.keys(), [] as [&str; 0]);
    let won = s.challenge(1, &[]).must(0).json();
    assert_eq!(won["key"], key(1, false, 1), "no incarnation was used up");
}

#[test]
fn timing_that_breaks_a_rule_is_refused_with_the_arithmetic() {
    let s = Stage::new();
    let file = s.dir().join("p.toml");
    std::fs::write(&file, "tick_ms = 3000\ntick_budget_ms = 500\nmargin_ms = 500\nwindow_ms = 6000\n")
        .unwrap();
    let file = file.display().to_string();
    let disk = s.disk("n1");
    let args = ["challenge", &disk, "--json", "--cluster", "test", "--node", "1", "--profile", &file];
    let end = s.run(&args).must(1).json();
    assert!(end["error"]["answer"].as_str().unwrap().contains("2·3s + 500ms + 500ms = 7s"), "{end}");
}

#[test]
fn two_challengers_of_a_dead_owner_never_both_win() {
    let s = Stage::new();
    s.defend(1, &["--acquire"]).kill();
    let both = [2, 3].map(|n| Running::start(s.node("challenge", n, &[])));
    let codes = both.map(|r| r.end().0);
    let wins = codes.iter().filter(|c| **c == 0).count();
    assert_eq!(wins, 1, "{codes:?}");
    assert!(codes.iter().all(|c| [0, 10].contains(c)), "{codes:?}");
}

/// A peer that shares this initiator port, or had this host's number changed under it, is no ghost of ours.
#[test]
fn a_peers_key_on_this_very_nexus_is_never_touched() {
    let s = Stage::new();
    s.challenge(1, &[]).must(0);
    let end = End::of(s.node_on("challenge", 2, "n1", "two", &[]).output().unwrap());
    assert_ne!(end.code, 0, "{}", end.out);
    assert!(!end.out.contains("removing-ghost"), "{}", end.out);
    let own = key(1, false, 1);
    assert_eq!((s.keys(), s.holder()), (vec![own.clone()], Some(own)));
}
