//! Many datagrams in one system call: sendmmsg and recvmmsg over arrays made once.
//!
//! The only module of the heartbeat with `unsafe`: the two calls, and the walk through a control message.
//! Must never keep a pointer beyond the call it was made for.

#![allow(unsafe_code, reason = "sendmmsg and recvmmsg have no safe wrapper that keeps its buffers")]

use std::mem::{MaybeUninit, size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{null_mut, read_unaligned};
use std::time::Duration;

use nix::errno::Errno;
use socket2::SockAddr;

use crate::heartbeat::wire::LEN;

/// One more than a datagram: what is longer is seen to be.
const ROOM: usize = LEN + 1;
/// Room for one SCM_TIMESTAMPNS, and to spare.
const CONTROL: usize = 64;

const _: () = assert!(CONTROL >= size_of::<libc::cmsghdr>() + size_of::<libc::timespec>());

/// A control buffer, aligned as its header wants to be.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// Buffers for so many datagrams.
pub(super) struct Batch {
    headers: Box<[MaybeUninit<libc::mmsghdr>]>,
    pieces: Box<[libc::iovec]>,
    controls: Box<[Control]>,
    bytes: Box<[[u8; ROOM]]>,
    received: usize,
}

impl Batch {
    pub(super) fn new(size: usize) -> Self {
        let none = libc::iovec { iov_base: null_mut(), iov_len: 0 };
        Self {
            headers: (0..size).map(|_| MaybeUninit::uninit()).collect(),
            pieces: vec![none; size].into(),
            controls: vec![Control([0; CONTROL]); size].into(),
            bytes: vec![[0; ROOM]; size].into(),
            received: 0,
        }
    }

    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Where datagram number `i` is composed.
    pub(super) fn datagram_mut(&mut self, i: usize) -> Option<&mut [u8; LEN]> {
        self.bytes.get_mut(i)?.first_chunk_mut()
    }

    /// Sends the first datagrams, one to each address; how many the kernel took.
    pub(super) fn send(&mut self, socket: BorrowedFd<'_>, to: &[SockAddr]) -> nix::Result<usize> {
        let count = to.len().min(self.size());
        for (i, address) in to.iter().enumerate().take(count) {
            self.header(i, LEN, address.as_ptr().cast_mut().cast(), address.len());
        }
        self.call(socket, count, |fd, headers, n| {
            // SAFETY: the first n headers were filled in just above and point to buffers that outlive the
            // call, which only reads them and writes msg_len.
            unsafe { libc::sendmmsg(fd, headers, n, libc::MSG_DONTWAIT) }
        })
    }

    /// Receives what is there, up to the size of the batch; `Ok(0)` if nothing is.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>) -> nix::Result<usize> {
        let count = self.size();
        for i in 0..count {
            self.header(i, ROOM, null_mut(), 0);
        }
        let end = self.call(socket, count, |fd, headers, n| {
            // SAFETY: the first n headers were filled in just above; the buffers they point to are ours
            // alone, as long as they say, and outlive the call.
            unsafe { libc::recvmmsg(fd, headers, n, libc::MSG_DONTWAIT, null_mut()) }
        });
        self.received = match end {
            Err(Errno::EAGAIN) => 0,
            other => other?,
        };
        Ok(self.received)
    }

    /// A received datagram, and when the kernel stamped it (CLOCK_REALTIME since the epoch).
    pub(super) fn received(&self, i: usize) -> Option<(&[u8], Option<Duration>)> {
        if i >= self.received {
            return None;
        }
        // SAFETY: recvmmsg returned more than i, so the header was filled in by us before the call.
        let header = unsafe { self.headers.get(i)?.assume_init_ref() };
        let length = usize::try_from(header.msg_len).unwrap_or(0).min(ROOM);
        Some((&self.bytes[i][..length], stamp(&header.msg_hdr, &self.controls[i])))
    }

    fn header(&mut self, i: usize, length: usize, name: *mut libc::c_void, name_len: libc::socklen_t) {
        self.pieces[i] = libc::iovec { iov_base: self.bytes[i].as_mut_ptr().cast(), iov_len: length };
        // SAFETY: all zeroes is a valid msghdr: null pointers and lengths of none.
        let mut h: libc::msghdr = unsafe { zeroed() };
        h.msg_name = name;
        h.msg_namelen = name_len;
        h.msg_iov = &raw mut self.pieces[i];
        h.msg_iovlen = 1;
        if name.is_null() {
            h.msg_control = self.controls[i].0.as_mut_ptr().cast();
            h.msg_controllen = CONTROL;
        }
        self.headers[i].write(libc::mmsghdr { msg_hdr: h, msg_len: 0 });
    }

    fn call(
        &mut self,
        socket: BorrowedFd<'_>,
        count: usize,
        f: impl Fn(i32, *mut libc::mmsghdr, u32) -> i32,
    ) -> nix::Result<usize> {
        let n = u32::try_from(count).unwrap_or(u32::MAX);
        let done = f(socket.as_raw_fd(), self.headers.as_mut_ptr().cast(), n);
        Errno::result(done).map(|n| usize::try_from(n).unwrap_or(0))
    }
}

/// The first control message, if it is a stamp. It is the only one asked for.
fn stamp(header: &libc::msghdr, control: &Control) -> Option<Duration> {
    let data = size_of::<libc::cmsghdr>();
    if header.msg_controllen < data + size_of::<libc::timespec>() {
        return None;
    }
    // SAFETY: the kernel wrote at least a cmsghdr into the buffer, which is larger and aligned for it.
    let c: libc::cmsghdr = unsafe { read_unaligned(control.0.as_ptr().cast()) };
    if (c.cmsg_level, c.cmsg_type) != (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) {
        return None;
    }
    // SAFETY: the length checked above covers the timespec behind the header, and the buffer both.
    let t: libc::timespec = unsafe { read_unaligned(control.0[data..].as_ptr().cast()) };
    Some(Duration::new(u64::try_from(t.tv_sec).ok()?, u32::try_from(t.tv_nsec).ok()?))
}
