//! `--record` and `replay` as an operator uses them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is a failure")]

mod common;

use common::{Running, Stage, key};

fn tape(s: &Stage) -> String {
    s.dir().join("tape").display().to_string()
}

/// A challenge that is defended, both sides recorded to one file.
fn recorded(s: &Stage) -> String {
    let tape = tape(s);
    let mut owner = Running::start(s.node("defend", 1, &["--acquire", "--record", &tape]));
    owner.await_event("confirmed");
    s.challenge(2, &["--record", &tape]).must(10);
    owner.await_event("challenged");
    owner.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(owner.end().0, 0);
    tape
}

#[test]
fn a_challenge_and_its_defence_replay_the_same() {
    let s = Stage::new();
    let tape = recorded(&s);
    let text = std::fs::read_to_string(&tape).unwrap();
    assert_eq!(text.matches("\"kind\":\"nexus\"").count(), 2, "{text}");
    assert!(text.contains(&key(2, true, 1)), "the challenging key was sent: {text}");
    let end = s.run(&["replay", &tape, "--json"]).must(0).json();
    assert_eq!((end["result"].as_str(), end["schema"].as_u64()), (Some("same"), Some(1)), "{end}");
    assert!(end["commands"].as_u64().unwrap() > 20, "{end}");
    let words = s.run(&["replay", &tape]).must(0).out;
    assert!(words.starts_with("same: "), "{words}");
}

#[test]
fn a_difference_is_shown_and_counts_as_one() {
    let s = Stage::new();
    let tape = recorded(&s);
    // The defender's PREEMPT named another key: the challenger is still there afterwards.
    let text = std::fs::read_to_string(&tape).unwrap();
    let preempt = text.lines().position(|l| l.contains("\"cdb\":\"5f04")).unwrap();
    let spoilt: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(i, l)| if i == preempt { l.replace(&key(2, true, 1), &key(3, true, 1)) } else { l.to_owned() })
        .collect();
    std::fs::write(&tape, spoilt.join("\n") + "\n").unwrap();
    let end = s.run(&["replay", &tape, "--json"]).must(1).json();
    let d = &end["difference"];
    assert_eq!(
        (d["line"].as_u64(), d["field"].as_str()),
        (Some(preempt as u64 + 1), Some("status")),
        "{end}"
    );
    assert_eq!(d["recorded"], "GOOD");
    assert_eq!(d["replayed"], "RESERVATION CONFLICT");
    let words = s.run(&["replay", &tape]).must(1).out;
    assert!(words.contains("DIFFERS at line") && words.contains("recorded  GOOD"), "{words}");
}

#[test]
fn a_replay_leaves_its_end_on_a_disk_of_ones_own() {
    let s = Stage::new();
    let tape = tape(&s);
    s.run(&["register", &s.disk("a"), "--key", "aa", "--aptpl", "--record", &tape]).must(0);
    let on = s.dir().join("mine").display().to_string();
    s.run(&["replay", &tape, "--on", &format!("sim:{on}")]).must(0);
    let state = s.run(&["sim", "show", &on, "--json"]).must(0).json();
    assert_eq!(state["state"]["unit"]["pr"]["registrations"][0]["key"], "00000000000000aa", "{state}");
    // That disk is not fresh any more: nothing was registered when the recording began.
    s.run(&["replay", &tape, "--on", &format!("sim:{on}")]).must(1);
}

#[test]
fn a_fresh_disk_is_removed_afterwards() {
    let s = Stage::new();
    let tape = recorded(&s);
    let scratch = s.dir().join("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let end = common::arbitrate().args(["replay", &tape]).env("TMPDIR", &scratch).status().unwrap();
    assert!(end.success());
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn what_cannot_be_read_says_why() {
    let s = Stage::new();
    let tape = tape(&s);
    s.run(&["keys", &s.disk("a"), "--record", &tape]).must(0);
    let good = std::fs::read_to_string(&tape).unwrap();
    let without_first: String = good.lines().skip(1).map(|l| format!("{l}\n")).collect();
    for (bad, words) in [
        (good[..good.len() - 9].to_owned(), "cut off"),
        (good.replace("\"schema\":1", "\"schema\":7"), "schema 7"),
        (without_first, "never opened"),
        (String::new(), "no line"),
        ("{}\n".to_owned(), "no schema"),
    ] {
        std::fs::write(&tape, bad).unwrap();
        let end = s.run(&["replay", &tape, "--json"]).must(2).json();
        let answer = end["error"]["answer"].as_str().unwrap();
        assert!(answer.contains(words), "{words}: {answer}");
    }
    s.run(&["replay", "/nowhere/tape"]).must(2);
    std::fs::write(&tape, good).unwrap();
    let end = s.run(&["replay", &tape, "--on", "/dev/sda"]).must(2);
    assert!(end.err.contains("sim:PATH"), "{}", end.err);
    let end = s.run(&["keys", &s.disk("a"), "--record", "/nowhere/tape"]).must(1);
    assert!(end.err.contains("nothing was sent"), "{}", end.err);
}
