//! What `defend` tells the service manager (sd_notify), and when.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is a failure")]

mod common;

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use common::{Running, Stage};
use nix::sys::signal::Signal;

fn receive(s: &UnixDatagram) -> String {
    let mut b = [0; 4096];
    let n = s.recv(&mut b).expect("nothing was told in time");
    String::from_utf8_lossy(&b[..n]).into_owned()
}

#[test]
fn ready_comes_with_the_first_lease_and_stopping_with_the_release() {
    let s = Stage::new();
    let path = s.dir().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut c = s.node("defend", 1, &["--acquire"]);
    c.env("NOTIFY_SOCKET", &path);
    let mut owner = Running::start(c);
    let first = receive(&socket);
    assert!(first.contains("READY=1") && first.contains("STATUS=owned"), "{first}");
    assert!(s.holder().is_some(), "ready means owned");
    owner.await_event("confirmed");
    let later = receive(&socket);
    assert!(later.contains("WATCHDOG=1") && !later.contains("READY=1"), "{later}");
    owner.signal(Signal::SIGTERM);
    loop {
        let told = receive(&socket);
        if told.contains("STOPPING=1") {
            break;
        }
        assert!(told.contains("WATCHDOG=1"), "{told}");
    }
    assert_eq!(owner.end().0, 0);
}

#[test]
fn a_defence_that_never_owned_is_never_ready() {
    let s = Stage::new();
    s.verb("register", "other", &["--key", "abc"]).must(0);
    let path = s.dir().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut c = s.node("defend", 1, &["--acquire"]);
    c.env("NOTIFY_SOCKET", &path);
    assert_eq!(Running::start(c).end().0, 1);
    assert!(socket.recv(&mut [0; 64]).is_err(), "it told something");
}
