//! The guest's initramfs: busybox, the SCSI and iSCSI tools of the host, the kernel's modules, our scripts and the
//! programs under test. Kept by a hash of all that went in, so that a run of many tests builds it once.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};

use crate::closure::{libraries, stripped};
use crate::cpio::Archive;
use crate::host::{Lab, lock, required};
use crate::modules::Modules;

const SCRIPTS: &[(&str, &[u8])] = &[
    ("lab/agent", include_bytes!("../guest/agent")),
    ("lab/boot", include_bytes!("../guest/boot")),
    ("lab/lib.sh", include_bytes!("../guest/lib.sh")),
    ("lab/layout-iscsi", include_bytes!("../guest/layout-iscsi")),
    ("lab/layout-loop", include_bytes!("../guest/layout-loop")),
    ("lab/layout-multipath", include_bytes!("../guest/layout-multipath")),
    ("lab/layout-scsi-debug", include_bytes!("../guest/layout-scsi-debug")),
    ("lab/wait-line", include_bytes!("../guest/wait-line")),
    ("etc/inittab", include_bytes!("../guest/inittab")),
    ("etc/iscsi/iscsid.conf", include_bytes!("../guest/iscsid.conf")),
    // The iSCSI tools look up who they are.
    ("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n"),
    ("etc/nsswitch.conf", b"passwd: files\nhosts: files\n"),
];

const FOLDERS: &[&str] =
    &["dev", "proc", "sys", "run", "tmp", "mnt", "root", "var/lib", "var/target/pr", "lab"];

const TOOLS: &[&str] = &[
    "dmsetup",
    "iscsiadm",
    "iscsid",
    "sg_inq",
    "sg_persist",
    "sg_raw",
    "sg_readcap",
    "sg_requests",
    "sg_reset",
    "sg_turs",
];

const MODULES: &[&str] = &[
    // Asked for by alias. Newer kernels have it in their library.
    "crc32c_generic?",
    "dm_mod",
    "dm_multipath",
    "dm_round_robin",
    "i6300esb",
    "iscsi_target_mod",
    "iscsi_tcp",
    "scsi_debug",
    "sd_mod",
    "sg",
    "softdog",
    "target_core_file",
    "target_core_mod",
    "tcm_loop",
    "virtio_console",
    "virtio_pci",
];

/// How long an image nobody booted stays.
const UNUSED: Duration = Duration::from_secs(3600);

/// The image that holds `files` (here, there) beside the common parts; built unless it is there.
pub(crate) fn initramfs(lab: &Lab, files: &[(PathBuf, String)]) -> Result<PathBuf> {
    let recipe = Recipe::gather(files)?;
    let folder = lab.folder("images")?;
    let image = folder.join(format!("{:016x}.cpio", recipe.hash(&lab.release)));
    let _held = lock(&folder.join("lock"))?;
    if image.exists() {
        // In use: pruning goes by this time.
        fs::File::open(&image)?.set_modified(SystemTime::now())?;
        return Ok(image);
    }
    prune(&folder);
    // Named as pruning expects it, so that one left behind by a crash goes too.
    let unfinished = folder.join("unfinished.cpio");
    fs::write(&unfinished, recipe.archive(lab)?.to_bytes()?)?;
    fs::rename(&unfinished, &image)?;
    Ok(image)
}

/// Images of programs since rebuilt would fill the disk. One that cannot be removed is left.
fn prune(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let age = entry.metadata().ok().and_then(|data| data.modified().ok()?.elapsed().ok());
        let is_image = entry.path().extension().is_some_and(|extension| extension == "cpio");
        if is_image && age.is_some_and(|age| age > UNUSED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Everything from the host that goes in, read once: what is hashed is what is packed.
struct Recipe {
    /// (path there, permissions, contents, whether debug information goes)
    files: Vec<(String, u32, Vec<u8>, Strip)>,
    applets: Vec<String>,
}

#[derive(Clone, Copy, Hash)]
enum Strip {
    /// As the distribution built it.
    No,
    /// Fresh from cargo: mostly debug information.
    Yes,
}

impl Recipe {
    fn gather(extra: &[(PathBuf, String)]) -> Result<Self> {
        let busybox = required("busybox")?;
        let list = Command::new(&busybox).arg("--list").output().context("busybox --list")?;
        let applets = String::from_utf8_lossy(&list.stdout).lines().map(str::to_owned).collect();
        let mut recipe = Self { files: Vec::new(), applets };

        recipe.program(&busybox, "bin/busybox", Strip::No)?;
        for tool in TOOLS {
            recipe.program(&required(tool)?, &format!("bin/{tool}"), Strip::No)?;
        }
        for (here, there) in extra {
            recipe.program(here, there.trim_start_matches('/'), Strip::Yes)?;
        }
        Ok(recipe)
    }

    /// A file, and if it is executable the libraries it loads.
    fn program(&mut self, here: &Path, there: &str, strip: Strip) -> Result<()> {
        let data = fs::read(here).with_context(|| format!("for the guest: {}", here.display()))?;
        let mode = here.metadata()?.permissions().mode() & 0o777;
        self.files.push((there.to_owned(), mode, data, strip));
        if mode & 0o111 == 0 {
            return Ok(());
        }
        for library in libraries(here)? {
            let path = library.to_string_lossy().trim_start_matches('/').to_owned();
            if !self.files.iter().any(|(there, ..)| *there == path) {
                let data = fs::read(&library).with_context(|| format!("{}", library.display()))?;
                self.files.push((path, 0o755, data, Strip::No));
            }
        }
        Ok(())
    }

    fn hash(&self, release: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (release, SCRIPTS, FOLDERS, MODULES, &self.applets, &self.files).hash(&mut hasher);
        hasher.finish()
    }

    fn archive(self, lab: &Lab) -> Result<Archive> {
        let mut archive = Archive::default();
        for folder in FOLDERS {
            archive.directory(folder);
        }
        // Before devtmpfs is mounted, process 1 already wants somewhere to write.
        archive.character_device("dev/console", 5, 1);
        archive.symlink("init", "bin/busybox");
        archive.symlink("sbin", "bin");
        for applet in self.applets.iter().filter(|applet| *applet != "busybox") {
            archive.symlink(&format!("bin/{applet}"), "busybox");
        }
        for (path, data) in SCRIPTS {
            let mode = if data.starts_with(b"#!") { 0o755 } else { 0o644 };
            archive.file(path, mode, data.to_vec());
        }
        Modules::read(&lab.modules(), &lab.release)?.add_to(&mut archive, MODULES)?;
        for (there, mode, data, strip) in self.files {
            if there.starts_with("sbin/") {
                bail!("/{there}: /sbin is a link to /bin in the guest; name /bin");
            }
            let data = match strip {
                Strip::Yes => stripped(data)?,
                Strip::No => data,
            };
            archive.file(&there, mode, data);
        }
        Ok(archive)
    }
}
