//! Our own programs, built by cargo on demand. Tests run in many processes at a time: one builds, the others wait
//! for it and find the work done.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::host::{lock, lock_folder, workspace};

/// The `arbitrate` program, in the profile of the calling test.
///
/// # Errors
/// It does not build; cargo's own words are on stderr.
pub fn arbitrate_binary() -> Result<PathBuf> {
    program("arbitrate", "arbitrate")
}

/// A program `name` of one of the workspace's packages, in the profile of the calling test.
///
/// # Errors
/// It does not build; cargo's own words are on stderr.
pub fn program(package: &str, name: &str) -> Result<PathBuf> {
    build(&["build", "--package", package, "--bin", name], name, "bin")
}

/// The test program made from `tests/NAME.rs` (or `tests/NAME/main.rs`) of a package, for
/// [`crate::Guest::run_libtest`]. Tests meant only for the guest are marked `#[ignore]`, so that they do not run
/// on the host, and are run there with the argument `--ignored`.
///
/// # Errors
/// It does not build; cargo's own words are on stderr.
pub fn test_program(package: &str, name: &str) -> Result<PathBuf> {
    build(&["test", "--no-run", "--package", package, "--test", name], name, "test")
}

fn build(arguments: &[&str], name: &str, kind: &str) -> Result<PathBuf> {
    let _held = lock(&lock_folder()?.join("cargo.lock"))?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace()).args(arguments).args(["--locked", "--message-format=json"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let run = command.stderr(Stdio::inherit()).output().context("cargo")?;
    if !run.status.success() {
        bail!("cargo {} failed", arguments.join(" "));
    }
    String::from_utf8(run.stdout)?
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| executable(&message, name, kind))
        .with_context(|| format!("cargo {} made no program", arguments.join(" ")))
}

/// The program that a message of cargo announces, if it is the wanted one.
fn executable(message: &Value, name: &str, kind: &str) -> Option<PathBuf> {
    let target = &message["target"];
    let is_kind = target["kind"].as_array()?.iter().any(|word| word == kind);
    let wanted = message["reason"] == "compiler-artifact" && target["name"] == name && is_kind;
    wanted.then(|| message["executable"].as_str().map(PathBuf::from))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_library_of_the_same_name_is_not_the_program() {
        let message = |kind: &str, executable: Value| {
            json!({"reason": "compiler-artifact", "target": {"kind": [kind], "name": "arbitrate"},
                   "executable": executable})
        };
        let program = message("bin", json!("/t/arbitrate"));
        assert_eq!(executable(&program, "arbitrate", "bin"), Some("/t/arbitrate".into()));
        assert_eq!(executable(&message("lib", Value::Null), "arbitrate", "bin"), None);
        assert_eq!(executable(&json!({"reason": "build-finished"}), "arbitrate", "bin"), None);
    }
}
