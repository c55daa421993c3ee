//! Paths found in a folder that looks like sysfs, and over an embedded unit's ports.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::sysfs::Host;
use super::*;
use crate::codec::inquiry::Peripheral;
use crate::codec::vpd::{Association, CodeSet, Designator, DesignatorId, DeviceIdentification, Naa};
use crate::device::sim::{CreateOptions, SimDevice};

struct Fake(tempfile::TempDir);

impl Fake {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, path: &str, data: &[u8]) {
        let p = self.0.path().join(path);
        fs::create_dir_all(p.parent().unwrap()).unwrap();
        fs::write(p, data).unwrap();
    }

    /// A SCSI disk `name` at `at`, which the kernel believes to be unit `unit`; its folder.
    fn disk(&self, name: &str, at: &str, unit: Option<u8>) -> PathBuf {
        let folder = self.0.path().join("devices").join(at);
        self.put(&format!("devices/{at}/type"), b"0\n");
        fs::create_dir_all(folder.join("block").join(name)).unwrap();
        symlink("../..", folder.join("block").join(name).join("device")).unwrap();
        if let Some(unit) = unit {
            let id = DesignatorId::Naa(Naa::Local([0x30, 0, 0, 0, 0, 0, 0, unit]));
            let d = Designator {
                association: Association::LogicalUnit,
                code_set: CodeSet::Binary,
                protocol: None,
                id,
            };
            let page = DeviceIdentification { peripheral: Peripheral::DISK, designators: vec![d] };
            self.put(&format!("devices/{at}/vpd_pg83"), &page.emit().unwrap());
        }
        let class = self.0.path().join("class/scsi_device").join(at.rsplit('/').next().unwrap());
        fs::create_dir_all(&class).unwrap();
        symlink(&folder, class.join("device")).unwrap();
        folder.join("block").join(name)
    }

    fn session(&self, n: u32, initiator: &str) {
        self.put(&format!("class/iscsi_session/session{n}/initiatorname"), initiator.as_bytes());
    }

    fn mapper(&self, uuid: &str, slaves: &[&PathBuf]) -> PathBuf {
        self.put("devices/virtual/block/dm-0/dm/uuid", uuid.as_bytes());
        let dm = self.0.path().join("devices/virtual/block/dm-0");
        fs::create_dir_all(dm.join("slaves")).unwrap();
        for s in slaves {
            symlink(s, dm.join("slaves").join(s.file_name().unwrap())).unwrap();
        }
        dm
    }

    fn paths(&self, named: &str, entry: &Path) -> (Asked, Vec<String>) {
        let host = Host { sysfs: self.0.path(), dev: Path::new("/dev") };
        let c = host.of_entry(Path::new(named), entry).unwrap();
        (c.asked, c.paths.iter().map(ToString::to_string).collect())
    }
}

#[test]
fn a_mapper_device_stands_for_its_slaves_and_their_siblings() {
    let f = Fake::new();
    let a = f.disk("sda", "host1/1:0:0:0", Some(1));
    let b = f.disk("sdb", "host2/2:0:0:0", Some(1));
    f.disk("sdc", "host3/3:0:0:0", Some(1));
    f.disk("sdd", "host4/4:0:0:0", Some(2));
    let dm = f.mapper("mpath-naa.1", &[&a, &b]);
    let all = ["/dev/sda", "/dev/sdb", "/dev/sdc"].map(String::from).to_vec();
    assert_eq!(f.paths("/dev/mapper/m", &dm), (Asked::ForAll, all));
}

#[test]
fn a_mapper_device_that_is_no_multipath_is_refused() {
    let f = Fake::new();
    let a = f.disk("sda", "host1/1:0:0:0", Some(1));
    let dm = f.mapper("LVM-abc", &[&a]);
    let host = Host { sysfs: f.0.path(), dev: Path::new("/dev") };
    let e = host.of_entry(Path::new("/dev/mapper/vg-lv"), &dm).unwrap_err();
    assert!(matches!(e, OpenError::DeviceMapper(_)), "{e}");
}

#[test]
fn a_disk_comes_first_and_brings_its_siblings() {
    let f = Fake::new();
    f.disk("sda", "host1/1:0:0:0", Some(1));
    let b = f.disk("sdb", "host2/2:0:0:0", Some(1));
    // What the kernel knows nothing of has to be asked.
    f.disk("sdc", "host3/3:0:0:0", None);
    f.disk("sdd", "host4/4:0:0:0", Some(2));
    let all = ["/dev/sdb", "/dev/sda", "/dev/sdc"].map(String::from).to_vec();
    assert_eq!(f.paths("/dev/sdb", &b), (Asked::ForOnePath, all));
}

#[test]
fn another_initiator_name_is_another_node() {
    let f = Fake::new();
    let a = f.disk("sda", "host1/session1/1:0:0:0", Some(1));
    f.disk("sdb", "host2/session2/2:0:0:0", Some(1));
    f.disk("sdc", "host3/session3/3:0:0:0", Some(1));
    f.session(1, "iqn.x:n1\n");
    f.session(2, "iqn.x:n2\n");
    f.session(3, "iqn.x:n1\n");
    assert_eq!(f.paths("/dev/sda", &a).1, ["/dev/sda", "/dev/sdc"]);
}

#[test]
fn ports_become_paths() {
    let of = |s: &str| ports::expand(s).paths.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(of("sim:d?as=a&port=1+2"), ["sim:d?as=a&port=1", "sim:d?as=a&port=2"]);
    assert_eq!(of("sim:d?port=2+1+2&as=a"), ["sim:d?port=2&as=a", "sim:d?port=1&as=a"]);
    assert_eq!(of("sim:d?as=a&port=2"), ["sim:d?as=a&port=2"]);
    assert_eq!(of("sim:d?as=a"), ["sim:d?as=a"]);
}

fn embedded(dir: &Path, name: &str) -> String {
    let path = dir.join(name);
    SimDevice::create(&path, &CreateOptions::default()).unwrap();
    path.display().to_string()
}

#[test]
fn every_path_is_asked_who_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let disk = embedded(dir.path(), "disk");
    let unit = resolve(&format!("sim:{disk}?as=a&port=1+2")).unwrap();
    assert_eq!(unit.asked, Asked::ForAll);
    assert_eq!(unit.paths.len(), 2);
    assert!(unit.name.starts_with("naa.3"), "{}", unit.name);
    for path in &unit.paths {
        let (_, identity) = path.identify().unwrap();
        assert_eq!(identity.as_str(), unit.name);
    }
    let single = resolve(&format!("sim:{disk}?as=a")).unwrap();
    assert_eq!((single.asked, single.name), (Asked::ForOnePath, unit.name));
}

#[test]
fn a_port_that_cannot_be_is_doubtful_and_one_alone_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let disk = embedded(dir.path(), "disk");
    let unit = resolve(&format!("sim:{disk}?as=a&port=1+x")).unwrap();
    assert_eq!((unit.paths.len(), unit.doubtful.len()), (1, 1));
    assert!(unit.doubtful[0].why.contains("1 to 65535"), "{:?}", unit.doubtful);
    assert!(resolve(&format!("sim:{disk}?as=a&port=x+y")).is_err());
    assert!(matches!(resolve("/nowhere"), Err(OpenError::NotThere(_))));
}
