//! The verbs that only look.

mod inspect;
mod pr_in;
mod sim;

pub(crate) use inspect::run as inspect;
pub(crate) use pr_in::{capabilities, full_status, keys, reservation};
pub(crate) use sim::{create as sim_create, show as sim_show};
