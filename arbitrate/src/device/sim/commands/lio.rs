//! Where LIO reads a command otherwise than the standards say, before its own handler sees it.

use super::Access;
use super::{Arrived, others};
use crate::codec::Cdb;
use crate::codec::RequestError;
use crate::codec::block::{BlockIo, Extent};
use crate::codec::opcode::{
    self, COMPARE_AND_WRITE, READ_CAPACITY_10, READ_CAPACITY_16, RELEASE_6, RELEASE_10, REQUEST_SENSE,
    RESERVE_6, RESERVE_10, SERVICE_ACTION_IN_16,
};
use crate::codec::pr::{
    OutAction, PR_OUT_BASIC_LEN, PrOut, PrOutBasic, PrOutCdb, PrOutRequest, Registration,
};
use crate::codec::reserve::Verb;
use crate::codec::{Sense, SenseKey};
use crate::device::sim::access::Verdict;
use crate::device::sim::answer::Answer;
use crate::device::sim::personality::{Deviation, Personality};
use crate::device::sim::pr::Reservations;
use crate::device::sim::unit::LogicalUnit;

/// The basic list and the length of the TransportIDs.
const PORTS_HEADER_LEN: usize = PR_OUT_BASIC_LEN + 4;
/// DPO and FUA of a command that moves blocks.
const DPO_FUA: u8 = 0x18;
/// LONGID and EXTENT together: what LIO refuses of the SPC-2 RESERVE.
const LONG_EXTENT: u8 = 0x03;

/// What LIO refuses before it looks at attentions and reservations.
pub(super) fn refuses_first(unit: &LogicalUnit, c: &Arrived<'_>) -> Option<Answer> {
    if !unit.reservations().personality().has(Deviation::PARSED_FIRST) {
        return None;
    }
    let code = c.cdb.opcode();
    if code != super::REPORT_LUNS && opcode::by_code(code).next().is_none() {
        return Some(Answer::Check(RequestError::OpCode(code).sense()));
    }
    if code == COMPARE_AND_WRITE {
        return refuses_compare(unit.reservations().personality(), c);
    }
    let io = BlockIo::parse(c.cdb).ok()?;
    (!io.extent.fits(c.profile.blocks)).then_some(Answer::LBA_OUT_OF_RANGE)
}

/// What LIO refuses of a COMPARE AND WRITE, in this order.
fn refuses_compare(p: Personality, c: &Arrived<'_>) -> Option<Answer> {
    let b = c.cdb.as_bytes();
    let (flags, blocks) = (b.get(1).copied()?, b.get(13).copied()?);
    let lba = u64::from_be_bytes(*b.get(2..)?.first_chunk()?);
    let invalid = |what, byte| Answer::Check(RequestError::CdbField { what, byte }.sense());
    if p.has(Deviation::COMPARE_ONE) {
        if blocks > 1 {
            return Some(invalid("NUMBER OF LOGICAL BLOCKS", 13));
        }
        if flags & DPO_FUA != 0 {
            return Some(invalid("DPO, FUA", 1));
        }
    }
    if !(Extent::Sixteen { lba, blocks: u32::from(blocks) }).fits(c.profile.blocks) {
        return Some(Answer::LBA_OUT_OF_RANGE);
    }
    let both = 2 * u64::from(blocks) * u64::from(c.profile.block_size);
    let fits = u64::try_from(c.data_out.len()).is_ok_and(|sent| sent == both);
    // One without any data is found out later, when it is carried out.
    let refused = p.has(Deviation::COMPARE_LENGTH) && !fits && !c.data_out.is_empty();
    refused.then_some(Answer::INFORMATION_UNIT)
}

