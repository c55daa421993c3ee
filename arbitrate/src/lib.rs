//! Who owns a shared disk.
//!
//! Layers, each importing only what stands above it in this list:
//!
//! | module | is | must never |
//! |---|---|---|
//! | [`time`], [`key`] | the words everything else is said in | do I/O |
//! | [`clock`] | the kernel's clock | be used by a protocol |
//! | [`codec`] | CDBs, parameter data, sense: bytes to typed values and back | do I/O, trust a claimed length |
//! | [`device`] | [`device::ScsiDevice`]: SG_IO, the embedded unit; one classification of answers | decide who owns |
//! | [`protocol`] | challenger, defender: pure state machines | read a clock, sleep, do I/O |
//! | [`runtime`] | clocks, threads, signals, state files | decide |

pub mod clock;
pub mod codec;
pub mod device;
pub mod key;
pub mod protocol;
pub mod runtime;
pub mod time;
