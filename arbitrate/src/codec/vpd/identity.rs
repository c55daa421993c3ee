//! One name for a logical unit, the same over every path.

use std::fmt;

use serde::{Serialize, Serializer};

use super::designator::{Association, Designator, DesignatorId, Eui64, Naa};

/// The name of a logical unit, such as `naa.60014056a1b2c3d4e5f60718293a4b5c`.
///
/// Ordered as text: several devices are always taken in this order (design section 6).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LuIdentity(String);

impl LuIdentity {
    /// The best among `designators` that names the logical unit.
    #[must_use]
    pub fn best(designators: &[Designator]) -> Option<Self> {
        // Of equals the smallest name, since the order may differ from port to port.
        designators
            .iter()
            .filter(|d| d.association == Association::LogicalUnit)
            .filter_map(|d| rank(&d.id).map(|r| (r, d.id.to_string())))
            .min()
            .map(|(_, name)| Self(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Smaller is better; `None` for what does not tell one logical unit from another.
fn rank(id: &DesignatorId) -> Option<u8> {
    match id {
        DesignatorId::Naa(Naa::RegisteredExtended(_)) => Some(0),
        DesignatorId::Naa(Naa::Registered(_)) => Some(1),
        DesignatorId::Naa(Naa::Extended(_)) => Some(2),
        DesignatorId::Naa(Naa::Local(_)) => Some(3),
        DesignatorId::Eui64(Eui64::Sixteen(_)) => Some(4),
        DesignatorId::Eui64(Eui64::Twelve(_)) => Some(5),
        DesignatorId::Eui64(Eui64::Eight(_)) => Some(6),
        DesignatorId::ScsiName(s) if !s.is_empty() => Some(7),
        DesignatorId::Uuid(_) => Some(8),
        // A vendor without anything behind it is the name of a thousand disks.
        DesignatorId::T10 { specific, .. } if specific.iter().any(|c| !matches!(c, b' ' | 0)) => Some(9),
        _ => None,
    }
}

impl fmt::Display for LuIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for LuIdentity {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}
