//! How a unit behaves where targets differ: as the standards say, or as Linux's LIO does.
//!
//! Every difference is one [`Deviation`], with the clause it departs from. The unit asks
//! [`Personality::has`] wherever the two part ways and nowhere else, so the personality `lio` is `spc` plus
//! exactly this table. Must never hold a row that nothing asks for: a test takes each row away and demands
//! that a difference from LIO shows.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One thing LIO does otherwise.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Deviation {
    bit: u8,
    /// A short name: what LIO does.
    pub name: &'static str,
    /// The clause it departs from, or that leaves the choice.
    pub clause: &'static str,
    /// What the clause says.
    pub standard: &'static str,
    /// What LIO does.
    pub lio: &'static str,
}

/// The set of deviations of a unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Personality(u64);

/// Writes the table: each row a constant, all of them [`Deviation::ALL`].
macro_rules! deviations {
    ($($constant:ident: $name:literal, $clause:literal, $standard:literal, $lio:literal;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "only numbers the rows")]
        #[repr(u8)]
        enum Row { $($constant),* }

        impl Deviation {
            $(
                #[doc = $lio]
                pub const $constant: Self = Self {
                    bit: Row::$constant as u8,
                    name: $name,
                    clause: $clause,
                    standard: $standard,
                    lio: $lio,
                };
            )*

            /// The whole table.
            pub const ALL: &'static [Self] = &[$(Self::$constant),*];
        }
    };
}

