//! `sim create` and `sim show`: embedded disks.

use std::path::Path;

use arbitrate::device::sim::{CreateOptions, Personality, SimDevice, SimError};
use serde_json::json;

use crate::cli::exit::Exit;
use crate::cli::output::{Done, Failure, Outcome};

pub(crate) fn create(path: &Path, size_mib: u32, personality: Personality) -> Outcome {
    let blocks = u64::from(size_mib) * 2048;
    let options = CreateOptions { blocks, personality, ..CreateOptions::default() };
    SimDevice::create(path, &options).map_err(|e| {
        Failure::new(
            Exit::File,
            format!("creating the embedded disk {}", path.display()),
            e.to_string(),
            match e {
                SimError::Exists(_) => "nothing was changed; name a file that does not exist yet",
                _ => "no disk was made; name a folder that exists and can be written to, with room",
            },
        )
    })?;
    let text = format!("created {} ({size_mib} MiB); name it sim:{}?as=NAME", path.display(), path.display());
    Ok(Done::new(
        Exit::Confirmed,
        text,
        json!({ "path": path, "size_mib": size_mib, "personality": personality }),
    ))
}

pub(crate) fn show(path: &Path) -> Outcome {
    let snapshot = SimDevice::show(path).map_err(|e| {
        Failure::new(
            Exit::File,
            format!("reading the embedded disk {}", path.display()),
            e.to_string(),
            "make one with `arbitrate sim create`",
        )
    })?;
    let state = serde_json::to_value(&snapshot).unwrap_or_default();
    let text = serde_json::to_string_pretty(&state).unwrap_or_default();
    Ok(Done::new(Exit::Confirmed, text, json!({ "path": path, "state": state })))
}
