//! Traps of the kernel's settings (Documentation/networking/ip-sysctl.rst) and of this process's rights.

use ipnet::IpNet;

use super::{Finding, Observed, Settings, Table, Value, Verdict};

/// What a setting that was read says: verdict, words, how to mend.
type Said = (Verdict, String, Option<String>);

fn finding(trap: &'static str, link: Option<&str>, said: Said, why: &'static str) -> Finding {
    let (verdict, what, mend) = said;
    Finding { trap, link: link.map(str::to_owned), verdict, what, why, mend }
}

fn read(value: Value, name: &str, judge: impl FnOnce(i64) -> Said) -> Said {
    match value {
        Some(v) => judge(v),
        None => (Verdict::Unknown, format!("{name} could not be read"), None),
    }
}

pub(super) fn rights(o: &Observed) -> Vec<Finding> {
    let right = |trap, name: &str, has: Option<bool>, why| {
        let said = match has {
            Some(true) => (Verdict::Pass, format!("this process has {name}"), None),
            Some(false) => (
                Verdict::Fail,
                format!("this process has not {name}"),
                Some(format!("run it as root, or give it {name} (systemd: AmbientCapabilities={name})")),
            ),
            None => (Verdict::Unknown, "the process's rights could not be read".into(), None),
        };
        finding(trap, None, said, why)
    };
    vec![
        right("net-admin", "CAP_NET_ADMIN", o.net_admin, "without it no address is put on a link"),
        right(
            "net-raw",
            "CAP_NET_RAW",
            o.net_raw,
            "without it nothing is announced or asked, so nobody confirms",
        ),
    ]
}

/// Settings of a link that gets `nets`.
pub(super) fn settings(o: &Observed, link: &str, nets: &[IpNet]) -> Vec<Finding> {
    let unread = Settings { link: link.to_owned(), ..Settings::default() };
    let s = o.settings.iter().find(|s| s.link == link).unwrap_or(&unread);
    let mut all = Vec::new();
    if nets.iter().any(|n| n.addr().is_ipv4()) {
        all.extend(ipv4(o, s, nets));
    }
    if nets.iter().any(|n| n.addr().is_ipv6()) {
        all.extend(ipv6(s));
    }
    all
}

fn ipv4(o: &Observed, s: &Settings, nets: &[IpNet]) -> Vec<Finding> {
    let link = s.link.as_str();
    let at = |trap, said, why| finding(trap, Some(link), said, why);
    let promote = read(s.promote_secondaries, "promote_secondaries", |v| match v {
        0 => (
            Verdict::Warn,
            "promote_secondaries is 0".into(),
            Some(format!("sysctl -w net.ipv4.conf.{link}.promote_secondaries=1")),
        ),
        _ => (Verdict::Pass, format!("promote_secondaries is {v}"), None),
    });
    let ignore = read(s.arp_ignore, "arp_ignore", |v| {
        let mend = Some(format!(
            "sysctl -w net.ipv4.conf.{link}.arp_ignore=1 (and net.ipv4.conf.all.arp_ignore, if that is larger)"
        ));
        let host_route = nets.iter().any(|n| n.addr().is_ipv4() && n.prefix_len() == 32);
        match v {
            8 => (Verdict::Fail, "arp_ignore is 8: no ARP question is answered".into(), mend),
            2 if host_route => (Verdict::Fail, "arp_ignore is 2: a /32 is answered to nobody".into(), mend),
            3..=7 => (Verdict::Warn, format!("arp_ignore is {v}: some questions are not answered"), mend),
            _ => (Verdict::Pass, format!("arp_ignore is {v}: questions for the address are answered"), None),
        }
    });
    let many = o.host.links.iter().filter(|l| l.up && l.mac.is_some()).count() > 1;
    let announce = read(s.arp_announce, "arp_announce", |v| match v {
        0 if many => (
            Verdict::Warn,
            "arp_announce is 0, and this host has several links".into(),
            Some(format!("sysctl -w net.ipv4.conf.{link}.arp_announce=2")),
        ),
        _ => (Verdict::Pass, format!("arp_announce is {v}"), None),
    });
    let filter = read(s.rp_filter, "rp_filter", |v| match v {
        1 if many => (
            Verdict::Warn,
            "rp_filter is 1 (strict), and this host has several links".into(),
            Some(format!(
                "sysctl -w net.ipv4.conf.{link}.rp_filter=2 (the larger of it and net.ipv4.conf.all.rp_filter counts)"
            )),
        ),
        _ => (Verdict::Pass, format!("rp_filter is {v}"), None),
    });
    vec![
        at(
            "promote-secondaries",
            promote,
            "where an address is the first of its subnet on the link, the kernel removes the others along with it",
        ),
        at("arp-ignore", ignore, "a neighbour whose question is not answered cannot reach the address"),
        at(
            "arp-announce",
            announce,
            "with 0 a question may go out on one link from another link's address: neighbours learn the wrong MAC",
        ),
        at(
            "rp-filter",
            filter,
            "a strict filter drops what arrives on another link than the route back names: the address looks dead",
        ),
    ]
}

