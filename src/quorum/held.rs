//! Whether this host uses a disk for something else: mounted, swapped to, part of LVM, RAID or a mapping.
//!
//! Asks the kernel twice, without a write: the holders it lists, and an exclusive open, which it refuses for what is
//! mounted or held. A multipath device above a path is no other use; what stands on the multipath device is. Must
//! never open for writing: udev would read the disk anew.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Who uses a disk; empty where nobody does, or where it is none of this host's disks.
#[must_use]
pub fn users(spec: &str) -> Vec<String> {
    let disk = fs::metadata(spec).ok().and_then(|m| disk_of(Path::new("/sys"), m.file_type(), m.rdev()));
    disk.map_or_else(Vec::new, |disk| users_of(&disk, Path::new("/dev")))
}

/// The folder in sysfs of a block device, or of the one a SCSI generic device belongs to.
fn disk_of(sys: &Path, kind: fs::FileType, rdev: u64) -> Option<PathBuf> {
    let number = format!("{}:{}", nix::sys::stat::major(rdev), nix::sys::stat::minor(rdev));
    if kind.is_block_device() {
        fs::canonicalize(sys.join("dev/block").join(number)).ok()
    } else if kind.is_char_device() {
        of_generic(&sys.join("dev/char").join(number))
    } else {
        None
    }
}

/// The disk of a SCSI generic device.
fn of_generic(generic: &Path) -> Option<PathBuf> {
    let disk = entries(&generic.join("device/block")).into_iter().next()?;
    fs::canonicalize(disk).ok()
}

/// Who uses the disk with this folder in sysfs, its node in `dev`.
fn users_of(sysfs: &Path, dev: &Path) -> Vec<String> {
    let partitions = entries(sysfs).into_iter().filter(|p| p.join("partition").exists());
    let all = std::iter::once(sysfs.to_owned()).chain(partitions);
    let (multipath, others): (Vec<_>, Vec<_>) =
        all.flat_map(|d| entries(&d.join("holders"))).partition(|h| is_multipath(h));
    let mut users: Vec<_> = others.iter().filter_map(|h| in_words(h)).collect();
    users.extend(multipath.iter().flat_map(|m| users_of(m, dev)));
    // Held by multipath it cannot be opened exclusively, which says nothing then.
    if users.is_empty() && multipath.is_empty() && is_busy(sysfs, dev) {
        users.push("something mounted or otherwise claimed in this kernel".to_owned());
    }
    users
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    folder.read_dir().map(|d| d.flatten().map(|e| e.path()).collect()).unwrap_or_default()
}

fn text(sysfs: &Path, attribute: &str) -> String {
    fs::read_to_string(sysfs.join(attribute)).map(|s| s.trim().to_owned()).unwrap_or_default()
}

fn is_multipath(holder: &Path) -> bool {
    text(holder, "dm/uuid").starts_with("mpath-")
}

fn in_words(holder: &Path) -> Option<String> {
    let node = holder.file_name()?.to_string_lossy().into_owned();
    let name = text(holder, "dm/name");
    Some(if name.is_empty() { node } else { format!("{name} ({node})") })
}

fn is_busy(sysfs: &Path, dev: &Path) -> bool {
    let Some(node) = sysfs.file_name() else { return false };
    let flags = libc::O_EXCL | libc::O_NONBLOCK | libc::O_CLOEXEC;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(dev.join(node));
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
    fn what_is_no_disk_is_held_by_nobody() {
        assert!(users("sim:/tmp/x?as=a").is_empty());
        assert!(users("/dev/null").is_empty());
    }

    #[test]
    fn holders_are_named_and_a_multipath_device_is_none() {
        let sys = tempfile::tempdir().unwrap();
        let (disk, nowhere) = (sys.path().join("sdx"), Path::new("/nonexistent"));
        file(disk.join("holders/dm-4/dm/uuid"), "mpath-3600\n");
        assert!(users_of(&disk, nowhere).is_empty());
        file(disk.join("holders/dm-3/dm/uuid"), "LVM-abc\n");
        file(disk.join("holders/dm-3/dm/name"), "vg-data\n");
        file(disk.join("sdx1/partition"), "1\n");
        file(disk.join("sdx1/holders/md0/md/level"), "raid1\n");
        assert_eq!(users_of(&disk, nowhere), ["vg-data (dm-3)", "md0"]);
    }

    #[test]
    fn what_stands_on_the_multipath_device_uses_the_disk() {
        let sys = tempfile::tempdir().unwrap();
        let (disk, nowhere) = (sys.path().join("sdx"), Path::new("/nonexistent"));
        file(disk.join("holders/dm-4/dm/uuid"), "mpath-3600\n");
        file(disk.join("holders/dm-4/holders/dm-5/dm/name"), "vg-root\n");
        assert_eq!(users_of(&disk, nowhere), ["vg-root (dm-5)"]);
    }

    #[test]
    fn a_generic_device_is_asked_as_the_disk_it_belongs_to() {
        let sys = tempfile::tempdir().unwrap();
        let disk = sys.path().join("sg3/device/block/sdx");
        fs::create_dir_all(&disk).unwrap();
        assert_eq!(of_generic(&sys.path().join("sg3")), Some(fs::canonicalize(disk).unwrap()));
        assert_eq!(of_generic(&sys.path().join("sg4")), None, "a tape, say");
    }
}