deviations! {
    ATTENTIONS_DROPPED: "attentions-dropped", "SAM-5 5.14",
        "one waiting unit attention is told for each command",
        "the first one is told, all others are dropped with it";
    PARSED_FIRST: "parsed-first", "SAM-5 5.3.3, 5.14",
        "unit attentions and reservation conflicts go before what is wrong with the command",
        "an unknown operation code and an address out of range go first, and the unit attention keeps waiting";
    NOT_READY: "unregistered-not-ready", "SPC-4 5.12.9, 5.12.11",
        "RESERVE, RELEASE, CLEAR from an unregistered nexus: RESERVATION CONFLICT",
        "NOT READY 08/00 while there is no reservation";
    CONFLICT_FIRST: "conflict-before-list", "SPC-4 table 67",
        "leaves open whether the reservation or the parameter list is looked at first",
        "a PERSISTENT RESERVE OUT that a reservation forbids conflicts, whatever its list and service action";
    LIST_FIRST: "list-before-action", "SPC-4 6.16.2",
        "leaves open in which order fields are checked",
        "the length of the list is checked before the service action and the type";
    SCOPE_IN_LIST: "scope-after-key", "SPC-4 6.16.2",
        "an undefined SCOPE is an invalid field of the CDB, 24/00",
        "RESERVE and PREEMPT check the key first, then answer 26/00";
    RELEASE_CONFLICT: "release-type-conflict", "SPC-4 5.12.11.2",
        "RELEASE by the holder with another type: 26/04",
        "RESERVATION CONFLICT";
    RELEASE_UNCHECKED: "release-unchecked", "SPC-4 5.12.11.2, 6.16.3",
        "RELEASE verifies the key; undefined type or scope: 24/00",
        "a registrant that does not hold gets GOOD, whatever key, type and scope it names";
    ALL_PORTS_KEPT: "all-ports-kept", "SPC-4 5.12.7, 6.15.5",
        "ALL_TG_PT says what one REGISTER does; READ FULL STATUS may show each port",
        "a registration made with ALL_TG_PT shows that in READ FULL STATUS, and REGISTER without it gets 24/00";
    CLEAR_ENDS_APTPL: "clear-ends-aptpl", "SPC-4 5.12.5.1",
        "APTPL is as the last REGISTER asked for it",
        "CLEAR deactivates it";
    UNREGISTER_UNCOUNTED: "unregister-uncounted", "SPC-4 6.15.2",
        "every REGISTER that changes a registration counts in PRGENERATION",
        "unregistering does not count";
    PORTS_LAST: "ports-last", "SPC-4 6.16.2, 6.16.3",
        "leaves open in which order key and TransportIDs are checked",
        "REGISTER with SPEC_I_PT checks the key before it looks at the TransportIDs";
    PORTS_SKIPPED: "ports-skipped", "SPC-4 6.16.3, table 69",
        "SPEC_I_PT with a port that is registered already: 26/00, and nobody is registered",
        "that port is passed over";
    PORTS_COUNTED: "ports-counted", "SPC-4 6.15.2",
        "a REGISTER with SPEC_I_PT counts once in PRGENERATION",
        "it counts once for each registration it makes";
    MOVE_LIST_FIRST: "move-list-first", "SPC-4 5.12.8, table 70",
        "REGISTER AND MOVE of what its sender does not hold is refused before its list is looked at closely",
        "key, new key 0, TransportID and port are checked in this order, then the reservation";
    MOVE_SCOPE: "move-scope", "SPC-4 5.12.8",
        "a reservation keeps its scope when it is moved",
        "it comes back to a nexus that had moved it away with a scope nobody can name: RESERVE and RELEASE conflict";
    PREEMPT_SPARES_SELF: "preempt-spares-self", "SPC-4 5.12.11.4.4",
        "PREEMPT with a key that holds nothing removes every registration with it, the preempter's, too",
        "where all registrants hold, the preempter keeps its registration";
    ALL_REGISTRANTS_MOVE: "all-registrants-move", "SPC-4 5.12.11.4.4",
        "where all registrants hold, PREEMPT with one's key removes registrations and leaves the reservation",
        "the key of the one that reserved (or inherited) makes the preempter a new reservation of its type";
    CRH: "compatible-handling", "SPC-4 5.12.3",
        "CRH 0: RESERVE and RELEASE of SPC-2 conflict for everybody while anybody is registered",
        "CRH 1, for the one that reserved only: GOOD without effect; other registrants conflict";
    THIRD_PARTY: "third-party-ignored", "SPC-2 7.21, 7.22",
        "a third-party or extent reservation that is not offered: 24/00",
        "taken as one of the whole unit by the nexus that asks; bits 0 and 1 of RESERVE together: 20/00";
    SPC2_STOPS_ALL: "spc2-stops-sense", "SPC-2 5.5.1",
        "REQUEST SENSE and REPORT LUNS pass another's SPC-2 reservation",
        "only INQUIRY and RELEASE pass";
    CAPACITY_CONFLICTS: "capacity-conflicts", "SBC-3 table 13",
        "READ CAPACITY passes every persistent reservation",
        "it conflicts like a READ";
    NO_DATA_PASSES: "no-data-passes", "SPC-4 table 66, SBC-3 table 13",
        "SYNCHRONIZE CACHE and writes of no blocks conflict like a write",
        "a command without data passes the Write Exclusive types, but not for a registrant under type 1";
    SHORT_REFUSED: "short-allocation", "SPC-4 4.2.5.6",
        "any allocation length will do",
        "below 8 (REPORT CAPABILITIES: 6) PERSISTENT RESERVE IN answers 24/00";
    WHOLE_KEYS: "whole-keys", "SPC-4 4.2.5.6",
        "READ KEYS and READ RESERVATION are cut off at the allocation length, wherever that is",
        "zeros stand for a key that does not fit as a whole, and for all of a reservation without room for its type";
    WHOLE_DESCRIPTORS: "whole-descriptors", "SPC-4 4.2.5.6, 6.15.5",
        "READ FULL STATUS tells the length of all registrations and is cut off at the allocation length",
        "it ends before a TransportID that does not fit, and its length tells of no more";
    SENSE_PADDED: "sense-padded", "SPC-4 6.39",
        "REQUEST SENSE sends 18 bytes of fixed sense data",
        "zeros follow up to the allocation length; without any room: NOT READY 08/00";
    SENSE_FIXED: "sense-fixed", "SPC-4 6.39",
        "REQUEST SENSE in descriptor format",
        "24/00, and a waiting unit attention keeps waiting";
    SERIAL_NULL: "serial-null", "SPC-4 7.8.15",
        "page 80h is the serial number",
        "a null follows it and is counted";
    CAPABILITIES: "capabilities", "SPC-4 6.15.4",
        "what the unit offers; ALLOW COMMANDS may say nothing",
        "CRH 1, no REPLACE LOST RESERVATION, ALLOW COMMANDS 1";
    ARRIVAL_ORDER: "arrival-order", "SPC-4 6.15.2, 6.15.5",
        "leaves the order of registrations open; ours go by nexus",
        "in the order in which they were made";
    PORTS_CUT: "ports-cut", "SPC-4 6.16.2, 6.16.3",
        "a SPEC_I_PT list that ends before the length of its TransportIDs: 1A/00",
        "26/00, after the key was checked";
    COMPARE_ONE: "compare-one", "SBC-3 5.2, 6.5.3",
        "leaves open how many blocks a COMPARE AND WRITE may have (64 here); DPO and FUA do no harm, WRPROTECT is refused",
        "one block; DPO and FUA are refused by 24/00, WRPROTECT is passed over";
    COMPARE_LENGTH: "compare-length", "SBC-3 5.2",
        "a COMPARE AND WRITE moves twice its blocks; what to do with other lengths is the transport's business",
        "data of any other length are refused by 0E/03; blocks without any data: NOT READY 08/00";
}

