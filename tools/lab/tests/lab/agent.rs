//! Running commands in the guest.

use anyhow::Result;
use palisade_lab::{Lab, Layout, Setup};
use std::time::{Duration, Instant};

use crate::SOON;

#[test]
fn commands_run_side_by_side_and_their_output_arrives_byte_for_byte() -> Result<()> {
    let Some(lab) = Lab::open()? else { return Ok(()) };
    let carried = tempfile::NamedTempFile::new()?;
    std::fs::write(carried.path(), "carried along\n")?;
    let guest = lab.boot(&Setup::new(Layout::Plain).file(carried.path(), "/etc/carried"))?;
    assert_eq!(guest.run("cat /etc/carried")?, "carried along");

    // Bytes that look like the wire's own frames.
    let output = guest.sh(r"printf 'exited 1 0 0 0\n\0\001\377'; printf 'a\nb' >&2; exit 7", SOON)?;
    assert_eq!(output.stdout, b"exited 1 0 0 0\n\0\x01\xff");
    assert_eq!((output.stderr.as_slice(), output.status), (b"a\nb".as_slice(), 7));
    let million = guest.sh("head -c 1000000 /dev/zero", SOON)?;
    assert!(million.stdout.len() == 1_000_000 && million.stdout.iter().all(|byte| *byte == 0));
    guest.write("/tmp/quoted", "it's \\n\nfine %s\n")?;
    assert_eq!(guest.run("cat /tmp/quoted")?, "it's \\n\nfine %s");

    // One waits for what another writes later: neither blocks the other.
    let waiter = guest.spawn("until [ -e /tmp/go ]; do sleep 0.05; done; echo went >&2; sleep 1000")?;
    assert_eq!(guest.run(&format!("cat /proc/{}/comm", waiter.pid()))?, "sh");
    guest.run("touch /tmp/go")?;
    assert_eq!(waiter.wait_line("^we.t$", SOON)?, "went");
    let missing = waiter.wait_line("gone", Duration::from_secs(1)).unwrap_err();
    assert!(format!("{missing:#}").contains("went"), "what was there instead is told: {missing:#}");
    waiter.signal("KILL")?;
    let killed = waiter.finish(SOON)?;
    assert_eq!((killed.status, killed.err().trim()), (128 + 9, "went"));

    // Past its deadline a command is killed, children included.
    let begun = Instant::now();
    let error = guest.sh("echo so far; sleep 1234; true", Duration::from_secs(1)).unwrap_err();
    assert!(error.to_string().contains("so far"), "{error:#}");
    assert!(begun.elapsed() < SOON);
    assert_eq!(guest.run("pgrep -f 'sleep 123[4]' || echo none")?, "none");

    let mut pieces = Vec::new();
    let streamed =
        guest.stream("echo 1; sleep 1; echo 2 >&2; exit 3", SOON, |piece| pieces.push(piece.to_vec()))?;
    assert_eq!((pieces.concat().as_slice(), streamed.status), (b"1\n2\n".as_slice(), 3));
    assert!(pieces.iter().any(|piece| piece == b"1\n"), "the first line came before the second: {pieces:?}");
    Ok(())
}

#[test]
fn the_end_of_the_machine_ends_all_waiting() -> Result<()> {
    let Some(lab) = Lab::open()? else { return Ok(()) };
    let guest = lab.boot(&Setup::new(Layout::Plain))?;
    let mut job = guest.spawn("sleep 1000")?;
    assert_eq!(job.wait(Duration::from_millis(100))?, None, "still running is no error");
    guest.spawn("sleep 0.5; poweroff -f")?;
    let exit = guest.wait_exit(SOON)?;
    assert_eq!(exit.reason.as_deref(), Some("guest-shutdown"));
    assert!(job.wait(SOON).is_err());
    assert!(guest.run("true").is_err());
    Ok(())
}
