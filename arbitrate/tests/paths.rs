//! What an operator lives through with several paths to one disk.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is a failure")]

mod common;

use common::{Running, Stage, key};
use nix::sys::signal::Signal;
use serde_json::Value;

/// Node 1's port and its paths.
const BOTH: &str = "n1&port=1+2";

fn node(s: &Stage, verb: &str, args: &[&str]) -> Running {
    Running::start(s.node_on(verb, 1, BOTH, "host1", args))
}

/// Key by target port, of node 1's initiator port.
fn on_ports(s: &Stage) -> Vec<(u64, String)> {
    let v = s.verb("full-status", "observer", &[]).must(0).json();
    let mut all: Vec<(u64, String)> = v["registrations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["port"]["one"].as_u64().unwrap(), r["key"].as_str().unwrap().to_owned()))
        .collect();
    all.sort();
    all
}

/// Waits until `event` is told of the path over port `port`.
fn await_path(r: &mut Running, event: &str, port: u16) -> Value {
    loop {
        let v = r.await_event(event);
        if v["path"].as_str().is_some_and(|p| p.ends_with(&format!("port={port}"))) {
            return v;
        }
    }
}

fn owner(s: &Stage) -> Running {
    let mut owner = node(s, "defend", &["--acquire"]);
    await_path(&mut owner, "path-registered", 2);
    owner
}

#[test]
fn a_won_challenge_registers_every_path() {
    let s = Stage::new();
    let (code, end) = node(&s, "challenge", &[]).end();
    assert_eq!(code, 0, "{end}");
    assert_eq!(end["paths"]["registered"].as_array().map(Vec::len), Some(1), "{end}");
    let own = key(1, false, 1);
    assert_eq!(on_ports(&s), [(1, own.clone()), (2, own)]);
    assert!(s.write_accepted("n1&port=1") && s.write_accepted("n1&port=2"));
    assert!(!s.write_accepted("n1&port=3"), "a path nobody named");
}

#[test]
fn one_path_is_one_path_unless_all_are_asked_for() {
    let s = Stage::new();
    s.challenge(1, &[]).must(0);
    assert_eq!(on_ports(&s), [(1, key(1, false, 1))]);
}

#[test]
fn an_owner_over_two_paths_defends_and_gives_everything_back() {
    let s = Stage::new();
    let mut owner = owner(&s);
    s.challenge(2, &[]).must(10);
    owner.await_event("challenged");
    owner.await_event("confirmed");
    let own = key(1, false, 1);
    assert_eq!(on_ports(&s), [(1, own.clone()), (2, own)]);
    owner.signal(Signal::SIGTERM);
    let (code, end) = owner.end();
    assert_eq!(code, 0, "{end}");
    assert_eq!(on_ports(&s), []);
    assert_eq!(s.holder(), None);
}

#[test]
fn a_killed_owner_loses_on_every_path() {
    let s = Stage::new();
    owner(&s).kill();
    s.challenge(2, &[]).must(0);
    assert_eq!(on_ports(&s), [(1, key(2, false, 1))]);
    assert!(!s.write_accepted("n1&port=1") && !s.write_accepted("n1&port=2"));
}

#[test]
fn a_path_that_lost_its_registration_is_told_and_registered_again() {
    let s = Stage::new();
    let mut owner = owner(&s);
    let own = key(1, false, 1);
    s.verb("unregister", "n1&port=2", &["--key", &own]).must(0);
    await_path(&mut owner, "path-lost", 2);
    await_path(&mut owner, "path-registered", 2);
    assert_eq!(on_ports(&s), [(1, own.clone()), (2, own)]);
    assert!(owner.is_running());
}

#[test]
fn a_deposed_owner_registers_no_path_again() {
    let s = Stage::new();
    let owner = owner(&s);
    s.verb("register", "admin", &["--key", "11"]).must(0);
    s.verb("clear", "admin", &["--key", "11", "--yes"]).must(0);
    let (code, end) = owner.end();
    assert_eq!(code, 11, "{end}");
    assert_eq!(on_ports(&s), []);
}

#[test]
fn earlier_lives_on_every_path_are_replaced() {
    let s = Stage::new();
    owner(&s).kill();
    let (code, end) = node(&s, "challenge", &[]).end();
    assert_eq!(code, 0, "{end}");
    // The owner had reserved three lives.
    let own = key(1, false, 4);
    assert_eq!(on_ports(&s), [(1, own.clone()), (2, own)]);
}

#[test]
fn defend_goes_on_with_every_path_a_challenge_won() {
    let s = Stage::new();
    assert_eq!(node(&s, "challenge", &[]).end().0, 0);
    let mut owner = node(&s, "defend", &[]);
    await_path(&mut owner, "path-registered", 2);
    owner.await_event("confirmed");
    let own = key(1, false, 1);
    assert_eq!(on_ports(&s), [(1, own.clone()), (2, own)]);
}
