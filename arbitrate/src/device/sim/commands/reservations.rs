//! PERSISTENT RESERVE IN and OUT as bytes.

use super::{Arrived, Done};
use crate::codec::RequestError;
use crate::codec::pr::{
    Capabilities, FullStatus, InAction, OutAction, PR_OUT_BASIC_LEN, PrOut, PrOutBasic, RegisteredPort,
    Registration, ReservationType, TypeSet,
};
use crate::device::sim::pr::Reservations;
use crate::device::sim::profile::Profile;
use crate::device::sim::reply::{DataIn, Reply};

/// PERSISTENT RESERVE IN. READ KEYS and READ RESERVATION are written straight into the buffer, so that a
/// defender's tick allocates nothing; tests hold them equal to the codec's.
pub(super) fn inward(pr: &Reservations, c: Arrived<'_>) -> Done {
    let b = c.cdb.as_bytes();
    let Some(allocation) = b.get(7..).and_then(|b| b.first_chunk()).filter(|_| b.len() == 10) else {
        return Err(RequestError::CdbLength { name: "PERSISTENT RESERVE IN", have: b.len(), need: 10 });
    };
    let Ok(action) = InAction::from_code(c.cdb.service_action()) else {
        return Err(RequestError::CdbField { what: "service action", byte: 1 });
    };
    let mut out = DataIn::new(c.data_in, usize::from(u16::from_be_bytes(*allocation)));
    match action {
        InAction::ReadKeys => read_keys(pr, &mut out),
        InAction::ReadReservation => read_reservation(pr, &mut out),
        InAction::ReportCapabilities => out.put(&capabilities().emit()),
        InAction::ReadFullStatus => out.put(&full_status(pr, c.profile).emit()),
    }
    Ok(out.reply())
}

/// PERSISTENT RESERVE OUT.
pub(super) fn outward(pr: &mut Reservations, c: &Arrived<'_>) -> Done {
    let (request, length) = decode(c)?;
    let answer = pr.pr_out(c.nexus, &request);
    Ok(Reply { answer, ..Reply::moved(length) })
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

/// The request, and how long its parameter list is. Stands in for the request decoder that the codecs
/// are about to have.
fn decode(c: &Arrived<'_>) -> Result<(PrOut, usize), RequestError> {
    let b = c.cdb.as_bytes();
    let Some([l0, l1, l2, l3]) = b.get(5..9).and_then(|b| b.first_chunk()).filter(|_| b.len() == 10) else {
        return Err(RequestError::CdbLength { name: "PERSISTENT RESERVE OUT", have: b.len(), need: 10 });
    };
    let Ok(action) = OutAction::from_code(c.cdb.service_action()) else {
        return Err(RequestError::CdbField { what: "service action", byte: 1 });
    };
    let kind = ReservationType::from_code(b[2]).ok();
    let have = usize::try_from(u32::from_be_bytes([*l0, *l1, *l2, *l3])).unwrap_or(usize::MAX);
    let Some(Ok(list)) = c.data_out.get(..have).map(PrOutBasic::parse) else {
        return Err(RequestError::ListLength { have: have.min(c.data_out.len()), need: PR_OUT_BASIC_LEN });
    };
    if have != PR_OUT_BASIC_LEN && !list.spec_i_pt {
        return Err(RequestError::ListLength { have, need: PR_OUT_BASIC_LEN });
    }
    Ok((PrOut { action, kind, list }, have))
}
