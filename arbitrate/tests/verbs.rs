//! Every reservation verb between two nexuses, with what an operator gets wrong.
//!
//! Runs on the embedded disk, and on real nexuses where PALISADE_TEST_DEVICES names two
//! (`/dev/sda,/dev/sdb`): the lab runs this very file inside its guest.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is a failure")]

mod common;

use common::{End, Stage};

/// Two nexuses on one logical unit.
struct Two {
    a: String,
    b: String,
    _stage: Option<Stage>,
}

const A: &str = "00000000000000aa";
const B: &str = "00000000000000bb";
const TYPES: [&str; 6] = ["we", "ea", "wero", "earo", "wear", "eaar"];

impl Two {
    /// Clean: no registration, no reservation, no unit attention pending.
    fn new() -> Self {
        let two = match std::env::var("PALISADE_TEST_DEVICES") {
            Ok(v) => {
                let mut names = v.split(',').map(str::to_owned);
                let (a, b) = (names.next().unwrap(), names.next().expect("two devices"));
                Self { a, b, _stage: None }
            }
            Err(_) => {
                let s = Stage::new();
                Self { a: s.disk("a"), b: s.disk("b"), _stage: Some(s) }
            }
        };
        two.a(&["register", "--key", A, "--ignore-existing"]).must(0);
        two.a(&["clear", "--key", A, "--yes"]).must(0);
        two
    }

    fn on(&self, device: &str, args: &[&str]) -> End {
        let (verb, rest) = args.split_first().unwrap();
        let mut all: Vec<&str> = verb.split(' ').collect();
        all.extend([device, "--json"]);
        all.extend(rest);
        let o = common::arbitrate().args(&all).stdin(std::process::Stdio::null()).output().unwrap();
        let text = |b: Vec<u8>| String::from_utf8(b).unwrap();
        End { code: o.status.code().unwrap(), out: text(o.stdout), err: text(o.stderr) }
    }

    fn a(&self, args: &[&str]) -> End {
        self.on(&self.a, args)
    }

    fn b(&self, args: &[&str]) -> End {
        self.on(&self.b, args)
    }

    fn both_registered(&self) {
        self.a(&["register", "--key", A]).must(0);
        self.b(&["register", "--key", B]).must(0);
    }

    fn holder(&self) -> (Option<String>, Option<u64>) {
        let v = self.b(&["reservation"]).must(0).json();
        (v["holder"].as_str().map(str::to_owned), v["type"].as_u64())
    }

    fn keys(&self) -> Vec<String> {
        let v = self.b(&["keys"]).must(0).json();
        let mut k: Vec<String> =
            v["keys"].as_array().unwrap().iter().map(|k| k.as_str().unwrap().to_owned()).collect();
        k.sort();
        k
    }

    /// The exit code of a write of one block, unit attentions consumed.
    fn write(&self, device: &str) -> i32 {
        let block = "a5".repeat(512);
        loop {
            let c = self.on(device, &["raw", "--cdb", "2a000000000000000100", "--out", &block, "--yes"]).code;
            if c != 26 {
                return c;
            }
        }
    }

    fn read(&self, device: &str) -> i32 {
        loop {
            let c = self.on(device, &["raw", "--cdb", "28000000000000000100", "--in", "512"]).code;
            if c != 26 {
                return c;
            }
        }
    }
}

fn number(kind: &str) -> u64 {
    [1, 3, 5, 6, 7, 8][TYPES.iter().position(|t| *t == kind).unwrap()]
}

#[test]
fn register_rekey_and_unregister() {
    let t = Two::new();
    t.a(&["register", "--key", A]).must(0);
    let again = t.a(&["register", "--key", B]).must(24).json();
    assert!(again["error"]["answer"].as_str().unwrap().contains("RESERVATION CONFLICT"), "{again}");
    t.a(&["register", "--key", B, "--existing", A]).must(0);
    assert_eq!(t.keys(), [B]);
    t.a(&["register", "--key", A, "--ignore-existing"]).must(0);
    assert_eq!(t.keys(), [A]);
    t.a(&["unregister", "--key", B]).must(24);
    t.a(&["unregister", "--key", A]).must(0);
    assert_eq!(t.keys(), [] as [&str; 0]);
}

#[test]
fn reserve_and_release_with_every_type() {
    let t = Two::new();
    for kind in TYPES {
        t.both_registered();
        t.a(&["reserve", "--key", A, "--type", kind]).must(0);
        let expected = if number(kind) >= 7 { "0000000000000000" } else { A };
        assert_eq!(t.holder(), (Some(expected.into()), Some(number(kind))), "{kind}");
        let so = t.a(&["reserve", "--key", A, "--type", kind]).must(0).json();
        assert_eq!(so["result"], "already so", "{kind}");
        let other = if kind == "we" { "ea" } else { "we" };
        t.b(&["reserve", "--key", B, "--type", other]).must(24);
        // Who may write, who may read, while A holds and B is only registered.
        let member = number(kind) >= 5;
        assert_eq!(t.write(&t.a), 0, "{kind}: the holder writes");
        assert_eq!(t.write(&t.b), if member { 0 } else { 24 }, "{kind}: a registrant writes");
        assert_eq!(t.read(&t.b), if kind == "ea" { 24 } else { 0 }, "{kind}: a registrant reads");
        t.b(&["unregister", "--key", B]).must(0);
        assert_eq!(t.write(&t.b), 24, "{kind}: a stranger does not write");
        let reads = if ["ea", "earo", "eaar"].contains(&kind) { 24 } else { 0 };
        assert_eq!(t.read(&t.b), reads, "{kind}: a stranger reads or not");
        t.a(&["release", "--key", A, "--type", kind]).must(0);
        assert_eq!(t.holder(), (None, None), "{kind}");
        assert_eq!(t.write(&t.b), 0, "{kind}: released");
        t.a(&["clear", "--key", A, "--yes"]).must(0);
    }
}

