//! Which nexuses a command means that names other ports than those it came by.
//!
//! A target port is there from its first use on: ALL_TG_PT covers those known when it is executed. An
//! initiator port need not have been seen, but its name must be one this unit's nexuses can have.

use crate::codec::pr::TransportId;
use crate::device::sim::nexus::NexusId;
use crate::device::sim::profile::{Profile, TooManyNexuses};
use crate::device::sim::spec::{InitiatorName, TargetPort};

#[cfg(test)]
mod tests;

/// The same initiator at every other target port.
pub(super) fn elsewhere(profile: &mut Profile, nexus: NexusId) -> Result<Vec<NexusId>, TooManyNexuses> {
    let Some(own) = profile.name(nexus).cloned() else { return Ok(Vec::new()) };
    let ports = profile.ports().into_iter().filter(|p| *p != own.port);
    ports.map(|p| profile.intern(&own.initiator, p)).collect()
}

/// The nexuses of `initiators` at `ports`, each once; none where one of them cannot be.
pub(super) fn listed(
    profile: &mut Profile,
    initiators: &[TransportId],
    ports: &[TargetPort],
) -> Result<Option<Vec<NexusId>>, TooManyNexuses> {
    let mut all = Vec::new();
    for id in initiators {
        let Some(name) = initiator(profile, id) else { return Ok(None) };
        for port in ports {
            all.push(profile.intern(&name, *port)?);
        }
    }
    all.sort_unstable();
    all.dedup();
    Ok(Some(all))
}

/// The initiator a TransportID names: one that was here under that very name, or one of those that can be.
fn initiator(profile: &Profile, id: &TransportId) -> Option<InitiatorName> {
    let mut known = profile.nexuses().iter().map(|n| &n.initiator);
    known.find(|n| n.transport_id() == *id).cloned().or_else(|| InitiatorName::of_transport_id(id))
}

/// Where REGISTER AND MOVE goes: none for the initiator it came from, at whatever port (SPC-4 5.12.8), a
/// name that cannot be, or a port that is not there.
pub(super) fn destination(
    profile: &mut Profile,
    from: NexusId,
    to: &TransportId,
    port: u16,
) -> Result<Option<NexusId>, TooManyNexuses> {
    let known = TargetPort::try_from(port).ok().filter(|p| profile.ports().contains(p));
    let stranger = |name: &InitiatorName| profile.name(from).is_some_and(|n| n.initiator != *name);
    match (initiator(profile, to).filter(stranger), known) {
        (Some(name), Some(port)) => profile.intern(&name, port).map(Some),
        _ => Ok(None),
    }
}
