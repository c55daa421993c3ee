//! SG_IO and SG_SCSI_RESET (linux/include/scsi/sg.h): the only unsafe code of this device.

#![allow(unsafe_code, reason = "two ioctls")]

use std::ffi::{c_int, c_uchar, c_uint, c_ushort, c_void};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::time::Duration;

use super::pool::{Direction, Raw};
use crate::device::{Escalate, ResetScope};

/// `struct sg_io_hdr`, interface version 3.
#[repr(C)]
struct SgIoHdr {
    interface_id: c_int,
    dxfer_direction: c_int,
    cmd_len: c_uchar,
    mx_sb_len: c_uchar,
    iovec_count: c_ushort,
    dxfer_len: c_uint,
    dxferp: *mut c_void,
    cmdp: *const c_uchar,
    sbp: *mut c_uchar,
    timeout: c_uint,
    flags: c_uint,
    pack_id: c_int,
    usr_ptr: *mut c_void,
    status: c_uchar,
    masked_status: c_uchar,
    msg_status: c_uchar,
    sb_len_wr: c_uchar,
    host_status: c_ushort,
    driver_status: c_ushort,
    resid: c_int,
    duration: c_uint,
    info: c_uint,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<SgIoHdr>() == 88);
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<SgIoHdr>() == 64);

const SG_DXFER_NONE: c_int = -1;
const SG_DXFER_TO_DEV: c_int = -2;
const SG_DXFER_FROM_DEV: c_int = -3;

const SG_SCSI_RESET_DEVICE: c_int = 1;
const SG_SCSI_RESET_BUS: c_int = 2;
const SG_SCSI_RESET_HOST: c_int = 3;
const SG_SCSI_RESET_TARGET: c_int = 4;
const SG_SCSI_RESET_NO_ESCALATE: c_int = 0x100;

nix::ioctl_readwrite_bad!(raw_sg_io, 0x2285, SgIoHdr);
nix::ioctl_write_ptr_bad!(raw_sg_scsi_reset, 0x2284, c_int);

/// Sends one command and waits for its end, however long that takes.
pub(super) fn sg_io(
    file: &File,
    cdb: &[u8],
    direction: Direction,
    data: &mut [u8],
    sense: &mut [u8; 64],
    timeout: Duration,
) -> Raw {
    let (Ok(cmd_len), Ok(dxfer_len)) = (c_uchar::try_from(cdb.len()), c_uint::try_from(data.len())) else {
        return Raw::errno(libc::E2BIG);
    };
    let mut hdr = SgIoHdr {
        interface_id: c_int::from(b'S'),
        dxfer_direction: match direction {
            Direction::None => SG_DXFER_NONE,
            Direction::In => SG_DXFER_FROM_DEV,
            Direction::Out => SG_DXFER_TO_DEV,
        },
        cmd_len,
        mx_sb_len: 64,
        iovec_count: 0,
        dxfer_len,
        dxferp: data.as_mut_ptr().cast(),
        cmdp: cdb.as_ptr(),
        sbp: sense.as_mut_ptr(),
        timeout: c_uint::try_from(timeout.as_millis()).unwrap_or(c_uint::MAX),
        flags: 0,
        pack_id: 0,
        usr_ptr: std::ptr::null_mut(),
        status: 0,
        masked_status: 0,
        msg_status: 0,
        sb_len_wr: 0,
        host_status: 0,
        driver_status: 0,
        resid: 0,
        duration: 0,
        info: 0,
    };
    // SAFETY: `hdr` has the kernel's layout (asserted above); its three pointers name live buffers of
    // the lengths given beside them, borrowed for the whole call, and the kernel keeps none of them
    // after the call returns.
    let end = unsafe { raw_sg_io(file.as_raw_fd(), &raw mut hdr) };
    Raw {
        errno: end.err().map_or(0, |e| e as i32),
        host: hdr.host_status,
        driver: hdr.driver_status,
        status: hdr.status,
        residual: hdr.resid,
        sense_len: hdr.sb_len_wr.min(64),
    }
}

/// Resets; 0 or the errno.
pub(super) fn sg_reset(file: &File, scope: ResetScope, escalate: Escalate) -> i32 {
    let mut what = match scope {
        ResetScope::LogicalUnit => SG_SCSI_RESET_DEVICE,
        ResetScope::Target => SG_SCSI_RESET_TARGET,
        ResetScope::Bus => SG_SCSI_RESET_BUS,
        ResetScope::Host => SG_SCSI_RESET_HOST,
    };
    if escalate == Escalate::No {
        what |= SG_SCSI_RESET_NO_ESCALATE;
    }
    // SAFETY: the kernel reads one int through the pointer, which lives for the whole call.
    let end = unsafe { raw_sg_scsi_reset(file.as_raw_fd(), &raw const what) };
    end.err().map_or(0, |e| e as i32)
}
