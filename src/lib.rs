//! What ties arbitration, network identity and service groups together.
//!
//! | module | is | must never |
//! |---|---|---|
//! | [`heartbeat`] | who is heard, and when to ask the disk | convict anybody |
//! | [`quorum`] | quorum devices: what stands on a disk, and making it one | write over anything of others |

pub mod heartbeat;
pub mod quorum;
