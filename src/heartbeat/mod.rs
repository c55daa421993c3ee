//! The heartbeat: suspects quickly, never slanders.
//!
//! A heartbeat only tells *when to ask the disk*; arbitration and fencing convict (design section 7). What
//! matters is therefore not to suspect a live peer. Three rules do it, and each has a test that breaks it:
//!
//! 1. **Drain first, then judge.** Everything that has arrived counts before anybody is called silent.
//! 2. **A peer is judged by the kernel's receive stamps**, never by the moment we came to read.
//! 3. **Time in which this node did not run is nobody's silence** ([`awake`]), and after such a stall every
//!    peer gets one grace period, once a silence.
//!
//! | module | is |
//! |---|---|
//! | [`wire`] | the datagram: bytes to checked values and back |
//! | [`auth`] | its keyed MAC, and the rotation of keys |
//! | [`replay`] | what was already received |
//! | [`awake`] | how late this node itself is |
//! | [`detect`] | one peer: silent links, late, suspect, down, left |
//! | [`node`] | all of it together: ticks and datagrams in, datagrams and events out |
//! | [`runtime`] | clocks, sockets and the loop |
//! | [`lab`] | measures it |
//!
//! All but the last two are pure: events and time in, actions out; no allocation after construction.

pub mod auth;
pub mod awake;
pub mod detect;
pub mod lab;
pub mod node;
pub mod replay;
pub mod runtime;
pub mod wire;
