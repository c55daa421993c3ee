//! The datagram, version 1: 112 bytes, big-endian, no options.
//!
//! ```text
//!    0 magic "PHB", version     24 interval, us               64 echoed sequence
//!    4 cluster id               28 slowest, us                72 held, us
//!    8 sender, link, key        32 multiplier, flags, to whom 76 echoed link, 0
//!   12 incarnation              36 own stall, us              80 challenge
//!   16 sequence                 40 epoch                      88 response
//!                               48 log position               96 MAC, 16 bytes
//!                               56 slot sequence
//! ```
//!
//! [`Packet`] is a view over received bytes whose length, magic and version were checked; [`Repr`] holds
//! only values that make sense. The MAC covers every byte before it. Must never be parsed before the MAC
//! was verified: [`crate::heartbeat::auth`].

mod packet;
mod repr;

pub use packet::{LEN, MAC_AT, MAC_LEN, Packet, WireError};
pub use repr::{Echo, Flags, Handshake, Member, Pace, Repr, To};
