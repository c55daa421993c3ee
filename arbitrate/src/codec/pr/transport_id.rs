//! TransportIDs: initiator ports by name (SPC-4 7.6.4).
//!
//! The text form is stable; people type it and files keep it:
//!
//! | text | is |
//! |---|---|
//! | `iqn.2026-11.lab:n1` | iSCSI, every session of that initiator (also `eui.…`, `naa.…`; `iscsi:` before other names) |
//! | `iqn.2026-11.lab:n1,i,0x00023d000001` | iSCSI, the session with this ISID |
//! | `iqn.2026-11.lab:n1,i,0x00023d...` | iSCSI, a target that tells only the start of the ISID |
//! | `sas:5000c500a1b2c3d4` | SAS address |
//! | `fcp:10000090fa123456` | Fibre Channel port name; colons between the bytes are read as well |
//! | `srp:fe80000000000000000002c903001234` | SRP initiator port |
//! | `spi:7.1` | parallel SCSI: address, relative port |
//! | `sop:0100` | PCI Express routing id |
//! | `sbp:0010c60000123456` | IEEE 1394 EUI-64 |
//! | `raw:…` | the bytes of any other, in hex |

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::codec::DecodeError;
use crate::codec::bytes::{array, be16, u8_at};

mod iscsi;
#[cfg(test)]
pub(crate) mod tests;
mod text;

pub use iscsi::{CutIsid, IscsiName};
pub use text::TransportIdError;

/// Bytes of every TransportID but iSCSI's.
pub const TRANSPORT_ID_LEN: usize = 24;

/// An initiator port as a target knows it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TransportId {
    /// Fibre Channel: N_PORT_NAME (7.6.4.2).
    Fcp {
        /// World wide port name.
        port_name: [u8; 8],
    },
    /// Parallel SCSI (7.6.4.3).
    Spi {
        /// SCSI ADDRESS.
        address: u16,
        /// RELATIVE TARGET PORT IDENTIFIER: the port this address is valid at.
        relative_port: u16,
    },
    /// IEEE 1394 (7.6.4.4).
    Sbp {
        /// EUI-64 of the node.
        eui64: [u8; 8],
    },
    /// SCSI RDMA (7.6.4.5).
    Srp {
        /// INITIATOR PORT IDENTIFIER.
        port_id: [u8; 16],
    },
    /// iSCSI (7.6.4.6): a device, or one of its sessions.
    Iscsi {
        /// Name of the initiator.
        name: IscsiName,
        /// Session identifier; none means the initiator as a whole.
        isid: Option<[u8; 6]>,
    },
    /// iSCSI from a target that tells only the start of the session identifier. LIO does: READ FULL
    /// STATUS tells the initiator there, but not which of its sessions.
    IscsiCut {
        /// Name of the initiator.
        name: IscsiName,
        /// What there is of the session identifier.
        isid: CutIsid,
    },
    /// SAS (7.6.4.7).
    Sas {
        /// SAS ADDRESS.
        address: [u8; 8],
    },
    /// SCSI over PCI Express (7.6.4.8).
    Sop {
        /// ROUTING ID.
        routing_id: u16,
    },
    /// A protocol or format without a variant here.
    Other(RawTransportId),
}

/// The bytes of a TransportID whose protocol or format this project does not read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RawTransportId(Vec<u8>);

impl RawTransportId {
    /// The bytes: 24, or what iSCSI's ADDITIONAL LENGTH says.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

const FCP: u8 = 0x0;
const SPI: u8 = 0x1;
const SBP: u8 = 0x3;
const SRP: u8 = 0x4;
const ISCSI: u8 = 0x5;
const SAS: u8 = 0x6;
const SOP: u8 = 0xa;

impl TransportId {
    const WHAT: &'static str = "TransportID";

