//! The watch, driven through time by a bed that answers its actions.

mod conflicts;
mod links;
mod losses;
mod random;

use super::*;
use crate::campaign::Voice;
use crate::frame::arp::{Arp, Operation};
use crate::frame::ndp::{Message, Ndp};
use crate::identity::Identity;
use std::net::{Ipv4Addr, Ipv6Addr};

const LINK: LinkIndex = LinkIndex(7);
const OWN: MacAddr = MacAddr(2, 0, 0, 0, 0, 0xa);
const OTHER: MacAddr = MacAddr(2, 0, 0, 0, 0, 0xb);
const THIRD: MacAddr = MacAddr(2, 0, 0, 0, 0, 0xc);
const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10);
const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

fn s(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn eth0() -> Port {
    Port {
        index: LINK,
        name: "eth0".into(),
        mac: Some(OWN),
        carrier: true,
        ups: Some(1),
        active: None,
        master: None,
        lower: None,
    }
}

fn held(net: &str) -> Held {
    Held {
        link: LINK,
        net: net.parse().unwrap(),
        secondary: false,
        tentative: false,
        dadfailed: false,
        ours: true,
    }
}

/// Both addresses stand on a healthy link.
fn healthy() -> Sight {
    Sight { links: vec![eth0()], addresses: vec![held("192.0.2.10/24"), held("2001:db8::10/64")] }
}

/// What was sent, in words.
fn words(frame: &[u8]) -> String {
    match (Arp::parse(frame), Ndp::parse(frame)) {
        (Ok(a), _) if a.sender.is_unspecified() => format!("probe {}", a.target),
        (Ok(a), _) if a.sender == a.target && a.operation == Operation::Request => {
            format!("request {}", a.sender)
        }
        (Ok(a), _) if a.sender == a.target => format!("reply {}", a.sender),
        (Ok(a), _) => format!("ask {}", a.target),
        (_, Ok(n)) => match n.message {
            Message::Advertisement { target, .. } => format!("advertise {target}"),
            Message::Solicitation { target, .. } if n.source.is_unspecified() => format!("probe {target}"),
            Message::Solicitation { target, .. } => format!("ask {target}"),
        },
        other => panic!("{other:?}"),
    }
}

struct Bed {
    watch: Watch,
    now: Duration,
    sent: Vec<(Duration, LinkIndex, String)>,
    told: Vec<(Duration, Report)>,
    restores: Vec<(Duration, Address)>,
    /// What a restore brings about.
    restore: fn(&Address) -> Result<(), String>,
    sight: Sight,
    /// Whom announcements ask.
    asks: Vec<IpAddr>,
}

impl Bed {
    fn with(rules: Rules, sight: Sight) -> Self {
        let identity =
            Identity::new(vec![address("192.0.2.10/24@eth0"), address("2001:db8::10/64@eth0")], None)
                .unwrap();
        let mut bed = Self {
            watch: Watch::new(&identity, rules),
            now: s(1000),
            sent: vec![],
            told: vec![],
            restores: vec![],
            restore: |_| Ok(()),
            sight: sight.clone(),
            asks: vec![],
        };
        bed.see(sight);
        bed
    }

    /// Healthy, begun, and its first announcements over.
    fn settled(missing: Missing) -> Self {
        let mut bed = Self::with(Rules { missing, seed: 1 }, healthy());
        bed.run(s(9));
        bed.clear();
        bed
    }

    fn clear(&mut self) {
        self.sent.clear();
        self.told.clear();
        self.restores.clear();
    }

    fn see(&mut self, sight: Sight) {
        self.sight = sight;
        self.watch.handle(Event::Seen(self.sight.clone()), self.now);
    }

    /// Changes what is seen.
    fn change(&mut self, change: impl FnOnce(&mut Sight)) {
        let mut sight = self.sight.clone();
        change(&mut sight);
        self.see(sight);
    }

    fn arp(&mut self, arp: Arp) {
        self.watch.handle(Event::Frame(LINK, Received::Arp(arp)), self.now);
    }

    fn ndp(&mut self, ndp: Ndp) {
        self.watch.handle(Event::Frame(LINK, Received::Ndp(ndp)), self.now);
    }

    /// Lets time go on for `d`.
    fn run(&mut self, d: Duration) {
        let end = self.now + d;
        self.run_with(end, |_, _| {});
    }

    /// The same up to `end`; `on_sent` may answer what is sent.
    fn run_with(&mut self, end: Duration, mut on_sent: impl FnMut(&mut Self, &str)) {
        for _ in 0..100_000 {
            match self.watch.next(self.now) {
                Next::Do(Action::Send(link, frame)) => {
                    let words = words(&frame);
                    self.sent.push((self.now, link, words.clone()));
                    on_sent(self, &words);
                }
                Next::Do(Action::Report(report)) => self.told.push((self.now, report)),
                Next::Do(Action::Announce(all)) => {
                    let voice = |a: &Address| {
                        let port = self.sight.links.iter().find(|p| p.name == a.link.as_str()).unwrap();
                        Voice { link: port.index, mac: port.mac.unwrap(), ip: a.ip() }
                    };
                    let speakers = all.iter().map(|a| (voice(a), self.asks.clone())).collect();
                    self.watch.handle(Event::Speakers(speakers), self.now);
                }
                Next::Do(Action::Restore(a)) => {
                    self.restores.push((self.now, a.clone()));
                    let end = (self.restore)(&a);
                    let done = end.is_ok();
                    self.watch.handle(Event::Restored(a.clone(), end), self.now);
                    if done {
                        self.change(|sight| {
                            sight.addresses.retain(|h| h.net != a.net);
                            sight.addresses.push(held(&a.net.to_string()));
                        });
                    }
                }
                Next::Wait(until) => {
                    assert!(until > self.now, "no busy waiting");
                    if until > end {
                        self.now = end;
                        return;
                    }
                    self.now = until;
                }
            }
        }
        panic!("it never rests");
    }

    /// Runs until nothing is to be done at this moment.
    fn rest(&mut self) {
        self.run(ms(0));
    }

    fn count(&self, words: &str) -> usize {
        self.sent.iter().filter(|(.., w)| w == words).count()
    }

    fn reports(&self, which: fn(&Report) -> bool) -> usize {
        self.told.iter().filter(|(_, r)| which(r)).count()
    }

    fn announced(&self, why: Why) -> usize {
        self.told.iter().filter(|(_, r)| matches!(r, Report::Announcing(_, w) if *w == why)).count()
    }
}

fn is_conflict(r: &Report) -> bool {
    matches!(r, Report::Conflict { .. })
}

#[test]
fn a_healthy_beginning_tells_what_is_watched_and_announces_it() {
    let mut bed = Bed::with(Rules { missing: Missing::Report, seed: 1 }, healthy());
    bed.rest();
    assert_eq!(bed.reports(|r| matches!(r, Report::Watching(_, OWN))), 2);
    assert_eq!(bed.announced(Why::Start), 1, "{:?}", bed.told);
    assert_eq!((bed.count("request 192.0.2.10"), bed.count("advertise 2001:db8::10")), (1, 1));
    assert!(!bed.watch.nothing_here());
}

#[test]
fn nothing_is_here_before_a_look_and_where_nothing_stands() {
    let identity = Identity::new(vec![address("192.0.2.10/24@eth0")], None).unwrap();
    let mut watch = Watch::new(&identity, Rules { missing: Missing::Report, seed: 1 });
    assert!(watch.nothing_here());
    watch.handle(Event::Seen(Sight { links: vec![eth0()], addresses: vec![held("192.0.2.11/24")] }), s(1));
    assert!(watch.nothing_here());
    let failed = Held { dadfailed: true, ..held("192.0.2.10/24") };
    watch.handle(Event::Seen(Sight { links: vec![eth0()], addresses: vec![failed] }), s(1));
    assert!(!watch.nothing_here(), "it is here, and can be repaired");
}

#[test]
fn refreshes_come_every_60_to_100_s_and_not_all_at_once() {
    let mut bed = Bed::settled(Missing::Report);
    bed.run(s(3600));
    for what in ["request 192.0.2.10", "reply 192.0.2.10", "advertise 2001:db8::10"] {
        let times: Vec<Duration> = bed.sent.iter().filter(|(.., w)| w == what).map(|(t, ..)| *t).collect();
        let gaps: Vec<Duration> = times.windows(2).map(|w| w[1] - w[0]).collect();
        assert!((36..60).contains(&times.len()), "{what}: {}", times.len());
        assert!(gaps.iter().all(|g| (REFRESH_SOONEST..REFRESH_MOST).contains(g)), "{what}: {gaps:?}");
        let (least, most) = (gaps.iter().min().unwrap(), gaps.iter().max().unwrap());
        assert!(*most - *least > s(20), "{what}: jitter");
    }
    assert!(bed.sent.iter().all(|(_, link, _)| *link == LINK), "sent by the link that carries the address");
    assert_eq!(bed.told, [], "a refresh is no news");
}

#[test]
fn another_seed_is_another_rhythm() {
    let times = |seed| {
        let mut bed = Bed::with(Rules { missing: Missing::Report, seed }, healthy());
        bed.run(s(600));
        bed.sent.iter().filter(|(.., w)| w == "request 192.0.2.10").map(|(t, ..)| *t).collect::<Vec<_>>()
    };
    assert_ne!(times(1), times(2));
    assert_eq!(times(1), times(1));
}
