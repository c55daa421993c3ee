//! Changes made ready beforehand, so that making them costs the system calls and nothing else.
//!
//! Must never allocate between the sending and the last acknowledgement.

use std::io;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout};

use super::{Netlink, PATIENCE_MS, request};
use crate::plan::Step;
use crate::system::SystemError;
use netlink_packet_core::NLM_F_ACK;

pub(super) const DOING: &str = "changing links, addresses and routes";
/// Room for the acknowledgements of one datagram; each has 36 bytes and the kernel's words.
const ROOM: usize = 8192;
/// nlmsghdr: length, type, flags, sequence, port; all of the host's byte order.
const HEADER: usize = 16;
/// NLMSG_ERROR: an acknowledgement, its first field 0 or a negative errno.
const NLMSG_ERROR: u16 = 2;

/// Changes ready to be sent in one datagram.
pub struct Batch {
    bytes: Vec<u8>,
    first: u32,
    ends: Vec<Option<i32>>,
    room: Box<[u8]>,
}

impl Batch {
    /// What came of each change, once it was submitted.
    pub fn ends(&self) -> impl Iterator<Item = io::Result<()>> {
        self.ends.iter().map(|end| match end {
            Some(0) => Ok(()),
            Some(code) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
            None => Err(io::Error::other("not answered")),
        })
    }

    /// Takes the acknowledgements of one datagram.
    fn take(&mut self, len: usize) {
        let mut at = 0;
        while let Some(message) = self.room.get(at..len).filter(|m| m.len() >= HEADER) {
            let word =
                |o: usize| message.get(o..o + 4).and_then(|b| b.try_into().ok()).map(u32::from_ne_bytes);
            let kind = message.get(4..6).and_then(|b| b.try_into().ok()).map(u16::from_ne_bytes);
            let (size, sequence) = (word(0).unwrap_or(0) as usize, word(8).unwrap_or(0));
            if let (Some(NLMSG_ERROR), Some(code)) = (kind, word(HEADER))
                && let Some(end) = self.ends.get_mut(sequence.wrapping_sub(self.first) as usize)
            {
                *end = Some(code.cast_signed());
            }
            // At least a header was read.
            at += size.next_multiple_of(4).max(HEADER);
        }
    }
}

impl Netlink {
    /// Makes `steps` ready; `None` if one of them is not netlink's ([`Step::Sysctl`], [`Step::Tune`]).
    #[must_use]
    pub fn prepare(&mut self, steps: &[Step]) -> Option<Batch> {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        for step in steps {
            let (message, flags) = request(step)?;
            self.append(&mut bytes, message, flags | NLM_F_ACK);
        }
        let (ends, room) = (vec![None; steps.len()], vec![0; ROOM].into_boxed_slice());
        Some(Batch { bytes, first, ends, room })
    }

    /// Sends them all at once, in order, and waits until each is acknowledged or refused; once.
    ///
    /// # Errors
    /// [`SystemError`] where the kernel's answers were not to be had: then any of the changes may have been made.
    pub fn submit(&mut self, batch: &mut Batch) -> Result<(), SystemError> {
        if batch.ends.is_empty() {
            return Ok(());
        }
        // The kernel makes the changes within this call: the answers wait when it returns.
        self.send(&batch.bytes, DOING)?;
        while batch.ends.iter().any(Option::is_none) {
            let mut room = &mut batch.room[..];
            match self.socket.recv(&mut room, libc::MSG_DONTWAIT) {
                Ok(len) => batch.take(len),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
                    let ready = nix::poll::poll(&mut fds, PollTimeout::from(PATIENCE_MS));
                    match ready {
                        Ok(0) => return Err(SystemError::Silent(DOING.to_owned())),
                        Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                        Err(e) => return Err(SystemError::call(DOING, e.into())),
                    }
                }
                Err(e) => return Err(SystemError::call(DOING, e)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(n: usize) -> Batch {
        Batch { bytes: Vec::new(), first: 7, ends: vec![None; n], room: vec![0; 200].into_boxed_slice() }
    }

    fn message(kind: u16, sequence: u32, code: i32, words: usize) -> Vec<u8> {
        let size = u32::try_from(HEADER + 4 + words).unwrap();
        let mut m = Vec::new();
        m.extend(size.to_ne_bytes());
        m.extend(kind.to_ne_bytes());
        m.extend([0; 2]);
        m.extend(sequence.to_ne_bytes());
        m.extend([0; 4]);
        m.extend(code.to_ne_bytes());
        m.resize(m.len() + words.next_multiple_of(4), 1);
        m
    }

    #[test]
    fn each_acknowledgement_finds_its_change() {
        let mut b = batch(3);
        let bytes = [
            message(NLMSG_ERROR, 8, -libc::EEXIST, 17),
            message(3, 9, 0, 0),
            message(NLMSG_ERROR, 6, 0, 0),
            message(NLMSG_ERROR, 7, 0, 16),
        ]
        .concat();
        b.room[..bytes.len()].copy_from_slice(&bytes);
        b.take(bytes.len());
        let ends: Vec<_> = b.ends().map(|e| e.err().map(|e| e.raw_os_error())).collect();
        assert_eq!(ends, [None, Some(Some(libc::EEXIST)), Some(None)], "done, refused, not answered");
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(proptest::arbitrary::any::<u8>(), 0..200)) {
            let mut b = batch(2);
            b.room[..bytes.len()].copy_from_slice(&bytes);
            b.take(bytes.len());
        }
    }
}
