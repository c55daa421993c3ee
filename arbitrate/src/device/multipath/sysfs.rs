//! Which device files could be paths of one logical unit, by what the kernel shows.
//!
//! Reads sysfs only. Proposes, and no more: each is asked who it is afterwards. iSCSI sessions under
//! another initiator name are another node's and never proposed: their nexus is not ours to register.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{Asked, Candidates, PathSpec};
use crate::codec::vpd::{DeviceIdentification, LuIdentity};
use crate::device::open::OpenError;

/// Disks, simplified disks, zoned disks (SPC-4 6.6.2).
const DISKS: [&str; 3] = ["0", "14", "20"];

/// Where to look: /sys and /dev outside of tests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Host<'a> {
    pub(super) sysfs: &'a Path,
    pub(super) dev: &'a Path,
}

/// A SCSI device in sysfs.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Scsi {
    folder: PathBuf,
    node: PathBuf,
    initiator: Option<String>,
}

impl Host<'_> {
    pub(super) fn candidates(&self, named: &Path) -> Result<Candidates, OpenError> {
        let meta = fs::metadata(named).map_err(|e| OpenError::of_io(named, &e))?;
        let class = match meta.file_type() {
            t if t.is_block_device() => "block",
            t if t.is_char_device() => "char",
            // Files, folders and others: opening one says in words what it is.
            _ => return Ok(alone(named)),
        };
        let (major, minor) = (nix::sys::stat::major(meta.rdev()), nix::sys::stat::minor(meta.rdev()));
        self.of_entry(named, &self.sysfs.join("dev").join(class).join(format!("{major}:{minor}")))
    }

    /// `entry` is the folder of the node in sysfs.
    pub(super) fn of_entry(&self, named: &Path, entry: &Path) -> Result<Candidates, OpenError> {
        let Ok(entry) = fs::canonicalize(entry) else { return Ok(alone(named)) };
        if entry.join("dm").exists() {
            return self.of_mapper(named, &entry);
        }
        let first = fs::canonicalize(entry.join("device")).ok().filter(|_| !entry.join("partition").exists());
        let Some(first) = first.and_then(|d| self.scsi(d)) else { return Ok(alone(named)) };
        let mut paths = vec![PathSpec::new(named.display().to_string())];
        self.add_siblings(std::slice::from_ref(&first), &mut paths);
        Ok(Candidates { asked: Asked::ForOnePath, paths })
    }

    fn of_mapper(&self, named: &Path, entry: &Path) -> Result<Candidates, OpenError> {
        if !text(&entry.join("dm/uuid")).is_some_and(|u| u.starts_with("mpath-")) {
            return Err(OpenError::DeviceMapper(named.to_owned()));
        }
        let mut slaves: Vec<PathBuf> = fs::read_dir(entry.join("slaves"))
            .map(|d| d.filter_map(Result::ok).map(|e| e.path()).collect())
            .unwrap_or_default();
        slaves.sort();
        let slaves: Vec<Scsi> = slaves
            .iter()
            .filter_map(|s| fs::canonicalize(s.join("device")).ok())
            .filter_map(|d| self.scsi(d))
            .collect();
        let mut paths: Vec<PathSpec> = slaves.iter().map(Scsi::spec).collect();
        // A path that came back is a disk before it is in the map again.
        self.add_siblings(&slaves, &mut paths);
        Ok(Candidates { asked: Asked::ForAll, paths })
    }

    fn add_siblings(&self, of: &[Scsi], paths: &mut Vec<PathSpec>) {
        let names: Vec<LuIdentity> = of.iter().filter_map(|s| shown_identity(&s.folder)).collect();
        for s in self.disks() {
            let known = of.iter().any(|o| o.folder == s.folder);
            if known || of.iter().any(|o| another_node(o, &s)) {
                continue;
            }
            // Shown as another unit: not asked. Shown as none at all: only asking can tell.
            let other = shown_identity(&s.folder).is_some_and(|n| !names.is_empty() && !names.contains(&n));
            if !other {
                paths.push(s.spec());
            }
        }
    }

    /// Every SCSI disk of this host, by address.
    fn disks(&self) -> Vec<Scsi> {
        let Ok(all) = fs::read_dir(self.sysfs.join("class/scsi_device")) else { return Vec::new() };
        let mut folders: Vec<PathBuf> = all
            .filter_map(Result::ok)
            .filter_map(|e| fs::canonicalize(e.path().join("device")).ok())
            .filter(|d| text(&d.join("type")).is_some_and(|t| DISKS.contains(&t.as_str())))
            .collect();
        folders.sort();
        folders.into_iter().filter_map(|d| self.scsi(d)).collect()
    }

    fn scsi(&self, folder: PathBuf) -> Option<Scsi> {
        let only = |of: &str| fs::read_dir(folder.join(of)).ok()?.find_map(Result::ok).map(|e| e.file_name());
        let node = self.dev.join(only("block").or_else(|| only("scsi_generic"))?);
        let initiator = self.initiator(&folder);
        Some(Scsi { folder, node, initiator })
    }

    /// The iSCSI initiator name a disk is used under; others have none.
    fn initiator(&self, folder: &Path) -> Option<String> {
        let session = folder.ancestors().find_map(|a| {
            let name = a.file_name()?.to_str()?;
            name.starts_with("session").then(|| name.to_owned())
        })?;
        text(&self.sysfs.join("class/iscsi_session").join(session).join("initiatorname"))
    }
}

impl Scsi {
    fn spec(&self) -> PathSpec {
        PathSpec::new(self.node.display().to_string())
    }
}

/// Whether two disks are used under different iSCSI initiator names.
fn another_node(a: &Scsi, b: &Scsi) -> bool {
    matches!((&a.initiator, &b.initiator), (Some(a), Some(b)) if a != b)
}

fn alone(named: &Path) -> Candidates {
    Candidates { asked: Asked::ForOnePath, paths: vec![PathSpec::new(named.display().to_string())] }
}

/// The identity in the page 83h that the kernel read when it found the disk.
fn shown_identity(folder: &Path) -> Option<LuIdentity> {
    DeviceIdentification::parse(&fs::read(folder.join("vpd_pg83")).ok()?).ok()?.lu_identity()
}

fn text(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty() && text != "(null)" && text != "<NULL>").then(|| text.to_owned())
}
