//! The I_T nexus as the emulated unit counts it.
//!
//! The state that a model checker hashes holds small numbers only; the names they stand for are kept
//! beside it, in the [`super::Profile`].

use serde::{Deserialize, Serialize};

/// One I_T nexus of a unit: initiator port and target port, interned. Numbers are handed out in the
/// order in which nexuses were first seen and are never reused;
/// a unit knows 256 at most.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NexusId(pub u8);
