//! How a release tells the watches on this host to let an identity go: they would put it back.
//!
//! Each watch listens on an abstract unix socket (unix(7)): those belong to a network namespace, as addresses do, and
//! end with their process. A release finds the names in /proc/net/unix, hands each watch the addresses, one a line,
//! and waits for its word. Both sides believe only root and their own user: any process may take a name.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use super::SystemError;
use crate::identity::{Address, Identity};

const NAME: &str = "palisade/netident/watch/";
const YES: &[u8] = b"ok\n";
/// A watch answers in a millisecond, unless it is stopped.
const PATIENCE: Duration = Duration::from_secs(2);
/// A release writes all it has at once.
const PATIENCE_OF_A_WATCH: Duration = Duration::from_millis(200);
/// Bytes of an order: some thousand addresses.
const LONGEST: u64 = 1 << 16;

/// A watch's ear for releases.
pub struct Keeper {
    listener: UnixListener,
}

/// A release's order, to be answered.
pub struct Order {
    /// What is let go, as `ADDRESS/PREFIX@LINK`.
    pub addresses: Vec<Address>,
    stream: UnixStream,
}

impl Keeper {
    /// Begins to listen, under this process's number.
    ///
    /// # Errors
    /// [`SystemError::Call`]; EADDRINUSE where another process has taken the name.
    pub fn open() -> Result<Self, SystemError> {
        let open = || {
            let name = format!("{NAME}{}", std::process::id());
            let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        open()
            .map(|listener| Self { listener })
            .map_err(|e| SystemError::call("listening for releases (a watch's socket)", e))
    }

    /// The order of a release that waits, if one does. Whatever is malformed or comes from another user is dropped.
    #[must_use]
    pub fn order(&self) -> Option<Order> {
        let (mut stream, _) = self.listener.accept().ok()?;
        if !is_trusted(&stream) {
            return None;
        }
        stream.set_nonblocking(false).ok()?;
        stream.set_read_timeout(Some(PATIENCE_OF_A_WATCH)).ok()?;
        let mut text = String::new();
        (&mut stream).take(LONGEST).read_to_string(&mut text).ok()?;
        let addresses = text.lines().map(str::parse).collect::<Result<_, _>>().ok()?;
        Some(Order { addresses, stream })
    }
}

impl AsFd for Keeper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Order {
    /// Tells the release that it may go on.
    pub fn obeyed(mut self) {
        // A release that waits no more is told by nobody.
        let _ = self.stream.write_all(YES);
    }
}

/// Tells every watch of this network namespace to let `identity` go; how many there are.
///
/// # Errors
/// The number of the process that did not answer: it would put the addresses back.
pub fn stand_down(identity: &Identity) -> Result<usize, String> {
    let order: String = identity.addresses().iter().map(|a| format!("{a}\n")).collect();
    let table = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let mut told = 0;
    for pid in watches(&table) {
        let name = SocketAddr::from_abstract_name(format!("{NAME}{pid}"));
        // One that ended meanwhile puts nothing back.
        let Ok(stream) = name.and_then(|n| UnixStream::connect_addr(&n)) else { continue };
        if !is_trusted(&stream) {
            continue;
        }
        ask(stream, &order).map_err(|e| format!("{pid} ({e})"))?;
        told += 1;
    }
    Ok(told)
}

fn ask(mut stream: UnixStream, order: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(order.as_bytes())?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    if answer == YES { Ok(()) } else { Err(io::Error::other("it did not obey")) }
}

/// Root, or the user of this process.
fn is_trusted(stream: &UnixStream) -> bool {
    let own = nix::unistd::Uid::effective().as_raw();
    getsockopt(stream, PeerCredentials).is_ok_and(|c| c.uid() == 0 || c.uid() == own)
}

/// Numbers of the processes that listen, each once: an accepted connection bears the name as well.
fn watches(table: &str) -> Vec<&str> {
    let mut all: Vec<&str> = Vec::new();
    for line in table.lines() {
        let pid = line.split_whitespace().nth(7).and_then(|n| n.strip_prefix('@')?.strip_prefix(NAME));
        if let Some(pid) = pid.filter(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
            && !all.contains(&pid)
        {
            all.push(pid);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_are_found_among_all_sockets_and_each_once() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000: 00000002 00000000 00010000 0001 01 100 @palisade/netident/watch/42\n\
            0000: 00000003 00000000 00000000 0001 03 101 @palisade/netident/watch/42\n\
            0000: 00000002 00000000 00010000 0001 01 102 @palisade/netident/watch/7\n\
            0000: 00000002 00000000 00010000 0001 01 103 @palisade/netident/watch/x\n\
            0000: 00000002 00000000 00010000 0001 01 104 /run/palisade/netident/watch/8\n\
            0000: 00000002 00000000 00010000 0001 01 105\n";
        assert_eq!(watches(table), ["42", "7"]);
        assert_eq!(watches(""), [""; 0]);
    }
}
