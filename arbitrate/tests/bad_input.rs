//! What operators get wrong: each mistake has its own message, and loses nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is a failure")]

mod common;

use common::{Stage, arbitrate};

fn fails(args: &[&str], code: i32, says: &[&str]) {
    let o = arbitrate().args(args).stdin(std::process::Stdio::null()).output().unwrap();
    let err = String::from_utf8_lossy(&o.stderr).into_owned();
    assert_eq!(o.status.code(), Some(code), "{args:?}: {err}");
    for word in says {
        assert!(err.contains(word), "{args:?} does not say '{word}': {err}");
    }
}

#[test]
fn keys() {
    let s = Stage::new();
    let d = s.disk("a");
    fails(&["register", &d, "--key", "0"], 2, &["key 0 is not a key"]);
    fails(&["register", &d, "--key", "xyz"], 2, &["hex"]);
    fails(&["register", &d, "--key", "12345678901234567"], 2, &["1 to 16 hex digits"]);
    assert_eq!(s.keys(), [] as [&str; 0]);
}

#[test]
fn devices() {
    let s = Stage::new();
    let folder = s.dir().display().to_string();
    let file = s.path();
    fails(&["keys", "/dev/no-such-disk"], 15, &["/dev/no-such-disk"]);
    fails(&["keys", &folder], 15, &["folder"]);
    fails(&["keys", &file], 15, &["sim:"]);
    fails(&["keys", "/dev/null"], 15, &["SCSI"]);
    fails(&["keys", &format!("sim:{file}")], 15, &["as="]);
    fails(&["keys", &format!("sim:{file}?as=a&port=99999")], 15, &["port"]);
    fails(&["keys", &format!("sim:{folder}/none?as=a")], 15, &["sim create"]);
}

/// Whoever asked for JSON gets JSON, whatever is wrong with the rest of the line.
#[test]
fn usage_errors_are_json_where_that_was_asked_for() {
    let s = Stage::new();
    let d = s.disk("a");
    for (args, command, says) in [
        (&["--json"][..], "arbitrate", "no command"),
        (&["--json", "fense", &d], "arbitrate", "fense"),
        (&["fence", &d, "--json"], "fence", "--cluster"),
        (&["register", "--json", &d, "--key", "xyz"], "register", "hex"),
        (&["challenge", &d, "--cluster", "c", "--node", "0", "--json"], "challenge", "--node"),
        (&["sim", "fault", &d, "set", "no-such", "--json"], "sim", "no-such"),
        (&["keys", &d, "--json", "--no-such"], "keys", "--no-such"),
    ] {
        let v = s.run(args).must(2).json();
        assert_eq!(
            (&v["schema"], &v["exit"], &v["outcome"]),
            (&1.into(), &2.into(), &"refused".into()),
            "{v}"
        );
        assert_eq!(v["command"], command, "{v}");
        let (answer, next) = (v["error"]["answer"].as_str().unwrap(), v["error"]["next"].as_str().unwrap());
        assert!(answer.contains(says) && !answer.contains("error:"), "{v}");
        assert!(next.contains("arbitrate help"), "{v}");
    }
    // After `--` it is a name, and help is no error.
    assert!(s.run(&["keys", "--no-such", "--", "--json"]).must(2).out.is_empty());
    assert!(s.run(&["--json", "fence", "--help"]).must(0).out.contains("EXIT STATUS"));
}

#[test]
fn a_disk_that_exists_is_left_alone_and_that_is_said() {
    let s = Stage::new();
    fails(&["sim", "create", &s.path()], 15, &["exists already", "name a file that does not exist yet"]);
    let other = s.dir().join("no/such/folder").display().to_string();
    fails(&["sim", "create", &other], 15, &["no disk was made"]);
}

#[test]
fn raw_bytes() {
    let s = Stage::new();
    let d = s.disk("a");
    fails(&["raw", &d, "--cdb", "000"], 2, &["odd number"]);
    fails(&["raw", &d, "--cdb", "zz"], 2, &["no hex byte"]);
    fails(&["raw", &d, "--cdb", "00"], 2, &["6, 10, 12 or 16"]);
    fails(&["raw", &d, "--cdb", "5f03", "--in", "4", "--out", "00"], 2, &["cannot be used with"]);
    fails(&["raw", &d, "--cdb", "5f030000000000001800", "--out", "@/no/such/file"], 2, &["/no/such/file"]);
    fails(&["raw", &d, "--cdb", "5f030000000000001800", "--out", "00"], 1, &["--yes"]);
}

