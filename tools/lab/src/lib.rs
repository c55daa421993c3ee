//! A real kernel with real persistent reservations, for tests: a stock Debian kernel under QEMU's emulation, no
//! virtualisation support, root or SCSI hardware needed. Its one invariant: a test that says it passed has run
//! against a kernel. What it must never do: leave a machine running, or skip in silence.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! use palisade_lab::{Lab, Layout, Setup};
//!
//! let Some(lab) = Lab::open()? else { return Ok(()) }; // PALISADE_LAB=off, said on stderr
//! let guest = lab.boot(&Setup::new(Layout::iscsi()).program(palisade_lab::arbitrate_binary()?))?;
//! let disk = &guest.node("n1")?.disks[0];
//! let shown = guest.run(&format!("arbitrate inspect {}", disk.block))?;
//! assert!(shown.contains("no reservation"), "{shown}");
//! # Ok(())
//! # }
//! ```
//!
//! The machine is killed when its [`Guest`] is dropped; should the whole test process vanish, the guest notices
//! the closed wire and powers itself off.

mod agent;
mod build;
mod closure;
mod cpio;
mod guest;
mod host;
mod image;
mod job;
mod layout;
mod libtest;
mod machine;
mod modules;
mod qmp;
mod setup;
mod wire;

pub use build::{arbitrate_binary, program, test_program};
pub use guest::Guest;
pub use host::Lab;
pub use job::{Job, Output};
pub use layout::{Disk, Layout, Node, Watchdog};
pub use libtest::LibtestRun;
pub use machine::Exit;
pub use setup::{Clock, Setup};
