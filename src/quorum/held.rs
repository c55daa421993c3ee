//! Whether this host uses a disk for something else: mounted, swapped to, part of LVM, RAID or a mapping.
//!
//! Asks the kernel twice, without a write: the holders it lists, and an exclusive open, which it refuses for what is
//! mounted or held. A multipath device above a path is no other use. Must never open for writing: udev
//! would read the disk anew.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Who uses a disk; empty where nobody does, or where it is none of this host's block devices.
#[must_use]
pub fn users(spec: &str) -> Vec<String> {
    let Some(sysfs) = sysfs_of(Path::new(spec)) else { return Vec::new() };
    let mut users = holders(&sysfs);
    let partitions = partitions(&sysfs);
    users.extend(partitions.iter().flat_map(|p| holders(p)));
    // Held by multipath alone it cannot be opened exclusively, which says nothing then.
    let multipath = sysfs.join("holders").read_dir().is_ok_and(|d| d.count() > 0) && users.is_empty();
    if users.is_empty() && !multipath && is_busy(Path::new(spec)) {
        users.push("something mounted or otherwise claimed in this kernel".to_owned());
    }
    users
}

/// The folder of a block device in sysfs.
fn sysfs_of(path: &Path) -> Option<PathBuf> {
    let meta = fs::metadata(path).ok().filter(|m| m.file_type().is_block_device())?;
    let (major, minor) = (nix::sys::stat::major(meta.rdev()), nix::sys::stat::minor(meta.rdev()));
    fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()
}

fn partitions(sysfs: &Path) -> Vec<PathBuf> {
    let Ok(entries) = sysfs.read_dir() else { return Vec::new() };
    entries.flatten().map(|e| e.path()).filter(|p| p.join("partition").exists()).collect()
}

fn holders(sysfs: &Path) -> Vec<String> {
    let Ok(entries) = sysfs.join("holders").read_dir() else { return Vec::new() };
    entries.flatten().filter_map(|e| holder(&e.path())).collect()
}

/// One holder in words; none for a multipath device.
fn holder(path: &Path) -> Option<String> {
    let text = |p: &str| fs::read_to_string(path.join(p)).map(|s| s.trim().to_owned()).unwrap_or_default();
    if text("dm/uuid").starts_with("mpath-") {
        return None;
    }
    let node = path.file_name()?.to_string_lossy().into_owned();
    let name = text("dm/name");
    Some(if name.is_empty() { node } else { format!("{name} ({node})") })
}

fn is_busy(path: &Path) -> bool {
    let flags = libc::O_EXCL | libc::O_NONBLOCK | libc::O_CLOEXEC;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    opened.is_err_and(|e| e.raw_os_error() == Some(libc::EBUSY))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: PathBuf, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn what_is_no_block_device_is_held_by_nobody() {
        assert!(users("sim:/tmp/x?as=a").is_empty());
        assert!(users("/dev/null").is_empty());
    }

    #[test]
    fn holders_are_named_and_a_multipath_device_is_none() {
        let sys = tempfile::tempdir().unwrap();
        let disk = sys.path().join("sdx");
        file(disk.join("holders/dm-3/dm/uuid"), "LVM-abc\n");
        file(disk.join("holders/dm-3/dm/name"), "vg-data\n");
        file(disk.join("holders/dm-4/dm/uuid"), "mpath-3600\n");
        file(disk.join("sdx1/partition"), "1\n");
        file(disk.join("sdx1/holders/md0/md/level"), "raid1\n");
        assert_eq!(holders(&disk), ["vg-data (dm-3)"]);
        let parts = partitions(&disk);
        assert_eq!(parts, [disk.join("sdx1")]);
        assert_eq!(holders(&parts[0]), ["md0"]);
    }
}
