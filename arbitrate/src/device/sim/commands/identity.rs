//! Who the unit is: INQUIRY, REPORT LUNS; and who its nexuses are.

use super::{Arrived, Done};
use crate::codec::RequestError;
use crate::codec::Text;
use crate::codec::inquiry::{Inquiry, InquiryPage, Peripheral, StandardInquiry};
use crate::codec::vpd::{
    Association, BlockLimits, CodeSet, Designator, DesignatorId, DeviceIdentification, Naa,
    PAGE_BLOCK_LIMITS, PAGE_IDENTIFICATION, PAGE_SERIAL, PAGE_SUPPORTED, SupportedPages, UnitSerialNumber,
};
use crate::device::sim::personality::{Deviation, Personality};
use crate::device::sim::reply::DataIn;
use crate::device::sim::spec::TargetPort;

const VENDOR: &str = "PALISADE";

pub(super) fn inquiry(p: Personality, c: Arrived<'_>) -> Done {
    let asked = Inquiry::parse(c.cdb)?;
    let mut out = DataIn::new(c.data_in, usize::from(asked.allocation));
    let unknown = RequestError::CdbField { what: "VPD page code", byte: 2 };
    match asked.page {
        InquiryPage::Standard => out.put(&standard().emit()),
        InquiryPage::Vpd(page) => {
            let port = c.profile.name(c.nexus).map_or_else(TargetPort::default, |n| n.port);
            let body = match page {
                PAGE_SUPPORTED => supported().emit(),
                PAGE_SERIAL => serial(&c.profile.serial, p).emit(),
                PAGE_IDENTIFICATION => identification(&c.profile.serial, port).emit(),
                PAGE_BLOCK_LIMITS => BlockLimits {
                    peripheral: Peripheral::DISK,
                    max_compare_and_write_blocks: super::blocks::max_compare_blocks(p, c.profile.block_size),
                }
                .emit(),
                _ => return Err(unknown),
            };
            out.put(&body.map_err(|_| unknown)?);
        }
    }
    Ok(out.reply())
}

fn standard() -> StandardInquiry {
    StandardInquiry {
        peripheral: Peripheral::DISK,
        removable: false,
        // SPC-4.
        version: 6,
        target_port_groups: 0,
        multi_port: true,
        queueing: true,
        protection: false,
        vendor: Text::new(VENDOR),
        product: Text::new("EMBEDDED DISK"),
        revision: Text::new("1"),
    }
}

fn supported() -> SupportedPages {
    let pages = vec![PAGE_SUPPORTED, PAGE_SERIAL, PAGE_IDENTIFICATION, PAGE_BLOCK_LIMITS];
    SupportedPages { peripheral: Peripheral::DISK, pages }
}

fn serial(serial: &str, p: Personality) -> UnitSerialNumber {
    let mut serial = serial.as_bytes().to_vec();
    serial.extend(p.has(Deviation::SERIAL_NULL).then_some(0));
    UnitSerialNumber { peripheral: Peripheral::DISK, serial }
}

/// Over every port the same unit: an NAA name that says it is locally assigned, and the serial number in
/// full; then the port that answers.
fn identification(serial: &str, port: TargetPort) -> DeviceIdentification {
    let of_unit =
        |code_set, id| Designator { association: Association::LogicalUnit, code_set, protocol: None, id };
    let designators = vec![
        of_unit(CodeSet::Binary, DesignatorId::Naa(Naa::Local(local_naa(serial)))),
        of_unit(
            CodeSet::Ascii,
            DesignatorId::T10 { vendor: Text::new(VENDOR), specific: serial.as_bytes().to_vec() },
        ),
        Designator {
            association: Association::TargetPort,
            code_set: CodeSet::Binary,
            protocol: None,
            id: DesignatorId::RelativeTargetPort(port.get()),
        },
    ];
    DeviceIdentification { peripheral: Peripheral::DISK, designators }
}

/// NAA 3h and 60 bits that the serial number hashes to (SPC-4 7.8.6.6.4).
fn local_naa(serial: &str) -> [u8; 8] {
    const NAA: u64 = 3 << 60;
    (NAA | (crate::device::sim::file::fnv(serial.as_bytes()) >> 4)).to_be_bytes()
}

/// One unit, number 0 (SPC-4 6.33).
pub(super) fn report_luns(c: Arrived<'_>) -> Done {
    let b = c.cdb.as_bytes();
    let allocation = b.get(6..).and_then(|b| b.first_chunk()).map_or(0, |n| u32::from_be_bytes(*n));
    if b.len() != 12 {
        return Err(RequestError::CdbLength { name: "REPORT LUNS", have: b.len(), need: 12 });
    }
    let mut out = DataIn::new(c.data_in, usize::try_from(allocation).unwrap_or(usize::MAX));
    out.put(&[0, 0, 0, 8, 0, 0, 0, 0]);
    out.put(&[0; 8]);
    Ok(out.reply())
}
