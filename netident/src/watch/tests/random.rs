//! Whatever happens, in whatever order: the invariants hold, and the watch comes to rest.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Happens {
    Wait(u64),
    Claim { v6: bool, by: u8 },
    Probe { v6: bool, by: u8 },
    Carrier(bool),
    Flap,
    Mac(u8),
    Failover,
    Lose { v6: bool },
    Add { v6: bool },
    Fail { v6: bool },
    LinkGone,
    Release { v6: bool },
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => prop_oneof![0u64..80, 0u64..20_000, 0u64..200_000].prop_map(Happens::Wait),
        3 => (any::<bool>(), 0u8..4).prop_map(|(v6, by)| Happens::Claim { v6, by }),
        1 => (any::<bool>(), 0u8..4).prop_map(|(v6, by)| Happens::Probe { v6, by }),
        1 => any::<bool>().prop_map(Happens::Carrier),
        1 => Just(Happens::Flap),
        1 => (0u8..4).prop_map(Happens::Mac),
        1 => Just(Happens::Failover),
        3 => any::<bool>().prop_map(|v6| Happens::Lose { v6 }),
        1 => any::<bool>().prop_map(|v6| Happens::Add { v6 }),
        1 => any::<bool>().prop_map(|v6| Happens::Fail { v6 }),
        1 => Just(Happens::LinkGone),
        1 => any::<bool>().prop_map(|v6| Happens::Release { v6 }),
    ]
}

const NETS: [&str; 2] = ["192.0.2.10/24", "2001:db8::10/64"];

fn mac(n: u8) -> MacAddr {
    MacAddr(2, 0, 0, 0, 0, 0xa + n)
}

/// Makes it happen; whether it said that another has, or wants, the address.
fn apply(bed: &mut Bed, what: Happens) -> Option<bool> {
    let net = |v6: bool| NETS[usize::from(v6)].parse::<ipnet::IpNet>().unwrap();
    let own = |bed: &Bed, m| bed.sight.links.iter().any(|l| l.mac == Some(m));
    match what {
        Happens::Wait(n) => bed.run(ms(n)),
        Happens::Claim { v6, by } => {
            if v6 {
                bed.ndp(Ndp::unsolicited(mac(by), VIP6));
            } else {
                bed.arp(Arp::gratuitous_request(mac(by), VIP));
            }
            return (!own(bed, mac(by))).then_some(v6);
        }
        Happens::Probe { v6, by } => {
            if v6 {
                bed.ndp(Ndp::probe(mac(by), VIP6));
            } else {
                bed.arp(Arp::probe(mac(by), VIP));
            }
            return (!own(bed, mac(by))).then_some(v6);
        }
        Happens::Carrier(on) => bed.change(|s| s.links.iter_mut().for_each(|l| l.carrier = on)),
        Happens::Flap => bed.change(|s| s.links.iter_mut().for_each(|l| l.ups = l.ups.map(|n| n + 1))),
        Happens::Mac(n) => bed.change(|s| s.links.iter_mut().for_each(|l| l.mac = Some(mac(n)))),
        Happens::Failover => bed.watch.handle(Event::Failover(LINK), bed.now),
        Happens::Lose { v6 } => bed.change(|s| s.addresses.retain(|h| h.net != net(v6))),
        Happens::Add { v6 } => bed.change(|s| {
            s.addresses.retain(|h| h.net != net(v6));
            s.addresses.push(held(NETS[usize::from(v6)]));
            if s.links.is_empty() {
                s.links.push(eth0());
            }
        }),
        Happens::Fail { v6 } => {
            bed.change(|s| {
                s.addresses.iter_mut().filter(|h| h.net == net(v6)).for_each(|h| h.dadfailed = true)
            });
        }
        Happens::LinkGone => bed.change(|s| (s.links, s.addresses) = (vec![], vec![])),
        Happens::Release { v6 } => {
            let released = address(&format!("{}@eth0", NETS[usize::from(v6)]));
            bed.watch.handle(Event::Released(released), bed.now);
        }
    }
    None
}

proptest! {
    #[test]
    fn the_invariants_hold(seed in any::<u64>(), all in prop::collection::vec(happens(), 0..80)) {
        let mut bed = Bed::with(Rules { missing: Missing::PutBack, seed }, healthy());
        // Since when no other owner was heard of, by family.
        let mut objected = [Duration::ZERO; 2];
        let mut released = [None::<Duration>; 2];
        for what in all {
            let at = bed.now;
            if let Happens::Add { v6 } = what {
                let stood = bed.sight.addresses.iter().any(|h| h.net.addr().is_ipv6() == v6 && !h.dadfailed);
                // Taken afresh: the release is history.
                released[usize::from(v6)] = released[usize::from(v6)].filter(|_| stood);
            }
            if let Some(v6) = apply(&mut bed, what) {
                objected[usize::from(v6)] = at;
            }
            if let Happens::Release { v6 } = what {
                released[usize::from(v6)] = Some(at);
            }
            bed.run(ms(1));
            for (when, restored) in bed.restores.drain(..) {
                let v6 = usize::from(restored.ip().is_ipv6());
                let probes = bed.sent.iter().filter(|(t, _, w)| {
                    *t + ms(61) >= when && *w == format!("probe {}", restored.ip())
                });
                prop_assert!(probes.count() >= 3, "put back without having asked");
                prop_assert!(when - objected[v6] >= ms(20), "put back in the face of another owner");
                prop_assert!(released[v6].is_none_or(|at| when - at >= RELEASE_COMES), "put back what was released");
            }
        }
        for net in NETS {
            let defended: Vec<Duration> = bed.told.iter().filter_map(|(t, r)| match r {
                Report::Conflict { address, defence: Defence::Sent, .. } if address.net.to_string() == net => Some(*t),
                _ => None,
            }).collect();
            prop_assert!(defended.windows(2).all(|w| w[1] - w[0] >= DEFEND_INTERVAL), "{defended:?}");
        }
        for (_, r) in &bed.told {
            if let Report::Conflict { by, .. } = r {
                prop_assert!((0..4).any(|n| mac(n) == *by));
            }
        }
        // No link, nothing to say.
        bed.change(|s| (s.links, s.addresses) = (vec![], vec![]));
        bed.run(s(1));
        bed.sent.clear();
        bed.run(s(1000));
        prop_assert_eq!(&bed.sent, &vec![]);
    }
}
