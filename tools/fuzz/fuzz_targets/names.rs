//! A name server's answers, as anybody may send them; key files and names, as people write them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netident::dns::{Change, Family, Goal, Key, Reply, Shown, Trust, Verdict, judge, query, read, update};
use netident::identity::name::{DnsName, Expect, Naming, server};

const NOW: u64 = 1_700_000_000;
const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fuzz_target!(|data: &[u8]| {
    answers(data);
    if let Ok(text) = std::str::from_utf8(data) {
        texts(text);
    }
});

fn answers(data: &[u8]) {
    let key = Key::parse(&format!("hmac-sha256:k:{SECRET}")).unwrap();
    let naming = Naming::new("db.example.com".parse().unwrap(), server("192.0.2.53").unwrap(), "k".into());
    let change = Change::new(&naming, ["192.0.2.10".parse().unwrap()], Goal::Leads);
    // The request's number is the answer's: else everything is noise.
    let id = data.first_chunk::<2>().map_or(0, |b| u16::from_be_bytes(*b));
    let asked = query(&naming.name, Family::V4, &key, id, NOW).unwrap();
    if let Reply::Answer(a) = read(&asked, &key, data, NOW) {
        assert_eq!(a.trust, Trust::Unproven, "nobody guesses a MAC");
        assert!(a.addresses.len() <= data.len() / 14, "no count is believed");
        let harmless = |text: &str| assert!(!text.contains(char::is_control), "{text:?}");
        a.alias.iter().for_each(|n| harmless(n));
        let shown = Shown::from_answer(a);
        assert!(matches!(shown, Shown::Nothing(_)));
    }
    let sent = update(&change, &key, id, NOW).unwrap();
    if let Reply::Answer(a) = read(&sent, &key, data, NOW) {
        let verdict = judge(&change, Ok(&a), &Shown::Nothing("silence".into()));
        assert_ne!(verdict, Verdict::Confirmed);
    }
}

fn texts(text: &str) {
    if let Err(e) = Key::parse(text) {
        assert!(!e.to_string().contains(SECRET), "a secret is never shown");
    }
    if let Ok(name) = text.parse::<DnsName>() {
        assert_eq!(name.to_string().parse(), Ok(name));
    }
    let _ = text.parse::<Expect>();
    let _ = server(text);
}
