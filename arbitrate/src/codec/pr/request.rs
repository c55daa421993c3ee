//! PERSISTENT RESERVE IN and OUT as a target reads them (SPC-4 6.15.1, 6.16.2).
//!
//! Where the standard leaves a target room, this reads as LIO does, so that the emulator stays equal
//! to it: SPEC_I_PT with anything but REGISTER is refused, and lengths of TransportIDs that disagree
//! are an invalid field of the list.

use super::out::{PR_OUT_BASIC_LEN, PrOut, PrOutBasic};
use super::ports::{RegisterAndMove, RegisterPorts};
use super::types::{InAction, OutAction, ReservationType, Scope};
use super::{PERSISTENT_RESERVE_IN, PERSISTENT_RESERVE_OUT, pr_in_cdb, pr_out_cdb};
use crate::codec::request::open;
use crate::codec::{Cdb, RequestError};

/// PERSISTENT RESERVE IN.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PrIn {
    /// What is asked for.
    pub action: InAction,
    /// Room for the answer in bytes.
    pub allocation: u16,
}

/// The CDB of a PERSISTENT RESERVE OUT; its parameter list is still to come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PrOutCdb {
    /// What to do.
    pub action: OutAction,
    /// The type, for the actions that look at it (see [`OutAction::takes_type`]).
    pub kind: Option<ReservationType>,
    /// PARAMETER LIST LENGTH in bytes.
    pub list_len: u32,
}

/// A whole PERSISTENT RESERVE OUT.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum PrOutRequest {
    /// With the basic parameter list.
    Basic(PrOut),
    /// REGISTER with SPEC_I_PT.
    RegisterPorts(RegisterPorts),
    /// REGISTER AND MOVE.
    Move(RegisterAndMove),
}

impl PrIn {
    /// The CDB.
    #[must_use]
    pub const fn cdb(self) -> Cdb {
        pr_in_cdb(self.action, self.allocation)
    }

    /// Reads a CDB.
    ///
    /// # Errors
    /// [`RequestError`] for another command or an undefined service action.
    pub fn parse(cdb: &Cdb) -> Result<Self, RequestError> {
        let b = open(cdb, PERSISTENT_RESERVE_IN, 10, "PERSISTENT RESERVE IN")?;
        let action = InAction::from_code(cdb.service_action())
            .map_err(|_| RequestError::CdbField { what: "service action", byte: 1 })?;
        Ok(Self { action, allocation: u16::from_be_bytes([b[7], b[8]]) })
    }
}

impl PrOutCdb {
    /// The CDB.
    #[must_use]
    pub const fn cdb(self) -> Cdb {
        pr_out_cdb(self.action, self.kind, self.list_len)
    }

    /// Reads a CDB.
    ///
    /// # Errors
    /// [`RequestError`] for another command, an undefined service action, or a scope or type that is
    /// undefined where the action looks at it.
    pub fn parse(cdb: &Cdb) -> Result<Self, RequestError> {
        let b = open(cdb, PERSISTENT_RESERVE_OUT, 10, "PERSISTENT RESERVE OUT")?;
        let action = OutAction::from_code(cdb.service_action())
            .map_err(|_| RequestError::CdbField { what: "service action", byte: 1 })?;
        let kind = if action.takes_type() {
            if b[2] >> 4 != Scope::LogicalUnit as u8 {
                return Err(RequestError::CdbField { what: "reservation scope", byte: 2 });
            }
            let kind = ReservationType::from_code(b[2] & 0x0f)
                .map_err(|_| RequestError::CdbField { what: "reservation type", byte: 2 })?;
            Some(kind)
        } else {
            None
        };
        Ok(Self { action, kind, list_len: u32::from_be_bytes([b[5], b[6], b[7], b[8]]) })
    }

    /// Reads the parameter list that came with it; bytes behind PARAMETER LIST LENGTH are not looked at.
    ///
    /// # Errors
    /// [`RequestError`] for a list of a length its action does not have, or shorter than announced, and
    /// for fields that contradict each other.
    pub fn with_list(self, data: &[u8]) -> Result<PrOutRequest, RequestError> {
        let need = usize::try_from(self.list_len).unwrap_or(usize::MAX);
        let list = data.get(..need).ok_or(RequestError::ListLength { have: data.len(), need })?;
        if self.action == OutAction::RegisterAndMove {
            return RegisterAndMove::parse(list).map(PrOutRequest::Move);
        }
        let wrong_len = RequestError::ListLength { have: list.len(), need: PR_OUT_BASIC_LEN };
        let basic = PrOutBasic::parse(list).map_err(|_| wrong_len)?;
        match (basic.spec_i_pt, self.action) {
            (true, OutAction::Register) => RegisterPorts::parse(list, basic).map(PrOutRequest::RegisterPorts),
            (true, _) => Err(RequestError::ListField { what: "SPEC_I_PT", byte: 20 }),
            (false, _) if list.len() != PR_OUT_BASIC_LEN => Err(wrong_len),
            (false, _) => {
                Ok(PrOutRequest::Basic(PrOut { action: self.action, kind: self.kind, list: basic }))
            }
        }
    }
}

impl PrOutRequest {
    /// Reads CDB and parameter list.
    ///
    /// # Errors
    /// As [`PrOutCdb::parse`] and [`PrOutCdb::with_list`].
    pub fn parse(cdb: &Cdb, data: &[u8]) -> Result<Self, RequestError> {
        PrOutCdb::parse(cdb)?.with_list(data)
    }

    /// The CDB.
    #[must_use]
    pub fn cdb(&self) -> Cdb {
        match self {
            Self::Basic(p) => p.basic_cdb(),
            Self::RegisterPorts(r) => r.cdb(),
            Self::Move(m) => m.cdb(),
        }
    }

    /// The parameter list.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        match self {
            Self::Basic(p) => p.list.emit().to_vec(),
            Self::RegisterPorts(r) => r.emit(),
            Self::Move(m) => m.emit(),
        }
    }
}
