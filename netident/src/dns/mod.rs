//! Making a name lead to an identity: dynamic update (RFC 2136), signed (TSIG, RFC 8945), read back by a query. Pure.
//!
//! ```text
//!   UPDATE  zone       example.com. SOA
//!           must be    nothing, or exactly these addresses (2.4)
//!           then       delete db.example.com. A and AAAA, add the new addresses   one transaction (3.4.2)
//!   QUERY   db.example.com. A, AAAA, signed too, of the same server               what it shows is the outcome
//! ```
//!
//! Invariant: confirmed only if an authoritative and authentic answer shows exactly what was wanted. Families of which
//! the identity has no address are left alone. Must never send, or read a clock or a file.

mod key;
mod message;
mod talk;
mod verdict;

use std::net::IpAddr;

use crate::identity::name::{DnsName, Expect, Naming};

pub use key::{Algorithm, Key, KeyError};
pub use message::{Answer, Asked, Family, Reply, Request, Trust, query, read, update};
pub use talk::{Event, Move, Talk};
pub use verdict::{Shown, Verdict, judge};

/// What the name is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// It leads to these addresses and, in their families, to no others.
    Leads,
    /// It leads to none of these addresses.
    LeadsElsewhere,
}

/// One change of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The name.
    pub name: DnsName,
    /// Its zone.
    pub zone: DnsName,
    /// Time to live, s.
    pub ttl_s: u32,
    /// What must be so before.
    pub expect: Expect,
    /// The addresses.
    pub addresses: Vec<IpAddr>,
    /// What to do with them.
    pub goal: Goal,
}

impl Change {
    /// Makes `naming`'s name lead to `addresses`, or away from them; each address once.
    #[must_use]
    pub fn new(naming: &Naming, addresses: impl IntoIterator<Item = IpAddr>, goal: Goal) -> Self {
        let mut all: Vec<IpAddr> = Vec::new();
        for ip in addresses {
            if !all.contains(&ip) {
                all.push(ip);
            }
        }
        let expect = match goal {
            Goal::Leads => naming.expect.clone(),
            Goal::LeadsElsewhere => Expect::Any,
        };
        let (name, zone) = (naming.name.clone(), naming.zone.clone());
        Self { name, zone, ttl_s: naming.ttl_s, expect, addresses: all, goal }
    }

    /// The families it is about.
    pub fn families(&self) -> impl Iterator<Item = Family> {
        [Family::V4, Family::V6].into_iter().filter(|f| self.addresses.iter().any(|ip| f.has(*ip)))
    }
}
