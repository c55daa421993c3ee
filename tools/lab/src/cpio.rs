//! The initramfs archive: the kernel's "newc" cpio, written without root, device nodes included.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_777;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// What stands at a path of the archive.
enum Entry {
    Directory,
    File { mode: u32, data: Vec<u8> },
    Symlink(String),
    CharacterDevice { major: u32, minor: u32 },
}

/// A tree of files, kept sorted so that a directory comes before what it holds and equal inputs give equal bytes.
#[derive(Default)]
pub(crate) struct Archive {
    entries: BTreeMap<String, Entry>,
}

impl Archive {
    pub(crate) fn directory(&mut self, path: &str) {
        self.insert(path, Entry::Directory);
    }

    /// `mode` holds the permission bits only.
    pub(crate) fn file(&mut self, path: &str, mode: u32, data: Vec<u8>) {
        self.insert(path, Entry::File { mode, data });
    }

    pub(crate) fn symlink(&mut self, path: &str, points_to: &str) {
        self.insert(path, Entry::Symlink(points_to.to_owned()));
    }

    pub(crate) fn character_device(&mut self, path: &str, major: u32, minor: u32) {
        self.insert(path, Entry::CharacterDevice { major, minor });
    }

    fn insert(&mut self, path: &str, entry: Entry) {
        let path = path.trim_matches('/');
        if let Some((parent, _)) = path.rsplit_once('/')
            && !self.entries.contains_key(parent)
        {
            self.directory(parent);
        }
        self.entries.insert(path.to_owned(), entry);
    }

    /// The archive's bytes. Fails on a file of 4 GiB or more, which the format cannot hold.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        for (inode, (path, entry)) in (1..).zip(&self.entries) {
            let (mode, data, device): (u32, &[u8], (u32, u32)) = match entry {
                Entry::Directory => (DIRECTORY, &[], (0, 0)),
                Entry::File { mode, data } => (FILE | mode, data, (0, 0)),
                Entry::Symlink(points_to) => (SYMLINK, points_to.as_bytes(), (0, 0)),
                Entry::CharacterDevice { major, minor } => (CHARACTER_DEVICE, &[], (*major, *minor)),
            };
            emit(&mut out, inode, path, mode, data, device)?;
        }
        emit(&mut out, 0, "TRAILER!!!", 0, &[], (0, 0))?;
        Ok(out)
    }
}

/// One member: header, name and data, each padded to four bytes. Owner, group and times stay zero.
fn emit(out: &mut Vec<u8>, inode: u32, path: &str, mode: u32, data: &[u8], device: (u32, u32)) -> Result<()> {
    let length = u32::try_from(data.len()).with_context(|| format!("{path}: too large for an initramfs"))?;
    let name_length = u32::try_from(path.len() + 1)?;
    let links = 1;
    let fields =
        [inode, mode, 0, 0, links, 0, length, 0, 0, device.0, device.1, name_length, /* checksum */ 0];
    out.extend_from_slice(b"070701");
    for field in fields {
        out.extend_from_slice(format!("{field:08X}").as_bytes());
    }
    out.extend_from_slice(path.as_bytes());
    out.push(0);
    pad(out);
    out.extend_from_slice(data);
    pad(out);
    Ok(())
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_first_and_members_are_aligned() {
        let mut archive = Archive::default();
        archive.file("/a/b/c", 0o755, b"hello".to_vec());
        archive.symlink("a/link", "b/c");
        archive.character_device("dev/console", 5, 1);
        let bytes = archive.to_bytes().unwrap();
        assert_eq!(bytes.len() % 4, 0);

        let text = String::from_utf8_lossy(&bytes);
        let at = |name: &str| text.find(&format!("{name}\0")).unwrap();
        assert!(at("a") < at("a/b") && at("a/b") < at("a/b/c") && at("a/link") < at("dev/console"));
        assert_eq!(text.matches("070701").count(), 7, "a, a/b, a/b/c, a/link, dev, dev/console, the trailer");
    }

    #[test]
    fn a_file_reads_as_the_format_says() {
        let mut archive = Archive::default();
        archive.file("f", 0o644, b"xyz".to_vec());
        let bytes = archive.to_bytes().unwrap();
        // magic, inode, mode, uid, gid, links, mtime, size, device ×2, special device ×2, name size, checksum
        let header = b"070701000000010000\
            81A4000000000000000000000001000000000000000300000000000000000000000000000000\
            0000000200000000";
        assert_eq!(&bytes[..110], &header[..]);
        assert_eq!(&bytes[110..116], b"f\0xyz\0");
    }
}
