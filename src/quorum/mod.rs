//! Quorum devices: what stands on a disk, and making it one of a cluster's.
//!
//! | module | is | must never |
//! |---|---|---|
//! | [`content`] | what the bytes of a disk are | take what it does not know for nothing |
//! | [`disk`] | who a disk is, how large, who is registered; its units, read and written | decide |
//! | [`formatting`] | the steps from a blank disk to a quorum device, read back | write over anything of others |
//! | [`held`] | whether this host uses a disk otherwise | open it for writing |

pub mod content;
pub mod disk;
pub mod formatting;
pub mod held;
