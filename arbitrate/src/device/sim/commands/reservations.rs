//! PERSISTENT RESERVE IN and OUT as bytes.

use super::lio::{self, UndefinedScope};
use super::{Arrived, Done, others};
use crate::codec::RequestError;
use crate::codec::pr::{
    AllTargetPorts, Capabilities, FullStatus, InAction, OutAction, PR_OUT_BASIC_LEN, PrIn, PrOut,
    PrOutRequest, RegisterAndMove, RegisterPorts, RegisteredPort, Registration, TypeSet,
};
use crate::device::sim::answer::Answer;
use crate::device::sim::nexus::NexusId;
use crate::device::sim::personality::Deviation;
use crate::device::sim::pr::Reservations;
use crate::device::sim::pr::others::{Existing, Listed, MoveTo, RegisterAll};
use crate::device::sim::profile::{Profile, TooManyNexuses};
use crate::device::sim::reply::{DataIn, Reply};
use crate::device::sim::unit::LogicalUnit;

/// Bytes of READ RESERVATION behind its header that LIO wants room for.
const RESERVATION_UP_TO_TYPE: usize = 14;

/// PERSISTENT RESERVE IN. READ KEYS and READ RESERVATION are written straight into the buffer, so that a
/// defender's tick allocates nothing; tests hold them equal to the codec's.
pub(super) fn inward(pr: &Reservations, c: Arrived<'_>) -> Done {
    let asked = PrIn::parse(c.cdb)?;
    let allocation = usize::from(asked.allocation);
    let p = pr.personality();
    let least = if asked.action == InAction::ReportCapabilities { 6 } else { 8 };
    if p.has(Deviation::SHORT_REFUSED) && allocation < least {
        return Err(RequestError::CdbField { what: "allocation length", byte: 7 });
    }
    // Behind the header.
    let room = if p.has(Deviation::WHOLE_KEYS) { allocation.saturating_sub(8) } else { usize::MAX };
    let mut out = DataIn::new(c.data_in, allocation);
    match asked.action {
        InAction::ReadKeys => read_keys(pr, &mut out, room),
        InAction::ReadReservation => read_reservation(pr, &mut out, room),
        InAction::ReportCapabilities => out.put(&capabilities(pr).emit()),
        InAction::ReadFullStatus => {
            let mut status = full_status(pr, c.profile);
            if p.has(Deviation::WHOLE_DESCRIPTORS) {
                lio::cut(&mut status.registrations, allocation);
            }
            out.put(&status.emit());
        }
    }
    Ok(out.reply())
}

/// PERSISTENT RESERVE OUT. What names other nexuses makes them known, unless it is refused.
pub(super) fn outward(unit: &mut LogicalUnit, c: &mut Arrived<'_>) -> Done {
    let (cdb, scope) = lio::parse_out(unit.reservations().personality(), c)?;
    if let Some(answer) = lio::ends_ports(unit.reservations(), c) {
        return Ok(Reply::ended(answer));
    }
    if let Some(answer) = lio::refuses_move(unit.reservations(), c) {
        return Ok(Reply::ended(answer));
    }
    let request = cdb.with_list(c.data_out)?;
    let known = c.profile.nexuses().len();
    let had = unit.reservations().kind().is_some();
    let pr = unit.reservations_mut();
    let answer = match &request {
        PrOutRequest::Basic(p) if scope == UndefinedScope::Yes => {
            Ok(pr.refuses_key(c.nexus, p).unwrap_or(Answer::INVALID_FIELD_IN_PARAMETER_LIST))
        }
        PrOutRequest::Basic(p) => basic(pr, c, p),
        PrOutRequest::RegisterPorts(r) => register_ports(pr, c, r),
        PrOutRequest::Move(m) => register_and_move(pr, c, m),
    };
    pr.remember((!had).then_some(c.nexus));
    let answer = answer.unwrap_or(Answer::NO_REGISTRATION_RESOURCES);
    if answer != Answer::Good {
        c.profile.forget_above(known);
    }
    for n in known..c.profile.nexuses().len() {
        unit.introduce(NexusId(u8::try_from(n).unwrap_or(u8::MAX)));
    }
    let moved = match request {
        PrOutRequest::Basic(_) => PR_OUT_BASIC_LEN,
        _ => c.data_out.len(),
    };
    Ok(Reply { answer, ..Reply::moved(moved) })
}

fn basic(pr: &mut Reservations, c: &mut Arrived<'_>, p: &PrOut) -> Result<Answer, TooManyNexuses> {
    let existing = match (p.list.all_target_ports, p.action) {
        (AllTargetPorts::Yes, OutAction::Register) => Existing::Compare,
        (AllTargetPorts::Yes, OutAction::RegisterAndIgnoreExistingKey) => Existing::Ignore,
        (AllTargetPorts::No, OutAction::Register | OutAction::RegisterAndIgnoreExistingKey)
            if pr.is_everywhere(c.nexus) =>
        {
            let conflicts = p.action == OutAction::Register && pr.key_of(c.nexus) != Some(p.list.own);
            return Ok(if conflicts { Answer::Conflict } else { Answer::INVALID_FIELD_IN_CDB });
        }
        _ => return Ok(pr.pr_out(c.nexus, p)),
    };
    let also = others::elsewhere(c.profile, c.nexus)?;
    let new = !pr.is_registered(c.nexus);
    let answer = pr.register_all(c.nexus, &RegisterAll::alone(p, existing).and(&also));
    if new && answer == Answer::Good {
        pr.register_everywhere(c.nexus);
    }
    Ok(answer)
}

