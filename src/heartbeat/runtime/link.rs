//! One link: a UDP socket bound to this node's address on it, and the peers' addresses.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::socket::{setsockopt, sockopt::ReceiveTimestampns};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Room for what a node cannot read while it is not scheduled: 256 KiB hold a second of 64 peers.
const RECEIVE_BUFFER: usize = 256 * 1024;

/// Why a link cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// A step failed.
    #[error("{step} for link {local}: {error}; {next}")]
    Io {
        /// What was tried.
        step: &'static str,
        /// The link's address.
        local: SocketAddr,
        /// What came back.
        error: std::io::Error,
        /// What to do.
        next: &'static str,
    },
    /// A peer's address on this link is of the other family.
    #[error(
        "the peer's address {peer} is not of the family of link {local}: name the addresses in the order of the links"
    )]
    Family {
        /// The link's address.
        local: SocketAddr,
        /// The peer's.
        peer: SocketAddr,
    },
}

/// A link, open.
#[derive(Debug)]
pub struct Link {
    socket: Socket,
    peers: Vec<SockAddr>,
}

impl Link {
    /// Binds to `local`; `peers` are the addresses of every peer on this link, in the order of the node's.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn open(local: SocketAddr, peers: &[SocketAddr]) -> Result<Self, LinkError> {
        if let Some(peer) = peers.iter().find(|p| p.is_ipv4() != local.is_ipv4()) {
            return Err(LinkError::Family { local, peer: *peer });
        }
        let io = |step, next| move |error| LinkError::Io { step, local, error, next };
        let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))
            .map_err(io("opening a socket", "is the address family enabled?"))?;
        socket.set_nonblocking(true).map_err(io("making a socket non-blocking", "see the error"))?;
        // Best effort: the default holds a few hundred datagrams.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        setsockopt(&socket, ReceiveTimestampns, &true).map_err(|e| {
            io("asking for receive stamps", "peers cannot be judged fairly without")(e.into())
        })?;
        socket.bind(&local.into()).map_err(io(
            "binding",
            "does the address stand on this host (ip addr), and is the port free (ss -ulpn)?",
        ))?;
        Ok(Self { socket, peers: peers.iter().map(|p| (*p).into()).collect() })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(super) fn peers(&self) -> &[SockAddr] {
        &self.peers
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// The error of getsockname.
    pub fn local(&self) -> std::io::Result<Option<SocketAddr>> {
        Ok(self.socket.local_addr()?.as_socket())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_said() {
        let local: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let six: SocketAddr = "[::1]:9".parse().unwrap();
        assert!(matches!(Link::open(local, &[six]), Err(LinkError::Family { .. })));
        let foreign = Link::open("192.0.2.77:0".parse().unwrap(), &[]).unwrap_err().to_string();
        assert!(
            foreign.contains("binding for link 192.0.2.77:0") && foreign.contains("ip addr"),
            "{foreign}"
        );
        let first = Link::open(local, &[]).unwrap();
        let taken = Link::open(first.local().unwrap().unwrap(), &[]).unwrap_err().to_string();
        assert!(taken.contains("is the port free"), "{taken}");
    }
}