#[test]
fn scopes_and_nodes() {
    let s = Stage::new();
    let d = s.disk("a");
    fails(&["reset", &d, "--scope", "bus", "--yes"], 9, &["no reset of that scope"]);
    fails(&["reset", &d, "--scope", "galaxy", "--yes"], 2, &["galaxy"]);
    fails(&["challenge", &d, "--cluster", "c", "--node", "0"], 2, &["--node"]);
    fails(&["challenge", &d, "--cluster", "c", "--node", "256"], 2, &["--node"]);
    fails(&["challenge", &d, "--cluster", "", "--node", "1"], 2, &["--cluster"]);
    fails(&["challenge", &d, "--node", "1"], 2, &["--cluster"]);
    fails(
        &[
            "defend",
            &d,
            "--cluster",
            "c",
            "--node",
            "1",
            "--profile",
            "fast",
            "--watchdog",
            "/dev/w",
            "--acquire",
        ],
        1,
        &["no watchdog timeout"],
    );
}

#[test]
fn what_the_embedded_disk_does_not_take_is_refused_by_it() {
    let s = Stage::new();
    let d = s.disk("a");
    s.verb("register", "a", &["--key", "1"]).must(0);
    fails(&["replace-lost", &d, "--key", "1", "--yes"], 5, &["ILLEGAL REQUEST", "26/04"]);
    // A TransportID that no initiator of this disk can have.
    let foreign = ["--transport-id", "sas:5000c500a1b2c3d4"];
    fails(&[&["register", &s.disk("b"), "--key", "2"], &foreign[..]].concat(), 5, &["26/00"]);
}

#[test]
fn a_damaged_embedded_disk_says_what_to_do() {
    let s = Stage::new();
    std::fs::write(s.path(), b"not a disk").unwrap();
    fails(&["keys", &s.disk("a")], 15, &["sim create"]);
    fails(&["sim", "create", &s.path()], 15, &["exists"]);
    assert_eq!(std::fs::read(s.path()).unwrap(), b"not a disk", "nothing was overwritten");
}

#[test]
fn exit_codes_are_explained() {
    let o = arbitrate().args(["explain", "3"]).output().unwrap();
    let said = String::from_utf8_lossy(&o.stdout).into_owned();
    // What a repeated command does not settle is not sent round in circles.
    assert!(said.contains("commands-open") && said.contains("--drain reset"), "{said}");
    let text = String::from_utf8(o.stdout).unwrap();
    assert!(o.status.success() && text.contains("may have been executed"), "{text}");
    fails(&["explain", "200"], 2, &["never ends with that code"]);
    let all: serde_json::Value = {
        let o = arbitrate().args(["explain", "--json"]).output().unwrap();
        serde_json::from_slice(&o.stdout).unwrap()
    };
    let codes: Vec<u64> =
        all["codes"].as_array().unwrap().iter().map(|c| c["code"].as_u64().unwrap()).collect();
    assert_eq!(codes, [0, 1, 2, 3, 5, 7, 9, 10, 11, 15, 24, 26, 29, 33, 35], "published and stable");
}

#[test]
fn a_batch_answers_every_line_and_survives_bad_ones() {
    use std::io::Write as _;
    let s = Stage::new();
    let mut c = arbitrate()
        .args(["raw", &s.disk("a"), "--batch", "--yes"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = "{\"cdb\":\"000000000000\"}\n{\"cdb\":\"5e000000000000000800\",\"in\":8}\nnonsense\n{\"reset\":\"lun\"}\n\
                 {\"cdb\":\"000000000000\"}\n{\"reset\":\"moon\"}\n";
    c.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let o = c.wait_with_output().unwrap();
    assert_eq!(o.status.code(), Some(2), "two lines were no requests");
    let out: Vec<serde_json::Value> =
        String::from_utf8(o.stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(out.len(), 6);
    assert_eq!(out[0]["status"], 0);
    assert_eq!(out[1]["in"], "0000000000000000");
    assert!(out[2]["error"].is_string());
    assert_eq!(out[3]["reset"], "done");
    assert_eq!(out[4]["status"], 2, "the reset is told as a unit attention: {}", out[4]);
    assert!(out[4]["sense_words"].as_str().unwrap().starts_with("UNIT ATTENTION"), "{}", out[4]);
    assert!(out[5]["error"].as_str().unwrap().contains("moon"));
}
