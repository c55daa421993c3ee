//! The command line: arguments in, text or JSON and an exit code out.

pub(crate) mod heartbeat;
pub(crate) mod output;
pub(crate) mod quorum;
