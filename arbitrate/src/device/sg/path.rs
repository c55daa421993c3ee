//! Which node to open for what the operator named.
//!
//! /dev/sdX is mapped to its sg node: sg waits interruptibly and sd does not, and a process stuck there
//! cannot even end. Reads sysfs only; opens nothing.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::codec::pr::TransportId;
use crate::device::open::OpenError;

/// Which driver the commands go through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Via {
    /// The SCSI generic driver.
    Sg,
    /// The disk driver: there is no sg node (the module sg is not loaded). A process whose command is
    /// stuck there may not end before that command does.
    Sd,
}

/// A node to open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// The node.
    pub node: PathBuf,
    /// Its driver.
    pub via: Via,
    /// The SCSI device in sysfs.
    device: PathBuf,
}

/// Peripheral device types this program works on (SPC-4 6.6.2): disks, simplified disks, zoned disks.
const DISKS: [u32; 3] = [0x00, 0x0e, 0x14];

/// Finds the node for `named`; `sysfs` and `dev` are /sys and /dev outside of tests.
///
/// # Errors
/// [`OpenError`] says what it is instead, and what to name.
pub fn resolve(named: &Path, sysfs: &Path, dev: &Path) -> Result<Resolved, OpenError> {
    let real = fs::canonicalize(named).map_err(|e| OpenError::of_io(named, &e))?;
    let meta = fs::metadata(&real).map_err(|e| OpenError::of_io(named, &e))?;
    let kind = meta.file_type();
    let name = named.to_owned();
    if kind.is_dir() {
        return Err(OpenError::Folder(name));
    }
    if kind.is_file() {
        return Err(OpenError::RegularFile(name));
    }
    let class = match (kind.is_block_device(), kind.is_char_device()) {
        (true, _) => "block",
        (_, true) => "char",
        _ => return Err(OpenError::NotScsi(name)),
    };
    let (major, minor) = (nix::sys::stat::major(meta.rdev()), nix::sys::stat::minor(meta.rdev()));
    let entry = sysfs.join("dev").join(class).join(format!("{major}:{minor}"));
    from_sysfs(named, &real, &entry, dev)
}

/// The part that reads sysfs: `entry` is the node's folder there.
fn from_sysfs(named: &Path, real: &Path, entry: &Path, dev: &Path) -> Result<Resolved, OpenError> {
    let name = named.to_owned();
    let Ok(entry) = fs::canonicalize(entry) else { return Err(OpenError::NotScsi(name)) };
    if entry.join("partition").exists() {
        let disk = entry.parent().and_then(Path::file_name).map(|n| dev.join(n)).unwrap_or_default();
        return Err(OpenError::Partition { name, disk });
    }
    if entry.join("dm").exists() {
        return Err(OpenError::DeviceMapper(name));
    }
    let Ok(device) = fs::canonicalize(entry.join("device")) else { return Err(OpenError::NotScsi(name)) };
    // Only SCSI devices say which peripheral device type they are.
    let Some(kind) = fs::read_to_string(device.join("type")).ok().and_then(|t| t.trim().parse().ok()) else {
        return Err(OpenError::NotScsi(name));
    };
    if !DISKS.contains(&kind) {
        return Err(OpenError::NotADisk { name, kind });
    }
    let generic = fs::read_dir(device.join("scsi_generic"))
        .ok()
        .and_then(|mut d| d.find_map(Result::ok))
        .map(|e| dev.join(e.file_name()));
    Ok(match generic {
        Some(node) => Resolved { node, via: Via::Sg, device },
        None => Resolved { node: real.to_owned(), via: Via::Sd, device },
    })
}

/// The initiator port of this nexus, where sysfs tells it: iSCSI sessions that show their ISID, and
/// Fibre Channel hosts. Others do not, and are then known by this host's own records alone.
#[must_use]
pub fn initiator_port(r: &Resolved, sysfs: &Path) -> Option<TransportId> {
    r.device.ancestors().find_map(|at| {
        let name = at.file_name()?.to_str()?;
        if name.starts_with("session") {
            return iscsi(&sysfs.join("class/iscsi_session").join(name));
        }
        if name.starts_with("host") {
            return fibre_channel(&sysfs.join("class/fc_host").join(name));
        }
        None
    })
}

fn attribute(of: &Path, what: &str) -> Option<String> {
    let text = fs::read_to_string(of.join(what)).ok()?;
    let text = text.trim();
    (!text.is_empty() && text != "(null)" && text != "<NULL>").then(|| text.to_owned())
}

fn iscsi(session: &Path) -> Option<TransportId> {
    let initiator = attribute(session, "initiatorname")?;
    let isid = attribute(session, "isid")?.replace([':', '.'], "");
    format!("{initiator},i,0x{}", isid.trim_start_matches("0x")).parse().ok()
}

