//! READ FULL STATUS (SPC-4 6.15.5): every registration with the nexus it belongs to.
//!
//! [`FullStatusView`] borrows and allocates nothing; [`FullStatus`] owns, for printing and keeping. Both
//! refuse a cut answer: a registration that was not transferred must never look like one that is gone.

use serde::Serialize;

use super::reservation::Holder;
use super::transport_id::TransportId;
use super::types::{Generation, InAction, ReservationType, Scope};
use crate::codec::bytes::{be16, be32, be64, u8_at};
use crate::codec::{Cdb, DecodeError};
use crate::key::Key;

/// READ FULL STATUS with room for `allocation` bytes of answer.
#[must_use]
pub const fn read_full_status_cdb(allocation: u16) -> Cdb {
    super::pr_in_cdb(InAction::ReadFullStatus, allocation)
}

/// Target ports a registration is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegisteredPort {
    /// Every one (ALL_TG_PT).
    All,
    /// The one with this RELATIVE TARGET PORT IDENTIFIER.
    One(u16),
}

/// One registration, borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegistrationView<'a> {
    /// The key.
    pub key: Key,
    /// The type, if this nexus holds the reservation.
    pub holds: Option<ReservationType>,
    /// The target port of the nexus.
    pub port: RegisteredPort,
    /// The TransportID of its initiator port, raw, padding included.
    pub transport_id: &'a [u8],
}

/// A READ FULL STATUS answer, borrowed and checked throughout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FullStatusView<'a> {
    generation: Generation,
    descriptors: &'a [u8],
}

/// One registration.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize)]
pub struct Registration {
    /// The key.
    pub key: Key,
    /// The type, if this nexus holds the reservation.
    pub holds: Option<ReservationType>,
    /// The target port of the nexus.
    pub port: RegisteredPort,
    /// Its initiator port.
    pub transport_id: TransportId,
}

/// A READ FULL STATUS answer.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize)]
pub struct FullStatus {
    /// PRGENERATION when the answer was made.
    pub generation: Generation,
    /// All registrations, in the target's order.
    pub registrations: Vec<Registration>,
}

const WHAT: &str = "READ FULL STATUS data";
const DESCRIPTOR: &str = "READ FULL STATUS descriptor";
const HEADER_LEN: usize = 8;
const DESCRIPTOR_HEADER_LEN: usize = 24;
const R_HOLDER: u8 = 0x01;
const ALL_TG_PT: u8 = 0x02;

impl<'a> FullStatusView<'a> {
    /// Views `b`, the bytes the target really returned.
    ///
    /// # Errors
    /// [`DecodeError`] where the answer was cut ([`DecodeError::Short`] has the length it needs), a
    /// descriptor overruns its answer, or a holder's scope or type is undefined.
    pub fn parse(b: &'a [u8]) -> Result<Self, DecodeError> {
        let generation = Generation(be32(b, 0, WHAT)?);
        let additional = usize::try_from(be32(b, 4, WHAT)?).unwrap_or(usize::MAX);
        let need = additional.saturating_add(HEADER_LEN);
        let descriptors =
            b.get(HEADER_LEN..need).ok_or(DecodeError::Short { what: WHAT, have: b.len(), need })?;
        // Once here, so that iterating cannot fail.
        let mut rest = descriptors;
        while !rest.is_empty() {
            rest = split(rest)?.1;
        }
        Ok(Self { generation, descriptors })
    }

    /// PRGENERATION when the answer was made.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// The reservation in force; key 0 for the types all registrants hold, as READ RESERVATION tells it.
    #[must_use]
    pub fn holder(&self) -> Option<Holder> {
        let (key, kind) = self.iter().find_map(|r| Some((r.key, r.holds?)))?;
        Some(Holder { key: if kind.all_registrants() { Key::default() } else { key }, kind })
    }

    /// The registrations, in the target's order.
    pub fn iter(&self) -> impl Iterator<Item = RegistrationView<'a>> + Clone + use<'a> {
        let mut rest = self.descriptors;
        std::iter::from_fn(move || {
            let (first, behind) = split(rest).ok()?;
            rest = behind;
            Some(first)
        })
    }
}

