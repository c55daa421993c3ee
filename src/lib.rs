//! What ties arbitration, network identity and service groups together.
//!
//! | module | is | must never |
//! |---|---|---|
//! | [`heartbeat`] | who is heard, and when to ask the disk | convict anybody |

pub mod heartbeat;
