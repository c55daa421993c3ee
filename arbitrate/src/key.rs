//! Reservation keys and what this project writes into them.
//!
//! `CCCCCCCC NN IIIIII` in hex: cluster id (32 bits), node number (8), and 24 bits of which the top
//! one says *challenging* and the others count incarnations (design section 5). A [`Key`] read from a
//! device may be anybody's: only [`Key::parts`] of a key whose cluster id matches means something.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A reservation key as a target stores it (SPC-4 5.9). Prints as 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key(u64);

/// The 32-bit id a cluster's name hashes to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(u32);

/// A node's number in its cluster, 1 to 255.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeNumber(u8);

/// Counts the lives and challenges of a node: 23 bits, from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(u32);

/// Whether a key announces a challenge or stands for an ordinary registrant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stance {
    /// An ordinary registrant.
    Settled,
    /// Registered to challenge the holder.
    Challenging,
}

/// What this project's keys are made of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KeyParts {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node in it.
    pub node: NodeNumber,
    /// Challenging or settled.
    pub stance: Stance,
    /// Which life of the node.
    pub incarnation: Incarnation,
}

/// A key, node number or incarnation that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not 1 to 16 hex digits.
    #[error("'{0}' is not a reservation key: write 1 to 16 hex digits, with or without 0x")]
    NotHex(String),
    /// Key 0 means "no key" to every target (SPC-4 6.16.3).
    #[error("key 0 is not a key: targets use it to say 'not registered'")]
    Zero,
    /// Node numbers are 1 to 255.
    #[error("node number {0} is out of range: use 1 to 255")]
    Node(u32),
    /// All 8,388,607 incarnations of this node are used up on this cluster name.
    #[error("incarnation {0} is out of range: 1 to 8388607")]
    Incarnation(u32),
}

const CHALLENGING: u32 = 1 << 23;

impl Key {
    /// The key with this value; 0 is the absence of a key.
    #[must_use]
    pub const fn from_u64(v: u64) -> Self {
        Self(v)
    }

    /// The value, as it travels big-endian on the wire.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Whether this is the value that means "no key".
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Splits the key; `None` where node number or incarnation is 0, which this project never writes.
    #[must_use]
    pub fn parts(self) -> Option<KeyParts> {
        let [c0, c1, c2, c3, node, i0, i1, i2] = self.0.to_be_bytes();
        let low = u32::from_be_bytes([0, i0, i1, i2]);
        Some(KeyParts {
            cluster: ClusterId(u32::from_be_bytes([c0, c1, c2, c3])),
            node: NodeNumber::new(u32::from(node)).ok()?,
            stance: if low & CHALLENGING != 0 { Stance::Challenging } else { Stance::Settled },
            incarnation: Incarnation::new(low & !CHALLENGING).ok()?,
        })
    }

    /// The parts, if the key is of `cluster`.
    #[must_use]
    pub fn parts_in(self, cluster: ClusterId) -> Option<KeyParts> {
        self.parts().filter(|p| p.cluster == cluster)
    }
}

impl KeyParts {
    /// The key these parts make.
    #[must_use]
    pub fn key(self) -> Key {
        let flag = match self.stance {
            Stance::Challenging => CHALLENGING,
            Stance::Settled => 0,
        };
        Key((u64::from(self.cluster.0) << 32)
            | (u64::from(self.node.0) << 24)
            | u64::from(flag | self.incarnation.0))
    }

    /// The same life with another stance.
    #[must_use]
    pub fn with_stance(self, stance: Stance) -> Self {
        Self { stance, ..self }
    }
}

impl ClusterId {
    /// The id of a cluster by its name: 32 bits of FNV-1a. Published and stable: keys on disks depend
    /// on it.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        let mut h: u32 = 0x811c_9dc5;
        for b in name.bytes() {
            h = (h ^ u32::from(b)).wrapping_mul(0x0100_0193);
        }
        Self(h)
    }

    /// The id with this value.
    #[must_use]
    pub const fn from_u32(v: u32) -> Self {
        Self(v)
    }

    /// The value.
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        self.0
    }
}