fn ipv6(s: &Settings) -> Vec<Finding> {
    let link = s.link.as_str();
    let at = |trap, said, why| finding(trap, Some(link), said, why);
    let disabled = read(s.disable_ipv6, "disable_ipv6 (is IPv6 in this kernel?)", |v| match v {
        0 => (Verdict::Pass, "IPv6 is on".into(), None),
        _ => (
            Verdict::Fail,
            format!("disable_ipv6 is {v}"),
            Some(format!("sysctl -w net.ipv6.conf.{link}.disable_ipv6=0")),
        ),
    });
    let dad = match (s.accept_dad, s.dad_transmits) {
        (None, _) | (_, None) => (Verdict::Unknown, "accept_dad could not be read".into(), None),
        (Some(2), _) => (
            Verdict::Warn,
            "accept_dad is 2: a duplicate of the link's own address turns IPv6 off on it".into(),
            Some(format!("sysctl -w net.ipv6.conf.{link}.accept_dad=1")),
        ),
        (Some(a), Some(t)) if a > 0 && t > 0 => (
            Verdict::Pass,
            format!(
                "detection is on ({t} probes); netident adds its addresses without, any other tool must say nodad"
            ),
            None,
        ),
        _ => (Verdict::Pass, "detection is off".into(), None),
    };
    let optimistic = read(s.optimistic_dad, "optimistic_dad", |v| match v {
        0 => (Verdict::Pass, "optimistic_dad is 0".into(), None),
        _ => (
            Verdict::Warn,
            format!("optimistic_dad is {v}"),
            Some(format!("sysctl -w net.ipv6.conf.{link}.optimistic_dad=0 (and of all)")),
        ),
    });
    let keep = read(s.keep_addr_on_down, "keep_addr_on_down", |v| match v {
        1.. => (Verdict::Pass, format!("keep_addr_on_down is {v}"), None),
        _ => (
            Verdict::Warn,
            format!("keep_addr_on_down is {v}"),
            Some(format!(
                "sysctl -w net.ipv6.conf.{link}.keep_addr_on_down=1, or `netident watch --missing put-back`"
            )),
        ),
    });
    vec![
        at("disable-ipv6", disabled, "the kernel refuses every IPv6 address on the link"),
        at(
            "dad",
            dad,
            "detection takes 1 to 2 s, and against a half-dead owner leaves an address that is dead for ever",
        ),
        at(
            "optimistic-dad",
            optimistic,
            "an address under detection is used, but its advertisements override nothing: caches keep the old owner",
        ),
        at(
            "keep-addr-on-down",
            keep,
            "a link set down for a moment loses its IPv6 addresses, unlike those of IPv4",
        ),
    ]
}

/// What is one for the host.
pub(super) fn whole_host(o: &Observed, v4: bool, v6: bool) -> Vec<Finding> {
    let mut all = Vec::new();
    for (wanted, family, bind, table) in
        [(v4, "ipv4", o.nonlocal_bind4, o.table4), (v6, "ipv6", o.nonlocal_bind6, o.table6)]
    {
        if !wanted {
            continue;
        }
        all.push(finding("nonlocal-bind", None, nonlocal(bind, family), NONLOCAL));
        all.push(finding("neighbour-table", None, full(table, family), FULL));
    }
    all
}

const NONLOCAL: &str = "with it a service starts on the host that has not the address, and looks healthy there; \
without it one that binds the address must be started after `take`";

fn nonlocal(value: Value, family: &str) -> Said {
    read(value, "ip_nonlocal_bind", |v| match v {
        0 => (Verdict::Pass, format!("{family}: ip_nonlocal_bind is 0"), None),
        _ => (
            Verdict::Warn,
            format!("{family}: ip_nonlocal_bind is {v}"),
            Some(format!(
                "sysctl -w net.{family}.ip_nonlocal_bind=0, or check services through the address only"
            )),
        ),
    })
}

const FULL: &str = "a full table takes no new neighbour: what is sent to one is dropped (ENOBUFS, \"neighbour table \
overflow\" in the kernel's log), the answers to a failover among it";

fn full(table: Option<Table>, family: &str) -> Said {
    let Some(t) = table else { return (Verdict::Unknown, "the table could not be read".into(), None) };
    let what = format!("{family}: {} of at most {} entries (gc_thresh3)", t.entries, t.hard);
    let mend = || {
        let (soft, hard) = (t.soft.max(512) * 8, t.hard.max(1024) * 8);
        Some(format!(
            "sysctl -w net.{family}.neigh.default.gc_thresh3={hard} net.{family}.neigh.default.gc_thresh2={soft}"
        ))
    };
    // A failover makes a host meet all its clients at once.
    if u64::from(t.entries) * 10 >= u64::from(t.hard) * 9 {
        (Verdict::Fail, what, mend())
    } else if t.entries >= t.soft {
        (Verdict::Warn, what, mend())
    } else {
        (Verdict::Pass, what, None)
    }
}
