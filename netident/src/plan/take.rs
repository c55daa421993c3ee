//! Taking an identity.

use std::net::IpAddr;

use pnet_base::MacAddr;

use super::place::{Place, build, place, quiet};
use super::release::given_back;
use super::{Need, Obstacle, PrefixRoute, Speaker, Step, undo_of};
use crate::campaign::Voice;
use crate::frame::LinkIndex;
use crate::host::{Host, Link, Macvlan, OtherRoute, OwnRoute, Whole};
use crate::identity::{Address, Identity, WantedRoute};

/// Neighbours asked from one address at the most; routers come first.
const ASKED: usize = 64;

/// What taking an identity takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakePlan {
    /// Changes, in order; empty where all stands already.
    pub steps: Vec<Step>,
    /// What undoes them, in order.
    pub undo: Vec<Step>,
    /// Who announces and asks afterwards: every address of the identity, new or not, and what else stands on a
    /// link whose MAC changes.
    pub speakers: Vec<Speaker>,
    /// What the identity rests on besides its own, changed for it or not.
    pub needs: Vec<Need>,
}

/// Plans to take `identity` on `host`.
///
/// # Errors
/// The first [`Obstacle`], in the order of the addresses.
pub fn take(host: &Host, identity: &Identity) -> Result<TakePlan, Obstacle> {
    let (mut plan, mut macvlans, mut adds) = (TakePlan::default(), Vec::new(), Vec::new());
    for address in identity.addresses() {
        let base = usable(host, address)?;
        let place = place(host, identity, address, base, &macvlans)?;
        prepare(host, identity, address, &place, &mut macvlans, &mut plan)?;
        adds.extend(plan_one(host, address, &place)?);
        let voice = Voice { link: place.on, mac: place.mac, ip: address.ip() };
        plan.speakers.push((voice, asked(host, address, base)));
    }
    plan.steps.extend(adds);
    for route in identity.routes() {
        let link = host.link(&route.link).ok_or_else(|| Obstacle::NoLink(route.link.to_string()))?;
        let route = own(route, link.index);
        if !host.around.routes.contains(&route) {
            // One that lost its preferred source is of no use.
            let lame = host.around.routes.iter().filter(|r| r.is_at(&route));
            plan.steps.extend(lame.map(|r| Step::RemoveRoute(*r)));
            plan.steps.push(beside_or_instead(host, route)?);
        }
    }
    plan.undo = undo_of(&plan.steps);
    // A link's new MAC is that of its other addresses too: they are announced as well.
    plan.speakers.extend(given_back(host, identity, &plan.steps));
    Ok(plan)
}

/// Who asks whether `identity`'s addresses are free: those that do not stand here, from the link's own MAC. Not from
/// the virtual one: the owner that is looked for may have the same.
#[must_use]
pub fn probing(host: &Host, identity: &Identity) -> Vec<Voice> {
    let strange = identity.addresses().iter().filter(|a| host.holding(a.ip()).next().is_none());
    strange
        .filter_map(|a| {
            let link = host.link(&a.link)?;
            Some(Voice { link: link.index, mac: link.mac?, ip: a.ip() })
        })
        .collect()
}

/// What must be before the address: a quiet base link and a macvlan, or a link with another MAC.
fn prepare(
    host: &Host,
    identity: &Identity,
    address: &Address,
    place: &Place<'_>,
    macvlans: &mut Vec<Macvlan>,
    plan: &mut TakePlan,
) -> Result<(), Obstacle> {
    let base = place.base;
    let Some(m) = place.macvlan else {
        let need = Need::Mac(base.index);
        if identity.mac().is_some() && !plan.needs.contains(&need) {
            plan.needs.push(need);
        }
        if let Some(from) = base.mac.filter(|own| *own != place.mac) {
            let step = Step::Mac { link: base.index, from, to: place.mac };
            if !plan.steps.contains(&step) {
                plan.steps.push(step);
            }
        }
        return Ok(());
    };
    if address.ip().is_ipv4()
        && !plan.needs.iter().any(|n| matches!(n, Need::Sysctl(s) if *s.link == *base.name))
    {
        let (steps, needs) = quiet(host, base)?;
        plan.steps.extend(steps);
        plan.needs.extend(needs);
    }
    if macvlans.contains(&m) {
        return Ok(());
    }
    macvlans.push(m);
    let mut steps = build(host, m, identity);
    match host.around.macvlan(m.index) {
        Some(seen) if seen.ours && seen.up => steps.clear(),
        // Left behind half made: finished now.
        Some(_) => steps.retain(|s| !matches!(s, Step::Create(_))),
        None => {}
    }
    plan.steps.extend(steps);
    Ok(())
}

