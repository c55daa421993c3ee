//! What an operator lives through with a disk that knows SPC-2 reservations only.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is a failure")]

mod common;

use std::process::Command;

use common::{LEASE_MS, Running, Stage, WINDOW_MS, await_file, key};
use nix::sys::signal::Signal;

/// `challenge --legacy` or `defend --legacy` of node `number`.
fn legacy(s: &Stage, verb: &str, number: u8, args: &[&str]) -> Command {
    let mut c = s.node(verb, number, &["--legacy"]);
    c.args(args);
    c
}

fn challenge(s: &Stage, number: u8, args: &[&str]) -> (i32, serde_json::Value) {
    Running::start(legacy(s, "challenge", number, args)).end()
}

/// An owner whose first lease is confirmed.
fn defend(s: &Stage, number: u8, args: &[&str]) -> Running {
    let mut r = Running::start(legacy(s, "defend", number, &[&["--acquire"], args].concat()));
    r.await_event("confirmed");
    r
}

fn answer(end: &serde_json::Value) -> &str {
    end["error"]["answer"].as_str().unwrap_or_else(|| panic!("{end}"))
}

#[test]
fn a_free_disk_is_owned_after_the_window_and_the_hold_and_not_before() {
    let s = Stage::new();
    let mut c = Running::start(legacy(&s, "challenge", 1, &[]));
    let plan = c.await_event("plan");
    assert_eq!((plan["mode"].as_str(), plan["reset"].as_str()), (Some("legacy"), Some("lun")), "{plan}");
    let waiting = c.await_event("waiting")["at_ms"].as_u64().unwrap();
    let reserving = c.await_event("reserving")["at_ms"].as_u64().unwrap();
    // Times are cut to whole milliseconds.
    assert!(reserving + 1 >= waiting + WINDOW_MS, "the window was not waited: {waiting} {reserving}");
    let (code, end) = c.end();
    assert_eq!((code, end["outcome"].as_str()), (0, Some("confirmed")), "{end}");
    assert!(end["held_ms"].as_u64().unwrap() + 1 >= WINDOW_MS, "the hold was not waited: {end}");
    assert!(s.write_accepted("n1"));
    assert!(!s.write_accepted("n2"), "an SPC-2 reservation keeps everybody else out");
}

#[test]
fn a_live_owner_defends_against_a_reset() {
    let s = Stage::new();
    let mut owner = defend(&s, 1, &[]);
    let (code, end) = challenge(&s, 2, &[]);
    assert_eq!(code, 10, "{end}");
    assert!(answer(&end).contains("defended"), "{end}");
    let told = owner.await_event("attention");
    assert_eq!((told["asc"].as_u64(), told["ascq"].as_u64()), (Some(0x29), Some(3)), "{told}");
    owner.await_event("confirmed");
    assert!(owner.is_running());
    assert!(s.write_accepted("n1"));
    assert!(!s.write_accepted("n2"));
}

/// Nothing was looked at then: the line must not say that the disk was seen free.
#[test]
fn a_window_that_silence_begins_anew_is_said_without_a_claim() {
    let s = Stage::new();
    let fault = ["set", "drop-answer", "--command", "reserve-6", "--times", "1"];
    s.run(&[&["sim", "fault", &s.path()], &fault[..]].concat()).must(0);
    let mut c = Running::start(legacy(&s, "challenge", 1, &[]));
    c.await_event("unanswered");
    let again = c.await_event("waiting");
    assert!(!again["text"].as_str().unwrap().contains("free"), "{again}");
    let (code, end) = c.end();
    assert_eq!(code, 0, "{end}");
}

#[test]
fn a_killed_owner_loses() {
    let s = Stage::new();
    let mut owner = defend(&s, 1, &[]);
    owner.kill();
    assert!(!s.write_accepted("n2"), "a kill releases nothing");
    let mut c = Running::start(legacy(&s, "challenge", 2, &[]));
    assert_eq!(c.await_event("looked")["reserved_by_another"], true);
    assert_eq!(c.await_event("resetting")["scope"], "LogicalUnit");
    let (code, end) = c.end();
    assert_eq!(code, 0, "{end}");
    assert!(!s.write_accepted("n1"), "the dead owner's writes are refused");
    assert!(s.write_accepted("n2"));
}

