//! REPORT CAPABILITIES (SPC-4 6.15.4): what persistent reservations a target offers.

use serde::Serialize;
use serde::ser::Serializer;

use super::types::{InAction, ReservationType};
use crate::codec::bytes::{be16, u8_at};
use crate::codec::{Cdb, DecodeError};

/// Bytes of a REPORT CAPABILITIES answer.
pub const CAPABILITIES_LEN: u16 = 8;

/// REPORT CAPABILITIES.
#[must_use]
pub const fn report_capabilities_cdb() -> Cdb {
    super::pr_in_cdb(InAction::ReportCapabilities, CAPABILITIES_LEN)
}

/// A set of reservation types: PERSISTENT RESERVATION TYPE MASK.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct TypeSet(u16);

/// A REPORT CAPABILITIES answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
pub struct Capabilities {
    /// RLR_C: REPLACE LOST RESERVATION works.
    pub replace_lost: bool,
    /// CRH: SPC-2 RESERVE and RELEASE from registrants are tolerated (SPC-4 5.12.3).
    pub compatible_reservation_handling: bool,
    /// SIP_C: registering other ports by TransportID works.
    pub spec_i_pt: bool,
    /// ATP_C: registering at every target port works.
    pub all_target_ports: bool,
    /// PTPL_C: surviving power loss can be asked for.
    pub aptpl_capable: bool,
    /// PTPL_A: surviving power loss is on, asked for by the last REGISTER.
    pub aptpl_active: bool,
    /// ALLOW COMMANDS: which commands pass a reservation; 0 says nothing (SPC-4 table 228).
    pub allow_commands: u8,
    /// The types offered; `None` where the target does not say (TMV 0).
    pub types: Option<TypeSet>,
}

impl TypeSet {
    /// All six.
    #[must_use]
    pub fn all() -> Self {
        ReservationType::ALL.into_iter().fold(Self::default(), Self::with)
    }

    /// This set and `kind`.
    #[must_use]
    pub const fn with(self, kind: ReservationType) -> Self {
        Self(self.0 | Self::bit(kind))
    }

    /// Whether `kind` is in it.
    #[must_use]
    pub const fn contains(self, kind: ReservationType) -> bool {
        self.0 & Self::bit(kind) != 0
    }

    /// Its types.
    pub fn iter(self) -> impl Iterator<Item = ReservationType> {
        ReservationType::ALL.into_iter().filter(move |k| self.contains(*k))
    }

    /// Types 1 to 7 count the bits of the first byte; 8 begins the second.
    const fn bit(kind: ReservationType) -> u16 {
        match kind {
            ReservationType::ExclusiveAccessAllRegistrants => 1,
            k => 1 << (8 + k as u8),
        }
    }
}

impl Serialize for TypeSet {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.iter())
    }
}

impl Capabilities {
    const WHAT: &'static str = "REPORT CAPABILITIES data";

    /// Reads the bytes the target really returned.
    ///
    /// # Errors
    /// [`DecodeError`] for fewer than 8 bytes or a claimed length below that.
    pub fn parse(b: &[u8]) -> Result<Self, DecodeError> {
        let claimed = be16(b, 0, Self::WHAT)?;
        if claimed < CAPABILITIES_LEN {
            return Err(DecodeError::Length { what: Self::WHAT, claimed: usize::from(claimed) });
        }
        u8_at(b, usize::from(CAPABILITIES_LEN) - 1, Self::WHAT)?;
        let (can, does) = (u8_at(b, 2, Self::WHAT)?, u8_at(b, 3, Self::WHAT)?);
        let known = TypeSet::all().0;
        Ok(Self {
            replace_lost: can & 0x80 != 0,
            compatible_reservation_handling: can & 0x10 != 0,
            spec_i_pt: can & 0x08 != 0,
            all_target_ports: can & 0x04 != 0,
            aptpl_capable: can & 0x01 != 0,
            aptpl_active: does & 0x01 != 0,
            allow_commands: (does >> 4) & 7,
            types: (does & 0x80 != 0).then_some(TypeSet(be16(b, 4, Self::WHAT)? & known)),
        })
    }

    /// Whether RESERVE with `kind` is offered; `None` where the target does not say.
    #[must_use]
    pub fn offers(&self, kind: ReservationType) -> Option<bool> {
        self.types.map(|t| t.contains(kind))
    }

    /// Writes the answer (the emulator's side).
    #[must_use]
    pub fn emit(&self) -> [u8; CAPABILITIES_LEN as usize] {
        let bit = |on: bool, at: u8| u8::from(on) << at;
        let can = bit(self.replace_lost, 7)
            | bit(self.compatible_reservation_handling, 4)
            | bit(self.spec_i_pt, 3)
            | bit(self.all_target_ports, 2)
            | bit(self.aptpl_capable, 0);
        let does =
            bit(self.types.is_some(), 7) | ((self.allow_commands & 7) << 4) | bit(self.aptpl_active, 0);
        let [t0, t1] = self.types.unwrap_or_default().0.to_be_bytes();
        let [l0, l1] = CAPABILITIES_LEN.to_be_bytes();
        [l0, l1, can, does, t0, t1, 0, 0]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use ReservationType as T;

    #[test]
    fn what_lio_answers() {
        #[rustfmt::skip]
        let b = [
            0x00, 0x08,   // LENGTH
            0x1d,         // CRH, SIP_C, ATP_C, PTPL_C
            0x81,         // TMV, ALLOW COMMANDS 0, PTPL_A
            0xea,         // WR_EX_AR, EX_AC_RO, WR_EX_RO, EX_AC, WR_EX
            0x01,         // EX_AC_AR
            0x00, 0x00,   // reserved
        ];
        let c = Capabilities::parse(&b).unwrap();
        assert!(c.aptpl_capable && c.aptpl_active && c.spec_i_pt && c.all_target_ports && !c.replace_lost);
        assert_eq!(c.types, Some(TypeSet::all()));
        assert_eq!(c.emit(), b);
    }

    #[test]
    fn an_invalid_mask_offers_nothing_and_denies_nothing() {
        let c = Capabilities::parse(&[0, 8, 0, 0, 0x20, 0, 0, 0]).unwrap();
        assert_eq!(c.offers(T::WriteExclusiveRegistrantsOnly), None);
        let c = Capabilities::parse(&[0, 8, 0, 0x80, 0x20, 0, 0, 0]).unwrap();
        assert_eq!(c.offers(T::WriteExclusiveRegistrantsOnly), Some(true));
        assert_eq!(c.offers(T::WriteExclusive), Some(false));
    }

    #[test]
    fn lengths_are_checked() {
        assert!(matches!(Capabilities::parse(&[0, 8, 0, 0, 0, 0, 0]), Err(DecodeError::Short { .. })));
        assert!(matches!(Capabilities::parse(&[0, 7, 0, 0, 0, 0, 0, 0]), Err(DecodeError::Length { .. })));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic_and_what_reads_reads_again(b in proptest::collection::vec(any::<u8>(), 0..12)) {
            if let Ok(c) = Capabilities::parse(&b) {
                prop_assert_eq!(Capabilities::parse(&c.emit()), Ok(c));
            }
        }
    }
}
