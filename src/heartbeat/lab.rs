//! Measures the loop on this machine: two nodes over loopback, one of which is cut off again and again.
//!
//! What it measures is the whole way, real sockets and real threads, without a network between. For lab
//! engineers; decides nothing.

mod pair;
mod spread;

pub use pair::{MeasureError, Measured, Settings, measure};
pub use spread::Spread;
