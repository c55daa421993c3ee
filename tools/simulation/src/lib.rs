//! Palisade's runtime under seeded faults, in virtual time.
//!
//! Two or three nodes run the programs' own code (the contest, the drivers, the executor with its retry
//! policy, the lives' files and the handover) against one embedded logical unit. What is simulated is what
//! surrounds them: time, clocks that run apart, a fabric that delays and loses, machines that stand
//! still, crash and come back, an operator, a target that is reset or loses power.
//!
//! | module | is |
//! |---|---|
//! | [`plan`] | a scenario, drawn from its seed |
//! | [`chance`], [`clock`] | its randomness; a node's clock |
//! | `world`, `fabric`, [`target`] | the events, the commands under way, the unit |
//! | `stage`, `node` | one thread a node, of which one runs; what it runs |
//! | [`judge`] | what must hold at every instant |
//! | [`mod@run`] | running one scenario, or many |
//!
//! Not run here, since they read the kernel's clock or drive real threads: the crew of threads behind a
//! defence, whose rule (Unknown at the deadline, the command goes on, four may be stuck) the simulated nexus
//! keeps; the watchdog's ioctls; the programs' printing.
//!
//! Must never be linked into a program: it turns on the feature `teeth` of [`arbitrate`].
//!
//! ```
//! use palisade_simulation::plan::Broken;
//! use palisade_simulation::run::{Story, run};
//!
//! let outcome = run(1, Broken::default(), Story::Kept)?;
//! assert_eq!(outcome.violations, []);
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod chance;
pub mod clock;
mod fabric;
pub mod judge;
mod node;
pub mod plan;
pub mod run;
mod stage;
pub mod target;
pub mod trace;
mod world;
