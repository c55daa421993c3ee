//! Where an address of an identity stands: on its link, or on a macvlan above it. Pure.

use pnet_base::MacAddr;

use super::{Need, Obstacle, Step};
use crate::frame::LinkIndex;
use crate::host::{Host, Link, Macvlan, Name, Sysctl, Which};
use crate::identity::{Address, Identity, MacMode};

/// The first number a macvlan of ours may get: out of the way of the kernel's own counting, and within the 16 bits
/// that old tools allow.
const FIRST_INDEX: u32 = 0x4000;

/// Where an address stands, or will.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'h> {
    /// The link the identity names.
    pub(super) base: &'h Link,
    /// The link that bears the address.
    pub(super) on: LinkIndex,
    /// The MAC it is at.
    pub(super) mac: MacAddr,
    /// The macvlan, if it is on one.
    pub(super) macvlan: Option<Macvlan>,
}

/// Finds the place of `address`; `planned` are the macvlans laid down before.
pub(super) fn place<'h>(
    host: &'h Host,
    identity: &Identity,
    address: &Address,
    base: &'h Link,
    planned: &[Macvlan],
) -> Result<Place<'h>, Obstacle> {
    let own = base.mac.ok_or_else(|| Obstacle::NoMac(base.name.clone()))?;
    let Some(mac) = identity.mac().and_then(|m| m.at(address.ip())) else {
        return Ok(Place { base, on: base.index, mac: own, macvlan: None });
    };
    if identity.mode() == MacMode::Link {
        return Ok(Place { base, on: base.index, mac, macvlan: None });
    }
    let m = match planned.iter().find(|m| m.base == base.index && m.mac == mac) {
        Some(m) => *m,
        None => macvlan(host, base, mac, planned)?,
    };
    Ok(Place { base, on: m.index, mac, macvlan: Some(m) })
}

/// The macvlan of that MAC on `base`: the one that is there, or a new one.
fn macvlan(host: &Host, base: &Link, mac: MacAddr, planned: &[Macvlan]) -> Result<Macvlan, Obstacle> {
    let name = name_of(base.index, mac);
    let seen = host.around.macvlans.iter().find(|m| m.is.name == name);
    match seen {
        Some(seen) if seen.is.base == base.index && seen.is.mac == mac => return Ok(seen.is),
        Some(_) => return Err(Obstacle::NameTaken(name.to_string())),
        None if host.links.iter().any(|l| l.name == *name) => {
            return Err(Obstacle::NameTaken(name.to_string()));
        }
        None => {}
    }
    let taken = |i: u32| host.links.iter().any(|l| l.index.0 == i) || planned.iter().any(|m| m.index.0 == i);
    // There are fewer links than numbers.
    let index = (FIRST_INDEX..u32::MAX).find(|i| !taken(*i)).unwrap_or(FIRST_INDEX);
    Ok(Macvlan { index: LinkIndex(index), name, base: base.index, mac })
}

/// `nid4-10-2`: IPv4, VRID 10, on link number 2; `nid00000a-2`: the last bytes of a local MAC.
fn name_of(base: LinkIndex, mac: MacAddr) -> Name {
    let text = match mac {
        MacAddr(0, 0, 0x5e, 0, 1, vrid) => format!("nid4-{vrid}-{}", base.0),
        MacAddr(0, 0, 0x5e, 0, 2, vrid) => format!("nid6-{vrid}-{}", base.0),
        MacAddr(.., d, e, f) => format!("nid{d:02x}{e:02x}{f:02x}-{}", base.0),
    };
    Name::from(text.get(..text.len().min(15)).unwrap_or_default()).unwrap_or_default()
}

/// What makes the macvlan ready, beginning with it not being there.
pub(super) fn build(host: &Host, m: Macvlan, identity: &Identity) -> Vec<Step> {
    let mut steps = vec![Step::Create(m), Step::Mark(m)];
    let ips = || {
        let here = move |a: &&Address| identity.mac().and_then(|v| v.at(a.ip())) == Some(m.mac);
        identity.addresses().iter().filter(here).map(Address::ip)
    };
    let mut tune =
        |which, to| steps.extend(Sysctl::of(which, &m.name).map(|sysctl| Step::Tune { sysctl, to }));
    if ips().any(|ip| ip.is_ipv6()) {
        tune(Which::DisableIpv6, 0);
        // No link-local address of its own: it would be one more to be announced and explained.
        tune(Which::AddrGenMode, 1);
        tune(Which::AcceptRa, 0);
        tune(Which::AcceptDad, 0);
    } else {
        tune(Which::DisableIpv6, 1);
    }
    if ips().any(|ip| ip.is_ipv4()) {
        // Else it would answer for the host's other addresses with the virtual MAC.
        tune(Which::ArpIgnore, 1);
        tune(Which::ArpFilter, 0);
        // The way back leads over the base link: strict filtering would drop all that comes in here.
        let strict = Sysctl::of(Which::RpFilter, "all").and_then(|s| host.around.value(s)).unwrap_or(0) != 0;
        tune(Which::RpFilter, if strict { 2 } else { 0 });
        tune(Which::PromoteSecondaries, 1);
    } else {
        // It bears no IPv4 address, and would answer for those of every other link: not at all.
        tune(Which::ArpIgnore, 8);
    }
    steps.push(Step::Up(m));
    steps
}

/// What the base link must be changed to, so that it neither answers nor asks for an IPv4 address above it; and
/// which sysctls that rests on, changed or not.
pub(super) fn quiet(host: &Host, base: &Link) -> Result<(Vec<Step>, Vec<Need>), Obstacle> {
    let (mut steps, mut needs) = (Vec::new(), Vec::new());
    let read = |which, link: &str| {
        let sysctl = Sysctl::of(which, link).ok_or_else(|| Obstacle::Unread(link.to_owned()))?;
        let value = host.around.value(sysctl).ok_or_else(|| Obstacle::Unread(sysctl.to_string()))?;
        Ok((sysctl, value))
    };
    // The kernel goes by the larger of the link's value and that of `all`.
    for (which, good) in [(Which::ArpIgnore, 1..=2), (Which::ArpAnnounce, 2..=2)] {
        let (of_all, all) = read(which, "all")?;
        let (sysctl, from) = read(which, &base.name)?;
        needs.push(Need::Sysctl(sysctl));
        if good.contains(&from.max(all)) {
            continue;
        }
        if all > *good.end() {
            return Err(Obstacle::Sysctl { sysctl: of_all.to_string(), value: all, good: *good.start() });
        }
        steps.push(Step::Sysctl { sysctl, from, to: *good.start() });
    }
    let (of_all, all) = read(Which::ArpFilter, "all")?;
    if all != 0 {
        return Err(Obstacle::Sysctl { sysctl: of_all.to_string(), value: all, good: 0 });
    }
    Ok((steps, needs))
}