impl Deviation {
    const fn mask(self) -> u64 {
        1 << self.bit
    }
}

impl Personality {
    /// As the standards say.
    pub const SPC: Self = Self(0);
    /// As LIO: every row of the table.
    pub const LIO: Self = {
        const { assert!(Deviation::ALL.len() < 64) };
        Self((1 << Deviation::ALL.len()) - 1)
    };

    /// Whether `d` is a way of this unit.
    #[must_use]
    pub const fn has(self, d: Deviation) -> bool {
        self.0 & d.mask() != 0
    }

    /// This personality less one row.
    #[must_use]
    pub const fn without(self, d: Deviation) -> Self {
        Self(self.0 & !d.mask())
    }
}

/// A personality nobody has.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no personality '{0}': there are spc (as the standards say) and lio (as Linux's LIO target does)")]
pub struct UnknownPersonality(String);

impl FromStr for Personality {
    type Err = UnknownPersonality;

    /// `spc`, `lio`, or `lio less NAME` (again ` less NAME` for each further row).
    fn from_str(s: &str) -> Result<Self, UnknownPersonality> {
        let unknown = || UnknownPersonality(s.to_owned());
        let mut parts = s.split(" less ");
        let whole = match parts.next() {
            Some("spc") => Self::SPC,
            Some("lio") => Self::LIO,
            _ => return Err(unknown()),
        };
        parts.try_fold(whole, |p, name| {
            let row = Deviation::ALL.iter().find(|d| d.name == name).ok_or_else(unknown)?;
            Ok(p.without(*row))
        })
    }
}

impl fmt::Display for Personality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::SPC {
            return f.write_str("spc");
        }
        f.write_str("lio")?;
        let missing = Deviation::ALL.iter().filter(|d| !self.has(**d));
        missing.map(|d| d.name).try_for_each(|name| write!(f, " less {name}"))
    }
}

impl fmt::Debug for Personality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Personality({self})")
    }
}

impl Serialize for Personality {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Personality {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        for (i, d) in Deviation::ALL.iter().enumerate() {
            assert_eq!(usize::from(d.bit), i);
            assert!(Deviation::ALL[..i].iter().all(|e| e.name != d.name), "{}", d.name);
            assert!(Personality::LIO.has(*d) && !Personality::SPC.has(*d));
            let less = Personality::LIO.without(*d);
            assert_eq!(less.to_string().parse(), Ok(less));
        }
        assert_eq!("spc".parse(), Ok(Personality::SPC));
        assert_eq!("lio".parse(), Ok(Personality::LIO));
        assert!("scst".parse::<Personality>().unwrap_err().to_string().contains("lio"));
    }
}
