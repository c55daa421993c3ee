//! `bench`: measures, changes nothing unasked, leaves the device as it was.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is a failure")]

mod common;

use common::Stage;

#[test]
fn unasked_it_only_reads() {
    let s = Stage::new();
    s.verb("register", "a", &["--key", "aa"]).must(0);
    let measured = s.verb("bench", "b", &["--count", "50"]).must(0).json();
    let parts = measured["parts"].as_array().unwrap();
    let names: Vec<&str> = parts.iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["READ KEYS", "tick"]);
    for p in parts {
        let at = |mark: &str| p[mark].as_f64().unwrap();
        assert_eq!(p["count"], 50);
        assert!(0.0 < at("p50_us") && at("p50_us") <= at("p90_us"), "{p}");
        assert!(at("p90_us") <= at("p99_us") && at("p99_us") <= at("max_us"), "{p}");
    }
    assert!(measured["not_measured"][0].as_str().unwrap().contains("--yes"));
    assert_eq!(s.keys(), ["00000000000000aa"]);
    // Somebody is registered: what changes the device is not measured on it.
    let refused = s.verb("bench", "b", &["--count", "5", "--yes"]).must(1).json();
    assert!(refused["error"]["answer"].as_str().unwrap().contains("somebody uses it"), "{refused}");
    assert_eq!(s.keys(), ["00000000000000aa"]);
}

#[test]
fn a_challenge_and_a_fence_are_measured_on_a_free_disk_and_drawn() {
    let s = Stage::new();
    let plot = s.dir().join("bench.svg").display().to_string();
    let measured = s.verb("bench", "a", &["--count", "20", "--yes", "--plot", &plot]).must(0).json();
    let names: Vec<&str> =
        measured["parts"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["READ KEYS", "tick", "challenge", "fence"]);
    assert_eq!(measured["parts"][3]["count"], 20);
    assert_eq!(s.keys(), [] as [&str; 0], "left as it was found");
    assert_eq!(s.holder(), None);
    let svg = std::fs::read_to_string(&plot).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("fence") && svg.trim_end().ends_with("</svg>"));
    // The victim must be the same disk.
    let other = s.dir().join("other").display().to_string();
    s.run(&["sim", "create", &other]).must(0);
    let victim = format!("sim:{other}?as=v");
    let refused = s.verb("bench", "a", &["--count", "5", "--yes", "--victim", &victim]).must(2).json();
    assert!(refused["error"]["answer"].as_str().unwrap().contains("another disk"), "{refused}");
}