impl NodeNumber {
    /// A node number.
    ///
    /// # Errors
    /// [`KeyError::Node`] unless 1 to 255.
    pub fn new(n: u32) -> Result<Self, KeyError> {
        match u8::try_from(n) {
            Ok(v) if v != 0 => Ok(Self(v)),
            _ => Err(KeyError::Node(n)),
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Incarnation {
    /// The first.
    pub const FIRST: Self = Self(1);
    /// The largest: 23 bits.
    pub const MAX: u32 = CHALLENGING - 1;

    /// An incarnation.
    ///
    /// # Errors
    /// [`KeyError::Incarnation`] unless 1 to [`Incarnation::MAX`].
    pub const fn new(n: u32) -> Result<Self, KeyError> {
        if n == 0 || n > Self::MAX { Err(KeyError::Incarnation(n)) } else { Ok(Self(n)) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The one after.
    ///
    /// # Errors
    /// [`KeyError::Incarnation`] when all are used up.
    pub const fn next(self) -> Result<Self, KeyError> {
        Self::new(self.0 + 1)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterId({self})")
    }
}

impl fmt::Display for NodeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for NodeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeNumber({})", self.0)
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Incarnation({})", self.0)
    }
}

impl FromStr for Key {
    type Err = KeyError;

    /// Reads 1 to 16 hex digits, `0x` and `_` allowed; refuses 0.
    fn from_str(s: &str) -> Result<Self, KeyError> {
        let digits: String = s.strip_prefix("0x").unwrap_or(s).chars().filter(|c| *c != '_').collect();
        if digits.is_empty() || digits.len() > 16 || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(KeyError::NotHex(s.to_owned()));
        }
        match u64::from_str_radix(&digits, 16) {
            Ok(0) => Err(KeyError::Zero),
            Ok(v) => Ok(Self(v)),
            Err(_) => Err(KeyError::NotHex(s.to_owned())),
        }
    }
}

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let s = String::deserialize(d)?;
        u64::from_str_radix(&s, 16).map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_reads_as_its_parts() {
        let k = Key::from_u64(0xdead_beef_0780_0005);
        let p = k.parts().unwrap();
        assert_eq!((p.cluster, p.node.get()), (ClusterId(0xdead_beef), 7));
        assert_eq!((p.stance, p.incarnation.get()), (Stance::Challenging, 5));
        assert_eq!(p.with_stance(Stance::Settled).key().to_string(), "deadbeef07000005");
    }

    #[test]
    fn keys_nobody_of_us_writes_have_no_parts() {
        assert_eq!(Key::from_u64(0x11).parts(), None);
        assert_eq!(Key::from_u64(0xdead_beef_0000_0005).parts(), None);
        assert_eq!(Key::from_u64(0xdead_beef_0180_0000).parts(), None);
    }

    #[test]
    fn text_is_checked() {
        assert_eq!("0x1f".parse::<Key>(), Ok(Key::from_u64(0x1f)));
        assert_eq!("0".parse::<Key>(), Err(KeyError::Zero));
        assert_eq!("".parse::<Key>(), Err(KeyError::NotHex(String::new())));
        assert!("12345678123456781".parse::<Key>().is_err());
        assert!("xyz".parse::<Key>().is_err());
        assert!("0x0x1f".parse::<Key>().is_err());
    }

    #[test]
    fn cluster_ids_are_stable() {
        assert_eq!(ClusterId::of_name("").to_string(), "811c9dc5");
        assert_eq!(ClusterId::of_name("a").to_string(), "e40c292c");
    }

    proptest! {
        #[test]
        fn parts_round_trip(v in any::<u64>()) {
            let k = Key::from_u64(v);
            if let Some(p) = k.parts() {
                prop_assert_eq!(p.key(), k);
            }
            prop_assert_eq!(k.to_string().parse::<Key>().ok(), (v != 0).then_some(k));
        }
    }
}