/// What LIO takes a command for; `usual` is what the standards take it for.
pub(super) fn access(unit: &LogicalUnit, c: &Arrived<'_>, usual: Access) -> Access {
    let p = unit.reservations().personality();
    let code = c.cdb.opcode();
    let capacity = code == READ_CAPACITY_10
        || (code == SERVICE_ACTION_IN_16 && c.cdb.service_action() == READ_CAPACITY_16);
    let usual = if capacity && p.has(Deviation::CAPACITY_CONFLICTS) { Access::Read } else { usual };
    match usual {
        Access::Read | Access::Write if p.has(Deviation::NO_DATA_PASSES) => {
            match (c.data_in.is_empty(), c.data_out.is_empty()) {
                (true, true) => Access::NoData,
                (false, _) => Access::Read,
                (true, false) => Access::Write,
            }
        }
        // Refused for its bits before registrations are looked at.
        Access::Reserve if p.has(Deviation::THIRD_PARTY) && refused_bits(c.cdb) => Access::Ask,
        other => other,
    }
}

/// What LIO refuses after attentions and reservations and before the command is looked at.
pub(super) fn refuses(unit: &LogicalUnit, c: &Arrived<'_>) -> Option<Answer> {
    let p = unit.reservations().personality();
    match c.cdb.opcode() {
        REQUEST_SENSE | super::REPORT_LUNS if p.has(Deviation::SPC2_STOPS_ALL) => {
            unit.reserved_by().filter(|h| *h != c.nexus).map(|_| Answer::Conflict)
        }
        super::PERSISTENT_RESERVE_OUT => {
            let action = OutAction::from_code(c.cdb.service_action()).ok();
            let action = action.filter(|a| *a != OutAction::ReplaceLostReservation);
            match unit.reservations().stops_out(c.nexus, action, c.data_out.len()) {
                Verdict::Admitted => None,
                Verdict::Conflict => Some(Answer::Conflict),
            }
        }
        RESERVE_6 | RESERVE_10 if p.has(Deviation::THIRD_PARTY) && refused_bits(c.cdb) => {
            Some(Answer::Check(Sense::new(SenseKey::ILLEGAL_REQUEST, 0x20, 0)))
        }
        _ => None,
    }
}

/// Whether a command names a scope that there is not, in LIO's eyes no field of the CDB.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum UndefinedScope {
    /// It does: once its key is verified, it is an invalid field of the list.
    Yes,
    /// It does not.
    No,
}

/// The CDB of a PERSISTENT RESERVE OUT, with LIO's order of checks.
pub(super) fn parse_out(p: Personality, c: &Arrived<'_>) -> Result<(PrOutCdb, UndefinedScope), RequestError> {
    let parsed = PrOutCdb::parse(c.cdb);
    if p.has(Deviation::LIST_FIRST) && parsed.is_err() {
        check_list(c)?;
    }
    let action = OutAction::from_code(c.cdb.service_action());
    if action == Ok(OutAction::ReplaceLostReservation) && p.has(Deviation::CAPABILITIES) {
        if p.has(Deviation::LIST_FIRST) {
            check_list(c)?;
        }
        return Err(RequestError::CdbField { what: "service action", byte: 1 });
    }
    let b = c.cdb.padded();
    let scope = b[2] >> 4 != 0;
    match (parsed, action) {
        (Err(_), Ok(action @ OutAction::Release)) if p.has(Deviation::RELEASE_UNCHECKED) => {
            let list_len = u32::from_be_bytes([b[5], b[6], b[7], b[8]]);
            Ok((PrOutCdb { action, kind: None, list_len }, UndefinedScope::No))
        }
        (Err(_), Ok(OutAction::Reserve | OutAction::Preempt | OutAction::PreemptAndAbort))
            if scope && p.has(Deviation::SCOPE_IN_LIST) =>
        {
            let mut without = *b;
            without[2] &= 0x0f;
            let cdb = Cdb::from_slice(&without[..10]).unwrap_or(*c.cdb);
            Ok((PrOutCdb::parse(&cdb)?, UndefinedScope::Yes))
        }
        (parsed, _) => parsed.map(|cdb| (cdb, UndefinedScope::No)),
    }
}

