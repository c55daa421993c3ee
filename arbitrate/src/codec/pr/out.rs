//! PERSISTENT RESERVE OUT (SPC-4 6.16): CDB and the basic 24-byte parameter list.
//!
//! A PREEMPT takes two keys: they are named fields here, so that nobody swaps them.

use super::types::{OutAction, ReservationType};
use crate::codec::bytes::{be64, u8_at};
use crate::codec::{Cdb, DecodeError};
use crate::key::Key;

/// Bytes of the basic parameter list (SPC-4 6.16.3).
pub const PR_OUT_BASIC_LEN: usize = 24;

/// Activate Persist Through Power Loss.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Aptpl {
    /// Registrations and reservation survive power loss.
    Yes,
    /// They do not.
    No,
}

/// ALL_TG_PT: register for this initiator on every target port.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AllTargetPorts {
    /// On every target port.
    Yes,
    /// On the port the command came by.
    No,
}

/// One PERSISTENT RESERVE OUT with the basic parameter list, ready to send: no allocation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PrOut {
    /// What to do.
    pub action: OutAction,
    /// Scope and type matter to RESERVE, RELEASE, PREEMPT, PREEMPT AND ABORT and REPLACE LOST only.
    pub kind: Option<ReservationType>,
    /// The parameter list.
    pub list: PrOutBasic,
}

/// The basic parameter list (SPC-4 6.16.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PrOutBasic {
    /// RESERVATION KEY: the key this nexus is registered with; 0 if it is not.
    pub own: Key,
    /// SERVICE ACTION RESERVATION KEY: the key to register, or the key to preempt.
    pub target: Key,
    /// APTPL, for the REGISTER actions.
    pub aptpl: Aptpl,
    /// ALL_TG_PT, for the REGISTER actions.
    pub all_target_ports: AllTargetPorts,
    /// SPEC_I_PT: TransportIDs follow the list.
    pub spec_i_pt: bool,
}

/// Whether the commands of the preempted are aborted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Abort {
    /// PREEMPT AND ABORT.
    Yes,
    /// PREEMPT.
    No,
}

/// What a PREEMPT says. Two keys of one type: named, never positional.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Preempt {
    /// The key this nexus is registered with.
    pub own: Key,
    /// The key whose registrations go.
    pub victim: Key,
    /// Type of the reservation that results, if the victim held one.
    pub kind: ReservationType,
    /// Whether the victim's commands are aborted.
    pub abort: Abort,
}

impl PrOut {
    fn basic(action: OutAction, kind: Option<ReservationType>, own: Key, target: Key) -> Self {
        let list = PrOutBasic {
            own,
            target,
            aptpl: Aptpl::No,
            all_target_ports: AllTargetPorts::No,
            spec_i_pt: false,
        };
        Self { action, kind, list }
    }

    /// REGISTER: `new` in place of `existing` on this nexus; `existing` 0 for none, `new` 0 to
    /// unregister (SPC-4 5.12.7).
    #[must_use]
    pub fn register(existing: Key, new: Key, aptpl: Aptpl) -> Self {
        let mut p = Self::basic(OutAction::Register, None, existing, new);
        p.list.aptpl = aptpl;
        p
    }

    /// REGISTER AND IGNORE EXISTING KEY: `new` on this nexus, whatever stood there; 0 to unregister.
    #[must_use]
    pub fn register_and_ignore(new: Key, aptpl: Aptpl) -> Self {
        let action = OutAction::RegisterAndIgnoreExistingKey;
        Self { action, ..Self::register(Key::default(), new, aptpl) }
    }

    /// This REGISTER on every target port (ALL_TG_PT). Where REPORT CAPABILITIES does not offer it, the
    /// target refuses.
    #[must_use]
    pub fn for_all_target_ports(mut self) -> Self {
        self.list.all_target_ports = AllTargetPorts::Yes;
        self
    }

    /// CLEAR: removes the reservation and every registration, one's own and all others'.
    #[must_use]
    pub fn clear(own: Key) -> Self {
        Self::basic(OutAction::Clear, None, own, Key::default())
    }

    /// REPLACE LOST RESERVATION: registers this nexus with `new` and reserves, on a target that says it
    /// lost its reservations (SPC-4 5.12.11.5).
    #[must_use]
    pub fn replace_lost(new: Key, kind: ReservationType) -> Self {
        Self::basic(OutAction::ReplaceLostReservation, Some(kind), Key::default(), new)
    }

    /// RESERVE.
    #[must_use]
    pub fn reserve(own: Key, kind: ReservationType) -> Self {
        Self::basic(OutAction::Reserve, Some(kind), own, Key::default())
    }

    /// RELEASE.
    #[must_use]
    pub fn release(own: Key, kind: ReservationType) -> Self {
        Self::basic(OutAction::Release, Some(kind), own, Key::default())
    }

    /// PREEMPT or PREEMPT AND ABORT (SPC-4 5.12.11.2).
    #[must_use]
    pub fn preempt(p: Preempt) -> Self {
        let action = match p.abort {
            Abort::Yes => OutAction::PreemptAndAbort,
            Abort::No => OutAction::Preempt,
        };
        Self::basic(action, Some(p.kind), p.own, p.victim)
    }

    /// The CDB for a parameter list of `list_len` bytes.
    #[must_use]
    pub const fn cdb(&self, list_len: u32) -> Cdb {
        super::pr_out_cdb(self.action, self.kind, list_len)
    }

    /// The CDB for the basic list.
    #[must_use]
    pub const fn basic_cdb(&self) -> Cdb {
        self.cdb(24)
    }
}

impl PrOutBasic {
    /// The 24 bytes.
    #[must_use]
    pub fn emit(&self) -> [u8; PR_OUT_BASIC_LEN] {
        let mut b = [0; PR_OUT_BASIC_LEN];
        b[..8].copy_from_slice(&self.own.as_u64().to_be_bytes());
        b[8..16].copy_from_slice(&self.target.as_u64().to_be_bytes());
        b[20] = (u8::from(self.spec_i_pt) << 3)
            | (u8::from(self.all_target_ports == AllTargetPorts::Yes) << 2)
            | u8::from(self.aptpl == Aptpl::Yes);
        b
    }

    /// Reads the first 24 bytes of a parameter list.
    ///
    /// # Errors
    /// [`DecodeError::Short`] for fewer.
    pub fn parse(b: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "PERSISTENT RESERVE OUT parameter list";
        let flags = u8_at(b, 20, WHAT)?;
        u8_at(b, PR_OUT_BASIC_LEN - 1, WHAT)?;
        Ok(Self {
            own: Key::from_u64(be64(b, 0, WHAT)?),
            target: Key::from_u64(be64(b, 8, WHAT)?),
            aptpl: if flags & 1 != 0 { Aptpl::Yes } else { Aptpl::No },
            all_target_ports: if flags & 4 != 0 { AllTargetPorts::Yes } else { AllTargetPorts::No },
            spec_i_pt: flags & 8 != 0,
        })
    }
}
