//! The lab itself is right.
use palisade_lab::{Lab, Layout, Setup};

#[test]
fn boots() -> anyhow::Result<()> {
    let Some(lab) = Lab::open()? else { return Ok(()) };
    let guest = lab.boot(&Setup::new(Layout::Plain))?;
    assert_eq!(guest.run("uname -s; lsmod; cat /proc/uptime; ps | wc -l; dmesg")?, "Linux");
    Ok(())
}
