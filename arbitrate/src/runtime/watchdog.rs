//! A hardware or software watchdog (Linux Documentation/watchdog/watchdog-api.rst).
//!
//! Opened before anything is owned, fed by the caller's leave only, disarmed by an explicit call and
//! never by being dropped: a process that dies leaves it armed, and the machine is reset. Feeding opens
//! and allocates nothing.

mod ioctl;

use std::ffi::c_int;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a watchdog is of no use.
#[derive(Debug, thiserror::Error)]
pub enum WatchdogError {
    /// It cannot be opened.
    #[error("opening it: {source}{hint}")]
    Open {
        /// What came back.
        source: io::Error,
        /// What to do about it.
        hint: &'static str,
    },
    /// It does not take a timeout.
    #[error("setting its timeout to {seconds} s: {source}")]
    Timeout {
        /// The timeout asked for.
        seconds: c_int,
        /// What came back.
        source: io::Error,
    },
    /// Timeouts are whole seconds.
    #[error("a watchdog counts whole seconds, not {0:?}")]
    Fraction(Duration),
}

/// An armed watchdog.
#[derive(Debug)]
pub struct Watchdog {
    file: File,
    timeout: Duration,
    identity: String,
    magic_close: bool,
    nowayout: bool,
}

impl Watchdog {
    /// Opens and thereby arms it, with `timeout`; what the driver made of that is [`Watchdog::timeout`].
    ///
    /// # Errors
    /// [`WatchdogError`]. A watchdog that was opened but refused its timeout is disarmed again, where
    /// its driver lets it.
    pub fn open(path: &Path, timeout: Duration) -> Result<Self, WatchdogError> {
        if timeout.subsec_nanos() != 0 {
            return Err(WatchdogError::Fraction(timeout));
        }
        let seconds = c_int::try_from(timeout.as_secs()).map_err(|_| WatchdogError::Fraction(timeout))?;
        let nowayout = nowayout(path);
        let file = OpenOptions::new().write(true).open(path).map_err(|source| {
            let hint = match source.raw_os_error() {
                Some(libc::EBUSY) => {
                    "; another program feeds it (systemd's RuntimeWatchdogSec=, watchdogd, sbd)"
                }
                Some(libc::ENOENT) => "; load a driver, softdog if there is no hardware",
                Some(libc::EACCES | libc::EPERM) => "; it needs root",
                _ => "",
            };
            WatchdogError::Open { source, hint }
        })?;
        let mut w = Self { file, timeout, identity: String::new(), magic_close: false, nowayout };
        w.read_info();
        match w.set(seconds) {
            Ok(real) => w.timeout = real,
            Err(source) => {
                w.disarm();
                return Err(WatchdogError::Timeout { seconds, source });
            }
        }
        Ok(w)
    }

    /// A plain file in the place of the device, for tests: it shows every byte written.
    ///
    /// # Errors
    /// The file could not be made.
    #[doc(hidden)]
    pub fn stand_in(path: &Path, timeout: Duration) -> io::Result<Self> {
        let file = File::create(path)?;
        Ok(Self { file, timeout, identity: String::new(), magic_close: true, nowayout: false })
    }

    fn read_info(&mut self) {
        // Old drivers do not tell; then nothing is known of it, and magic close is tried all the same.
        if let Ok(info) = ioctl::support(&self.file) {
            self.identity = info.name();
            self.magic_close = info.magic_close();
        }
    }

    fn set(&self, seconds: c_int) -> io::Result<Duration> {
        ioctl::set_timeout(&self.file, seconds)?;
        let real = ioctl::timeout(&self.file)?;
        Ok(Duration::from_secs(u64::try_from(real).unwrap_or(u64::MAX)))
    }

    /// The timeout it really has, read back from the driver.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What the driver calls itself.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Whether the driver says that it can be disarmed at all (WDIOF_MAGICCLOSE).
    #[must_use]
    pub const fn magic_close(&self) -> bool {
        self.magic_close
    }

    /// Whether it cannot be disarmed: then even a clean end resets the machine, unless somebody feeds.
    #[must_use]
    pub const fn nowayout(&self) -> bool {
        self.nowayout
    }

    /// Feeds: it bites `timeout` after this, at the earliest.
    pub fn feed(&self) {
        if ioctl::keep_alive(&self.file).is_err() {
            // Any write but 'V' feeds too. If that fails as well, the machine is reset, which is safe.
            let _ = (&self.file).write(b"\0");
        }
    }

    /// Disarms: 'V', then close. Without effect where the driver was built not to be stopped.
    pub fn disarm(self) {
        let _ = (&self.file).write(b"V");
    }
}

/// Whether the driver behind `path` says that it cannot be disarmed.
fn nowayout(path: &Path) -> bool {
    let name = match path.file_name().and_then(|n| n.to_str()) {
        // The old name is the first device's.
        Some("watchdog") | None => "watchdog0",
        Some(n) => n,
    };
    let sysfs = PathBuf::from("/sys/class/watchdog").join(name).join("nowayout");
    std::fs::read_to_string(sysfs).is_ok_and(|s| s.trim() == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plain file stands for the device: it shows every byte written.
    fn fake(dir: &Path) -> (PathBuf, Watchdog) {
        let path = dir.join("dog");
        let w = Watchdog::stand_in(&path, Duration::from_secs(5)).unwrap();
        (path, w)
    }

    #[test]
    fn being_dropped_never_disarms() {
        let dir = tempfile::tempdir().unwrap();
        let (path, w) = fake(dir.path());
        w.feed();
        drop(w);
        let written = std::fs::read(&path).unwrap();
        assert!(!written.contains(&b'V'), "{written:?}");
        assert!(!written.is_empty(), "fed by a write where the ioctl is not known");
    }

    #[test]
    fn disarming_is_explicit() {
        let dir = tempfile::tempdir().unwrap();
        let (path, w) = fake(dir.path());
        w.disarm();
        assert_eq!(std::fs::read(&path).unwrap(), b"V");
    }

    #[test]
    fn what_is_no_watchdog_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "").unwrap();
        let e = Watchdog::open(&path, Duration::from_secs(5)).unwrap_err();
        assert!(matches!(e, WatchdogError::Timeout { seconds: 5, .. }), "{e}");
        let e = Watchdog::open(&dir.path().join("none"), Duration::from_secs(5)).unwrap_err();
        assert!(e.to_string().contains("load a driver"), "{e}");
        let e = Watchdog::open(&path, Duration::from_millis(5500)).unwrap_err();
        assert!(matches!(e, WatchdogError::Fraction(_)));
    }
}
