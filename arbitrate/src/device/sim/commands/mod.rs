//! Bytes in, bytes out: a CDB is decoded, checked against what stands before it, and executed.
//!
//! Invariant: any CDB with any data gets an answer. Must never touch the blocks itself: what is to be
//! done with them is returned.

use super::access::Access;
use super::answer::Answer;
use super::nexus::NexusId;
use super::profile::Profile;
use super::reply::{DataIn, Reply};
use super::unit::LogicalUnit;
use crate::codec::Cdb;
use crate::codec::pr::{
    InAction, OutAction, PERSISTENT_RESERVE_IN, PERSISTENT_RESERVE_OUT, PR_OUT_BASIC_LEN, PrOut, PrOutBasic,
    ReservationType,
};

/// One command as it arrived.
struct Arrived<'a> {
    profile: &'a Profile,
    nexus: NexusId,
    cdb: &'a Cdb,
    data_out: &'a [u8],
    data_in: &'a mut [u8],
}

impl LogicalUnit {
    /// Executes one command. `data_in` is filled from its beginning; what [`Reply::medium`] says is left
    /// to the caller.
    pub fn execute(
        &mut self,
        profile: &Profile,
        nexus: NexusId,
        cdb: &Cdb,
        data_out: &[u8],
        data_in: &mut [u8],
    ) -> Reply {
        let c = Arrived { profile, nexus, cdb, data_out, data_in };
        match cdb.opcode() {
            0x00 => self.ask(&c),
            PERSISTENT_RESERVE_IN => self.reservation_in(c),
            PERSISTENT_RESERVE_OUT => self.reservation_out(&c),
            0x16 => Reply::ended(self.reserve(nexus)),
            0x17 => Reply::ended(self.release(nexus)),
            _ => Reply::ended(Answer::INVALID_OPCODE),
        }
    }

    fn ask(&mut self, c: &Arrived<'_>) -> Reply {
        match self.begin(c.nexus, Access::Ask) {
            Ok(()) => Reply::ended(Answer::Good),
            Err(a) => Reply::ended(a),
        }
    }

    fn reservation_in(&mut self, c: Arrived<'_>) -> Reply {
        if let Err(a) = self.begin(c.nexus, Access::ReservationIn) {
            return Reply::ended(a);
        }
        let Ok(action) = InAction::from_code(c.cdb.service_action()) else {
            return Reply::ended(Answer::INVALID_FIELD_IN_CDB);
        };
        let b = c.cdb.as_bytes();
        let allocation = usize::from(u16::from_be_bytes([b[7], b[8]]));
        let mut out = DataIn::new(c.data_in, allocation);
        let pr = self.reservations();
        match action {
            InAction::ReadKeys => {
                out.put(&pr.generation().0.to_be_bytes());
                out.put(&u32::try_from(8 * pr.keys().len()).unwrap_or(u32::MAX).to_be_bytes());
                pr.keys().for_each(|k| out.put(&k.as_u64().to_be_bytes()));
            }
            InAction::ReadReservation => out.put(&pr.read_reservation().emit()),
            _ => return Reply::ended(Answer::INVALID_FIELD_IN_CDB),
        }
        out.reply()
    }

    fn reservation_out(&mut self, c: &Arrived<'_>) -> Reply {
        let Ok(action) = OutAction::from_code(c.cdb.service_action()) else {
            return Reply::ended(Answer::INVALID_FIELD_IN_CDB);
        };
        let kind = ReservationType::from_code(c.cdb.as_bytes()[2]).ok();
        let Ok(list) = PrOutBasic::parse(c.data_out) else {
            return Reply::ended(Answer::PARAMETER_LIST_LENGTH);
        };
        let answer = self.pr_out(c.nexus, &PrOut { action, kind, list });
        Reply { answer, ..Reply::moved(PR_OUT_BASIC_LEN) }
    }
}