/// The addresses on `link` that are not the identity's, at `mac`; each asks the routers.
pub(super) fn rest(host: &Host, identity: &Identity, link: LinkIndex, mac: MacAddr) -> Vec<Speaker> {
    let others = host
        .addresses
        .iter()
        .filter(|h| h.link == link && !identity.addresses().iter().any(|a| a.ip() == h.net.addr()));
    others
        .map(|h| {
            let ip = h.net.addr();
            let routers = host.routes.iter().filter(|r| r.link == link).filter_map(|r| r.gateway);
            let mut asked: Vec<IpAddr> = routers.filter(|g| h.net.contains(g)).collect();
            asked.dedup();
            (Voice { link, mac, ip }, asked)
        })
        .collect()
}

/// How a route of ours comes in: where another's stands with the same destination and metric, in its place.
fn beside_or_instead(host: &Host, new: OwnRoute) -> Result<Step, Obstacle> {
    let same = |o: &&(OtherRoute, Whole)| o.0.destination == new.destination && o.0.metric == new.metric;
    let mut there = host.around.others.iter().filter(same);
    match (there.next(), there.next()) {
        (None, _) => Ok(Step::AddRoute(new)),
        (Some((old, Whole::Yes)), None) => Ok(Step::SwapRoute { old: *old, new }),
        _ => Err(Obstacle::RouteThere { destination: new.destination, metric: new.metric }),
    }
}

/// A route of the identity as the kernel will show it.
pub(super) fn own(route: &WantedRoute, link: LinkIndex) -> OwnRoute {
    // IP6_RT_PRIO_USER: what the kernel makes of no metric.
    let usual = if route.destination.addr().is_ipv4() { 0 } else { 1024 };
    let metric = route.metric.filter(|m| *m != 0).unwrap_or(usual);
    OwnRoute { destination: route.destination, via: route.via, source: Some(route.source), metric, link }
}

fn usable<'h>(host: &'h Host, address: &Address) -> Result<&'h Link, Obstacle> {
    let name = || address.link.to_string();
    let link = host.link(&address.link).ok_or_else(|| Obstacle::NoLink(name()))?;
    if !link.up {
        Err(Obstacle::Down(name()))
    } else if !link.carrier {
        Err(Obstacle::NoCarrier(name()))
    } else {
        Ok(link)
    }
}

fn plan_one(host: &Host, address: &Address, place: &Place<'_>) -> Result<Vec<Step>, Obstacle> {
    let (net, on) = (address.net, place.on);
    let name = || place.macvlan.map_or_else(|| place.base.name.clone(), |m| m.name.to_string());
    if let Some(elsewhere) = host.holding(address.ip()).find(|h| h.link != on) {
        let there = host.name(elsewhere.link).to_owned();
        return Err(Obstacle::Elsewhere { ip: address.ip(), there, wanted: name() });
    }
    let mut steps = Vec::new();
    match host.holding(address.ip()).next() {
        Some(held) if held.net != net => {
            return Err(Obstacle::OtherPrefix { there: held.net, wanted: net, link: name() });
        }
        // The kernel never tries again by itself: only removing and adding revives the address.
        Some(held) if held.dadfailed || held.tentative => steps.push(Step::Remove { link: on, net }),
        Some(_) => return Ok(steps),
        None => {}
    }
    let links = [place.base.index, on];
    let connected = host
        .routes
        .iter()
        .any(|r| links.contains(&r.link) && r.gateway.is_none() && r.destination == net.trunc());
    let prefix_route = if connected { PrefixRoute::Leave } else { PrefixRoute::Make };
    steps.push(Step::Add { link: on, net, prefix_route });
    Ok(steps)
}

/// Routers of the link and known neighbours of the subnet: whoever must learn where the address is.
fn asked(host: &Host, address: &Address, link: &Link) -> Vec<IpAddr> {
    let reachable = |ip: &IpAddr| {
        let local = matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
        (address.net.contains(ip) || local) && ip.is_ipv4() == address.ip().is_ipv4()
    };
    let gateways = host.routes.iter().filter(|r| r.link == link.index).filter_map(|r| r.gateway);
    let known = host.neighbours.iter().filter(|n| n.link == link.index).map(|n| n.ip);
    let mut asked: Vec<IpAddr> = Vec::new();
    for ip in gateways.chain(known).filter(reachable) {
        if !asked.contains(&ip) && host.holding(ip).next().is_none() && asked.len() < ASKED {
            asked.push(ip);
        }
    }
    asked
}
