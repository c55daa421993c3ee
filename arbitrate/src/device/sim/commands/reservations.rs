//! PERSISTENT RESERVE IN and OUT as bytes.

use super::{Arrived, Done};
use crate::codec::RequestError;
use crate::codec::pr::{
    Capabilities, FullStatus, InAction, OutAction, PR_OUT_BASIC_LEN, PrIn, PrOutCdb, PrOutRequest,
    RegisteredPort, Registration, TypeSet,
};
use crate::device::sim::pr::Reservations;
use crate::device::sim::profile::Profile;
use crate::device::sim::reply::{DataIn, Reply};

/// PERSISTENT RESERVE IN. READ KEYS and READ RESERVATION are written straight into the buffer, so that a
/// defender's tick allocates nothing; tests hold them equal to the codec's.
pub(super) fn inward(pr: &Reservations, c: Arrived<'_>) -> Done {
    let asked = PrIn::parse(c.cdb)?;
    let mut out = DataIn::new(c.data_in, usize::from(asked.allocation));
    match asked.action {
        InAction::ReadKeys => read_keys(pr, &mut out),
        InAction::ReadReservation => read_reservation(pr, &mut out),
        InAction::ReportCapabilities => out.put(&capabilities().emit()),
        InAction::ReadFullStatus => out.put(&full_status(pr, c.profile).emit()),
    }
    Ok(out.reply())
}

/// PERSISTENT RESERVE OUT.
pub(super) fn outward(pr: &mut Reservations, c: &Arrived<'_>) -> Done {
    let cdb = PrOutCdb::parse(c.cdb)?;
    let refused = RequestError::CdbField { what: "service action", byte: 1 };
    // Refused for what they are, before anybody looks at their lists.
    if matches!(cdb.action, OutAction::RegisterAndMove | OutAction::ReplaceLostReservation) {
        return Err(refused);
    }
    match cdb.with_list(c.data_out)? {
        PrOutRequest::Basic(p) => {
            let answer = pr.pr_out(c.nexus, &p);
            Ok(Reply { answer, ..Reply::moved(PR_OUT_BASIC_LEN) })
        }
        PrOutRequest::RegisterPorts(_) => Err(RequestError::ListField { what: "SPEC_I_PT", byte: 20 }),
        PrOutRequest::Move(_) => Err(refused),
    }
}

fn read_keys(pr: &Reservations, out: &mut DataIn<'_>) {
    out.put(&pr.generation().0.to_be_bytes());
    // 128 keys at most.
    out.put(&u32::try_from(8 * pr.keys().len()).unwrap_or(u32::MAX).to_be_bytes());
    pr.keys().for_each(|k| out.put(&k.as_u64().to_be_bytes()));
}

fn read_reservation(pr: &Reservations, out: &mut DataIn<'_>) {
    let told = pr.read_reservation();
    out.put(&told.generation.0.to_be_bytes());
    match told.holder {
        None => out.put(&0u32.to_be_bytes()),
        Some(h) => {
            out.put(&16u32.to_be_bytes());
            out.put(&h.key.as_u64().to_be_bytes());
            out.put(&[0, 0, 0, 0, 0, h.kind as u8, 0, 0]);
        }
    }
}

/// What this unit really offers; all types.
fn capabilities() -> Capabilities {
    Capabilities {
        replace_lost: false,
        compatible_reservation_handling: false,
        spec_i_pt: false,
        all_target_ports: false,
        aptpl_capable: false,
        aptpl_active: false,
        allow_commands: 0,
        types: Some(TypeSet::all()),
    }
}

fn full_status(pr: &Reservations, profile: &Profile) -> FullStatus {
    let registrations = pr
        .registrations()
        .filter_map(|r| {
            let name = profile.name(r.nexus)?;
            Some(Registration {
                key: r.key,
                holds: pr.kind().filter(|_| pr.is_holder(r.nexus)),
                port: RegisteredPort::One(name.port.get()),
                transport_id: name.initiator.transport_id(),
            })
        })
        .collect();
    FullStatus { generation: pr.generation(), registrations }
}
