//! Traps of links and of what stands on them.

use ipnet::IpNet;

use super::{Finding, Observed, Verdict};
use crate::identity::Identity;
use crate::plan;

/// Of one link, which gets `nets`.
pub(super) fn judge(o: &Observed, link: &str, nets: &[IpNet]) -> Vec<Finding> {
    let mut all = vec![carrier(o, link)];
    if !o.host.links.iter().any(|l| l.name == link) {
        return all;
    }
    all.extend(enslaved(o, link));
    if nets.iter().any(|n| n.addr().is_ipv4()) {
        all.push(second_link(o, link, nets));
    }
    if let Some(base) = base(o, link) {
        all.push(macvlan(o, link, base));
    }
    all.extend(failed(o, link));
    all
}

fn finding(trap: &'static str, link: &str, verdict: Verdict, what: String, why: &'static str) -> Finding {
    Finding { trap, link: Some(link.to_owned()), verdict, what, why, mend: None }
}

fn carrier(o: &Observed, link: &str) -> Finding {
    let why = "nothing sent on such a link arrives, so no neighbour learns where the address is";
    let at = |verdict, what: &str, mend: &str| Finding {
        mend: (verdict != Verdict::Pass).then(|| mend.to_owned()),
        ..finding("carrier", link, verdict, what.to_owned(), why)
    };
    match o.host.links.iter().find(|l| l.name == link) {
        None => at(Verdict::Fail, "there is no such link", "`ip -br link` lists the links; correct the name"),
        Some(l) if !l.up => at(Verdict::Fail, "it is down", &format!("ip link set {link} up")),
        Some(l) if !l.carrier => {
            at(Verdict::Fail, "it has no carrier", "cable, switch port, or the bond's ports")
        }
        Some(l) if l.mac.is_none() => {
            at(Verdict::Fail, "it has no Ethernet address", "name a link with neighbours; this one has none")
        }
        Some(_) => at(Verdict::Pass, "it is up and has a carrier", ""),
    }
}

/// An address on a port of a bridge or bond is on the wrong link.
fn enslaved(o: &Observed, link: &str) -> Option<Finding> {
    let master = o.ports.iter().find(|p| p.name == link)?.master?;
    let master = o.ports.iter().find(|p| p.index == master).map_or("?", |p| p.name.as_str());
    Some(Finding {
        mend: Some(format!("name {master} instead: ADDRESS/PREFIX@{master}")),
        ..finding(
            "port-of-another",
            link,
            Verdict::Fail,
            format!("it is a port of {master}"),
            "what arrives on a port of a bridge or bond is handed to that, and an address on the port is not answered for",
        )
    })
}

/// Another link of this host that has addresses of the same subnet.
fn second_link(o: &Observed, link: &str, nets: &[IpNet]) -> Finding {
    const WHY: &str = "a host answers ARP for all its addresses on every link (arp_ignore=0): neighbours learn the wrong \
MAC, and a strict rp_filter drops what then arrives on the other link";
    let same = |h: &&crate::host::Held| {
        let there = o.host.links.iter().find(|l| l.index == h.link);
        there.is_some_and(|l| l.name != link && l.up)
            && h.net.addr().is_ipv4()
            && nets
                .iter()
                .any(|n| n.addr() != h.net.addr() && n.prefix_len() < 32 && n.contains(&h.net.addr()))
    };
    let Some(other) = o.host.addresses.iter().find(same) else {
        return finding("second-link", link, Verdict::Pass, "no other link is in the subnet".into(), WHY);
    };
    let there = o.host.name(other.link);
    let setting = |name: &str| {
        let one = |l: &str| o.settings.iter().find(|s| s.link == l);
        one(name).and_then(|s| s.arp_ignore)
    };
    // Both must keep to their own: neighbours hear whichever answers.
    let verdict = match (setting(link), setting(there)) {
        (Some(1..=2), Some(1..=2)) => Verdict::Warn,
        (None, _) | (_, None) => Verdict::Unknown,
        _ => Verdict::Fail,
    };
    Finding {
        mend: Some(format!(
            "sysctl -w net.ipv4.conf.{link}.arp_ignore=1 net.ipv4.conf.{there}.arp_ignore=1 \
             net.ipv4.conf.{link}.arp_announce=2 net.ipv4.conf.{there}.arp_announce=2"
        )),
        ..finding(
            "second-link",
            link,
            verdict,
            format!("{} on {there} is in the same subnet", other.net),
            WHY,
        )
    }
}

/// The link a macvlan is made on.
pub(super) fn base<'o>(o: &'o Observed, link: &str) -> Option<&'o str> {
    o.macvlans.iter().find(|m| *m == link)?;
    let lower = o.ports.iter().find(|p| p.name == link)?.lower?;
    o.ports.iter().find(|p| p.index == lower).map(|p| p.name.as_str())
}

fn macvlan(o: &Observed, link: &str, base: &str) -> Finding {
    let ignore = o.settings.iter().find(|s| s.link == base).and_then(|s| s.arp_ignore);
    let verdict = match ignore {
        Some(1 | 2) => Verdict::Pass,
        Some(_) => Verdict::Fail,
        None => Verdict::Unknown,
    };
    let shown = ignore.map_or("could not be read".to_owned(), |v| v.to_string());
    Finding {
        mend: (verdict == Verdict::Fail).then(|| format!("sysctl -w net.ipv4.conf.{base}.arp_ignore=1")),
        ..finding(
            "macvlan-base",
            link,
            verdict,
            format!("it is a macvlan on {base}, whose arp_ignore is {shown}"),
            "the base answers for the macvlan's addresses as well, with its own MAC: both answer and caches flip",
        )
    }
}

/// Addresses of the link that duplicate address detection has put out of use.
fn failed(o: &Observed, link: &str) -> Vec<Finding> {
    let index = o.host.links.iter().find(|l| l.name == link).map(|l| l.index);
    let bad = o.host.addresses.iter().filter(|h| Some(h.link) == index && h.dadfailed);
    bad.map(|h| Finding {
        mend: Some(format!("ip addr del {0} dev {link}; ip addr add {0} dev {link} nodad", h.net)),
        ..finding(
            "dadfailed",
            link,
            Verdict::Fail,
            format!("{} failed duplicate address detection", h.net),
            "the kernel does not use it and never tries again by itself; `netident take` and `watch` repair what is theirs",
        )
    })
    .collect()
}

/// What `take` itself would stumble over.
pub(super) fn placed(o: &Observed, identity: &Identity) -> Finding {
    let why = "`take` would refuse, and change nothing";
    match plan::take(&o.host, identity) {
        Ok(_) => Finding {
            trap: "plan",
            link: None,
            verdict: Verdict::Pass,
            what: "`take` has a plan".into(),
            why,
            mend: None,
        },
        Err(e) => Finding {
            trap: "plan",
            link: None,
            verdict: Verdict::Fail,
            what: e.to_string(),
            why,
            mend: Some("mend what it names; `netident plan` shows the plan".into()),
        },
    }
}
