//! The kernel: netlink, packet sockets, sysctls. Does I/O, decides nothing.

pub mod clock;
pub mod filter;
pub mod keeper;
pub mod monitor;
pub mod netlink;
mod observe;
pub mod packet;
pub mod secret;
pub mod signals;
pub mod stop;
pub mod sysctl;

use std::io;

/// What could not be had from the kernel.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// A call failed.
    #[error("{doing}: {source}{}", hint(.source))]
    Call {
        /// What was tried.
        doing: String,
        /// What came back.
        source: io::Error,
    },
    /// The kernel's words made no sense.
    #[error("{doing}: the kernel's answer was not understood: {why}")]
    Answer {
        /// What was tried.
        doing: String,
        /// What is wrong with it.
        why: String,
    },
    /// No answer came in time.
    #[error("{0}: the kernel did not answer within a second")]
    Silent(String),
}

impl SystemError {
    fn call(doing: impl Into<String>, source: io::Error) -> Self {
        Self::Call { doing: doing.into(), source }
    }

    /// The errno, if it is one.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Call { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}

pub(crate) fn hint(e: &io::Error) -> &'static str {
    match e.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => " (it needs CAP_NET_ADMIN and CAP_NET_RAW: run it as root)",
        Some(libc::ENODEV) => " (the link vanished meanwhile)",
        Some(libc::ENOBUFS) => " (the kernel is out of buffers or the table is full)",
        _ => "",
    }
}
