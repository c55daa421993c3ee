//! Taking an identity.

use std::net::IpAddr;

use super::{Obstacle, PrefixRoute, Speaker, Step};
use crate::campaign::Voice;
use crate::host::{Host, Link};
use crate::identity::{Address, Identity};

/// Neighbours asked from one address at the most; routers come first.
const ASKED: usize = 64;

/// What taking an identity takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakePlan {
    /// Changes, one batch; empty where all stands already.
    pub steps: Vec<Step>,
    /// What undoes them, in order.
    pub undo: Vec<Step>,
    /// Who announces and asks afterwards: every address of the identity, new or not.
    pub speakers: Vec<Speaker>,
}

/// Plans to take `identity` on `host`.
///
/// # Errors
/// The first [`Obstacle`], in the order of the addresses.
pub fn take(host: &Host, identity: &Identity) -> Result<TakePlan, Obstacle> {
    if identity.mac().is_some() {
        return Err(Obstacle::VirtualMac);
    }
    let mut plan = TakePlan { steps: Vec::new(), undo: Vec::new(), speakers: Vec::new() };
    for address in identity.addresses() {
        let link = usable(host, address)?;
        let mac = link.mac.ok_or_else(|| Obstacle::NoMac(link.name.clone()))?;
        plan_one(host, address, link, &mut plan)?;
        let voice = Voice { link: link.index, mac, ip: address.ip() };
        plan.speakers.push((voice, asked(host, address, link)));
    }
    plan.undo.reverse();
    Ok(plan)
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

fn plan_one(host: &Host, address: &Address, link: &Link, plan: &mut TakePlan) -> Result<(), Obstacle> {
    let net = address.net;
    let remove = Step::Remove { link: link.index, net };
    if let Some(elsewhere) = host.holding(address.ip()).find(|h| h.link != link.index) {
        return Err(Obstacle::Elsewhere {
            ip: address.ip(),
            there: host.name(elsewhere.link).to_owned(),
            wanted: address.link.to_string(),
        });
    }
    match host.holding(address.ip()).next() {
        Some(held) if held.net != net => {
            return Err(Obstacle::OtherPrefix { there: held.net, wanted: net, link: link.name.clone() });
        }
        // The kernel never tries again by itself: only removing and adding revives the address.
        Some(held) if held.dadfailed || held.tentative => plan.steps.push(remove),
        Some(_) => return Ok(()),
        None => {}
    }
    let connected = host
        .routes
        .iter()
        .any(|r| r.link == link.index && r.gateway.is_none() && r.destination == net.trunc());
    let prefix_route = if connected { PrefixRoute::Leave } else { PrefixRoute::Make };
    plan.steps.push(Step::Add { link: link.index, net, prefix_route });
    plan.undo.push(remove);
    Ok(())
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
