//! `sim`: what an operator of an embedded disk does beside using it.

mod command;
mod fault;

pub(crate) use fault::{FaultArgs, run as fault};
