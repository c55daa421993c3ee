//! PERSISTENT RESERVE IN and OUT (SPC-4 6.15, 6.16).

use super::Cdb;

mod capabilities;
mod full_status;
mod keys;
mod out;
mod ports;
mod request;
mod reread;
mod reservation;
#[cfg(test)]
mod tests;
pub mod transport_id;
mod types;

pub use capabilities::{CAPABILITIES_LEN, Capabilities, TypeSet, report_capabilities_cdb};
pub use full_status::{
    FullStatus, FullStatusView, RegisteredPort, Registration, RegistrationView, read_full_status_cdb,
};
pub use keys::{KeysView, read_keys_cdb};
pub use out::{Abort, AllTargetPorts, Aptpl, PR_OUT_BASIC_LEN, PrOut, PrOutBasic, Preempt};
pub use ports::{RegisterAndMove, RegisterPorts, Unregister};
pub use request::{PrIn, PrOutCdb, PrOutRequest};
pub use reread::{MAX_READS, Reread, RereadError, Step};
pub use reservation::{Holder, READ_RESERVATION_LEN, ReadReservation, read_reservation_cdb};
pub use transport_id::{TransportId, TransportIdError};
pub use types::{Generation, InAction, OutAction, ReservationType, Scope};

/// PERSISTENT RESERVE IN.
pub const PERSISTENT_RESERVE_IN: u8 = 0x5e;
/// PERSISTENT RESERVE OUT.
pub const PERSISTENT_RESERVE_OUT: u8 = 0x5f;

/// PERSISTENT RESERVE IN with room for `allocation` bytes (SPC-4 6.15.1).
#[must_use]
pub const fn pr_in_cdb(action: InAction, allocation: u16) -> Cdb {
    let [a0, a1] = allocation.to_be_bytes();
    Cdb::new([PERSISTENT_RESERVE_IN, action as u8, 0, 0, 0, 0, 0, a0, a1, 0])
}

/// PERSISTENT RESERVE OUT with a parameter list of `list_len` bytes (SPC-4 6.16.2).
const fn pr_out_cdb(action: OutAction, kind: Option<ReservationType>, list_len: u32) -> Cdb {
    let [l0, l1, l2, l3] = list_len.to_be_bytes();
    // LU_SCOPE is 0, so the third byte is the type alone.
    let kind = match kind {
        Some(k) => k as u8,
        None => 0,
    };
    Cdb::new([PERSISTENT_RESERVE_OUT, action as u8, kind, 0, 0, l0, l1, l2, l3, 0])
}
