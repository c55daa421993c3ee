//! Vital product data: pages 00h, 80h, 83h and B0h (SPC-4 7.8).
//!
//! A page that was cut is refused, with the length it needs: a designator that was merely not
//! transferred must never look like one the device does not have.

use std::fmt;

use serde::{Serialize, Serializer};

use super::DecodeError;
use super::bytes::{be16, u8_at};
use super::inquiry::Peripheral;
use super::text::write_text;

mod block_limits;
mod designator;
mod identity;

pub use block_limits::{BlockLimits, PAGE_BLOCK_LIMITS};
pub use designator::{Association, CodeSet, Designator, DesignatorId, Eui64, Naa};
pub use identity::LuIdentity;

/// Supported VPD Pages.
pub const PAGE_SUPPORTED: u8 = 0x00;
/// Unit Serial Number.
pub const PAGE_SERIAL: u8 = 0x80;
/// Device Identification.
pub const PAGE_IDENTIFICATION: u8 = 0x83;

/// Page 00h: which pages there are.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SupportedPages {
    /// What is there.
    pub peripheral: Peripheral,
    /// Page codes, in the device's order.
    pub pages: Vec<u8>,
}

/// Page 80h: the serial number of the logical unit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnitSerialNumber {
    /// What is there.
    pub peripheral: Peripheral,
    /// The field as sent; prints without its padding.
    pub serial: Vec<u8>,
}

/// Page 83h: what the logical unit, the port and the device are called (SPC-4 7.8.6).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DeviceIdentification {
    /// What is there.
    pub peripheral: Peripheral,
    /// All designators, in the device's order.
    pub designators: Vec<Designator>,
}

impl SupportedPages {
    /// Reads an answer.
    ///
    /// # Errors
    /// [`DecodeError`] for another page or a cut one.
    pub fn parse(b: &[u8]) -> Result<Self, DecodeError> {
        let (peripheral, body) = open_page(b, PAGE_SUPPORTED, "VPD page 00h")?;
        Ok(Self { peripheral, pages: body.to_vec() })
    }

    /// Writes the answer (the emulator's side).
    ///
    /// # Errors
    /// [`DecodeError::Length`] for a page beyond 65,535 bytes.
    pub fn emit(&self) -> Result<Vec<u8>, DecodeError> {
        emit_page(self.peripheral, PAGE_SUPPORTED, &self.pages, "VPD page 00h")
    }

    /// Whether `page` is there.
    #[must_use]
    pub fn has(&self, page: u8) -> bool {
        self.pages.contains(&page)
    }
}

impl UnitSerialNumber {
    /// Reads an answer.
    ///
    /// # Errors
    /// [`DecodeError`] for another page or a cut one.
    pub fn parse(b: &[u8]) -> Result<Self, DecodeError> {
        let (peripheral, body) = open_page(b, PAGE_SERIAL, "VPD page 80h")?;
        Ok(Self { peripheral, serial: body.to_vec() })
    }

    /// Writes the answer (the emulator's side).
    ///
    /// # Errors
    /// [`DecodeError::Length`] for a page beyond 65,535 bytes.
    pub fn emit(&self) -> Result<Vec<u8>, DecodeError> {
        emit_page(self.peripheral, PAGE_SERIAL, &self.serial, "VPD page 80h")
    }
}

impl fmt::Display for UnitSerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_text(&self.serial, f)
    }
}

impl Serialize for UnitSerialNumber {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl DeviceIdentification {
    const WHAT: &'static str = "VPD page 83h";

    /// Reads an answer.
    ///
    /// # Errors
    /// [`DecodeError`] for another page, a cut one, or a designator that does not fit in its page.
    pub fn parse(b: &[u8]) -> Result<Self, DecodeError> {
        let (peripheral, mut rest) = open_page(b, PAGE_IDENTIFICATION, Self::WHAT)?;
        let mut designators = Vec::new();
        while !rest.is_empty() {
            let (designator, used) = Designator::parse(rest)?;
            designators.push(designator);
            rest = rest.get(used..).unwrap_or_default();
        }
        Ok(Self { peripheral, designators })
    }

    /// Writes the answer (the emulator's side).
    ///
    /// # Errors
    /// [`DecodeError::Length`] for a designator beyond 255 or a page beyond 65,535 bytes.
    pub fn emit(&self) -> Result<Vec<u8>, DecodeError> {
        let mut body = Vec::new();
        for d in &self.designators {
            d.emit(&mut body)?;
        }
        emit_page(self.peripheral, PAGE_IDENTIFICATION, &body, Self::WHAT)
    }

    /// The best name of the logical unit: NAA 6, other NAA, EUI-64, SCSI name string, UUID, T10, in
    /// this order; the same over every path to it.
    #[must_use]
    pub fn lu_identity(&self) -> Option<LuIdentity> {
        LuIdentity::best(&self.designators)
    }

    /// The number of the target port the answer came by.
    #[must_use]
    pub fn relative_target_port(&self) -> Option<u16> {
        self.designators.iter().find_map(|d| match (d.association, &d.id) {
            (Association::TargetPort, DesignatorId::RelativeTargetPort(n)) => Some(*n),
            _ => None,
        })
    }
}

/// The header all pages share (SPC-4 7.8.2): returns the body, whole.
fn open_page<'a>(b: &'a [u8], page: u8, what: &'static str) -> Result<(Peripheral, &'a [u8]), DecodeError> {
    let peripheral = Peripheral::from_byte(u8_at(b, 0, what)?);
    let got = u8_at(b, 1, what)?;
    if got != page {
        return Err(DecodeError::Value { what: "VPD page code", value: u64::from(got) });
    }
    let need = 4 + usize::from(be16(b, 2, what)?);
    let body = b.get(4..need).ok_or(DecodeError::Short { what, have: b.len(), need })?;
    Ok((peripheral, body))
}

fn emit_page(p: Peripheral, page: u8, body: &[u8], what: &'static str) -> Result<Vec<u8>, DecodeError> {
    let len = u16::try_from(body.len()).map_err(|_| DecodeError::Length { what, claimed: body.len() })?;
    let mut b = vec![p.to_byte(), page];
    b.extend_from_slice(&len.to_be_bytes());
    b.extend_from_slice(body);
    Ok(b)
}
