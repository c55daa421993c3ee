//! Our own programs and tests inside the guest.

use anyhow::Result;
use palisade_lab::{Lab, Layout, Setup, arbitrate_binary, test_program};

use crate::SOON;

#[test]
fn a_test_program_runs_in_the_guest_and_its_failures_come_out() -> Result<()> {
    let Some(lab) = Lab::open()? else { return Ok(()) };
    let tests = test_program("palisade-lab", "in_guest_example")?;
    let setup = Setup::new(Layout::tcm_loop()).file(tests, "/bin/example").program(arbitrate_binary()?);
    let guest = lab.boot(&setup)?;
    guest.run("arbitrate --version")?;

    let disk = &guest.node("n1")?.disks[0].block;
    let environment = [("EXAMPLE_DISK", disk.as_str())];
    let run = guest.run_libtest("example", &environment, &["--ignored"], SOON)?;
    assert_eq!(run.passed, ["a_disk_is_there"]);

    // No such disk: the test fails there, hence here.
    let environment = [("EXAMPLE_DISK", "/dev/nonesuch")];
    let error = guest.run_libtest("example", &environment, &["--ignored"], SOON).unwrap_err();
    assert!(format!("{error:#}").contains("a_disk_is_there"), "{error:#}");
    let error = guest.run_libtest("example", &[], &["no_such_test"], SOON).unwrap_err();
    assert!(format!("{error:#}").contains("no test ran"), "{error:#}");
    Ok(())
}
