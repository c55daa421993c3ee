//! Who a path says it is: INQUIRY, page 83h, over this very path.

use crate::codec::inquiry::{Inquiry, InquiryPage};
use crate::codec::pr::{Reread, Step};
use crate::codec::vpd::{DeviceIdentification, LuIdentity, PAGE_IDENTIFICATION};
use crate::device::classify::{Class, classify};
use crate::device::retry::{Effect, Verdict, judge};
use crate::device::{Data, Request, ScsiDevice};
use crate::time::Instant;

/// SCSI-2 targets look at the low byte of the length only.
const ALLOCATION: u16 = 252;

/// Why a path did not name its logical unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unnamed {
    /// It did not answer well.
    #[error("INQUIRY, page 83h, brought no answer ({0:?})")]
    NoAnswer(Class),
    /// Its answer does not decode.
    #[error("its page 83h makes no sense")]
    Malformed,
    /// Its answer names no logical unit.
    #[error("its page 83h names no logical unit, so nothing tells its paths from other disks")]
    NoName,
}

/// Asks, at most until `deadline`.
///
/// # Errors
/// [`Unnamed`]: then it must not be taken for a path of anything.
pub fn ask(device: &mut dyn ScsiDevice, deadline: Instant) -> Result<LuIdentity, Unnamed> {
    page(device, deadline)?.lu_identity().ok_or(Unnamed::NoName)
}

/// The relative target port identifier of the port a path goes through, where it says so.
#[must_use]
pub fn target_port(device: &mut dyn ScsiDevice, deadline: Instant) -> Option<u16> {
    page(device, deadline).ok()?.relative_target_port()
}

fn page(device: &mut dyn ScsiDevice, deadline: Instant) -> Result<DeviceIdentification, Unnamed> {
    let mut whole = Reread::vpd(ALLOCATION);
    let mut attentions = 0;
    let mut buf = vec![0; usize::from(u16::MAX)];
    loop {
        let allocation = whole.allocation();
        let cdb = Inquiry { page: InquiryPage::Vpd(PAGE_IDENTIFICATION), allocation }.cdb();
        let room = &mut buf[..usize::from(allocation)];
        let done = device.execute(Request { cdb, data: Data::In(room), deadline });
        let class = classify(&done);
        if class != Class::Good {
            match judge(&class, Effect::Reads, attentions) {
                Verdict::Again(pause) if pause.is_zero() => {
                    attentions += 1;
                    continue;
                }
                _ => return Err(Unnamed::NoAnswer(class)),
            }
        }
        let got = usize::from(allocation).saturating_sub(usize::try_from(done.residual).unwrap_or(0));
        let page = &buf[..got];
        match whole.judge(page).map_err(|_| Unnamed::Malformed)? {
            Step::Again => {}
            Step::Complete => {
                return DeviceIdentification::parse(page).map_err(|_| Unnamed::Malformed);
            }
        }
    }
}
