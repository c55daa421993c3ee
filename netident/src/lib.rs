//! Moves a network identity (addresses, a MAC, a name) between hosts, and says who has confirmed it.
//!
//! Layers, each importing only what stands above it in this list:
//!
//! | module | is | must never |
//! |---|---|---|
//! | [`identity`] | what moves: addresses on links, a virtual MAC, a name | do I/O |
//! | [`frame`] | ARP and neighbour discovery frames: bytes to typed values and back | do I/O, trust a length |
//! | [`campaign`] | who is told and asked, and when, until each has answered | read a clock, send |
//! | [`probe`] | whether an address is free: pure | claim it |
//! | [`refresh`] | when an identity that stands says so again: pure | read a clock, send |
//! | [`dns`] | a name that follows: updates, their signatures and answers, what they prove: pure | believe an unsigned answer |
//! | [`host`] | what a host looks like: pure data | do I/O |
//! | [`plan`] | what must be changed: pure | look at the host |
//! | [`lookup`], [`vendor`] | who answers for an address, and what its MAC tells: pure | claim it |
//! | [`preflight`] | the traps this host is in: pure | look at the host |
//! | [`watch`] | what goes wrong with an identity that stands here, and what to do: pure | read a clock, send |
//! | [`system`] | netlink, packet sockets, the clock | decide |
//! | [`runtime`] | take, release, announce: plans carried out and read back | call done what was not read back |
//!
//! ```
//! use netident::identity::Address;
//!
//! let address: Address = "192.0.2.10/24@eth0".parse()?;
//! assert_eq!(address.link.as_str(), "eth0");
//! # Ok::<(), netident::identity::IdentityError>(())
//! ```

pub mod campaign;
pub mod dns;
pub mod frame;
pub mod host;
pub mod identity;
pub mod lookup;
pub mod plan;
pub mod preflight;
pub mod probe;
pub mod refresh;
pub mod runtime;
pub mod system;
pub mod vendor;
pub mod watch;
