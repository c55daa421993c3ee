//! Releasing an identity.

use super::place::place;
use super::undo::bears_others;
use super::{Obstacle, Speaker, Step, needed, take};
use crate::host::{Held, Host, Link, Macvlan};
use crate::identity::{Address, Identity, MacMode};

/// What releasing an identity takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReleasePlan {
    /// Changes; empty where nothing of it stands here.
    pub steps: Vec<Step>,
    /// Who announces afterwards: what stays on a link that gets its own MAC back.
    pub speakers: Vec<Speaker>,
    /// What must stay, because nobody knows what was there before.
    pub stays: Option<Obstacle>,
}

/// Plans to release `identity` on `host`, of which nothing is recorded.
///
/// # Errors
/// As [`release_recorded`].
pub fn release(host: &Host, identity: &Identity) -> Result<ReleasePlan, Obstacle> {
    release_recorded(host, identity, &[])
}

/// Plans to release `identity` on `host`; `recorded` is what undoes the changes that were made when it was taken.
/// A link that is gone holds nothing.
///
/// # Errors
/// [`Obstacle::TakesOthersAlong`] where the kernel would remove more than was asked.
pub fn release_recorded(
    host: &Host,
    identity: &Identity,
    recorded: &[Step],
) -> Result<ReleasePlan, Obstacle> {
    let (mut removes, mut macvlans) = (Vec::new(), Vec::new());
    for address in identity.addresses() {
        let Some(base) = host.link(&address.link) else { continue };
        let own = macvlan_of(host, identity, address, base, &mut macvlans);
        for held in host.holding(address.ip()) {
            // On a macvlan of ours above the link it is found even if the virtual MAC is not named.
            let above = host.around.macvlan(held.link).filter(|m| m.ours && m.is.base == base.index);
            if held.link != base.index && own.is_none_or(|m| m.index != held.link) && above.is_none() {
                continue;
            }
            if let Some(m) = above.filter(|m| !macvlans.contains(&m.is)) {
                macvlans.push(m.is);
            }
            takes_nobody_along(host, identity, held)?;
            removes.push(Step::Remove { link: held.link, net: held.net });
        }
    }
    // The last first: a secondary that is named here is removed before the address it hangs on.
    removes.reverse();
    let mut plan = ReleasePlan { steps: routes(host, identity, recorded), ..ReleasePlan::default() };
    plan.steps.extend(removes);
    for m in macvlans {
        if bears_others(host, &m, &plan.steps) {
            continue;
        }
        if host.around.macvlan(m.index).is_some_and(|seen| seen.up) {
            plan.steps.push(Step::Down(m));
        }
        plan.steps.push(Step::Delete(m));
    }
    for step in needed(host, recorded) {
        if !plan.steps.contains(&step) {
            plan.steps.push(step);
        }
    }
    if identity.mode() == MacMode::Link {
        give_back_macs(host, identity, &mut plan);
    }
    Ok(plan)
}

/// The identity's macvlan for that address, if it is there; gathered in `all`.
fn macvlan_of(
    host: &Host,
    identity: &Identity,
    address: &Address,
    base: &Link,
    all: &mut Vec<Macvlan>,
) -> Option<Macvlan> {
    let m = place(host, identity, address, base, all).ok()?.macvlan?;
    host.around.macvlan(m.index)?;
    if !all.contains(&m) {
        all.push(m);
    }
    Some(m)
}

fn takes_nobody_along(host: &Host, identity: &Identity, held: &Held) -> Result<(), Obstacle> {
    let Some(link) = host.links.iter().find(|l| l.index == held.link) else { return Ok(()) };
    // Those that are released too may go along.
    let strangers: Vec<String> = secondaries(host, held)
        .filter(|o| !identity.addresses().iter().any(|a| a.ip() == o.net.addr()))
        .map(|o| o.net.to_string())
        .collect();
    if link.promote_secondaries || strangers.is_empty() {
        return Ok(());
    }
    let (link, others) = (link.name.clone(), strangers.join(", "));
    Err(Obstacle::TakesOthersAlong { net: held.net, link, others })
}

/// The addresses that hang on `first`, if it is the first of its subnet; IPv4 alone knows this.
fn secondaries<'h>(host: &'h Host, first: &'h Held) -> impl Iterator<Item = &'h Held> {
    host.addresses.iter().filter(move |h| {
        !first.secondary
            && h.secondary
            && h.link == first.link
            && h.net.addr().is_ipv4()
            && h.net.trunc() == first.net.trunc()
    })
}

/// The identity's routes that stand, the last first; what stood in their place before is put back.
fn routes(host: &Host, identity: &Identity, recorded: &[Step]) -> Vec<Step> {
    let wanted = identity.routes().iter().rev();
    let standing = wanted
        .filter_map(|r| Some(take::own(r, host.link(&r.link)?.index)))
        .filter(|r| host.around.routes.iter().any(|o| o.is_at(r)));
    let swapped = needed(host, recorded).into_iter().filter(|s| matches!(s, Step::RestoreRoute { .. }));
    let mut steps: Vec<Step> = swapped.collect();
    for r in standing {
        if !steps.iter().any(|s| matches!(s, Step::RestoreRoute { new, .. } if new.is_at(&r))) {
            steps.push(Step::RemoveRoute(r));
        }
    }
    steps
}

/// Links that still have the virtual MAC: the record knows what they had before, else the card itself does.
fn give_back_macs(host: &Host, identity: &Identity, plan: &mut ReleasePlan) {
    for address in identity.addresses() {
        let Some(base) = host.link(&address.link) else { continue };
        let virtual_mac = identity.mac().and_then(|m| m.at(address.ip()));
        let Some(from) = base.mac.filter(|own| Some(*own) == virtual_mac) else { continue };
        let known = plan.steps.iter().find_map(|s| match s {
            Step::Mac { link, to, .. } if *link == base.index => Some(*to),
            _ => None,
        });
        // Another identity of this program may rest on it: then it is for that one to give back.
        let shared = host.addresses.iter().any(|h| {
            h.link == base.index && h.ours && !identity.addresses().iter().any(|a| a.ip() == h.net.addr())
        });
        let made_with = host.around.made_with.iter().find(|(l, _)| *l == base.index).map(|(_, m)| *m);
        match (known, made_with) {
            (Some(_), _) => {}
            _ if shared => {}
            (None, Some(to)) => plan.steps.push(Step::Mac { link: base.index, from, to }),
            (None, None) => {
                plan.stays = Some(Obstacle::MacUnknown { link: base.name.clone(), mac: from });
            }
        }
    }
    plan.speakers = given_back(host, identity, &plan.steps);
}

/// Who speaks when `steps` have given links their own MACs back: what stays there.
#[must_use]
pub fn given_back(host: &Host, identity: &Identity, steps: &[Step]) -> Vec<Speaker> {
    let macs = steps.iter().filter_map(|s| match s {
        Step::Mac { link, to, .. } => Some((*link, *to)),
        _ => None,
    });
    macs.flat_map(|(link, mac)| take::rest(host, identity, link, mac)).collect()
}
