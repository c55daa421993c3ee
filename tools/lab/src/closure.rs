//! A program with all it needs to run elsewhere: its shared libraries, found by ldd, and no debug information.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};

/// Finds a program as a shell would, and in the system folders that only root's PATH names.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The shared libraries a program loads, as the paths it will look for. Empty for a static program or a script.
pub(crate) fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let run = Command::new("ldd").arg(program).output().context("ldd")?;
    let text = String::from_utf8_lossy(&run.stdout);
    if let Some(missing) = text.lines().find(|line| line.contains("not found")) {
        bail!("{}: library missing: {}", program.display(), missing.trim());
    }
    Ok(text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect())
}

/// An ELF file without debug information: a test program shrinks tenfold, and the guest holds it in memory.
/// A module loses its signature and type information with that, which the kernel accepts.
pub(crate) fn stripped(data: Vec<u8>) -> Result<Vec<u8>> {
    if !data.starts_with(b"\x7fELF") {
        return Ok(data);
    }
    // strip wants files it can seek in, not pipes.
    let file = tempfile::NamedTempFile::new()?;
    fs::write(&file, data)?;
    let run = Command::new("strip").args(["-g", "-R", ".BTF"]).arg(file.path()).output().context("strip")?;
    if !run.status.success() {
        bail!("strip: {}", String::from_utf8_lossy(&run.stderr).trim());
    }
    Ok(fs::read(file.path())?)
}

/// Runs `data` through a filter.
pub(crate) fn filtered(program: &str, arguments: &[&str], data: Vec<u8>) -> Result<Vec<u8>> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| program.to_owned())?;
    let (Some(mut input), Some(mut output)) = (child.stdin.take(), child.stdout.take()) else {
        bail!("{program}: no pipes");
    };
    // Fed from a thread of its own: the filter stops reading when nobody takes what it writes.
    let feeder = thread::spawn(move || input.write_all(&data));
    let mut result = Vec::new();
    output.read_to_end(&mut result)?;
    let status = child.wait()?;
    let fed = feeder.join().is_ok_and(|write| write.is_ok());
    if !status.success() || !fed {
        bail!("{program} failed: {status}");
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_brings_libc_and_a_script_brings_nothing() {
        let own = std::env::current_exe().unwrap();
        assert!(libraries(&own).unwrap().iter().any(|path| path.to_string_lossy().contains("libc.so")));

        let script = tempfile::NamedTempFile::new().unwrap();
        fs::write(&script, "#!/bin/sh\n").unwrap();
        assert!(libraries(script.path()).unwrap().is_empty());
    }

    #[test]
    fn a_filter_takes_more_than_a_pipe_holds() {
        let data = vec![7_u8; 1 << 20];
        assert_eq!(filtered("cat", &[], data.clone()).unwrap(), data);
        assert!(filtered("false", &[], Vec::new()).is_err());
    }
}
