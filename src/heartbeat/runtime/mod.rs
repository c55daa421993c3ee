//! The heartbeat on real clocks and sockets: one thread, one tick after another.
//!
//! ```text
//!  absolute tick -> wake -> compose all, sendmmsg -> recvmmsg until empty -> judge -> publish -> next tick
//! ```
//!
//! After its start the loop opens nothing, allocates nothing and takes no lock; events leave it through a
//! ring, and one that does not fit is counted. Does I/O, decides nothing.

mod batch;
mod beat;
mod clocks;
mod link;

pub use beat::{Beat, Cost, Stamped};
pub use clocks::Clocks;
pub use link::{Link, LinkError};
