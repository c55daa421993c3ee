//! Who a device says it is, and what its reservations offer.
//!
//! The identity names the records of this node: it must be the same over every path and after every
//! reboot, so a device that cannot say who it is is refused.

use std::time::Duration;

use crate::codec::Cdb;
use crate::codec::block::{CAPACITY_16_LEN, Capacity16, ReadCapacity};
use crate::codec::inquiry::{Inquiry, InquiryPage, STANDARD_INQUIRY_LEN, StandardInquiry};
use crate::codec::pr::{
    CAPABILITIES_LEN, Capabilities, FullStatus, Reread, read_full_status_cdb, report_capabilities_cdb,
};
use crate::codec::vpd::{DeviceIdentification, PAGE_IDENTIFICATION};
use crate::device::classify::Class;
use crate::key::Key;
use crate::runtime::executor::{Executor, Unread};
use crate::runtime::pacer::Pacer;

/// Room for the standard data, without version descriptors.
const INQUIRY_ALLOCATION: u16 = 36;
const _: () = assert!(INQUIRY_ALLOCATION as usize == STANDARD_INQUIRY_LEN);
/// Room for a VPD page: SCSI-2 targets look at the low byte of the length only.
const PAGE_ALLOCATION: u16 = 252;
/// Room for the first READ FULL STATUS.
const STATUS_ALLOCATION: u16 = 8192;

/// Who a device says it is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The best name of the logical unit (VPD 83h).
    pub name: String,
    /// Vendor and product, for people.
    pub product: String,
    /// The standard INQUIRY data.
    pub inquiry: StandardInquiry,
    /// Every designator.
    pub designators: DeviceIdentification,
}

/// Why a device could not be identified.
#[derive(Debug, Clone, Copy)]
pub struct NotIdentified {
    /// The command that brought nothing.
    pub command: &'static str,
    /// What it brought instead.
    pub class: Class,
}

/// Asks the device who it is: INQUIRY, and its page 83h.
///
/// # Errors
/// [`NotIdentified`] where it does not answer, answers nonsense, or names no logical unit.
pub fn identify(
    on: &mut Executor<'_>,
    timeout: Duration,
    pacer: &mut dyn Pacer,
) -> Result<Identity, NotIdentified> {
    let standard = Inquiry { page: InquiryPage::Standard, allocation: INQUIRY_ALLOCATION };
    let deadline = pacer.now() + timeout;
    let (ended, data) = on.read(standard.cdb(), usize::from(INQUIRY_ALLOCATION), deadline, pacer);
    let inquiry = match (ended.class, StandardInquiry::parse(data)) {
        (Class::Good, Ok(inquiry)) => inquiry,
        (Class::Good, Err(_)) => return Err(NotIdentified { command: "INQUIRY", class: Class::Malformed }),
        (class, _) => return Err(NotIdentified { command: "INQUIRY", class }),
    };
    const WHAT: &str = "INQUIRY, page 83h";
    let deadline = pacer.now() + timeout;
    let page = on
        .read_whole(identification_cdb, Reread::vpd(PAGE_ALLOCATION), deadline, pacer)
        .map_err(|e| NotIdentified { command: WHAT, class: e.class() })?;
    let designators = DeviceIdentification::parse(page)
        .map_err(|_| NotIdentified { command: WHAT, class: Class::Malformed })?;
    let name = designators
        .lu_identity()
        .ok_or(NotIdentified {
            command: "INQUIRY, page 83h: it names no logical unit",
            class: Class::Malformed,
        })?
        .to_string();
    let product = format!("{} {}", inquiry.vendor, inquiry.product);
    Ok(Identity { name, product, inquiry, designators })
}

const fn identification_cdb(allocation: u16) -> Cdb {
    Inquiry { page: InquiryPage::Vpd(PAGE_IDENTIFICATION), allocation }.cdb()
}

fn capabilities_cdb(_: u16) -> Cdb {
    report_capabilities_cdb()
}

/// What a target's reservations offer, as far as it says so.
///
/// # Errors
/// What came instead; [`Class::Malformed`] for an answer that does not decode.
pub fn capabilities(
    on: &mut Executor<'_>,
    timeout: Duration,
    pacer: &mut dyn Pacer,
) -> Result<Capabilities, Class> {
    let deadline = pacer.now() + timeout;
    let reread = Reread::capabilities(CAPABILITIES_LEN);
    let data = on.read_whole(capabilities_cdb, reread, deadline, pacer).map_err(Unread::class)?;
    Capabilities::parse(data).map_err(|_| Class::Malformed)
}

/// How large it is (READ CAPACITY(16)).
///
/// # Errors
/// What came instead; [`Class::Malformed`] for an answer that does not decode.
pub fn capacity(
    on: &mut Executor<'_>,
    timeout: Duration,
    pacer: &mut dyn Pacer,
) -> Result<Capacity16, Class> {
    let allocation = u32::try_from(CAPACITY_16_LEN).unwrap_or(u32::MAX);
    let deadline = pacer.now() + timeout;
    let cdb = ReadCapacity::Sixteen { allocation }.cdb();
    let (ended, data) = on.read(cdb, CAPACITY_16_LEN, deadline, pacer);
    match ended.class {
        Class::Good => Capacity16::parse(data).map_err(|_| Class::Malformed),
        class => Err(class),
    }
}

/// Every registration with its nexus.
///
/// # Errors
/// What came instead; [`Class::Malformed`] for an answer that does not decode or never fits.
pub fn full_status(
    on: &mut Executor<'_>,
    timeout: Duration,
    pacer: &mut dyn Pacer,
) -> Result<FullStatus, Class> {
    let deadline = pacer.now() + timeout;
    let reread = Reread::full_status(STATUS_ALLOCATION);
    let data = on.read_whole(read_full_status_cdb, reread, deadline, pacer).map_err(Unread::class)?;
    FullStatus::parse(data).map_err(|_| Class::Malformed)
}

/// What a challenge has to know of a device's reservations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Whether registrations can persist through power loss.
    pub persists: bool,
    /// The key registered under this nexus's own TransportID, where both are told.
    pub nexus_key: Option<Key>,
}

/// Asks what a challenge has to know. Where the target does not tell TransportIDs, ghosts are known by
/// this host's own records alone.
///
/// # Errors
/// The class of a REPORT CAPABILITIES that was not answered. It must not pass for "no persistence": the
/// last REGISTER decides for every registrant (SPC-4 6.16.3), and one that asks for none takes it from all.
pub fn reservations(on: &mut Executor<'_>, timeout: Duration, pacer: &mut dyn Pacer) -> Result<Known, Class> {
    let persists = match capabilities(on, timeout, pacer) {
        Ok(c) => c.aptpl_capable,
        // It knows no such command; or an SPC-2 reservation bars everything, which the survey refuses.
        Err(Class::Illegal(_) | Class::Conflict) => false,
        Err(other) => return Err(other),
    };
    let own = on.device().own_transport_id();
    let nexus_key = own.and_then(|own| {
        let status = full_status(on, timeout, pacer).ok()?;
        status.registrations.iter().find(|d| d.transport_id.emit() == own).map(|d| d.key)
    });
    Ok(Known { persists, nexus_key })
}
