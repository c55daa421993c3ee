//! Sysctls of links, by /proc/sys: those of the network namespace of the calling thread.

use std::io::{self, Read, Write};

use super::SystemError;
use crate::host::{Sysctl, Which};

/// Reads one; `None` where the kernel has none such.
#[must_use]
pub fn read(sysctl: Sysctl) -> Option<i32> {
    let mut text = [0u8; 16];
    let n = std::fs::File::open(sysctl.path()).and_then(|mut f| f.read(&mut text)).ok()?;
    std::str::from_utf8(text.get(..n)?).ok()?.trim().parse().ok()
}

/// Those that a virtual MAC above `link` touches or goes by.
pub(super) fn of_link(link: &str) -> impl Iterator<Item = (Sysctl, i32)> {
    let which = if link == "all" {
        &[Which::ArpIgnore, Which::ArpAnnounce, Which::ArpFilter, Which::RpFilter][..]
    } else {
        &[Which::ArpIgnore, Which::ArpAnnounce][..]
    };
    which.iter().filter_map(move |w| Sysctl::of(*w, link)).filter_map(|s| Some((s, read(s)?)))
}

/// Writes one.
///
/// # Errors
/// The errno of the call.
pub fn write(sysctl: Sysctl, value: i32) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).open(sysctl.path())?;
    file.write_all(value.to_string().as_bytes())
}

/// The network namespace of this thread, by a number that the kernel never gives twice until it is booted again.
///
/// # Errors
/// [`SystemError::Call`].
pub fn namespace() -> Result<u64, SystemError> {
    use std::os::unix::fs::MetadataExt;
    let doing = "telling which network namespace this is";
    match super::packet::namespace_cookie().map_err(|e| SystemError::call(doing, e))? {
        Some(cookie) => Ok(cookie),
        // Before Linux 5.14: the inode, which may come again when the namespace is gone.
        None => std::fs::metadata("/proc/thread-self/ns/net")
            .map(|m| m.ino())
            .map_err(|e| SystemError::call(doing, e)),
    }
}
