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
fn what_is_not_two_nexuses_of_one_unit_is_refused_before_anything_is_done() {
    let s = Stage::new();
    let other = s.dir().join("other").display().to_string();
    s.run(&["sim", "create", &other]).must(0);
    let a = s.disk("a");
    let before = s.verb("keys", "other", &[]).must(0).json()["generation"].clone();
    for (b, why) in [
        (a.clone(), "one path"),
        (format!("{a}&port=1"), "same initiator port to the same target port"),
        (format!("sim:{other}?as=b"), "naa."),
    ] {
        for more in [&["--destructive", "--yes"][..], &[]] {
            let all = [&["verify", &a, &b, "--json"], more].concat();
            let v = s.run(&all).must(2);
            assert_eq!(v.out.lines().count(), 1, "no check was made: {}", v.out);
            let answer = v.json()["error"]["answer"].as_str().unwrap().to_owned();
            assert!(answer.contains("not two nexuses of one unit") && answer.contains(why), "{answer}");
        }
    }
    assert_eq!(s.verb("keys", "other", &[]).must(0).json()["generation"], before);
    // Another target port makes another nexus.
    s.run(&["verify", &a, &format!("{a}&port=2"), "--json"]).must(0);
}

#[test]
fn a_ctrl_c_in_the_middle_takes_every_key_off_and_writes_the_blocks_back() {
    let s = Stage::new();
    let lba = "50";
    let block = "c3".repeat(512);
    s.verb("raw", "x", &["--cdb", "2a000000003200000100", "--out", &block, "--yes"]).must(0);
    // The disk holds one command back: until then the operator has time to change his mind.
    s.run(&["sim", "fault", &s.path(), "set", "delay", "--ms", "2000", "--command", "preempt"]).must(0);
    let (a, b) = (s.disk("a"), s.disk("b"));
    let mut c = common::arbitrate();
    c.args(["verify", &a, &b, "--json", "--destructive", "--yes", "--lba", lba, "--timeout-ms", "30000"]);
    c.stdin(std::process::Stdio::null());
    let mut run = common::Running::start(c);
    loop {
        let check = run.await_event("check");
        if check["check"] == "holder-leaves" {
            break;
        }
    }
    while s.keys().is_empty() {
        assert!(run.is_running());
    }
    run.signal(nix::sys::signal::Signal::SIGINT);
    let (code, end) = run.end();
    assert_eq!(code, 1, "what was not looked at is not confirmed: {end}");
    assert_eq!(of(&end, "cleanup")["verdict"], "pass", "{end}");
    assert_eq!(of(&end, "preempt-abort")["found"], "stopped by a signal", "{end}");
    assert!(end["judgement"].as_str().unwrap().starts_with("stopped before the end"), "{end}");
    assert_eq!((s.keys(), s.holder()), (Vec::new(), None));
    let now = s.verb("raw", "x", &["--cdb", "28000000003200000100", "--in", "512"]);
    // What the reset-like attentions of the tests left for this nexus comes first.
    let now = if now.code == 26 {
        s.verb("raw", "x", &["--cdb", "28000000003200000100", "--in", "512"])
    } else {
        now
    };
    assert!(now.must(0).out.contains(&block), "the block holds what it held");
}

#[test]
fn blocks_that_are_not_there_are_refused() {
    let s = Stage::new();
    verify(&s, &["--destructive", "--yes", "--lba", "99999999999"]).must(2);
}