/// The first descriptor and what stands behind it.
fn split(b: &[u8]) -> Result<(RegistrationView<'_>, &[u8]), DecodeError> {
    let id_len = usize::try_from(be32(b, 20, DESCRIPTOR)?).unwrap_or(usize::MAX);
    let need = id_len.saturating_add(DESCRIPTOR_HEADER_LEN);
    let short = DecodeError::Short { what: DESCRIPTOR, have: b.len(), need };
    let (whole, behind) = b.split_at_checked(need).ok_or(short)?;
    let flags = u8_at(whole, 12, DESCRIPTOR)?;
    // Scope, type and port have no meaning unless their flag gives them one (SPC-4 6.15.5).
    let holds = match flags & R_HOLDER {
        0 => None,
        _ => Some(scope_and_type(u8_at(whole, 13, DESCRIPTOR)?)?),
    };
    let port = match flags & ALL_TG_PT {
        0 => RegisteredPort::One(be16(whole, 18, DESCRIPTOR)?),
        _ => RegisteredPort::All,
    };
    let key = Key::from_u64(be64(whole, 0, DESCRIPTOR)?);
    let transport_id = whole.get(DESCRIPTOR_HEADER_LEN..).unwrap_or_default();
    Ok((RegistrationView { key, holds, port, transport_id }, behind))
}

fn scope_and_type(v: u8) -> Result<ReservationType, DecodeError> {
    if v >> 4 != Scope::LogicalUnit as u8 {
        return Err(DecodeError::Value { what: "reservation scope", value: u64::from(v >> 4) });
    }
    ReservationType::from_code(v & 0x0f)
}

impl RegistrationView<'_> {
    /// The same, owned.
    ///
    /// # Errors
    /// [`DecodeError`] where the bytes are not one whole TransportID.
    pub fn to_owned(&self) -> Result<Registration, DecodeError> {
        let transport_id = TransportId::parse_all(self.transport_id)?;
        Ok(Registration { key: self.key, holds: self.holds, port: self.port, transport_id })
    }
}

impl FullStatus {
    /// Reads the bytes the target really returned.
    ///
    /// # Errors
    /// As [`FullStatusView::parse`], and where a TransportID is none.
    pub fn parse(b: &[u8]) -> Result<Self, DecodeError> {
        let view = FullStatusView::parse(b)?;
        let registrations = view.iter().map(|r| r.to_owned()).collect::<Result<_, _>>()?;
        Ok(Self { generation: view.generation(), registrations })
    }

    /// Writes the answer (the emulator's side).
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for r in &self.registrations {
            r.emit(&mut body);
        }
        let mut b = self.generation.0.to_be_bytes().to_vec();
        // A list beyond 4 GiB cannot arise: its registrations would have to be in memory.
        b.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
        b.extend_from_slice(&body);
        b
    }
}

