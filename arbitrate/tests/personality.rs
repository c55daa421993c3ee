//! An embedded disk that behaves as LIO does, from the command line.

#![allow(clippy::unwrap_used, reason = "in a test a panic is a failure")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The exit code and the last line of JSON.
fn run(words: &[&str]) -> (i32, Value) {
    let o = Command::new(env!("CARGO_BIN_EXE_arbitrate")).args(words).arg("--json").output().unwrap();
    let text = String::from_utf8(o.stdout).unwrap();
    (o.status.code().unwrap(), serde_json::from_str(text.lines().last().unwrap_or("null")).unwrap())
}

fn create(path: &Path, personality: &[&str]) -> String {
    let name = path.to_str().unwrap();
    let (code, said) = run(&[&["sim", "create", name], personality].concat());
    assert_eq!(code, 0, "{said}");
    format!("sim:{name}?as=a")
}

#[test]
fn a_reserve_without_a_registration_is_not_ready_on_lio_and_a_conflict_by_the_standard() {
    let dir = tempfile::tempdir().unwrap();
    // RESERVE, type 5, with a list of zeros.
    let reserve = |disk: &str| {
        run(&["raw", disk, "--cdb", "5f010500000000001800", "--out", &"00".repeat(24), "--yes"]).1
    };
    let said = reserve(&create(&dir.path().join("spc.img"), &[]));
    assert_eq!(said["status"], 0x18, "{said}");
    let said = reserve(&create(&dir.path().join("lio.img"), &["--personality", "lio"]));
    assert!(said["sense_words"].as_str().unwrap().contains("NOT READY"), "{said}");
    let (_, shown) = run(&["sim", "show", dir.path().join("lio.img").to_str().unwrap()]);
    assert_eq!(shown["state"]["unit"]["pr"]["personality"], "lio", "{shown}");
}

#[test]
fn an_unknown_personality_is_a_usage_error_that_names_the_known_ones() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    let o = Command::new(env!("CARGO_BIN_EXE_arbitrate"))
        .args(["sim", "create", path.to_str().unwrap(), "--personality", "scst"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&o.stderr);
    assert!(o.status.code() == Some(2) && said.contains("spc") && said.contains("lio"), "{said}");
    assert!(!path.exists());
}
