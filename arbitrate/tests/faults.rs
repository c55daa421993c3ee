//! Challenges and defences on a disk that misbehaves: lost answers, lost commands, late commands, BUSY,
//! unit attentions, power loss. Also `sim fault` itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is a failure")]

mod common;

use common::{End, Stage, key};
use serde_json::Value;

trait Faulty {
    fn fault(&self, args: &[&str]) -> End;
    fn faults(&self) -> Value;
    fn killed_owner(&self);
}

impl Faulty for Stage {
    fn fault(&self, args: &[&str]) -> End {
        let path = self.path();
        self.run(&[&["--json", "sim", "fault", &path], args].concat())
    }

    fn faults(&self) -> Value {
        self.fault(&[]).must(0).json()
    }

    /// Node 1 owned the disk and died.
    fn killed_owner(&self) {
        self.defend(1, &["--acquire"]).kill();
    }
}

#[track_caller]
fn won(end: &End, from: Option<&str>) {
    assert_eq!(end.code, 0, "{}\n{}", end.out, end.err);
    assert_eq!(end.json()["from"].as_str(), from);
}

#[test]
fn a_lost_answer_of_preempt_and_abort_is_settled_by_reading_back() {
    let s = Stage::new();
    s.killed_owner();
    s.fault(&["set", "drop-answer", "--command", "preempt-and-abort"]).must(0);
    let end = s.challenge(2, &[]);
    won(&end, Some(&key(1, false, 1)));
    assert!(end.out.contains("still outstanding"), "it was met: {}", end.out);
    assert_eq!(end.out.matches("\"preempting\"").count(), 1, "and not repeated: {}", end.out);
    assert_eq!((s.keys(), s.holder()), (vec![key(2, false, 1)], Some(key(2, false, 1))));
}

#[test]
fn a_lost_preempt_and_abort_is_repeated_after_a_look() {
    let s = Stage::new();
    s.killed_owner();
    s.fault(&["set", "drop-command", "--command", "preempt-and-abort"]).must(0);
    let end = s.challenge(2, &[]);
    won(&end, Some(&key(1, false, 1)));
    assert_eq!(end.out.matches("\"preempting\"").count(), 2, "{}", end.out);
}

#[test]
fn a_lost_answer_of_register_is_settled_by_reading_back() {
    let s = Stage::new();
    s.fault(&["set", "drop-answer", "--command", "register"]).must(0);
    let end = s.challenge(1, &[]);
    won(&end, None);
    assert_eq!(end.out.matches("\"registering\"").count(), 1, "never repeated: {}", end.out);
}

/// Not knowing whether the target keeps registrations must not pass for "it does not": a REGISTER that does not
/// ask for it takes it from everybody.
#[test]
fn capabilities_that_are_not_told_end_a_challenge_before_it_registers() {
    let s = Stage::new();
    for fault in ["drop-answer", "transport-error"] {
        s.fault(&["set", fault, "--command", "report-capabilities"]).must(0);
        let end = s.challenge(1, &[]);
        assert!([33, 35].contains(&end.code), "{fault}: {} {}", end.code, end.out);
        assert!(!end.out.contains("\"registering\""), "{}", end.out);
        assert!(s.keys().is_empty(), "{fault}");
    }
    won(&s.challenge(1, &[]), None);
}

#[test]
fn a_lost_register_ends_as_unknown_and_is_not_repeated() {
    let s = Stage::new();
    s.fault(&["set", "drop-command", "--command", "register"]).must(0);
    let end = s.challenge(1, &[]).must(3);
    assert_eq!(end.out.matches("\"registering\"").count(), 1, "{}", end.out);
    assert_eq!((s.keys(), s.holder()), (vec![], None));
}

#[test]
fn a_lost_answer_of_reserve_is_settled_by_reading_back() {
    let s = Stage::new();
    s.fault(&["set", "drop-answer", "--command", "reserve"]).must(0);
    let end = s.challenge(1, &[]);
    won(&end, None);
    assert_eq!(end.out.matches("\"reserving\"").count(), 1, "{}", end.out);
}

#[test]
fn a_transport_error_is_settled_by_reading_back_whichever_way_it_was() {
    for executed in [true, false] {
        let s = Stage::new();
        s.killed_owner();
        let more: &[&str] = if executed { &["--executed"] } else { &[] };
        let base = ["set", "transport-error", "--host", "3", "--command", "preempt-and-abort"];
        s.fault(&[&base[..], more].concat()).must(0);
        let end = s.challenge(2, &[]);
        won(&end, Some(&key(1, false, 1)));
        assert!(end.out.contains("DID_TIME_OUT"), "{}", end.out);
    }
}

#[test]
fn a_unit_attention_eats_the_preempt_and_abort_and_it_is_sent_again() {
    let s = Stage::new();
    s.killed_owner();
    s.fault(&["set", "unit-attention", "--attention", "capacity-changed", "--command", "preempt-and-abort"])
        .must(0);
    let end = s.challenge(2, &[]);
    won(&end, Some(&key(1, false, 1)));
    assert_eq!(s.faults()["faults"], serde_json::json!([]), "it was met");
}

