//! LIO and the embedded disk held against each other; an independent test suite held against LIO.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is a failure")]

mod equal;
mod libiscsi;
