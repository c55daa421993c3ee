//! Reads what [`crate::preflight`] judges: netlink, sysctls, this process's rights.

use std::path::Path;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use netlink_packet_route::neighbour_table::{NeighbourTableAttribute, NeighbourTableMessage};

use super::SystemError;
use super::netlink::Netlink;
use crate::identity::Identity;
use crate::preflight::{Observed, Settings, Table, Value};

/// linux/capability.h.
const CAP_NET_ADMIN: u32 = 12;
const CAP_NET_RAW: u32 = 13;

impl Netlink {
    /// Observes what matters to `identity`.
    ///
    /// # Errors
    /// [`SystemError`] where links, addresses or routes could not be read; a setting that could not is told as such.
    pub fn observe(&mut self, identity: &Identity) -> Result<Observed, SystemError> {
        let host = self.host()?;
        let ports = self.sight()?.links;
        let mut all = Observed { macvlans: self.macvlans()?, ports, host, ..Observed::default() };
        let mut names: Vec<String> = identity.addresses().iter().map(|a| a.link.to_string()).collect();
        let lower = |n: &String| {
            let port = all.ports.iter().find(|p| p.name == *n)?;
            all.ports.iter().find(|p| Some(p.index) == port.lower).map(|p| p.name.clone())
        };
        let below: Vec<String> = names.iter().filter_map(lower).collect();
        // Any link may be the second one in a subnet.
        names.extend(below);
        names.extend(all.host.addresses.iter().map(|h| all.host.name(h.link).to_owned()));
        names.sort_unstable();
        names.dedup();
        all.settings = names.into_iter().map(settings).collect();
        (all.nonlocal_bind4, all.nonlocal_bind6) =
            (sysctl("ipv4/ip_nonlocal_bind"), sysctl("ipv6/ip_nonlocal_bind"));
        (all.table4, all.table6) = self.tables()?;
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let rights = status.lines().find_map(|l| l.strip_prefix("CapEff:"));
        let rights = rights.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
        all.net_admin = rights.map(|r| r >> CAP_NET_ADMIN & 1 == 1);
        all.net_raw = rights.map(|r| r >> CAP_NET_RAW & 1 == 1);
        Ok(all)
    }

    fn macvlans(&mut self) -> Result<Vec<String>, SystemError> {
        let dump = self.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()), "reading the links")?;
        let mut names = Vec::new();
        for m in &dump {
            let RouteNetlinkMessage::NewLink(m) = m else { continue };
            let is = |a: &LinkAttribute| matches!(a, LinkAttribute::LinkInfo(i) if i.contains(&LinkInfo::Kind(InfoKind::MacVlan)));
            if m.attributes.iter().any(is) {
                names.extend(m.attributes.iter().find_map(|a| match a {
                    LinkAttribute::IfName(n) => Some(n.clone()),
                    _ => None,
                }));
            }
        }
        Ok(names)
    }

    /// Sizes of arp_cache and ndisc_cache, as every network namespace may see them (the sysctls it may not).
    fn tables(&mut self) -> Result<(Option<Table>, Option<Table>), SystemError> {
        let all = RouteNetlinkMessage::GetNeighbourTable(NeighbourTableMessage::default());
        let mut tables = (None, None);
        for m in self.dump(all, "reading the size of the neighbour tables")? {
            let RouteNetlinkMessage::NewNeighbourTable(m) = m else { continue };
            let (mut name, mut entries, mut soft, mut hard) = ("", None, None, None);
            for a in &m.attributes {
                match a {
                    NeighbourTableAttribute::Name(n) => name = n,
                    NeighbourTableAttribute::Config(c) => entries = Some(c.entries),
                    NeighbourTableAttribute::Threshold2(n) => soft = Some(*n),
                    NeighbourTableAttribute::Threshold3(n) => hard = Some(*n),
                    _ => {}
                }
            }
            // Each link has a message of its own, without a size.
            let (Some(entries), Some(soft), Some(hard)) = (entries, soft, hard) else { continue };
            match name {
                "arp_cache" => tables.0 = Some(Table { entries, soft, hard }),
                "ndisc_cache" => tables.1 = Some(Table { entries, soft, hard }),
                _ => {}
            }
        }
        Ok(tables)
    }
}

fn settings(link: String) -> Settings {
    let of = |family: &str, l: &str, what: &str| sysctl_at(&format!("{family}/conf"), l, what);
    let larger = |family: &str, what: &str| Some(of(family, &link, what)?.max(of(family, "all", what)?));
    Settings {
        arp_ignore: larger("ipv4", "arp_ignore"),
        arp_announce: larger("ipv4", "arp_announce"),
        rp_filter: larger("ipv4", "rp_filter"),
        promote_secondaries: larger("ipv4", "promote_secondaries"),
        disable_ipv6: of("ipv6", &link, "disable_ipv6"),
        accept_dad: larger("ipv6", "accept_dad"),
        dad_transmits: of("ipv6", &link, "dad_transmits"),
        optimistic_dad: larger("ipv6", "optimistic_dad"),
        keep_addr_on_down: larger("ipv6", "keep_addr_on_down"),
        link,
    }
}

/// Of a link: its name may hold dots, never a slash.
fn sysctl_at(folder: &str, link: &str, what: &str) -> Value {
    number(&Path::new("/proc/sys/net").join(folder).join(link).join(what))
}

fn sysctl(path: &str) -> Value {
    number(&Path::new("/proc/sys/net").join(path))
}

fn number(path: &Path) -> Value {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}
