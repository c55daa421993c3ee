//! The traps this host is in, named before the failover and not after it. Pure: judges what was observed.
//!
//! Invariant: what could not be read is [`Verdict::Unknown`], never passed. Must never look at the host or mend
//! anything: a mended sysctl of a running host is the operator's decision.

mod kernel;
mod links;

use ipnet::IpNet;

use crate::host::Host;
use crate::identity::Identity;
use crate::watch::Port;

/// How a trap stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// This host is not in it.
    Pass,
    /// It will bite in some case; the words say in which.
    Warn,
    /// It could not be read whether this host is in it.
    Unknown,
    /// The identity cannot be taken, or will not be reached.
    Fail,
}

/// One trap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name: stable, for scripts.
    pub trap: &'static str,
    /// On which link.
    pub link: Option<String>,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found.
    pub what: String,
    /// Why it matters.
    pub why: &'static str,
    /// How to mend it, as exact as it can be said.
    pub mend: Option<String>,
}

/// A number the kernel keeps, or `None` where it could not be read.
pub type Value = Option<i64>;

/// What the kernel keeps for one link; each is already the value that counts, of the link and of `all`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Name of the link.
    pub link: String,
    /// net.ipv4.conf: the larger of the two.
    pub arp_ignore: Value,
    /// The larger of the two.
    pub arp_announce: Value,
    /// The larger of the two.
    pub rp_filter: Value,
    /// Either of the two.
    pub promote_secondaries: Value,
    /// net.ipv6.conf: the link's alone.
    pub disable_ipv6: Value,
    /// The larger of the two.
    pub accept_dad: Value,
    /// The link's alone.
    pub dad_transmits: Value,
    /// Either of the two.
    pub optimistic_dad: Value,
    /// Either of the two (`all` counts where the link's is 0).
    pub keep_addr_on_down: Value,
}

/// A neighbour table of the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Entries in it, of all network namespaces.
    pub entries: u32,
    /// gc_thresh2: beyond it entries are thrown out after five seconds.
    pub soft: u32,
    /// gc_thresh3: beyond it no entry is made.
    pub hard: u32,
}

/// All that is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Links, addresses, routes.
    pub host: Host,
    /// How the links hang together.
    pub ports: Vec<Port>,
    /// Names of macvlans.
    pub macvlans: Vec<String>,
    /// Settings of the identity's links and of those they are made on.
    pub settings: Vec<Settings>,
    /// net.ipv4.ip_nonlocal_bind.
    pub nonlocal_bind4: Value,
    /// net.ipv6.ip_nonlocal_bind.
    pub nonlocal_bind6: Value,
    /// arp_cache.
    pub table4: Option<Table>,
    /// ndisc_cache.
    pub table6: Option<Table>,
    /// Whether this process may change addresses (CAP_NET_ADMIN).
    pub net_admin: Option<bool>,
    /// Whether it may open packet sockets (CAP_NET_RAW).
    pub net_raw: Option<bool>,
}

/// Everything that was looked at for `identity`, the passed too; in the order of the identity's links.
#[must_use]
pub fn judge(o: &Observed, identity: &Identity) -> Vec<Finding> {
    let mut all = kernel::rights(o);
    let mut links: Vec<&str> = Vec::new();
    for a in identity.addresses() {
        if !links.contains(&a.link.as_str()) {
            links.push(a.link.as_str());
        }
    }
    for link in links {
        let nets: Vec<IpNet> =
            identity.addresses().iter().filter(|a| a.link.as_str() == link).map(|a| a.net).collect();
        all.extend(links::judge(o, link, &nets));
        if !o.host.links.iter().any(|l| l.name == link) {
            continue;
        }
        all.extend(kernel::settings(o, link, &nets));
    }
    // A dead link stops a plan as well, and is told already.
    if !all.iter().any(|f| f.trap == "carrier" && f.verdict == Verdict::Fail) {
        all.push(links::placed(o, identity));
    }
    let (v4, v6) = (
        identity.addresses().iter().any(|a| a.net.addr().is_ipv4()),
        identity.addresses().iter().any(|a| a.net.addr().is_ipv6()),
    );
    all.extend(kernel::whole_host(o, v4, v6));
    all
}

/// The worst of them.
#[must_use]
pub fn worst(all: &[Finding]) -> Verdict {
    all.iter().map(|f| f.verdict).max().unwrap_or(Verdict::Unknown)
}

#[cfg(test)]
mod tests;
