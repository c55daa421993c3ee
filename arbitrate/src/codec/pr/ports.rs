//! PERSISTENT RESERVE OUT for other initiator ports: REGISTER with SPEC_I_PT (SPC-4 6.16.3) and
//! REGISTER AND MOVE (SPC-4 6.16.4).
//!
//! Their parameter lists carry TransportIDs and so have no fixed length.

use super::out::{Aptpl, PR_OUT_BASIC_LEN, PrOut, PrOutBasic};
use super::transport_id::TransportId;
use super::types::OutAction;
use crate::codec::bytes::{be16, be32, be64, u8_at};
use crate::codec::{Cdb, DecodeError, RequestError};
use crate::key::Key;

/// REGISTER for this nexus and for other initiator ports.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RegisterPorts {
    /// RESERVATION KEY: the key this nexus is registered with; 0 if it is not.
    pub own: Key,
    /// The key to register, for all of them.
    pub new: Key,
    /// Whether registrations survive power loss.
    pub aptpl: Aptpl,
    /// Whether they are made on every target port.
    pub all_target_ports: super::AllTargetPorts,
    /// The other initiator ports.
    pub ports: Vec<TransportId>,
}

/// Whether REGISTER AND MOVE ends the registration of the nexus that sends it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Unregister {
    /// UNREG 1.
    Yes,
    /// UNREG 0.
    No,
}

/// REGISTER AND MOVE: the holder registers another nexus and hands its reservation to it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RegisterAndMove {
    /// RESERVATION KEY: the key this nexus is registered with.
    pub own: Key,
    /// The key the other nexus gets; 0 is refused by every target.
    pub new: Key,
    /// Whether registrations survive power loss.
    pub aptpl: Aptpl,
    /// Whether this nexus keeps its registration.
    pub unregister: Unregister,
    /// RELATIVE TARGET PORT IDENTIFIER of the other nexus.
    pub relative_target_port: u16,
    /// Its initiator port.
    pub to: TransportId,
}

const LIST: &str = "TransportID list";
/// The basic list and TRANSPORTID PARAMETER DATA LENGTH.
const PORTS_HEADER_LEN: usize = PR_OUT_BASIC_LEN + 4;
const MOVE_HEADER_LEN: usize = 24;

impl RegisterPorts {
    /// The parameter list.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let ids: Vec<u8> = self.ports.iter().flat_map(TransportId::emit).collect();
        let mut b = self.basic().list.emit().to_vec();
        b.extend_from_slice(&list_len(&ids).to_be_bytes());
        b.extend_from_slice(&ids);
        b
    }

    /// The CDB for the list of [`RegisterPorts::emit`].
    #[must_use]
    pub fn cdb(&self) -> Cdb {
        self.basic().cdb(list_len(&self.emit()))
    }

    fn basic(&self) -> PrOut {
        let mut out = PrOut::register(self.own, self.new, self.aptpl);
        out.list.all_target_ports = self.all_target_ports;
        out.list.spec_i_pt = true;
        out
    }

    /// Reads a whole parameter list.
    ///
    /// # Errors
    /// [`RequestError`], as a target would answer.
    pub(super) fn parse(b: &[u8], basic: PrOutBasic) -> Result<Self, RequestError> {
        let field = |byte| RequestError::ListField { what: LIST, byte };
        if b.len() < PORTS_HEADER_LEN {
            return Err(RequestError::ListLength { have: b.len(), need: PORTS_HEADER_LEN });
        }
        let mut at = PORTS_HEADER_LEN;
        // Both lengths say the same thing: neither alone is believed.
        if claimed(b, PR_OUT_BASIC_LEN).map_err(|_| field(PR_OUT_BASIC_LEN))? != b.len() - at {
            return Err(field(PR_OUT_BASIC_LEN));
        }
        let mut ports = Vec::new();
        while let Some(rest) = b.get(at..).filter(|rest| !rest.is_empty()) {
            let (id, used) = TransportId::parse(rest).map_err(|_| field(at))?;
            ports.push(id);
            at += used;
        }
        let PrOutBasic { own, target: new, aptpl, all_target_ports, .. } = basic;
        Ok(Self { own, new, aptpl, all_target_ports, ports })
    }
}

impl RegisterAndMove {
    /// The parameter list.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let id = self.to.emit();
        let mut b = vec![0; MOVE_HEADER_LEN];
        b[..8].copy_from_slice(&self.own.as_u64().to_be_bytes());
        b[8..16].copy_from_slice(&self.new.as_u64().to_be_bytes());
        b[17] = (u8::from(self.unregister == Unregister::Yes) << 1) | u8::from(self.aptpl == Aptpl::Yes);
        b[18..20].copy_from_slice(&self.relative_target_port.to_be_bytes());
        b[20..].copy_from_slice(&list_len(&id).to_be_bytes());
        b.extend_from_slice(&id);
        b
    }

    /// The CDB for the list of [`RegisterAndMove::emit`].
    #[must_use]
    pub fn cdb(&self) -> Cdb {
        super::pr_out_cdb(OutAction::RegisterAndMove, None, list_len(&self.emit()))
    }

    /// Reads a whole parameter list.
    ///
    /// # Errors
    /// [`RequestError`], as a target would answer.
    pub(super) fn parse(b: &[u8]) -> Result<Self, RequestError> {
        let too_short = |_: DecodeError| RequestError::ListLength { have: b.len(), need: MOVE_HEADER_LEN };
        let id_len = claimed(b, 20).map_err(too_short)?;
        let id = b.get(MOVE_HEADER_LEN..).unwrap_or_default();
        if id_len != id.len() {
            return Err(RequestError::ListField { what: LIST, byte: 20 });
        }
        let flags = u8_at(b, 17, LIST).map_err(too_short)?;
        Ok(Self {
            own: Key::from_u64(be64(b, 0, LIST).map_err(too_short)?),
            new: Key::from_u64(be64(b, 8, LIST).map_err(too_short)?),
            aptpl: if flags & 1 != 0 { Aptpl::Yes } else { Aptpl::No },
            unregister: if flags & 2 != 0 { Unregister::Yes } else { Unregister::No },
            relative_target_port: be16(b, 18, LIST).map_err(too_short)?,
            to: TransportId::parse_all(id)
                .map_err(|_| RequestError::ListField { what: LIST, byte: MOVE_HEADER_LEN })?,
        })
    }
}

/// TRANSPORTID PARAMETER DATA LENGTH.
fn claimed(b: &[u8], at: usize) -> Result<usize, DecodeError> {
    be32(b, at, LIST).map(|n| usize::try_from(n).unwrap_or(usize::MAX))
}

/// A list beyond 4 GiB cannot arise; no target would take what this then says.
fn list_len(b: &[u8]) -> u32 {
    u32::try_from(b.len()).unwrap_or(u32::MAX)
}
