//! Golden timelines of legacy mode, and a world of three nodes in which everything may go wrong.

mod bed;
mod challenge;
mod defence;
mod exact;
#[cfg(feature = "teeth")]
mod teeth;
mod two;
mod world;
mod worlds;
