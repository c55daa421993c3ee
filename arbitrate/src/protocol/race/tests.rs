//! Races of several nodes for three units, in virtual time.

use super::*;

mod alone;
mod bed;
mod chance;
mod crafted;
mod exact;
mod lost;
mod rivals;
#[cfg(feature = "teeth")]
mod teeth;
