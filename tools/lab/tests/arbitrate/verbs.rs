//! Every service action and type between two nexuses of LIO: the command-line tests of the embedded
//! disk, run in the guest on real ones.

use anyhow::Result;
use palisade_lab::{Layout, test_program};

use crate::{PATIENCE, disk, guest, ours, verb};

#[test]
fn every_verb_between_two_nexuses_of_lio() -> Result<()> {
    let tests = test_program("arbitrate", "verbs")?;
    let Some(g) = guest(Layout::iscsi(), |s| s.file(&tests, "/bin/verbs"))? else { return Ok(()) };
    let devices = format!("{},{}", disk(&g, 1)?, disk(&g, 2)?);
    let environment = [("PALISADE_TEST_DEVICES", devices.as_str()), ("PALISADE_ARBITRATE", "/bin/arbitrate")];
    let run = g.run_libtest("/bin/verbs", &environment, &[], PATIENCE * 4)?;
    assert!(run.passed.len() >= 9, "{run:?}");
    assert!(run.ignored.is_empty(), "{run:?}");
    Ok(())
}

#[test]
fn what_the_device_is_and_what_it_is_not() -> Result<()> {
    let Some(g) = guest(Layout::iscsi(), |s| s)? else { return Ok(()) };
    let (code, seen) = verb(&g, 1, "inspect")?;
    assert_eq!(code, 0, "{seen}");
    assert!(seen["identity"].as_str().is_some_and(|i| i.starts_with("naa.6001405")), "{seen}");
    assert!(seen["product"].as_str().is_some_and(|p| p.starts_with("LIO-ORG")), "{seen}");
    let types = seen["capabilities"]["types"].as_array().map(Vec::len);
    assert_eq!(types, Some(6), "{seen}");

    // The sd node and its sg node are the same nexus.
    verb(&g, 1, "register --key 11")?;
    let sg = &g.node("n1")?.disks[0].sg;
    let (code, by_sg) = ours(&g, &format!("exec arbitrate unregister {sg} --json --key 11"))?;
    assert_eq!(code, 0, "{by_sg}");

    // LIO offers a reset of the logical unit; bus and host it does not.
    let (code, said) = verb(&g, 1, "reset --scope lun --yes")?;
    assert_eq!(code, 0, "{said}");
    let (code, said) = verb(&g, 1, "reset --scope bus --yes")?;
    assert_ne!(code, 0, "{said}");

    // A partition, a vanished device, a device without SCSI: each with its own words. The table has one
    // entry: type 83, from sector 2048, 4096 sectors.
    let sda = disk(&g, 1)?;
    g.run(&format!(
        "printf '\\0\\0\\0\\0\\203\\0\\0\\0\\0\\010\\0\\0\\0\\020\\0\\0' | dd of={sda} bs=1 seek=446 conv=notrunc && \
         printf '\\125\\252' | dd of={sda} bs=1 seek=510 conv=notrunc && sync && blockdev --rereadpt {sda}"
    ))?;
    let (code, said) = ours(&g, &format!("exec arbitrate keys {sda}1 --json"))?;
    assert_eq!(code, 15, "{said}");
    let answer = said["error"]["answer"].as_str().unwrap_or_default();
    assert!(answer.contains("is a partition") && answer.contains(&format!("name {sda}")), "{said}");
    g.run("ln -sf /dev/does-not-exist /tmp/link")?;
    let (code, said) = ours(&g, "exec arbitrate keys /tmp/link --json")?;
    assert_eq!(code, 15, "{said}");
    assert!(said["error"]["answer"].as_str().is_some_and(|a| a.contains("not there")), "{said}");
    let (code, said) = ours(&g, "exec arbitrate keys /dev/null --json")?;
    assert_eq!(code, 15, "{said}");
    Ok(())
}

#[test]
fn a_disk_without_persistent_reservations_is_said_to_have_none() -> Result<()> {
    let Some(g) = guest(Layout::scsi_debug(), |s| s)? else { return Ok(()) };
    let (code, said) = verb(&g, 1, "keys")?;
    assert_eq!(code, 9, "{said}");
    assert!(said["error"]["answer"].as_str().is_some_and(|a| a.contains("ILLEGAL REQUEST")), "{said}");
    let command = format!("exec arbitrate challenge {} --json --cluster lab --node 1", disk(&g, 1)?);
    let (code, said) = ours(&g, &command)?;
    assert_eq!(code, 9, "{said}");
    Ok(())
}