#[test]
fn preempt_takes_the_reservation_of_the_holder() {
    let t = Two::new();
    for abort in [None, Some("--abort")] {
        for kind in ["we", "wero", "earo"] {
            t.both_registered();
            t.a(&["reserve", "--key", A, "--type", kind]).must(0);
            let mut args = vec!["preempt", "--key", B, "--holder", A, "--type", kind, "--yes"];
            args.extend(abort);
            let done = t.b(&args).must(0).json();
            assert_eq!(done["result"], "done");
            assert_eq!(t.keys(), [B]);
            assert_eq!(t.holder(), (Some(B.into()), Some(number(kind))), "{kind} {abort:?}");
            assert_eq!(t.write(&t.a), 24, "{kind} {abort:?}: the preempted does not write");
            t.b(&["clear", "--key", B, "--yes"]).must(0);
        }
    }
}

#[test]
fn preempt_of_a_mere_registrant_leaves_the_reservation() {
    let t = Two::new();
    t.both_registered();
    t.b(&["reserve", "--key", B, "--type", "wero"]).must(0);
    t.b(&["preempt", "--key", B, "--holder", A, "--yes"]).must(0);
    assert_eq!(t.keys(), [B]);
    assert_eq!(t.holder(), (Some(B.into()), Some(5)));
    t.b(&["clear", "--key", B, "--yes"]).must(0);
}

#[test]
fn preempt_refuses_itself_strangers_and_silence() {
    let t = Two::new();
    t.a(&["register", "--key", A]).must(0);
    let me = t.a(&["preempt", "--key", A, "--holder", A, "--yes"]).must(1).json();
    assert!(me["error"]["answer"].as_str().unwrap().contains("fence itself"), "{me}");
    let nobody = t.a(&["preempt", "--key", A, "--holder", B, "--yes"]).must(1).json();
    assert!(nobody["error"]["answer"].as_str().unwrap().contains("not registered"), "{nobody}");
    t.b(&["register", "--key", B]).must(0);
    let unasked = t.a(&["preempt", "--key", A, "--holder", B]).must(1).json();
    assert!(unasked["error"]["next"].as_str().unwrap().contains("--yes"), "{unasked}");
    assert_eq!(t.keys(), [A, B], "nothing was sent");
    t.a(&["clear", "--key", A, "--yes"]).must(0);
}

#[test]
fn clear_removes_everything_and_asks_first() {
    let t = Two::new();
    t.both_registered();
    t.a(&["reserve", "--key", A]).must(0);
    t.b(&["clear", "--key", B]).must(1);
    let dry = t.b(&["clear", "--key", B, "--dry-run"]).must(0).json();
    assert_eq!(dry["command"]["cdb"], "5f030000000000001800", "{dry}");
    assert_eq!(t.keys(), [A, B]);
    t.b(&["clear", "--key", B, "--yes"]).must(0);
    assert_eq!((t.keys(), t.holder()), (vec![], (None, None)));
}

#[test]
fn release_by_another_registrant_is_refused() {
    let t = Two::new();
    t.both_registered();
    t.a(&["reserve", "--key", A]).must(0);
    let r = t.b(&["release", "--key", B]).must(1).json();
    assert!(r["error"]["answer"].as_str().unwrap().contains("holds the reservation"), "{r}");
    assert_eq!(t.holder().0.as_deref(), Some(A));
    t.a(&["clear", "--key", A, "--yes"]).must(0);
}

#[test]
fn a_lun_reset_keeps_persistent_reservations() {
    let t = Two::new();
    t.both_registered();
    t.a(&["reserve", "--key", A]).must(0);
    t.b(&["reset", "--scope", "lun"]).must(1);
    let done = t.b(&["reset", "--scope", "lun", "--yes"]).must(0).json();
    assert_eq!(done["result"], "done");
    assert_eq!((t.keys(), t.holder().0.as_deref()), (vec![A.into(), B.into()], Some(A)));
    t.a(&["clear", "--key", A, "--yes"]).must(0);
}

#[test]
fn inspect_answers_the_three_questions() {
    let t = Two::new();
    let free = t.a(&["inspect"]).must(0).json();
    assert!(free["write"].as_str().unwrap().contains("NOT PROTECTED"), "{free}");
    t.both_registered();
    t.a(&["reserve", "--key", A]).must(0);
    let held = t.b(&["inspect"]).must(0).json();
    assert_eq!(held["holder"]["key"], A);
    assert_eq!(held["holder"]["type"], 5);
    assert_eq!(held["registrations"].as_array().unwrap().len(), 2, "{held}");
    assert!(held["write"].as_str().unwrap().starts_with("only registrants may write"), "{held}");
    assert_eq!(held["schema"], 1);
    t.a(&["capabilities"]).must(0);
    t.a(&["full-status"]).must(0);
    t.a(&["clear", "--key", A, "--yes"]).must(0);
}
