//! INQUIRY and its standard data (SPC-4 6.6). The vital product data pages are in [`super::vpd`].

use serde::Serialize;

use super::bytes::{array, u8_at};
use super::opcode::INQUIRY;
use super::request::open;
use super::text::Text;
use super::{Cdb, DecodeError, RequestError};

/// What an INQUIRY asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum InquiryPage {
    /// The standard data.
    Standard,
    /// A vital product data page.
    Vpd(u8),
}

/// INQUIRY (SPC-4 6.6.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Inquiry {
    /// What is asked for.
    pub page: InquiryPage,
    /// Room for the answer in bytes. SCSI-2 targets look at the low byte only: up to 255 is safe.
    pub allocation: u16,
}

impl Inquiry {
    /// The CDB.
    #[must_use]
    pub const fn cdb(self) -> Cdb {
        let (evpd, page) = match self.page {
            InquiryPage::Standard => (0, 0),
            InquiryPage::Vpd(page) => (1, page),
        };
        let [a0, a1] = self.allocation.to_be_bytes();
        Cdb::new([INQUIRY, evpd, page, a0, a1, 0])
    }

    /// Reads a CDB.
    ///
    /// # Errors
    /// [`RequestError`] for another command, a page code without EVPD, or the withdrawn CMDDT bit.
    pub fn parse(cdb: &Cdb) -> Result<Self, RequestError> {
        let b = open(cdb, INQUIRY, 6, "INQUIRY")?;
        let page = match (b[1] & 3, b[2]) {
            (0, 0) => InquiryPage::Standard,
            (0, _) => return Err(RequestError::CdbField { what: "page code without EVPD", byte: 2 }),
            (1, page) => InquiryPage::Vpd(page),
            _ => return Err(RequestError::CdbField { what: "CMDDT", byte: 1 }),
        };
        Ok(Self { page, allocation: u16::from_be_bytes([b[3], b[4]]) })
    }
}

/// Byte 0 of every INQUIRY answer: what sits at this logical unit number, if anything (SPC-4 6.6.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
pub struct Peripheral {
    /// 0: there; 1: could be there; 3: not possible.
    pub qualifier: u8,
    /// 0: direct access block device; 1Fh: unknown or none.
    pub device_type: u8,
}

impl Peripheral {
    /// A disk that is there.
    pub const DISK: Self = Self { qualifier: 0, device_type: 0 };
    /// No logical unit of this number.
    pub const NONE: Self = Self { qualifier: 3, device_type: 0x1f };

    pub(crate) const fn from_byte(b: u8) -> Self {
        Self { qualifier: b >> 5, device_type: b & 0x1f }
    }

    pub(crate) const fn to_byte(self) -> u8 {
        (self.qualifier << 5) | (self.device_type & 0x1f)
    }
}

/// Bytes of the standard data this project reads and writes: without version descriptors.
pub const STANDARD_INQUIRY_LEN: usize = 36;

/// The standard data (SPC-4 6.6.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
pub struct StandardInquiry {
    /// What is there.
    pub peripheral: Peripheral,
    /// RMB: the medium can be changed.
    pub removable: bool,
    /// The SPC level claimed: 3 SPC, 4 SPC-2, 5 SPC-3, 6 SPC-4, 7 SPC-5; 2 and less SCSI-2.
    pub version: u8,
    /// TPGS: 0 none, 1 implicit, 2 explicit, 3 both kinds of asymmetric access.
    pub target_port_groups: u8,
    /// MULTIP: several ports, so several nexuses a host are to be expected.
    pub multi_port: bool,
    /// CMDQUE: commands are queued.
    pub queueing: bool,
    /// PROTECT: blocks may carry protection information.
    pub protection: bool,
    /// T10 VENDOR IDENTIFICATION.
    pub vendor: Text<8>,
    /// PRODUCT IDENTIFICATION.
    pub product: Text<16>,
    /// PRODUCT REVISION LEVEL.
    pub revision: Text<4>,
}

impl StandardInquiry {
    const WHAT: &'static str = "standard INQUIRY data";

    /// Reads an answer.
    ///
    /// # Errors
    /// [`DecodeError`] for fewer than 36 bytes, given or claimed, and for the format of SCSI-1.
    pub fn parse(b: &[u8]) -> Result<Self, DecodeError> {
        let format = u8_at(b, 3, Self::WHAT)? & 0x0f;
        if format < 2 {
            return Err(DecodeError::Value {
                what: "INQUIRY response data format",
                value: u64::from(format),
            });
        }
        let claimed = 5 + usize::from(u8_at(b, 4, Self::WHAT)?);
        if claimed < STANDARD_INQUIRY_LEN {
            return Err(DecodeError::Length { what: Self::WHAT, claimed });
        }
        let revision = Text::from_bytes(array(b, 32, Self::WHAT)?);
        Ok(Self {
            peripheral: Peripheral::from_byte(u8_at(b, 0, Self::WHAT)?),
            removable: u8_at(b, 1, Self::WHAT)? & 0x80 != 0,
            version: u8_at(b, 2, Self::WHAT)?,
            target_port_groups: (u8_at(b, 5, Self::WHAT)? >> 4) & 3,
            protection: u8_at(b, 5, Self::WHAT)? & 1 != 0,
            multi_port: u8_at(b, 6, Self::WHAT)? & 0x10 != 0,
            queueing: u8_at(b, 7, Self::WHAT)? & 0x02 != 0,
            vendor: Text::from_bytes(array(b, 8, Self::WHAT)?),
            product: Text::from_bytes(array(b, 16, Self::WHAT)?),
            revision,
        })
    }

    /// Writes the answer (the emulator's side).
    #[must_use]
    pub fn emit(&self) -> [u8; STANDARD_INQUIRY_LEN] {
        let mut b = [0; STANDARD_INQUIRY_LEN];
        b[0] = self.peripheral.to_byte();
        b[1] = u8::from(self.removable) << 7;
        b[2] = self.version;
        // HISUP: LUNs are addressed as SAM-5 says.
        b[3] = 0x10 | 2;
        b[4] = 31;
        b[5] = ((self.target_port_groups & 3) << 4) | u8::from(self.protection);
        b[6] = u8::from(self.multi_port) << 4;
        b[7] = u8::from(self.queueing) << 1;
        b[8..16].copy_from_slice(self.vendor.as_bytes());
        b[16..32].copy_from_slice(self.product.as_bytes());
        b[32..36].copy_from_slice(self.revision.as_bytes());
        b
    }
}
