//! Files that hold a secret.

use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::SystemError;

/// Bytes looked at, at the most.
const LONGEST: u64 = 64 * 1024;
/// Mode bits of those who are neither the owner nor in the group.
const OTHERS: u32 = 0o007;

/// Reads a small text file, unless others than its owner and group may read or write it.
///
/// # Errors
/// [`SystemError::Call`]: what the file system says, or in words why the file is not fit.
pub fn read(path: &Path) -> Result<String, SystemError> {
    let doing = || format!("reading the key file {}", path.display());
    let unfit = |why: &str| SystemError::call(doing(), io::Error::other(why.to_owned()));
    let open = || -> io::Result<_> {
        // Without waiting: a pipe that nobody writes to would hold a failover up for ever.
        let file = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        // Of the file that is open, whatever the path leads to by now.
        let meta = file.metadata()?;
        Ok((file, meta))
    };
    let (file, meta) = open().map_err(|e| match e.kind() {
        // No capability is wanting.
        io::ErrorKind::PermissionDenied => unfit("this user may not read it"),
        _ => SystemError::call(doing(), e),
    })?;
    if !meta.is_file() {
        return Err(unfit("it is not a file"));
    }
    if meta.mode() & OTHERS != 0 {
        return Err(unfit(
            "every user of this host may read or change it; `chmod o= FILE`, and make a new key",
        ));
    }
    let mut text = String::new();
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(|e| SystemError::call(doing(), e))?;
    if text.len() as u64 > LONGEST {
        return Err(unfit("it is larger than 64 KiB: that is no key"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let path = std::env::temp_dir().join(format!("netident-secret-{}", std::process::id()));
        std::fs::write(&path, "text").unwrap();
        let mode = |m| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(m)).unwrap();
        for (m, fit) in [(0o600, true), (0o640, true), (0o644, false), (0o602, false)] {
            mode(m);
            assert_eq!(read(&path).is_ok(), fit, "{m:o}");
        }
        mode(0o644);
        assert!(read(&path).unwrap_err().to_string().contains("chmod"));
        mode(0o600);
        std::fs::write(&path, vec![b'x'; 70_000]).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("64 KiB"));
        std::fs::remove_file(&path).unwrap();
        assert!(read(&path).is_err() && read(&std::env::temp_dir()).is_err());
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("not a file"));
        std::fs::remove_file(&path).unwrap();
    }
}
