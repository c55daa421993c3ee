//! ARP and neighbour discovery frames, as anybody on the link may send them.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use netident::campaign::{Campaign, Heard, Received, Voice};
use netident::frame::LinkIndex;
use netident::frame::arp::Arp;
use netident::frame::ndp::{Message, Ndp};
use netident::probe::{Found, Pace, Prober};

const LINK: LinkIndex = LinkIndex(2);

fuzz_target!(|data: &[u8]| {
    if let Ok(arp) = Arp::parse(data) {
        assert_eq!(Arp::parse(&arp.emit()), Ok(arp), "what was read is written the same");
        assert_eq!(Arp::parse(&data[..42]), Ok(arp), "what follows is not looked at");
        assert!(Arp::parse(&data[..41]).is_err(), "one byte short is no frame");
        assert!(Ndp::parse(data).is_err(), "one protocol");
        heard(Received::Arp(arp));
    }
    if let Ok(ndp) = Ndp::parse(data) {
        assert_eq!(data[21], 255, "what came through a router is dropped");
        assert_eq!(Ndp::parse(&ndp.emit()), Ok(ndp));
        let (Message::Solicitation { target, .. } | Message::Advertisement { target, .. }) = ndp.message;
        assert!(!target.is_multicast());
        heard(Received::Ndp(ndp));
    }
});

/// A campaign and a prober take it; only an answer to the own MAC confirms, only another's MAC is a conflict.
fn heard(frame: Received) {
    let mac = "02:00:00:00:00:0a".parse().unwrap();
    let voice = |ip: &str| Voice { link: LINK, mac, ip: ip.parse().unwrap() };
    let (v4, v6) = (voice("192.0.2.10"), voice("2001:db8::10"));
    let asked = |n: &str| vec![n.parse().unwrap()];
    let mut campaign = Campaign::new(&[(v4, asked("192.0.2.1")), (v6, asked("2001:db8::1"))]);
    match campaign.heard(LINK, frame, Duration::ZERO) {
        Heard::Confirmed => {
            let to = match frame {
                Received::Arp(a) => a.to,
                Received::Ndp(n) => n.to,
            };
            assert_eq!(to, mac);
        }
        Heard::Claimed { by, .. } => assert_ne!(by, mac),
        Heard::Nothing => {}
    }
    let mut prober = Prober::new([v4, v6], Pace::fast());
    prober.heard(LINK, frame);
    assert!(prober.found().all(|(_, f)| f != Found::Taken(mac)));
}