/// REGISTER with SPEC_I_PT (SPC-4 6.16.3, table 69).
fn register_ports(
    pr: &mut Reservations,
    c: &mut Arrived<'_>,
    r: &RegisterPorts,
) -> Result<Answer, TooManyNexuses> {
    let all = r.all_target_ports == AllTargetPorts::Yes;
    let ports = match c.profile.name(c.nexus) {
        Some(own) if !all => vec![own.port],
        _ => c.profile.ports(),
    };
    let also = if all { others::elsewhere(c.profile, c.nexus)? } else { Vec::new() };
    let listed = others::listed(c.profile, &r.ports, &ports)?;
    // Whoever lists itself is registered once.
    let skips = pr.personality().has(Deviation::PORTS_SKIPPED);
    let counts = |n: &NexusId| *n != c.nexus && !also.contains(n) && !(skips && pr.is_registered(*n));
    let listed = listed.map(|l| l.into_iter().filter(counts).collect::<Vec<_>>());
    let new: Vec<NexusId> = listed.iter().flatten().copied().chain([c.nexus]).collect();
    let new: Vec<NexusId> = new.into_iter().filter(|n| !pr.is_registered(*n)).collect();
    let answer = pr.register_all(
        c.nexus,
        &RegisterAll {
            own: r.own,
            new: r.new,
            aptpl: r.aptpl,
            existing: Existing::Compare,
            also: &also,
            listed: listed.as_deref().map_or(Listed::Unknown, Listed::These),
        },
    );
    if answer == Answer::Good && pr.is_registered(c.nexus) {
        let one = |id| others::listed(c.profile, std::slice::from_ref(id), &ports).ok().flatten();
        let named: Vec<NexusId> = r.ports.iter().filter_map(one).flatten().collect();
        let order: Vec<NexusId> = [c.nexus].into_iter().chain(named).filter(|n| new.contains(n)).collect();
        pr.arrived(&order, all);
    }
    Ok(answer)
}

fn register_and_move(
    pr: &mut Reservations,
    c: &mut Arrived<'_>,
    m: &RegisterAndMove,
) -> Result<Answer, TooManyNexuses> {
    let to = others::destination(c.profile, c.nexus, &m.to, m.relative_target_port)?;
    let request = MoveTo { own: m.own, new: m.new, aptpl: m.aptpl, unregister: m.unregister, to };
    Ok(pr.register_and_move(c.nexus, &request))
}

fn read_keys(pr: &Reservations, out: &mut DataIn<'_>, room: usize) {
    out.put(&pr.generation().0.to_be_bytes());
    // 128 keys at most.
    out.put(&u32::try_from(8 * pr.keys().len()).unwrap_or(u32::MAX).to_be_bytes());
    for (i, k) in pr.keys().enumerate() {
        let fits = i < room / 8;
        out.put(&if fits { k.as_u64() } else { 0 }.to_be_bytes());
    }
}

fn read_reservation(pr: &Reservations, out: &mut DataIn<'_>, room: usize) {
    let told = pr.read_reservation();
    out.put(&told.generation.0.to_be_bytes());
    match told.holder {
        None => out.put(&0u32.to_be_bytes()),
        Some(h) => {
            out.put(&16u32.to_be_bytes());
            if room < RESERVATION_UP_TO_TYPE {
                return out.put(&[0; 16]);
            }
            out.put(&h.key.as_u64().to_be_bytes());
            out.put(&[0, 0, 0, 0, 0, h.kind as u8, 0, 0]);
        }
    }
}

/// What this unit really offers; all types.
fn capabilities(pr: &Reservations) -> Capabilities {
    let lio = pr.personality().has(Deviation::CAPABILITIES);
    Capabilities {
        replace_lost: !lio,
        compatible_reservation_handling: lio,
        spec_i_pt: true,
        all_target_ports: true,
        aptpl_capable: true,
        aptpl_active: pr.persists(),
        allow_commands: u8::from(lio),
        types: Some(TypeSet::all()),
    }
}

/// A descriptor for every nexus, whether ALL_TG_PT registered it or not (SPC-4 6.15.5 lets a device server
/// leave ALL_TG_PT 0): a port that came later is not covered, and this way nobody is told so.
fn full_status(pr: &Reservations, profile: &Profile) -> FullStatus {
    let registrations = pr
        .listed()
        .filter_map(|r| {
            let name = profile.name(r.nexus)?;
            Some(Registration {
                key: r.key,
                holds: pr.kind().filter(|_| pr.is_holder(r.nexus)),
                port: if pr.is_everywhere(r.nexus) {
                    RegisteredPort::All
                } else {
                    RegisteredPort::One(name.port.get())
                },
                transport_id: name.initiator.transport_id(),
            })
        })
        .collect();
    FullStatus { generation: pr.generation(), registrations }
}
