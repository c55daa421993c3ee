//! `--record FILE`: every device this process opens is recorded there.
//!
//! One recording a process, opened before any device and asked for by whoever opens one. It is set once,
//! here, because devices are opened in many verbs and none of them should have to know.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use arbitrate::device::ScsiDevice;
use arbitrate::device::record::{Recorder, Recording};

use super::exit::Exit;
use super::output::{Failure, Output};

static RECORDING: OnceLock<Arc<Recording>> = OnceLock::new();

/// Opens the file.
pub(crate) fn begin(path: &Path, out: Output) -> Result<(), Failure> {
    let recording = Recording::open(path).map_err(|e| {
        let tried = format!("opening {} to record to", path.display());
        Failure::new(Exit::Refused, tried, e.to_string(), "nothing was sent; name a file that can be written")
    })?;
    let _ = RECORDING.set(Arc::new(recording));
    out.talk(&format!(
        "arbitrate: recording to {}: every command writes a file and allocates memory; not for production",
        path.display()
    ));
    Ok(())
}

/// The device, recorded if that was asked for.
pub(crate) fn wrap(device: Box<dyn ScsiDevice>) -> Box<dyn ScsiDevice> {
    match RECORDING.get() {
        Some(to) => Box::new(Recorder::new(device, Arc::clone(to))),
        None => device,
    }
}

/// Says what could not be written.
pub(crate) fn end(out: Output) {
    if let Some(n @ 1..) = RECORDING.get().map(|r| r.lost()) {
        out.talk(&format!("arbitrate: the recording lacks {n} lines: they could not be written"));
    }
}
