//! TransportIDs as bytes and as text, and the other names people type: keys, embedded disks.
#![no_main]

use arbitrate::codec::pr::TransportId;
use arbitrate::device::sim::SimSpec;
use arbitrate::key::Key;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok((id, used)) = TransportId::parse(data) {
        assert!(used <= data.len());
        assert_eq!(TransportId::parse_all(&data[..used]).as_ref(), Ok(&id), "what follows is not looked at");
        assert!(TransportId::parse(&data[..used - 1]).is_err(), "cut");
        round_trips(&id);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(id) = text.parse::<TransportId>() {
        round_trips(&id);
    }
    if let Ok(key) = text.parse::<Key>() {
        assert!(!key.is_zero());
        assert_eq!(key.to_string().parse(), Ok(key));
        let digits = text.strip_prefix("0x").unwrap_or(text).replace('_', "");
        assert_eq!(
            format!("{:0>16}", digits.to_ascii_lowercase()),
            key.to_string(),
            "nothing is passed over"
        );
    }
    if let Ok(s) = text.parse::<SimSpec>() {
        let again = format!("sim:{}?as={}&port={}", s.path.display(), s.initiator, s.port);
        assert_eq!(again.parse(), Ok(s));
    }
    if let Ok(key) = serde_json::from_str::<Key>(text) {
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(json.len(), 18);
        assert_eq!(serde_json::from_str::<Key>(&json).unwrap(), key);
    }
});

fn round_trips(id: &TransportId) {
    let b = id.emit();
    assert!(b.len() >= 24 && b.len().is_multiple_of(4));
    assert_eq!(TransportId::parse_all(&b).as_ref(), Ok(id));
    let text = id.to_string();
    assert!(!text.contains(char::is_control), "{text:?}");
    assert_eq!(text.parse().as_ref(), Ok(id));
    let json = serde_json::to_string(id).unwrap();
    assert_eq!(&serde_json::from_str::<TransportId>(&json).unwrap(), id);
}
