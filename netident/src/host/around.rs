//! What else of an identity is seen on a host: macvlans, routes of ours, the sysctls that a virtual MAC needs.
//!
//! Pure data, and how each of it is recognised as this program's: never by a guess. A macvlan is ours by its alias
//! (or by a record that names it in full), a route by its protocol number.

use arrayvec::ArrayString;
use ipnet::IpNet;
use pnet_base::MacAddr;

use crate::frame::LinkIndex;
use std::net::IpAddr;

/// What an alias (IFLA_IFALIAS) of a link made by this program begins with.
pub const ALIAS: &str = "netident: ";

/// A link's name where it is part of a step: at most 15 bytes.
pub type Name = ArrayString<15>;

/// A macvlan that carries a virtual MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Macvlan {
    /// The kernel's number: chosen by the plan, so that frames can be built before the link is.
    pub index: LinkIndex,
    /// Its name.
    pub name: Name,
    /// The link it stands on.
    pub base: LinkIndex,
    /// Its MAC.
    pub mac: MacAddr,
}

/// A macvlan that is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenMacvlan {
    /// Which.
    pub is: Macvlan,
    /// Its alias says that it is this program's.
    pub ours: bool,
    /// It is up.
    pub up: bool,
}

/// A route of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnRoute {
    /// Where it leads.
    pub destination: IpNet,
    /// By which router.
    pub via: Option<IpAddr>,
    /// The preferred source; lost where IPv6 lost the address and kept the route.
    pub source: Option<IpAddr>,
    /// Its metric, as the kernel counts it: 0 where none is said for IPv4, 1024 for IPv6.
    pub metric: u32,
    /// On which link.
    pub link: LinkIndex,
}

impl OwnRoute {
    /// Whether it is the same but for its preferred source.
    #[must_use]
    pub fn is_at(&self, o: &Self) -> bool {
        Self { source: None, ..*self } == Self { source: None, ..*o }
    }
}

/// A route of somebody else, as far as it is needed to put it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherRoute {
    /// Where it leads.
    pub destination: IpNet,
    /// By which router.
    pub via: Option<IpAddr>,
    /// The preferred source.
    pub source: Option<IpAddr>,
    /// Its metric.
    pub metric: u32,
    /// On which link.
    pub link: LinkIndex,
    /// Who made it (rtm_protocol).
    pub protocol: u8,
    /// How far it reaches (rtm_scope).
    pub scope: u8,
    /// Its router is on the link whatever the addresses say (RTNH_F_ONLINK).
    pub onlink: bool,
}

/// A sysctl of a link, or of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sysctl {
    /// What it governs.
    pub which: Which,
    /// The link's name, or `all`.
    pub link: Name,
}

impl Sysctl {
    /// That of a link; `None` where the name is longer than any link's.
    #[must_use]
    pub fn of(which: Which, link: &str) -> Option<Self> {
        Some(Self { which, link: Name::from(link).ok()? })
    }

    /// Its file.
    #[must_use]
    pub fn path(self) -> String {
        let (family, name) = self.which.names();
        format!("/proc/sys/net/{family}/conf/{}/{name}", self.link)
    }
}

impl std::fmt::Display for Sysctl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (family, name) = self.which.names();
        write!(f, "net.{family}.conf.{}.{name}", self.link)
    }
}

/// The sysctls a virtual MAC needs (Documentation/networking/ip-sysctl in the kernel's sources).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Whose ARP questions are answered on a link.
    ArpIgnore,
    /// As whom a link asks.
    ArpAnnounce,
    /// Answer only where the way back leads.
    ArpFilter,
    /// Drop what came by another way than the way back.
    RpFilter,
    /// Removing a subnet's first address keeps the others.
    PromoteSecondaries,
    /// IPv6 off.
    DisableIpv6,
    /// How a link-local address is made; 1: not at all.
    AddrGenMode,
    /// Take addresses and routes from routers.
    AcceptRa,
    /// Probe addresses before they are used.
    AcceptDad,
}

impl Which {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::ArpIgnore,
        Self::ArpAnnounce,
        Self::ArpFilter,
        Self::RpFilter,
        Self::PromoteSecondaries,
        Self::DisableIpv6,
        Self::AddrGenMode,
        Self::AcceptRa,
        Self::AcceptDad,
    ];

    /// Family and name, as the kernel spells them.
    #[must_use]
    pub const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::ArpIgnore => ("ipv4", "arp_ignore"),
            Self::ArpAnnounce => ("ipv4", "arp_announce"),
            Self::ArpFilter => ("ipv4", "arp_filter"),
            Self::RpFilter => ("ipv4", "rp_filter"),
            Self::PromoteSecondaries => ("ipv4", "promote_secondaries"),
            Self::DisableIpv6 => ("ipv6", "disable_ipv6"),
            Self::AddrGenMode => ("ipv6", "addr_gen_mode"),
            Self::AcceptRa => ("ipv6", "accept_ra"),
            Self::AcceptDad => ("ipv6", "accept_dad"),
        }
    }
}

/// Whether the kernel keeps IFA_PROTO (Linux 5.18).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marks {
    /// It does: an address without our mark is not ours.
    #[default]
    Kept,
    /// No address bears any, not even the kernel's own: what is recorded as ours must be believed.
    Lost,
}

/// Whether a route could be put back as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// It is all there.
    Yes,
    /// It has more to it: several routers, metrics, a lifetime.
    No,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// Macvlans, ours and others.
    pub macvlans: Vec<SeenMacvlan>,
    /// Routes of ours, by their protocol number.
    pub routes: Vec<OwnRoute>,
    /// Routes of others in the main table, and whether the fields here are all that they are.
    pub others: Vec<(OtherRoute, Whole)>,
    /// The ARP sysctls of each Ethernet link and of `all`, with their values.
    pub sysctls: Vec<(Sysctl, i32)>,
    /// Whether the kernel keeps the mark of an address.
    pub marks: Marks,
    /// MACs that cards were made with (IFLA_PERM_ADDRESS), where the kernel knows them.
    pub made_with: Vec<(LinkIndex, MacAddr)>,
}

impl Around {
    /// What a sysctl says.
    #[must_use]
    pub fn value(&self, sysctl: Sysctl) -> Option<i32> {
        self.sysctls.iter().find(|(s, _)| *s == sysctl).map(|(_, v)| *v)
    }

    /// A macvlan by its number.
    #[must_use]
    pub fn macvlan(&self, index: LinkIndex) -> Option<&SeenMacvlan> {
        self.macvlans.iter().find(|m| m.is.index == index)
    }
}
