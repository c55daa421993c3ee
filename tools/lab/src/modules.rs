//! Kernel modules by name: what they need, found in the kernel's own `modules.dep`, and their files, unpacked
//! and stripped. The guest gets a `modules.dep` of the same form, so that its modprobe works as usual.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::closure::{filtered, stripped};
use crate::cpio::Archive;

/// The modules of one kernel release.
pub(crate) struct Modules {
    folder: PathBuf,
    release: String,
    /// Name → file and everything it needs, as paths below the folder.
    files: BTreeMap<String, Vec<String>>,
    builtin: BTreeSet<String>,
}

impl Modules {
    /// `folder` is `lib/modules/RELEASE`.
    pub(crate) fn read(folder: &Path, release: &str) -> Result<Self> {
        let text = |name: &str| {
            fs::read_to_string(folder.join(name)).with_context(|| format!("{}: no {name}", folder.display()))
        };
        Ok(Self {
            folder: folder.to_owned(),
            release: release.to_owned(),
            files: parse_dependencies(&text("modules.dep")?),
            builtin: text("modules.builtin")?.lines().map(module_name).collect(),
        })
    }

    /// Adds the named modules and all they need. A name the kernel knows neither as a module nor as built in is
    /// an error, found here and not in the middle of a test; unless it ends in `?`.
    pub(crate) fn add_to(&self, archive: &mut Archive, wanted: &[&str]) -> Result<()> {
        let mut files = BTreeSet::new();
        for name in wanted {
            let (name, optional) = name.strip_suffix('?').map_or((*name, false), |name| (name, true));
            match self.files.get(name) {
                Some(needed) => files.extend(needed),
                None if optional => {}
                None if self.builtin.contains(name) => {}
                None => bail!("kernel {} has no module {name}", self.release),
            }
        }
        let guest = format!("lib/modules/{}", self.release);
        let mut dependencies = String::new();
        for file in &files {
            let needed = &self.files[&module_name(file)];
            let packed = self.folder.join(file);
            let bare = bare_name(file);
            archive.file(&format!("{guest}/{bare}"), 0o644, self.unpacked(&packed)?);
            let needed: Vec<_> = needed[1..].iter().map(|path| bare_name(path)).collect();
            dependencies.push_str(&format!("{bare}: {}\n", needed.join(" ")));
        }
        archive.file(&format!("{guest}/modules.dep"), 0o644, dependencies.into_bytes());
        archive.file(&format!("{guest}/modules.alias"), 0o644, self.aliases(&files)?);
        Ok(())
    }

    /// The aliases of the chosen modules: the kernel asks for its crypto by alias.
    fn aliases(&self, files: &BTreeSet<&String>) -> Result<Vec<u8>> {
        let chosen: BTreeSet<_> = files.iter().map(|file| module_name(file)).collect();
        let text = fs::read_to_string(self.folder.join("modules.alias")).context("modules.alias")?;
        let kept = text
            .lines()
            .filter(|line| line.rsplit(' ').next().is_some_and(|name| chosen.contains(&module_name(name))));
        Ok(kept.flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect())
    }

    fn unpacked(&self, file: &Path) -> Result<Vec<u8>> {
        let data = fs::read(file).with_context(|| format!("{}", file.display()))?;
        let data = match file.extension().and_then(|extension| extension.to_str()) {
            Some("xz") => filtered("xz", &["-dc"], data)?,
            Some("zst") => filtered("zstd", &["-dcq"], data)?,
            _ => data,
        };
        stripped(data)
    }
}

/// `a.ko: b.ko c.ko` → a, with the files of a, b and c. depmod has closed the lists transitively.
fn parse_dependencies(text: &str) -> BTreeMap<String, Vec<String>> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(file, needed)| {
            let files = [file].into_iter().chain(needed.split_whitespace());
            (module_name(file), files.map(str::to_owned).collect())
        })
        .collect()
}

/// The name the kernel uses: no folder, no suffix, underscores.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split_once(".ko").map_or(file, |(name, _)| name).replace('-', "_")
}

/// The path of the unpacked module.
fn bare_name(path: &str) -> &str {
    path.strip_suffix(".xz").or_else(|| path.strip_suffix(".zst")).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_carry_the_module_itself_first() {
        let files =
            parse_dependencies("kernel/a-b.ko.xz: kernel/x/c.ko.xz kernel/d.ko.xz\nkernel/d.ko.xz:\n");
        assert_eq!(files["a_b"], ["kernel/a-b.ko.xz", "kernel/x/c.ko.xz", "kernel/d.ko.xz"]);
        assert_eq!(files["d"], ["kernel/d.ko.xz"]);
    }

    #[test]
    fn names_lose_folder_suffix_and_dashes() {
        assert_eq!(module_name("kernel/drivers/scsi/sd_mod.ko"), "sd_mod");
        assert_eq!(module_name("kernel/drivers/virtio/virtio-pci.ko.zst"), "virtio_pci");
        assert_eq!(module_name("crc32c-generic"), "crc32c_generic");
        assert_eq!(bare_name("kernel/a.ko.xz"), "kernel/a.ko");
    }
}
