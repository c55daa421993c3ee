//! The kernel bug that makes the tcm_loop layout worth having.

use anyhow::Result;
use palisade_lab::{Lab, Layout, Setup};
use std::time::Duration;

#[test]
fn preempt_and_abort_never_returns_on_tcm_loop() -> Result<()> {
    let Some(lab) = Lab::open()? else { return Ok(()) };
    let guest = lab.boot(&Setup::new(Layout::Loop { nodes: 2, luns: 1 }))?;
    let disk = |node: &str| guest.node(node).map(|node| node.disks[0].sg.clone());
    let (one, two) = (disk("n1")?, disk("n2")?);
    guest.run(&format!("sg_persist -n -o -G -S 0x1 {one} && sg_persist -n -o -G -S 0x2 {two}"))?;
    guest.run(&format!("sg_persist -n -o -R -K 0x1 -T 5 {one}"))?;

    let mut preempt = guest.spawn(&format!("exec sg_persist -n -o -A -K 0x2 -S 0x1 -T 5 {two}"))?;
    assert_eq!(preempt.wait(Duration::from_secs(8))?, None, "the command is still inside the kernel");
    // The machine lives, and its kernel says where the command is.
    assert_eq!(guest.run("echo alive")?, "alive");
    let blocked = guest.run("dmesg -c >/dev/null; echo w >/proc/sysrq-trigger; dmesg")?;
    assert!(blocked.contains("core_tmr_lun_reset"), "{blocked}");
    // Later commands queue up behind it, through whichever nexus. The sg driver waits interruptibly: it can be
    // left by SIGKILL.
    let mut keys = guest.spawn(&format!("exec sg_persist -n -k {one}"))?;
    assert_eq!(keys.wait(Duration::from_secs(3))?, None);
    keys.signal("KILL")?;
    assert_eq!(keys.finish(crate::SOON)?.status, 128 + 9);
    Ok(())
}
