//! Every layout gives what it promises.

use anyhow::Result;
use palisade_lab::{Guest, Lab, Layout, Setup};
use std::collections::HashSet;

/// What identifies the logical unit behind a device file, as every initiator sees it.
fn identity(guest: &Guest, device: &str) -> Result<String> {
    guest.run(&format!("sg_inq -p 0x83 {device} | grep -m1 '0x60'"))
}

#[test]
fn every_node_sees_the_same_disks_in_the_same_order() -> Result<()> {
    let Some(lab) = Lab::open()? else { return Ok(()) };
    let guest = lab.boot(&Setup::new(Layout::Iscsi { nodes: 2, luns: 2 }))?;
    assert_eq!(guest.nodes().iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["n1", "n2"]);
    let mut files = HashSet::new();
    for lun in 0..2 {
        let disks: Vec<_> = guest.nodes().iter().map(|node| &node.disks[lun]).collect();
        let units = disks.iter().map(|disk| identity(&guest, &disk.block)).collect::<Result<HashSet<_>>>()?;
        assert_eq!(units.len(), 1, "one logical unit, two nexuses: {units:?}");
        for disk in disks {
            assert_eq!(identity(&guest, &disk.sg)?, *units.iter().next().unwrap(), "both files of one nexus");
            files.extend([disk.block.clone(), disk.sg.clone()]);
        }
    }
    assert_eq!(files.len(), 8, "{files:?}");
    Ok(())
}

#[test]
fn scsi_debug_knows_no_persistent_reservations_but_every_reset() -> Result<()> {
    let Some(lab) = Lab::open()? else { return Ok(()) };
    let guest = lab.boot(&Setup::new(Layout::scsi_debug()))?;
    let disk = &guest.node("n1")?.disks[0].sg;
    let keys = guest.sh(&format!("sg_persist -n -k {disk}"), crate::SOON)?;
    assert_ne!(keys.status, 0);
    guest.run(&format!("sg_reset -d -N {disk}"))?;
    assert!(guest.run(&format!("sg_turs -v {disk} 2>&1 || true"))?.contains("Unit Attention"));
    Ok(())
}
