//! The file of an embedded disk, as somebody might have left it.
//!
//! The first byte chooses: the rest is a state that both checksums vouch for, or bytes written over the
//! beginning of a good file.
#![no_main]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::LazyLock;

use arbitrate::device::ScsiDevice;
use arbitrate::device::sim::{CreateOptions, Existing, SimDevice};
use libfuzzer_sys::fuzz_target;

/// The layout, from the documentation of the format.
const HEADS_AT: u64 = 4096;
const SLOT_1_AT: u64 = 192 * 1024;
const SLOT: usize = 128 * 1024;

struct Bench {
    path: PathBuf,
    /// All that is not a block.
    good: Vec<u8>,
}

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let dir = if fs::metadata("/dev/shm").is_ok() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
    let path = dir.join(format!("palisade-fuzz-{}.img", std::process::id()));
    let options = CreateOptions {
        blocks: 8,
        block_size: 512,
        serial: Some("FUZZ".into()),
        existing: Existing::Replace,
        ..CreateOptions::default()
    };
    SimDevice::create(&path, &options).unwrap();
    let mut good = fs::read(&path).unwrap();
    good.truncate(1024 * 1024);
    Bench { path, good }
});

fuzz_target!(|data: &[u8]| {
    let bench = &*BENCH;
    let Some((how, data)) = data.split_first() else { return };
    let file = File::options().write(true).open(&bench.path).unwrap();
    file.write_all_at(&bench.good[..8192], 0).unwrap();
    if how & 1 == 0 {
        let state = &data[..data.len().min(SLOT)];
        file.write_all_at(state, SLOT_1_AT).unwrap();
        file.write_all_at(&head(3, state), HEADS_AT + 64).unwrap();
    } else {
        let at = if how & 2 == 0 { 0 } else { HEADS_AT };
        file.write_all_at(&data[..data.len().min(8192 - 4096)], at).unwrap();
    }
    match SimDevice::show(&bench.path) {
        // What is told is what a unit can be in, and what is opened is what was told.
        Ok(shown) => {
            assert!(shown.unit.is_sound());
            assert!(shown.profile.check().is_ok());
            let spec = format!("sim:{}?as=fuzz", bench.path.display());
            if let Ok(mut disk) = SimDevice::open(&spec) {
                assert!(disk.own_transport_id().is_some());
                let known = shown.unit.known();
                assert!(usize::from(disk.nexus().0) <= known.max(shown.profile.nexuses().len()));
                disk.reset(
                    arbitrate::device::ResetScope::LogicalUnit,
                    arbitrate::device::Escalate::No,
                    arbitrate::time::Instant::from_nanos(u64::MAX),
                )
                .unwrap();
                let after = SimDevice::show(&bench.path).unwrap();
                assert!(
                    after.unit.reservations().keys().eq(shown.unit.reservations().keys()),
                    "a reset keeps keys"
                );
            }
        }
        Err(e) => {
            let mut told = Vec::new();
            write!(told, "{e}").unwrap();
            assert!(!told.is_empty());
        }
    }
});

fn head(sequence: u64, state: &[u8]) -> [u8; 64] {
    let mut b = [0; 64];
    b[..8].copy_from_slice(&sequence.to_be_bytes());
    b[8..12].copy_from_slice(&u32::try_from(state.len()).unwrap().to_be_bytes());
    b[16..24].copy_from_slice(&fnv(state).to_be_bytes());
    let sum = fnv(&b[..24]);
    b[24..32].copy_from_slice(&sum.to_be_bytes());
    b
}

fn fnv(b: &[u8]) -> u64 {
    b.iter().fold(0xcbf2_9ce4_8422_2325, |h, v| (h ^ u64::from(*v)).wrapping_mul(0x0100_0000_01b3))
}
