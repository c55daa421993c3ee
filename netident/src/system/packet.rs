//! A packet socket (packet(7)): sends whole frames on any link, hears ARP and neighbour discovery.
//!
//! One socket for all links. It is opened without a protocol, which hears nothing, and bound afterwards: opening
//! with one and binding later costs milliseconds. Closing costs more than ten, so report before it is dropped. All
//! of this crate's unsafe code is here.

#![allow(unsafe_code, reason = "sockaddr_ll and socket filters have no safe wrapper")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use socket2::{Domain, SockAddr, SockAddrStorage, SockFilter, Socket, Type};

use super::SystemError;
use crate::frame::LinkIndex;

/// The longest frame looked at; what is behind it is not needed.
const SNAP: usize = 256;

/// A packet socket.
pub struct PacketSocket {
    socket: Socket,
}

/// A classic BPF program: ARP, or ICMPv6 neighbour solicitations and advertisements, else nothing.
/// Link-layer header included, as SOCK_RAW delivers it; the type of an ICMPv6 message behind extension headers is
/// not looked for, since RFC 4861 messages have none.
/// Each: code, jump if true, jump if false, operand.
const FILTER: [(u16, u8, u8, u32); 10] = [
    (0x28, 0, 0, 12),     // ldh [12]: EtherType
    (0x15, 7, 0, 0x0806), // ARP: keep
    (0x15, 0, 5, 0x86dd), // not IPv6: drop
    (0x30, 0, 0, 20),     // ldb [20]: next header
    (0x15, 0, 3, 58),     // not ICMPv6: drop
    (0x30, 0, 0, 54),     // ldb [54]: type
    (0x15, 2, 0, 135),    // neighbour solicitation: keep
    (0x15, 1, 0, 136),    // neighbour advertisement: keep
    (0x06, 0, 0, 0),      // drop
    (0x06, 0, 0, 256),    // keep
];

impl PacketSocket {
    /// Opens it; it hears nothing yet.
    ///
    /// # Errors
    /// [`SystemError::Call`], with EPERM where CAP_NET_RAW is missing.
    pub fn open() -> Result<Self, SystemError> {
        let open = || -> io::Result<Socket> {
            let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
            socket.set_nonblocking(true)?;
            socket.attach_filter(&FILTER.map(|(code, t, f, k)| SockFilter::new(code, t, f, k)))?;
            Ok(socket)
        };
        open().map(|socket| Self { socket }).map_err(|e| SystemError::call("opening a packet socket", e))
    }

    /// Hears less from now on: only what this program of [`super::filter`] passes.
    ///
    /// # Errors
    /// [`SystemError::Call`].
    pub fn narrow(&self, program: &[super::filter::Instruction]) -> Result<(), SystemError> {
        let all: Vec<SockFilter> =
            program.iter().map(|&(code, t, f, k)| SockFilter::new(code, t, f, k)).collect();
        self.socket.attach_filter(&all).map_err(|e| SystemError::call("attaching a packet filter", e))
    }

    /// Begins to hear, on all links.
    ///
    /// # Errors
    /// [`SystemError::Call`].
    pub fn listen(&self) -> Result<(), SystemError> {
        let every_protocol = u16::try_from(libc::ETH_P_ALL).unwrap_or(3);
        self.socket
            .bind(&address(LinkIndex(0), every_protocol))
            .map_err(|e| SystemError::call("listening on the packet socket", e))
    }

    /// Sends one frame on a link.
    ///
    /// # Errors
    /// The errno of the call; ENETDOWN where the link is down.
    pub fn send(&self, link: LinkIndex, frame: &[u8]) -> io::Result<()> {
        self.socket.send_to(frame, &address(link, 0)).map(drop)
    }