fn fibre_channel(host: &Path) -> Option<TransportId> {
    let port = attribute(host, "port_name")?;
    format!("fcp:{}", port.trim_start_matches("0x")).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that looks like sysfs.
    struct Fake(tempfile::TempDir);

    impl Fake {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }
        fn put(&self, path: &str, text: &str) -> PathBuf {
            let p = self.0.path().join(path);
            fs::create_dir_all(p.parent().unwrap()).unwrap();
            fs::write(&p, text).unwrap();
            p
        }
        fn scsi(&self, at: &str, kind: &str, generic: bool) -> PathBuf {
            self.put(&format!("{at}/type"), kind);
            if generic {
                fs::create_dir_all(self.0.path().join(at).join("scsi_generic/sg3")).unwrap();
            }
            let disk = self.0.path().join(at).join("block/sdb");
            fs::create_dir_all(&disk).unwrap();
            std::os::unix::fs::symlink("../..", disk.join("device")).unwrap();
            disk
        }
        fn resolve(&self, entry: &Path) -> Result<Resolved, OpenError> {
            from_sysfs(Path::new("/dev/sdb"), Path::new("/dev/sdb"), entry, Path::new("/dev"))
        }
    }

    #[test]
    fn a_disk_is_mapped_to_its_sg_node() {
        let f = Fake::new();
        let disk = f.scsi("host2/session1/target2:0:0/2:0:0:0", "0\n", true);
        let r = f.resolve(&disk).unwrap();
        assert_eq!((r.node.as_path(), r.via), (Path::new("/dev/sg3"), Via::Sg));
    }

    #[test]
    fn without_sg_the_disk_itself_is_used_and_said() {
        let f = Fake::new();
        let disk = f.scsi("2:0:0:0", "0\n", false);
        let r = f.resolve(&disk).unwrap();
        assert_eq!((r.node.as_path(), r.via), (Path::new("/dev/sdb"), Via::Sd));
    }

    #[test]
    fn what_is_no_whole_scsi_disk_is_refused_by_name() {
        let f = Fake::new();
        let disk = f.scsi("2:0:0:0", "0\n", true);
        f.put("2:0:0:0/block/sdb/sdb1/partition", "1\n");
        let partition = f.resolve(&disk.join("sdb1")).unwrap_err();
        assert!(matches!(&partition, OpenError::Partition { disk, .. } if disk == Path::new("/dev/sdb")));
        let tape = f.scsi("3:0:0:0", "1\n", true);
        assert!(matches!(f.resolve(&tape), Err(OpenError::NotADisk { kind: 1, .. })));
        f.put("dm-0/dm/name", "mpatha\n");
        assert!(matches!(f.resolve(&f.0.path().join("dm-0")), Err(OpenError::DeviceMapper(_))));
        f.put("vda/size", "1\n");
        assert!(matches!(f.resolve(&f.0.path().join("vda")), Err(OpenError::NotScsi(_))));
        assert!(matches!(f.resolve(&f.0.path().join("nothing")), Err(OpenError::NotScsi(_))));
    }

    #[test]
    fn files_folders_and_absences_have_their_own_words() {
        let f = Fake::new();
        let file = f.put("plain", "x");
        let (sys, dev) = (Path::new("/sys"), Path::new("/dev"));
        assert!(matches!(resolve(&file, sys, dev), Err(OpenError::RegularFile(_))));
        assert!(matches!(resolve(f.0.path(), sys, dev), Err(OpenError::Folder(_))));
        assert!(matches!(resolve(&f.0.path().join("no"), sys, dev), Err(OpenError::NotThere(_))));
        assert!(matches!(resolve(Path::new("/dev/null"), sys, dev), Err(OpenError::NotScsi(_))));
    }

    #[test]
    fn the_initiator_port_is_read_where_sysfs_tells_it() {
        let f = Fake::new();
        let disk = f.scsi("host2/session1/target2:0:0/2:0:0:0", "0\n", true);
        let r = f.resolve(&disk).unwrap();
        assert_eq!(initiator_port(&r, f.0.path()), None);
        f.put("class/iscsi_session/session1/initiatorname", "iqn.2026-11.lab:n1\n");
        assert_eq!(initiator_port(&r, f.0.path()), None, "half a name is none");
        f.put("class/iscsi_session/session1/isid", "00023d000001\n");
        let id = initiator_port(&r, f.0.path()).unwrap();
        assert_eq!(id.to_string(), "iqn.2026-11.lab:n1,i,0x00023d000001");
        let disk = f.scsi("host7/rport-7:0-1/target7:0:0/7:0:0:0", "0\n", true);
        f.put("class/fc_host/host7/port_name", "0x21000024ff45abcd\n");
        let id = initiator_port(&f.resolve(&disk).unwrap(), f.0.path()).unwrap();
        assert_eq!(id.to_string(), "fcp:21000024ff45abcd");
    }
}