#[test]
fn busy_to_a_preempt_is_no_end_and_busy_to_a_register_is_a_refusal() {
    let s = Stage::new();
    s.fault(&["set", "busy", "--command", "register", "--initiator", "n1"]).must(0);
    let end = s.challenge(1, &[]).must(26).json();
    assert!(end["error"]["answer"].as_str().unwrap().contains("BUSY"), "{end}");
    assert_eq!(s.keys(), [] as [&str; 0]);

    let s = Stage::new();
    s.killed_owner();
    s.fault(&["set", "busy", "--command", "preempt-and-abort"]).must(0);
    won(&s.challenge(2, &[]), Some(&key(1, false, 1)));
}

#[test]
fn a_late_preempt_of_a_challenge_that_was_won_hurts_nobody() {
    let s = Stage::new();
    s.killed_owner();
    s.fault(&["set", "delay", "--ms", "1500", "--command", "preempt-and-abort"]).must(0);
    won(&s.challenge(2, &[]), Some(&key(1, false, 1)));
    let generation = |s: &Stage| s.verb("keys", "observer", &[]).must(0).json()["generation"].clone();
    let before = generation(&s);
    while s.faults()["delayed"] != serde_json::json!([]) {
        // Each look is an access; one of them executes what is due.
        assert_eq!(s.holder(), Some(key(2, false, 1)));
    }
    assert_eq!((s.keys(), generation(&s)), (vec![key(2, false, 1)], before), "its keys are once-only");
}

#[test]
fn a_defence_whose_answer_is_lost_still_defends() {
    let s = Stage::new();
    let mut owner = s.defend(1, &["--acquire"]);
    s.fault(&["set", "drop-answer", "--command", "preempt", "--initiator", "n1"]).must(0);
    s.challenge(2, &[]).must(10);
    owner.await_event("challenged");
    owner.await_event("confirmed");
    assert_eq!(s.keys(), [key(1, false, 1)]);
}

#[test]
fn an_owner_survives_a_lost_read() {
    let s = Stage::new();
    let mut owner = s.defend(1, &["--acquire"]);
    s.fault(&["set", "drop-command", "--command", "read-keys", "--initiator", "n1"]).must(0);
    owner.await_event("missed");
    owner.await_event("confirmed");
}

#[test]
fn power_loss_with_aptpl_deposes_nobody() {
    let s = Stage::new();
    let mut owner = s.defend(1, &["--acquire"]);
    s.fault(&["now", "power-loss"]).must(0);
    let told = owner.await_event("unit-attention");
    assert_eq!((told["asc"].as_u64(), told["ascq"].as_u64()), (Some(0x29), Some(1)), "{told}");
    owner.await_event("confirmed");
    assert_eq!(s.holder(), Some(key(1, false, 1)));
    s.challenge(2, &[]).must(10);
}

#[test]
fn power_loss_without_aptpl_deposes_the_owner() {
    let s = Stage::new();
    let owner = s.defend(1, &["--acquire"]);
    // Anybody's REGISTER decides for all (SPC-4 5.12.5.1): this one takes APTPL away.
    s.verb("register", "careless", &["--key", "11"]).must(0);
    s.verb("unregister", "careless", &["--key", "11"]).must(0);
    s.fault(&["now", "power-loss"]).must(0);
    let (code, end) = owner.end();
    assert_eq!(code, 11, "{end}");
    assert!(end["error"]["answer"].as_str().unwrap().contains("registration is gone"), "{end}");
    assert_eq!((s.keys(), s.holder()), (vec![], None), "and it did not register again");
}

#[test]
fn who_unregisters_leaves_the_others_their_persistence() {
    let s = Stage::new();
    let active = || {
        let v = s.verb("capabilities", "observer", &[]).must(0).json();
        v["capabilities"]["aptpl_active"].as_bool()
    };
    s.verb("register", "a", &["--key", "aa", "--aptpl"]).must(0);
    s.verb("register", "b", &["--key", "bb", "--aptpl"]).must(0);
    s.verb("unregister", "b", &["--key", "bb"]).must(0);
    assert_eq!(active(), Some(true));
    s.fault(&["now", "power-loss"]).must(0);
    assert_eq!(s.keys(), ["00000000000000aa"]);
    // Registering without --aptpl is said to be what it is.
    let careless = s.verb("register", "b", &["--key", "bb"]).must(0);
    assert!(careless.err.contains("EVERY registration"), "{}", careless.err);
    assert_eq!(active(), Some(false));
    let quiet = s.verb("register", "b", &["--key", "bb", "--existing", "bb"]).must(0);
    assert_eq!(quiet.err, "");
}