    /// Reads the TransportID at the start of `b`; also says how many bytes it took.
    ///
    /// One that is whole but not understood becomes [`TransportId::Other`], so that a foreign
    /// registration is shown and not lost.
    ///
    /// # Errors
    /// [`DecodeError`] where it does not fit, or an iSCSI length is below 20, no multiple of 4, or
    /// longer than any name.
    pub fn parse(b: &[u8]) -> Result<(Self, usize), DecodeError> {
        let head = u8_at(b, 0, Self::WHAT)?;
        let (format, protocol) = (head >> 6, head & 0x0f);
        let len = if protocol == ISCSI { iscsi::total_len(b)? } else { TRANSPORT_ID_LEN };
        let whole = b.get(..len).ok_or(DecodeError::Short { what: Self::WHAT, have: b.len(), need: len })?;
        let id = match (format, protocol) {
            (0, FCP) => Self::Fcp { port_name: array(whole, 8, Self::WHAT)? },
            (0, SPI) => {
                Self::Spi { address: be16(whole, 2, Self::WHAT)?, relative_port: be16(whole, 6, Self::WHAT)? }
            }
            (0, SBP) => Self::Sbp { eui64: array(whole, 8, Self::WHAT)? },
            (0, SRP) => Self::Srp { port_id: array(whole, 8, Self::WHAT)? },
            (0 | 1, ISCSI) => {
                iscsi::read(format, whole.get(4..).unwrap_or_default()).unwrap_or_else(|| Self::raw(whole))
            }
            (0, SAS) => Self::Sas { address: array(whole, 4, Self::WHAT)? },
            (0, SOP) => Self::Sop { routing_id: be16(whole, 2, Self::WHAT)? },
            _ => Self::raw(whole),
        };
        Ok((id, len))
    }

    /// Reads `b`, which must be one TransportID and nothing else.
    ///
    /// # Errors
    /// As [`TransportId::parse`], and [`DecodeError::Length`] where bytes are left over.
    pub fn parse_all(b: &[u8]) -> Result<Self, DecodeError> {
        let (id, used) = Self::parse(b)?;
        if used == b.len() { Ok(id) } else { Err(DecodeError::Length { what: Self::WHAT, claimed: b.len() }) }
    }

    /// The bytes: 24, or for iSCSI as many as its name needs, padded as the standard demands.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let mut b = [0; TRANSPORT_ID_LEN];
        match self {
            Self::Fcp { port_name } => {
                b[0] = FCP;
                b[8..16].copy_from_slice(port_name);
            }
            Self::Spi { address, relative_port } => {
                b[0] = SPI;
                b[2..4].copy_from_slice(&address.to_be_bytes());
                b[6..8].copy_from_slice(&relative_port.to_be_bytes());
            }
            Self::Sbp { eui64 } => {
                b[0] = SBP;
                b[8..16].copy_from_slice(eui64);
            }
            Self::Srp { port_id } => {
                b[0] = SRP;
                b[8..24].copy_from_slice(port_id);
            }
            Self::Sas { address } => {
                b[0] = SAS;
                b[4..12].copy_from_slice(address);
            }
            Self::Sop { routing_id } => {
                b[0] = SOP;
                b[2..4].copy_from_slice(&routing_id.to_be_bytes());
            }
            Self::Iscsi { name, isid } => return iscsi::emit(name, *isid),
            Self::IscsiCut { name, isid } => return iscsi::emit_cut(name, isid),
            Self::Other(raw) => return raw.0.clone(),
        }
        b.to_vec()
    }

    /// The initiator's name, for iSCSI.
    #[must_use]
    pub const fn iscsi_name(&self) -> Option<&IscsiName> {
        match self {
            Self::Iscsi { name, .. } | Self::IscsiCut { name, .. } => Some(name),
            _ => None,
        }
    }

    fn raw(b: &[u8]) -> Self {
        Self::Other(RawTransportId(b.to_vec()))
    }
}

impl Serialize for TransportId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TransportId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
