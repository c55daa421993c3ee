//! The demo shows what it says.

#![allow(clippy::unwrap_used, reason = "in a test a panic is a failure")]

use std::process::Command;

#[test]
fn both_challenges_end_as_they_must() {
    // The demo runs the arbitrate program beside it.
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--package", "arbitrate"])
        .args((!cfg!(debug_assertions)).then_some("--release"))
        .status();
    assert!(built.unwrap().success());
    let o = Command::new(env!("CARGO_BIN_EXE_palisade")).args(["demo", "--profile", "lab"]).output().unwrap();
    let out = String::from_utf8_lossy(&o.stdout);
    assert!(o.status.success(), "{out}\n{}", String::from_utf8_lossy(&o.stderr));
    assert!(out.contains("(exit 10)"), "{out}");
    assert!(out.contains("WON: node 2 owns"), "{out}");
}