impl Registration {
    fn emit(&self, out: &mut Vec<u8>) {
        let id = self.transport_id.emit();
        let mut b = [0; DESCRIPTOR_HEADER_LEN];
        b[..8].copy_from_slice(&self.key.as_u64().to_be_bytes());
        if let Some(kind) = self.holds {
            b[12] |= R_HOLDER;
            b[13] = kind as u8;
        }
        match self.port {
            RegisteredPort::All => b[12] |= ALL_TG_PT,
            RegisteredPort::One(n) => b[18..20].copy_from_slice(&n.to_be_bytes()),
        }
        b[20..].copy_from_slice(&u32::try_from(id.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(&b);
        out.extend_from_slice(&id);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::pr::transport_id::tests::any_id;

    /// Two registrations: a holder by SAS on port 1, an iSCSI initiator on every port.
    #[rustfmt::skip]
    const TWO: [u8; 104] = [
        0x00, 0x00, 0x00, 0x09,                           // PRGENERATION 9
        0x00, 0x00, 0x00, 0x60,                           // ADDITIONAL LENGTH 96
        // first descriptor
        0xde, 0xad, 0xbe, 0xef, 0x01, 0x00, 0x00, 0x05,   // RESERVATION KEY
        0x00, 0x00, 0x00, 0x00,                           // reserved
        0x01,                                             // ALL_TG_PT 0, R_HOLDER 1
        0x05,                                             // LU_SCOPE, Write Exclusive, Registrants Only
        0x00, 0x00, 0x00, 0x00,                           // reserved
        0x00, 0x01,                                       // RELATIVE TARGET PORT IDENTIFIER
        0x00, 0x00, 0x00, 0x18,                           // ADDITIONAL DESCRIPTOR LENGTH 24
        0x06, 0x00, 0x00, 0x00,                           // TransportID: SAS
        0x50, 0x00, 0xc5, 0x00, 0xa1, 0xb2, 0xc3, 0xd4,   // SAS ADDRESS
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        // second descriptor
        0xde, 0xad, 0xbe, 0xef, 0x02, 0x00, 0x00, 0x07,   // RESERVATION KEY
        0x00, 0x00, 0x00, 0x00,                           // reserved
        0x02,                                             // ALL_TG_PT 1, R_HOLDER 0
        0xff,                                             // no holder: without meaning
        0x00, 0x00, 0x00, 0x00,                           // reserved
        0xff, 0xff,                                       // all ports: without meaning
        0x00, 0x00, 0x00, 0x18,                           // ADDITIONAL DESCRIPTOR LENGTH 24
        0x05, 0x00, 0x00, 0x14,                           // TransportID: iSCSI, ADDITIONAL LENGTH 20
        b'i', b'q', b'n', b'.', b'2', b'0', b'2', b'6', b'-', b'1', b'1', b'.', b'l', b'a', b'b', b':',
        b'n', b'2', 0x00, 0x00,
    ];

    #[test]
    fn two_registrations() {
        let s = FullStatus::parse(&TWO).unwrap();
        assert_eq!(s.generation, Generation(9));
        let [a, b] = &s.registrations[..] else { panic!("{s:?}") };
        assert_eq!(a.key.to_string(), "deadbeef01000005");
        assert_eq!(a.holds, Some(ReservationType::WriteExclusiveRegistrantsOnly));
        assert_eq!(
            (a.port, a.transport_id.to_string().as_str()),
            (RegisteredPort::One(1), "sas:5000c500a1b2c3d4")
        );
        assert_eq!((b.key.to_string().as_str(), b.holds), ("deadbeef02000007", None));
        assert_eq!(
            (b.port, b.transport_id.to_string().as_str()),
            (RegisteredPort::All, "iqn.2026-11.lab:n2")
        );
    }

    #[test]
    fn json_has_keys_as_text() {
        let json = serde_json::to_value(FullStatus::parse(&TWO).unwrap()).unwrap();
        assert_eq!(json["registrations"][0]["key"], "deadbeef01000005");
        assert_eq!(json["registrations"][0]["holds"], "write-exclusive-registrants-only");
        assert_eq!(json["registrations"][0]["port"]["one"], 1);
        assert_eq!(json["registrations"][1]["transport_id"], "iqn.2026-11.lab:n2");
    }

    #[test]
    fn every_cut_is_refused_and_says_what_it_needs() {
        for n in 0..TWO.len() {
            let e = FullStatus::parse(&TWO[..n]).unwrap_err();
            assert!(matches!(e, DecodeError::Short { need, .. } if n < 8 || need == TWO.len()), "{n}: {e}");
        }
    }

    #[test]
    fn bytes_behind_the_claimed_length_are_not_looked_at() {
        let longer = [&TWO[..], &[0xff; 40]].concat();
        assert_eq!(FullStatus::parse(&longer), FullStatus::parse(&TWO));
    }

    #[test]
    fn a_descriptor_may_not_overrun_its_answer() {
        let mut b = TWO;
        b[8 + 48 + 23] = 0x19;
        assert!(matches!(FullStatus::parse(&b), Err(DecodeError::Short { what: DESCRIPTOR, .. })));
        // A holder's type matters, another's does not.
        let mut b = TWO;
        b[8 + 13] = 0x02;
        assert!(matches!(FullStatus::parse(&b), Err(DecodeError::Value { .. })));
        b[8 + 13] = 0x15;
        assert!(matches!(FullStatus::parse(&b), Err(DecodeError::Value { .. })));
    }

    fn any_registration() -> impl Strategy<Value = Registration> {
        let kinds = proptest::option::of(proptest::sample::select(&ReservationType::ALL[..]));
        let port = prop_oneof![Just(RegisteredPort::All), any::<u16>().prop_map(RegisteredPort::One)];
        (any::<u64>(), kinds, port, any_id()).prop_map(|(key, holds, port, transport_id)| Registration {
            key: Key::from_u64(key),
            holds,
            port,
            transport_id,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn answers_round_trip(g: u32, registrations in proptest::collection::vec(any_registration(), 0..6)) {
            let s = FullStatus { generation: Generation(g), registrations };
            prop_assert_eq!(FullStatus::parse(&s.emit()), Ok(s));
        }

        #[test]
        fn damaged_answers_do_not_panic(at in 0..TWO.len(), v: u8, cut in 0..=TWO.len()) {
            let mut b = TWO;
            b[at] = v;
            let _ = FullStatus::parse(&b[..cut]);
            let _ = FullStatus::parse(&b);
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(b in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = FullStatus::parse(&b);
            let claimed = [&b[..b.len().min(4)], &[0; 7][..], &[100], &b].concat();
            let _ = FullStatus::parse(&claimed);
        }
    }
}
