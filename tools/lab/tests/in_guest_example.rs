//! How a test for the inside of the guest looks: ignored on the host, told its devices by its environment.

use std::os::unix::fs::FileTypeExt;

#[test]
#[ignore = "runs inside the lab's guest"]
fn a_disk_is_there() {
    let disk = std::env::var("EXAMPLE_DISK").expect("EXAMPLE_DISK names a disk of the guest");
    assert!(std::fs::metadata(&disk).unwrap().file_type().is_block_device(), "{disk}");
}