    /// The next frame another sent, if one waits, and the link it came by.
    ///
    /// # Errors
    /// The errno of the call.
    pub fn receive(&self, buf: &mut [u8; SNAP]) -> io::Result<Option<(LinkIndex, usize)>> {
        loop {
            // SAFETY: u8 and MaybeUninit<u8> have the same layout, and the kernel only writes valid bytes.
            let uninit: &mut [MaybeUninit<u8>] = unsafe {
                std::slice::from_raw_parts_mut(buf.as_mut_ptr().cast::<MaybeUninit<u8>>(), buf.len())
            };
            let (len, from) = match self.socket.recv_from(uninit) {
                Ok(got) => got,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            if from.family() != libc::sa_family_t::try_from(libc::AF_PACKET).unwrap_or(0) {
                continue;
            }
            // SAFETY: the family says that this is a sockaddr_ll, and SockAddr's storage is larger than one and
            // suitably aligned for any socket address.
            let ll = unsafe { &*from.as_ptr().cast::<libc::sockaddr_ll>() };
            let Ok(link) = u32::try_from(ll.sll_ifindex) else { continue };
            if ll.sll_pkttype == libc::PACKET_OUTGOING {
                continue;
            }
            return Ok(Some((LinkIndex(link), len)));
        }
    }

    /// Waits until something is to be received, at most `d`.
    ///
    /// # Errors
    /// The errno of the call.
    pub fn wait(&self, d: Duration) -> io::Result<()> {
        let mut fds = [nix::poll::PollFd::new(self.as_fd(), nix::poll::PollFlags::POLLIN)];
        let timeout = nix::sys::time::TimeSpec::from_duration(d);
        match nix::poll::ppoll(&mut fds, Some(timeout), None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The network namespace's cookie (SO_NETNS_COOKIE, Linux 5.14): a number given once a boot; `None` on an older
/// kernel.
///
/// # Errors
/// The errno of the call.
pub(super) fn namespace_cookie() -> io::Result<Option<u64>> {
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    let mut cookie = 0u64;
    let mut len = libc::socklen_t::try_from(size_of::<u64>()).unwrap_or(8);
    // SAFETY: the option writes at most `len` bytes, which is the size of `cookie`; both outlive the call.
    let end = unsafe {
        libc::getsockopt(
            std::os::fd::AsRawFd::as_raw_fd(&socket),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut len,
        )
    };
    match end {
        0 => Ok(Some(cookie)),
        _ => match io::Error::last_os_error() {
            e if e.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(None),
            e => Err(e),
        },
    }
}

/// A room for one frame.
#[must_use]
pub const fn room() -> [u8; SNAP] {
    [0; SNAP]
}

fn address(link: LinkIndex, protocol: u16) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    let len = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).unwrap_or(0);
    // SAFETY: sockaddr_ll is a socket address, plain data, no larger than a sockaddr_storage.
    let ll = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    ll.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or(17);
    ll.sll_protocol = protocol.to_be();
    ll.sll_ifindex = i32::try_from(link.0).unwrap_or(0);
    // SAFETY: the storage holds a sockaddr_ll of this length.
    unsafe { SockAddr::new(storage, len) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::arp::Arp;
    use crate::frame::ndp::Ndp;
    use pnet_base::MacAddr;

    /// What the kernel does with [`FILTER`]: bytes kept of a frame.
    fn run(frame: &[u8]) -> u32 {
        let (mut a, mut pc) = (0u32, 0usize);
        loop {
            let (code, if_true, if_false, operand) = FILTER[pc];
            let k = operand as usize;
            pc += 1;
            match code {
                0x28 if frame.len() >= k + 2 => a = u32::from(u16::from_be_bytes([frame[k], frame[k + 1]])),
                0x30 if frame.len() > k => a = u32::from(frame[k]),
                0x28 | 0x30 => return 0,
                0x15 => pc += usize::from(if a == operand { if_true } else { if_false }),
                0x06 => return operand,
                other => panic!("{other:#x}"),
            }
        }
    }

    #[test]
    fn the_filter_lets_through_what_is_read_and_nothing_else() {
        let mac = MacAddr(2, 0, 0, 0, 0, 1);
        let (v4, v6) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        for frame in [
            Arp::gratuitous_request(mac, v4).emit(),
            Ndp::unsolicited(mac, v6).emit(),
            Ndp::question(mac, v6, "2001:db8::2".parse().unwrap()).emit(),
        ] {
            assert_eq!(run(&frame), 256);
        }
        let mut echo = Ndp::unsolicited(mac, v6).emit();
        echo[54] = 128;
        let mut udp = Ndp::unsolicited(mac, v6).emit();
        udp[20] = 17;
        let mut ipv4 = Arp::gratuitous_request(mac, v4).emit();
        ipv4[13] = 0;
        for frame in [echo, udp, ipv4] {
            assert_eq!(run(&frame), 0);
        }
        assert_eq!(run(&[]), 0);
    }
}
