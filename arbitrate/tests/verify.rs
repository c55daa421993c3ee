//! `arbitrate verify` as an operator runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is a failure")]

mod common;

use common::Stage;
use serde_json::Value;

fn verify(s: &Stage, more: &[&str]) -> common::End {
    let (a, b) = (s.disk("a"), s.disk("b"));
    let args: Vec<&str> = ["verify", &a, &b, "--json"].into_iter().chain(more.iter().copied()).collect();
    s.run(&args)
}

fn of<'v>(v: &'v Value, check: &str) -> &'v Value {
    v["checks"].as_array().unwrap().iter().find(|c| c["check"] == check).unwrap_or(&Value::Null)
}

#[test]
fn the_passive_part_changes_nothing() {
    let s = Stage::new();
    s.verb("register", "other", &["--key", "77"]).must(0);
    let before = s.verb("keys", "other", &[]).must(0).json()["generation"].clone();
    let v = verify(&s, &[]).must(0).json();
    assert_eq!(of(&v, "identity")["verdict"], "pass", "{v}");
    assert_eq!(of(&v, "type-5"), &Value::Null, "nothing destructive");
    assert_eq!(s.verb("keys", "other", &[]).must(0).json()["generation"], before);
}

#[test]
fn the_embedded_disk_is_fit() {
    let s = Stage::new();
    let v = verify(&s, &["--destructive", "--yes"]).must(0).json();
    assert_eq!(v["fail"], 0, "{v}");
    for check in ["type-5", "preempt-abort", "lun-reset", "attentions", "cleanup"] {
        assert_eq!(of(&v, check)["verdict"], "pass", "{v}");
    }
    assert_eq!(s.keys(), [] as [&str; 0]);
}

#[test]
fn without_consent_or_on_a_disk_in_use_nothing_is_begun() {
    let s = Stage::new();
    verify(&s, &["--destructive"]).must(1);
    s.verb("register", "other", &["--key", "77"]).must(0);
    let v = verify(&s, &["--destructive", "--yes"]).must(1).json();
    assert!(v["error"]["answer"].as_str().unwrap().contains("1 registration(s)"), "{v}");
    assert_eq!(s.keys(), ["0000000000000077"]);
}

#[test]
fn one_nexus_twice_is_told() {
    let s = Stage::new();
    let a = s.disk("a");
    let v = s.run(&["verify", &a, &a, "--json", "--destructive", "--yes"]).must(1).json();
    assert!(v["error"]["answer"].as_str().unwrap().contains("nexuses"), "{v}");
}

#[test]
fn blocks_that_are_not_there_are_refused() {
    let s = Stage::new();
    verify(&s, &["--destructive", "--yes", "--lba", "99999999999"]).must(2);
}