#[test]
fn a_frozen_owner_loses_and_does_not_reserve_when_it_wakes() {
    let s = Stage::new();
    let ran = s.dir().join("ran");
    let script = format!("echo $PALISADE_REASON >{}", ran.display());
    let owner = defend(&s, 1, &["--on-deposed", &script]);
    owner.signal(Signal::SIGSTOP);
    let (code, end) = challenge(&s, 2, &[]);
    assert_eq!(code, 0, "{end}");
    // The worst moment: a reset has just freed the disk when it wakes.
    s.verb("reset", "admin", &["--scope", "lun", "--yes"]).must(0);
    owner.signal(Signal::SIGCONT);
    let (code, end) = owner.end();
    assert_eq!(code, 11, "{end}");
    assert_eq!(await_file(&ran), "expired\n", "its lease had ended while it was frozen");
    s.verb("legacy reserve", "n2", &[]).must(0);
    assert!(!s.write_accepted("n1"));
}

#[test]
fn an_owner_robbed_by_another_tool_is_deposed() {
    let s = Stage::new();
    let ran = s.dir().join("ran");
    let script = format!("echo $PALISADE_REASON >{}", ran.display());
    let owner = defend(&s, 1, &["--on-deposed", &script]);
    // Another tool resets and reserves without waiting; it may have to be quicker than the owner twice.
    while s.verb("legacy reserve", "rude", &[]).code != 0 {
        s.verb("reset", "rude", &["--scope", "lun", "--yes"]).must(0);
    }
    let (code, end) = owner.end();
    assert_eq!(code, 11, "{end}");
    assert!(answer(&end).contains("RESERVATION CONFLICT"), "{end}");
    assert_eq!(await_file(&ran), "deposed\n");
}

#[test]
fn defend_goes_on_with_what_challenge_won() {
    let s = Stage::new();
    let (code, won) = challenge(&s, 1, &[]);
    assert_eq!(code, 0, "{won}");
    let mut owner = Running::start(legacy(&s, "defend", 1, &[]));
    assert_eq!(owner.await_event("taken-over")["key"], won["life"]);
    owner.await_event("confirmed");
    assert_eq!(challenge(&s, 2, &[]).0, 10);
}

#[test]
fn a_victory_is_taken_over_in_its_mode_and_in_its_time_only() {
    let s = Stage::new();
    assert_eq!(challenge(&s, 1, &[]).0, 0);
    let (code, end) = Running::start(s.node("defend", 1, &[])).end();
    assert_ne!(code, 0, "persistent mode takes over nothing of legacy mode: {end}");
    // Waiting the lease out is the point.
    std::thread::sleep(std::time::Duration::from_millis(LEASE_MS));
    let (code, end) = Running::start(legacy(&s, "defend", 1, &[])).end();
    assert_eq!(code, 1, "{end}");
    assert!(answer(&end).contains("ended"), "{end}");
}

#[test]
fn sigterm_gives_the_disk_back() {
    let s = Stage::new();
    let owner = defend(&s, 1, &[]);
    owner.signal(Signal::SIGTERM);
    let (code, end) = owner.end();
    assert_eq!(code, 0, "{end}");
    assert!(s.write_accepted("n2"), "nobody holds it");
}

#[test]
fn an_interrupted_hold_gives_the_disk_back() {
    let s = Stage::new();
    let mut c = Running::start(legacy(&s, "challenge", 1, &[]));
    c.await_event("holding");
    assert!(!s.write_accepted("n2"));
    c.signal(Signal::SIGINT);
    let (code, end) = c.end();
    assert_eq!(code, 1, "{end}");
    assert!(answer(&end).contains("given back"), "{end}");
    assert!(s.write_accepted("n2"));
}

