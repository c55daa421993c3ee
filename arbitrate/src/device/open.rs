//! From what the operator named to a device: `sim:…` is embedded, everything else a real one.

use std::io;
use std::path::{Path, PathBuf};

use super::ScsiDevice;
use super::sg::SgDevice;
use super::sim::{SCHEME, SimDevice, SimError};

/// Why a device could not be opened: what it is, and what to name instead.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No such path.
    #[error("{0} is not there: it was never there, or it vanished; `lsblk -S` lists the SCSI disks")]
    NotThere(PathBuf),
    /// No permission.
    #[error("no permission to open {0}: SCSI commands need root")]
    Permission(PathBuf),
    /// A folder.
    #[error("{0} is a folder, not a device")]
    Folder(PathBuf),
    /// A regular file.
    #[error(
        "{0} is a regular file; for an embedded disk name it sim:{0}?as=NAME (`arbitrate sim create` makes one)"
    )]
    RegularFile(PathBuf),
    /// A partition.
    #[error("{name} is a partition; reservations cover whole disks: name {disk}")]
    Partition {
        /// What was named.
        name: PathBuf,
        /// The whole disk.
        disk: PathBuf,
    },
    /// A device-mapper node.
    #[error(
        "{0} is a device-mapper node, and no single SCSI disk; a reservation belongs to a path: name one of its disks (`lsblk -s {0}`)"
    )]
    DeviceMapper(PathBuf),
    /// Not a SCSI device.
    #[error("{0} is not a SCSI device (virtio, NVMe and others have no SCSI reservations)")]
    NotScsi(PathBuf),
    /// A SCSI device, but no disk.
    #[error("{name} is a SCSI device of type {kind:#04x}, not a disk")]
    NotADisk {
        /// What was named.
        name: PathBuf,
        /// Peripheral device type.
        kind: u32,
    },
    /// A device that does not say which logical unit it is.
    #[error("{name} does not say which logical unit it is: {why}")]
    Unnamed {
        /// What was asked.
        name: String,
        /// What came back.
        why: String,
    },
    /// A multipath device none of whose paths is a SCSI disk.
    #[error("{0} has no path left on this host; `multipath -ll` and `lsblk -S` show what there is")]
    NoPaths(String),
    /// An embedded disk that cannot be opened.
    #[error(transparent)]
    Sim(#[from] SimError),
    /// Anything else.
    #[error("opening {path}: {source}")]
    Io {
        /// The node.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
}

impl OpenError {
    pub(super) fn of_io(path: &Path, e: &io::Error) -> Self {
        let path = path.to_owned();
        match e.raw_os_error() {
            Some(libc::ENOENT | libc::ENXIO | libc::ENODEV) => Self::NotThere(path),
            Some(libc::EACCES | libc::EPERM) => Self::Permission(path),
            Some(n) => Self::Io { path, source: io::Error::from_raw_os_error(n) },
            None => Self::Io { path, source: io::Error::other(e.to_string()) },
        }
    }
}

/// Opens a device.
///
/// # Errors
/// [`OpenError`] says what the name stands for and what to name instead.
pub fn open(spec: &str) -> Result<Box<dyn ScsiDevice>, OpenError> {
    if spec.starts_with(SCHEME) {
        Ok(Box::new(SimDevice::open(spec)?))
    } else {
        Ok(Box::new(SgDevice::open(spec)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(errno: i32) -> OpenError {
        OpenError::of_io(Path::new("/dev/sdb"), &io::Error::from_raw_os_error(errno))
    }

    #[test]
    fn every_errno_says_what_to_do() {
        assert!(of(libc::EACCES).to_string().contains("need root"));
        assert!(of(libc::EPERM).to_string().contains("need root"));
        // A disk pulled out between the look at sysfs and the open.
        assert!(of(libc::ENXIO).to_string().contains("vanished"));
        assert!(of(libc::ENODEV).to_string().contains("vanished"));
        assert!(matches!(of(libc::EMFILE), OpenError::Io { .. }));
    }
}
