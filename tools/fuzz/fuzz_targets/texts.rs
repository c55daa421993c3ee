//! Texts from people and scripts: lines of a `raw` batch, timing profiles, recordings.
#![no_main]

use std::io;

use arbitrate::device::record::replay::{ReadError, Script};
use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../../arbitrate/src/cli/verbs/line.rs"]
mod line;
#[path = "../../../arbitrate/src/cli/profile_file.rs"]
mod profile_file;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    batch_line(text);
    profile(text);
    recording(text);
});

fn nothing(_: &str) -> io::Result<Vec<u8>> {
    Err(io::ErrorKind::NotFound.into())
}

fn batch_line(text: &str) {
    match line::parse(text, nothing) {
        Ok(line::Wanted::Command(g)) => {
            assert!(
                g.read <= arbitrate::device::MAX_TRANSFER && g.out.len() <= arbitrate::device::MAX_TRANSFER
            );
            // Every digit that was written is sent, and nothing else.
            let v: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(digits(v["cdb"].as_str().unwrap()), hex(g.cdb.as_bytes()));
            assert_eq!(v["out"].as_str().map(digits).unwrap_or_default(), hex(&g.out));
        }
        Ok(line::Wanted::Reset(_)) => assert!(text.contains("reset")),
        Err(why) => assert!(!why.is_empty()),
    }
}

fn digits(s: &str) -> String {
    s.chars().filter(|c| !c.is_whitespace() && *c != ':').collect::<String>().to_ascii_lowercase()
}

fn hex(b: &[u8]) -> String {
    b.iter().map(|x| format!("{x:02x}")).collect()
}

/// A profile that is taken keeps the rules, by arithmetic that cannot overflow.
fn profile(text: &str) {
    let Ok(t) = profile_file::parse(text) else { return };
    let s = t.spec();
    let (tick, budget, margin) = (s.tick.as_nanos(), s.tick_budget.as_nanos(), s.margin.as_nanos());
    assert!(tick > 0 && budget > 0 && margin > 0 && budget <= tick);
    assert!(s.window.as_nanos() >= 2 * tick + budget + margin);
    if let Some(w) = s.watchdog {
        assert!(w.as_nanos() + 1_000_000_000 + budget + margin <= s.window.as_nanos());
        assert!(w.as_nanos() > tick + budget);
    }
}

/// A recording that is refused names a line there is, and says why.
fn recording(text: &str) {
    match Script::read(text.as_bytes()) {
        Ok(_) => {}
        Err(ReadError::Line { number, .. } | ReadError::UnknownNexus { number, .. }) => {
            assert!((1..=text.lines().count()).contains(&number));
        }
        Err(other) => assert!(!other.to_string().is_empty()),
    }
}
