//! Reservations between nexuses that LIO keeps apart.

use anyhow::Result;
use palisade_lab::{Guest, Lab, Layout, Setup};

use crate::SOON;

/// The holder's key and all registered keys, read through one nexus.
fn state(guest: &Guest, disk: &str) -> Result<(String, String)> {
    let key = |option| {
        let filter = r"sed -n 's/^ *\(Key=\)\{0,1\}\(0x[0-9a-f]*\)$/\2/p' | sort | xargs";
        guest.run(&format!("sg_persist -n {option} {disk} | {filter}"))
    };
    Ok((key("-r")?, key("-k")?))
}

/// The sense data of the first command that meets a unit attention.
fn attention(guest: &Guest, disk: &str) -> Result<String> {
    let output = guest.sh(&format!("sg_turs -v {disk} 2>&1 | sed -n 's/^Additional sense: //p'"), SOON)?;
    Ok(output.out().trim().to_owned())
}

#[test]
fn preempt_and_abort_removes_the_other_nodes_registration() -> Result<()> {
    let Some(lab) = Lab::open()? else { return Ok(()) };
    let guest = lab.boot(&Setup::new(Layout::iscsi()))?;
    let disk = |node: &str| guest.node(node).map(|node| node.disks[0].block.clone());
    let (one, two, three) = (disk("n1")?, disk("n2")?, disk("n3")?);

    guest.run(&format!("sg_persist -n -o -G -S 0x11 {one} && sg_persist -n -o -G -S 0x22 {two}"))?;
    guest.run(&format!("sg_persist -n -o -R -K 0x11 -T 5 {one}"))?;
    assert_eq!(state(&guest, &three)?, ("0x11".into(), "0x11 0x22".into()));
    let initiators = guest.run(&format!("sg_persist -n -s {three}"))?;
    for node in &guest.nodes()[..2] {
        assert!(initiators.contains(&node.initiator), "{} in {initiators}", node.initiator);
    }
    // Write Exclusive, Registrants Only: the third node may not write, the first two may.
    let write = |disk: &str| {
        guest.sh(&format!("dd if=/dev/zero of={disk} bs=4096 count=1 oflag=direct conv=fsync"), SOON)
    };
    write(&one)?.success()?;
    write(&two)?.success()?;
    assert_ne!(write(&three)?.status, 0);

    guest.run(&format!("sg_persist -n -o -A -K 0x22 -S 0x11 -T 5 {two}"))?;
    assert_eq!(state(&guest, &three)?, ("0x22".into(), "0x22".into()));
    assert_eq!(attention(&guest, &one)?, "Registrations preempted");
    assert_ne!(write(&one)?.status, 0);
    write(&two)?.success()?;

    // A reset of the logical unit leaves the reservation and tells every nexus.
    guest.run(&format!("sg_reset -d -N {two}"))?;
    assert_eq!(attention(&guest, &three)?, "Bus device reset function occurred");
    assert_eq!(state(&guest, &three)?, ("0x22".into(), "0x22".into()));
    Ok(())
}