#[test]
fn a_memory_that_fails_ends_the_lease_and_is_replaced() {
    let s = Stage::new();
    let owner = s.defend(1, &["--acquire"]);
    s.fault(&["now", "power-loss", "--memory-fails"]).must(0);
    let (code, end) = owner.end();
    assert_eq!(code, 11, "{end}");
    // The attention first, for each; then the loss.
    let lost = loop {
        let end = s.verb("raw", "admin", &["--cdb", "000000000000"]);
        if end.code != 26 {
            break end.json();
        }
    };
    assert!(lost["words"].as_str().unwrap().contains("PERSISTENT RESERVATION INFORMATION LOST"), "{lost}");
    // It shows nothing any more, and the verb that mends it is sent all the same.
    let keys = s.verb("keys", "admin", &[]).must(7).json();
    assert!(keys["error"]["answer"].as_str().unwrap().contains("44/01"), "{keys}");
    s.verb("replace-lost", "admin", &["--key", "11", "--yes"]).must(0);
    assert_eq!(s.holder().as_deref(), Some("0000000000000011"));
    let again = s.verb("replace-lost", "admin", &["--key", "11", "--yes"]).must(5).json();
    assert!(again["error"]["answer"].as_str().unwrap().contains("26/04"), "nothing is lost: {again}");
}

#[test]
fn power_loss_during_a_challenge_begins_it_again() {
    let s = Stage::new();
    s.verb("register", "careless", &["--key", "11"]).must(0);
    s.verb("clear", "careless", &["--key", "11", "--yes"]).must(0);
    let mut c = common::Running::start(s.node("challenge", 1, &[]));
    c.await_event("waiting");
    s.verb("register", "careless", &["--key", "11"]).must(0);
    s.fault(&["now", "power-loss"]).must(0);
    c.await_event("surveyed");
    let (code, end) = c.end();
    assert_eq!(code, 0, "{end}");
    assert_eq!(end["key"], key(1, false, 2), "under a fresh life");
}

#[test]
fn faults_are_listed_counted_and_cleared() {
    let s = Stage::new();
    assert_eq!(s.faults()["faults"], serde_json::json!([]));
    let base = ["set", "busy", "--command", "read-keys", "--times", "2", "--initiator", "a"];
    assert_eq!(s.fault(&base).must(0).json()["id"], 1);
    s.fault(&["set", "drop-answer", "--always", "--chance", "2.5", "--seed", "9"]).must(0);
    let listed = s.faults();
    let expected = serde_json::json!([
        { "id": 1, "effect": "busy", "initiator": "a", "opcode": 0x5e, "service_action": 0, "left": 2 },
        { "id": 2, "effect": "drop-answer", "chance": { "per_million": 25_000, "seed": 9 } },
    ]);
    assert_eq!(listed["faults"], expected);
    let text = s.run(&["sim", "fault", &s.path(), "list"]).must(0).out;
    assert!(text.contains("READ KEYS of a: BUSY; 2 times"), "{text}");
    assert!(text.contains("any command of anybody: executed, its answer lost; until cleared"), "{text}");
    assert_eq!(s.fault(&["clear", "--id", "2"]).must(0).json()["ended"], 1);
    let gone = s.fault(&["clear", "--id", "2"]).must(1).json();
    assert!(gone["error"]["answer"].as_str().unwrap().contains("no fault 2"), "{gone}");
    let read = ["--cdb", "5e000000000000010000", "--in", "256"];
    let codes = [0; 3].map(|_: i32| s.verb("raw", "a", &read).code);
    assert_eq!(codes, [26, 26, 0]);
    assert_eq!(s.faults()["faults"], serde_json::json!([]));
}

#[test]
fn bad_faults_have_their_own_messages() {
    let s = Stage::new();
    for (args, words) in [
        (&["set", "delay"][..], "--ms"),
        (&["set", "delay", "--ms", "0"], "use 1 to 600000"),
        (&["set", "delay", "--ms", "600001"], "use 1 to 600000"),
        (&["set", "unit-attention"], "--attention"),
        (&["set", "busy", "--times", "0"], "1 or more"),
        (&["set", "busy", "--chance", "5"], "--seed"),
        (&["set", "busy", "--chance", "0", "--seed", "1"], "0.0001 to 100"),
        (&["set", "busy", "--chance", "101", "--seed", "1"], "0.0001 to 100"),
        (&["set", "busy", "--command", "preempt-it"], "preempt-and-abort"),
        (&["set", "busy", "--initiator", "Node_1"], "1 to 63"),
        (&["set", "busy", "--times", "2", "--always"], "--always"),
        (&["set", "explode"], "drop-answer"),
        (&["now", "unit-attention"], "--attention"),
    ] {
        let end = s.fault(args).must(2);
        let said = format!("{}{}", end.out, end.err);
        assert!(said.contains(words), "{args:?}: {said}");
    }
    assert_eq!(s.faults()["faults"], serde_json::json!([]));
    let none = s.run(&["sim", "fault", "/nowhere/disk", "list"]).must(15);
    assert!(none.err.contains("no such file"), "{}", none.err);
}