/// The length of the list, and SPEC_I_PT where it does not belong.
fn check_list(c: &Arrived<'_>) -> Result<(), RequestError> {
    let (have, need) = (c.data_out.len(), PR_OUT_BASIC_LEN);
    let with_ports = c.data_out.get(20).is_some_and(|flags| flags & 0x08 != 0);
    match have {
        _ if have < need => Err(RequestError::ListLength { have, need }),
        _ if with_ports => Err(RequestError::ListField { what: "SPEC_I_PT", byte: 20 }),
        _ if have != need => Err(RequestError::ListLength { have, need }),
        _ => Ok(()),
    }
}

/// How LIO ends a REGISTER with SPEC_I_PT before it looks at the TransportIDs.
pub(super) fn ends_ports(pr: &Reservations, c: &Arrived<'_>) -> Option<Answer> {
    let registers = OutAction::from_code(c.cdb.service_action()) == Ok(OutAction::Register);
    let basic = PrOutBasic::parse(c.data_out).ok().filter(|b| registers && b.spec_i_pt)?;
    if !pr.personality().has(Deviation::PORTS_LAST) {
        return None;
    }
    match pr.key_of(c.nexus) {
        key if basic.own != key.unwrap_or_default() => Some(Answer::Conflict),
        None if basic.target.is_zero() => Some(Answer::Good),
        // Without the whole of the length of its TransportIDs.
        None if c.data_out.len() < PORTS_HEADER_LEN && pr.personality().has(Deviation::PORTS_CUT) => {
            Some(Answer::INVALID_FIELD_IN_PARAMETER_LIST)
        }
        None => None,
        Some(_) => Some(Answer::INVALID_FIELD_IN_PARAMETER_LIST),
    }
}

/// What LIO finds wrong with a REGISTER AND MOVE before it looks at the reservation.
pub(super) fn refuses_move(pr: &Reservations, c: &mut Arrived<'_>) -> Option<Answer> {
    let moves = OutAction::from_code(c.cdb.service_action()) == Ok(OutAction::RegisterAndMove);
    if !moves || !pr.personality().has(Deviation::MOVE_LIST_FIRST) {
        return None;
    }
    let basic = PrOutBasic::parse(c.data_out).ok()?;
    let named = PrOut { action: OutAction::RegisterAndMove, kind: None, list: basic };
    if let Some(refused) = pr.refuses_key(c.nexus, &named) {
        return Some(refused);
    }
    let whole = PrOutCdb::parse(c.cdb).and_then(|cdb| cdb.with_list(c.data_out));
    let known = c.profile.nexuses().len();
    let to = match whole {
        Ok(PrOutRequest::Move(m)) if !m.new.is_zero() => {
            others::destination(c.profile, c.nexus, &m.to, m.relative_target_port).ok().flatten()
        }
        _ => None,
    };
    c.profile.forget_above(known);
    to.is_none().then_some(Answer::INVALID_FIELD_IN_PARAMETER_LIST)
}

/// LIO ends READ FULL STATUS before the first descriptor whose TransportID does not fit; it forgets that the
/// descriptor has a header, too.
pub(super) fn cut(registrations: &mut Vec<Registration>, allocation: usize) {
    const HEADER: usize = 24;
    let mut sent = 0;
    let fitting = registrations.iter().take_while(|r| {
        let id = r.transport_id.emit().len();
        let fits = sent + id <= allocation;
        sent += HEADER + id;
        fits
    });
    let n = fitting.count();
    registrations.truncate(n);
}

/// RESERVE and RELEASE, whatever stands in their other fields.
pub(super) fn spc2_verb(unit: &LogicalUnit, cdb: &Cdb) -> Option<Verb> {
    if !unit.reservations().personality().has(Deviation::THIRD_PARTY) {
        return None;
    }
    match cdb.opcode() {
        RESERVE_6 | RESERVE_10 => Some(Verb::Reserve),
        RELEASE_6 | RELEASE_10 => Some(Verb::Release),
        _ => None,
    }
}

fn refused_bits(cdb: &Cdb) -> bool {
    cdb.as_bytes()[1] & LONG_EXTENT == LONG_EXTENT
}
