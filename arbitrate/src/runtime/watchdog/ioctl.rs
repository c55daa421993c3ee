//! The watchdog ioctls (linux/watchdog.h): the only unsafe code of this module.

#![allow(unsafe_code, reason = "four ioctls")]

use std::ffi::c_int;
use std::fs::File;
use std::os::fd::AsRawFd;

nix::ioctl_read!(wdioc_getsupport, b'W', 0, Info);
nix::ioctl_read!(wdioc_keepalive, b'W', 5, c_int);
nix::ioctl_readwrite!(wdioc_settimeout, b'W', 6, c_int);
nix::ioctl_read!(wdioc_gettimeout, b'W', 7, c_int);

/// `struct watchdog_info`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Info {
    options: u32,
    firmware_version: u32,
    identity: [u8; 32],
}

const _: () = assert!(size_of::<Info>() == 40);

/// WDIOF_MAGICCLOSE: writing 'V' before closing disarms.
const MAGIC_CLOSE: u32 = 0x0100;

impl Info {
    pub(super) fn name(&self) -> String {
        let text: Vec<u8> = self.identity.into_iter().take_while(|b| *b != 0).collect();
        String::from_utf8_lossy(&text).into_owned()
    }

    pub(super) const fn magic_close(&self) -> bool {
        self.options & MAGIC_CLOSE != 0
    }
}

pub(super) fn support(file: &File) -> nix::Result<Info> {
    let mut info = Info { options: 0, firmware_version: 0, identity: [0; 32] };
    // SAFETY: the kernel writes one watchdog_info, whose size is asserted above, through the pointer,
    // which lives for the whole call.
    unsafe { wdioc_getsupport(file.as_raw_fd(), &raw mut info) }?;
    Ok(info)
}

pub(super) fn set_timeout(file: &File, seconds: c_int) -> nix::Result<()> {
    let mut asked = seconds;
    // SAFETY: the kernel reads and writes one int through the pointer, which lives for the call.
    unsafe { wdioc_settimeout(file.as_raw_fd(), &raw mut asked) }.map(drop)
}

pub(super) fn timeout(file: &File) -> nix::Result<c_int> {
    let mut real = 0;
    // SAFETY: the kernel writes one int through the pointer, which lives for the call.
    unsafe { wdioc_gettimeout(file.as_raw_fd(), &raw mut real) }?;
    Ok(real)
}

pub(super) fn keep_alive(file: &File) -> nix::Result<()> {
    let mut unused = 0;
    // SAFETY: the kernel may write one int through the pointer, which lives for the call.
    unsafe { wdioc_keepalive(file.as_raw_fd(), &raw mut unused) }.map(drop)
}
