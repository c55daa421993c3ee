//! libiscsi's own tests of reservations on LIO. What they come to is written down in `docs/lio.md`: a kernel that
//! does better or worse is news.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use palisade_lab::{Lab, Layout, Setup};

const PROGRAM: &str = "/usr/bin/iscsi-test-cu";
const PATIENCE: Duration = Duration::from_secs(120);

/// Suites, how many of their tests pass and fail, and how many do either.
const SUITES: &[(&str, u32, u32, u32)] = &[
    ("PrinReadKeys", 2, 0, 0),
    ("PrinServiceactionRange", 1, 0, 0),
    ("PrinReportCapabilities", 1, 0, 0),
    ("ProutRegister", 1, 0, 0),
    ("ProutReserve", 13, 0, 0),
    ("ProutClear", 1, 0, 0),
    ("ProutPreempt", 1, 0, 0),
    // Logout: the reservation outlives the session. ITNexusLoss comes next, on what that one left: it passes where
    // the kernel has ended the session meanwhile.
    ("Reserve6", 5, 1, 1),
];

#[test]
fn the_reservation_suites_come_to_what_is_written_down() -> Result<()> {
    let Some(lab) = Lab::open()? else { return Ok(()) };
    let guest = lab.boot(&Setup::new(Layout::iscsi()).program(Path::new(PROGRAM)))?;
    let mut news = Vec::new();
    for &(suite, passed, failed, either) in SUITES {
        // The names of two nodes: others are not on the target's list.
        let command = format!(
            "exec iscsi-test-cu --dataloss --verbose --test=SCSI.{suite} -i iqn.2026-11.lab.palisade:n1 \
             -I iqn.2026-11.lab.palisade:n2 iscsi://127.0.0.1:3260/iqn.2026-11.lab.palisade:target/0 2>&1"
        );
        let output = guest.sh(&command, PATIENCE)?;
        let text = output.out();
        eprintln!("{text}");
        // tests  total ran passed failed inactive
        let counts = text.lines().find_map(|l| l.trim().strip_prefix("tests ")).unwrap_or_default();
        let counts: Vec<u32> = counts.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        let so = matches!(counts[..], [_, _, p, f, ..]
            if p + f == passed + failed + either && (passed..=passed + either).contains(&p));
        if !so {
            news.push(format!("{suite}: {counts:?}; {passed} pass, {failed} fail, {either} either expected"));
        }
    }
    ensure!(news.is_empty(), "{}", news.join("\n"));
    Ok(())
}
