//! What moves between hosts: addresses on links, a virtual MAC, a name.
//!
//! Only an identity that could stand on a host can be built: no multicast or broadcast address, no link
//! name the kernel would refuse. Whether it can stand on *this* host is for the plan to say.

mod address;
mod link;
mod mac;
pub mod name;

pub use address::Address;
pub use link::LinkName;
pub use mac::VirtualMac;

/// Something that is no part of an identity: what was written, what is wrong with it, what is right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not of the form `ADDRESS/PREFIX@LINK`.
    #[error("'{0}' is not an address on a link: write 192.0.2.10/24@eth0 or 2001:db8::10/64@eth0")]
    Form(String),
    /// An address no host can own.
    #[error("{address} is {what}: a host cannot own it")]
    NotAHost {
        /// The address.
        address: String,
        /// What it is instead.
        what: &'static str,
    },
    /// A link name the kernel would refuse.
    #[error("'{name}' is not a link name: {why}")]
    Link {
        /// The name.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Not a MAC address, or not one a host can own.
    #[error("'{text}' is not a MAC this host could take: {why}")]
    Mac {
        /// What was written.
        text: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The same address twice.
    #[error("{0} is named twice")]
    Twice(String),
    /// Nothing to move.
    #[error("an identity needs at least one address: write --address 192.0.2.10/24@eth0")]
    Empty,
}

/// A network identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    addresses: Vec<Address>,
    mac: Option<VirtualMac>,
    naming: Option<name::Naming>,
}

impl Identity {
    /// An identity of these addresses, with a MAC of its own or the links' own ones.
    ///
    /// # Errors
    /// [`IdentityError::Empty`] and [`IdentityError::Twice`].
    pub fn new(addresses: Vec<Address>, mac: Option<VirtualMac>) -> Result<Self, IdentityError> {
        if addresses.is_empty() {
            return Err(IdentityError::Empty);
        }
        for (i, a) in addresses.iter().enumerate() {
            if addresses[..i].iter().any(|b| b.ip() == a.ip() && b.link == a.link) {
                return Err(IdentityError::Twice(a.to_string()));
            }
        }
        Ok(Self { addresses, mac, naming: None })
    }

    /// The addresses, in the order they are taken.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The same, and a name that leads to it.
    #[must_use]
    pub fn named(mut self, naming: Option<name::Naming>) -> Self {
        self.naming = naming;
        self
    }

    /// The name that leads to it, if one is told.
    #[must_use]
    pub const fn naming(&self) -> Option<&name::Naming> {
        self.naming.as_ref()
    }

    /// The MAC that moves along, if one does.
    #[must_use]
    pub const fn mac(&self) -> Option<VirtualMac> {
        self.mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_not_empty_and_names_nothing_twice() {
        let a: Address = "192.0.2.10/24@eth0".parse().unwrap();
        let again: Address = "192.0.2.10/25@eth0".parse().unwrap();
        let elsewhere: Address = "192.0.2.10/24@eth1".parse().unwrap();
        assert_eq!(Identity::new(vec![], None), Err(IdentityError::Empty));
        assert!(matches!(Identity::new(vec![a.clone(), again], None), Err(IdentityError::Twice(_))));
        assert_eq!(Identity::new(vec![a, elsewhere], None).unwrap().addresses().len(), 2);
    }
}
