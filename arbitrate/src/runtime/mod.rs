//! Clocks, threads, signals, files: does I/O, decides nothing.
//!
//! The protocols decide; this layer sends what they ask for, tells them what came back, and keeps time.

pub mod contest;
pub mod crew;
pub mod drive;
pub mod executor;
pub mod fence;
pub mod handover;
pub mod identify;
pub mod legacy;
pub mod lives;
pub mod pacer;
pub mod paths;
pub mod quorum;
pub mod realtime;
pub mod store;
pub mod verify;
pub mod watchdog;
