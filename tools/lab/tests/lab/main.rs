//! The lab itself is right: what other tests conclude from it, it really shows. The reservations are made and read
//! here by sg3-utils, so that none of our own code speaks for itself.

mod absence;
mod agent;
mod deadlock;
mod guest_tests;
mod layouts;
mod reservations;
mod watchdog;

use std::time::Duration;

/// For what takes a moment, on a busy host.
const SOON: Duration = Duration::from_secs(30);