#[test]
fn a_disk_with_registrations_is_refused_in_words() {
    let s = Stage::new();
    s.verb("register", "other", &["--key", "0xabc"]).must(0);
    for args in [&[][..], &["--dry-run"]] {
        let (code, end) = challenge(&s, 1, args);
        assert_eq!(code, 1, "{end}");
        assert!(answer(&end).contains("persistent reservations rule this disk"), "{end}");
    }
    assert_eq!(s.keys(), ["0000000000000abc"]);
}

#[test]
fn persistent_mode_on_a_legacy_disk_says_what_to_do() {
    let s = Stage::new();
    let _owner = defend(&s, 1, &[]);
    let end = s.challenge(2, &[]).must(24).json();
    assert!(answer(&end).contains("SPC-2"), "{end}");
    assert!(end["error"]["next"].as_str().unwrap().contains("--legacy"), "{end}");
}

#[test]
fn a_bus_reset_that_is_not_offered_is_refused_and_changes_nothing() {
    let s = Stage::new();
    let mut owner = defend(&s, 1, &[]);
    let (code, end) = challenge(&s, 2, &["--reset", "bus"]);
    assert_eq!(code, 9, "{end}");
    assert!(answer(&end).contains("no reset of that scope"), "{end}");
    owner.await_event("confirmed");
    let (code, end) = challenge(&s, 2, &["--reset", "target"]);
    assert_eq!(code, 10, "the target's reset is one of its only unit: {end}");
}

#[test]
fn a_dry_run_changes_nothing() {
    let s = Stage::new();
    let mut owner = defend(&s, 1, &[]);
    let (code, plan) = challenge(&s, 2, &["--dry-run", "--reset", "target"]);
    assert_eq!(
        (code, plan["hold_ms"].as_u64(), plan["reset"].as_str()),
        (0, Some(WINDOW_MS), Some("target"))
    );
    for _ in 0..2 {
        owner.await_event("confirmed");
    }
    owner.signal(Signal::SIGTERM);
    let (code, _) = owner.end();
    assert_eq!(code, 0);
}

#[test]
fn options_that_mean_nothing_here_are_refused() {
    let s = Stage::new();
    assert_eq!(challenge(&s, 1, &["--exclusive-access"]).0, 2);
    assert_eq!(challenge(&s, 1, &["--paths"]).0, 2);
    assert_eq!(
        Running::start(s.node("challenge", 1, &["--reset", "lun"])).end().0,
        2,
        "--reset without --legacy"
    );
    assert_eq!(Running::start(legacy(&s, "defend", 1, &["--reset", "lun"])).end().0, 2, "without --acquire");
}

#[test]
fn a_second_process_on_the_same_nexus_is_refused_whatever_node_it_names() {
    let s = Stage::new();
    let _owner = defend(&s, 1, &[]);
    // Node 2 by the port and the folders of node 1: the disk could not tell them apart.
    let mut c = s.node_on("challenge", 2, "n1", "host1", &[]);
    c.arg("--legacy");
    let (code, end) = Running::start(c).end();
    assert_eq!(code, 1, "{end}");
    assert!(answer(&end).contains("another process"), "{end}");
}

#[test]
fn two_challengers_of_a_dead_owner_never_both_win() {
    let s = Stage::new();
    defend(&s, 1, &[]).kill();
    let both = [2, 3].map(|n| Running::start(legacy(&s, "challenge", n, &[])));
    let codes = both.map(|r| r.end().0);
    assert_eq!(codes.iter().filter(|c| **c == 0).count(), 1, "{codes:?}");
    assert!(codes.iter().all(|c| [0, 10].contains(c)), "{codes:?}");
}

#[test]
fn a_life_is_counted_but_stands_on_no_disk() {
    let s = Stage::new();
    let (_, first) = challenge(&s, 1, &[]);
    let (_, second) = challenge(&s, 1, &[]);
    assert_eq!(first["life"], key(1, false, 1));
    assert_eq!(second["life"], key(1, false, 2));
    s.verb("legacy release", "n1", &[]).must(0);
    assert_eq!(s.keys(), [] as [&str; 0]);
}
